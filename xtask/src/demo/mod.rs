//! `cargo xtask demo`: a firewall dies, and its connections live on.
//!
//! Act 1: the primary loses its power. Act 2: it has come back, and the other one loses its
//! power. Act 3, for contrast: the same without conntrackd. Everything is real: programs,
//! kernel, packets; only the machines are network namespaces. The network and the daemons come
//! from `testbed`; here is only the show.

mod act;
mod options;
mod prepare;
mod screen;
mod timeline;

use std::time::{Duration, Instant};

use testbed::{
    Conntrackd, Error, FailoverPair, Implementation, Program, Progress, Replication, Result, Spray,
    catch_interrupts, wait_for,
};

use act::{HELD, Outcome, Traffic, play};
use options::{HELP, Options, Request};
use prepare::TableLimit;
use screen::{Screen, Tone, grouped};

/// How long the audience waits for the steady connection to speak again.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same when nobody expects it to.
const PATIENCE_CONTRAST: Duration = Duration::from_secs(4);
/// How long the firewalls may take to agree.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(120);

/// Runs the demo.
pub fn run(args: &[String]) -> Result<()> {
    let screen = Screen::new();
    match Request::parse(args)? {
        Request::Help => screen.text(HELP.trim_end()),
        Request::Clean => clean(screen),
        Request::Play(options) => {
            catch_interrupts()?;
            let verdict = demo(screen, options);
            if matches!(verdict, Err(Error::Interrupted)) {
                screen.note(Tone::Plain, "interrupted; everything is removed")?;
            }
            verdict
        }
    }
}

fn clean(screen: Screen) -> Result<()> {
    let removed = testbed::remove_kept();
    screen.note(
        Tone::Plain,
        &format!("{} namespaces removed", removed.len()),
    )
}

fn demo(screen: Screen, options: Options) -> Result<()> {
    let start = Instant::now();
    screen.heading("A firewall dies, its connections live on")?;
    prepare::programs(screen, options.daemon)?;
    let _limit = TableLimit::make_room(screen, options.flows)?;
    let mut pair = FailoverPair::new(options.daemon, Replication::On, options.keep)?;
    pair.boot()?;
    let mut traffic = stage(screen, &pair, options)?;

    screen.heading("1. fw1, the primary, fails")?;
    let first = play(screen, &mut pair, 0, &mut traffic, PATIENCE)?;

    screen.heading("2. fw1 comes back as backup, then fw2, now the primary, fails")?;
    come_back(screen, &mut pair)?;
    let second = play(screen, &mut pair, 1, &mut traffic, PATIENCE)?;
    drop(traffic);
    let kept = options.keep.then_some(pair);

    screen.heading("3. For contrast: the same without conntrackd")?;
    let contrast = contrast(screen, options.daemon)?;

    let verdict = verdict(screen, &[first, second], &contrast, start.elapsed());
    if let Some(pair) = kept {
        keep(screen, pair, options.daemon)?;
    }
    verdict
}

/// Sets the traffic going and waits until the backup knows all of it.
fn stage(screen: Screen, pair: &FailoverPair, options: Options) -> Result<Traffic> {
    let whose = options.daemon;
    screen.note(
        Tone::Plain,
        "client --- fw1 | fw2 --- server; the firewalls translate addresses",
    )?;
    screen.note(
        Tone::Plain,
        &format!("keepalived and conntrackd ({whose}) run on both firewalls"),
    )?;
    let traffic = Traffic::start(pair)?;
    let held = grouped(HELD);
    screen.note(
        Tone::Plain,
        &format!("one connection talks without pause, {held} are held open"),
    )?;
    if options.flows > 0 {
        let start = Instant::now();
        add_flows(pair, options.flows)?;
        let (flows, seconds) = (grouped(options.flows), start.elapsed().as_secs_f64());
        let text = format!("{flows} synthetic flows added in {seconds:.1} s");
        screen.note(Tone::Plain, &text)?;
    }
    let flows = wait_until_replicated(pair, 0, options.flows)?;
    let text = format!(
        "fw1 is primary with {} flows; fw2 knows all of them",
        grouped(flows)
    );
    screen.note(Tone::Good, &text)?;
    Ok(traffic)
}

/// Sends the synthetic flows through the primary, never faster than its daemon reads.
fn add_flows(pair: &FailoverPair, flows: u32) -> Result<()> {
    pair.server
        .route(&format!("blackhole {}", Spray::NETWORK))?;
    for firewall in &pair.firewalls {
        // They must outlive the demo, although nobody answers.
        firewall
            .namespace
            .sysctl("net.netfilter.nf_conntrack_udp_timeout", 3600)?;
    }
    let primary = daemon(pair, 0)?;
    let mut spray = Spray::new(&pair.client);
    let mut sent = 0;
    while sent < flows {
        sent = spray.more(flows - sent)?;
        if sent % 10_000 == 0 {
            wait_for(
                "the primary to read its kernel's events",
                REPLICATION_TIMEOUT,
                || {
                    let known = primary.statistics()?.internal.active;
                    let behind = u64::from(sent).saturating_sub(known);
                    Ok(match behind < 5_000 {
                        true => Progress::Done(()),
                        false => Progress::Waiting(format!("{known} of {sent} flows known")),
                    })
                },
            )?;
        }
    }
    Ok(())
}

/// Waits until the backup knows every flow of the primary; returns how many.
fn wait_until_replicated(pair: &FailoverPair, primary: usize, flows: u32) -> Result<u64> {
    let (own, peer) = (daemon(pair, primary)?, daemon(pair, 1 - primary)?);
    let least = u64::from(flows) + u64::try_from(HELD).unwrap_or_default() + 1;
    wait_for("the backup to know all flows", REPLICATION_TIMEOUT, || {
        let known = own.statistics()?.internal.active;
        let replicated = peer.statistics()?.external.active;
        Ok(match replicated == known && known >= least {
            true => Progress::Done(known),
            false => Progress::Waiting(format!("{replicated} of {known}, at least {least}")),
        })
    })
}

fn daemon(pair: &FailoverPair, firewall: usize) -> Result<&Conntrackd> {
    let daemon = pair
        .firewalls
        .get(firewall)
        .and_then(|firewall| firewall.conntrackd.as_ref());
    daemon.ok_or_else(|| Error::Unexpected("a firewall has no conntrackd".into()))
}

/// Switches fw1 on again and waits until it knows what fw2 knows.
fn come_back(screen: Screen, pair: &mut FailoverPair) -> Result<()> {
    let start = Instant::now();
    let [fw1, _] = &mut pair.firewalls;
    fw1.boot()?;
    fw1.wait_until_backup()?;
    let flows = wait_until_replicated(pair, 1, 0)?;
    let (flows, seconds) = (grouped(flows), start.elapsed().as_secs_f64());
    let text = format!("fw1 is back, empty; {seconds:.1} s later it knows fw2's {flows} flows");
    screen.note(Tone::Good, &text)?;
    screen.note(Tone::Plain, "")
}

fn contrast(screen: Screen, implementation: Implementation) -> Result<Outcome> {
    let mut pair = FailoverPair::new(implementation, Replication::Off, false)?;
    pair.boot()?;
    let mut traffic = Traffic::start(&pair)?;
    play(screen, &mut pair, 0, &mut traffic, PATIENCE_CONTRAST)
}

fn verdict(
    screen: Screen,
    failovers: &[Outcome],
    contrast: &Outcome,
    duration: Duration,
) -> Result<()> {
    screen.heading("Verdict")?;
    for (number, outcome) in failovers.iter().chain([contrast]).enumerate() {
        let (alive, total) = (grouped(outcome.alive), grouped(outcome.total));
        let name = ["failover 1", "failover 2", "without conntrackd"]
            .get(number)
            .unwrap_or(&"");
        let stall = outcome.stall.map_or("no answer any more".into(), |stall| {
            format!("stall {:.2} s", stall.as_secs_f64())
        });
        let mut text = format!("{name:<19} {alive:>5} of {total} alive, {stall}");
        if let Some(commit) = &outcome.takeover.committed {
            text += &format!(", commit {:.1} ms", commit.seconds * 1000.0);
        }
        screen.note(
            if outcome.survived() {
                Tone::Good
            } else {
                Tone::Bad
            },
            &text,
        )?;
    }
    screen.note(Tone::Plain, "")?;
    let seconds = duration.as_secs_f64();
    if failovers.iter().all(Outcome::survived) {
        let text = format!("survived: every connection lives on ({seconds:.0} s)");
        return screen.note(Tone::Good, &text);
    }
    screen.note(Tone::Bad, "NOT survived: connections are missing")?;
    Err(Error::Unexpected(
        "connections were lost with conntrackd".into(),
    ))
}

fn keep(screen: Screen, pair: FailoverPair, implementation: Implementation) -> Result<()> {
    let conntrack = implementation.path(Program::Conntrack)?;
    let [fw1, _] = &pair.firewalls;
    let name = fw1.namespace.name().to_owned();
    let config = daemon(&pair, 0)?.config().display().to_string();
    let conntrackd = implementation.path(Program::Conntrackd)?;
    screen.heading("The network is still there")?;
    screen.note(Tone::Plain, "ip netns list | grep ctrk")?;
    screen.note(
        Tone::Plain,
        &format!("ip netns exec {name} {} -L", conntrack.display()),
    )?;
    screen.note(
        Tone::Plain,
        &format!(
            "ip netns exec {name} {} -C {config} -s",
            conntrackd.display()
        ),
    )?;
    screen.note(Tone::Plain, "cargo xtask demo --clean        removes it")?;
    pair.keep()
}
