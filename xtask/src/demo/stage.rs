//! What must be there before the curtain rises: rights, programs, packages, traffic.
//!
//! The curtain may rise when the backup knows every flow of the primary; that is asked for, not
//! hoped for.

use std::time::{Duration, Instant};

use testbed::{
    Conntrackd, Error, FailoverPair, Implementation, Plan, Progress, Result, ensure_packages,
    wait_for, wait_until,
};

use super::PATIENCE;
use super::act::{self, HELD, Outcome, Traffic};
use super::options::{Options, Topology};
use super::screen::{Screen, Tone, grouped};
use super::timeline::Takeover;
use crate::prepare;

/// How long the firewalls may take to agree.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(120);
/// After this time a firewall that came back asks a second time. More than ALARM's RefreshTime.
const SECOND_QUESTION: Duration = Duration::from_secs(18);

/// Builds or installs everything that is missing.
pub fn programs(screen: Screen, options: Options) -> Result<()> {
    if !testbed::is_root() {
        let remedy = "network namespaces need it: run the demo as root".into();
        return Err(Error::Missing {
            what: "the right to make networks".into(),
            remedy,
        });
    }
    let say = |text: &str| {
        // The line is for an impatient audience only.
        let _ = screen.note(Tone::Plain, text);
    };
    let mut packages = vec!["iproute2", "nftables", "keepalived"];
    if options.daemon == Implementation::Stock {
        packages.extend(["conntrack", "conntrackd"]);
    }
    // The script that moves a share needs our conntrack, whosever the daemons are.
    if options.daemon == Implementation::Ours || options.topology == Topology::MultiPrimary {
        prepare::release_programs(say)?;
    }
    ensure_packages(&packages, say).map(drop)
}

/// The network that the options ask for, with one primary.
pub fn plan(options: Options) -> Plan {
    Plan {
        mode: options.mode,
        transport: options.transport,
        keepable: options.keep,
        ..Plan::new(options.daemon)
    }
}

/// Says what runs and what goes through it.
pub fn announce(screen: Screen, options: Options, traffic: &Traffic) -> Result<()> {
    let text = format!("keepalived and conntrackd run on all firewalls ({options})");
    screen.note(Tone::Plain, &text)?;
    let connections = grouped(traffic.connections());
    let text = format!("{connections} connections; one in a thousand talks without pause");
    screen.note(Tone::Plain, &text)
}

/// Sets the traffic going and waits until the backup knows all of it.
pub fn traffic(screen: Screen, pair: &FailoverPair, options: Options) -> Result<Traffic> {
    screen.note(
        Tone::Plain,
        "client --- fw1 | fw2 --- server; the firewalls translate addresses",
    )?;
    let traffic = Traffic::start(pair)?;
    announce(screen, options, &traffic)?;
    if options.flows > 0 {
        let start = Instant::now();
        pair.fill(options.flows)?;
        let (flows, seconds) = (grouped(options.flows), start.elapsed().as_secs_f64());
        let text = format!("{flows} synthetic flows added in {seconds:.1} s");
        screen.note(Tone::Plain, &text)?;
    }
    let flows = learn_all(screen, pair, 1, u64::from(options.flows) + connections())?;
    let text = format!(
        "fw1 is primary with {} flows; fw2 knows all of them",
        grouped(flows)
    );
    screen.note(Tone::Good, &text)?;
    Ok(traffic)
}

/// The TCP connections of one group.
pub fn connections() -> u64 {
    u64::try_from(HELD).unwrap_or_default() + 1
}

/// Waits until firewall `backup` knows what the other one knows, which is `least` or more; returns
/// how many flows.
pub fn learn_all(screen: Screen, pair: &FailoverPair, backup: usize, least: u64) -> Result<u64> {
    let (own, peer) = (pair.daemon(backup)?, pair.daemon(1 - backup)?);
    learn(screen, own, || {
        let (known, learnt) = (
            peer.statistics()?.internal.active,
            own.statistics()?.external.active,
        );
        Ok((known >= least && learnt == known).then_some(known))
    })
}

/// Waits until firewall `number` knows all connections from the other firewall, which has those
/// of both groups.
pub fn know(screen: Screen, pair: &FailoverPair, number: usize, traffic: &Traffic) -> Result<u64> {
    let own = pair.daemon(number)?;
    let all = u64::try_from(traffic.connections()).unwrap_or_default();
    learn(screen, own, || {
        let learnt = own.statistics()?.external.active;
        Ok((learnt >= all).then_some(learnt))
    })
}

/// Waits until both firewalls know each other's connections.
pub fn know_each_other(pair: &FailoverPair) -> Result<()> {
    for number in [0, 1] {
        let daemon = pair.daemon(number)?;
        let what = "each firewall to know the other's connections";
        wait_for(what, REPLICATION_TIMEOUT, || {
            let known = daemon.statistics()?.external.active;
            Ok(match known >= connections() {
                true => Progress::Done(()),
                false => Progress::Waiting(format!("{known} of {}", connections())),
            })
        })?;
    }
    Ok(())
}

/// Waits until it knows; asks again once, as an operator would, when that takes too long: over TCP
/// the answer to the first question can go into a connection that is dead already.
fn learn(
    screen: Screen,
    daemon: &Conntrackd,
    mut knows: impl FnMut() -> Result<Option<u64>>,
) -> Result<u64> {
    let (start, mut asked) = (Instant::now(), false);
    wait_for("it to know all flows", REPLICATION_TIMEOUT, || {
        if !asked && start.elapsed() > SECOND_QUESTION {
            asked = true;
            daemon.client("-n")?;
            screen.note(
                Tone::Bad,
                "it has to ask for the flows again (conntrackd -n)",
            )?;
        }
        Ok(match knows()? {
            Some(known) => Progress::Done(known),
            None => Progress::Waiting("not all are known".into()),
        })
    })
}

/// Waits until the fence of a group is down on a firewall.
pub fn wait_until_open(pair: &FailoverPair, firewall: usize, group: usize) -> Result<()> {
    let firewall = pair.firewalls.get(firewall);
    wait_until("the end of the commit", PATIENCE, || {
        firewall.is_some_and(|firewall| firewall.is_open(group))
    })
}

/// A firewall that began to come back at `start` has `what` back by now: says so, waits until the
/// group's steady connection speaks, and asks every connection.
pub fn is_back(
    screen: Screen,
    traffic: &mut Traffic,
    group: usize,
    start: Instant,
    what: &str,
) -> Result<Outcome> {
    let opened = Instant::now();
    let seconds = start.elapsed().as_secs_f64();
    screen.note(
        Tone::Good,
        &format!("{seconds:.1} s later it has {what} back"),
    )?;
    let answer = wait_for_echo(traffic, group, opened)?;
    let stall = answer
        .then(|| traffic.stall_since(group, start))
        .transpose()?;
    let outcome = act::ask_all(traffic, Takeover::default(), stall)?;
    screen.note(outcome.tone(), &outcome.text())?;
    Ok(outcome)
}

/// Waits until the steady connection of a group speaks after this moment; whether it does.
fn wait_for_echo(traffic: &Traffic, group: usize, since: Instant) -> Result<bool> {
    let what = "the steady connection to speak";
    let spoke = wait_for(what, PATIENCE, || {
        Ok(match traffic.speaks_since(group, since)? {
            true => Progress::Done(()),
            false => Progress::Waiting("silence".into()),
        })
    });
    match spoke {
        Ok(()) => Ok(true),
        Err(Error::TimedOut { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
