//! Everything that can happen to a [`Node`](crate::Node): a closed set of plain data.
//!
//! The daemon, the simulator and a recorded trace all speak through these types.

use flow::{Event, Object};

/// A dedicated link, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u8);

/// Who sent a datagram, as far as its source address tells: a number that the caller derives from
/// it. Zero where that is unknown or makes no difference, as on a link with one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// A client that waits for an answer, named by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// A kernel operation the node asked for; increases by one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u32);

/// Why the kernel's table is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DumpReason {
    /// The daemon has just started: load the internal cache, send nothing.
    Startup,
    /// A client asked for it (`-R`): merge into the internal cache, send nothing.
    Request,
    /// Events were lost: merge, send what differs, and drop what the kernel no longer has.
    Overrun,
    /// Its time has come (`PollSecs`): merge, send what differs, and drop what the kernel no
    /// longer has.
    Poll,
    /// The peer is to be sent everything, and there is no internal cache: send each entry.
    Bulk,
    /// Flows may have begun unheard during a commit: merge, and send what is new but for what the
    /// commit wrote. To be begun when the events that wait have been told.
    Commit,
}

/// Which of the kernel's tables, or of the caches beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tables {
    /// That of flows.
    Flows,
    /// That of expectations.
    Expectations,
    /// Both, flows first.
    All,
}

impl Tables {
    /// Whether flows are meant.
    pub const fn flows(self) -> bool {
        matches!(self, Self::Flows | Self::All)
    }

    /// Whether expectations are meant.
    pub const fn expectations(self) -> bool {
        matches!(self, Self::Expectations | Self::All)
    }

    /// What either of the two means.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::All }
    }
}

/// What a client asks of the node (`conntrackd -c`, `-f`, …).
///
/// Requests that only read (`-i`, `-e`, `-s`) go through the node's views instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// `-c`: write the external cache into the kernel. Answered by
    /// [`Output::CommitDone`](crate::Output::CommitDone).
    Commit(ClientId, Tables),
    /// `-f internal`.
    FlushInternal,
    /// `-f external`.
    FlushExternal,
    /// `-f`.
    FlushCaches,
    /// `-F`: delete from the kernel's tables what the filter lets through.
    FlushKernel(Tables),
    /// `-R`: read the kernel's tables into the internal cache.
    ResyncKernel(Tables),
    /// `-B`: send the whole internal cache.
    SendBulk,
    /// `-n`: ask the peer for its whole internal cache.
    RequestBulk,
    /// `-t`: flush the kernel's table after the purge timeout.
    SchedulePurge,
}

/// Why the kernel refused an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `EEXIST`.
    Exists,
    /// `ENOENT`.
    NotFound,
    /// The table is full (`ENOMEM`, `ENOSPC`, `ENOBUFS`).
    Full,
    /// `EOPNOTSUPP`: among others an unknown helper.
    Unsupported,
    /// `EINVAL`, `ERANGE`: the entry as such is refused.
    Invalid,
    /// Any other errno.
    Other(i32),
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The kernel says that a flow or expectation changed. Filtered by the caller.
    Event(Event<'a>),
    /// The kernel dropped events because nobody read them in time.
    Overrun,
    /// One entry of the dump in progress. Filtered by the caller.
    Dumped(Object<'a>),
    /// The dump in progress has ended. `complete` is false if the kernel said that the table
    /// changed under it (`NLM_F_DUMP_INTR`) or reading failed: then absence proves nothing.
    DumpDone {
        /// Whether each entry of the table was seen.
        complete: bool,
    },
    /// A datagram from the peer, or on TCP any number of whole messages.
    Datagram {
        /// The link it came on.
        channel: ChannelId,
        /// Who sent it.
        peer: PeerId,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// A client's request.
    Request(Request),
    /// The kernel refused an operation. Operations that are not refused have succeeded once
    /// [`Input::OpsDone`] passes them.
    OpRefused {
        /// The operation.
        op: OpId,
        /// The reason.
        refusal: Refusal,
    },
    /// All operations up to this one have ended; their refusals were reported before.
    OpsDone {
        /// The last operation that has ended.
        through: OpId,
    },
    /// The link cannot take datagrams for now: nothing is to be sent on it until it can.
    ChannelBlocked(ChannelId),
    /// The link can take datagrams (again).
    ChannelReady(ChannelId),
    /// The link's interface works (again). A link counts as up until it is said to be down.
    ChannelUp(ChannelId),
    /// The link's interface does not work.
    ChannelDown(ChannelId),
    /// The link's MTU is another one than at the start.
    ChannelSize {
        /// The link.
        channel: ChannelId,
        /// Largest datagram payload from now on.
        payload_len_max: usize,
    },
    /// The caller's clock has reached [`Node::timeout`](crate::Node::timeout).
    Timeout,
}
