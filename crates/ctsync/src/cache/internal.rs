//! The internal cache: the flows of our kernel, and what the peer has been told of them.
//!
//! An ended flow stays, dead, until the peer has acknowledged its end; dead ones do not count
//! against the limit of the cache. While the kernel's table is read, every entry that an event
//! touches bears the reading's generation: such an entry is newer than what the reading brings,
//! and an ended one must not come back through it.
//!
//! Invariant: a dead entry is on its way to the peer, or guards against the reading in progress.

use super::entry::Entry;
use super::hash::HashKey;
use super::kept::Kept;
use super::table::{Cursor, Slot, Slots, Table};
use super::tracked::{Life, Place, Replace, Tracked, id_of};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;

/// What became of an entry of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// An event was faster and told all of it, or the entry says nothing new.
    Unchanged,
    /// The entry says nothing new, but something that the peer was not told.
    Untold(Slot),
    /// The entry says something new.
    Changed(Slot),
    /// It was not known.
    New(Slot),
    /// There is no room for it.
    Full,
}

/// The flows of our kernel, or what else of it is kept.
#[derive(Debug)]
pub(crate) struct Internal<K: Kept = Entry> {
    pub(crate) table: Table<Tracked<K>>,
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

impl<K: Kept> Internal<K> {
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
        report: &K::Report<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        match self.table.find(&K::key_of_report(report)) {
            Some(slot) => self.replace(slot, report, now, stats),
            None => {
                let replace = self.replace_of_new.unwrap_or(Replace::UntilAcknowledged);
                self.create(report, now, replace, stats)
            }
        }
    }

    /// Whether what is live under this identity is another life than the one that is reported.
    pub(crate) fn knows_another_life(&self, report: &K::Report<'_>) -> bool {
        let slot = self.table.find(&K::key_of_report(report));
        let tracked = slot.and_then(|slot| self.table.get(slot));
        tracked.is_some_and(|it| it.life != Life::Dead && it.has_another_id(report))
    }

    /// A flow of the kernel has changed. `None` if there is no room for it.
    pub(crate) fn on_update(
        &mut self,
        report: &K::Report<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let Some(slot) = self.table.find(&K::key_of_report(report)) else {
            return self.create(report, now, Replace::UntilAcknowledged, stats);
        };
        let generation = self.generation;
        let tracked = self.table.get_mut(slot)?;
        if tracked.is_of_another_life(report) {
            return self.replace(slot, report, now, stats);
        }
        tracked.update(report, now);
        tracked.generation = generation;
        stats.count(K::INTERNAL.updated);
        Some(slot)
    }

    /// A flow of the kernel has ended. `None` if it was not known.
    pub(crate) fn on_destroy(
        &mut self,
        report: &K::Report<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let Some(slot) = self.table.find(&K::key_of_report(report)) else {
            self.guard(report, now);
            return None;
        };
        let generation = self.generation;
        let tracked = self.table.get_mut(slot)?;
        if tracked.has_another_id(report) {
            // The end of a life that a reading of the table has shown to be over already.
            return None;
        }
        tracked.generation = generation;
        if !self.kill(slot, stats) {
            return None;
        }
        K::count_end(report, stats);
        Some(slot)
    }

    /// A flow of the kernel has ended that a commit wrote, and that nobody has told of so far. What the
    /// peer has of this tuple ends with it. `None` if the tuple is known, or there is no room.
    pub(crate) fn on_destroy_unheard(
        &mut self,
        report: &K::Report<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        if self.table.find(&K::key_of_report(report)).is_some() {
            return None;
        }
        let slot = self.create(report, now, Replace::UntilAcknowledged, stats)?;
        self.kill(slot, stats);
        K::count_end(report, stats);
        Some(slot)
    }

    /// One entry of the kernel's table, read in the dump that runs.
    pub(crate) fn on_dumped(
        &mut self,
        report: &K::Report<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Merged {
        let generation = self.generation;
        let Some(slot) = self.table.find(&K::key_of_report(report)) else {
            let slot = self.create(report, now, Replace::UntilAcknowledged, stats);
            return slot.map_or(Merged::Full, Merged::New);
        };
        let Some(tracked) = self.table.get_mut(slot) else {
            return Merged::Unchanged;
        };
        if tracked.generation == generation {
            let filled = tracked.fill(report, now);
            return if filled {
                Merged::Changed(slot)
            } else {
                Merged::Unchanged
            };
        }
        if tracked.is_of_another_life(report) {
            let was_dead = tracked.life == Life::Dead;
            return match self.replace(slot, report, now, stats) {
                None => Merged::Full,
                Some(slot) if was_dead => Merged::New(slot),
                // The peer has to hear that the other life is over.
                Some(slot) => Merged::Changed(slot),
            };
        }
        tracked.generation = generation;
        stats.count(K::INTERNAL.updated);
        let changed = tracked.read(report, now);
        tracked.silent |= changed;
        if changed {
            Merged::Changed(slot)
        } else if tracked.silent {
            Merged::Untold(slot)
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
        stats.count(K::INTERNAL.destroyed);
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
        // What was acknowledged need not be what a reading has put in its place since.
        if tracked.announces_new() && !tracked.silent {
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
            K::INTERNAL.destroyed,
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
    pub(crate) fn walk(&self, cursor: Cursor, limit: u32) -> Option<(Slots, Cursor)> {
        self.table.walk(cursor, limit)
    }

    fn create(
        &mut self,
        report: &K::Report<'_>,
        now: Instant,
        replace: Replace,
        stats: &mut Stats,
    ) -> Option<Slot> {
        if !self.has_room() {
            stats.count(K::INTERNAL.no_space);
            return None;
        }
        stats.count(K::INTERNAL.created);
        self.live += 1;
        let entry = K::from_report(report, now);
        let tracked = Tracked::new(entry, id_of::<K>(report), replace, self.generation);
        Some(self.table.insert(tracked))
    }

    /// Another flow takes over a tuple: the entry keeps its place, and nothing else.
    fn replace(
        &mut self,
        slot: Slot,
        report: &K::Report<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> Option<Slot> {
        let was_dead = self.table.get(slot)?.life == Life::Dead;
        if was_dead && !self.has_room() {
            stats.count(K::INTERNAL.no_space);
            return None;
        }
        let generation = self.generation;
        let tracked = self.table.get_mut(slot)?;
        tracked.entry = K::from_report(report, now);
        tracked.id = id_of::<K>(report);
        tracked.life = Life::New;
        tracked.replace = Replace::UntilAcknowledged;
        tracked.generation = generation;
        tracked.silent = true;
        if was_dead {
            self.live += 1;
            self.given_up_dead -= usize::from(tracked.place == Place::GivenUp);
        } else {
            stats.count(K::INTERNAL.destroyed);
        }
        stats.count(K::INTERNAL.created);
        Some(slot)
    }

    /// Remembers the end of a flow that was not known, so that the dump that runs does not bring
    /// it back.
    fn guard(&mut self, report: &K::Report<'_>, now: Instant) {
        if self.reading && self.table.len() < self.live_max.saturating_add(self.dead_max) {
            let entry = K::from_report(report, now);
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
