//! How the nodes keep their messages in step: one module per mode.
//!
//! A mode owns the rules of its sender and of its receiver: which messages there are, when one is
//! sent, what a number means, and what it takes to be malformed. The node does what all modes have
//! in common: kernel and caches, links, jobs and clients. [`Mode`] is where the two meet.

pub(crate) mod alarm;
pub(crate) mod ftfw;
pub(crate) mod notrack;
pub(crate) mod outbox;
pub(crate) mod peers;

use alloc::vec::Vec;

use crate::cache::ours::{Name, Ours};
use crate::config::{Config, ModeConfig};
use crate::output::Notice;
use crate::queue::{Item, ResendQueue, TransmitQueue};
use crate::seq::Seq;
use crate::stats::Stats;
use crate::time::Instant;
use crate::wire::{Control, DropReason, Flags, Message};
use alarm::Alarm;
use ftfw::Ftfw;
use notrack::Notrack;
use outbox::{Building, Outbox, Packed};
use peers::Source;

use core::time::Duration;

/// Silence after which a sign of life is sent, or what is to be acknowledged.
pub(crate) const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// What a mode works on besides itself.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) now: Instant,
    pub(crate) ours: &'a mut Ours,
    pub(crate) stats: &'a mut Stats,
    /// To be told to the operator; a few for each message.
    pub(crate) notices: &'a mut Vec<Notice>,
    pub(crate) signals: &'a mut Signals,
}

/// What a message lets the node know besides what it says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signals {
    /// The peer has answered our greeting just now.
    pub(crate) greeted: bool,
    /// Messages before this one are missing.
    pub(crate) gap: bool,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It came too late, or twice.
    Dropped,
    /// Nothing more.
    Handled,
    /// Its sender wants to be sent everything.
    BulkWanted,
    /// It tells of a flow or an expectation.
    Data,
}

/// The mode in which a node is.
#[derive(Debug)]
pub(crate) enum Mode {
    Ftfw(Ftfw),
    Notrack(Notrack),
    Alarm(Alarm),
}

impl Mode {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let first = config.first_seq;
        match config.mode {
            ModeConfig::Ftfw {
                resend_queue_len_max,
                ack_window,
            } => Self::Ftfw(Ftfw::new(first, resend_queue_len_max, ack_window)),
            ModeConfig::Notrack => Self::Notrack(Notrack::new(first, config)),
            ModeConfig::Alarm { refresh_time, .. } => {
                Self::Alarm(Alarm::new(first, refresh_time, config.random_seed, now))
            }
        }
    }

    /// The entry's present state is to be sent.
    pub(crate) fn announce(&mut self, ours: &mut Ours, name: Name) {
        match self {
            Self::Ftfw(it) => it.sender.announce(ours, name),
            Self::Notrack(_) | Self::Alarm(_) => {
                self.outbox_mut().announce(ours, name);
            }
        }
    }

    /// The entry's state is not to be sent any more, wherever it stands.
    pub(crate) fn withdraw(&mut self, ours: &mut Ours, name: Name) {
        match self {
            Self::Ftfw(it) => it.sender.withdraw(ours, name),
            Self::Notrack(_) | Self::Alarm(_) => {
                self.outbox_mut().withdraw(ours, name);
            }
        }
    }

    /// An entry is in the internal cache, new or changed, whether it is announced or not.
    pub(crate) fn note_kept(&mut self, name: Name, now: Instant) {
        match self {
            Self::Alarm(it) => it.note_kept(name, now),
            Self::Ftfw(_) | Self::Notrack(_) => {}
        }
    }

    /// Everything is to be asked for. `false` where nobody would answer.
    pub(crate) fn request_bulk(&mut self, stats: &mut Stats) -> bool {
        match self {
            Self::Ftfw(it) => it.sender.say(Control::Resync, stats),
            Self::Notrack(it) => it.outbox.say(Control::Resync, stats),
            Self::Alarm(_) => return false,
        }
        true
    }

    /// We have been silent for a while, and nothing waits: a sign of life is due, or an
    /// acknowledgement.
    pub(crate) fn on_silence(&mut self, stats: &mut Stats) {
        match self {
            Self::Ftfw(it) => {
                if !it.acknowledge(stats) {
                    it.sender.say(Control::Alive, stats);
                }
            }
            Self::Notrack(it) => it.say_alive(stats),
            Self::Alarm(_) => {}
        }
    }

    /// Whether a node in this mode says something every second.
    pub(crate) const fn gives_signs_of_life(&self) -> bool {
        match self {
            Self::Ftfw(_) | Self::Notrack(_) => true,
            Self::Alarm(_) => false,
        }
    }

    /// Whether a bulk can be asked for and is sent.
    pub(crate) const fn has_bulks(&self) -> bool {
        self.gives_signs_of_life()
    }

    /// Whether what the peer says was said to this life of ours.
    pub(crate) fn is_greeted(&self) -> bool {
        match self {
            Self::Ftfw(it) => it.sender.is_greeted(),
            Self::Notrack(_) | Self::Alarm(_) => true,
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
        match self {
            Self::Ftfw(it) => {
                let packed = it.sender.pack(ours, building, stats, out);
                matches!(packed, Packed::Message(..))
            }
            Self::Notrack(it) => it.pack(ours, building, stats, out),
            Self::Alarm(it) => it.pack(ours, building, stats, out),
        }
    }

    /// Makes a message of an event that is not kept, to be sent in this turn. `false` if too many
    /// wait.
    pub(crate) fn pass_on(
        &mut self,
        stats: &mut Stats,
        encode: impl FnOnce(Flags, Seq, &mut Vec<u8>),
    ) -> bool {
        match self {
            Self::Notrack(it) => it.pass_on(stats, encode),
            Self::Ftfw(_) | Self::Alarm(_) => false,
        }
    }

    /// Looks at a message of a peer.
    pub(crate) fn receive(
        &mut self,
        scene: &mut Scene<'_>,
        source: Source,
        message: &Message<'_>,
    ) -> Result<Verdict, DropReason> {
        match self {
            Self::Ftfw(it) => it.receive(scene, source, message),
            Self::Notrack(it) => it.receive(scene, source, message),
            Self::Alarm(it) => it.receive(scene, source, message),
        }
    }

    /// Whether nothing newer is known about this than the message with this number says; `about`
    /// stands for the flow or the expectation.
    pub(crate) fn is_news(
        &mut self,
        now: Instant,
        source: Source,
        seq: Seq,
        about: impl FnOnce() -> u64,
    ) -> bool {
        match self {
            // What comes late is dropped by its number.
            Self::Ftfw(_) => true,
            Self::Notrack(it) => it.is_news(now, source, seq, about()),
            Self::Alarm(it) => it.is_news(now, source, seq, about()),
        }
    }

    /// Forgets all entries; the caches are emptied too.
    pub(crate) fn forget_entries(&mut self) {
        match self {
            Self::Ftfw(it) => it.sender.forget_entries(),
            Self::Notrack(_) | Self::Alarm(_) => {
                let is_control = |item: &Item| matches!(item, Item::Control(_));
                self.outbox_mut().queue.retain(is_control);
            }
        }
    }

    /// The next time that something of the mode's own is due, sending aside.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        match self {
            Self::Ftfw(it) => it.sender.stale_at(),
            Self::Notrack(it) => it.repair.due(),
            Self::Alarm(_) => None,
        }
    }

    /// Does what is due.
    pub(crate) fn run_timers(&mut self, scene: &mut Scene<'_>) {
        let now = scene.now;
        match self {
            Self::Ftfw(it) => {
                if it.sender.stale_at().is_some_and(|at| at <= now) {
                    it.sender.on_stale(scene.ours, now, scene.stats);
                }
            }
            Self::Notrack(it) => {
                if it.repair.due().is_some_and(|at| at <= now) {
                    let lost = it.repair.on_asked(now);
                    scene.notices.push(Notice::MessagesLost(lost));
                    if it.asks {
                        scene.notices.push(Notice::ResyncRequested);
                        it.outbox.say(Control::Resync, scene.stats);
                    }
                }
            }
            Self::Alarm(_) => {}
        }
    }

    /// When entries may be queued that nobody has touched: what fell out of the resend queue, what
    /// is to be refreshed.
    pub(crate) fn requeue_at(&self, ours: &Ours) -> Option<Instant> {
        match self {
            Self::Ftfw(it) => it.sender.repair_at(ours),
            Self::Notrack(_) => None,
            Self::Alarm(it) => it.refresh_at(),
        }
    }

    /// Queues some of them.
    pub(crate) fn requeue(&mut self, ours: &mut Ours, now: Instant) {
        match self {
            Self::Ftfw(it) => it.sender.repair(ours, now),
            Self::Notrack(_) => {}
            Self::Alarm(it) => it.refresh(ours, now),
        }
    }

    /// When something has to be acknowledged even if we never fall silent.
    pub(crate) fn ack_at(&self) -> Option<Instant> {
        match self {
            Self::Ftfw(it) => it.ack_at(),
            Self::Notrack(_) | Self::Alarm(_) => None,
        }
    }

    /// Acknowledges what came.
    pub(crate) fn acknowledge(&mut self, stats: &mut Stats) {
        match self {
            Self::Ftfw(it) => {
                it.acknowledge(stats);
            }
            Self::Notrack(_) | Self::Alarm(_) => {}
        }
    }

    /// Another link is used from now on: what was sent on the one before may be lost.
    pub(crate) fn on_channel_switch(&mut self, ours: &mut Ours, now: Instant) {
        match self {
            Self::Ftfw(it) => it.sender.on_channel_switch(ours, now),
            Self::Notrack(_) | Self::Alarm(_) => {}
        }
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_messages(&self) -> bool {
        let passed_on = match self {
            Self::Notrack(it) => it.passed_on_len(),
            Self::Ftfw(_) | Self::Alarm(_) => 0,
        };
        passed_on > 0 || self.queue().len() > 0
    }

    /// What waits to be sent.
    pub(crate) const fn queue(&self) -> &TransmitQueue {
        &self.outbox().queue
    }

    /// What the peer has not acknowledged.
    pub(crate) const fn resend(&self) -> Option<&ResendQueue> {
        match self {
            Self::Ftfw(it) => Some(&it.sender.resend),
            Self::Notrack(_) | Self::Alarm(_) => None,
        }
    }

    const fn outbox(&self) -> &Outbox {
        match self {
            Self::Ftfw(it) => &it.sender.outbox,
            Self::Notrack(it) => &it.outbox,
            Self::Alarm(it) => &it.outbox,
        }
    }

    const fn outbox_mut(&mut self) -> &mut Outbox {
        match self {
            Self::Ftfw(it) => &mut it.sender.outbox,
            Self::Notrack(it) => &mut it.outbox,
            Self::Alarm(it) => &mut it.outbox,
        }
    }
}
