//! The sending side of FT-FW: numbers, greeting, and what is kept until the peer has it.
//!
//! A flow stands in the transmit queue or, once sent, in the resend queue under its last number.
//! What changes meanwhile goes back to the transmit queue, so the peer never gets anything but the
//! newest state. Three rules repair what stock loses:
//!
//! - a greeting moves what is unacknowledged back to the transmit queue, where stock forgets it;
//! - what stays unacknowledged although later numbers were acknowledged some time ago is sent
//!   again: the peer will not ask for it, because it never knew of it or its request got lost;
//! - what falls out of the full resend queue is marked, and queued again when there is room.

use alloc::vec::Vec;
use core::time::Duration;

use crate::cache::ours::{Name, Ours};
use crate::mode::outbox::{Building, Outbox, Packed};
use crate::queue::{Item, ResendQueue};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{Control, Flags, SeqRange};

use super::DATAGRAM_LIFE_MAX;
use super::repair::Repair;

/// Time for which an unacknowledged message may lie behind acknowledged ones: enough for a lost
/// acknowledgement to be asked for and to come again.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// Whether the peer has answered our greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// Nothing sent yet.
    Init,
    /// HELLO stands on each message.
    Saying,
    /// The peer has said HELLO_BACK.
    Done,
}

/// What became of our request for a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resync {
    /// There is none, or the peer has it.
    Idle,
    /// In the transmit queue.
    Queued,
    /// Sent under this number.
    Sent(Seq),
    /// Sent under this number, and fallen out of the resend queue; to be queued again when there
    /// is room.
    GivenUp(Seq),
}

/// The unacknowledged messages that time is running for.
#[derive(Clone, Copy, Debug)]
struct Stale {
    /// All up to this one.
    through: Seq,
    at: Instant,
}

/// What we tell the peer.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) outbox: Outbox,
    greeting: Greeting,
    owes_hello_back: bool,
    /// The last message on which HELLO_BACK stood.
    answered: Option<Seq>,
    pub(crate) resend: ResendQueue,
    /// Highest number that the peer has shown to know.
    known_to_peer: Option<Seq>,
    stale: Option<Stale>,
    pub(super) repair: Repair,
    pub(super) resync: Resync,
    /// When what was unacknowledged was sent again because the peer greeted.
    greeted_at: Option<Instant>,
    /// When it was because another link was used.
    switched_at: Option<Instant>,
}

impl Sender {
    pub(crate) fn new(first: Seq, resend_len_max: usize) -> Self {
        Self {
            outbox: Outbox::new(first),
            greeting: Greeting::Init,
            owes_hello_back: false,
            answered: None,
            resend: ResendQueue::new(first, resend_len_max),
            known_to_peer: None,
            stale: None,
            repair: Repair::new(),
            resync: Resync::Idle,
            greeted_at: None,
            switched_at: None,
        }
    }

    /// The entry's present state is to be sent.
    pub(crate) fn announce(&mut self, ours: &mut Ours, name: Name) {
        if let Some(seq) = self.outbox.announce(ours, name) {
            self.resend.take(seq);
        }
    }

    /// The entry's state is not to be sent any more, wherever it stands.
    pub(crate) fn withdraw(&mut self, ours: &mut Ours, name: Name) {
        if let Some(seq) = self.outbox.withdraw(ours, name) {
            self.resend.take(seq);
        }
    }

    /// A control message is to be sent.
    pub(crate) fn say(&mut self, control: Control, stats: &mut Stats) {
        if control == Control::Resync {
            if self.resync == Resync::Queued {
                return;
            }
            self.resync = Resync::Queued;
        }
        self.outbox.say(control, stats);
    }

    /// Whether the peer has answered our greeting, so that what it acknowledges was sent by us and
    /// not by a former life of ours with the same numbers.
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeting == Greeting::Done
    }

    /// The peer has said HELLO: the next message answers.
    pub(crate) const fn on_hello(&mut self) {
        self.owes_hello_back = true;
    }

    /// Whether these messages of ours came after our last answer to a HELLO: whoever got them and
    /// says HELLO has not had that answer.
    pub(crate) fn is_after_answer(&self, range: SeqRange) -> bool {
        self.answered
            .is_some_and(|answered| range.to.is_after(answered))
    }

    /// The peer has answered our HELLO; `true` the first time.
    ///
    /// Stock takes whatever says HELLO without a look at its number: what gets lost between two such
    /// messages it does not ask for, and acknowledges with them. So what was told until now is told
    /// again, under numbers that are watched. Control messages are not: stock has forgotten with each
    /// HELLO what our answers were about, and a request for everything is answered at length.
    pub(crate) fn on_hello_back(&mut self, ours: &mut Ours) -> bool {
        let first = self.greeting == Greeting::Saying;
        if first {
            self.greeting = Greeting::Done;
            let is_entry = |(seq, item)| matches!(item, Item::Entry(_)).then_some(seq);
            let numbers: Vec<Seq> = self.resend.iter().filter_map(is_entry).collect();
            for seq in numbers {
                if let Some(item) = self.resend.take(seq) {
                    self.requeue(ours, item);
                }
            }
        }
        first
    }

    /// The peer has begun a new life and may know nothing of what is unacknowledged.
    ///
    /// Acknowledgements and requests meant for its former life would be taken for those of the new
    /// one if its numbers went back. A peer that greets again and again is not believed each time:
    /// what it then misses is found by the numbers it acknowledges.
    pub(crate) fn on_greeting(&mut self, ours: &mut Ours, now: Instant, went_back: bool) {
        let recent = |at: Instant| now.since(at) < DATAGRAM_LIFE_MAX;
        if self.greeted_at.is_some_and(recent) {
            return;
        }
        self.greeted_at = Some(now);
        let worth_keeping = |control: &Control| match control {
            Control::Ack(_) => false,
            Control::Nack(_) => !went_back,
            Control::Resync | Control::Alive => true,
        };
        if went_back {
            self.outbox.queue.retain(|item| match item {
                Item::Entry(_) => true,
                Item::Control(control) => worth_keeping(control),
            });
        }
        let mut walk = self.resend.all();
        while let Some(item) = self.resend.take_next(&mut walk) {
            match item {
                Item::Control(control) if !worth_keeping(&control) => {}
                Item::Control(_) | Item::Entry(_) => self.requeue(ours, item),
            }
        }
        self.stale = None;
    }

    /// Another link is used: what is unacknowledged may have got lost on the one before. Where links
    /// change all the time it is left to the peer to ask.
    pub(crate) fn on_channel_switch(&mut self, ours: &mut Ours, now: Instant) {
        let recent = |at: Instant| now.since(at) < DATAGRAM_LIFE_MAX;
        if self.switched_at.is_some_and(recent) {
            return;
        }
        self.switched_at = Some(now);
        let mut walk = self.resend.all();
        while let Some(item) = self.resend.take_next(&mut walk) {
            self.requeue(ours, item);
        }
        self.stale = None;
    }

    /// The peer has these messages. `false` if it cannot know what it says.
    pub(crate) fn on_ack(&mut self, ours: &mut Ours, now: Instant, range: SeqRange) -> bool {
        if !self.is_greeted() || !range.to.is_before(self.outbox.next) {
            return false;
        }
        let mut walk = self.resend.covered(range);
        while let Some(item) = self.resend.take_next(&mut walk) {
            if let Item::Entry(name) = item {
                ours.acknowledged(name);
            }
        }
        if let Resync::Sent(seq) | Resync::GivenUp(seq) = self.resync {
            if range.contains(seq) {
                self.resync = Resync::Idle;
            }
        }
        self.note_known(now, range.to);
        true
    }

    /// The peer misses these messages: they are sent again, under new numbers and with what is
    /// known by then. `false` if the peer cannot know what it says.
    pub(crate) fn on_nack(
        &mut self,
        ours: &mut Ours,
        now: Instant,
        range: SeqRange,
        stats: &mut Stats,
    ) -> bool {
        if !self.is_greeted() {
            return false;
        }
        let mut walk = self.resend.covered(range);
        while let Some(item) = self.resend.take_next(&mut walk) {
            stats.count(Counter::MessagesResent);
            self.requeue(ours, item);
        }
        if range.to.is_before(self.outbox.next) {
            self.note_known(now, range.to);
        }
        true
    }

    /// When something may have to be sent again unasked.
    pub(crate) fn stale_at(&self) -> Option<Instant> {
        Some(self.stale?.at)
    }

    /// Sends again what was unacknowledged when the time began and still is.
    pub(crate) fn on_stale(&mut self, ours: &mut Ours, now: Instant, stats: &mut Stats) {
        let Some(Stale { through, .. }) = self.stale.take() else {
            return;
        };
        let Some(from) = self.resend.oldest() else {
            return;
        };
        let mut walk = self.resend.covered(SeqRange { from, to: through });
        while let Some(item) = self.resend.take_next(&mut walk) {
            stats.count(Counter::MessagesResent);
            self.requeue(ours, item);
        }
        self.watch(now);
    }

    /// Puts the next message into a datagram.
    pub(crate) fn pack(
        &mut self,
        ours: &mut Ours,
        building: &Building,
        stats: &mut Stats,
        out: &mut Vec<u8>,
    ) -> Packed {
        let flags = self.flags();
        let packed = self.outbox.pack(ours, building, flags, stats, out);
        if let Packed::Message(item, seq) = packed {
            self.sent(ours, item, seq, stats);
        }
        packed
    }

    /// Forgets all entries; the caches are emptied too.
    pub(crate) fn forget_entries(&mut self) {
        let is_control = |item: &Item| matches!(item, Item::Control(_));
        self.outbox.queue.retain(is_control);
        let mut walk = self.resend.all();
        while let Some(item) = self.resend.take_next(&mut walk) {
            self.requeue_control(item);
        }
    }

    fn flags(&self) -> Flags {
        let mut flags = Flags::NONE;
        if self.greeting != Greeting::Done {
            flags = flags | Flags::HELLO;
        }
        if self.owes_hello_back {
            flags = flags | Flags::HELLO_BACK;
        }
        flags
    }

    /// Notes that this was sent under this number.
    fn sent(&mut self, ours: &mut Ours, item: Item, seq: Seq, stats: &mut Stats) {
        let kept = match item {
            Item::Entry(name) => {
                ours.sent(name, seq);
                Some(item)
            }
            Item::Control(Control::Resync) => {
                self.resync = Resync::Sent(seq);
                Some(item)
            }
            // Nobody misses a sign of life.
            Item::Control(Control::Alive) => None,
            Item::Control(Control::Ack(_) | Control::Nack(_)) => Some(item),
        };
        if self.greeting == Greeting::Init {
            self.greeting = Greeting::Saying;
        }
        if self.owes_hello_back {
            self.answered = Some(seq);
        }
        self.owes_hello_back = false;
        self.resend.push(kept);
        while let Some((seq, oldest)) = self.resend.pop_excess() {
            stats.count(Counter::ResendNoSpace);
            match oldest {
                Item::Entry(name) => ours.give_up(name, stats),
                Item::Control(_) if self.resync == Resync::Sent(seq) => {
                    self.resync = Resync::GivenUp(seq);
                }
                // What the peer lost or keeps for want of these it sends again unasked.
                Item::Control(_) => {}
            }
        }
    }

    /// Moves what was in the resend queue back to the transmit queue.
    fn requeue(&mut self, ours: &mut Ours, item: Item) {
        match item {
            Item::Entry(name) => {
                if ours.enqueue(name).is_some() {
                    self.outbox.queue.push_entry(name);
                }
            }
            Item::Control(_) => self.requeue_control(item),
        }
    }

    pub(super) fn requeue_control(&mut self, item: Item) {
        if let Item::Control(control) = item {
            if control == Control::Resync {
                self.resync = Resync::Queued;
            }
            // One that finds no room is lost: as many others wait, and more of its kind follow.
            self.outbox.queue.push_control(control);
        }
    }

    /// The peer knows our numbers up to this one.
    fn note_known(&mut self, now: Instant, seq: Seq) {
        if self.known_to_peer.is_none_or(|known| seq.is_after(known)) {
            self.known_to_peer = Some(seq);
        }
        if self.stale.is_none() {
            self.watch(now);
        }
    }

    /// Starts the time for what lies unacknowledged behind the numbers that the peer knows.
    fn watch(&mut self, now: Instant) {
        let (Some(oldest), Some(known)) = (self.resend.oldest(), self.known_to_peer) else {
            return;
        };
        if !oldest.is_after(known) {
            self.stale = Some(Stale {
                through: known,
                at: now + STALE_AFTER,
            });
        }
    }
}
