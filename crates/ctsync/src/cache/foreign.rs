//! Which flows of our kernel are the peer's: those that were injected.
//!
//! The kernel's table does not say. Without this, a reading of it would take the peer's flows for
//! ours and tell them back as they were, and the peer would replace its living flows by that. A flow
//! that has traffic here is ours from then on.
//!
//! Eight bytes per flow are kept, a keyed hash of its identity: that two flows share one is as good as
//! impossible. Bound: `len_max` flows; further ones count as ours.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::hash::HashKey;
use super::key::Key;
use super::table::Identity;

/// Parts of the set, so that growth costs the caller a part of it at a time.
const SHARDS: usize = 64;

/// The injected flows.
#[derive(Debug)]
pub(crate) struct Foreign {
    shards: Vec<HashTable<u64>>,
    hash_key: HashKey,
    len: usize,
    len_max: usize,
}

impl Foreign {
    pub(crate) fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            hash_key,
            len: 0,
            len_max,
        }
    }

    /// The flow was injected.
    pub(crate) fn insert(&mut self, key: &Key) {
        if self.contains(key) || self.len >= self.len_max {
            return;
        }
        let hash = key.hash(&self.hash_key);
        if let Some(shard) = self.shards.get_mut(shard_of(hash)) {
            shard.insert_unique(hash, hash, |hash| *hash);
            self.len += 1;
        }
    }

    /// The flow is the peer's no longer; whether it was.
    pub(crate) fn remove(&mut self, key: &Key) -> bool {
        let hash = key.hash(&self.hash_key);
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else {
            return false;
        };
        let Ok(found) = shard.find_entry(hash, |other| *other == hash) else {
            return false;
        };
        found.remove();
        self.len -= 1;
        true
    }

    /// Whether the flow is the peer's.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        let hash = key.hash(&self.hash_key);
        let shard = self.shards.get(shard_of(hash));
        shard.is_some_and(|it| it.find(hash, |other| *other == hash).is_some())
    }
}

/// The bits that choose a part; the parts use the highest and the lowest ones.
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> 48).unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use flow::{Addrs, L4, Ports, Zone};

    fn key(number: u16) -> Key {
        let addrs = Addrs::V4 {
            src: Ipv4Addr::LOCALHOST,
            dst: Ipv4Addr::BROADCAST,
        };
        let ports = Ports {
            src: number,
            dst: 80,
        };
        Key::new(&addrs, &L4::Tcp(ports), Zone(0))
    }

    #[test]
    fn what_was_put_in_is_in_until_it_is_taken_out() {
        let mut foreign = Foreign::new(HashKey([1, 2]), 5_000);
        for number in 0..6_000 {
            foreign.insert(&key(number));
            foreign.insert(&key(number));
        }
        assert_eq!(foreign.len, 5_000);
        for number in 0..6_000 {
            assert_eq!(foreign.contains(&key(number)), number < 5_000);
            assert_eq!(foreign.remove(&key(number)), number < 5_000);
            assert!(!foreign.remove(&key(number)));
        }
        assert_eq!(foreign.len, 0);
    }
}
