//! What checkers get to see: things that happened, seen from outside the nodes.
//!
//! A fact is told after the world has been changed by it, unless it says otherwise; the scene shows
//! where and what is around.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::Duration;

use ctsync::{ChannelId, ClientId, CommitReport, Instant, Notice, OpId, Refusal, Request};

use crate::check::external;
use crate::essence::{Essence, Key};
use crate::history::{History, Yardstick};
use crate::host::{Host, HostId, Operation, PerHost};
use crate::kernel::{Change, ExpectChange, ExpectKey};
use crate::scenario::Scenario;

/// One thing that happened at a host.
#[derive(Debug)]
pub enum Fact<'a> {
    /// The table changed. (Already in the history.)
    Kernel(&'a Change),
    /// The table of expectations changed. (Already in the history.)
    Expectation(&'a ExpectChange),
    /// The daemon was started.
    Started,
    /// The daemon died.
    Stopped,
    /// The node sent a datagram.
    Sent(ChannelId, &'a [u8]),
    /// A datagram was handed to the node and has been dealt with.
    Handed {
        /// Who sent it.
        from: HostId,
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

/// How long the end of a flow takes to get around.
const SOON: Duration = Duration::from_secs(2);

/// What is there to look at when a fact is told.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Now.
    pub now: Instant,
    /// Where it happened.
    pub host: HostId,
    /// All hosts.
    pub hosts: &'a PerHost<Host>,
    /// What the tables truly held.
    pub history: &'a History,
    /// The world's settings.
    pub scenario: &'a Scenario,
    /// The external cache of the host where it happened, once someone has asked for it.
    pub external: OnceCell<BTreeMap<Key, Essence>>,
}

impl Scene<'_> {
    /// The host where it happened.
    pub const fn here(&self) -> &Host {
        self.hosts.get(self.host)
    }

    /// What the host where it happened knows of the others' flows.
    pub fn known(&self) -> &BTreeMap<Key, Essence> {
        self.external.get_or_init(|| external(self.here()))
    }

    /// All hosts.
    pub fn everyone(&self) -> impl Iterator<Item = HostId> + use<> {
        HostId::first(self.scenario.hosts).iter().copied()
    }

    /// All hosts but one.
    pub fn others(&self, host: HostId) -> impl Iterator<Item = HostId> + use<> {
        self.everyone().filter(move |other| *other != host)
    }

    /// Whether a flow has run out somewhere just now, or is about to: then some know and some do not.
    pub fn ended_lately(&self, key: &Key) -> bool {
        self.everyone().any(|host| {
            let end = self.hosts.get(host).kernel.end_of(key);
            let soon = |end: Instant| end.since(self.now) < SOON;
            let last = self.history.versions(host, key).last();
            let over = last.filter(|last| last.dead);
            end.is_some_and(soon) || over.is_some_and(|over| self.now.since(over.at) < SOON)
        })
    }

    /// The same for an expectation.
    pub fn expectation_ended_lately(&self, key: &ExpectKey) -> bool {
        self.everyone().any(|host| {
            let end = self.hosts.get(host).kernel.end_of_expectation(key);
            let soon = |end: Instant| end.since(self.now) < SOON;
            let last = self.history.expectations(host, key).last();
            let over = last.filter(|last| last.dead);
            end.is_some_and(soon) || over.is_some_and(|over| self.now.since(over.at) < SOON)
        })
    }

    /// Why what is claimed of a flow cannot be learnt from any of these hosts.
    pub fn lie(
        &self,
        hosts: impl Iterator<Item = HostId>,
        key: &Key,
        claim: &Essence,
        yardstick: Yardstick,
    ) -> Option<String> {
        let yardstick = Yardstick {
            one_life: self.scenario.tells_lives_apart(),
            ..yardstick
        };
        let mut lies = Vec::new();
        for host in hosts {
            lies.push(self.history.lie(host, key, claim, yardstick)?);
        }
        Some(lies.join("; "))
    }
}
