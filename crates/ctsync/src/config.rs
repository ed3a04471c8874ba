//! What a node is told at its birth.
//!
//! The names are those of conntrackd.conf where it has one. Nothing here changes later; what the links
//! go through is told by inputs.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use flow::Origin;

use crate::input::ChannelId;
use crate::seq::Seq;

/// See [`Config::commit_unheard_min`]. What few flows cost is not worth a reading.
const COMMIT_UNHEARD_MIN: usize = 4096;

/// How the nodes keep their messages in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeConfig {
    /// FT-FW: acknowledged, lost messages are sent again.
    Ftfw {
        /// `ResendQueueSize`: unacknowledged messages kept. Beyond it the oldest falls out; the flow
        /// it was about is sent again when there is room.
        resend_queue_len_max: usize,
        /// `ACKWindowSize`: messages received before an acknowledgement is forced; at least 2.
        ack_window: u32,
    },
    /// NOTRACK: sent once; losses are noticed, and repaired by asking for everything.
    Notrack,
    /// ALARM: each flow is sent again now and then, and forgotten when it is not.
    Alarm {
        /// `RefreshTime`: longest time between two messages about a flow, in whole seconds.
        refresh_time: Duration,
        /// `CacheTimeout`: life of a flow in the external cache without a message about it.
        cache_timeout: Duration,
    },
}

impl ModeConfig {
    /// FT-FW with stock's queue and window.
    pub const FTFW: Self = Self::Ftfw {
        resend_queue_len_max: 131_072,
        ack_window: 300,
    };

    /// ALARM with stock's times.
    pub const ALARM: Self = Self::Alarm {
        refresh_time: Duration::from_secs(60),
        cache_timeout: Duration::from_secs(180),
    };
}

/// `DisableInternalCache`: what becomes of our kernel's flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalCache {
    /// They are kept, and a burst of updates costs one message.
    Keep,
    /// Each event is a message. Only in NOTRACK.
    Bypass,
}

/// `DisableExternalCache`: what becomes of the peer's flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalCache {
    /// They are kept until a commit.
    Keep,
    /// They go into the kernel at once. In FT-FW and NOTRACK.
    Inject,
}

/// One dedicated link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Largest datagram payload: the link's MTU less the IP and UDP headers of its family.
    pub payload_len_max: usize,
}

/// Settings of a [`Node`](crate::Node).
#[derive(Clone, Debug)]
pub struct Config {
    /// The mode with its settings.
    pub mode: ModeConfig,
    /// Whether our kernel's flows are kept.
    pub internal_cache: InternalCache,
    /// Whether the peer's flows are kept.
    pub external_cache: ExternalCache,
    /// The dedicated links in the order of the configuration; at least one.
    pub channels: Vec<ChannelConfig>,
    /// The link in use at start (`Default`).
    pub initial_channel: ChannelId,
    /// `HashLimit`: flows per cache; flows beyond are counted and not replicated.
    pub cache_len_max: usize,
    /// `CommitTimeout`: life of committed flows; when set, no timeouts are sent to the peer.
    pub commit_timeout: Option<Duration>,
    /// `PurgeTimeout`: delay of the purge that `-t` schedules.
    pub purge_timeout: Duration,
    /// `StartupResync`: ask the peer for a bulk at start.
    pub startup_resync: bool,
    /// `TCPWindowTracking`: send window scales, and commit without liberal window checking.
    pub tcp_window_tracking: bool,
    /// `ExpectationSync`: expectations are replicated. The caller filters them by helper.
    pub expectations: bool,
    /// `NetlinkOverrunResync`: delay between lost events and reading the table again; `None` never.
    pub overrun_resync: Option<Duration>,
    /// `PollSecs`: read the kernel's table so often, since no events are followed.
    pub poll: Option<Duration>,
    /// A commit of at least so many flows does without the events of new flows, and has the kernel's
    /// table read afterwards.
    pub commit_unheard_min: usize,
    /// Sequence number of the first message; stock takes the wall clock in seconds.
    pub first_seq: Seq,
    /// Key of the hash over tuples. Strangers choose the tuples, so it must not be guessable;
    /// a simulation fixes it.
    pub hash_key: [u64; 2],
    /// Start of the series from which ALARM draws its times. Two nodes that share it would send
    /// at the same moments.
    pub random_seed: u64,
}

impl Config {
    /// Stock's defaults for a mode, on one link of Ethernet with IPv4.
    pub fn new(mode: ModeConfig) -> Self {
        Self {
            mode,
            internal_cache: InternalCache::Keep,
            external_cache: ExternalCache::Keep,
            channels: vec![ChannelConfig {
                payload_len_max: 1472,
            }],
            initial_channel: ChannelId(0),
            cache_len_max: 262_144,
            commit_timeout: None,
            purge_timeout: Duration::from_secs(60),
            startup_resync: false,
            tcp_window_tracking: false,
            expectations: false,
            overrun_resync: Some(Duration::from_secs(30)),
            poll: None,
            commit_unheard_min: COMMIT_UNHEARD_MIN,
            first_seq: Seq(0),
            hash_key: [0; 2],
            random_seed: 0,
        }
    }

    /// Who causes the events of the kernel operations that the node asks for: a node with an
    /// external cache commits, one without injects, and none does both.
    pub const fn origin_of_changes(&self) -> Origin {
        match self.external_cache {
            ExternalCache::Keep => Origin::Commit,
            ExternalCache::Inject => Origin::Inject,
        }
    }
}
