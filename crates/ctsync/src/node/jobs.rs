//! What takes more than one round: bulk, sweep after a reading of the kernel's table, repair of
//! what fell out of the resend queue, commit.
//!
//! Each job does one bounded step per round and keeps its place by a cursor, so events, datagrams
//! and clients are served between two steps, and the caches may change under it.

use core::time::Duration;

use super::{Action, Node};
use crate::cache::expiry::Expiry;
use crate::cache::ours::Walk;
use crate::cache::table::Identity;
use crate::commit::Next;
use crate::inject::{Injectors, NextStep};
use crate::input::{DumpReason, OpId, Refusal, Tables};
use crate::output::{CommitReport, Notice};
use crate::stats::Counter;
use crate::time::Instant;

/// Slots passed in one step of a bulk.
const BULK_STEP: u32 = 512;

/// A bulk waits while so many messages wait to be sent: what happens now goes first.
const BULK_QUEUE_LEN_MAX: usize = 1024;

/// Shortest time between two bulks that the peer asks for: its request costs it 16 bytes.
const PEER_BULK_INTERVAL: Duration = Duration::from_secs(1);

/// Slots passed in one step of a sweep.
const SWEEP_STEP: u32 = 4096;

/// Sending the whole internal cache.
#[derive(Debug)]
pub(super) struct Bulk {
    walk: Walk,
    queued: u64,
    /// It was asked for once more: flows already passed are to be sent again.
    again: bool,
}

/// A reading of the kernel's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) reason: DumpReason,
    pub(super) seen: u64,
    pub(super) tables: Tables,
    /// Events were lost, or flows, since it began: it may leave something unknown.
    pub(super) has_gaps: bool,
}

/// Whether a reading stands for events that were not told: what it finds is sent, and what it does
/// not find has ended.
pub(super) const fn stands_for_events(reason: DumpReason) -> bool {
    match reason {
        DumpReason::Overrun | DumpReason::Poll => true,
        DumpReason::Startup | DumpReason::Request | DumpReason::Bulk | DumpReason::Commit => false,
    }
}

impl Reading {
    /// Whether afterwards nothing is in the kernel's table of flows that is not known.
    pub(super) const fn shows_all(&self) -> bool {
        self.tables.flows() && !self.has_gaps
    }
}

/// Walking the internal cache after a reading: entries that only guarded against it are removed,
/// and after lost events those that the kernel no longer has.
#[derive(Debug)]
pub(super) struct Sweep {
    reading: Reading,
    purges: bool,
    walk: Walk,
    purged: u64,
}

impl Sweep {
    /// A reading that is not complete proves no absence.
    pub(super) fn new(reading: Reading, complete: bool) -> Self {
        Self {
            reading,
            purges: complete && stands_for_events(reading.reason),
            walk: Walk::START,
            purged: 0,
        }
    }
}

impl Node {
    /// Does one step of each job; `true` if something may have come out of it.
    pub(super) fn step_jobs(&mut self) -> bool {
        if !self.budget.jobs {
            return false;
        }
        self.budget.jobs = false;
        self.step_sweep();
        self.step_bulk();
        self.mode.requeue(&mut self.ours, self.now);
        if let Some(expiry) = &mut self.expiry {
            expiry.step(&mut self.theirs, self.now, &mut self.stats);
        }
        true
    }

    /// Whether something is left to be done that needs no further input.
    pub(super) fn has_work(&self) -> bool {
        let sends = self.channels.can_send() && self.mode.has_messages();
        let bulk_runs = self.bulk.is_some() && !self.bulk_waits();
        let commit_runs = self
            .commit
            .as_ref()
            .is_some_and(|commit| commit.can_go_on());
        !self.actions.is_empty()
            || sends
            || bulk_runs
            || commit_runs
            || self.injector.as_ref().is_some_and(Injectors::can_go_on)
            || self.sweep.is_some()
            || self.requeue_at().is_some_and(|at| at <= self.now)
            || self.expiry_at().is_some_and(|at| at <= self.now)
    }

    /// When entries may be queued that nobody has touched.
    pub(super) fn requeue_at(&self) -> Option<Instant> {
        self.mode.requeue_at(&self.ours)
    }

    /// When an entry of the peer may be forgotten.
    pub(super) fn expiry_at(&self) -> Option<Instant> {
        self.expiry.as_ref().and_then(Expiry::next)
    }

    /// The peer wants a bulk. It gets one a second at most, however often it asks.
    pub(super) fn start_bulk_for_peer(&mut self) {
        match self.timers.peer_bulk_at {
            Some(at) if at > self.now => self.timers.peer_bulk_wanted = true,
            Some(_) | None => {
                self.timers.peer_bulk_wanted = false;
                self.timers.peer_bulk_at = Some(self.now + PEER_BULK_INTERVAL);
                self.start_bulk();
            }
        }
    }

    /// Starts sending everything, or starts over.
    pub(super) fn start_bulk(&mut self) {
        if !self.mode.has_bulks() {
            return;
        }
        if self.bypasses() {
            self.read_kernel(DumpReason::Bulk, self.tables());
            return;
        }
        self.notice(Notice::BulkStarted);
        match &mut self.bulk {
            Some(bulk) => bulk.again = bulk.walk != Walk::START,
            None => {
                self.bulk = Some(Bulk {
                    walk: Walk::START,
                    queued: 0,
                    again: false,
                });
            }
        }
    }

    /// What happens now goes before a bulk; and while the kernel's table is being read or about to
    /// be, what is not read yet would be missing in it.
    fn bulk_waits(&self) -> bool {
        let reading = self.is_reading_kernel() || self.unheard.is_some();
        reading || self.mode.queue().len() >= BULK_QUEUE_LEN_MAX
    }

    fn step_bulk(&mut self) {
        if self.bulk_waits() {
            return;
        }
        let Some(mut bulk) = self.bulk.take() else {
            return;
        };
        let Some((names, next)) = self.ours.walk(bulk.walk, BULK_STEP) else {
            self.end_bulk(bulk);
            return;
        };
        for name in names {
            if self.ours.is_live(name) {
                bulk.queued += 1;
                self.announce(name);
            }
        }
        bulk.walk = next;
        self.bulk = Some(bulk);
    }

    fn end_bulk(&mut self, mut bulk: Bulk) {
        if bulk.again {
            bulk.again = false;
            bulk.walk = Walk::START;
            self.bulk = Some(bulk);
        } else {
            self.notice(Notice::BulkDone(bulk.queued));
        }
    }

    /// Asks the caller for the kernel's tables.
    pub(super) fn begin_reading(&mut self, reason: DumpReason, tables: Tables) {
        let (reason, tables) = self.join_reading(reason, tables);
        if reason == DumpReason::Overrun {
            self.notice(Notice::KernelResyncStarted);
        }
        match reason {
            DumpReason::Request | DumpReason::Overrun => self.stats.count(Counter::KernelResyncs),
            DumpReason::Startup | DumpReason::Poll | DumpReason::Bulk | DumpReason::Commit => {}
        }
        self.ours.begin_reading();
        self.reading = Some(Reading {
            reason,
            seen: 0,
            tables,
            has_gaps: false,
        });
        self.actions.push_back(Action::Dump(reason, tables));
    }

    fn step_sweep(&mut self) {
        let Some(mut sweep) = self.sweep.take() else {
            return;
        };
        let Some((names, next)) = self.ours.walk(sweep.walk, SWEEP_STEP) else {
            self.end_sweep(&sweep);
            return;
        };
        for name in names {
            if sweep.purges && self.ours.is_vanished(name) {
                sweep.purged += 1;
                self.on_vanished(name);
            }
            self.ours.bury(name);
        }
        sweep.walk = next;
        self.sweep = Some(sweep);
    }

    fn end_sweep(&mut self, sweep: &Sweep) {
        if sweep.reading.reason == DumpReason::Overrun {
            self.notice(Notice::KernelResyncDone {
                seen: sweep.reading.seen,
                purged: sweep.purged,
            });
        }
        if let Some((reason, tables)) = self.reading_wanted.take() {
            self.begin_reading(reason, tables);
        } else if self.wants_unheard() {
            self.read_unheard();
        }
    }

    /// The next operation of the commit, if one runs and this round still has room for it.
    pub(super) fn next_commit_step(&mut self) -> Option<Next> {
        let commit = self.commit.as_mut()?;
        if self.budget.ops == 0 {
            return None;
        }
        let next = commit.next(&self.theirs, self.now, self.next_op);
        match next {
            Next::Op(_, step) => {
                if let (Some(unheard), Some(key)) = (&mut self.unheard, step.written_flow()) {
                    unheard.note(key.hash(&self.hash_key));
                }
                self.budget.ops -= 1;
                self.next_op = OpId(self.next_op.0.wrapping_add(1));
            }
            Next::Pause => self.budget.ops = 0,
            Next::Wait | Next::Done(_) => {}
        }
        Some(next)
    }

    /// The next operation of an injection, if this round still has room for it.
    pub(super) fn next_injection(&mut self) -> Option<NextStep> {
        let injector = self.injector.as_mut()?;
        if self.budget.ops == 0 {
            return None;
        }
        let op = self.next_op;
        let step = injector.next(op)?;
        self.budget.ops -= 1;
        self.next_op = OpId(op.0.wrapping_add(1));
        Some(step)
    }

    pub(super) fn on_op_refused(&mut self, op: OpId, refusal: Refusal) {
        if let Some(injector) = &mut self.injector {
            injector.on_refused(op, refusal);
        }
        if let Some(commit) = &mut self.commit {
            commit.on_refused(op, refusal);
        }
    }

    pub(super) fn end_commit(&mut self, report: CommitReport) {
        if let Some(commit) = self.commit.take() {
            self.actions
                .push_back(Action::CommitDone(commit.client, report));
        }
    }

    pub(super) fn on_ops_done(&mut self, through: OpId) {
        if let Some(injector) = &mut self.injector {
            injector.on_done(through, &mut self.stats);
        }
        let Some(mut commit) = self.commit.take() else {
            return;
        };
        // At most as many as there were operations without an answer.
        commit.on_done(through, |refused| {
            if let (Some(unheard), Some(key)) = (&mut self.unheard, refused.flow()) {
                unheard.forget(key.hash(&self.hash_key));
            }
            self.actions.push_back(Action::CommitRefused(refused));
        });
        self.commit = Some(commit);
    }
}
