//! Two firewalls, each primary of a group of clients. Act 1: fw2 fails, and fw1 has both groups.
//! Act 2: fw2 comes back and takes its group back. Act 3: fw1 fails, and fw2 has both.
//!
//! In every act the connections of both groups are asked, also of the group that did not move.

use std::time::Instant;

use testbed::{FailoverPair, Line, Result, Roles, wait_until};

use super::act::{self, Outcome, Traffic};
use super::options::Options;
use super::screen::{Screen, Tone};
use super::timeline::Steps;
use super::{Named, PATIENCE, stage};

/// One instance inside, one outside, of one group.
const STEPS: Steps = Steps {
    masters: 2,
    moved: "has taken the other group's addresses",
    commits: true,
};

/// Plays all acts.
pub fn play(screen: Screen, options: Options) -> Result<Vec<Named>> {
    let mut plan = stage::plan(options);
    plan.roles = Roles::ActiveActive;
    let mut pair = FailoverPair::build(plan)?;
    screen.note(Tone::Plain, "clients of group 1 --- fw1 | fw2 --- server")?;
    screen.note(Tone::Plain, "clients of group 2 ----------´")?;
    pair.boot()?;
    let mut traffic = Traffic::start(&pair)?;
    stage::announce(screen, options, &traffic)?;
    stage::know_each_other(&pair)?;
    let text = "fw1 is primary of group 1, fw2 of group 2; each knows the other's flows";
    screen.note(Tone::Good, text)?;

    screen.heading("1. fw2 fails")?;
    let first = fail(screen, &mut pair, 1, &mut traffic)?;

    screen.heading("2. fw2 comes back and takes its group back")?;
    let second = take_back(screen, &mut pair, &mut traffic)?;

    screen.heading("3. fw1 fails")?;
    let third = fail(screen, &mut pair, 0, &mut traffic)?;
    Ok(vec![
        ("fw2 fails", first),
        ("fw2 takes back", second),
        ("fw1 fails", third),
    ])
}

/// Lets firewall number `dead` fail; it is primary of the group with the same number.
fn fail(
    screen: Screen,
    pair: &mut FailoverPair,
    dead: usize,
    traffic: &mut Traffic,
) -> Result<Outcome> {
    act::cut_one(screen, pair, dead, traffic, (dead, STEPS, PATIENCE))
}

fn take_back(screen: Screen, pair: &mut FailoverPair, traffic: &mut Traffic) -> Result<Outcome> {
    let start = Instant::now();
    pair.firewalls[1].boot()?;
    stage::know(screen, pair, 1, traffic)?;
    let log = pair.daemon(1)?.log().clone();
    let mut mark = log.mark();
    let seconds = start.elapsed().as_secs_f64();
    let text = format!("fw2 is back, empty; {seconds:.1} s later it knows fw1's flows");
    screen.note(Tone::Good, &text)?;
    pair.firewalls[1].wait_until_primary_of(2)?;
    stage::wait_until_open(pair, 1, 2)?;
    let outcome = stage::is_back(screen, traffic, 1, start, "taken group 2")?;
    // The script forgets what it knew of both firewalls, and asks for it again.
    wait_until("the end of the takeover", PATIENCE, || {
        let forgets = |line: &Line| line.text.contains("flushing caches");
        log.news(&mut mark).iter().any(forgets)
    })?;
    stage::know_each_other(pair)?;
    Ok(outcome)
}
