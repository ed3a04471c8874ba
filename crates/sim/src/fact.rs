//! What checkers get to see: things that happened, seen from outside the nodes.
//!
//! A fact is told after the world has been changed by it, unless it says otherwise; the scene shows
//! where and what is around.

use ctsync::{ClientId, CommitReport, Instant, Notice, OpId, Refusal, Request};

use crate::history::History;
use crate::host::{Host, HostId, Operation, PerHost};
use crate::kernel::Change;
use crate::scenario::Scenario;

/// One thing that happened at a host.
#[derive(Debug)]
pub enum Fact<'a> {
    /// The table changed. (Already in the history.)
    Kernel(&'a Change),
    /// The daemon was started.
    Started,
    /// The daemon died.
    Stopped,
    /// The node sent a datagram.
    Sent(&'a [u8]),
    /// A datagram was handed to the node and has been dealt with.
    Handed {
        /// The datagram.
        bytes: &'a [u8],
        /// How many of its messages the node refused, having newer ones.
        refused: u64,
    },
    /// A client's request is about to be handed to the node.
    Requested(Request),
    /// The node was handed an input and has no more output; so many it had.
    Drained(usize),
    /// A kernel operation was carried out or refused.
    Operated(&'a Operation, Result<(), Refusal>),
    /// The node was told that operations have ended.
    OperationsDone(OpId),
    /// A commit has ended.
    CommitDone(ClientId, CommitReport),
    /// A flow of a commit was refused.
    CommitRefused,
    /// The node has something to say.
    Notice(Notice),
    /// The table is emptied by the node.
    KernelFlushed,
    /// Events were lost.
    Overrun,
    /// Traffic and faults have ended, and everything had time to settle.
    Settled,
    /// After that, both sides have emptied the external cache, read the table again and asked for a
    /// bulk, and everything had time to settle again.
    Recovered,
    /// The backup has committed, and everything had time to settle once more.
    Survived,
}

/// What is there to look at when a fact is told.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Now.
    pub now: Instant,
    /// Where it happened.
    pub host: HostId,
    /// Both hosts.
    pub hosts: &'a PerHost<Host>,
    /// What the tables truly held.
    pub history: &'a History,
    /// The world's settings.
    pub scenario: &'a Scenario,
}

impl Scene<'_> {
    /// The host where it happened.
    pub const fn here(&self) -> &Host {
        self.hosts.get(self.host)
    }

    /// The other one.
    pub const fn there(&self) -> &Host {
        self.hosts.get(self.host.peer())
    }
}
