//! Writing the external cache into the kernel (conntrackd's `-c`).
//!
//! A commit walks the cache in passes: flows that belong to no other first, and when the kernel has
//! taken or refused them all, the related ones, whose masters it then knows, and at last the
//! expectations. What is refused gets further attempts as far as its refusal says what is in the
//! way: an older entry of the same tuple, an unknown helper, a missing master (compat: daemon-31).
//!
//! The cache may change meanwhile. An attempt therefore names its entry by identity, and what
//! the peer ended before its turn came is left out.
//!
//! Bounds: [`OUTSTANDING_MAX`] operations without an answer, [`SCAN_MAX`] slots per step.

use alloc::collections::VecDeque;

use flow::{Expectation, Flow, Object, Tuple, Zone};

use crate::cache::entry::Entry;
use crate::cache::expectation::{ExpectationKey, Expected};
use crate::cache::table::{Record, Slots};
use crate::cache::theirs::Theirs;
use crate::cache::{Cursor, Key, Slot};
use crate::convert::Presence;
use crate::input::{ClientId, OpId, Refusal, Tables};
use crate::output::{CommitReport, KernelOp, Tally};
use crate::seq::Seq;
use crate::time::Instant;

/// Operations whose outcome is not known yet: two batches, so that the kernel never waits.
const OUTSTANDING_MAX: usize = 400;

/// Slots looked at in one step.
const SCAN_MAX: u32 = 4096;

/// Which entries have their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Flows without a master.
    Unrelated,
    /// Flows with one.
    Related,
    /// Expectations.
    Expectations,
    /// None is left.
    Over,
}

/// What is on its way into the kernel.
#[derive(Clone, Copy, Debug)]
enum Entity {
    Flow {
        orig: Tuple,
        zone: Zone,
        related: bool,
    },
    Expectation(ExpectationKey),
}

impl Entity {
    /// The identity of the flow, if it is one.
    fn flow(&self) -> Option<Key> {
        match self {
            Self::Flow { orig, zone, .. } => Some(Key::of_tuple(orig, *zone)),
            Self::Expectation(_) => None,
        }
    }
}

/// One entry on its way into the kernel.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    entity: Entity,
    had_helper: bool,
    /// What stood in the way so far.
    replaces: bool,
    without_helper: bool,
    without_master: bool,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// To create the entry.
    Create(Attempt),
    /// To make room for the creation that follows.
    Delete,
}

#[derive(Debug)]
struct Outstanding {
    op: OpId,
    purpose: Purpose,
    refusal: Option<Refusal>,
}

/// An operation to be asked for; and where its entry is, if that has just been looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step(Attempt, Stage, Option<Slot>);

impl Step {
    /// The identity of the flow that it writes, if it writes one.
    pub(crate) fn written_flow(&self) -> Option<Key> {
        match self.1 {
            Stage::Create => self.0.entity.flow(),
            Stage::Delete => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Delete,
    Create,
}

/// What the kernel refused for good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    attempt: Attempt,
    /// Why.
    pub(crate) refusal: Refusal,
}

impl Refused {
    /// The identity of the flow, if it is one.
    pub(crate) fn flow(&self) -> Option<Key> {
        self.attempt.entity.flow()
    }

    /// The entry, as far as the cache still knows it.
    pub(crate) fn object<'a>(&self, cache: &'a Theirs) -> Object<'a> {
        match self.attempt.entity {
            Entity::Flow { orig, zone, .. } => {
                let entry = flow_entry(cache, &orig, zone);
                let gone = || Entry::deleted_flow(orig, zone);
                Object::Flow(entry.map_or_else(gone, Entry::peer_flow))
            }
            Entity::Expectation(key) => {
                let entry = expectation_entry(cache, &key);
                let gone = || Expectation::new(key.master, key.tuple);
                Object::Expectation(entry.map_or_else(gone, Expected::expectation))
            }
        }
    }
}

/// What a commit does next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// This operation.
    Op(OpId, Step),
    /// Nothing before the kernel answers.
    Wait,
    /// It has looked at many slots in vain, and goes on in the next turn.
    Pause,
    /// It has ended.
    Done(CommitReport),
}

/// A commit in progress.
#[derive(Debug)]
pub(crate) struct Commit {
    /// Who waits for its end.
    pub(crate) client: ClientId,
    tables: Tables,
    started: Instant,
    pass: Pass,
    cursor: Cursor,
    /// This pass has met the end of the cache and waits for the kernel.
    walked: bool,
    related_seen: bool,
    outstanding: VecDeque<Outstanding>,
    again: VecDeque<(Attempt, Stage)>,
    report: CommitReport,
}

impl Commit {
    pub(crate) fn new(client: ClientId, tables: Tables, now: Instant) -> Self {
        Self {
            client,
            tables,
            started: now,
            pass: if tables.flows() {
                Pass::Unrelated
            } else {
                Pass::Expectations
            },
            cursor: Cursor::default(),
            walked: false,
            related_seen: false,
            outstanding: VecDeque::new(),
            again: VecDeque::new(),
            report: CommitReport::new(tables),
        }
    }

    /// Decides on the next operation; `op` is the name that it would get.
    pub(crate) fn next(&mut self, cache: &Theirs, now: Instant, op: OpId) -> Next {
        if self.outstanding.len() >= OUTSTANDING_MAX {
            return Next::Wait;
        }
        if let Some((attempt, stage)) = self.next_again(cache) {
            return self.ask(op, attempt, stage, None);
        }
        for _ in 0..SCAN_MAX {
            let Some((mut slots, cursor)) = self.walk(cache) else {
                self.walked = true;
                if !self.outstanding.is_empty() {
                    return Next::Wait;
                }
                if self.next_pass() == Pass::Over {
                    self.report.duration = now.since(self.started);
                    return Next::Done(self.report);
                }
                continue;
            };
            self.cursor = cursor;
            let slot = slots.next();
            if let Some(attempt) = slot.and_then(|slot| self.attempt(cache, slot, now)) {
                return self.ask(op, attempt, Stage::Create, slot);
            }
        }
        Next::Pause
    }

    /// Whether [`next`](Self::next) would give something else than a wait.
    pub(crate) fn can_go_on(&self) -> bool {
        let walks = !self.walked || self.outstanding.is_empty();
        self.outstanding.len() < OUTSTANDING_MAX && (walks || !self.again.is_empty())
    }

    /// The operation as the kernel is to get it.
    pub(crate) fn kernel_op<'a>(
        cache: &'a Theirs,
        step: Step,
        presence: Presence,
        now: Instant,
    ) -> KernelOp<'a> {
        let Step(attempt, stage, slot) = step;
        match attempt.entity {
            Entity::Flow { orig, zone, .. } => match slot
                .and_then(|slot| cache.flows.table.get(slot))
                .or_else(|| flow_entry(cache, &orig, zone))
            {
                Some(entry) if stage == Stage::Create => {
                    let mut flow: Flow<'a> = entry.committed_flow(presence, now);
                    if attempt.without_helper {
                        flow.helper = None;
                    }
                    if attempt.without_master {
                        flow.master = None;
                    }
                    KernelOp::Create(flow)
                }
                Some(_) | None => KernelOp::Delete(Entry::deleted_flow(orig, zone)),
            },
            Entity::Expectation(key) => {
                let zone = cache.zone_of_master(&key.master);
                match expectation_entry(cache, &key) {
                    Some(entry) if stage == Stage::Create => {
                        let mut expectation = entry.committed(presence, now);
                        expectation.zone = zone.filter(|zone| *zone != Zone(0));
                        if attempt.without_helper {
                            expectation.helper = None;
                        }
                        KernelOp::CreateExpectation(expectation)
                    }
                    Some(_) | None => KernelOp::DeleteExpectation(Expectation {
                        zone: zone.filter(|zone| *zone != Zone(0)),
                        ..Expectation::new(key.master, key.tuple)
                    }),
                }
            }
        }
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

    /// All operations up to this one have ended. Gives each final refusal to `refused`.
    pub(crate) fn on_done(&mut self, through: OpId, mut refused: impl FnMut(Refused)) {
        while let Some(oldest) = self.outstanding.front() {
            // Operations are numbered like messages: without an end.
            if Seq(through.0).is_before(Seq(oldest.op.0)) {
                return;
            }
            let Some(Outstanding {
                purpose, refusal, ..
            }) = self.outstanding.pop_front()
            else {
                return;
            };
            // Whether a deletion succeeded shows in the creation behind it.
            if let Purpose::Create(attempt) = purpose {
                match refusal {
                    None => self.committed(&attempt),
                    Some(refusal) => self.retry(attempt, refusal, &mut refused),
                }
            }
        }
    }

    fn committed(&mut self, attempt: &Attempt) {
        self.tally(attempt).committed += 1;
        self.report.without_helper += u64::from(attempt.without_helper && attempt.had_helper);
        self.report.without_master += u64::from(attempt.without_master);
    }

    const fn tally(&mut self, attempt: &Attempt) -> &mut Tally {
        match attempt.entity {
            Entity::Flow { .. } => &mut self.report.flows,
            Entity::Expectation(_) => &mut self.report.expectations,
        }
    }

    /// Tries once more without what was in the way, or gives up.
    fn retry(&mut self, mut attempt: Attempt, refusal: Refusal, refused: &mut impl FnMut(Refused)) {
        let stage = match refusal {
            Refusal::Exists if !attempt.replaces => {
                attempt.replaces = true;
                Stage::Delete
            }
            Refusal::Unsupported if attempt.had_helper && !attempt.without_helper => {
                attempt.without_helper = true;
                Stage::Create
            }
            Refusal::NotFound if attempt.may_lose_master() => {
                attempt.without_master = true;
                Stage::Create
            }
            Refusal::Exists
            | Refusal::Unsupported
            | Refusal::NotFound
            | Refusal::Full
            | Refusal::Invalid
            | Refusal::Other(_) => {
                self.tally(&attempt).failed += 1;
                refused(Refused { attempt, refusal });
                return;
            }
        };
        self.again.push_back((attempt, stage));
    }

    /// The next attempt to be repeated whose flow still is in the cache.
    fn next_again(&mut self, cache: &Theirs) -> Option<(Attempt, Stage)> {
        while let Some((attempt, stage)) = self.again.pop_front() {
            if !attempt.is_in(cache) {
                self.tally(&attempt).vanished += 1;
                continue;
            }
            if stage == Stage::Delete {
                self.again.push_front((attempt, Stage::Create));
            }
            return Some((attempt, stage));
        }
        None
    }

    fn ask(&mut self, op: OpId, attempt: Attempt, stage: Stage, slot: Option<Slot>) -> Next {
        self.outstanding.push_back(Outstanding {
            op,
            purpose: match stage {
                Stage::Create => Purpose::Create(attempt),
                Stage::Delete => Purpose::Delete,
            },
            refusal: None,
        });
        Next::Op(op, Step(attempt, stage, slot))
    }

    fn next_pass(&mut self) -> Pass {
        self.cursor = Cursor::default();
        self.walked = false;
        self.pass = match self.pass {
            Pass::Unrelated if self.related_seen => Pass::Related,
            Pass::Unrelated | Pass::Related if self.tables.expectations() => Pass::Expectations,
            Pass::Unrelated | Pass::Related | Pass::Expectations | Pass::Over => Pass::Over,
        };
        self.pass
    }

    /// The next slot of the table that has its turn.
    fn walk(&self, cache: &Theirs) -> Option<(Slots, Cursor)> {
        match self.pass {
            Pass::Unrelated | Pass::Related => cache.flows.table.walk(self.cursor, 1),
            Pass::Expectations => cache.expectations.table.walk(self.cursor, 1),
            Pass::Over => None,
        }
    }

    /// What is in this slot, if it has its turn in this pass.
    fn attempt(&mut self, cache: &Theirs, slot: Slot, now: Instant) -> Option<Attempt> {
        if self.pass == Pass::Expectations {
            let entry = cache.expectations.table.get(slot)?;
            if entry.has_run_out(now) {
                // Nobody shall be let in by what the other firewall does not expect any more.
                return None;
            }
            let had_helper = entry.expectation().helper.is_some();
            return Some(Attempt::new(Entity::Expectation(entry.key()), had_helper));
        }
        let entry = cache.flows.table.get(slot)?;
        let related = entry.master().is_some();
        self.related_seen |= related;
        let entity = Entity::Flow {
            orig: entry.orig(),
            zone: entry.key_zone(),
            related,
        };
        let its_turn = related == (self.pass == Pass::Related);
        its_turn.then(|| Attempt::new(entity, entry.helper().is_some()))
    }
}

impl Attempt {
    const fn new(entity: Entity, had_helper: bool) -> Self {
        Self {
            entity,
            had_helper,
            replaces: false,
            without_helper: false,
            without_master: false,
        }
    }

    /// Whether the entry still is in the cache.
    fn is_in(&self, cache: &Theirs) -> bool {
        match &self.entity {
            Entity::Flow { orig, zone, .. } => flow_entry(cache, orig, *zone).is_some(),
            Entity::Expectation(key) => expectation_entry(cache, key).is_some(),
        }
    }

    /// A related flow can do without its master, an expectation cannot.
    const fn may_lose_master(&self) -> bool {
        let related = matches!(self.entity, Entity::Flow { related: true, .. });
        related && !self.without_master
    }
}

fn flow_entry<'a>(cache: &'a Theirs, orig: &Tuple, zone: Zone) -> Option<&'a Entry> {
    let table = &cache.flows.table;
    table.get(table.find(&Key::of_tuple(orig, zone))?)
}

fn expectation_entry<'a>(cache: &'a Theirs, key: &ExpectationKey) -> Option<&'a Expected> {
    let table = &cache.expectations.table;
    table.get(table.find(key)?)
}
