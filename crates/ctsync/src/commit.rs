//! Writing the external cache into the kernel (conntrackd's `-c`).
//!
//! A commit walks the cache twice: flows that belong to no other first, and when the kernel has
//! taken or refused them all, the related ones, whose masters it then knows. A refused flow gets
//! further attempts as far as its refusal says what is in the way: an older flow of the same
//! tuple, an unknown helper, a missing master.
//!
//! The cache may change meanwhile. An attempt therefore names its flow by tuple, and a flow that
//! the peer ended before its turn came is left out.
//!
//! Bounds: [`OUTSTANDING_MAX`] operations without an answer, [`SCAN_MAX`] slots per step.

use alloc::collections::VecDeque;

use flow::{Flow, Tuple, Zone};

use crate::cache::entry::Entry;
use crate::cache::{Cursor, External, Key, Slot};
use crate::convert::Presence;
use crate::input::{ClientId, OpId, Refusal};
use crate::output::{CommitReport, KernelOp};
use crate::seq::Seq;
use crate::time::Instant;

/// Operations whose outcome is not known yet: two batches, so that the kernel never waits.
const OUTSTANDING_MAX: usize = 400;

/// Slots looked at in one step.
const SCAN_MAX: u32 = 4096;

/// Which flows have their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Those without a master.
    Unrelated,
    /// Those with one.
    Related,
    /// None is left.
    Over,
}

/// One flow on its way into the kernel.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    orig: Tuple,
    zone: Zone,
    related: bool,
    /// What stood in the way so far.
    replaces: bool,
    without_helper: bool,
    without_master: bool,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// To create the flow.
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

/// An operation to be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step(Attempt, Stage);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Delete,
    Create,
}

/// A flow that the kernel refused for good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    attempt: Attempt,
    /// Why.
    pub(crate) refusal: Refusal,
}

impl Refused {
    /// The flow, as far as the cache still knows it.
    pub(crate) fn flow<'a>(&self, cache: &'a External) -> Flow<'a> {
        let Attempt { orig, zone, .. } = self.attempt;
        let entry = self.attempt.entry(cache);
        entry.map_or_else(|| Entry::deleted_flow(orig, zone), Entry::peer_flow)
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
    pub(crate) fn new(client: ClientId, now: Instant) -> Self {
        Self {
            client,
            started: now,
            pass: Pass::Unrelated,
            cursor: Cursor::default(),
            walked: false,
            related_seen: false,
            outstanding: VecDeque::new(),
            again: VecDeque::new(),
            report: CommitReport::default(),
        }
    }

    /// Decides on the next operation; `op` is the name that it would get.
    pub(crate) fn next(&mut self, cache: &External, now: Instant, op: OpId) -> Next {
        if self.outstanding.len() >= OUTSTANDING_MAX {
            return Next::Wait;
        }
        if let Some((attempt, stage)) = self.next_again(cache) {
            return self.ask(op, attempt, stage);
        }
        for _ in 0..SCAN_MAX {
            let Some((mut slots, cursor)) = cache.table.walk(self.cursor, 1) else {
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
            if let Some(attempt) = slots.next().and_then(|slot| self.attempt(cache, slot)) {
                return self.ask(op, attempt, Stage::Create);
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
        cache: &'a External,
        step: Step,
        presence: Presence,
        now: Instant,
    ) -> KernelOp<'a> {
        let Step(attempt, stage) = step;
        let entry = attempt.entry(cache);
        match (stage, entry) {
            (Stage::Create, Some(entry)) => {
                let mut flow: Flow<'a> = entry.committed_flow(presence, now);
                if attempt.without_helper {
                    flow.helper = None;
                }
                if attempt.without_master {
                    flow.master = None;
                }
                KernelOp::Create(flow)
            }
            (Stage::Delete, _) | (Stage::Create, None) => {
                KernelOp::Delete(Entry::deleted_flow(attempt.orig, attempt.zone))
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
                    None => self.report.committed += 1,
                    Some(refusal) => self.retry(attempt, refusal, &mut refused),
                }
            }
        }
    }

    /// Tries once more without what was in the way, or gives up.
    fn retry(&mut self, mut attempt: Attempt, refusal: Refusal, refused: &mut impl FnMut(Refused)) {
        let stage = match refusal {
            Refusal::Exists if !attempt.replaces => {
                attempt.replaces = true;
                Stage::Delete
            }
            Refusal::Unsupported if !attempt.without_helper => {
                attempt.without_helper = true;
                Stage::Create
            }
            Refusal::NotFound if attempt.related && !attempt.without_master => {
                attempt.without_master = true;
                Stage::Create
            }
            Refusal::Exists
            | Refusal::Unsupported
            | Refusal::NotFound
            | Refusal::Full
            | Refusal::Invalid
            | Refusal::Other(_) => {
                self.report.failed += 1;
                refused(Refused { attempt, refusal });
                return;
            }
        };
        self.again.push_back((attempt, stage));
    }

    /// The next attempt to be repeated whose flow still is in the cache.
    fn next_again(&mut self, cache: &External) -> Option<(Attempt, Stage)> {
        while let Some((attempt, stage)) = self.again.pop_front() {
            if attempt.entry(cache).is_none() {
                self.report.vanished += 1;
                continue;
            }
            if stage == Stage::Delete {
                self.again.push_front((attempt, Stage::Create));
            }
            return Some((attempt, stage));
        }
        None
    }

    fn ask(&mut self, op: OpId, attempt: Attempt, stage: Stage) -> Next {
        self.outstanding.push_back(Outstanding {
            op,
            purpose: match stage {
                Stage::Create => Purpose::Create(attempt),
                Stage::Delete => Purpose::Delete,
            },
            refusal: None,
        });
        Next::Op(op, Step(attempt, stage))
    }

    fn next_pass(&mut self) -> Pass {
        self.cursor = Cursor::default();
        self.walked = false;
        self.pass = match self.pass {
            Pass::Unrelated if self.related_seen => Pass::Related,
            Pass::Unrelated | Pass::Related | Pass::Over => Pass::Over,
        };
        self.pass
    }

    /// The flow in this slot, if it has its turn in this pass.
    fn attempt(&mut self, cache: &External, slot: Slot) -> Option<Attempt> {
        let entry = cache.table.get(slot)?;
        let related = entry.master().is_some();
        self.related_seen |= related;
        (related == (self.pass == Pass::Related)).then(|| Attempt {
            orig: entry.orig(),
            zone: entry.key_zone(),
            related,
            replaces: false,
            without_helper: entry.helper().is_none(),
            without_master: false,
        })
    }
}

impl Attempt {
    fn entry<'a>(&self, cache: &'a External) -> Option<&'a Entry> {
        let slot = cache.table.find(&Key::of_tuple(&self.orig, self.zone))?;
        cache.table.get(slot)
    }
}
