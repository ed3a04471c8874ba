//! `conntrack -E` while new flows come as fast as one core makes them.
//!
//! The flows come from the fastest writer there is ([`floor::load`]), in the same namespace, whichever
//! implementation follows.

use std::fs;
use std::thread;
use std::time::Duration;

use testbed::{
    Command, Error, Implementation, Namespace, Process, Program, Progress, Result, wait_for,
    wait_until,
};

use super::floor;
use super::sample::{cpu_of, number_after, peak_memory_of};

/// Longest time for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at its CPU time.
const PAUSE: Duration = Duration::from_millis(200);

/// What came of it.
pub struct Seen {
    /// Microseconds.
    pub cpu_per_event: f64,
    /// Events that were not shown.
    pub lost: f64,
    /// MiB.
    pub memory: f64,
}

/// Follows so many new flows.
pub fn follow(node: &Namespace, implementation: Implementation, flows: u32) -> Result<Seen> {
    let program = implementation.path(Program::Conntrack)?;
    let script = "exec \"$1\" -E >/dev/null";
    let follower = Command::new("sh")
        .args(["-c", script, "follow"])
        .arg(program);
    let follower = node.spawn(follower)?;
    wait_until("the subscription", PATIENCE, || is_subscribed(&follower))?;
    let before = cpu_of(follower.pid())?;
    floor::load(node, flows)?;
    let cpu = rest(&follower)? - before;
    let memory = peak_memory_of(follower.pid())?;
    follower.terminate(PATIENCE)?;
    let shown = wait_for("the summary", PATIENCE, || {
        let lines = follower.log().lines();
        let summary = lines.iter().find_map(|line| {
            let is_summary = line.text.contains("flow events have been shown");
            is_summary.then(|| number_after(&line.text, "(conntrack-tools): "))?
        });
        Ok(match summary {
            Some(shown) => Progress::Done(shown),
            None => Progress::Waiting("no summary".into()),
        })
    })?;
    if shown < 1.0 {
        return Err(Error::Unexpected("no event was shown".into()));
    }
    Ok(Seen {
        cpu_per_event: cpu * 1e6 / shown,
        lost: (f64::from(flows) - shown).max(0.0),
        memory,
    })
}

/// Whether one of the netfilter sockets in the follower's namespace has groups.
fn is_subscribed(follower: &Process) -> bool {
    let path = format!("/proc/{}/net/netlink", follower.pid());
    let sockets = fs::read_to_string(path).unwrap_or_default();
    sockets.lines().any(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        columns.get(1) == Some(&"12") && columns.get(3).is_some_and(|groups| *groups != "00000000")
    })
}

/// Its CPU time when it has nothing left to do.
fn rest(follower: &Process) -> Result<f64> {
    let mut before = cpu_of(follower.pid())?;
    wait_for("the follower to come to rest", PATIENCE, || {
        thread::sleep(PAUSE);
        let now = cpu_of(follower.pid())?;
        let used = now - before;
        before = now;
        Ok(match used < 0.0005 {
            true => Progress::Done(now),
            false => Progress::Waiting(format!("{used} s in a pause")),
        })
    })
}
