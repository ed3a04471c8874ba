//! The external cache: the peer's flows, or its expectations, ready to be committed.
//!
//! It does what the peer's messages say and knows nothing of our kernel. An entry stays until the
//! peer ends it or a client flushes; when there is no room, further ones are counted and left out.

use super::entry::Entry;
use super::hash::HashKey;
use super::kept::Kept;
use super::table::{Record, Slot, Table};
use crate::stats::Stats;
use crate::time::Instant;

impl Record for Entry {
    type Key = super::Key;

    fn key(&self) -> super::Key {
        Self::key(self)
    }
}

/// The peer's flows, or what else it keeps.
#[derive(Debug)]
pub(crate) struct External<K: Kept = Entry> {
    pub(crate) table: Table<K>,
    len_max: usize,
}

impl<K: Kept> External<K> {
    /// An empty cache for `len_max` entries.
    pub(crate) fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            table: Table::new(hash_key),
            len_max,
        }
    }

    /// The peer has a new one: it replaces what was known. `false` if there is no room.
    pub(crate) fn on_new(
        &mut self,
        message: &K::Message<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let entry = K::from_message(message, now);
        let Some(known) = self.known(&entry.key()) else {
            return self.create(entry, stats);
        };
        *known = entry;
        stats.count(K::EXTERNAL.destroyed);
        stats.count(K::EXTERNAL.created);
        true
    }

    /// One of the peer's has changed. `false` if it is new to us and there is no room.
    pub(crate) fn on_update(
        &mut self,
        message: &K::Message<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let Some(known) = self.known(&K::key_of_message(message)) else {
            return self.create(K::from_message(message, now), stats);
        };
        known.merge_message(message, now);
        stats.count(K::EXTERNAL.updated);
        true
    }

    /// One of the peer's has ended.
    pub(crate) fn on_destroy(&mut self, message: &K::Message<'_>, stats: &mut Stats) {
        if let Some(slot) = self.table.find(&K::key_of_message(message)) {
            self.remove(slot, stats);
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, slot: Slot, stats: &mut Stats) -> Option<K> {
        let entry = self.table.remove(slot)?;
        stats.count(K::EXTERNAL.destroyed);
        Some(entry)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self, stats: &mut Stats) {
        let len = u64::try_from(self.table.len()).unwrap_or(u64::MAX);
        stats.add(K::EXTERNAL.destroyed, len);
        self.table.clear();
    }

    fn known(&mut self, key: &K::Key) -> Option<&mut K> {
        let slot = self.table.find(key)?;
        self.table.get_mut(slot)
    }

    fn create(&mut self, entry: K, stats: &mut Stats) -> bool {
        if self.table.len() >= self.len_max {
            stats.count(K::EXTERNAL.no_space);
            return false;
        }
        self.table.insert(entry);
        stats.count(K::EXTERNAL.created);
        true
    }
}
