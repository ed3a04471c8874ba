//! `cargo xtask demo`: a firewall dies, and its connections live on.
//!
//! Each topology has a play of its own: one primary and one backup, two firewalls that are both
//! primary, three that share the clients. Everything is real: programs, kernel, packets; only the
//! machines are network namespaces. The network and the daemons come from `testbed`; here is only
//! the show.

mod act;
mod active_active;
mod active_backup;
mod multi_primary;
mod options;
mod screen;
mod stage;
mod timeline;

use std::time::{Duration, Instant};

use testbed::{Error, Result, TableLimit, catch_interrupts};

use act::Outcome;
use options::{HELP, Options, Request, Topology};
use screen::{Screen, Tone, grouped};

/// How long the audience waits for the steady connection to speak again.
const PATIENCE: Duration = Duration::from_secs(15);

/// An outcome and what it was of.
type Named = (&'static str, Outcome);

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
    stage::programs(screen, options)?;
    let start = Instant::now();
    let _limit = TableLimit::make_room(options.flows, |text| drop(screen.note(Tone::Plain, text)))?;
    match options.topology {
        Topology::ActiveBackup => active_backup::play(screen, options, start),
        Topology::ActiveActive => {
            let failovers = active_active::play(screen, options)?;
            verdict(screen, options, &failovers, &[], start)
        }
        Topology::MultiPrimary => {
            let failovers = multi_primary::play(screen, options)?;
            verdict(screen, options, &failovers, &[], start)
        }
    }
}

/// Says how all of it ended; an error unless every connection survived the failovers.
fn verdict(
    screen: Screen,
    options: Options,
    failovers: &[Named],
    contrasts: &[Named],
    start: Instant,
) -> Result<()> {
    screen.heading("Verdict")?;
    for (name, outcome) in failovers.iter().chain(contrasts) {
        let (alive, total) = (grouped(outcome.alive), grouped(outcome.total));
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
    let seconds = start.elapsed().as_secs_f64();
    if failovers.iter().all(|(_, outcome)| outcome.survived()) {
        let text = format!("survived: every connection lives on ({options}; {seconds:.0} s)");
        return screen.note(Tone::Good, &text);
    }
    let text = format!("NOT survived: connections are missing ({options}; {seconds:.0} s)");
    screen.note(Tone::Bad, &text)?;
    Err(Error::Unexpected(
        "connections were lost with conntrackd".into(),
    ))
}
