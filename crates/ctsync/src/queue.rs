//! What waits to be sent, and what was sent and is not acknowledged yet.
//!
//! A queue holds names, not copies: a flow by its slot, so that a message is built from what the
//! cache knows when it leaves. The internal cache notes on each flow where it stands, and a flow
//! stands in one place only: a burst of updates costs one message.

use alloc::collections::VecDeque;

use crate::cache::table::Slot;
use crate::seq::Seq;
use crate::wire::{Control, SeqRange};

/// Control messages that may wait at a time; a flood of what provokes them gets no more answers.
const CONTROL_LEN_MAX: usize = 1024;

/// Something to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// What the internal cache knows of a flow.
    Flow(Slot),
    /// A control message.
    Control(Control),
}

/// What waits to be sent, first come first served.
///
/// Its flows are bounded by the cache, its control messages by [`CONTROL_LEN_MAX`].
#[derive(Debug, Default)]
pub(crate) struct TransmitQueue {
    items: VecDeque<Item>,
    control_len: usize,
}

impl TransmitQueue {
    pub(crate) fn push_flow(&mut self, slot: Slot) {
        self.items.push_back(Item::Flow(slot));
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

    /// Keeps the control messages that the predicate wants, and no flow unless `flows`.
    pub(crate) fn retain(&mut self, flows: bool, wanted: impl Fn(&Control) -> bool) {
        self.items.retain(|item| match item {
            Item::Flow(_) => flows,
            Item::Control(control) => wanted(control),
        });
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
#[derive(Debug)]
pub(crate) struct ResendQueue {
    row: VecDeque<Option<Item>>,
    /// Number of the first place of the row.
    first: Seq,
    /// Places that are no holes.
    len: usize,
    /// Of these, places of flows.
    flows_len: usize,
    len_max: usize,
}

impl ResendQueue {
    /// A queue for at most `len_max` messages, and for one at least: where nothing stays, each
    /// message falls out at once and is sent again, without end.
    pub(crate) const fn new(first: Seq, len_max: usize) -> Self {
        Self {
            row: VecDeque::new(),
            first,
            len: 0,
            flows_len: 0,
            len_max: if len_max == 0 { 1 } else { len_max },
        }
    }

    /// Notes what the message with the next number was about.
    pub(crate) fn push(&mut self, item: Option<Item>) {
        self.len += usize::from(item.is_some());
        self.flows_len += usize::from(is_flow(item));
        self.row.push_back(item);
        self.trim();
    }

    /// Takes out the oldest message if there are too many.
    pub(crate) fn pop_excess(&mut self) -> Option<Item> {
        // Holes cost room as well, but little of it.
        let row_len_max = self.len_max.saturating_mul(2).max(4096);
        if self.len <= self.len_max && self.row.len() <= row_len_max {
            return None;
        }
        let oldest = self.row.front_mut()?.take();
        self.removed(oldest);
        oldest
    }

    /// Takes out the message with this number.
    pub(crate) fn take(&mut self, seq: Seq) -> Option<Item> {
        let place = usize::try_from(seq.distance(self.first)).ok()?;
        let item = self.row.get_mut(place)?.take();
        self.removed(item);
        item
    }

    /// The part of a range that the row covers, as numbers; empty if `from` is after `to`.
    pub(crate) fn covered(&self, range: SeqRange) -> Covered {
        let len = i64::try_from(self.row.len()).unwrap_or(i64::MAX);
        let from = i64::from(range.from.distance(self.first)).max(0);
        let to = i64::from(range.to.distance(self.first)).min(len - 1);
        Covered {
            next: self.first.plus(u32::try_from(from).unwrap_or(u32::MAX)),
            left: u32::try_from(to - from + 1).unwrap_or(0),
        }
    }

    /// All numbers of the row.
    pub(crate) fn all(&self) -> Covered {
        Covered {
            next: self.first,
            left: u32::try_from(self.row.len()).unwrap_or(u32::MAX),
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
            .filter_map(|(seq, item)| Some((seq, (*item)?)))
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn flows_len(&self) -> usize {
        self.flows_len
    }

    pub(crate) const fn len_max(&self) -> usize {
        self.len_max
    }

    fn removed(&mut self, item: Option<Item>) {
        self.len -= usize::from(item.is_some());
        self.flows_len -= usize::from(is_flow(item));
        self.trim();
    }

    fn trim(&mut self) {
        while let Some(None) = self.row.front() {
            self.row.pop_front();
            self.first = self.first.next();
        }
    }
}

const fn is_flow(item: Option<Item>) -> bool {
    matches!(item, Some(Item::Flow(_)))
}

/// Some numbers in a row: a walk that stays valid while messages are taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covered {
    next: Seq,
    left: u32,
}

impl Iterator for Covered {
    type Item = Seq;

    fn next(&mut self) -> Option<Seq> {
        self.left = self.left.checked_sub(1)?;
        let seq = self.next;
        self.next = seq.next();
        Some(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn flow(number: u32) -> Option<Item> {
        Some(Item::Flow(Slot(number)))
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
        let hit: Vec<_> = queue.covered(range(u32::MAX, 1)).map(|seq| seq.0).collect();
        assert_eq!(hit, [u32::MAX, 0, 1]);
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
            assert_eq!(queue.covered(range(from, to)).count(), 0, "{from}..{to}");
        }
        assert_eq!(queue.covered(range(0, 352_239_638)).count(), 1);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut queue = ResendQueue::new(Seq(0), 2);
        for number in 0..3 {
            queue.push(flow(number));
        }
        assert_eq!(queue.pop_excess(), flow(0));
        assert_eq!(queue.pop_excess(), None);
        assert_eq!(numbers(&queue), [1, 2]);
    }

    #[test]
    fn one_message_stays_whatever_the_limit() {
        let mut queue = ResendQueue::new(Seq(0), 0);
        queue.push(flow(0));
        assert_eq!(queue.pop_excess(), None);
        queue.push(flow(1));
        assert_eq!(queue.pop_excess(), flow(0));
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
        queue.retain(true, |_| false);
        assert_eq!((queue.len(), queue.control_len()), (0, 0));
    }
}
