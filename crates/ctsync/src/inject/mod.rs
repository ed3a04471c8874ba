//! Writing the peer's flows and expectations into the kernel as they are told
//! (`DisableExternalCache`).
//!
//! A new flow is created, in the place of one that is in the way; a changed one is changed, or
//! created if it is not there; an ended one is deleted. The kernel answers later, and the peer does
//! not wait: what it tells of a flow meanwhile is merged into one record, and done when the answer is
//! there. So operations about one flow never overtake each other, and a burst costs one operation.
//! Expectations go the same way, and wait for a master that is on its way itself.
//!
//! Bounds, for each of the two: as many records as a cache may have entries, [`OUTSTANDING_MAX`] operations without an
//! answer, [`REFUSED_MAX`] refusals that wait to be told.

mod kinds;

use alloc::collections::VecDeque;

use flow::{EventKind, Object};

use crate::cache::entry::Entry;
use crate::cache::expectation::Expected;
use crate::cache::kept::Kept;
use crate::cache::table::{Record, Table};
use crate::cache::zones::Zones;
use crate::cache::{HashKey, Key, Slot};
use crate::convert::Presence;
use crate::input::{OpId, Refusal};
use crate::output::{Injection, KernelOp};
use crate::seq::Seq;
use crate::stats::Stats;
use crate::time::Instant;
use crate::wire::{ExpectMessage, FlowMessage};
use kinds::Injected;

/// Operations whose outcome is not known yet.
const OUTSTANDING_MAX: usize = 400;

/// Refusals that wait to be told; more are only counted.
const REFUSED_MAX: usize = 256;

/// Something of the peer's on its way into the kernel.
#[derive(Debug)]
struct Pending<K> {
    entry: K,
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
pub(crate) struct Tried {
    update: bool,
    replaces: bool,
    pub(crate) without_helper: bool,
    pub(crate) without_master: bool,
}

impl<K: Injected> Record for Pending<K> {
    type Key = K::Key;

    fn key(&self) -> K::Key {
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
struct Refused<K> {
    entry: K,
    injection: Injection,
    refusal: Refusal,
}

/// Things of one kind on their way into the kernel.
#[derive(Debug)]
struct Injector<K: Injected> {
    pending: Table<Pending<K>>,
    len_max: usize,
    queue: VecDeque<Slot>,
    /// Its predecessor was deleted: it is created next.
    staged: Option<Slot>,
    outstanding: VecDeque<Outstanding>,
    refused: VecDeque<Refused<K>>,
}

impl<K: Injected> Injector<K> {
    /// An injector of `len_max` entries at a time.
    fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            pending: Table::new(hash_key),
            len_max,
            queue: VecDeque::new(),
            staged: None,
            outstanding: VecDeque::new(),
            refused: VecDeque::new(),
        }
    }

    /// The peer tells of something. `false` if too many are on their way.
    fn on_told(
        &mut self,
        told: EventKind,
        message: &K::Message<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let Some(slot) = self.pending.find(&K::key_of_message(message)) else {
            return self.enter(told, message, now, stats);
        };
        let kind = K::done_for(told);
        let Some(pending) = self.pending.get_mut(slot) else {
            return false;
        };
        let known = pending.then.unwrap_or(pending.want);
        match kind {
            EventKind::Update if known != EventKind::Destroy => {
                pending.entry.merge_message(message, now);
            }
            EventKind::New | EventKind::Update => {
                pending.entry = K::from_message(message, now);
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
        told: EventKind,
        message: &K::Message<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        if self.pending.len() >= self.len_max {
            stats.count(K::counter(told, false));
            return false;
        }
        let slot = self.pending.insert(Pending {
            entry: K::from_message(message, now),
            want: K::done_for(told),
            told,
            then: None,
            under_way: false,
            tried: Tried::default(),
        });
        self.queue.push_back(slot);
        true
    }

    /// The next operation, which gets this name. `waits` is true of what has to wait.
    fn next(&mut self, op: OpId, waits: impl Fn(&K) -> bool) -> Option<Step> {
        if !self.can_go_on(waits) {
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
    fn kernel_op(&self, step: Step, presence: Presence, now: Instant) -> Option<KernelOp<'_>> {
        let pending = self.pending.get(step.slot)?;
        let entry = &pending.entry;
        Some(if step.deletes {
            entry.deletion()
        } else if pending.want == EventKind::Update {
            entry.change(presence, now)
        } else {
            entry.creation(presence, now, pending.tried)
        })
    }

    /// Whether [`next`](Self::next) would give something.
    fn can_go_on(&self, waits: impl Fn(&K) -> bool) -> bool {
        let first = || self.pending.get(*self.queue.front()?);
        let ready = self.staged.is_some() || first().is_some_and(|it| !waits(&it.entry));
        ready && self.outstanding.len() < OUTSTANDING_MAX
    }

    /// Whether something of this identity is on its way.
    fn has(&self, key: &K::Key) -> bool {
        self.pending.find(key).is_some()
    }

    /// What of this identity is about to be there.
    fn coming(&self, key: &K::Key) -> Option<&K> {
        let pending = self.pending.get(self.pending.find(key)?)?;
        let last = pending.then.unwrap_or(pending.want);
        (last != EventKind::Destroy).then_some(&pending.entry)
    }

    /// The kernel has refused an operation.
    fn on_refused(&mut self, op: OpId, refusal: Refusal) {
        let is_earlier = |it: &Outstanding| Seq(it.op.0).is_before(Seq(op.0));
        let place = self.outstanding.partition_point(is_earlier);
        if let Some(outstanding) = self.outstanding.get_mut(place) {
            if outstanding.op == op {
                outstanding.refusal = Some(refusal);
            }
        }
    }

    /// All operations up to this one have ended.
    fn on_done(&mut self, through: OpId, stats: &mut Stats) {
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

    fn ended(&mut self, slot: Slot, refusal: Option<Refusal>, stats: &mut Stats) {
        let Some(pending) = self.pending.get_mut(slot) else {
            return;
        };
        pending.under_way = false;
        if refusal.is_none() {
            stats.count(K::counter(pending.told, true));
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
        stats.count(K::counter(pending.told, false));
        if self.refused.len() < REFUSED_MAX {
            self.refused.push_back(Refused {
                injection: pending.injection(),
                entry: pending.entry,
                refusal,
            });
        }
    }
}

impl<K: Injected> Pending<K> {
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
            (EventKind::New, Refusal::Unsupported) if self.entry.names_helper() => {
                !core::mem::replace(&mut tried.without_helper, true)
            }
            (EventKind::New, Refusal::NotFound) if self.entry.can_lose_master() => {
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

/// The peer's flows and expectations on their way into the kernel.
#[derive(Debug)]
pub(crate) struct Injectors {
    flows: Injector<Entry>,
    expectations: Injector<Expected>,
    zones: Zones,
    /// The refusal that was given last, to lend from.
    told: Option<Told>,
}

/// An operation to be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NextStep {
    /// About a flow.
    Flow(OpId, Step),
    /// About an expectation.
    Expectation(OpId, Step),
}

#[derive(Debug)]
enum Told {
    Flow(Refused<Entry>),
    Expectation(Refused<Expected>),
}

impl Injectors {
    /// Injectors of `len_max` entries each.
    pub(crate) fn new(hash_key: HashKey, len_max: usize) -> Self {
        Self {
            flows: Injector::new(hash_key, len_max),
            expectations: Injector::new(hash_key, len_max),
            zones: Zones::default(),
            told: None,
        }
    }

    /// The peer tells of a flow. `false` if too many are on their way.
    pub(crate) fn on_flow(
        &mut self,
        told: EventKind,
        message: &FlowMessage<'_>,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        self.zones.note(message.zone);
        self.flows.on_told(told, message, now, stats)
    }

    /// The peer tells of an expectation. `false` if too many are on their way. `exists` says whether a flow
    /// has been injected: the message does not name the zone, which is that of its master.
    pub(crate) fn on_expectation(
        &mut self,
        told: EventKind,
        message: &ExpectMessage<'_>,
        exists: impl Fn(&Key) -> bool,
        (now, stats): (Instant, &mut Stats),
    ) -> bool {
        let key = Expected::key_of_message(message);
        let zone = self.zones.find(None, |zone| {
            let master = Key::of_tuple(&key.master, zone);
            match self.flows.coming(&master) {
                Some(coming) => Some(coming.helper().is_some()),
                None => exists(&master).then_some(false),
            }
        });
        let stored = self.expectations.on_told(told, message, now, stats);
        let slot = self.expectations.pending.find(&key);
        if let Some(pending) = slot.and_then(|slot| self.expectations.pending.get_mut(slot)) {
            pending.entry.set_zone(zone);
        }
        stored
    }

    /// The next operation, which gets this name.
    pub(crate) fn next(&mut self, op: OpId) -> Option<NextStep> {
        if let Some(step) = self.flows.next(op, |_| false) {
            return Some(NextStep::Flow(op, step));
        }
        let flows = &self.flows;
        let step = self
            .expectations
            .next(op, |it| master_is_pending(flows, it));
        step.map(|step| NextStep::Expectation(op, step))
    }

    /// The operation as the kernel is to get it.
    pub(crate) fn kernel_op(
        &self,
        step: NextStep,
        presence: Presence,
        now: Instant,
    ) -> Option<(OpId, KernelOp<'_>)> {
        match step {
            NextStep::Flow(op, step) => Some((op, self.flows.kernel_op(step, presence, now)?)),
            NextStep::Expectation(op, step) => {
                Some((op, self.expectations.kernel_op(step, presence, now)?))
            }
        }
    }

    /// Whether [`next`](Self::next) would give something.
    pub(crate) fn can_go_on(&self) -> bool {
        let waits = |it: &Expected| master_is_pending(&self.flows, it);
        self.flows.can_go_on(|_| false) || self.expectations.can_go_on(waits)
    }

    /// The kernel has refused an operation.
    pub(crate) fn on_refused(&mut self, op: OpId, refusal: Refusal) {
        self.flows.on_refused(op, refusal);
        self.expectations.on_refused(op, refusal);
    }

    /// All operations up to this one have ended.
    pub(crate) fn on_done(&mut self, through: OpId, stats: &mut Stats) {
        self.flows.on_done(through, stats);
        self.expectations.on_done(through, stats);
    }

    /// The next refusal to be told: what was refused, how far it had got, and why.
    pub(crate) fn next_refused(&mut self) -> Option<(Object<'_>, Injection, Refusal)> {
        let flow = self.flows.refused.pop_front().map(Told::Flow);
        let told = match flow {
            Some(told) => told,
            None => Told::Expectation(self.expectations.refused.pop_front()?),
        };
        Some(match self.told.insert(told) {
            Told::Flow(it) => (it.entry.object(), it.injection, it.refusal),
            Told::Expectation(it) => (it.entry.object(), it.injection, it.refusal),
        })
    }

    /// Whether there is a refusal to be told.
    pub(crate) fn has_refused(&self) -> bool {
        !self.flows.refused.is_empty() || !self.expectations.refused.is_empty()
    }

    /// Flows and expectations on their way.
    pub(crate) const fn len(&self) -> usize {
        self.flows.pending.len() + self.expectations.pending.len()
    }
}

/// Whether the master of an expectation is on its way.
fn master_is_pending(flows: &Injector<Entry>, expected: &Expected) -> bool {
    let zone = expected.zone().unwrap_or_default();
    flows.has(&Key::of_tuple(expected.master(), zone))
}
