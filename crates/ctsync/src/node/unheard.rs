//! New flows of which nobody tells: those that begin during a large commit.
//!
//! As long as anybody listens, the kernel makes an event of each flow that a commit creates, which costs half as
//! much as the creation. So a large commit asks not to hear of new flows. Changes and ends are told of
//! all the same, but the end of a flow and the creation of the next one under its tuple have no
//! order for us then. Therefore nothing is entered that the kernel itself has not shown: a reading of its
//! table, begun when all events from before its start have been told, finds what the commit wrote
//! as well as what traffic began meanwhile. The two are told apart by what the commit remembers to have
//! written; what is not among that is sent to the peer.
//!
//! Invariant: only a node that knows the whole table does so. Otherwise what the reading finds could be known
//! to the peer for long.

use core::time::Duration;

use hashbrown::HashTable;

use super::{Action, Node};
use crate::config::InternalCache;
use crate::input::{DumpReason, Tables};
use crate::output::NewFlows;
use crate::time::Instant;

/// From the end of a commit to the reading: usually an operator's script asks for one by then.
const READING_DELAY: Duration = Duration::from_millis(250);

/// From a reading that was not complete to the next.
const AGAIN_DELAY: Duration = Duration::from_secs(1);

/// How far a commit has got to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It writes, and new flows are not heard.
    Writing,
    /// The table is to be read at this time.
    Due(Instant),
    /// The table is to be read when the present reading has been digested.
    Wanted,
    /// The table is being read.
    Reading,
}

/// What has been written, and perhaps not been heard of: flows from the moment at which they are asked
/// for, expectations from their events.
#[derive(Debug)]
pub(super) struct Unheard {
    phase: Phase,
    /// Hashes of the identities; at most as many as the commits since the last reading had entries.
    written: HashTable<u64>,
    /// Our flows have been forgotten since: nobody waits for a reading.
    forgotten: bool,
}

impl Unheard {
    fn with_capacity(len: usize) -> Self {
        Self {
            phase: Phase::Writing,
            written: HashTable::with_capacity(len),
            forgotten: false,
        }
    }

    /// Something is about to be written.
    pub(super) fn note(&mut self, hash: u64) {
        if !self.has_written(hash) {
            self.written.insert_unique(hash, hash, |hash| *hash);
        }
    }

    /// It was not written, or is not there any more; `false` if it never was.
    pub(super) fn forget(&mut self, hash: u64) -> bool {
        match self.written.find_entry(hash, |it| *it == hash) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    fn has_written(&self, hash: u64) -> bool {
        self.written.find(hash, |it| *it == hash).is_some()
    }

    /// When the table is to be read.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Due(at) => Some(at),
            Phase::Writing | Phase::Wanted | Phase::Reading => None,
        }
    }
}

impl Node {
    /// A commit begins. If it is large it is not listened to.
    pub(super) fn begin_unheard(&mut self, tables: Tables) {
        let len = self.theirs.flows.table.len();
        let is_large = len >= self.config.commit_unheard_min && len >= self.ours.flows.live();
        let knows_all = self.knows_table && self.config.internal_cache == InternalCache::Keep;
        let is_reading = self.is_reading_kernel() || self.sweep.is_some();
        let hears = self.config.poll.is_none();
        if !(tables.flows() && is_large && knows_all && hears) || is_reading {
            return;
        }
        // What the peer had of these tuples before, nobody will tell it is gone.
        self.ours.flows.peer_remembers();
        self.ours.expectations.peer_remembers();
        match &mut self.unheard {
            Some(unheard) => unheard.phase = Phase::Writing,
            None => self.unheard = Some(Unheard::with_capacity(len)),
        }
        self.actions.push_back(Action::NewFlows(NewFlows::Unheard));
    }

    /// A commit has ended: new flows are heard again, and the table is to be read soon.
    pub(super) fn end_unheard(&mut self) {
        let Some(unheard) = self
            .unheard
            .as_mut()
            .filter(|it| it.phase == Phase::Writing)
        else {
            return;
        };
        self.actions.push_back(Action::NewFlows(NewFlows::Heard));
        if unheard.forgotten {
            self.unheard = None;
        } else {
            unheard.phase = Phase::Due(self.now + READING_DELAY);
        }
        if let Some((reason, tables)) = self.reading_wanted.take() {
            self.read_kernel(reason, tables);
        }
    }

    /// Whether new flows are not heard at present.
    pub(super) fn is_unheard(&self) -> bool {
        let unheard = self.unheard.as_ref();
        unheard.is_some_and(|it| it.phase == Phase::Writing)
    }

    /// The time has come to read the table.
    pub(super) fn read_unheard(&mut self) {
        if let Some(unheard) = &mut self.unheard {
            unheard.phase = Phase::Wanted;
        }
        if self.reading.is_none() && self.sweep.is_none() {
            self.begin_reading(DumpReason::Commit, self.tables());
        }
    }

    /// Whether a reading is still to come that nobody else asks for.
    pub(super) fn wants_unheard(&self) -> bool {
        let unheard = self.unheard.as_ref();
        unheard.is_some_and(|it| it.phase == Phase::Wanted)
    }

    /// A reading begins; gives what it has to be like. One that a client asks for serves both, one
    /// after lost events is begun too early for what was not heard.
    pub(super) fn join_reading(
        &mut self,
        reason: DumpReason,
        tables: Tables,
    ) -> (DumpReason, Tables) {
        let all = self.tables();
        let Some(unheard) = &mut self.unheard else {
            return (reason, tables);
        };
        match (reason, unheard.phase) {
            (DumpReason::Request | DumpReason::Commit, Phase::Due(_) | Phase::Wanted) => {
                unheard.phase = Phase::Reading;
                (DumpReason::Commit, all)
            }
            (
                DumpReason::Startup
                | DumpReason::Request
                | DumpReason::Overrun
                | DumpReason::Poll
                | DumpReason::Bulk
                | DumpReason::Commit,
                Phase::Writing | Phase::Due(_) | Phase::Wanted | Phase::Reading,
            ) => (reason, tables),
        }
    }

    /// The reading has ended.
    pub(super) fn end_unheard_reading(&mut self, complete: bool) {
        if let Some(unheard) = self
            .unheard
            .as_mut()
            .filter(|it| it.phase == Phase::Reading)
        {
            if complete {
                self.unheard = None;
            } else {
                unheard.phase = Phase::Due(self.now + AGAIN_DELAY);
            }
        }
    }

    /// Whether something that a reading finds may be what a commit wrote.
    pub(super) fn has_written(&self, hash: u64) -> bool {
        let unheard = self.unheard.as_ref();
        unheard.is_some_and(|it| it.has_written(hash))
    }

    /// Something has ended that nobody of us ended; whether a commit wrote it, as far as we know.
    /// What a reading finds under its identity is another one, or has to be taken for it.
    pub(super) fn forget_written(&mut self, hash: impl FnOnce() -> u64) -> bool {
        let unheard = self.unheard.as_mut();
        unheard.is_some_and(|it| it.forget(hash()))
    }

    /// From now on something in the kernel's table may be unknown to us although it is not new.
    pub(super) fn lose_sight(&mut self) {
        self.knows_table = false;
        if let Some(reading) = &mut self.reading {
            reading.has_gaps = true;
        }
    }

    /// Events were lost, among them perhaps ends: whatever is found is to be sent.
    pub(super) fn doubt_unheard(&mut self) {
        if let Some(unheard) = &mut self.unheard {
            unheard.written.clear();
        }
    }

    /// Our flows are forgotten: a reading would bring them back, and take them all for new.
    pub(super) fn forget_unheard(&mut self) {
        if self.is_unheard() {
            if let Some(unheard) = &mut self.unheard {
                unheard.forgotten = true;
            }
        } else {
            self.unheard = None;
        }
        if let Some(reading) = &mut self.reading {
            if reading.reason == DumpReason::Commit {
                reading.reason = DumpReason::Request;
            }
        }
    }
}
