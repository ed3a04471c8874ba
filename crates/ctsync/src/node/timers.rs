//! What happens by itself when its time has come.
//!
//! Each time that is waited for is a field of [`Timers`] or belongs to the mode;
//! [`Node::next_timer`] names the earliest, [`Node::run_timers`] does what is due.

use core::time::Duration;

use super::Node;
use super::unheard::Unheard;
use crate::config::Config;
use crate::input::{DumpReason, Tables};
use crate::mode::{ALIVE_INTERVAL, Scene, Signals};
use crate::output::Notice;
use crate::time::Instant;

/// First wait for an answer to the request for a bulk at start; doubled each time.
const STARTUP_RESYNC_WAIT: Duration = Duration::from_secs(2);

/// How often the bulk is asked for at start as long as nothing comes. A peer without flows is
/// silent too.
const STARTUP_RESYNC_TRIES: u32 = 5;

/// Notices that repeat under load come at this interval at most.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// The peer sends something every second; after this time without it is called silent.
const PEER_SILENT_AFTER: Duration = Duration::from_secs(3);

/// When the peer was heard last.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Instant,
    /// It has been called silent since.
    silent: bool,
}

/// Asking for a bulk at start until something comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartupResync {
    at: Instant,
    wait: Duration,
    tries_left: u32,
    /// Flows of the peer have arrived.
    answered: bool,
    /// Messages were lost before the peer had greeted us: a peer of stock's making does not send
    /// them again.
    gap: bool,
}

/// Something that is full, which would be told again and again under load.
#[derive(Clone, Copy, Debug)]
pub(super) enum Full {
    Internal,
    External,
    ResendQueue,
    Bypass,
}

/// All times that are waited for.
#[derive(Debug)]
pub(super) struct Timers {
    /// Silence has lasted long enough.
    pub(super) alive_at: Instant,
    /// The kernel's table is to be read since events are not followed.
    poll_at: Option<Instant>,
    /// The kernel's table is to be read again since events were lost.
    pub(super) resync_at: Option<Instant>,
    /// The kernel's table is to be emptied, as a client asked (`-t`).
    pub(super) purge_at: Option<Instant>,
    /// Before this time no bulk is begun for the peer.
    pub(super) peer_bulk_at: Option<Instant>,
    /// The peer has asked for one since the last was begun.
    pub(super) peer_bulk_wanted: bool,
    startup_resync: Option<StartupResync>,
    heard: Option<Heard>,
    /// Before this time no notice of the kind is given again, in the order of [`Full`].
    silent_until: [Instant; 4],
}

impl Timers {
    pub(super) fn new(now: Instant, config: &Config) -> Self {
        Self {
            alive_at: now + ALIVE_INTERVAL,
            poll_at: config.poll.map(|poll| now + poll),
            resync_at: None,
            purge_at: None,
            peer_bulk_at: None,
            peer_bulk_wanted: false,
            startup_resync: None,
            heard: None,
            silent_until: [Instant::default(); 4],
        }
    }
}

impl Node {
    /// The next time that something happens by itself.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        [
            Some(self.timers.alive_at).filter(|_| self.mode.gives_signs_of_life()),
            self.mode.ack_at().filter(|_| self.channels.can_send()),
            self.mode.next_timer(),
            self.timers.poll_at,
            self.timers.resync_at,
            self.unheard.as_ref().and_then(Unheard::due),
            self.timers.purge_at,
            self.timers.startup_resync.map(|it| it.at),
            self.silent_at(),
            self.requeue_at(),
            self.expiry_at(),
            self.channels.next_timer(self.mode.gives_signs_of_life()),
            self.timers
                .peer_bulk_at
                .filter(|_| self.timers.peer_bulk_wanted),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(super) fn run_timers(&mut self) {
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.timers.alive_at <= now {
            self.on_alive_due();
        }
        if self.channels.can_send() && due(self.mode.ack_at()) {
            self.mode.acknowledge(&mut self.stats);
        }
        if due(self.mode.next_timer()) {
            self.run_mode_timers();
        }
        if due(self.timers.poll_at) {
            self.timers.poll_at = self.config.poll.map(|poll| now + poll);
            self.poll_kernel();
        }
        self.check_channels();
        if due(self.timers.resync_at) {
            self.timers.resync_at = None;
            self.read_kernel(DumpReason::Overrun, self.tables());
        }
        if due(self.unheard.as_ref().and_then(Unheard::due)) {
            self.read_unheard();
        }
        if due(self.timers.purge_at) {
            self.timers.purge_at = None;
            self.flush_kernel(Tables::Flows, true);
            self.clear_internal();
            // Both are empty.
            self.knows_table = self.reading.is_none();
        }
        if due(self.timers.startup_resync.map(|it| it.at)) {
            self.on_startup_resync_due();
        }
        if due(self.silent_at()) {
            self.on_silence();
        }
        if self.timers.peer_bulk_wanted && due(self.timers.peer_bulk_at) {
            self.start_bulk_for_peer();
        }
    }

    fn run_mode_timers(&mut self) {
        let mut signals = Signals::default();
        self.mode.run_timers(&mut Scene {
            now: self.now,
            ours: &mut self.ours,
            stats: &mut self.stats,
            notices: &mut self.notices,
            signals: &mut signals,
        });
        self.tell_notices();
    }

    /// When the peer is to be called silent. In a mode without signs of life silence means nothing.
    fn silent_at(&self) -> Option<Instant> {
        if !self.mode.gives_signs_of_life() {
            return None;
        }
        let heard = self.timers.heard.filter(|heard| !heard.silent)?;
        Some(heard.at + PEER_SILENT_AFTER)
    }

    fn on_silence(&mut self) {
        if let Some(heard) = &mut self.timers.heard {
            heard.silent = true;
            let silence = self.now.since(heard.at);
            self.notice(Notice::PeerSilent(silence));
        }
    }

    /// A message of the peer has come, whatever it says.
    pub(super) fn on_heard(&mut self) {
        let heard = Heard {
            at: self.now,
            silent: false,
        };
        let before = self.timers.heard.replace(heard);
        if before.is_some_and(|before| before.silent) {
            self.notice(Notice::PeerBack);
        }
    }

    /// Nothing was sent for a while: acknowledge what came, or give a sign of life. A link that is
    /// blocked gets neither, nor one that has messages waiting.
    fn on_alive_due(&mut self) {
        self.timers.alive_at = self.now + ALIVE_INTERVAL;
        if !self.channels.can_send() || self.mode.has_messages() {
            return;
        }
        self.mode.on_silence(&mut self.stats);
    }

    /// Asks the peer for a bulk, and again until something comes.
    pub(super) fn begin_startup_resync(&mut self) {
        self.request_bulk();
        self.timers.startup_resync = Some(StartupResync {
            at: self.now + STARTUP_RESYNC_WAIT,
            wait: STARTUP_RESYNC_WAIT,
            tries_left: STARTUP_RESYNC_TRIES - 1,
            answered: false,
            gap: false,
        });
    }

    fn on_startup_resync_due(&mut self) {
        let Some(mut resync) = self.timers.startup_resync.take() else {
            return;
        };
        // To a peer that has greeted, the request is sent until it is acknowledged.
        if resync.answered && self.mode.is_greeted() {
            return;
        }
        self.request_bulk();
        if let Some(tries_left) = resync.tries_left.checked_sub(1) {
            resync.wait *= 2;
            resync.at = self.now + resync.wait;
            resync.tries_left = tries_left;
            self.timers.startup_resync = Some(resync);
        }
    }

    /// Flows of the peer arrive. They count as the answer once it has greeted.
    pub(super) fn note_flows(&mut self) {
        if let Some(resync) = &mut self.timers.startup_resync {
            resync.answered = true;
        }
    }

    /// Messages of the peer were lost.
    pub(super) fn note_gap(&mut self) {
        if let Some(resync) = &mut self.timers.startup_resync {
            resync.gap |= !self.mode.is_greeted();
        }
    }

    /// The peer has answered our greeting.
    pub(super) fn on_greeted(&mut self) {
        self.notice(Notice::PeerGreeted);
        if self.timers.startup_resync.is_some_and(|it| it.gap) {
            self.request_bulk();
        }
    }

    /// Tells that something is full, once a minute.
    pub(super) fn notice_full(&mut self, full: Full) {
        if matches!(full, Full::Internal) {
            self.lose_sight();
        }
        let [internal, external, resend, bypass] = &mut self.timers.silent_until;
        let (silent_until, notice) = match full {
            Full::Internal => (internal, Notice::CacheFull { internal: true }),
            Full::External => (external, Notice::CacheFull { internal: false }),
            Full::ResendQueue => (resend, Notice::ResendQueueFull),
            Full::Bypass => (bypass, Notice::EventsLost),
        };
        if self.now >= *silent_until {
            *silent_until = self.now + NOTICE_INTERVAL;
            self.notice(notice);
        }
    }
}
