//! Everything a [`Node`](crate::Node) wants done: a closed set of plain data.
//!
//! An output may lend from the node and is valid until the node is asked for the next one. What
//! the caller cannot do it reports by an [`Input`](crate::Input).

use core::time::Duration;

use flow::{Expectation, Flow, Object};

use crate::input::{ChannelId, ClientId, DumpReason, OpId, Refusal, Tables};

/// What the kernel's table is to be changed by.
#[derive(Clone, Debug)]
pub enum KernelOp<'a> {
    /// Create a flow that must not exist yet (`NLM_F_CREATE | NLM_F_EXCL`).
    Create(Flow<'a>),
    /// Change a flow that must exist, selected by its original tuple and zone (`NLM_F_REPLACE`).
    Update(Flow<'a>),
    /// Delete a flow, selected by its original tuple and zone.
    Delete(Flow<'a>),
    /// Create an expectation that must not exist yet, or refresh the one that exists; with its
    /// timeout, which the kernel takes from a change only.
    CreateExpectation(Expectation<'a>),
    /// Delete an expectation, selected by its tuple and zone.
    DeleteExpectation(Expectation<'a>),
}

/// Something an operator should know. Rendering it is the caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The peer asked for a bulk.
    ResyncRequestedByPeer,
    /// We asked the peer for a bulk.
    ResyncRequested,
    /// A bulk is being sent.
    BulkStarted,
    /// A bulk has been queued whole; number of flows.
    BulkDone(u64),
    /// The kernel's table is read again because events were lost.
    KernelResyncStarted,
    /// The reading has ended: flows seen, and flows dropped since the kernel has them no more.
    KernelResyncDone {
        /// Flows in the kernel's table.
        seen: u64,
        /// Flows that had vanished unnoticed.
        purged: u64,
    },
    /// A second commit was asked for while one runs.
    CommitInProgress,
    /// A flush was refused since a commit runs.
    FlushRefusedCommitInProgress,
    /// The internal, external or both caches were emptied.
    CachesFlushed {
        /// The internal cache was.
        internal: bool,
        /// The external cache was.
        external: bool,
    },
    /// A purge of the kernel's table was scheduled.
    PurgeScheduled(Duration),
    /// The kernel's tables are emptied; `scheduled` if `-t` had asked for it.
    KernelFlush {
        /// Which of them.
        tables: Tables,
        /// By the timer of `-t`.
        scheduled: bool,
    },
    /// A cache has reached its limit: flows are not replicated.
    CacheFull {
        /// The internal cache (else the external one).
        internal: bool,
    },
    /// The resend queue has reached its limit: the oldest flow falls out, and is sent again when
    /// there is room.
    ResendQueueFull,
    /// The peer's sequence numbers had jumped; its new ones were adopted.
    PeerSequenceRecovered,
    /// The peer has answered our greeting: it is there, and understands us.
    PeerGreeted,
    /// The peer greets although it was known: it has restarted.
    PeerRestarted,
    /// The peer, which sends something every second, has been silent for this long.
    PeerSilent(Duration),
    /// The peer is heard again.
    PeerBack,
    /// This link is used from now on.
    ChannelInUse(ChannelId),
    /// The link in use does not work, and neither does any other.
    NoChannel,
    /// Messages of the peer were lost, which this mode does not repair; how many.
    MessagesLost(u64),
    /// Without an internal cache nothing is kept, and the link takes no more: events are not told to
    /// the peer.
    EventsLost,
    /// Without an internal cache the request makes no sense, and was ignored.
    UnsupportedWithoutCache,
}

/// How far the injection of a flow of the peer had got when the kernel refused it for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// A new flow could not be created.
    Create,
    /// A new flow could not be created, even after the one in its place was deleted.
    CreateAfterDelete,
    /// A changed flow was not there, and could not be created.
    UpdateByCreate,
    /// A changed flow could not be created, even after the one in its place was deleted.
    UpdateAfterDelete,
    /// An ended flow could not be deleted.
    Destroy,
}

/// What became of the entries of one table in a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries now in the kernel thanks to this commit.
    pub committed: u64,
    /// Entries that the kernel refused.
    pub failed: u64,
    /// Entries that the peer ended while they were refused and before they were tried again.
    pub vanished: u64,
}

/// Result of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitReport {
    /// Which tables were committed.
    pub tables: Tables,
    /// What became of the flows.
    pub flows: Tally,
    /// What became of the expectations.
    pub expectations: Tally,
    /// Of the committed ones, those of which the kernel refused the helper.
    pub without_helper: u64,
    /// Of the committed ones, those whose master is not in the kernel.
    pub without_master: u64,
    /// From the request to the last answer of the kernel.
    pub duration: Duration,
}

impl CommitReport {
    /// A commit that has done nothing yet.
    pub const fn new(tables: Tables) -> Self {
        let none = Tally {
            committed: 0,
            failed: 0,
            vanished: 0,
        };
        Self {
            tables,
            flows: none,
            expectations: none,
            without_helper: 0,
            without_master: 0,
            duration: Duration::ZERO,
        }
    }
}

/// Whether the caller is to be told of new flows by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewFlows {
    /// It is.
    Heard,
    /// It is not: a commit makes so many of them. Changes and ends are told of all the same.
    Unheard,
}

/// One thing to be done by the caller.
#[derive(Clone, Debug)]
pub enum Output<'a> {
    /// Send this datagram on this link.
    Transmit {
        /// The link.
        channel: ChannelId,
        /// The payload, at most the link's MTU less IP and UDP headers.
        bytes: &'a [u8],
    },
    /// Change the kernel's table. Operations are to be carried out in order.
    Kernel {
        /// Name of the operation, for its outcome.
        op: OpId,
        /// The operation.
        action: KernelOp<'a>,
    },
    /// Read the kernel's tables, flows first, and report them by `Input::Dumped` and `Input::DumpDone`.
    Dump(DumpReason, Tables),
    /// Be told of new flows, or not. At the start they are heard. Without events it makes no
    /// difference.
    NewFlows(NewFlows),
    /// Delete from the kernel's tables every flow that passes the filter, and every expectation.
    FlushKernel(Tables),
    /// The kernel has refused a flow or an expectation of the commit for good.
    CommitRefused {
        /// What it refused.
        object: Object<'a>,
        /// The reason.
        refusal: Refusal,
    },
    /// The kernel has refused for good what was to be injected.
    InjectRefused {
        /// What it refused.
        object: Object<'a>,
        /// What was tried.
        injection: Injection,
        /// The reason.
        refusal: Refusal,
    },
    /// A commit has ended; its client waits for this.
    CommitDone {
        /// Who asked.
        client: ClientId,
        /// What came of it.
        report: CommitReport,
    },
    /// To be logged.
    Notice(Notice),
}
