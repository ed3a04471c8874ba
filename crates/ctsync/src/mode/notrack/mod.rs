//! NOTRACK: what happens is sent once (docs/wire.md, "NOTRACK").
//!
//! No message is acknowledged or sent again. What ours does beyond stock: the [`tracker`] drops a
//! message that was overtaken by a newer one about the same flow, and after a loss the [`repair`]
//! asks the senders for everything, seldom enough to do no harm. Without an internal cache the
//! events go straight into the [`bypass`].

mod bypass;
mod repair;
pub(crate) mod tracker;

use alloc::vec::Vec;

use super::outbox::{Building, Outbox};
use super::peers::{Peers, Source};
use super::{Scene, Verdict};
use crate::cache::ours::Ours;
use crate::config::{Config, ExternalCache, InternalCache};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{Control, DropReason, Flags, Kind, Message};
use bypass::Bypass;
use repair::Repair;
use tracker::{Step, Tracker};

/// A node in NOTRACK.
#[derive(Debug)]
pub(crate) struct Notrack {
    pub(crate) outbox: Outbox,
    pub(crate) repair: Repair,
    /// Everything is asked for after a loss. Where neither node keeps anything, the answer would be
    /// the kernel's whole table, with our own flows in it, if the peer is stock.
    pub(crate) asks: bool,
    bypass: Option<Bypass>,
    trackers: Peers<Tracker>,
}

impl Notrack {
    pub(crate) fn new(first: Seq, config: &Config) -> Self {
        let (internal, external) = (config.internal_cache, config.external_cache);
        Self {
            outbox: Outbox::new(first),
            repair: Repair::default(),
            asks: internal == InternalCache::Keep || external == ExternalCache::Keep,
            bypass: match internal {
                InternalCache::Keep => None,
                InternalCache::Bypass => Some(Bypass::default()),
            },
            trackers: Peers::new(),
        }
    }

    /// Makes a message of an event, to be sent in this turn. `false` if too many wait.
    pub(crate) fn pass_on(
        &mut self,
        stats: &mut Stats,
        encode: impl FnOnce(Flags, Seq, &mut Vec<u8>),
    ) -> bool {
        let Some(bypass) = &mut self.bypass else {
            return false;
        };
        let Some(out) = bypass.room() else {
            stats.count(Counter::TransmitNoSpace);
            return false;
        };
        encode(Flags::NONE, self.outbox.number(stats), out);
        true
    }

    /// Bytes of messages that were made of events and wait to be sent.
    pub(crate) fn passed_on_len(&self) -> usize {
        self.bypass.as_ref().map_or(0, Bypass::len)
    }

    /// Puts the next message into a datagram; `false` if there is none or no room for it.
    pub(crate) fn pack(
        &mut self,
        ours: &mut Ours,
        building: &Building,
        stats: &mut Stats,
        out: &mut Vec<u8>,
    ) -> bool {
        // They have their numbers already, so they go first.
        if let Some(bypass) = self.bypass.as_mut().filter(|it| it.len() > 0) {
            return bypass.pack(building.len_max, stats, out);
        }
        self.outbox.pack_and_forget(ours, building, stats, out)
    }

    /// Looks at a message of a peer. Its number decides nothing here.
    pub(crate) fn receive(
        &mut self,
        scene: &mut Scene<'_>,
        source: Source,
        message: &Message<'_>,
    ) -> Result<Verdict, DropReason> {
        let verdict = digest(message)?;
        let (now, seq) = (scene.now, message.header.seq);
        let tracker = self.trackers.of(source, seq, now, Tracker::default);
        match tracker.step(now, seq) {
            Step::Next => {}
            Step::Before => scene.stats.count(Counter::MessagesBefore),
            Step::Gap(lost) => {
                scene.stats.add(Counter::MessagesLost, u64::from(lost));
                scene.signals.gap = true;
                self.repair.on_loss(now, u64::from(lost));
            }
            Step::Anew(refused) => {
                scene.stats.add(Counter::MessagesLost, u64::from(refused));
                scene.signals.gap = true;
                self.repair.on_new_life(now, u64::from(refused));
            }
        }
        Ok(verdict)
    }

    /// Whether nothing newer is known about this than the message with this number says.
    pub(crate) fn is_news(&mut self, now: Instant, source: Source, seq: Seq, about: u64) -> bool {
        self.trackers
            .of(source, seq, now, Tracker::default)
            .is_news(seq, about)
    }

    /// A sign of life is to be given.
    pub(crate) fn say_alive(&mut self, stats: &mut Stats) {
        self.outbox.say(Control::Alive, stats);
    }
}

/// What the type and the flags of a message say; refuses what NOTRACK does not know.
fn digest(message: &Message<'_>) -> Result<Verdict, DropReason> {
    let flags = message.header.flags;
    match message.header.kind {
        Kind::Flow(_) | Kind::Expectation(_) if flags.without(flags.greeting()).is_empty() => {
            Ok(Verdict::Data)
        }
        Kind::Control => match Control::decode(message)? {
            Control::Resync => Ok(Verdict::BulkWanted),
            Control::Alive => Ok(Verdict::Handled),
            Control::Ack(_) | Control::Nack(_) => Err(DropReason::BadHeader),
        },
        Kind::Flow(_) | Kind::Expectation(_) | Kind::Unassigned(_) => Err(DropReason::BadHeader),
    }
}
