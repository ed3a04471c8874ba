//! What clients ask for.
//!
//! A request is done at once or begins a job; only a commit is answered by an output, since its
//! client waits for the end. What only reads goes through the views and is no request.

use super::{Action, Node};
use crate::commit::Commit;
use crate::config::ExternalCache;
use crate::input::{ClientId, DumpReason, Request, Tables};
use crate::output::{CommitReport, Notice};
use crate::stats::Counter;

impl Node {
    /// A client asks for something.
    pub(super) fn on_request(&mut self, request: Request) {
        match request {
            Request::Commit(client, tables) => self.start_commit(client, tables),
            Request::FlushInternal => self.flush_internal(),
            Request::FlushExternal => self.flush_external(),
            Request::FlushCaches => self.flush_caches(),
            Request::FlushKernel(tables) => self.flush_kernel(tables, false),
            Request::ResyncKernel(tables) => self.resync_kernel(tables),
            Request::SendBulk => self.start_bulk(),
            Request::RequestBulk => self.request_bulk(),
            Request::SchedulePurge => self.schedule_purge(),
        }
    }

    /// Asks the peer for all of its flows.
    pub(super) fn request_bulk(&mut self) {
        if self.mode.request_bulk(&mut self.stats) {
            self.notice(Notice::ResyncRequested);
        }
    }

    fn resync_kernel(&mut self, tables: Tables) {
        if self.bypasses() {
            self.notice(Notice::UnsupportedWithoutCache);
        } else if let Some(tables) = self.replicated(tables) {
            self.read_kernel(DumpReason::Request, tables);
        }
    }

    /// Empties the kernel's tables.
    pub(super) fn flush_kernel(&mut self, tables: Tables, scheduled: bool) {
        let Some(tables) = self.replicated(tables) else {
            return;
        };
        self.stats.count(Counter::KernelFlushes);
        self.notice(Notice::KernelFlush { tables, scheduled });
        self.actions.push_back(Action::FlushKernel(tables));
    }

    /// What is left of some tables where expectations are not replicated.
    fn replicated(&self, tables: Tables) -> Option<Tables> {
        match (tables, self.tables()) {
            (Tables::Expectations, Tables::Flows) => None,
            (Tables::All, Tables::Flows) => Some(Tables::Flows),
            (tables, Tables::Flows | Tables::Expectations | Tables::All) => Some(tables),
        }
    }

    /// Forgets our flows, and with them their expectations; the peer is not told.
    pub(super) fn clear_internal(&mut self) {
        self.lose_sight();
        self.forget_unheard();
        self.mode.forget_entries();
        self.ours.flows.clear(&mut self.stats);
        self.ours.clear_expectations(&mut self.stats);
    }

    fn start_commit(&mut self, client: ClientId, tables: Tables) {
        self.timers.purge_at = None;
        let nothing = Action::CommitDone(client, CommitReport::new(tables));
        let injects = self.config.external_cache == ExternalCache::Inject;
        match self.replicated(tables).filter(|_| !injects) {
            // The kernel has all of it, or nothing is known.
            None => self.actions.push_back(nothing),
            Some(_) if self.commit.is_some() => {
                self.notice(Notice::CommitInProgress);
                self.actions.push_back(nothing);
            }
            Some(tables) => {
                self.begin_unheard(tables);
                self.commit = Some(Commit::new(client, tables, self.now));
            }
        }
    }

    fn flush_internal(&mut self) {
        if self.bypasses() {
            // Stock empties the kernel's table instead.
            self.notice(Notice::UnsupportedWithoutCache);
            return;
        }
        self.timers.purge_at = None;
        self.notice(Notice::CachesFlushed {
            internal: true,
            external: false,
        });
        self.clear_internal();
    }

    fn flush_external(&mut self) {
        if self.refuse_flush() {
            return;
        }
        self.notice(Notice::CachesFlushed {
            internal: false,
            external: true,
        });
        self.clear_external();
    }

    /// Forgets the peer's flows, and with them their expectations.
    fn clear_external(&mut self) {
        self.theirs.flows.clear(&mut self.stats);
        self.theirs.clear_expectations(&mut self.stats);
    }

    fn flush_caches(&mut self) {
        if self.refuse_flush() {
            return;
        }
        self.timers.purge_at = None;
        self.notice(Notice::CachesFlushed {
            internal: true,
            external: true,
        });
        self.clear_internal();
        self.clear_external();
    }

    /// What a commit is writing must not be forgotten under it.
    fn refuse_flush(&mut self) -> bool {
        let refused = self.commit.is_some();
        if refused {
            self.notice(Notice::FlushRefusedCommitInProgress);
        }
        refused
    }

    fn schedule_purge(&mut self) {
        if self.timers.purge_at.is_none() {
            let delay = self.config.purge_timeout;
            self.timers.purge_at = Some(self.now + delay);
            self.notice(Notice::PurgeScheduled(delay));
        }
    }
}
