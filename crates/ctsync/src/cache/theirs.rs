//! What is kept of the peer's kernel: its flows, and its expectations.
//!
//! The end of a flow takes its expectations with it: stock does not tell of each of them.

use alloc::vec::Vec;

use flow::{EventKind, Tuple, Zone};

use super::entry::Entry;
use super::expectation::Expected;
use super::external::External;
use super::hash::HashKey;
use super::kept::Kept;
use super::key::Key;
use super::masters::Masters;
use super::ours::Name;
use super::table::Slot;
use super::zones::Zones;
use crate::stats::Stats;
use crate::time::Instant;
use crate::wire::{ExpectMessage, FlowMessage};

/// What is kept of the peer's kernel.
#[derive(Debug)]
pub(crate) struct Theirs {
    pub(crate) flows: External,
    pub(crate) expectations: External<Expected>,
    masters: Masters,
    zones: Zones,
}

impl Theirs {
    /// Empty caches for `len_max` entries each.
    pub(crate) fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            flows: External::new(hash_key, len_max),
            expectations: External::new(hash_key, len_max),
            masters: Masters::default(),
            zones: Zones::default(),
        }
    }

    /// The peer tells of a flow. `false` if there is no room for it.
    pub(crate) fn on_flow(
        &mut self,
        kind: EventKind,
        message: &FlowMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        self.zones.note(message.zone);
        match kind {
            EventKind::New => self.flows.on_new(message, now, stats),
            EventKind::Update => self.flows.on_update(message, now, stats),
            EventKind::Destroy => {
                self.forget_expectations_of(message, stats);
                self.flows.on_destroy(message, stats);
                true
            }
        }
    }

    /// The peer tells of an expectation. `false` if there is no room for it.
    pub(crate) fn on_expectation(
        &mut self,
        kind: EventKind,
        message: &ExpectMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let key = Expected::key_of_message(message);
        if kind == EventKind::Destroy {
            if let Some(slot) = self.expectations.table.find(&key) {
                self.forget_expectation(slot, stats);
            }
            return true;
        }
        let is_known = self.expectations.table.find(&key).is_some();
        if !is_known && !self.masters.has_room(&key.master) {
            stats.count(Expected::EXTERNAL.no_space);
            return false;
        }
        let stored = match kind {
            EventKind::New => self.expectations.on_new(message, now, stats),
            EventKind::Update | EventKind::Destroy => {
                self.expectations.on_update(message, now, stats)
            }
        };
        if let Some(slot) = self.expectations.table.find(&key) {
            self.masters.enter(key.master, slot);
            let zone = self.zone_of_master(&key.master);
            if let Some(expected) = self.expectations.table.get_mut(slot) {
                expected.set_zone(zone);
            }
        }
        stored
    }

    /// The flow that a message tells of.
    pub(crate) fn flow_of(&self, message: &FlowMessage<'_>) -> Option<Slot> {
        self.flows.table.find(&Entry::key_of_message(message))
    }

    /// The expectation that a message tells of.
    pub(crate) fn expectation_of(&self, message: &ExpectMessage<'_>) -> Option<Slot> {
        self.expectations
            .table
            .find(&Expected::key_of_message(message))
    }

    /// When the peer told of an entry last, to the second.
    pub(crate) fn updated(&self, name: Name) -> Option<Instant> {
        match name {
            Name::Flow(slot) => self.flows.table.get(slot).map(Entry::updated),
            Name::Expectation(slot) => self.expectations.table.get(slot).map(Expected::updated),
        }
    }

    /// Takes an entry out.
    pub(crate) fn forget(&mut self, name: Name, stats: &mut Stats) {
        match name {
            Name::Flow(slot) => {
                self.flows.remove(slot, stats);
            }
            Name::Expectation(slot) => self.forget_expectation(slot, stats),
        }
    }

    /// Takes an expectation out.
    pub(crate) fn forget_expectation(&mut self, slot: Slot, stats: &mut Stats) {
        if let Some(expected) = self.expectations.remove(slot, stats) {
            self.masters.forget(expected.master(), slot);
        }
    }

    /// Forgets all expectations.
    pub(crate) fn clear_expectations(&mut self, stats: &mut Stats) {
        self.expectations.clear(stats);
        self.masters.clear();
    }

    /// The zone in which the master of an expectation is known.
    pub(crate) fn zone_of_master(&self, master: &Tuple) -> Option<Zone> {
        self.zones.find(None, |zone| {
            let slot = self.flows.table.find(&Key::of_tuple(master, zone))?;
            let entry: &Entry = self.flows.table.get(slot)?;
            Some(entry.helper().is_some())
        })
    }

    /// A flow has ended.
    fn forget_expectations_of(&mut self, message: &FlowMessage<'_>, stats: &mut Stats) {
        if self.masters.is_empty() {
            return;
        }
        let master = Tuple::new(message.addrs, message.l4());
        let zone = message.zone.unwrap_or_default();
        let slots: Vec<Slot> = self
            .masters
            .of(&master)
            .filter(|slot| {
                let expected = self.expectations.table.get(*slot);
                expected.is_some_and(|it| it.zone().is_none_or(|it| it == zone))
            })
            .collect();
        for slot in slots {
            self.forget_expectation(slot, stats);
        }
    }
}
