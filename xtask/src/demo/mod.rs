//! `cargo xtask demo`: a firewall dies, and its connections live on.
//!
//! Act 1: the primary loses its power. Act 2: it has come back, and the other one loses its
//! power. Act 3, for contrast: the same without conntrackd. Everything is real: programs,
//! kernel, packets; only the machines are network namespaces. The network and the daemons come
//! from `testbed`; here is only the show.

mod act;
mod options;
mod screen;
mod stage;
mod timeline;

use std::time::{Duration, Instant};

use testbed::{
    Error, FailoverPair, Implementation, Program, Replication, Result, TableLimit, catch_interrupts,
};

use act::{Outcome, Traffic, play};
use options::{HELP, Options, Request};
use screen::{Screen, Tone, grouped};

/// How long the audience waits for the steady connection to speak again.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same when nobody expects it to.
const PATIENCE_CONTRAST: Duration = Duration::from_secs(4);

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
    screen.heading("A firewall dies, its connections live on")?;
    stage::programs(screen, options.daemon)?;
    let start = Instant::now();
    let _limit = TableLimit::make_room(options.flows, |text| drop(screen.note(Tone::Plain, text)))?;
    let mut pair = FailoverPair::new(options.daemon, Replication::On, options.keep)?;
    pair.boot()?;
    let mut traffic = stage::traffic(screen, &pair, options)?;

    screen.heading("1. fw1, the primary, fails")?;
    let first = play(screen, &mut pair, 0, &mut traffic, PATIENCE)?;

    screen.heading("2. fw1 comes back as backup, then fw2, now the primary, fails")?;
    come_back(screen, &mut pair)?;
    let second = play(screen, &mut pair, 1, &mut traffic, PATIENCE)?;
    if options.keep {
        // Else the end of the traffic would be the end of the connections to look at.
        pair.unplug()?;
    }
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

/// Switches fw1 on again and waits until it knows what fw2 knows.
fn come_back(screen: Screen, pair: &mut FailoverPair) -> Result<()> {
    let start = Instant::now();
    let [fw1, _] = &mut pair.firewalls;
    fw1.boot()?;
    fw1.wait_until_backup()?;
    let flows = stage::wait_until_replicated(pair, 1, 0)?;
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
    let config = stage::daemon(&pair, 0)?.config().display().to_string();
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
    pair.keep();
    Ok(())
}
