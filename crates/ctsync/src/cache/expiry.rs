//! What the peer has not told of for a while is forgotten (ALARM's `CacheTimeout`).
//!
//! The entry itself knows when it was told of last, to the second; the wheels say when to look.

use core::time::Duration;

use super::ours::Name;
use super::theirs::Theirs;
use crate::stats::Stats;
use crate::time::Instant;
use crate::wheel::Wheel;

/// Entries looked at in one step.
const STEP: u32 = 1024;

/// When which entry of the peer is looked at.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// Life of an entry: a second more, since it is not known to the fraction.
    life: Duration,
    flows: Wheel,
    expectations: Wheel,
}

impl Expiry {
    pub(crate) fn new(timeout: Duration, now: Instant) -> Self {
        let life = timeout + Duration::from_secs(1);
        Self {
            life,
            flows: Wheel::new(life, now),
            expectations: Wheel::new(life, now),
        }
    }

    /// The peer has told of an entry of the external cache.
    pub(crate) fn note_kept(&mut self, name: Name, now: Instant) {
        self.arm(name, now + self.life);
    }

    fn arm(&mut self, name: Name, at: Instant) {
        match name {
            Name::Flow(slot) => self.flows.arm(slot, at),
            Name::Expectation(slot) => self.expectations.arm(slot, at),
        }
    }

    /// When the next entry is to be looked at.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.flows.next(), self.expectations.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks at entries whose time has come, as many as one step may.
    pub(crate) fn step(&mut self, theirs: &mut Theirs, now: Instant, stats: &mut Stats) {
        for _ in 0..STEP {
            let flow = self.flows.pop(now).map(Name::Flow);
            let name = flow.or_else(|| self.expectations.pop(now).map(Name::Expectation));
            let Some(name) = name else { return };
            let Some(updated) = theirs.updated(name) else {
                continue;
            };
            let end = updated + self.life;
            if end > now {
                self.arm(name, end);
            } else {
                theirs.forget(name, stats);
            }
        }
    }
}
