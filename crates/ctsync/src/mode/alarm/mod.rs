//! ALARM: each flow is sent again now and then (docs/wire.md, "ALARM").
//!
//! No message is acknowledged, asked for, or controls anything. What is lost comes with the next
//! refresh; what is not refreshed vanishes from the receiver's cache, so that ends which were lost
//! do no lasting harm. Each entry has its turn at a random time, as stock draws it: whole seconds up
//! to `RefreshTime`, and a fraction. A change does not put it off, as it does in stock: that would cost
//! more than the message that it saves.

mod random;

use alloc::vec::Vec;
use core::time::Duration;

use super::notrack::tracker::{Step, Tracker};
use super::outbox::{Building, Outbox};
use super::peers::{Peers, Source};
use super::{Scene, Verdict};
use crate::cache::Slot;
use crate::cache::ours::{Name, Ours};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wheel::Wheel;
use crate::wire::{DropReason, Kind, Message};
use random::Random;

/// Entries whose turn has come that are looked at in one step.
const STEP: u32 = 1024;

/// Refreshes wait while so many messages wait to be sent.
const QUEUE_LEN_MAX: usize = 1024;

/// A node in ALARM.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) outbox: Outbox,
    refresh_time: Duration,
    flows: Wheel,
    expectations: Wheel,
    random: Random,
    trackers: Peers<Tracker>,
}

impl Alarm {
    pub(crate) fn new(first: Seq, refresh_time: Duration, seed: u64, now: Instant) -> Self {
        let refresh_time = refresh_time.max(Duration::from_secs(1));
        let horizon = refresh_time + Duration::from_secs(1);
        Self {
            outbox: Outbox::new(first),
            refresh_time,
            flows: Wheel::new(horizon, now),
            expectations: Wheel::new(horizon, now),
            random: Random::new(seed),
            trackers: Peers::new(),
        }
    }

    /// An entry is in the cache: it will be sent again.
    pub(crate) fn note_kept(&mut self, name: Name, now: Instant) {
        let at = now + self.delay();
        match name {
            Name::Flow(slot) => self.flows.arm(slot, at),
            Name::Expectation(slot) => self.expectations.arm(slot, at),
        }
    }

    /// The time until an entry is sent again.
    fn delay(&mut self) -> Duration {
        let seconds = self.random.below(self.refresh_time.as_secs()) + 1;
        // Stock's five fractions.
        let fraction = 199_999 + 200_000 * self.random.below(5);
        Duration::from_secs(seconds) + Duration::from_micros(fraction)
    }

    /// When the next entry has its turn.
    pub(crate) fn refresh_at(&self) -> Option<Instant> {
        if self.outbox.queue.len() >= QUEUE_LEN_MAX {
            return None;
        }
        [self.flows.next(), self.expectations.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Queues entries whose turn has come, as many as one step may.
    pub(crate) fn refresh(&mut self, ours: &mut Ours, now: Instant) {
        for _ in 0..STEP {
            if self.outbox.queue.len() >= QUEUE_LEN_MAX {
                return;
            }
            let due: Option<Slot> = self.flows.pop(now);
            let name = due
                .map(Name::Flow)
                .or_else(|| self.expectations.pop(now).map(Name::Expectation));
            let Some(name) = name else { return };
            if ours.is_live(name) {
                self.outbox.announce(ours, name);
                self.note_kept(name, now);
            }
        }
    }

    /// Puts the next message into a datagram; `false` if there is none or no room for it.
    pub(crate) fn pack(
        &mut self,
        ours: &mut Ours,
        building: &Building,
        stats: &mut Stats,
        out: &mut Vec<u8>,
    ) -> bool {
        self.outbox.pack_and_forget(ours, building, stats, out)
    }

    /// Looks at a message of a peer. One with a flag is for another mode.
    pub(crate) fn receive(
        &mut self,
        scene: &mut Scene<'_>,
        source: Source,
        message: &Message<'_>,
    ) -> Result<Verdict, DropReason> {
        if !message.header.flags.is_empty() {
            scene.stats.count(Counter::MessagesIgnored);
            return Ok(Verdict::Handled);
        }
        match message.header.kind {
            Kind::Flow(_) | Kind::Expectation(_) => {}
            Kind::Control | Kind::Unassigned(_) => return Err(DropReason::BadType),
        }
        let (now, seq) = (scene.now, message.header.seq);
        let tracker = self.trackers.of(source, seq, now, Tracker::default);
        // Losses are not counted, as with stock: the next refresh repairs them.
        if tracker.step(now, seq) == Step::Before {
            scene.stats.count(Counter::MessagesBefore);
        }
        Ok(Verdict::Data)
    }

    /// Whether nothing newer is known about this than the message with this number says.
    pub(crate) fn is_news(&mut self, now: Instant, source: Source, seq: Seq, about: u64) -> bool {
        self.trackers
            .of(source, seq, now, Tracker::default)
            .is_news(seq, about)
    }
}
