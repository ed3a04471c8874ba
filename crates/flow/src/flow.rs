//! One entry of the connection tracking table.
//!
//! Absent attributes are `None`, never zero: whether the kernel reported a mark of 0 or no mark
//! decides what `conntrack` prints and what is sent to the peer.

use core::fmt;

use crate::labels::Labels;
use crate::nat::{NatRange, SeqAdj, Synproxy};
use crate::protocol::{Family, Protocol};
use crate::protoinfo::ProtoInfo;
use crate::status::Status;
use crate::tuple::{Dir, PerDir, Tuple};

/// Packet mark of a flow (`CTA_MARK`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub u32);

/// Conntrack zone (`CTA_ZONE`, `CTA_TUPLE_ZONE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone(pub u16);

/// A name that the kernel or a peer gave, without its terminating zero.
///
/// Not necessarily UTF-8: printing escapes what is not printable ASCII, so that a name from a
/// stranger cannot drive a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// A name; everything from the first zero byte on is left out.
    pub fn new(bytes: &'a [u8]) -> Self {
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        Self(bytes.get(..end).unwrap_or(bytes))
    }

    /// The bytes, without a terminating zero.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The helper attached to a flow (`CTA_HELP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Helper<'a> {
    /// `CTA_HELP_NAME`, at most 15 bytes in the kernel.
    pub name: Name<'a>,
    /// Private data of a user-space helper, `CTA_HELP_INFO`.
    pub info: Option<&'a [u8]>,
}

/// Traffic of one direction (`CTA_COUNTERS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, layer 3 headers included.
    pub bytes: u64,
}

/// Life span of a flow in nanoseconds since 1970 (`CTA_TIMESTAMP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// `CTA_TIMESTAMP_START`.
    pub start: u64,
    /// `CTA_TIMESTAMP_STOP`, known when the flow has ended.
    pub stop: Option<u64>,
}

/// One entry of the connection tracking table: everything `enum ctattr_type` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow<'a> {
    /// `CTA_TUPLE_ORIG`.
    pub orig: Tuple,
    /// `CTA_TUPLE_REPLY`; the kernel always reports it, requests and peers may leave it out.
    pub reply: Option<Tuple>,
    /// `CTA_STATUS`.
    pub status: Option<Status>,
    /// Remaining life in seconds, `CTA_TIMEOUT`.
    pub timeout: Option<u32>,
    /// `CTA_PROTOINFO`.
    pub protoinfo: Option<ProtoInfo>,
    /// `CTA_MARK`.
    pub mark: Option<Mark>,
    /// Which bits of the mark a request is about, `CTA_MARK_MASK`; never reported.
    pub mark_mask: Option<u32>,
    /// Zone of both directions, `CTA_ZONE`.
    pub zone: Option<Zone>,
    /// `CTA_LABELS`.
    pub labels: Option<Labels>,
    /// Which labels a request changes, `CTA_LABELS_MASK`; never reported.
    pub labels_mask: Option<Labels>,
    /// Source translation to set up, `CTA_NAT_SRC`; never reported.
    pub nat_src: Option<NatRange>,
    /// Destination translation to set up, `CTA_NAT_DST`; never reported.
    pub nat_dst: Option<NatRange>,
    /// `CTA_SEQ_ADJ_ORIG` and `CTA_SEQ_ADJ_REPLY`.
    pub seq_adj: PerDir<Option<SeqAdj>>,
    /// `CTA_SYNPROXY`.
    pub synproxy: Option<Synproxy>,
    /// `CTA_HELP`.
    pub helper: Option<Helper<'a>>,
    /// Original tuple of the flow this one belongs to, `CTA_TUPLE_MASTER`.
    pub master: Option<Tuple>,
    /// `CTA_COUNTERS_ORIG` and `CTA_COUNTERS_REPLY`.
    pub counters: PerDir<Option<Counters>>,
    /// `CTA_TIMESTAMP`.
    pub timestamp: Option<Timestamp>,
    /// When the event happened, nanoseconds since 1970, `CTA_TIMESTAMP_EVENT` (since Linux 6.14).
    pub event_time: Option<u64>,
    /// `CTA_SECMARK`, obsolete kernels only.
    pub secmark: Option<u32>,
    /// Name of the security context, `CTA_SECCTX`.
    pub secctx: Option<Name<'a>>,
    /// `CTA_ID`.
    pub id: Option<u32>,
    /// Reference count, `CTA_USE`.
    pub use_count: Option<u32>,
}

impl Flow<'_> {
    /// A flow of which only the original tuple is known.
    pub const fn new(orig: Tuple) -> Self {
        Self {
            orig,
            reply: None,
            status: None,
            timeout: None,
            protoinfo: None,
            mark: None,
            mark_mask: None,
            zone: None,
            labels: None,
            labels_mask: None,
            nat_src: None,
            nat_dst: None,
            seq_adj: PerDir {
                orig: None,
                reply: None,
            },
            synproxy: None,
            helper: None,
            master: None,
            counters: PerDir {
                orig: None,
                reply: None,
            },
            timestamp: None,
            event_time: None,
            secmark: None,
            secctx: None,
            id: None,
            use_count: None,
        }
    }

    /// The address family.
    pub const fn family(&self) -> Family {
        self.orig.family()
    }

    /// The protocol number.
    pub const fn protocol(&self) -> Protocol {
        self.orig.protocol()
    }

    /// The tuple of one direction, if it is known.
    pub const fn tuple(&self, dir: Dir) -> Option<&Tuple> {
        match dir {
            Dir::Original => Some(&self.orig),
            Dir::Reply => self.reply.as_ref(),
        }
    }

    /// Whether the status is known and has all of these bits.
    pub fn has_status(&self, bits: Status) -> bool {
        self.status.is_some_and(|status| status.contains(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_name_ends_at_its_zero_and_prints_no_control_bytes() {
        let name = Name::new(b"ft\x1b[p\0junk");
        assert_eq!(name.as_bytes(), b"ft\x1b[p");
        assert_eq!(format!("{name}"), "ft\\x1b[p");
    }
}
