//! The internal cache: the flows of our kernel, and what the peer has been told of them.
//!
//! An ended flow stays, dead, until the peer has acknowledged its end; dead ones do not count
//! against the limit of the cache. While the kernel's table is read, every entry that an event
//! touches bears the reading's generation: such an entry is newer than what the reading brings,
//! and an ended one must not come back through it.
//!
//! Invariant: a dead entry is on its way to the peer, or guards against the reading in progress.

use flow::{Counters, Flow};

use super::entry::Entry;
use super::hash::HashKey;
use super::key::Key;
use super::table::{Cursor, Slot, Table};
use super::tracked::{Life, Place, Replace, Tracked, id_of};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;

/// What became of an entry of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// An event was faster and told all of it, or the entry says nothing new.
    Unchanged,
    /// The flow is new or says something that the peer was not told.
    Changed(Slot),
    /// There is no room for it.
    Full,
}

/// The flows of our kernel.
#[derive(Debug)]
pub(crate) struct Internal {
    pub(crate) table: Table<Tracked>,
    live: usize,
    live_max: usize,
    /// Dead entries on their way to the peer, at most, before new flows are refused.
    dead_max: usize,
    pub(crate) given_up: usize,
    given_up_dead: usize,
    generation: u8,
    reading: bool,
    /// What a new flow needs whose tuple we do not know of; `None` as long as that is open.
    replace_of_new: Option<Replace>,
}

impl Internal {
    /// An empty cache for `live_max` flows, beside a resend queue of `resend_max` messages.
    pub(crate) fn new(hash_key: HashKey, live_max: usize, resend_max: usize) -> Self {
        Self {
            table: Table::new(hash_key),
            live: 0,
            live_max,
            dead_max: live_max.saturating_mul(2).saturating_add(resend_max),
            given_up: 0,
            given_up_dead: 0,
            generation: 0,
            reading: false,
            replace_of_new: None,
        }
    }

    /// The peer has started after us: what it knows of our flows it knows from this life of ours.
    pub(crate) fn peer_is_younger(&mut self) {
        self.replace_of_new.get_or_insert(Replace::UntilSent);
    }

    /// The peer may remember flows that we do not, from now on.
    pub(crate) const fn peer_remembers(&mut self) {
        self.replace_of_new = Some(Replace::UntilAcknowledged);
    }

    /// The kernel has a new flow: what was known under its tuple is forgotten. `None` if there is
    /// no room.
    pub(crate) fn on_new(
        &mut self,
        flow: &Flow<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        match self.table.find(&Key::of_flow(flow)) {
            Some(slot) => self.replace(slot, flow, now, stats),
            None => {
                let replace = self.replace_of_new.unwrap_or(Replace::UntilAcknowledged);
                self.create(flow, now, replace, stats)
            }
        }
    }

    /// A flow of the kernel has changed. `None` if there is no room for it.
    pub(crate) fn on_update(
        &mut self,
        flow: &Flow<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let Some(slot) = self.table.find(&Key::of_flow(flow)) else {
            return self.create(flow, now, Replace::UntilAcknowledged, stats);
        };
        let generation = self.generation;
        let tracked = self.table.get_mut(slot)?;
        if tracked.is_of_another_life(flow) {
            return self.replace(slot, flow, now, stats);
        }
        tracked.update(flow, now);
        tracked.generation = generation;
        stats.count(Counter::InternalUpdated);
        Some(slot)
    }

    /// A flow of the kernel has ended. `None` if it was not known.
    pub(crate) fn on_destroy(
        &mut self,
        flow: &Flow<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let Some(slot) = self.table.find(&Key::of_flow(flow)) else {
            self.guard(flow, now);
            return None;
        };
        let generation = self.generation;
        let tracked = self.table.get_mut(slot)?;
        if tracked.has_another_id(flow) {
            // The end of a life that a reading of the table has shown to be over already.
            return None;
        }
        tracked.generation = generation;
        if !self.kill(slot, stats) {
            return None;
        }
        let counters = [flow.counters.orig, flow.counters.reply];
        for Counters { packets, bytes } in counters.into_iter().flatten() {
            stats.add(Counter::TrafficPackets, packets);
            stats.add(Counter::TrafficBytes, bytes);
        }
        Some(slot)
    }

    /// One entry of the kernel's table, read in the dump that runs.
    pub(crate) fn on_dumped(&mut self, flow: &Flow<'_>, now: Instant, stats: &mut Stats) -> Merged {
        let generation = self.generation;
        let Some(slot) = self.table.find(&Key::of_flow(flow)) else {
            let slot = self.create(flow, now, Replace::UntilAcknowledged, stats);
            return slot.map_or(Merged::Full, Merged::Changed);
        };
        let Some(tracked) = self.table.get_mut(slot) else {
            return Merged::Unchanged;
        };
        if tracked.generation == generation {
            let filled = tracked.fill(flow, now);
            return if filled {
                Merged::Changed(slot)
            } else {
                Merged::Unchanged
            };
        }
        if tracked.is_of_another_life(flow) {
            let slot = self.replace(slot, flow, now, stats);
            return slot.map_or(Merged::Full, Merged::Changed);
        }
        tracked.generation = generation;
        stats.count(Counter::InternalUpdated);
        tracked.silent |= tracked.read(flow, now);
        if tracked.silent {
            Merged::Changed(slot)
        } else {
            Merged::Unchanged
        }
    }

    /// A reading of the kernel's table begins.
    pub(crate) const fn begin_reading(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.reading = true;
    }

    /// The reading has ended; dead entries are kept for it no longer.
    pub(crate) const fn end_reading(&mut self) {
        self.reading = false;
    }

    /// Whether the last reading of the table has not met this live entry.
    pub(crate) fn is_vanished(&self, slot: Slot) -> bool {
        self.table.get(slot).is_some_and(|tracked| {
            tracked.life != Life::Dead && tracked.generation != self.generation
        })
    }

    /// Marks a live entry dead; `false` if there is none.
    pub(crate) fn kill(&mut self, slot: Slot, stats: &mut Stats) -> bool {
        let Some(tracked) = self.table.get_mut(slot) else {
            return false;
        };
        if tracked.life == Life::Dead {
            return false;
        }
        tracked.life = Life::Dead;
        self.given_up_dead += usize::from(tracked.place == Place::GivenUp);
        self.live -= 1;
        stats.count(Counter::InternalDestroyed);
        true
    }

    /// Removes an entry that is dead and of no use any more.
    pub(crate) fn bury(&mut self, slot: Slot) {
        let Some(tracked) = self.table.get(slot) else {
            return;
        };
        let guards = self.reading && tracked.generation == self.generation;
        if tracked.life == Life::Dead && tracked.place == Place::Idle && !guards {
            self.table.remove(slot);
        }
    }

    /// The peer has acknowledged the last message about this entry.
    pub(crate) fn acknowledged(&mut self, slot: Slot) {
        let Some(tracked) = self.table.get_mut(slot) else {
            return;
        };
        if tracked.announces_new() {
            tracked.replace = Replace::No;
        }
        tracked.place = Place::Idle;
        if tracked.life == Life::Dead {
            self.bury(slot);
        }
    }

    /// The entry fell out of the resend queue. Ends of flows are kept for the peer up to the limit
    /// of the cache; beyond it they are forgotten.
    pub(crate) fn give_up(&mut self, slot: Slot, stats: &mut Stats) {
        let Some(tracked) = self.table.get_mut(slot) else {
            return;
        };
        let dead = tracked.life == Life::Dead;
        if dead && self.given_up_dead >= self.live_max {
            tracked.place = Place::Idle;
            stats.count(Counter::DestroysForgotten);
            self.peer_remembers();
            self.bury(slot);
            return;
        }
        tracked.place = Place::GivenUp;
        self.given_up += 1;
        self.given_up_dead += usize::from(dead);
    }

    /// The entry goes into the transmit queue; gives its place until now.
    pub(crate) fn enqueue(&mut self, slot: Slot) -> Option<(Place, Seq)> {
        let tracked = self.table.get_mut(slot)?;
        let before = tracked.place;
        tracked.place = Place::Queued;
        tracked.silent = false;
        if before == Place::GivenUp {
            self.given_up -= 1;
            self.given_up_dead -= usize::from(tracked.life == Life::Dead);
        }
        Some((before, tracked.seq))
    }

    /// Forgets all flows; the caller empties the queues.
    pub(crate) fn clear(&mut self, stats: &mut Stats) {
        stats.add(
            Counter::InternalDestroyed,
            u64::try_from(self.live).unwrap_or(u64::MAX),
        );
        self.table.clear();
        self.live = 0;
        self.given_up = 0;
        self.given_up_dead = 0;
        self.peer_remembers();
    }

    /// The entry leaves the queues; gives its place until now.
    pub(crate) fn dequeue(&mut self, slot: Slot) -> Option<(Place, Seq)> {
        let (before, seq) = self.enqueue(slot)?;
        self.table.get_mut(slot)?.place = Place::Idle;
        Some((before, seq))
    }

    /// Flows that are in the kernel.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// The slots a walk passes next.
    pub(crate) fn walk(
        &self,
        cursor: Cursor,
        limit: u32,
    ) -> Option<(impl Iterator<Item = Slot> + use<>, Cursor)> {
        self.table.walk(cursor, limit)
    }

    fn create(
        &mut self,
        flow: &Flow<'_>,
        now: Instant,
        replace: Replace,
        stats: &mut Stats,
    ) -> Option<Slot> {
        if !self.has_room() {
            stats.count(Counter::InternalNoSpace);
            return None;
        }
        stats.count(Counter::InternalCreated);
        self.live += 1;
        let entry = Entry::from_flow(flow, now);
        let tracked = Tracked::new(entry, id_of(flow), replace, self.generation);
        Some(self.table.insert(tracked))
    }

    /// Another flow takes over a tuple: the entry keeps its place, and nothing else.
    fn replace(
        &mut self,
        slot: Slot,
        flow: &Flow<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let was_dead = self.table.get(slot)?.life == Life::Dead;
        if was_dead && !self.has_room() {
            stats.count(Counter::InternalNoSpace);
            return None;
        }
        let generation = self.generation;
        let tracked = self.table.get_mut(slot)?;
        tracked.entry = Entry::from_flow(flow, now);
        tracked.id = id_of(flow);
        tracked.life = Life::New;
        tracked.replace = Replace::UntilAcknowledged;
        tracked.generation = generation;
        tracked.silent = true;
        if was_dead {
            self.live += 1;
            self.given_up_dead -= usize::from(tracked.place == Place::GivenUp);
        } else {
            stats.count(Counter::InternalDestroyed);
        }
        stats.count(Counter::InternalCreated);
        Some(slot)
    }

    /// Remembers the end of a flow that was not known, so that the dump that runs does not bring
    /// it back.
    fn guard(&mut self, flow: &Flow<'_>, now: Instant) {
        if self.reading && self.table.len() < self.live_max.saturating_add(self.dead_max) {
            let entry = Entry::from_flow(flow, now);
            let replace = Replace::UntilAcknowledged;
            let mut tracked = Tracked::new(entry, None, replace, self.generation);
            tracked.life = Life::Dead;
            self.table.insert(tracked);
        }
    }

    const fn has_room(&self) -> bool {
        self.live < self.live_max && self.table.len() - self.live < self.dead_max
    }
}
