//! Two firewalls, each primary of a group of clients. Act 1: fw2 fails, and fw1 has both groups.
//! Act 2: fw2 comes back and takes its group back. Act 3: fw1 fails, and fw2 has both.
//!
//! In every act the connections of both groups are asked, also of the group that did not move.

use std::time::Instant;

use testbed::{FailoverPair, Line, Result, Roles, wait_until};

use super::act::{self, Failure, Outcome, Traffic};
use super::options::Options;
use super::screen::{Screen, Tone, grouped};
use super::timeline::{Heir, Steps, Takeover};
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
    let [fw1, fw2] = &mut pair.firewalls;
    let (dying, heir) = if dead == 0 { (fw1, fw2) } else { (fw2, fw1) };
    let what = format!("{} loses its power", dying.label());
    let failure = Failure {
        what: &what,
        heirs: vec![Heir::new(
            heir.label(),
            heir.keepalived.as_ref(),
            heir.conntrackd.as_ref(),
        )],
        steps: STEPS,
        group: dead,
        patience: PATIENCE,
    };
    act::play(screen, failure, traffic, || dying.cut_power())
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
    let opened = Instant::now();
    let text = format!(
        "{:.1} s later it has taken group 2 back",
        start.elapsed().as_secs_f64()
    );
    screen.note(Tone::Good, &text)?;
    let answer = stage::wait_for_echo(traffic, 1, opened)?;
    let stall = answer.then(|| traffic.stall_since(1, start)).transpose()?;
    let outcome = act::ask_all(traffic, Takeover::default(), stall)?;
    let (alive, total) = (grouped(outcome.alive), grouped(outcome.total));
    let tone = if outcome.survived() {
        Tone::Good
    } else {
        Tone::Bad
    };
    screen.note(tone, &format!("{alive} of {total} connections alive"))?;
    // The script forgets what it knew of both firewalls, and asks for it again.
    wait_until("the end of the takeover", PATIENCE, || {
        let forgets = |line: &Line| line.text.contains("flushing caches");
        log.news(&mut mark).iter().any(forgets)
    })?;
    stage::know_each_other(pair)?;
    Ok(outcome)
}
