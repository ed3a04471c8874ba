//! What is kept of our kernel: its flows, and its expectations.
//!
//! The sender and the jobs name an entry of either by a [`Name`]; a [`Walk`] passes the flows
//! first, since they are the masters of the expectations.
//!
//! An expectation is kept while its master is: what the filter keeps out, or what nobody has told
//! us of, has none here. The end of a flow takes its expectations with it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use flow::{EventKind, Expectation, Flow, Tuple, Zone};

use super::entry::Entry;
use super::expectation::Expected;
use super::hash::HashKey;
use super::internal::{Internal, Merged};
use super::kept::Kept;
use super::key::Key;
use super::masters::Masters;
use super::table::{Cursor, Record, Slot, Slots};
use super::tracked::{Life, Place};
use super::zones::Zones;
use crate::convert::Presence;
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{Flags, FlowMessage};

/// An entry of the internal cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// A flow.
    Flow(Slot),
    /// An expectation.
    Expectation(Slot),
}

/// Where a walk over both tables has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// In the table of flows.
    Flows(Cursor),
    /// In that of expectations.
    Expectations(Cursor),
}

impl Walk {
    /// Before the first flow.
    pub(crate) const START: Self = Self::Flows(Cursor::START);
}

/// Entries that a walk passes.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    /// Flows.
    Flows(Slots),
    /// Expectations.
    Expectations(Slots),
}

impl Iterator for Names {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        match self {
            Self::Flows(slots) => slots.next().map(Name::Flow),
            Self::Expectations(slots) => slots.next().map(Name::Expectation),
        }
    }
}

/// What is kept of our kernel.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) flows: Internal,
    pub(crate) expectations: Internal<Expected>,
    masters: Masters,
    zones: Zones,
    /// Expectations whose master the kernel has not told of yet, oldest first.
    held: VecDeque<Expected>,
}

/// Expectations that wait for their master at most.
const HELD_MAX: usize = 256;

/// How long they wait: the kernel tells of the master while it works on the same packet.
const HELD_FOR: Duration = Duration::from_secs(2);

/// Calls a method of the table that a name belongs to.
macro_rules! of_table {
    ($ours:expr, $name:expr, $slot:ident, $table:ident => $call:expr) => {
        match $name {
            Name::Flow($slot) => {
                let $table = &mut $ours.flows;
                $call
            }
            Name::Expectation($slot) => {
                let $table = &mut $ours.expectations;
                $call
            }
        }
    };
}

impl Ours {
    /// Empty caches for `live_max` entries each, beside a resend queue of `resend_max` messages.
    pub(crate) fn new(hash_key: HashKey, live_max: usize, resend_max: usize) -> Self {
        Self {
            flows: Internal::new(hash_key, live_max, resend_max),
            expectations: Internal::new(hash_key, live_max, resend_max),
            masters: Masters::default(),
            zones: Zones::default(),
            held: VecDeque::new(),
        }
    }

    /// See [`Internal::enqueue`].
    pub(crate) fn enqueue(&mut self, name: Name) -> Option<(Place, Seq)> {
        of_table!(self, name, slot, table => table.enqueue(slot))
    }

    /// See [`Internal::dequeue`].
    pub(crate) fn dequeue(&mut self, name: Name) -> Option<(Place, Seq)> {
        of_table!(self, name, slot, table => table.dequeue(slot))
    }

    /// See [`Internal::acknowledged`].
    pub(crate) fn acknowledged(&mut self, name: Name) {
        of_table!(self, name, slot, table => table.acknowledged(slot));
    }

    /// See [`Internal::give_up`].
    pub(crate) fn give_up(&mut self, name: Name, stats: &mut Stats) {
        of_table!(self, name, slot, table => table.give_up(slot, stats));
    }

    /// See [`Internal::bury`].
    pub(crate) fn bury(&mut self, name: Name) {
        of_table!(self, name, slot, table => table.bury(slot));
    }

    /// See [`Internal::is_vanished`].
    pub(crate) fn is_vanished(&mut self, name: Name) -> bool {
        of_table!(self, name, slot, table => table.is_vanished(slot))
    }

    /// See [`Tracked::sent`](super::tracked::Tracked::sent).
    pub(crate) fn sent(&mut self, name: Name, seq: Seq) {
        of_table!(self, name, slot, table => {
            if let Some(tracked) = table.table.get_mut(slot) {
                tracked.sent(seq);
            }
        });
    }

    /// Where an entry stands on its way to the peer.
    pub(crate) fn place(&self, name: Name) -> Option<Place> {
        match name {
            Name::Flow(slot) => self.flows.table.get(slot).map(|it| it.place),
            Name::Expectation(slot) => self.expectations.table.get(slot).map(|it| it.place),
        }
    }

    /// Whether the flow that a message of the peer tells of is one of ours.
    pub(crate) fn has_flow(&self, message: &FlowMessage<'_>) -> bool {
        let slot = self.flows.table.find(&Entry::key_of_message(message));
        slot.is_some_and(|slot| self.is_live(Name::Flow(slot)))
    }

    /// Whether an entry is in the kernel.
    pub(crate) fn is_live(&self, name: Name) -> bool {
        let life = match name {
            Name::Flow(slot) => self.flows.table.get(slot).map(|it| it.life),
            Name::Expectation(slot) => self.expectations.table.get(slot).map(|it| it.life),
        };
        life.is_some_and(|life| life != Life::Dead)
    }

    /// Appends the message that tells the peer of an entry.
    pub(crate) fn encode(
        &self,
        name: Name,
        (presence, now): (Presence, Instant),
        (flags, seq): (Flags, Seq),
        out: &mut Vec<u8>,
    ) {
        match name {
            Name::Flow(slot) => {
                if let Some(it) = self.flows.table.get(slot) {
                    let message = it.entry.message(presence, now);
                    message.encode(it.announced_as(), flags, seq, out);
                }
            }
            Name::Expectation(slot) => {
                if let Some(it) = self.expectations.table.get(slot) {
                    let message = it.entry.message(presence, now);
                    message.encode(it.announced_as(), flags, seq, out);
                }
            }
        }
    }

    /// The entries that a walk passes next, at most `limit`; `None` at the end.
    pub(crate) fn walk(&self, walk: Walk, limit: u32) -> Option<(Names, Walk)> {
        let cursor = match walk {
            Walk::Flows(cursor) => match self.flows.walk(cursor, limit) {
                Some((slots, next)) => return Some((Names::Flows(slots), Walk::Flows(next))),
                None => Cursor::START,
            },
            Walk::Expectations(cursor) => cursor,
        };
        let (slots, next) = self.expectations.walk(cursor, limit)?;
        Some((Names::Expectations(slots), Walk::Expectations(next)))
    }

    /// Entries of both tables, dead ones included.
    pub(crate) const fn len(&self) -> usize {
        self.flows.table.len() + self.expectations.table.len()
    }

    /// Entries that fell out of the resend queue.
    pub(crate) const fn given_up(&self) -> usize {
        self.flows.given_up + self.expectations.given_up
    }

    /// See [`Internal::peer_is_younger`].
    pub(crate) fn peer_is_younger(&mut self) {
        self.flows.peer_is_younger();
        self.expectations.peer_is_younger();
    }

    /// See [`Internal::peer_remembers`].
    pub(crate) fn peer_remembers(&mut self, name: Name) {
        of_table!(self, name, _slot, table => table.peer_remembers());
    }

    /// The original tuple and the zone of a flow.
    pub(crate) fn flow_named(&self, name: Name) -> Option<(Tuple, Zone)> {
        let Name::Flow(slot) = name else { return None };
        let entry = &self.flows.table.get(slot)?.entry;
        Some((entry.orig(), entry.key_zone()))
    }

    /// See [`Internal::begin_reading`].
    pub(crate) const fn begin_reading(&mut self) {
        self.flows.begin_reading();
        self.expectations.begin_reading();
    }

    /// See [`Internal::end_reading`].
    pub(crate) const fn end_reading(&mut self) {
        self.flows.end_reading();
        self.expectations.end_reading();
    }

    /// The kernel has told of a flow.
    pub(crate) fn note_flow(&mut self, flow: &Flow<'_>) {
        self.zones.note(flow.zone.or(flow.orig.zone));
    }

    /// Forgets all expectations; the caller empties the queues.
    pub(crate) fn clear_expectations(&mut self, stats: &mut Stats) {
        self.expectations.clear(stats);
        self.masters.clear();
        self.held.clear();
    }

    /// Keeps an expectation until its master is told of. What has waited too long is counted as
    /// ignored: its master is one that is not replicated.
    pub(crate) fn hold(&mut self, report: &Expectation<'_>, now: Instant, stats: &mut Stats) {
        let in_time = |it: &Expected| now.since(it.updated()) <= HELD_FOR;
        while self.held.len() >= HELD_MAX || self.held.front().is_some_and(|it| !in_time(it)) {
            self.held.pop_front();
            stats.count(Counter::ExpectationsIgnored);
        }
        self.held.push_back(Expected::from_report(report, now));
    }

    /// Forgets what waits for its master: its end may have got lost. A reading of the kernel's tables
    /// brings back what exists.
    pub(crate) fn forget_held(&mut self, stats: &mut Stats) {
        let len = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        stats.add(Counter::ExpectationsIgnored, len);
        self.held.clear();
    }

    /// Whether any expectation waits for its master.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// The expectations that have waited for the flow with this original tuple.
    pub(crate) fn release(&mut self, master: &Tuple, now: Instant) -> Vec<Expected> {
        let of_master = |it: &Expected| {
            it.master().addrs == master.addrs
                && it.master().l4 == master.l4
                && now.since(it.updated()) <= HELD_FOR
        };
        let (released, held) = self.held.drain(..).partition(of_master);
        self.held = held;
        Vec::from(released)
    }

    /// The zone of the flow that announced an expectation, if that flow is known.
    pub(crate) fn zone_of_master(&self, report: &Expectation<'_>) -> Option<Zone> {
        let named = report.zone.or(report.master.zone);
        self.zones.find(named, |zone| {
            let slot = self
                .flows
                .table
                .find(&Key::of_tuple(&report.master, zone))?;
            let tracked = self.flows.table.get(slot)?;
            (tracked.life != Life::Dead).then(|| tracked.entry.helper().is_some())
        })
    }

    /// An expectation has ended. `None` if it was not known.
    pub(crate) fn on_expectation_destroy(
        &mut self,
        report: &Expectation<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let key = Expected::key_of_report(report);
        self.held.retain(|it| it.key() != key);
        let slot = self.expectations.on_destroy(report, now, stats)?;
        self.masters.forget(&key.master, slot);
        Some(slot)
    }

    /// An expectation is new or has changed; its master is in this zone. `None` if there is no
    /// room for it.
    pub(crate) fn on_expectation(
        &mut self,
        kind: EventKind,
        report: &Expectation<'_>,
        zone: Zone,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let master = Expected::key_of_report(report).master;
        if !self.masters.has_room(&master) {
            stats.count(Expected::INTERNAL.no_space);
            return None;
        }
        let report = in_zone(report, zone);
        let slot = match kind {
            EventKind::New => self.expectations.on_new(&report, now, stats),
            EventKind::Update | EventKind::Destroy => {
                self.expectations.on_update(&report, now, stats)
            }
        }?;
        self.masters.enter(master, slot);
        Some(slot)
    }

    /// One expectation of the kernel's table.
    pub(crate) fn on_expectation_dumped(
        &mut self,
        report: &Expectation<'_>,
        zone: Zone,
        now: Instant,
        stats: &mut Stats,
    ) -> Merged {
        let key = Expected::key_of_report(report);
        self.held.retain(|it| it.key() != key);
        if !self.masters.has_room(&key.master) {
            stats.count(Expected::INTERNAL.no_space);
            return Merged::Full;
        }
        let report = in_zone(report, zone);
        let merged = self.expectations.on_dumped(&report, now, stats);
        if let Some(slot) = self.expectations.table.find(&key) {
            if self.is_live(Name::Expectation(slot)) {
                self.masters.enter(key.master, slot);
            }
        }
        merged
    }

    /// Whether any flow has announced something.
    pub(crate) fn has_masters(&self) -> bool {
        !self.masters.is_empty()
    }

    /// Marks an entry dead; `false` if there is none.
    pub(crate) fn kill(&mut self, name: Name, stats: &mut Stats) -> bool {
        match name {
            Name::Flow(slot) => self.flows.kill(slot, stats),
            Name::Expectation(slot) => {
                if let Some(tracked) = self.expectations.table.get(slot) {
                    self.masters.forget(tracked.entry.master(), slot);
                }
                self.expectations.kill(slot, stats)
            }
        }
    }

    /// The flow with this original tuple has ended: so have the expectations that it announced.
    pub(crate) fn kill_expectations_of(
        &mut self,
        master: &Tuple,
        zone: Zone,
        stats: &mut Stats,
    ) -> Vec<Name> {
        if self.masters.is_empty() {
            return Vec::new();
        }
        let master = Tuple {
            zone: None,
            ..*master
        };
        let of_zone = |slot: &Slot| {
            let tracked = self.expectations.table.get(*slot);
            tracked.is_some_and(|it| {
                *it.entry.master() == master && it.entry.zone().is_none_or(|it| it == zone)
            })
        };
        let mut killed: Vec<Name> = self
            .masters
            .of(&master)
            .filter(of_zone)
            .map(Name::Expectation)
            .collect();
        killed.retain(|name| self.kill(*name, stats));
        killed
    }
}

fn in_zone<'a>(report: &Expectation<'a>, zone: Zone) -> Expectation<'a> {
    Expectation {
        zone: Some(zone),
        ..report.clone()
    }
}
