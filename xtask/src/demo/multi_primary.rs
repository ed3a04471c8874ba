//! Three firewalls that share the clients. Act 1: fw2 fails, and the others have its shares. Act 2:
//! it comes back and takes them back. Act 3: both others fail, and it has all of them.
//!
//! There is no commit to be shown: every kernel has every flow already.

use std::time::Instant;

use testbed::{Cluster, ClusterNode, Result};

use super::act::{self, Failure, HELD, Outcome, Traffic};
use super::options::Options;
use super::screen::{Screen, Tone};
use super::timeline::{Heir, Steps};
use super::{Named, PATIENCE, stage};

/// Plays all acts.
pub fn play(screen: Screen, options: Options) -> Result<Vec<Named>> {
    let mut cluster = Cluster::new(options.daemon, true)?;
    screen.note(Tone::Plain, "32 clients === fw1 | fw2 | fw3 === server")?;
    cluster.boot()?;
    let mut traffic = Traffic::start_through(&cluster)?;
    stage::announce(screen, options, &traffic)?;
    cluster.wait_until_replicated(HELD + 1)?;
    let text = "each firewall has two of six shares, and all flows in its kernel";
    screen.note(Tone::Good, text)?;

    screen.heading("1. fw2 fails")?;
    let first = fail(screen, &mut cluster, &[1], &mut traffic)?;
    cluster.wait_for_shares([&[1, 2, 4], &[], &[3, 5, 6]])?;

    screen.heading("2. fw2 comes back and takes its shares back")?;
    let second = take_back(screen, &mut cluster, &mut traffic)?;

    screen.heading("3. fw1 and fw3 fail at once")?;
    let third = fail(screen, &mut cluster, &[0, 2], &mut traffic)?;
    Ok(vec![
        ("fw2 fails", first),
        ("fw2 takes back", second),
        ("fw1 and fw3 fail", third),
    ])
}

/// Lets these firewalls fail, all at once.
fn fail(
    screen: Screen,
    cluster: &mut Cluster,
    dead: &[usize],
    traffic: &mut Traffic,
) -> Result<Outcome> {
    let heir = |node: &ClusterNode| {
        let daemons = (node.keepalived.as_ref(), node.conntrackd.as_ref());
        Heir::new(node.label(), daemons.0, daemons.1)
    };
    let nodes = cluster.nodes.iter().enumerate();
    let (dying, heirs): (Vec<_>, Vec<_>) = nodes.partition(|(number, _)| dead.contains(number));
    let names: Vec<_> = dying.iter().map(|(_, node)| node.label()).collect();
    let what = match names.as_slice() {
        [name] => format!("{name} loses its power"),
        names => format!("{} lose their power", names.join(" and ")),
    };
    let failure = Failure {
        what: &what,
        heirs: heirs.into_iter().map(|(_, node)| heir(node)).collect(),
        steps: Steps {
            // Each had two shares.
            masters: 2 * dead.len(),
            moved: "has taken the last share that was free",
            commits: false,
        },
        group: 0,
        patience: PATIENCE,
    };
    act::play(screen, failure, traffic, || {
        let mut moment = Instant::now();
        for number in dead {
            moment = cluster.nodes[*number].cut_power()?;
        }
        Ok(moment)
    })
}

fn take_back(screen: Screen, cluster: &mut Cluster, traffic: &mut Traffic) -> Result<Outcome> {
    let start = Instant::now();
    cluster.nodes[1].boot()?;
    cluster.wait_until_replicated(HELD + 1)?;
    let seconds = start.elapsed().as_secs_f64();
    let text = format!("fw2 is back, empty; {seconds:.1} s later its kernel has all flows");
    screen.note(Tone::Good, &text)?;
    cluster.wait_for_shares([&[1, 2], &[3, 4], &[5, 6]])?;
    stage::is_back(screen, traffic, 0, start, "its shares")
}
