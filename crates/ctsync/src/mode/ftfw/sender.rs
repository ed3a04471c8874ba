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

use crate::cache::internal::Internal;
use crate::cache::tracked::{Life, Place, Tracked};
use crate::cache::{Cursor, Slot};
use crate::convert::Presence;
use crate::queue::{Item, ResendQueue, TransmitQueue};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{Control, Flags, SeqRange};
use flow::EventKind;

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

/// What became of an attempt to put one more message into a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    /// It is in.
    Message,
    /// Nothing waits.
    Empty,
    /// It does not fit any more.
    Full,
}

/// What a message is built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Building {
    pub(crate) now: Instant,
    pub(crate) presence: Presence,
    /// A datagram stays below this length (stock never fills the last byte).
    pub(crate) len_max: usize,
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
    next: Seq,
    greeting: Greeting,
    owes_hello_back: bool,
    pub(crate) queue: TransmitQueue,
    pub(crate) resend: ResendQueue,
    /// Highest number that the peer has shown to know.
    known_to_peer: Option<Seq>,
    stale: Option<Stale>,
    pub(super) repair: Repair,
    pub(super) resync: Resync,
    /// When what was unacknowledged was sent again because the peer greeted.
    greeted_at: Option<Instant>,
}

impl Sender {
    pub(crate) const fn new(first: Seq, queue: TransmitQueue, resend: ResendQueue) -> Self {
        Self {
            next: first,
            greeting: Greeting::Init,
            owes_hello_back: false,
            queue,
            resend,
            known_to_peer: None,
            stale: None,
            repair: Repair::new(),
            resync: Resync::Idle,
            greeted_at: None,
        }
    }

    /// The flow's present state is to be sent.
    pub(crate) fn announce(&mut self, cache: &mut Internal, slot: Slot) {
        match cache.enqueue(slot) {
            Some((Place::Sent, seq)) => {
                self.resend.take(seq);
                self.queue.push_flow(slot);
            }
            Some((Place::Idle | Place::GivenUp, _)) => self.queue.push_flow(slot),
            Some((Place::Queued, _)) | None => {}
        }
    }

    /// The flow's state is not to be sent any more, wherever it stands.
    pub(crate) fn withdraw(&mut self, cache: &mut Internal, slot: Slot) {
        if let Some((Place::Sent, seq)) = cache.dequeue(slot) {
            self.resend.take(seq);
        }
        self.compact(cache);
    }

    /// Withdrawn flows leave their names in the transmit queue; when those outnumber the flows, the
    /// queue is made anew from the cache.
    fn compact(&mut self, cache: &Internal) {
        let worth_it = cache.table.len().saturating_mul(2).max(4096);
        if self.queue.len() <= worth_it {
            return;
        }
        self.queue.retain(false, |_| true);
        let (slots, _) = cache.walk(Cursor::default(), u32::MAX).unzip();
        for slot in slots.into_iter().flatten() {
            if queued(cache, slot).is_some() {
                self.queue.push_flow(slot);
            }
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
        if !self.queue.push_control(control) {
            stats.count(Counter::TransmitNoSpace);
        }
    }

    /// Whether the peer has not yet acknowledged our request for a bulk.
    pub(crate) fn resync_is_pending(&self) -> bool {
        self.resync != Resync::Idle
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

    /// The peer has answered our HELLO; `true` the first time.
    pub(crate) fn on_hello_back(&mut self) -> bool {
        let first = self.greeting == Greeting::Saying;
        if first {
            self.greeting = Greeting::Done;
        }
        first
    }

    /// The peer has begun a new life and may know nothing of what is unacknowledged.
    ///
    /// Acknowledgements and requests meant for its former life would be taken for those of the new
    /// one if its numbers went back. A peer that greets again and again is not believed each time:
    /// what it then misses is found by the numbers it acknowledges.
    pub(crate) fn on_greeting(&mut self, cache: &mut Internal, now: Instant, went_back: bool) {
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
            self.queue.retain(true, worth_keeping);
        }
        let mut walk = self.resend.all();
        while let Some(item) = self.resend.take_next(&mut walk) {
            match item {
                Item::Control(control) if !worth_keeping(&control) => {}
                Item::Control(_) | Item::Flow(_) => self.requeue(cache, item),
            }
        }
        self.stale = None;
    }

    /// The peer has these messages. `false` if it cannot know what it says.
    pub(crate) fn on_ack(&mut self, cache: &mut Internal, now: Instant, range: SeqRange) -> bool {
        if !self.is_greeted() || !range.to.is_before(self.next) {
            return false;
        }
        let mut walk = self.resend.covered(range);
        while let Some(item) = self.resend.take_next(&mut walk) {
            if let Item::Flow(slot) = item {
                cache.acknowledged(slot);
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
        cache: &mut Internal,
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
            self.requeue(cache, item);
        }
        if range.to.is_before(self.next) {
            self.note_known(now, range.to);
        }
        true
    }

    /// When something may have to be sent again unasked.
    pub(crate) fn stale_at(&self) -> Option<Instant> {
        Some(self.stale?.at)
    }

    /// Sends again what was unacknowledged when the time began and still is.
    pub(crate) fn on_stale(&mut self, cache: &mut Internal, now: Instant, stats: &mut Stats) {
        let Some(Stale { through, .. }) = self.stale.take() else {
            return;
        };
        let Some(from) = self.resend.oldest() else {
            return;
        };
        let mut walk = self.resend.covered(SeqRange { from, to: through });
        while let Some(item) = self.resend.take_next(&mut walk) {
            stats.count(Counter::MessagesResent);
            self.requeue(cache, item);
        }
        self.watch(now);
    }

    /// Puts the next message into a datagram.
    pub(crate) fn pack(
        &mut self,
        cache: &mut Internal,
        building: &Building,
        stats: &mut Stats,
        out: &mut Vec<u8>,
    ) -> Packed {
        let start = out.len();
        while let Some(item) = self.queue.front() {
            let kept = match item {
                Item::Control(control) => {
                    control.encode(self.flags(), self.next, out);
                    // Nobody misses a sign of life.
                    (control != Control::Alive).then_some(item)
                }
                Item::Flow(slot) => {
                    let Some(tracked) = queued(cache, slot) else {
                        self.queue.pop();
                        continue;
                    };
                    self.encode_flow(tracked, building, out);
                    Some(item)
                }
            };
            if out.len() < building.len_max {
                self.queue.pop();
                self.sent(cache, kept, stats);
                return Packed::Message;
            }
            out.truncate(start);
            if start > 0 {
                return Packed::Full;
            }
            self.queue.pop();
            stats.count(Counter::MessagesTooLong);
            if let Item::Flow(slot) = item {
                cache.acknowledged(slot);
            }
        }
        Packed::Empty
    }

    /// Forgets all flows; the cache is emptied too.
    pub(crate) fn forget_flows(&mut self) {
        self.queue.retain(false, |_| true);
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

    fn encode_flow(&self, tracked: &Tracked, building: &Building, out: &mut Vec<u8>) {
        let kind = match tracked.life {
            Life::Dead => EventKind::Destroy,
            Life::New | Life::Updated if tracked.announces_new() => EventKind::New,
            Life::New | Life::Updated => EventKind::Update,
        };
        let message = tracked.entry.message(building.presence, building.now);
        message.encode(kind, self.flags(), self.next, out);
    }

    /// Notes that the next number was used for this.
    fn sent(&mut self, cache: &mut Internal, item: Option<Item>, stats: &mut Stats) {
        stats.count(Counter::MessagesSent);
        match item {
            Some(Item::Flow(slot)) => {
                if let Some(tracked) = cache.table.get_mut(slot) {
                    tracked.sent(self.next);
                }
            }
            Some(Item::Control(Control::Resync)) => self.resync = Resync::Sent(self.next),
            Some(Item::Control(_)) | None => {}
        }
        if self.greeting == Greeting::Init {
            self.greeting = Greeting::Saying;
        }
        self.owes_hello_back = false;
        self.next = self.next.next();
        self.resend.push(item);
        while let Some((seq, oldest)) = self.resend.pop_excess() {
            stats.count(Counter::ResendNoSpace);
            match oldest {
                Item::Flow(slot) => cache.give_up(slot, stats),
                Item::Control(_) if self.resync == Resync::Sent(seq) => {
                    self.resync = Resync::GivenUp(seq);
                }
                // What the peer lost or keeps for want of these it sends again unasked.
                Item::Control(_) => {}
            }
        }
    }

    /// Moves what was in the resend queue back to the transmit queue.
    fn requeue(&mut self, cache: &mut Internal, item: Item) {
        match item {
            Item::Flow(slot) => {
                if cache.enqueue(slot).is_some() {
                    self.queue.push_flow(slot);
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
            self.queue.push_control(control);
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

/// The flow, if it still waits to be sent.
fn queued(cache: &Internal, slot: Slot) -> Option<&Tracked> {
    let tracked = cache.table.get(slot)?;
    (tracked.place == Place::Queued).then_some(tracked)
}
