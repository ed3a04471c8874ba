//! What the kernel says: events, and the entries of its table when that is read.
//!
//! The kernel also reports what we did ourselves. A commit and a flush change the cache and are not
//! sent; injected flows are the peer's, and what we had of them is forgotten. Without an internal
//! cache an event is a message at once, and so is each entry of a table that is read.

use flow::{Event, EventKind, Flow, Object, Origin, Zone};

use super::Node;
use super::jobs::{Sweep, stands_for_events};
use super::timers::Full;
use crate::cache::entry::Entry;
use crate::cache::internal::Merged;
use crate::cache::key::Key;
use crate::cache::ours::Name;
use crate::cache::table::Identity;
use crate::cache::{HashKey, Slot};
use crate::config::InternalCache;
use crate::input::{DumpReason, Tables};
use crate::stats::Counter;

impl Node {
    /// Something has changed in the kernel.
    pub(super) fn on_event(&mut self, event: &Event<'_>) {
        let announced = match event.origin {
            Origin::Inject => return self.on_injected(event),
            Origin::Commit | Origin::Flush => false,
            Origin::Traffic | Origin::Other(_) | Origin::Resync => true,
        };
        match &event.object {
            Object::Flow(flow) => self.on_flow_event(event.kind, flow, announced),
            Object::Expectation(expectation) => {
                self.on_expectation_event(event.kind, expectation, announced);
            }
        }
    }

    /// What is injected is the peer's from then on, whosever it was before.
    fn on_injected(&mut self, event: &Event<'_>) {
        let Object::Flow(flow) = &event.object else {
            return;
        };
        if let Some(foreign) = &mut self.foreign {
            let key = Key::of_flow(flow);
            match event.kind {
                EventKind::New | EventKind::Update => foreign.insert(&key),
                EventKind::Destroy => {
                    foreign.remove(&key);
                }
            }
        }
        if !self.bypasses() {
            // Of whichever life, ours has ended.
            let anonymous = Flow {
                id: None,
                ..flow.clone()
            };
            self.on_flow_destroy(&anonymous, false);
        }
    }

    /// Whether a flow was the peer's until now. It is not any more, since it has traffic here or has
    /// ended.
    fn was_foreign(&mut self, flow: &Flow<'_>) -> bool {
        let foreign = self.foreign.as_mut();
        foreign.is_some_and(|foreign| foreign.remove(&Key::of_flow(flow)))
    }

    fn on_flow_event(&mut self, kind: EventKind, flow: &Flow<'_>, announced: bool) {
        let was_foreign = self.was_foreign(flow);
        if self.bypasses() {
            // That a flow of the peer has timed out here does not concern the peer.
            if announced && !(was_foreign && kind == EventKind::Destroy) {
                self.pass_event_on(kind, flow);
            }
            return;
        }
        match kind {
            EventKind::New => self.on_flow_new(flow, announced),
            EventKind::Update => self.on_flow_update(flow, announced),
            EventKind::Destroy => self.on_flow_destroy(flow, announced),
        }
    }

    fn on_flow_new(&mut self, flow: &Flow<'_>, announced: bool) {
        if !announced {
            // What the peer had of this tuple before, nobody has told it is gone.
            self.ours.flows.peer_remembers();
        }
        if self.ours.has_masters() && self.ours.flows.knows_another_life(flow) {
            // Nobody has told of the end of the older flow.
            self.end_expectations_of(&flow.orig, zone_of(flow), announced);
        }
        let slot = self.ours.flows.on_new(flow, self.now, &mut self.stats);
        self.on_flow_known(flow, slot, announced);
    }

    fn on_flow_update(&mut self, flow: &Flow<'_>, announced: bool) {
        let slot = self.ours.flows.on_update(flow, self.now, &mut self.stats);
        self.on_flow_known(flow, slot, announced);
    }

    fn on_flow_known(&mut self, flow: &Flow<'_>, slot: Option<Slot>, announced: bool) {
        let Some(slot) = slot else {
            self.notice_full(Full::Internal);
            return;
        };
        self.ours.note_flow(flow);
        self.mode.note_kept(Name::Flow(slot), self.now);
        if announced {
            self.announce(Name::Flow(slot));
        }
        self.release_expectations_of(flow);
    }

    fn on_flow_destroy(&mut self, flow: &Flow<'_>, announced: bool) {
        let hash_key = self.hash_key;
        let written = announced && self.forget_written(|| Key::of_flow(flow).hash(&hash_key));
        let (flows, now, stats) = (&mut self.ours.flows, self.now, &mut self.stats);
        let slot = match written {
            true => flows.on_destroy_unheard(flow, now, stats),
            false => None,
        };
        let Some(slot) = slot.or_else(|| flows.on_destroy(flow, now, stats)) else {
            return;
        };
        // The peer hears of them first, so that it never knows one without its master.
        self.end_expectations_of(&flow.orig, zone_of(flow), announced);
        self.on_ended(Name::Flow(slot), announced);
    }

    /// An entry of ours has ended.
    pub(super) fn on_ended(&mut self, name: Name, announced: bool) {
        if announced {
            self.announce(name);
        } else {
            // The peer keeps it, and hears no more of it.
            self.ours.peer_remembers(name);
            self.mode.withdraw(&mut self.ours, name);
            self.ours.bury(name);
        }
    }

    /// Events were lost: the table has to be read again, after a while, since what made the kernel
    /// drop events is likely to go on. More losses do not put it off.
    pub(super) fn on_overrun(&mut self) {
        self.stats.count(Counter::Overruns);
        self.ours.forget_held(&mut self.stats);
        self.lose_sight();
        self.doubt_unheard();
        self.schedule_resync();
    }

    fn schedule_resync(&mut self) {
        if let (None, Some(delay)) = (self.timers.resync_at, self.config.overrun_resync) {
            self.timers.resync_at = Some(self.now + delay);
        }
    }

    /// One entry of the kernel's table.
    pub(super) fn on_dumped(&mut self, object: &Object<'_>) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        reading.seen += 1;
        let reason = reading.reason;
        match object {
            Object::Flow(flow) => self.on_flow_dumped(flow, reason),
            Object::Expectation(report) => self.on_expectation_dumped(report, reason),
        }
    }

    fn on_flow_dumped(&mut self, flow: &Flow<'_>, reason: DumpReason) {
        let foreign = self.foreign.as_ref();
        if foreign.is_some_and(|foreign| foreign.contains(&Key::of_flow(flow))) {
            return;
        }
        if self.bypasses() {
            self.pass_on(EventKind::New, flow);
            return;
        }
        self.ours.note_flow(flow);
        let merged = self.ours.flows.on_dumped(flow, self.now, &mut self.stats);
        self.on_merged(merged, reason, Name::Flow, |hash_key| {
            Key::of_flow(flow).hash(hash_key)
        });
    }

    /// An entry of the kernel's table has been merged into the cache.
    pub(super) fn on_merged(
        &mut self,
        merged: Merged,
        reason: DumpReason,
        name: fn(Slot) -> Name,
        hash: impl FnOnce(&HashKey) -> u64,
    ) {
        let (for_events, after_commit) = (stands_for_events(reason), reason == DumpReason::Commit);
        let (slot, announced) = match merged {
            Merged::Unchanged => return,
            Merged::Full => return self.notice_full(Full::Internal),
            Merged::New(slot) if after_commit => (slot, !self.has_written(hash(&self.hash_key))),
            Merged::Changed(slot) => (slot, for_events || after_commit),
            Merged::New(slot) | Merged::Untold(slot) => (slot, for_events),
        };
        self.mode.note_kept(name(slot), self.now);
        if announced {
            self.announce(name(slot));
        }
    }

    /// The kernel's table has been read.
    pub(super) fn on_dump_done(&mut self, complete: bool) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        self.ours.end_reading();
        self.knows_table |= complete && reading.shows_all();
        if reading.reason == DumpReason::Commit {
            self.end_unheard_reading(complete);
        }
        if reading.reason == DumpReason::Overrun && !complete {
            // What has vanished unnoticed may still be there: only a whole reading ends this.
            self.schedule_resync();
        }
        self.sweep = Some(Sweep::new(reading, complete));
    }

    /// Asks for the kernel's tables, when no other reading is under way.
    pub(super) fn read_kernel(&mut self, mut reason: DumpReason, mut tables: Tables) {
        if reason == DumpReason::Request && self.timers.resync_at.take().is_some() {
            // Events were lost: what this reading finds has to be sent as well.
            (reason, tables) = (DumpReason::Overrun, self.tables());
        }
        if self.reading.is_some() || self.sweep.is_some() || self.is_unheard() {
            let rank = |reason: DumpReason| match reason {
                DumpReason::Startup
                | DumpReason::Request
                | DumpReason::Bulk
                | DumpReason::Commit => 0,
                DumpReason::Poll => 1,
                DumpReason::Overrun => 2,
            };
            // A reading after lost events does all that the others do.
            let wanted = self.reading_wanted.unwrap_or((reason, tables));
            let reason = if rank(wanted.0) <= rank(reason) {
                reason
            } else {
                wanted.0
            };
            self.reading_wanted = Some((reason, tables.and(wanted.1)));
            return;
        }
        self.begin_reading(reason, tables);
    }

    /// Reads the table since it is time to (`PollSecs`), unless the last reading still goes on.
    pub(super) fn poll_kernel(&mut self) {
        if self.reading.is_none() && self.sweep.is_none() {
            self.begin_reading(DumpReason::Poll, self.tables());
        }
    }

    /// Queues the end of something that the kernel's table no longer has.
    pub(super) fn on_vanished(&mut self, name: Name) {
        if let Some((master, zone)) = self.ours.flow_named(name) {
            self.end_expectations_of(&master, zone, true);
        }
        if self.ours.kill(name, &mut self.stats) {
            self.announce(name);
        }
    }

    /// The tables that are replicated.
    pub(super) const fn tables(&self) -> Tables {
        if self.config.expectations {
            Tables::All
        } else {
            Tables::Flows
        }
    }

    /// The present state of an entry is to be sent.
    pub(super) fn announce(&mut self, name: Name) {
        self.mode.announce(&mut self.ours, name);
    }

    /// Whether our kernel's flows are not kept.
    pub(super) fn bypasses(&self) -> bool {
        self.config.internal_cache == InternalCache::Bypass
    }

    fn pass_event_on(&mut self, kind: EventKind, flow: &Flow<'_>) {
        self.stats.count(match kind {
            EventKind::New => Counter::BypassNew,
            EventKind::Update => Counter::BypassUpdated,
            EventKind::Destroy => Counter::BypassDestroyed,
        });
        self.pass_on(kind, flow);
    }

    /// Makes a message of what the kernel says, and keeps nothing of it.
    fn pass_on(&mut self, kind: EventKind, flow: &Flow<'_>) {
        let (presence, now) = (self.presence, self.now);
        let passed = self.mode.pass_on(&mut self.stats, |flags, seq, out| {
            let entry = Entry::from_flow(flow, now);
            entry.message(presence, now).encode(kind, flags, seq, out);
        });
        if !passed {
            self.notice_full(Full::Bypass);
        }
    }
}

fn zone_of(flow: &Flow<'_>) -> Zone {
    flow.zone.or(flow.orig.zone).unwrap_or_default()
}
