//! What waits to be sent, and what was sent and is not acknowledged yet.
//!
//! A queue holds names, not copies: a flow or an expectation by its slot, so that a message is built
//! from what the cache knows when it leaves. The internal cache notes on each entry where it stands,
//! and an entry stands in one place only: a burst of updates costs one message.

use alloc::collections::VecDeque;

use crate::cache::ours::Name;
use crate::seq::Seq;
use crate::wire::{Control, SeqRange};

/// Control messages that may wait at a time; a flood of what provokes them gets no more answers.
const CONTROL_LEN_MAX: usize = 1024;

/// Something to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// What the internal cache knows of a flow or an expectation.
    Entry(Name),
    /// A control message.
    Control(Control),
}

/// What waits to be sent, first come first served.
///
/// Its entries are bounded by the cache, its control messages by [`CONTROL_LEN_MAX`].
#[derive(Debug, Default)]
pub(crate) struct TransmitQueue {
    items: VecDeque<Item>,
    control_len: usize,
}

impl TransmitQueue {
    pub(crate) fn push_entry(&mut self, name: Name) {
        self.items.push_back(Item::Entry(name));
    }

    /// Appends a control message; `false` if too many wait already.
    pub(crate) fn push_control(&mut self, control: Control) -> bool {
        let room = self.control_len < CONTROL_LEN_MAX;
        if room {
            self.control_len += 1;
            self.items.push_back(Item::Control(control));
        }
        room
    }

    pub(crate) fn front(&self) -> Option<Item> {
        self.items.front().copied()
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if matches!(item, Item::Control(_)) {
            self.control_len -= 1;
        }
        Some(item)
    }

    /// Keeps what the predicate wants.
    pub(crate) fn retain(&mut self, wanted: impl FnMut(&Item) -> bool) {
        self.items.retain(wanted);
        let is_control = |item: &&Item| matches!(item, Item::Control(_));
        self.control_len = self.items.iter().filter(is_control).count();
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) const fn control_len(&self) -> usize {
        self.control_len
    }
}

/// What was sent, by sequence number, until it is acknowledged.
///
/// Numbers are dense, so this is a row that begins at the oldest one; what needs no
/// acknowledgement, or has got it, leaves a hole. Looking a number up costs one step.
///
/// A range is walked by jumps: what a walk has passed leads behind its holes from then on. So a
/// peer that names the same wide range again and again pays for each step of ours once.
#[derive(Debug)]
pub(crate) struct ResendQueue {
    row: VecDeque<Place>,
    /// Number of the first place of the row.
    first: Seq,
    /// Places that are no holes.
    len: usize,
    /// Of these, places of entries.
    entries_len: usize,
    len_max: usize,
}

/// A place of the row.
#[derive(Clone, Copy, Debug)]
enum Place {
    Taken(Item),
    /// Nothing here, nor in the places behind it: at least so many holes, this one included.
    Holes(u32),
}

impl Place {
    const HOLE: Self = Self::Holes(1);

    /// What was here; a hole is left.
    fn take(&mut self) -> Option<Item> {
        match *self {
            Self::Taken(item) => {
                *self = Self::HOLE;
                Some(item)
            }
            Self::Holes(_) => None,
        }
    }
}

impl ResendQueue {
    /// A queue for at most `len_max` messages, and for one at least: where nothing stays, each
    /// message falls out at once and is sent again, without end.
    pub(crate) const fn new(first: Seq, len_max: usize) -> Self {
        Self {
            row: VecDeque::new(),
            first,
            len: 0,
            entries_len: 0,
            len_max: if len_max == 0 { 1 } else { len_max },
        }
    }

    /// Notes what the message with the next number was about.
    pub(crate) fn push(&mut self, item: Option<Item>) {
        self.len += usize::from(item.is_some());
        self.entries_len += usize::from(is_entry(item));
        self.row.push_back(item.map_or(Place::HOLE, Place::Taken));
        self.trim();
    }

    /// Takes out the oldest message if there are too many.
    pub(crate) fn pop_excess(&mut self) -> Option<(Seq, Item)> {
        // Holes cost room as well, but little of it.
        let row_len_max = self.len_max.saturating_mul(2).max(4096);
        if self.len <= self.len_max && self.row.len() <= row_len_max {
            return None;
        }
        let seq = self.first;
        let oldest = self.row.front_mut()?.take();
        self.removed(oldest);
        Some((seq, oldest?))
    }

    /// Takes out the message with this number.
    pub(crate) fn take(&mut self, seq: Seq) -> Option<Item> {
        let place = usize::try_from(seq.distance(self.first)).ok()?;
        let item = self.row.get_mut(place)?.take();
        self.removed(item);
        item
    }

    /// A walk over the part of a range that the row covers; empty if `from` is after `to`.
    pub(crate) fn covered(&self, range: SeqRange) -> Covered {
        let len = i64::try_from(self.row.len()).unwrap_or(i64::MAX);
        let from = i64::from(range.from.distance(self.first)).max(0);
        let to = i64::from(range.to.distance(self.first)).min(len - 1);
        Covered {
            next: self.first.plus(u32::try_from(from).unwrap_or(u32::MAX)),
            left: u32::try_from(to - from + 1).unwrap_or(0),
        }
    }

    /// A walk over the whole row.
    pub(crate) fn all(&self) -> Covered {
        Covered {
            next: self.first,
            left: u32::try_from(self.row.len()).unwrap_or(u32::MAX),
        }
    }

    /// Takes out the next message of a walk.
    pub(crate) fn take_next(&mut self, walk: &mut Covered) -> Option<Item> {
        // The front of the row may have gone since.
        let gone = u32::try_from(self.first.distance(walk.next)).unwrap_or(0);
        walk.pass(gone);
        let start = usize::try_from(walk.next.distance(self.first)).ok()?;
        let mut at = start;
        while let (Some(Place::Holes(holes)), 1..) = (self.row.get(at), walk.left) {
            at += usize::try_from(*holes).unwrap_or(usize::MAX);
            walk.pass(*holes);
        }
        self.lead_to(start, at);
        if walk.left == 0 {
            return None;
        }
        walk.pass(1);
        let item = self.row.get_mut(at)?.take();
        self.removed(item);
        item
    }

    /// Makes the holes that were passed from `start` on lead to `end`, behind the last of them.
    fn lead_to(&mut self, start: usize, end: usize) {
        let mut at = start;
        while let (Some(Place::Holes(holes)), true) = (self.row.get_mut(at), at < end) {
            let passed = usize::try_from(*holes).unwrap_or(usize::MAX);
            *holes = u32::try_from(end - at).unwrap_or(1);
            at += passed;
        }
    }

    /// Number of the oldest message.
    pub(crate) fn oldest(&self) -> Option<Seq> {
        // The row never begins with a hole.
        (!self.row.is_empty()).then_some(self.first)
    }

    /// The messages with their numbers, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Seq, Item)> + '_ {
        let numbers = (0_u32..).map(|place| self.first.plus(place));
        numbers
            .zip(self.row.iter())
            .filter_map(|(seq, place)| match place {
                Place::Taken(item) => Some((seq, *item)),
                Place::Holes(_) => None,
            })
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn entries_len(&self) -> usize {
        self.entries_len
    }

    pub(crate) const fn len_max(&self) -> usize {
        self.len_max
    }

    fn removed(&mut self, item: Option<Item>) {
        self.len -= usize::from(item.is_some());
        self.entries_len -= usize::from(is_entry(item));
        self.trim();
    }

    fn trim(&mut self) {
        while let Some(Place::Holes(_)) = self.row.front() {
            self.row.pop_front();
            self.first = self.first.next();
        }
    }
}

const fn is_entry(item: Option<Item>) -> bool {
    matches!(item, Some(Item::Entry(_)))
}

/// Some numbers in a row: a walk that stays valid while messages are taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covered {
    next: Seq,
    left: u32,
}

impl Covered {
    fn pass(&mut self, places: u32) {
        let places = places.min(self.left);
        self.next = self.next.plus(places);
        self.left -= places;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Slot;
    use alloc::vec::Vec;

    fn flow(number: u32) -> Option<Item> {
        Some(Item::Entry(Name::Flow(Slot(number))))
    }

    fn range(from: u32, to: u32) -> SeqRange {
        SeqRange {
            from: Seq(from),
            to: Seq(to),
        }
    }

    fn numbers(queue: &ResendQueue) -> Vec<u32> {
        queue.iter().map(|(seq, _)| seq.0).collect()
    }

    #[test]
    fn a_row_survives_the_wrap_and_trims_its_front() {
        let mut queue = ResendQueue::new(Seq(u32::MAX - 1), 10);
        for number in 0..5 {
            queue.push(if number == 3 { None } else { flow(number) });
        }
        assert_eq!(numbers(&queue), [u32::MAX - 1, u32::MAX, 0, 2]);
        let hit = queue.covered(range(u32::MAX, 1));
        assert_eq!((hit.next.0, hit.left), (u32::MAX, 3));
        assert_eq!(queue.take(Seq(u32::MAX - 1)), flow(0));
        assert_eq!(queue.oldest(), Some(Seq(u32::MAX)));
        assert_eq!(queue.take(Seq(0)), flow(2));
        assert_eq!(queue.take(Seq(u32::MAX)), flow(1));
        assert_eq!(queue.oldest(), Some(Seq(2)));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn ranges_beside_the_row_cover_nothing() {
        let mut queue = ResendQueue::new(Seq(100), 10);
        queue.push(flow(0));
        for (from, to) in [(90, 99), (101, 200), (0x8000_0000, 0x8000_0001)] {
            assert_eq!(queue.covered(range(from, to)).left, 0, "{from}..{to}");
        }
        assert_eq!(queue.covered(range(0, 352_239_638)).left, 1);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut queue = ResendQueue::new(Seq(0), 2);
        for number in 0..3 {
            queue.push(flow(number));
        }
        assert_eq!(queue.pop_excess(), flow(0).map(|it| (Seq(0), it)));
        assert_eq!(queue.pop_excess(), None);
        assert_eq!(numbers(&queue), [1, 2]);
    }

    /// What walks over ranges find, one after the other, beside a list that knows no jumps.
    #[test]
    fn a_walk_takes_what_its_range_holds() {
        let ranges = [
            (3, 5),
            (3, 5),
            (2, 7),
            (4, 9),
            (90, 95),
            (1, 30),
            (5, 99),
            (0, 0),
            (0, 99),
        ];
        let mut queue = ResendQueue::new(Seq(0), 1000);
        let mut model: Vec<Option<Item>> = (0..100)
            .map(|number| if number % 3 == 1 { None } else { flow(number) })
            .collect();
        for item in &model {
            queue.push(*item);
        }
        for (from, to) in ranges {
            let mut walk = queue.covered(range(from, to));
            let mut found = Vec::new();
            while let Some(item) = queue.take_next(&mut walk) {
                found.push(item);
            }
            let places = model.iter_mut().take(to as usize + 1).skip(from as usize);
            let expected: Vec<_> = places.filter_map(Option::take).collect();
            assert_eq!(found, expected, "{from}..{to}");
            assert_eq!(queue.len(), model.iter().flatten().count());
        }
    }

    /// A peer may name a wide range of holes as often as it likes: each is passed once.
    #[test]
    fn holes_are_passed_by_jumps() {
        let mut queue = ResendQueue::new(Seq(0), 1_000_000);
        for number in 0..300_000 {
            queue.push(flow(number));
        }
        let mut walk = queue.covered(range(1, 300_000));
        while queue.take_next(&mut walk).is_some() {}
        for round in 0..200_000 {
            let mut walk = queue.covered(range(1 + round, 300_000));
            assert_eq!(queue.take_next(&mut walk), None);
        }
        assert!(queue.row.len() == 300_000 && queue.len() == 1);
    }

    #[test]
    fn one_message_stays_whatever_the_limit() {
        let mut queue = ResendQueue::new(Seq(0), 0);
        queue.push(flow(0));
        assert_eq!(queue.pop_excess(), None);
        queue.push(flow(1));
        assert_eq!(queue.pop_excess(), flow(0).map(|it| (Seq(0), it)));
        assert_eq!(queue.pop_excess(), None);
    }

    #[test]
    fn control_messages_are_bounded() {
        let mut queue = TransmitQueue::default();
        for _ in 0..CONTROL_LEN_MAX {
            assert!(queue.push_control(Control::Alive));
        }
        assert!(!queue.push_control(Control::Alive));
        queue.pop();
        assert!(queue.push_control(Control::Alive));
        queue.retain(|item| matches!(item, Item::Entry(_)));
        assert_eq!((queue.len(), queue.control_len()), (0, 0));
    }
}
