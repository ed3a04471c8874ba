//! What a cache can keep: flows or expectations.
//!
//! Both go through the same caches. What differs is here: how they look in the kernel's reports and
//! in the peer's messages, and under which names they are counted.

use flow::Flow;

use super::entry::Entry;
use super::key::Key;
use super::table::Record;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::FlowMessage;

/// How the entries of one cache are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    pub(crate) created: Counter,
    pub(crate) no_space: Counter,
    pub(crate) updated: Counter,
    pub(crate) destroyed: Counter,
}

/// What a cache can keep.
pub(crate) trait Kept: Record + Clone {
    /// The shape in which the kernel reports it.
    type Report<'a>;
    /// The shape in which the peer tells of it.
    type Message<'a>;
    /// Counters of the internal cache.
    const INTERNAL: Counters;
    /// Counters of the external cache.
    const EXTERNAL: Counters;

    /// The identity of what the kernel reports.
    fn key_of_report(report: &Self::Report<'_>) -> Self::Key;
    /// The identity of what the peer tells of.
    fn key_of_message(message: &Self::Message<'_>) -> Self::Key;
    /// The kernel's number of the life that a report is about.
    fn id_of_report(report: &Self::Report<'_>) -> Option<u32>;
    /// An entry for what the kernel reports.
    fn from_report(report: &Self::Report<'_>, now: Instant) -> Self;
    /// Takes over what the kernel reports; what it leaves out stays.
    fn merge_report(&mut self, report: &Self::Report<'_>, now: Instant);
    /// An entry for what the kernel's table says now of the same.
    fn read_again(&self, report: &Self::Report<'_>, now: Instant) -> Self;
    /// An entry for what the peer tells.
    fn from_message(message: &Self::Message<'_>, now: Instant) -> Self;
    /// Takes over what the peer tells; what it leaves out stays.
    fn merge_message(&mut self, message: &Self::Message<'_>, now: Instant);
    /// Takes over from an image of the same what is not known; `true` if there was something.
    fn fill(&mut self, other: &Self) -> bool;
    /// Whether both say the same, times aside.
    fn says_the_same(&self, other: &Self) -> bool;
    /// Counts what a report of its end tells.
    fn count_end(report: &Self::Report<'_>, stats: &mut Stats);
    /// Whether it has something that only a message that replaces takes away.
    fn has_lasting(&self) -> bool;
}

impl Kept for Entry {
    type Report<'a> = Flow<'a>;
    type Message<'a> = FlowMessage<'a>;
    const INTERNAL: Counters = Counters {
        created: Counter::InternalCreated,
        no_space: Counter::InternalNoSpace,
        updated: Counter::InternalUpdated,
        destroyed: Counter::InternalDestroyed,
    };
    const EXTERNAL: Counters = Counters {
        created: Counter::ExternalCreated,
        no_space: Counter::ExternalNoSpace,
        updated: Counter::ExternalUpdated,
        destroyed: Counter::ExternalDestroyed,
    };

    fn key_of_report(flow: &Flow<'_>) -> Key {
        Key::of_flow(flow)
    }

    fn key_of_message(message: &FlowMessage<'_>) -> Key {
        Key::new(
            &message.addrs,
            &message.l4(),
            message.zone.unwrap_or_default(),
        )
    }

    fn id_of_report(flow: &Flow<'_>) -> Option<u32> {
        flow.id
    }

    fn from_report(flow: &Flow<'_>, now: Instant) -> Self {
        Self::from_flow(flow, now)
    }

    fn merge_report(&mut self, flow: &Flow<'_>, now: Instant) {
        self.merge_flow(flow, now);
    }

    fn read_again(&self, flow: &Flow<'_>, now: Instant) -> Self {
        Self::read_again(self, flow, now)
    }

    fn from_message(message: &FlowMessage<'_>, now: Instant) -> Self {
        Self::from_message(message, now)
    }

    fn merge_message(&mut self, message: &FlowMessage<'_>, now: Instant) {
        Self::merge_message(self, message, now);
    }

    fn fill(&mut self, other: &Self) -> bool {
        Self::fill(self, other)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        Self::says_the_same(self, other)
    }

    fn count_end(flow: &Flow<'_>, stats: &mut Stats) {
        let counters = [flow.counters.orig, flow.counters.reply];
        for flow::Counters { packets, bytes } in counters.into_iter().flatten() {
            stats.add(Counter::TrafficPackets, packets);
            stats.add(Counter::TrafficBytes, bytes);
        }
    }

    /// No message says "no labels".
    fn has_lasting(&self) -> bool {
        let labels = self.extra().and_then(|extra| extra.labels);
        labels.is_some_and(|labels| !labels.is_empty())
    }
}
