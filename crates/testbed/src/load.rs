//! Synthetic flows: written into a kernel table without traffic, many at a time.
//!
//! The stock command-line tool does it, whichever daemon is looked at: whoever compares
//! implementations feeds both the same way. It loads a whole group of flows in one process, and
//! finds a group again by its source address.

use std::fmt::Write as _;

use crate::{Command, Error, Implementation, Namespace, Program, Result};

/// Flows per group at most: each has a source port of its own.
const GROUP_MAX: u32 = 60_000;

/// Flows from one source address.
///
/// Every fourth is UDP, the others are established TCP connections; every eighth is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Tells groups apart, on one node and on both.
    pub number: u16,
    /// How many flows it has.
    pub size: u32,
}

impl Group {
    /// Writes its flows into the node's kernel table.
    pub fn create(&self, node: &Namespace) -> Result<()> {
        assert!(
            self.size <= GROUP_MAX,
            "a group has at most {GROUP_MAX} flows"
        );
        let mut script = String::new();
        for flow in 0..self.size {
            // Writing to a string cannot fail.
            let _ = writeln!(script, "{}", self.line(flow));
        }
        node.run(stock()?.args(["-R", "-"]).stdin(script)).map(drop)
    }

    /// Gives its first flows this mark, one by one: Debian's `-U` on many flows at once fails.
    pub fn mark(&self, node: &Namespace, mark: u32, count: u32) -> Result<()> {
        for flow in 0..count.min(self.size) {
            let tuple = self.tuple(flow);
            change(node, &format!("-U {tuple} -m {mark}"), 1)?;
        }
        Ok(())
    }

    /// Ends all of its flows.
    pub fn delete(&self, node: &Namespace) -> Result<()> {
        change(node, &format!("-D -s {}", self.source()), self.size)
    }

    fn source(&self) -> String {
        let [high, low] = self.number.to_be_bytes();
        format!("10.{high}.{low}.1")
    }

    fn tuple(&self, flow: u32) -> String {
        let protocol = if is_udp(flow) { "udp" } else { "tcp" };
        let (source, port) = (self.source(), 1024 + flow);
        format!("-p {protocol} -s {source} -d 192.0.2.1 --sport {port} --dport 80")
    }

    fn line(&self, flow: u32) -> String {
        let tuple = self.tuple(flow);
        let state = if is_udp(flow) {
            ""
        } else {
            "--state ESTABLISHED"
        };
        // Each group has its own address there, so that every flow keeps its port.
        let [high, low] = self.number.to_be_bytes();
        let nat = match flow % 8 {
            0 => format!("--src-nat 172.16.{high}.{low}"),
            _ => String::new(),
        };
        format!("-I {tuple} -t 3600 {state} -u SEEN_REPLY,ASSURED {nat}")
    }
}

fn is_udp(flow: u32) -> bool {
    flow % 4 == 3
}

/// Runs a command that must change exactly so many flows.
fn change(node: &Namespace, words: &str, count: u32) -> Result<()> {
    let output = node.output(stock()?.args(words.split_whitespace()))?;
    // "conntrack v1.4.7 (conntrack-tools): 250 flow entries have been updated."
    if output
        .stderr
        .contains(&format!(": {count} flow entries have been"))
    {
        return Ok(());
    }
    Err(Error::Unexpected(format!(
        "`{words}` on {count} flows: {}",
        output.stderr.trim_end()
    )))
}

fn stock() -> Result<Command> {
    Ok(Command::new(
        Implementation::Stock.path(Program::Conntrack)?,
    ))
}
