//! Our conntrackd seen from outside: what its clients get, what it does to the kernel's table and
//! to its peer, how it starts and ends.
//!
//! The life cycle in its simplest form and everything hostile is in `daemon.rs`, convergence on a
//! bad link in `interop.rs`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod check;
mod clients;
mod commit;
mod files;
mod filter;
mod large_commit;
mod layout;
mod modes;
mod overrun;
mod process;
mod refusal;
mod replication;
mod stats_mode;
mod strict;

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;

use testbed::{
    Conntrackd, Error, Group, Implementation, IpVersion, Log, Mark, Namespace, PATIENCE, Progress,
    Result, SyncPair, wait_for,
};

/// Two nodes with a daemon each.
struct Pair {
    a: Conntrackd,
    b: Conntrackd,
    network: SyncPair,
}

/// What the two configurations of a pair have beside the link.
#[derive(Clone, Copy, Default)]
struct Extra<'a> {
    /// Inside of the Mode block of both.
    mode: &'a str,
    /// Further sections of A, and of B.
    a: &'a str,
    b: &'a str,
}

impl Pair {
    /// Two daemons of ours.
    fn ours(extra: Extra<'_>) -> Result<Self> {
        Self::start([Implementation::Ours; 2], extra)
    }

    fn start(kinds: [Implementation; 2], extra: Extra<'_>) -> Result<Self> {
        let network = SyncPair::new()?;
        let [config_a, config_b] = SyncPair::ftfw(IpVersion::V4, extra.mode);
        let [kind_a, kind_b] = kinds;
        let a = Conntrackd::start(&network.a, kind_a, &(config_a + extra.a))?;
        let b = Conntrackd::start(&network.b, kind_b, &(config_b + extra.b))?;
        Ok(Self { a, b, network })
    }

    /// Waits until B knows what A tracks, `count` flows of which A's filter hides none.
    fn wait_until_replicated(&self, count: usize) -> Result<()> {
        wait_until_equal(&self.a, &self.b, count)
    }
}

/// Waits until the internal cache of one daemon and the external one of the other hold the same
/// flows, `count` of them.
fn wait_until_equal(owner: &Conntrackd, peer: &Conntrackd, count: usize) -> Result<()> {
    wait_for("the peer to know the flows", PATIENCE, || {
        let (internal, external) = (owner.internal()?, peer.external()?);
        if internal.len() == count && internal == external {
            return Ok(Progress::Done(()));
        }
        let sides = testbed::difference(("internal", &internal), ("external", &external));
        Ok(Progress::Waiting(format!("{count} are wanted; {sides}")))
    })
}

/// Waits until `number` gives `wanted`.
fn wait_for_number(what: &str, wanted: usize, number: impl FnMut() -> Result<usize>) -> Result<()> {
    testbed::wait_for_number(what, PATIENCE, wanted, number)
}

/// Waits for a line of a log; its text.
fn wait_for_line(log: &Log, since: Mark, needle: &str) -> Result<String> {
    wait_for(&format!("`{needle}` in the log"), PATIENCE, || {
        Ok(match log.find(since, needle) {
            Some(line) => Progress::Done(line.text),
            None => Progress::Waiting(String::new()),
        })
    })
}

/// Waits for lines of a log that contain these words, in this order.
fn wait_for_lines(log: &Log, since: Mark, needles: &[&str]) -> Result<()> {
    wait_for(&format!("{needles:?} in the log"), PATIENCE, || {
        let mut lines = log.since(since).into_iter();
        let missing = needles
            .iter()
            .find(|needle| !lines.any(|line| line.text.contains(**needle)));
        Ok(match missing {
            None => Progress::Done(()),
            Some(missing) => Progress::Waiting(format!("`{missing}` is missing")),
        })
    })
}

/// A number of `conntrackd -s runtime`.
fn runtime(daemon: &Conntrackd, name: &str) -> Result<usize> {
    let text = daemon.client("-s runtime")?.stdout;
    let line = text.lines().find(|line| line.trim().starts_with(name));
    line.and_then(|line| line.split_whitespace().last()?.parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no `{name}` in:\n{text}")))
}

/// Loads flows into a kernel table with the stock tool: one `-I` per line, without the `-I`.
fn load(node: &Namespace, flows: &[&str]) -> Result<()> {
    for flow in flows {
        node.run(format!("/usr/sbin/conntrack -I {flow}"))?;
    }
    Ok(())
}

/// Waits for the next datagram of a socket, as text.
fn hear(socket: &UnixDatagram) -> Result<String> {
    let set = socket.set_nonblocking(true);
    set.map_err(Error::io("a non-blocking socket"))?;
    let mut buffer = [0; 2048];
    let len = wait_for("a datagram", PATIENCE, || match socket.recv(&mut buffer) {
        Ok(len) => Ok(Progress::Done(len)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Progress::Waiting(String::new())),
        Err(error) => Err(Error::io("receiving")(error)),
    })?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
}

fn group(number: u16, size: u32) -> Group {
    Group { number, size }
}
