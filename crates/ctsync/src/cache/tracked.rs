//! One entry of the internal cache, and where it stands on its way to the peer.
//!
//! Two questions are answered here. Which message tells the peer of it: that follows from its life
//! and from what the peer may remember of the tuple. And whether the kernel, when it names the
//! tuple, speaks of the same flow.

use core::num::NonZeroU32;

use flow::EventKind;

use super::entry::Entry;
use super::kept::Kept;
use super::table::Record;
use crate::seq::Seq;
use crate::time::Instant;

/// What the peer is to be told: a message's type follows from this (spec: "object state").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Never updated.
    New,
    /// Updated at least once.
    Updated,
    /// No longer in the kernel.
    Dead,
}

/// Where an entry stands on its way to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The peer knows, or is not to know.
    Idle,
    /// In the transmit queue.
    Queued,
    /// In the resend queue.
    Sent,
    /// Fell out of the resend queue; to be queued again when there is room.
    GivenUp,
}

/// Why the peer has to be sent a NEW, which replaces, where an UPDATE would merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// No need.
    No,
    /// The peer has not been sent a NEW yet.
    UntilSent,
    /// The peer may hold another flow's values under this tuple.
    UntilAcknowledged,
}

/// One flow of the internal cache, or one of what else is kept.
#[derive(Debug)]
pub(crate) struct Tracked<K = Entry> {
    pub(crate) entry: K,
    pub(crate) seq: Seq,
    pub(crate) life: Life,
    pub(crate) place: Place,
    pub(super) replace: Replace,
    pub(super) generation: u8,
    /// It was changed since it was last queued, and the peer was not told.
    pub(super) silent: bool,
    /// The kernel's number of this life of the tuple (`CTA_ID`).
    pub(super) id: Option<NonZeroU32>,
}

impl<K: Kept> Record for Tracked<K> {
    type Key = K::Key;

    fn key(&self) -> K::Key {
        self.entry.key()
    }
}

impl<K: Kept> Tracked<K> {
    pub(super) fn new(entry: K, id: Option<NonZeroU32>, replace: Replace, generation: u8) -> Self {
        Self {
            entry,
            id,
            seq: Seq(0),
            life: Life::New,
            place: Place::Idle,
            replace,
            generation,
            silent: true,
        }
    }

    /// The kernel's number of the flow, where it is known.
    pub(crate) fn id(&self) -> Option<u32> {
        self.id.map(NonZeroU32::get)
    }

    /// The message that tells the peer of it.
    pub(crate) fn announced_as(&self) -> EventKind {
        match self.life {
            Life::Dead => EventKind::Destroy,
            Life::New | Life::Updated if self.announces_new() => EventKind::New,
            Life::New | Life::Updated => EventKind::Update,
        }
    }

    /// Whether the peer has to be sent a NEW.
    pub(crate) fn announces_new(&self) -> bool {
        self.life == Life::New || self.replace != Replace::No
    }

    /// Notes that it was sent under this number.
    pub(crate) fn sent(&mut self, seq: Seq) {
        self.seq = seq;
        self.place = Place::Sent;
        if self.replace == Replace::UntilSent && self.life != Life::Dead {
            self.replace = Replace::No;
        }
    }

    /// Whether the kernel speaks of another flow than this one under the same tuple.
    pub(super) fn is_of_another_life(&self, report: &K::Report<'_>) -> bool {
        self.life == Life::Dead || self.has_another_id(report)
    }

    pub(super) fn has_another_id(&self, report: &K::Report<'_>) -> bool {
        let differ = |(ours, theirs)| ours != theirs;
        self.id.zip(id_of::<K>(report)).is_some_and(differ)
    }

    /// An event was faster than the table. It may have left out what had not changed, which is
    /// taken over from the table if that speaks of the same life; `true` if there was something.
    pub(super) fn fill(&mut self, report: &K::Report<'_>, now: Instant) -> bool {
        let same_life = self.id.is_some() && self.id == id_of::<K>(report);
        let filled =
            self.life != Life::Dead && same_life && self.entry.fill(&K::from_report(report, now));
        self.silent |= filled;
        filled
    }

    /// Takes over what the kernel's table says of a flow, which is everything there is; whether
    /// that is something new.
    pub(super) fn read(&mut self, report: &K::Report<'_>, now: Instant) -> bool {
        let fresh = self.entry.read_again(report, now);
        let changed = !fresh.says_the_same(&self.entry);
        if changed {
            self.replace = Replace::UntilAcknowledged;
        }
        self.life = Life::Updated;
        self.id = self.id.or(id_of::<K>(report));
        self.entry = fresh;
        changed
    }

    /// Takes over what the kernel says of a flow that lives on.
    pub(super) fn update(&mut self, report: &K::Report<'_>, now: Instant) {
        let had_lasting = self.entry.has_lasting();
        self.entry.merge_report(report, now);
        self.life = Life::Updated;
        self.silent = true;
        self.id = self.id.or(id_of::<K>(report));
        if had_lasting && !self.entry.has_lasting() {
            self.replace = Replace::UntilAcknowledged;
        }
    }
}

/// The kernel's number of the life that a report is about.
pub(super) fn id_of<K: Kept>(report: &K::Report<'_>) -> Option<NonZeroU32> {
    K::id_of_report(report).and_then(NonZeroU32::new)
}
