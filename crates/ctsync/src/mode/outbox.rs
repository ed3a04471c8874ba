//! What every mode sends with: the transmit queue, the numbers, and how datagrams are filled.
//!
//! A message gets its number when it is built, and says what the cache knows at that moment. What
//! happens to it afterwards is the mode's business.

use alloc::vec::Vec;

use crate::cache::ours::{Name, Names, Ours, Walk};
use crate::cache::tracked::Place;
use crate::convert::Presence;
use crate::queue::{Item, TransmitQueue};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{Control, Flags};

/// What became of an attempt to put one more message into a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    /// This is in, under this number.
    Message(Item, Seq),
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

/// What waits to be sent, and the number that it gets.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) next: Seq,
    pub(crate) queue: TransmitQueue,
}

impl Outbox {
    pub(crate) fn new(first: Seq) -> Self {
        Self {
            next: first,
            queue: TransmitQueue::default(),
        }
    }

    /// The entry's present state is to be sent. Gives the number under which it stood in the
    /// resend queue.
    pub(crate) fn announce(&mut self, ours: &mut Ours, name: Name) -> Option<Seq> {
        let (place, seq) = ours.enqueue(name)?;
        if place != Place::Queued {
            self.queue.push_entry(name);
        }
        (place == Place::Sent).then_some(seq)
    }

    /// The entry's state is not to be sent any more. Gives the number under which it stood in the
    /// resend queue.
    pub(crate) fn withdraw(&mut self, ours: &mut Ours, name: Name) -> Option<Seq> {
        let before = ours.dequeue(name);
        self.compact(ours);
        before.and_then(|(place, seq)| (place == Place::Sent).then_some(seq))
    }

    /// Withdrawn entries leave their names in the queue; when those outnumber the entries, the
    /// queue is made anew from the cache.
    fn compact(&mut self, ours: &Ours) {
        let worth_it = ours.len().saturating_mul(2).max(4096);
        if self.queue.len() <= worth_it {
            return;
        }
        self.queue.retain(|item| matches!(item, Item::Control(_)));
        let mut walk = Walk::START;
        while let Some((names, next)) = ours.walk(walk, u32::MAX) {
            self.push_queued(ours, names);
            walk = next;
        }
    }

    fn push_queued(&mut self, ours: &Ours, names: Names) {
        for name in names {
            if ours.place(name) == Some(Place::Queued) {
                self.queue.push_entry(name);
            }
        }
    }

    /// A control message is to be sent.
    pub(crate) fn say(&mut self, control: Control, stats: &mut Stats) {
        if !self.queue.push_control(control) {
            stats.count(Counter::TransmitNoSpace);
        }
    }

    /// Puts the next message into a datagram.
    pub(crate) fn pack(
        &mut self,
        ours: &mut Ours,
        building: &Building,
        flags: Flags,
        stats: &mut Stats,
        out: &mut Vec<u8>,
    ) -> Packed {
        let start = out.len();
        while let Some(item) = self.queue.front() {
            match item {
                Item::Control(control) => control.encode(flags, self.next, out),
                Item::Entry(name) => {
                    if ours.place(name) != Some(Place::Queued) {
                        self.queue.pop();
                        continue;
                    }
                    let (presence, now) = (building.presence, building.now);
                    ours.encode(name, (presence, now), (flags, self.next), out);
                }
            }
            if out.len() < building.len_max {
                self.queue.pop();
                return Packed::Message(item, self.number(stats));
            }
            out.truncate(start);
            if start > 0 {
                return Packed::Full;
            }
            self.queue.pop();
            stats.count(Counter::MessagesTooLong);
            if let Item::Entry(name) = item {
                ours.acknowledged(name);
            }
        }
        Packed::Empty
    }

    /// The same in a mode without acknowledgements, where what was sent counts as known; `false` if
    /// there is nothing or no room for it.
    pub(crate) fn pack_and_forget(
        &mut self,
        ours: &mut Ours,
        building: &Building,
        stats: &mut Stats,
        out: &mut Vec<u8>,
    ) -> bool {
        match self.pack(ours, building, Flags::NONE, stats, out) {
            Packed::Message(Item::Entry(name), _) => {
                ours.acknowledged(name);
                true
            }
            Packed::Message(Item::Control(_), _) => true,
            Packed::Empty | Packed::Full => false,
        }
    }

    /// Uses up a number.
    pub(crate) fn number(&mut self, stats: &mut Stats) -> Seq {
        let seq = self.next;
        self.next = seq.next();
        stats.count(Counter::MessagesSent);
        seq
    }
}
