//! What the daemon does with flows: replicate them, record their ends, or nothing.
//!
//! The loop does not care which; what differs is decided here and in `answer`.

use ctsync::Instant;
use linux::poller::Poller;

use crate::daemon::kernel::Kernel;
use crate::daemon::replication::{Commits, EVENTS, Replication};
use crate::daemon::report::Reports;
use crate::daemon::stats_mode::Recording;

/// The work of the configured mode.
pub enum Work {
    /// Neither `Sync` nor `Stats`.
    Idle,
    /// `Sync`.
    Sync(Box<Replication>),
    /// `Stats`.
    Stats(Box<Recording>),
}

impl Work {
    /// The replication, in sync mode.
    pub fn replication(&self) -> Option<&Replication> {
        match self {
            Self::Sync(replication) => Some(replication),
            Self::Idle | Self::Stats(_) => None,
        }
    }

    /// The replication, in sync mode.
    pub fn replication_mut(&mut self) -> Option<&mut Replication> {
        match self {
            Self::Sync(replication) => Some(replication),
            Self::Idle | Self::Stats(_) => None,
        }
    }

    /// The kernel's table, unless there is nothing to do with it.
    pub fn kernel(&self) -> Option<&Kernel> {
        match self {
            Self::Idle => None,
            Self::Sync(replication) => Some(&replication.kernel),
            Self::Stats(recording) => Some(&recording.kernel),
        }
    }

    /// Whether a reading of the kernel's table that a client asked for is under way.
    pub fn is_reading_kernel(&self) -> bool {
        match self {
            Self::Idle => false,
            Self::Sync(replication) => replication.node.is_reading_kernel(),
            Self::Stats(recording) => recording.collector().is_reading(),
        }
    }

    /// Whether something waits that no descriptor and no timer tells of.
    pub fn has_work(&self) -> bool {
        match self {
            Self::Idle => false,
            Self::Sync(replication) => replication.has_work(),
            Self::Stats(recording) => recording.has_work(),
        }
    }

    /// When the next turn is due at the latest, if nothing happens before.
    pub fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Sync(replication) => replication.timeout(),
            Self::Stats(recording) => recording.timeout(),
        }
    }

    /// Reads on where the last turn left something behind.
    pub fn serve_rest(&mut self, now: Instant, reports: &mut Reports) {
        match self {
            Self::Idle => {}
            Self::Sync(replication) => replication.serve_rest(now, reports),
            Self::Stats(recording) => recording.serve_rest(now, reports),
        }
    }

    /// Reads what the descriptor of a token has.
    pub fn ready(&mut self, token: u64, now: Instant, reports: &mut Reports) {
        match self {
            Self::Sync(replication) => replication.ready(token, now, reports),
            Self::Stats(recording) if token == EVENTS => recording.take_events(now, reports),
            Self::Idle | Self::Stats(_) => {}
        }
    }

    /// One turn: due timers, one step of each long job, and what follows from them.
    pub fn turn(
        &mut self,
        now: Instant,
        poller: &mut Poller,
        reports: &mut Reports,
        commits: &mut Commits,
    ) {
        match self {
            Self::Idle => {}
            Self::Sync(replication) => replication.turn(now, poller, reports, commits),
            Self::Stats(recording) => recording.turn(now, reports),
        }
    }

    /// Comes to its end.
    pub fn finish(&mut self, now: Instant, reports: &mut Reports) {
        match self {
            Self::Idle | Self::Sync(_) => {}
            Self::Stats(recording) => recording.finish(now, reports),
        }
    }

    /// Opens again what was rotated.
    pub fn reopen_logs(&mut self, now: Instant, reports: &mut Reports) {
        match self {
            Self::Idle | Self::Sync(_) => {}
            Self::Stats(recording) => recording.reopen(now, reports),
        }
    }
}
