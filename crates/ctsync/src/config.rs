//! What a node is told at its birth.

use alloc::vec::Vec;
use core::time::Duration;

use crate::seq::Seq;

/// How the two nodes keep their messages in step.
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
    /// The dedicated links; the first is the active one at start.
    pub channels: Vec<ChannelConfig>,
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
    /// `NetlinkOverrunResync`: delay between lost events and reading the table again; `None` never.
    pub overrun_resync: Option<Duration>,
    /// Sequence number of the first message; stock takes the wall clock in seconds.
    pub first_seq: Seq,
    /// Key of the hash over tuples. Strangers choose the tuples, so it must not be guessable;
    /// a simulation fixes it.
    pub hash_key: [u64; 2],
}
