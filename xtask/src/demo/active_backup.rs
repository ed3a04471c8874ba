//! One primary, one backup. Act 1: the primary loses its power. Act 2: it has come back, and the
//! other one loses its power. Act 3, for contrast: the same without conntrackd.
//!
//! The only play whose network can be left behind to look around in.

use std::time::{Duration, Instant};

use testbed::{FailoverPair, Plan, Program, Replication, Result};

use super::act::{self, Outcome, Traffic};
use super::options::Options;
use super::screen::{Screen, Tone, grouped};
use super::timeline::Steps;
use super::{PATIENCE, stage, verdict};

/// The audience's patience when nobody expects an answer.
const PATIENCE_CONTRAST: Duration = Duration::from_secs(4);
/// One instance inside, one outside.
const STEPS: Steps = Steps {
    masters: 2,
    moved: "is primary: it has taken the shared addresses",
    commits: true,
};

/// Plays all three acts, says the verdict and leaves behind what was asked for.
pub fn play(screen: Screen, options: Options, start: Instant) -> Result<()> {
    let plan = stage::plan(options);
    let mut pair = FailoverPair::build(plan)?;
    pair.boot()?;
    let mut traffic = stage::traffic(screen, &pair, options)?;

    screen.heading("1. fw1, the primary, fails")?;
    let first = fail(screen, &mut pair, 0, &mut traffic, PATIENCE)?;

    screen.heading("2. fw1 comes back as backup, then fw2, now the primary, fails")?;
    come_back(screen, &mut pair)?;
    let second = fail(screen, &mut pair, 1, &mut traffic, PATIENCE)?;
    if options.keep {
        // Else the end of the traffic would be the end of the connections to look at.
        pair.unplug()?;
    }
    drop(traffic);
    let kept = options.keep.then_some(pair);

    screen.heading("3. For contrast: the same without conntrackd")?;
    let contrast = contrast(screen, plan)?;

    let failovers = [("failover 1", first), ("failover 2", second)];
    let contrasts = [("without conntrackd", contrast)];
    let verdict = verdict(screen, options, &failovers, &contrasts, start);
    if let Some(pair) = kept {
        keep(screen, pair)?;
    }
    verdict
}

/// Lets firewall number `dead` fail.
fn fail(
    screen: Screen,
    pair: &mut FailoverPair,
    dead: usize,
    traffic: &mut Traffic,
    patience: Duration,
) -> Result<Outcome> {
    act::cut_one(screen, pair, dead, traffic, (0, STEPS, patience))
}

/// Switches fw1 on again and waits until it knows what fw2 knows.
fn come_back(screen: Screen, pair: &mut FailoverPair) -> Result<()> {
    let start = Instant::now();
    let [fw1, _] = &mut pair.firewalls;
    fw1.boot()?;
    fw1.wait_until_backup()?;
    let flows = stage::learn_all(screen, pair, 0, stage::connections())?;
    let (flows, seconds) = (grouped(flows), start.elapsed().as_secs_f64());
    let text = format!("fw1 is back, empty; {seconds:.1} s later it knows fw2's {flows} flows");
    screen.note(Tone::Good, &text)?;
    screen.note(Tone::Plain, "")
}

fn contrast(screen: Screen, plan: Plan) -> Result<Outcome> {
    let mut pair = FailoverPair::build(Plan {
        replication: Replication::Off,
        keepable: false,
        ..plan
    })?;
    pair.boot()?;
    let mut traffic = Traffic::start(&pair)?;
    fail(screen, &mut pair, 0, &mut traffic, PATIENCE_CONTRAST)
}

fn keep(screen: Screen, pair: FailoverPair) -> Result<()> {
    let implementation = pair.plan().daemon;
    let conntrack = implementation.path(Program::Conntrack)?;
    let [fw1, _] = &pair.firewalls;
    let name = fw1.namespace.name().to_owned();
    let config = pair.daemon(0)?.config().display().to_string();
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
