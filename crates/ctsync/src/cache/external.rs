//! The external cache: the peer's flows, ready to be committed.
//!
//! It does what the peer's messages say and knows nothing of our kernel. A flow stays until the peer
//! ends it or a client flushes; when there is no room, further flows are counted and left out.

use super::entry::Entry;
use super::hash::HashKey;
use super::key::Key;
use super::table::{Record, Table};
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::FlowMessage;

impl Record for Entry {
    fn key(&self) -> Key {
        Self::key(self)
    }
}

/// The peer's flows.
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) table: Table<Entry>,
    len_max: usize,
}

impl External {
    /// An empty cache for `len_max` flows.
    pub(crate) fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            table: Table::new(hash_key),
            len_max,
        }
    }

    /// The peer has a new flow: it replaces what was known. `false` if there is no room.
    pub(crate) fn on_new(
        &mut self,
        message: &FlowMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let entry = Entry::from_message(message, now);
        let Some(known) = self.known(&entry.key()) else {
            return self.create(entry, stats);
        };
        *known = entry;
        stats.count(Counter::ExternalDestroyed);
        stats.count(Counter::ExternalCreated);
        true
    }

    /// A flow of the peer has changed. `false` if it is new to us and there is no room.
    pub(crate) fn on_update(
        &mut self,
        message: &FlowMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let key = key_of(message);
        let Some(known) = self.known(&key) else {
            return self.create(Entry::from_message(message, now), stats);
        };
        known.merge_message(message, now);
        stats.count(Counter::ExternalUpdated);
        true
    }

    /// A flow of the peer has ended.
    pub(crate) fn on_destroy(&mut self, message: &FlowMessage<'_>, stats: &mut Stats) {
        let Some(slot) = self.table.find(&key_of(message)) else {
            return;
        };
        self.table.remove(slot);
        stats.count(Counter::ExternalDestroyed);
    }

    /// Forgets all flows.
    pub(crate) fn clear(&mut self, stats: &mut Stats) {
        stats.add(
            Counter::ExternalDestroyed,
            u64::try_from(self.table.len()).unwrap_or(u64::MAX),
        );
        self.table.clear();
    }

    fn known(&mut self, key: &Key) -> Option<&mut Entry> {
        let slot = self.table.find(key)?;
        self.table.get_mut(slot)
    }

    fn create(&mut self, entry: Entry, stats: &mut Stats) -> bool {
        if self.table.len() >= self.len_max {
            stats.count(Counter::ExternalNoSpace);
            return false;
        }
        self.table.insert(entry);
        stats.count(Counter::ExternalCreated);
        true
    }
}

fn key_of(message: &FlowMessage<'_>) -> Key {
    Key::new(
        &message.addrs,
        &message.l4(),
        message.zone.unwrap_or_default(),
    )
}
