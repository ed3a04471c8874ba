//! A table of records: chunks of slots, and an index from key to slot.
//!
//! A record keeps its slot for life, so queues and jobs name it by a number of four bytes and a
//! walk over the table survives any change in between. Chunks are never moved and the index is
//! cut into shards, so growth costs the caller at most a rehash of one shard.
//!
//! Invariant: the index holds each used slot exactly once, under its record's key.

use alloc::vec::Vec;
use core::ops::Range;

use hashbrown::HashTable;

use super::hash::HashKey;

/// The identity of a [`Record`].
pub(crate) trait Identity: PartialEq {
    /// The keyed hash.
    fn hash(&self, key: &HashKey) -> u64;
}

/// What a [`Table`] holds.
pub(crate) trait Record {
    /// What tells two of them apart.
    type Key: Identity;

    /// The identity under which it is found; never changes while it is in the table.
    fn key(&self) -> Self::Key;
}

/// Place of a record in its table; valid until the record is removed, then reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(crate) u32);

/// Where a walk over the table has got to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(u32);

impl Cursor {
    /// Before the first slot.
    pub const START: Self = Self(0);
}

/// Some slots in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Range<u32>);

impl Iterator for Slots {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        self.0.next().map(Slot)
    }
}

const CHUNK_LEN: usize = 1024;
const SHARDS: usize = 64;

#[derive(Debug)]
enum Cell<R> {
    Used(R),
    Vacant { next: Option<Slot> },
}

/// Records by slot and by key.
#[derive(Debug)]
pub(crate) struct Table<R> {
    chunks: Vec<Vec<Cell<R>>>,
    vacant: Option<Slot>,
    shards: Vec<HashTable<Slot>>,
    hash_key: HashKey,
    len: usize,
}

impl<R: Record> Table<R> {
    /// An empty table.
    pub(crate) fn new(hash_key: HashKey) -> Self {
        Self {
            chunks: Vec::new(),
            vacant: None,
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            hash_key,
            len: 0,
        }
    }

    /// The slot of the record with this key.
    pub(crate) fn find(&self, key: &R::Key) -> Option<Slot> {
        let hash = key.hash(&self.hash_key);
        self.shards
            .get(shard_of(hash))?
            .find(hash, |slot| self.has_key(*slot, key))
            .copied()
    }

    /// Adds a record. The caller has made sure that its key is not in the table.
    ///
    /// # Panics
    ///
    /// When the table holds 2^32 records.
    pub(crate) fn insert(&mut self, record: R) -> Slot {
        let hash = record.key().hash(&self.hash_key);
        let slot = self.occupy(record);
        let (chunks, hash_key) = (&self.chunks, self.hash_key);
        if let Some(shard) = self.shards.get_mut(shard_of(hash)) {
            shard.insert_unique(hash, slot, |slot| {
                record_at(chunks, *slot).map_or(0, |it| it.key().hash(&hash_key))
            });
        }
        self.len += 1;
        slot
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<R> {
        let hash = self.get(slot)?.key().hash(&self.hash_key);
        let shard = self.shards.get_mut(shard_of(hash))?;
        if let Ok(found) = shard.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        let vacant = self.vacant;
        let cell = cell_mut(&mut self.chunks, slot)?;
        let Cell::Used(record) = core::mem::replace(cell, Cell::Vacant { next: vacant }) else {
            return None;
        };
        self.vacant = Some(slot);
        self.len -= 1;
        Some(record)
    }

    /// Forgets all records.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.vacant = None;
        for shard in &mut self.shards {
            *shard = HashTable::new();
        }
        self.len = 0;
    }

    /// The record in a slot.
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut R> {
        match cell_mut(&mut self.chunks, slot)? {
            Cell::Used(record) => Some(record),
            Cell::Vacant { .. } => None,
        }
    }

    /// The record in a slot.
    pub(crate) fn get(&self, slot: Slot) -> Option<&R> {
        record_at(&self.chunks, slot)
    }

    /// Number of records.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The slots that a walk passes next, at most `limit`, and where it then stands; `None` at the
    /// end. A slot may be vacant. A record that is there during the whole walk is met exactly
    /// once.
    pub(crate) fn walk(&self, cursor: Cursor, limit: u32) -> Option<(Slots, Cursor)> {
        let end = self.slots_len();
        if cursor.0 >= end {
            return None;
        }
        let next = cursor.0.saturating_add(limit).min(end);
        Some((Slots(cursor.0..next), Cursor(next)))
    }

    fn slots_len(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK_LEN;
        let last = self.chunks.last().map_or(0, Vec::len);
        u32::try_from(full + last).unwrap_or(u32::MAX)
    }

    fn has_key(&self, slot: Slot, key: &R::Key) -> bool {
        self.get(slot).is_some_and(|record| record.key() == *key)
    }

    /// Puts a record into a vacant slot, or into a new one.
    fn occupy(&mut self, record: R) -> Slot {
        if let Some(slot) = self.vacant {
            if let Some(cell) = cell_mut(&mut self.chunks, slot) {
                if let Cell::Vacant { next } = *cell {
                    self.vacant = next;
                    *cell = Cell::Used(record);
                    return slot;
                }
            }
        }
        let slot = Slot(self.slots_len());
        assert!(slot.0 < u32::MAX, "more than 2^32 records");
        if self.chunks.last().is_none_or(|it| it.len() == CHUNK_LEN) {
            self.chunks.push(Vec::with_capacity(CHUNK_LEN));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Cell::Used(record));
        }
        slot
    }
}

/// The bits that choose a shard; the index itself uses the highest and the lowest ones.
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> 48).unwrap_or(0) % SHARDS
}

fn position(slot: Slot) -> (usize, usize) {
    let slot = usize::try_from(slot.0).unwrap_or(usize::MAX);
    (slot / CHUNK_LEN, slot % CHUNK_LEN)
}

fn cell_mut<R>(chunks: &mut [Vec<Cell<R>>], slot: Slot) -> Option<&mut Cell<R>> {
    let (chunk, place) = position(slot);
    chunks.get_mut(chunk)?.get_mut(place)
}

fn record_at<R>(chunks: &[Vec<Cell<R>>], slot: Slot) -> Option<&R> {
    let (chunk, place) = position(slot);
    match chunks.get(chunk)?.get(place)? {
        Cell::Used(record) => Some(record),
        Cell::Vacant { .. } => None,
    }
}
