//! Writing the peer's flows into the kernel as they are told (`DisableExternalCache`).
//!
//! A new flow is created, in the place of one that is in the way; a changed one is changed, or
//! created if it is not there; an ended one is deleted. The kernel answers later, and the peer does
//! not wait: what it tells of a flow meanwhile is merged into one record, and done when the answer is
//! there. So operations about one flow never overtake each other, and a burst costs one operation.
//!
//! Bounds: as many records as a cache may have entries, [`OUTSTANDING_MAX`] operations without an
//! answer, [`REFUSED_MAX`] refusals that wait to be told.

use alloc::collections::VecDeque;

use flow::{EventKind, Flow};

use crate::cache::entry::Entry;
use crate::cache::kept::Kept;
use crate::cache::table::{Record, Table};
use crate::cache::{HashKey, Key, Slot};
use crate::convert::Presence;
use crate::input::{OpId, Refusal};
use crate::output::{Injection, KernelOp};
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::FlowMessage;

/// Operations whose outcome is not known yet.
const OUTSTANDING_MAX: usize = 400;

/// Refusals that wait to be told; more are only counted.
const REFUSED_MAX: usize = 256;

/// A flow of the peer on its way into the kernel.
#[derive(Debug)]
struct Pending {
    entry: Entry,
    /// What is to become of it.
    want: EventKind,
    /// What the peer had told of it when this began.
    told: EventKind,
    /// What the peer has told since the operation under way was asked for.
    then: Option<EventKind>,
    under_way: bool,
    tried: Tried,
}

/// What stood in the way so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    update: bool,
    replaces: bool,
    without_helper: bool,
    without_master: bool,
}

impl Record for Pending {
    type Key = Key;

    fn key(&self) -> Key {
        self.entry.key()
    }
}

#[derive(Debug)]
struct Outstanding {
    op: OpId,
    slot: Slot,
    /// It only makes room for the operation behind it, whose outcome counts.
    prepares: bool,
    refusal: Option<Refusal>,
}

/// An operation to be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    slot: Slot,
    deletes: bool,
}

/// A refusal to be told.
#[derive(Debug)]
pub(crate) struct Refused {
    entry: Entry,
    pub(crate) injection: Injection,
    pub(crate) refusal: Refusal,
}

impl Refused {
    /// The flow.
    pub(crate) fn flow(&self) -> Flow<'_> {
        self.entry.peer_flow()
    }
}

/// The peer's flows on their way into the kernel.
#[derive(Debug)]
pub(crate) struct Injector {
    pending: Table<Pending>,
    len_max: usize,
    queue: VecDeque<Slot>,
    /// Its predecessor was deleted: it is created next.
    staged: Option<Slot>,
    outstanding: VecDeque<Outstanding>,
    refused: VecDeque<Refused>,
}

impl Injector {
    /// An injector of `len_max` flows at a time.
    pub(crate) fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            pending: Table::new(hash_key),
            len_max,
            queue: VecDeque::new(),
            staged: None,
            outstanding: VecDeque::new(),
            refused: VecDeque::new(),
        }
    }

    /// The peer tells of a flow. `false` if too many are on their way.
    pub(crate) fn on_flow(
        &mut self,
        kind: EventKind,
        message: &FlowMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let Some(slot) = self.pending.find(&Entry::key_of_message(message)) else {
            return self.enter(kind, message, now, stats);
        };
        let Some(pending) = self.pending.get_mut(slot) else {
            return false;
        };
        let known = pending.then.unwrap_or(pending.want);
        match kind {
            EventKind::Update if known != EventKind::Destroy => {
                pending.entry.merge_message(message, now);
            }
            EventKind::New | EventKind::Update => {
                pending.entry = Entry::from_message(message, now);
            }
            EventKind::Destroy => {}
        }
        if pending.under_way {
            pending.then = Some(pending.then.map_or(kind, |then| followed_by(then, kind)));
        } else {
            pending.want = followed_by(pending.want, kind);
            pending.tried = Tried::default();
        }
        true
    }

    fn enter(
        &mut self,
        kind: EventKind,
        message: &FlowMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        if self.pending.len() >= self.len_max {
            stats.count(failure_counter(kind));
            return false;
        }
        let slot = self.pending.insert(Pending {
            entry: Entry::from_message(message, now),
            want: kind,
            told: kind,
            then: None,
            under_way: false,
            tried: Tried::default(),
        });
        self.queue.push_back(slot);
        true
    }

    /// The next operation, which gets this name.
    pub(crate) fn next(&mut self, op: OpId) -> Option<Step> {
        if !self.can_go_on() {
            return None;
        }
        let (slot, deletes) = match self.staged.take() {
            Some(slot) => (slot, false),
            None => {
                let slot = self.queue.pop_front()?;
                let pending = self.pending.get_mut(slot)?;
                pending.under_way = true;
                if !pending.tried.update && !pending.tried.replaces {
                    pending.told = pending.want;
                }
                let replaces = pending.want == EventKind::New && pending.tried.replaces;
                if replaces {
                    self.staged = Some(slot);
                }
                (slot, replaces || pending.want == EventKind::Destroy)
            }
        };
        self.outstanding.push_back(Outstanding {
            op,
            slot,
            prepares: self.staged.is_some(),
            refusal: None,
        });
        Some(Step { slot, deletes })
    }

    /// The operation as the kernel is to get it.
    pub(crate) fn kernel_op(
        &self,
        step: Step,
        presence: Presence,
        now: Instant,
    ) -> Option<KernelOp<'_>> {
        let pending = self.pending.get(step.slot)?;
        let entry = &pending.entry;
        if step.deletes {
            let deleted = Entry::deleted_flow(entry.orig(), entry.key_zone());
            return Some(KernelOp::Delete(deleted));
        }
        if pending.want == EventKind::Update {
            return Some(KernelOp::Update(entry.updated_flow(presence, now)));
        }
        let mut flow = entry.committed_flow(presence, now);
        if pending.tried.without_helper {
            flow.helper = None;
        }
        if pending.tried.without_master {
            flow.master = None;
        }
        Some(KernelOp::Create(flow))
    }

    /// Whether [`next`](Self::next) would give something.
    pub(crate) fn can_go_on(&self) -> bool {
        let waits = self.staged.is_some() || !self.queue.is_empty();
        waits && self.outstanding.len() < OUTSTANDING_MAX
    }

    /// The kernel has refused an operation.
    pub(crate) fn on_refused(&mut self, op: OpId, refusal: Refusal) {
        let Some(oldest) = self.outstanding.front() else {
            return;
        };
        let place = usize::try_from(op.0.wrapping_sub(oldest.op.0)).unwrap_or(usize::MAX);
        if let Some(outstanding) = self.outstanding.get_mut(place) {
            outstanding.refusal = Some(refusal);
        }
    }

    /// All operations up to this one have ended.
    pub(crate) fn on_done(&mut self, through: OpId, stats: &mut Stats) {
        while let Some(oldest) = self.outstanding.front() {
            // Operations are numbered like messages: without an end.
            if Seq(through.0).is_before(Seq(oldest.op.0)) {
                return;
            }
            let Some(ended) = self.outstanding.pop_front() else {
                return;
            };
            if !ended.prepares {
                self.ended(ended.slot, ended.refusal, stats);
            }
        }
    }

    /// The next refusal to be told.
    pub(crate) fn next_refused(&mut self) -> Option<Refused> {
        self.refused.pop_front()
    }

    /// Flows on their way.
    pub(crate) const fn len(&self) -> usize {
        self.pending.len()
    }

    fn ended(&mut self, slot: Slot, refusal: Option<Refusal>, stats: &mut Stats) {
        let Some(pending) = self.pending.get_mut(slot) else {
            return;
        };
        pending.under_way = false;
        if refusal.is_none() {
            stats.count(success_counter(pending.told));
        }
        if let Some(then) = pending.then.take() {
            // Of what was refused, nothing is in the kernel that could be changed.
            let undone = refusal.is_some() && then == EventKind::Update;
            pending.want = if undone {
                EventKind::New
            } else {
                followed_by_once_done(pending.want, then)
            };
            pending.tried = Tried::default();
            self.queue.push_back(slot);
            return;
        }
        match refusal.map(|refusal| (refusal, pending.again(refusal))) {
            Some((_, true)) => self.queue.push_back(slot),
            Some((refusal, false)) => self.give_up(slot, refusal, stats),
            None => {
                self.pending.remove(slot);
            }
        }
    }

    fn give_up(&mut self, slot: Slot, refusal: Refusal, stats: &mut Stats) {
        let Some(pending) = self.pending.remove(slot) else {
            return;
        };
        if pending.want == EventKind::Destroy && refusal == Refusal::NotFound {
            // It has ended here as well.
            return;
        }
        stats.count(failure_counter(pending.told));
        if self.refused.len() < REFUSED_MAX {
            self.refused.push_back(Refused {
                injection: pending.injection(),
                entry: pending.entry,
                refusal,
            });
        }
    }
}

impl Pending {
    /// Whether it can be tried once more without what was in the way.
    fn again(&mut self, refusal: Refusal) -> bool {
        let (want, tried) = (self.want, &mut self.tried);
        match (want, refusal) {
            (EventKind::Destroy, _) => false,
            (EventKind::Update, refusal) => {
                tried.update = true;
                tried.replaces = refusal != Refusal::NotFound;
                self.want = EventKind::New;
                true
            }
            (EventKind::New, Refusal::Exists) => !core::mem::replace(&mut tried.replaces, true),
            (EventKind::New, Refusal::Unsupported) if self.entry.helper().is_some() => {
                !core::mem::replace(&mut tried.without_helper, true)
            }
            (EventKind::New, Refusal::NotFound) if self.entry.master().is_some() => {
                !core::mem::replace(&mut tried.without_master, true)
            }
            (EventKind::New, _) => false,
        }
    }

    /// How far it has got.
    const fn injection(&self) -> Injection {
        match (self.want, self.tried.update, self.tried.replaces) {
            (EventKind::Destroy, ..) => Injection::Destroy,
            (_, false, false) => Injection::Create,
            (_, false, true) => Injection::CreateAfterDelete,
            (_, true, false) => Injection::UpdateByCreate,
            (_, true, true) => Injection::UpdateAfterDelete,
        }
    }
}

/// What is to become of a flow of which two things were told and nothing was done.
const fn followed_by(first: EventKind, second: EventKind) -> EventKind {
    match (first, second) {
        (_, EventKind::New) | (EventKind::New | EventKind::Destroy, EventKind::Update) => {
            EventKind::New
        }
        (EventKind::Update, EventKind::Update) => EventKind::Update,
        (_, EventKind::Destroy) => EventKind::Destroy,
    }
}

/// The same once the first is done.
const fn followed_by_once_done(first: EventKind, second: EventKind) -> EventKind {
    match (first, second) {
        (EventKind::New, EventKind::Update) => EventKind::Update,
        (first, second) => followed_by(first, second),
    }
}

const fn success_counter(told: EventKind) -> Counter {
    match told {
        EventKind::New => Counter::InjectCreated,
        EventKind::Update => Counter::InjectUpdated,
        EventKind::Destroy => Counter::InjectDestroyed,
    }
}

const fn failure_counter(told: EventKind) -> Counter {
    match told {
        EventKind::New => Counter::InjectCreateFailed,
        EventKind::Update => Counter::InjectUpdateFailed,
        EventKind::Destroy => Counter::InjectDestroyFailed,
    }
}
