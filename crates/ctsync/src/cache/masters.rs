//! Which expectations belong to which master.
//!
//! When a flow ends, the kernel drops its expectations; so do the caches, without searching for
//! them. An entry may be out of date, so what it leads to has to be looked at.
//!
//! Bound: [`PER_MASTER_MAX`] for each master. The kernel allows fewer
//! (`NF_CT_EXPECT_MAX_CNT`, in each of `NF_CT_MAX_EXPECT_CLASSES`).

use alloc::collections::{BTreeMap, BTreeSet};

use flow::Tuple;

use super::table::Slot;

/// Expectations of one master at most, so that the end of a flow is bounded work.
const PER_MASTER_MAX: usize = 1024;

/// The expectations of each master, by slot.
#[derive(Debug, Default)]
pub(crate) struct Masters(BTreeMap<Tuple, BTreeSet<Slot>>);

impl Masters {
    /// Whether a master may have one more.
    pub(crate) fn has_room(&self, master: &Tuple) -> bool {
        self.0
            .get(master)
            .is_none_or(|slots| slots.len() < PER_MASTER_MAX)
    }

    /// Enters an expectation.
    pub(crate) fn enter(&mut self, master: Tuple, slot: Slot) {
        self.0.entry(master).or_default().insert(slot);
    }

    /// Forgets an expectation.
    pub(crate) fn forget(&mut self, master: &Tuple, slot: Slot) {
        if let Some(slots) = self.0.get_mut(master) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.0.remove(master);
            }
        }
    }

    /// The expectations of a master.
    pub(crate) fn of(&self, master: &Tuple) -> impl Iterator<Item = Slot> + '_ {
        self.0.get(master).into_iter().flatten().copied()
    }

    /// Whether there are none at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
