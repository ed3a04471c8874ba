//! Many coarse timers at four bytes each: which slots of a table have their turn.
//!
//! A wheel of buckets, one per tick. A slot lies in one bucket at most, and stays there whatever
//! becomes of its entry: when its turn comes, the caller looks at the entry and says when its next
//! turn is. So nothing is moved when an entry changes, is removed, or gives its slot to another.
//!
//! Bound: one place per slot of the table.

use alloc::vec::Vec;
use core::time::Duration;

use crate::cache::Slot;
use crate::time::Instant;

/// Buckets of a wheel, at most; the ticks of a longer one are longer.
const BUCKETS_MAX: u64 = 1024;

/// Shortest tick.
const TICK_MIN: Duration = Duration::from_millis(200);

/// Which slots have their turn when.
#[derive(Debug)]
pub(crate) struct Wheel {
    tick: u64,
    buckets: Vec<Vec<Slot>>,
    /// Ticks up to this one have passed.
    passed: u64,
    /// One bit for each slot: whether it lies in a bucket.
    armed: Vec<u64>,
    len: usize,
}

impl Wheel {
    /// A wheel for turns that lie `horizon` ahead at most.
    pub(crate) fn new(horizon: Duration, now: Instant) -> Self {
        let horizon = u64::try_from(horizon.as_nanos()).unwrap_or(u64::MAX);
        let tick_min = u64::try_from(TICK_MIN.as_nanos()).unwrap_or(1).max(1);
        let tick = (horizon / (BUCKETS_MAX - 2)).max(tick_min);
        let count = (horizon / tick + 2).min(BUCKETS_MAX);
        Self {
            tick,
            buckets: (0..count).map(|_| Vec::new()).collect(),
            passed: now.0 / tick,
            armed: Vec::new(),
            len: 0,
        }
    }

    /// The slot has its turn at this time, or somewhat later; one that waits already goes on
    /// waiting for its earlier date.
    pub(crate) fn arm(&mut self, slot: Slot, at: Instant) {
        if self.set(slot, true) {
            return;
        }
        let ahead = (at.0.div_ceil(self.tick)).saturating_sub(self.passed);
        let ahead = ahead.clamp(1, self.count() - 1);
        let place = self.place(self.passed + ahead);
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.push(slot);
            self.len += 1;
        }
    }

    /// The next slot whose turn has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Slot> {
        let passing = now.0 / self.tick;
        if self.len == 0 {
            self.passed = self.passed.max(passing);
            return None;
        }
        // A clock that jumps passes each bucket once.
        self.passed = self.passed.max(passing.saturating_sub(self.count()));
        while self.passed < passing {
            let place = self.place(self.passed + 1);
            let bucket = self.buckets.get_mut(place)?;
            if let Some(slot) = bucket.pop() {
                self.len -= 1;
                self.set(slot, false);
                return Some(slot);
            }
            // A bucket that was full once does not keep its room.
            *bucket = Vec::new();
            self.passed += 1;
        }
        None
    }

    /// When the next slot has its turn.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.len == 0 {
            return None;
        }
        let ahead = (1..=self.count()).find(|ahead| {
            let place = self.place(self.passed + ahead);
            self.buckets.get(place).is_some_and(|it| !it.is_empty())
        })?;
        Some(Instant((self.passed + ahead).saturating_mul(self.tick)))
    }

    /// Notes whether a slot lies in a bucket; gives what was noted before.
    fn set(&mut self, slot: Slot, armed: bool) -> bool {
        let place = usize::try_from(slot.0 / 64).unwrap_or(usize::MAX);
        let bit = 1_u64 << (slot.0 % 64);
        if place >= self.armed.len() {
            self.armed.resize(place.saturating_add(1), 0);
        }
        let Some(word) = self.armed.get_mut(place) else {
            return false;
        };
        let before = *word & bit != 0;
        *word = if armed { *word | bit } else { *word & !bit };
        before
    }

    fn count(&self) -> u64 {
        u64::try_from(self.buckets.len()).unwrap_or(BUCKETS_MAX)
    }

    fn place(&self, tick: u64) -> usize {
        usize::try_from(tick % self.count()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn millis(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    #[test]
    fn each_slot_has_its_turn_once_and_not_early() {
        let mut wheel = Wheel::new(Duration::from_secs(61), millis(5_000));
        let due: BTreeMap<u32, u64> = (0..500)
            .map(|slot| (slot, 5_000 + u64::from(slot * 7919 % 61_000)))
            .collect();
        for (slot, at) in &due {
            wheel.arm(Slot(*slot), millis(*at));
            wheel.arm(Slot(*slot), millis(5_000));
        }
        let mut seen = Vec::new();
        let mut now = 5_000;
        while let Some(at) = wheel.next() {
            now = at.0 / 1_000_000;
            while let Some(slot) = wheel.pop(at) {
                let due = due[&slot.0];
                assert!(due <= now && now <= due + 400, "{due} at {now}");
                seen.push(slot);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..500).map(Slot).collect::<Vec<_>>());
        assert!(now <= 66_400);
    }

    #[test]
    fn a_clock_that_jumps_gives_all_at_once() {
        let mut wheel = Wheel::new(Duration::from_secs(10), millis(0));
        for slot in 0..100 {
            wheel.arm(Slot(slot), millis(u64::from(slot) * 100));
        }
        let later = millis(1_000_000_000);
        for _ in 0..100 {
            assert!(wheel.pop(later).is_some());
        }
        assert_eq!((wheel.pop(later), wheel.next()), (None, None));
        wheel.arm(Slot(3), later + Duration::from_secs(1));
        assert_eq!(wheel.pop(later), None);
        assert!(wheel.pop(later + Duration::from_secs(2)).is_some());
    }

    #[test]
    fn a_date_beyond_the_horizon_comes_early() {
        let mut wheel = Wheel::new(Duration::from_secs(10), millis(0));
        wheel.arm(Slot(1), millis(3_600_000));
        let at = wheel.next().unwrap();
        assert!(at > millis(9_000) && at < millis(12_000));
        assert_eq!(wheel.pop(at), Some(Slot(1)));
    }
}
