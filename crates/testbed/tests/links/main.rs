//! Dedicated links: what happens on them, to them, and to those who are connected by them.
//!
//! That flows are replicated over each transport is shown by `interop_matrix`. Here links break,
//! peers vanish or stop reading, strangers connect, and interfaces go and come back.

#![allow(clippy::unwrap_used, reason = "a test")]

mod failover;
mod multicast;
mod strangers;
mod streams;

use testbed::{
    Conntrackd, Error, Group, Implementation, Log, Mark, Namespace, PATIENCE, Progress, Result,
    veth, wait_for,
};

/// Two nodes with one or more cables: `link0`, `link1`, … at both ends, with the addresses
/// 10.77.N.1 and .2, and fd77:N::1 and ::2.
struct Cables {
    a: Namespace,
    b: Namespace,
}

impl Cables {
    fn new(count: u8) -> Result<Self> {
        let cables = Self {
            a: Namespace::new("a")?,
            b: Namespace::new("b")?,
        };
        for number in 0..count {
            cables.connect(number)?;
        }
        for node in [&cables.a, &cables.b] {
            node.sysctl("net.netfilter.nf_conntrack_events", 1)?;
        }
        Ok(cables)
    }

    /// Makes one cable.
    fn connect(&self, number: u8) -> Result<()> {
        let name = format!("link{number}");
        veth(&self.a, &name, &self.b, &name)?;
        for (node, own) in [(&self.a, 1), (&self.b, 2)] {
            node.address(&name, &format!("10.77.{number}.{own}/24"))?;
            node.address(&name, &format!("fd77:{number}::{own}/64"))?;
        }
        Ok(())
    }
}

/// The block of a link over UDP or TCP for node 1 or 2.
fn unicast(transport: &str, number: u8, own: u8) -> String {
    let peer = 3 - own;
    format!(
        "{transport} {{
            IPv4_address 10.77.{number}.{own}
            IPv4_Destination_Address 10.77.{number}.{peer}
            Port 3780
            Interface link{number}
            SndSocketBuffer 1048576
            RcvSocketBuffer 1048576
        }}\n"
    )
}

/// The same with IPv6.
fn unicast_v6(transport: &str, number: u8, own: u8) -> String {
    let peer = 3 - own;
    format!(
        "{transport} {{
            IPv6_address fd77:{number}::{own}
            IPv6_Destination_Address fd77:{number}::{peer}
            Port 3780
            Interface link{number}
        }}\n"
    )
}

/// A configuration with these links.
fn config(mode: &str, links: &[String]) -> String {
    format!(
        "Sync {{\nMode {mode} {{ }}\n{}\n}}\nGeneral {{ HashLimit 200000 }}\n",
        links.concat()
    )
}

/// Two daemons that run.
struct Pair {
    a: Conntrackd,
    b: Conntrackd,
    cables: Cables,
}

impl Pair {
    fn start(
        cables: Cables,
        kinds: [Implementation; 2],
        config: impl Fn(u8) -> String,
    ) -> Result<Self> {
        let [kind_a, kind_b] = kinds;
        Ok(Self {
            a: Conntrackd::start(&cables.a, kind_a, &config(1))?,
            b: Conntrackd::start(&cables.b, kind_b, &config(2))?,
            cables,
        })
    }

    /// Makes flows on A, a group of them, and waits until B knows them all.
    fn replicate(&self, group: u16, size: u32) -> Result<()> {
        Group {
            number: group,
            size,
        }
        .create(&self.cables.a)?;
        self.wait_until_equal()
    }

    /// Waits until B knows what A tracks.
    fn wait_until_equal(&self) -> Result<()> {
        wait_for("the peer to know the flows", PATIENCE, || {
            let (internal, external) = (self.a.internal()?, self.b.external()?);
            if !internal.is_empty() && internal == external {
                return Ok(Progress::Done(()));
            }
            let sides = testbed::difference(("internal", &internal), ("external", &external));
            Ok(Progress::Waiting(sides))
        })
    }
}

/// Waits until a client's answer contains these words.
fn wait_for_answer(daemon: &Conntrackd, request: &str, needle: &str) -> Result<()> {
    wait_for(&format!("`{needle}` in `{request}`"), PATIENCE, || {
        let text = daemon.client(request)?.stdout;
        Ok(match text.contains(needle) {
            true => Progress::Done(()),
            false => Progress::Waiting(text),
        })
    })
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

/// The number in front of these words in a client's answer.
fn number(daemon: &Conntrackd, request: &str, words: &str) -> Result<u64> {
    let text = daemon.client(request)?.stdout;
    let found = text.lines().find_map(|line| {
        let (before, _) = line.split_once(words)?;
        before.split_whitespace().last()?.parse().ok()
    });
    found.ok_or_else(|| Error::Unexpected(format!("no `{words}` in:\n{text}")))
}
