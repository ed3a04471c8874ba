//! One daemon's replication core.
//!
//! The caller tells the node what happened by [`Node::handle`], any number of times, then takes
//! what the node wants done by [`Node::poll`] until that gives nothing, then waits until something
//! happens or [`Node::timeout`] is reached. One round of `handle` and `poll` is bounded; when there
//! is more to do, `timeout` lies in the past, so that other inputs get their turn.
//!
//! Kernel events go into the internal cache ([`events`]), from there through the sender into
//! datagrams ([`poll`](Node::poll)); the peer's datagrams go through the receiver into the external
//! cache ([`receive`]); a commit writes that one into the kernel. [`requests`] are what clients ask
//! for, [`jobs`] what takes more than one round, [`timers`] what happens by itself. [`unheard`] spares
//! the kernel the events of a large commit.

mod channels;
mod events;
mod expectations;
mod jobs;
mod receive;
mod requests;
mod timers;
mod unheard;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::cache::expiry::Expiry;
use crate::cache::foreign::Foreign;
use crate::cache::ours::Ours;
use crate::cache::theirs::Theirs;
use crate::cache::{ExpectationsView, HashKey, View};
use crate::commit::{Commit, Next, Refused};
use crate::config::{Config, ExternalCache, InternalCache, ModeConfig};
use crate::convert::Presence;
use crate::inject::Injectors;
use crate::input::{ClientId, DumpReason, Input, OpId, Tables};
use crate::mode::outbox::Building;
use crate::mode::peers::Source;
use crate::mode::{ALIVE_INTERVAL, Mode};
use crate::output::{CommitReport, NewFlows, Notice, Output};
use crate::queue::{Item, ResendQueue};
use crate::seq::Seq;
use crate::stats::{Counter, Gauges, Stats};
use crate::time::Instant;
use channels::Channels;
use jobs::{Bulk, Reading, Sweep};
use timers::{Full, Timers};
use unheard::Unheard;

/// Datagrams sent per round.
const DATAGRAMS_PER_ROUND: u32 = 64;

/// Kernel operations asked for per round.
const OPS_PER_ROUND: u32 = 200;

/// Notices that wait for the caller at most; more of them would say nothing new.
const NOTICES_MAX: usize = 256;

/// Something for the caller that needs no building.
#[derive(Clone, Copy, Debug)]
enum Action {
    Notice(Notice),
    Dump(DumpReason, Tables),
    NewFlows(NewFlows),
    FlushKernel(Tables),
    CommitRefused(Refused),
    CommitDone(ClientId, CommitReport),
}

/// What may still be done in this round.
#[derive(Clone, Copy, Debug)]
struct Budget {
    datagrams: u32,
    ops: u32,
    /// One step of each job.
    jobs: bool,
}

impl Budget {
    const ROUND: Self = Self {
        datagrams: DATAGRAMS_PER_ROUND,
        ops: OPS_PER_ROUND,
        jobs: true,
    };
}

/// A message in a queue, for a client to see (`conntrackd -s rsqueue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Its number.
    pub seq: Seq,
    /// What it was about.
    pub item: Item,
}

/// The replication core.
#[derive(Debug)]
pub struct Node {
    config: Config,
    presence: Presence,
    now: Instant,
    budget: Budget,
    stats: Stats,
    ours: Ours,
    theirs: Theirs,
    mode: Mode,
    timers: Timers,
    hash_key: HashKey,
    /// What a mode wants told, on its way to the actions.
    notices: Vec<Notice>,
    actions: VecDeque<Action>,
    datagram: Vec<u8>,
    channels: Channels,
    next_op: OpId,
    commit: Option<Commit>,
    expiry: Option<Expiry>,
    /// The flows of our kernel that are the peer's, where they are injected.
    foreign: Option<Foreign>,
    injector: Option<Injectors>,
    bulk: Option<Bulk>,
    reading: Option<Reading>,
    sweep: Option<Sweep>,
    /// A reading of the kernel's table that has to wait for the present one.
    reading_wanted: Option<(DumpReason, Tables)>,
    /// Each flow of the kernel's table is in the internal cache, or an event of it has yet to be told.
    knows_table: bool,
    unheard: Option<Unheard>,
}

impl Node {
    /// A node that starts now. It begins by reading the kernel's table.
    pub fn new(config: Config, now: Instant) -> Self {
        let resend_len_max = match config.mode {
            ModeConfig::Ftfw {
                resend_queue_len_max,
                ..
            } => resend_queue_len_max,
            ModeConfig::Notrack | ModeConfig::Alarm { .. } => 0,
        };
        let hash_key = HashKey(config.hash_key);
        let len_max = config.cache_len_max;
        let mut node = Self {
            presence: Presence {
                tcp_window_tracking: config.tcp_window_tracking,
                commit_timeout: config.commit_timeout,
            },
            now,
            budget: Budget::ROUND,
            stats: Stats::default(),
            ours: Ours::new(hash_key, len_max, resend_len_max),
            theirs: Theirs::new(hash_key, len_max),
            mode: Mode::new(&config, now),
            timers: Timers::new(now, &config),
            hash_key,
            notices: Vec::new(),
            actions: VecDeque::new(),
            datagram: Vec::new(),
            channels: Channels::new(&config, now),
            next_op: OpId(0),
            commit: None,
            expiry: match config.mode {
                ModeConfig::Alarm { cache_timeout, .. } => Some(Expiry::new(cache_timeout, now)),
                ModeConfig::Ftfw { .. } | ModeConfig::Notrack => None,
            },
            foreign: match config.external_cache {
                ExternalCache::Keep => None,
                ExternalCache::Inject => Some(Foreign::new(hash_key, len_max)),
            },
            injector: match config.external_cache {
                ExternalCache::Keep => None,
                ExternalCache::Inject => Some(Injectors::new(hash_key, len_max)),
            },
            bulk: None,
            reading: None,
            sweep: None,
            reading_wanted: None,
            knows_table: false,
            unheard: None,
            config,
        };
        if node.config.internal_cache == InternalCache::Keep {
            node.read_kernel(DumpReason::Startup, node.tables());
        }
        if node.config.startup_resync && node.mode.has_bulks() {
            node.begin_startup_resync();
        }
        node
    }

    /// Takes in one thing that happened, and does what is due at this time.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        // A clock that goes backwards is held still.
        self.now = self.now.max(now);
        self.budget = Budget::ROUND;
        match input {
            Input::Event(event) => self.on_event(&event),
            Input::Overrun => self.on_overrun(),
            Input::Dumped(object) => self.on_dumped(&object),
            Input::DumpDone { complete } => self.on_dump_done(complete),
            Input::Datagram {
                channel,
                peer,
                bytes,
            } => self.on_datagram(Source { channel, peer }, bytes),
            Input::Request(request) => self.on_request(request),
            Input::OpRefused { op, refusal } => self.on_op_refused(op, refusal),
            Input::OpsDone { through } => self.on_ops_done(through),
            Input::ChannelBlocked(channel) => self.channels.set_blocked(channel, true, self.now),
            Input::ChannelReady(channel) => self.channels.set_blocked(channel, false, self.now),
            Input::ChannelUp(channel) => self.on_channel_state(channel, true),
            Input::ChannelDown(channel) => self.on_channel_state(channel, false),
            Input::ChannelSize {
                channel,
                payload_len_max,
            } => self.channels.set_size(channel, payload_len_max),
            Input::Timeout => {}
        }
        self.run_timers();
    }

    /// The next thing to be done. What it lends is valid until the next call.
    pub fn poll(&mut self) -> Option<Output<'_>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(match action {
                    Action::Notice(notice) => Output::Notice(notice),
                    Action::Dump(reason, tables) => Output::Dump(reason, tables),
                    Action::NewFlows(new_flows) => Output::NewFlows(new_flows),
                    Action::FlushKernel(tables) => Output::FlushKernel(tables),
                    Action::CommitRefused(refused) => Output::CommitRefused {
                        object: refused.object(&self.theirs),
                        refusal: refused.refusal,
                    },
                    Action::CommitDone(client, report) => Output::CommitDone { client, report },
                });
            }
            if self.fill_datagram() {
                return Some(Output::Transmit {
                    channel: self.channel(),
                    bytes: &self.datagram,
                });
            }
            if self.injector.as_ref().is_some_and(Injectors::has_refused) {
                let (object, injection, refusal) = self.injector.as_mut()?.next_refused()?;
                return Some(Output::InjectRefused {
                    object,
                    injection,
                    refusal,
                });
            }
            if let Some(step) = self.next_injection() {
                let injector = self.injector.as_ref()?;
                let (op, action) = injector.kernel_op(step, self.presence, self.now)?;
                return Some(Output::Kernel { op, action });
            }
            match self.next_commit_step() {
                Some(Next::Op(op, step)) => {
                    return Some(Output::Kernel {
                        op,
                        action: Commit::kernel_op(&self.theirs, step, self.presence, self.now),
                    });
                }
                Some(Next::Done(report)) => {
                    self.end_unheard();
                    self.end_commit(report);
                    continue;
                }
                Some(Next::Wait | Next::Pause) | None => {}
            }
            if !self.step_jobs() {
                return None;
            }
        }
    }

    /// When [`Input::Timeout`] is due at the latest. Not after the time of the last input when
    /// the bounds of a round have left something to be done.
    pub fn timeout(&self) -> Option<Instant> {
        if self.has_work() {
            return Some(self.now);
        }
        self.next_timer()
    }

    /// What was counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Sizes at this moment.
    pub fn gauges(&self) -> Gauges {
        let controls = |(_, item): &(Seq, Item)| matches!(item, Item::Control(_));
        let (queue, resend) = (self.mode.queue(), self.mode.resend());
        let resend_controls = resend.map_or(0, |it| it.iter().filter(controls).count());
        Gauges {
            internal_live: self.ours.flows.live(),
            internal_len: self.ours.flows.table.len(),
            external_len: self.theirs.flows.table.len(),
            internal_expectations_live: self.ours.expectations.live(),
            internal_expectations_len: self.ours.expectations.table.len(),
            external_expectations_len: self.theirs.expectations.table.len(),
            transmit_queue_len: queue.len(),
            resend_queue_len: resend.map_or(0, ResendQueue::len),
            resend_queue_len_max: resend.map_or(0, ResendQueue::len_max),
            control_len: queue.control_len() + resend_controls,
            injecting_len: self.injector.as_ref().map_or(0, Injectors::len),
            given_up_len: self.ours.given_up(),
        }
    }

    /// The messages that the peer has not acknowledged, oldest first.
    pub fn resend_queue(&self) -> impl Iterator<Item = QueuedMessage> + '_ {
        let resend = self.mode.resend();
        resend
            .into_iter()
            .flat_map(ResendQueue::iter)
            .map(|(seq, item)| QueuedMessage { seq, item })
    }

    /// Whether the kernel's table is being read, or will be as soon as an earlier reading is
    /// digested.
    pub const fn is_reading_kernel(&self) -> bool {
        self.reading.is_some() || self.reading_wanted.is_some()
    }

    /// The flows of our kernel.
    pub const fn internal(&self) -> View<'_> {
        View::internal(&self.ours.flows)
    }

    /// The flows of the peer.
    pub const fn external(&self) -> View<'_> {
        View::external(&self.theirs.flows)
    }

    /// The expectations of our kernel.
    pub const fn internal_expectations(&self) -> ExpectationsView<'_> {
        ExpectationsView::internal(&self.ours.expectations)
    }

    /// The expectations of the peer.
    pub const fn external_expectations(&self) -> ExpectationsView<'_> {
        ExpectationsView::external(&self.theirs.expectations)
    }

    /// Builds the next datagram, if there is something to send.
    fn fill_datagram(&mut self) -> bool {
        self.datagram.clear();
        if !self.channels.can_send() || self.budget.datagrams == 0 {
            return false;
        }
        let building = Building {
            now: self.now,
            presence: self.presence,
            len_max: self.channels.payload_len_max(),
        };
        let (ours, stats) = (&mut self.ours, &mut self.stats);
        let before = stats.get(Counter::ResendNoSpace);
        while self.mode.pack(ours, &building, stats, &mut self.datagram) {}
        if stats.get(Counter::ResendNoSpace) != before {
            self.notice_full(Full::ResendQueue);
        }
        if self.datagram.is_empty() {
            return false;
        }
        self.budget.datagrams -= 1;
        self.timers.alive_at = self.now + ALIVE_INTERVAL;
        true
    }

    fn notice(&mut self, notice: Notice) {
        if self.actions.len() < NOTICES_MAX {
            self.actions.push_back(Action::Notice(notice));
        }
    }

    /// Passes on what the mode wants told.
    fn tell_notices(&mut self) {
        let mut notices = core::mem::take(&mut self.notices);
        for notice in notices.drain(..) {
            self.notice(notice);
        }
        self.notices = notices;
    }
}
