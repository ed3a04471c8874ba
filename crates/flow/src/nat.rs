//! Translation and what it does to TCP sequence numbers.

use core::net::IpAddr;
use core::ops::RangeInclusive;

/// A translation to be set up when a flow is created (`CTA_NAT_SRC`, `CTA_NAT_DST`).
///
/// The kernel never reports this attribute: what a translation did is read off the two tuples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatRange {
    /// Addresses to choose from, `CTA_NAT_V4_MINIP` to `CTA_NAT_V4_MAXIP` or the IPv6 ones.
    pub addr: Option<RangeInclusive<IpAddr>>,
    /// Ports to choose from, `CTA_PROTONAT_PORT_MIN` to `CTA_PROTONAT_PORT_MAX`.
    pub port: Option<RangeInclusive<u16>>,
}

impl NatRange {
    /// Translation to exactly this address, and to this port if there is one.
    pub const fn exact(addr: IpAddr, port: Option<u16>) -> Self {
        Self {
            addr: Some(RangeInclusive::new(addr, addr)),
            port: match port {
                Some(port) => Some(RangeInclusive::new(port, port)),
                None => None,
            },
        }
    }
}

/// Adjustment of TCP sequence numbers in one direction (`CTA_SEQ_ADJ_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqAdj {
    /// Sequence number of the last change, `CTA_SEQADJ_CORRECTION_POS`.
    pub correction_pos: u32,
    /// Offset before that number, `CTA_SEQADJ_OFFSET_BEFORE` (a signed value in its raw bits).
    pub offset_before: u32,
    /// Offset after that number, `CTA_SEQADJ_OFFSET_AFTER` (a signed value in its raw bits).
    pub offset_after: u32,
}

/// Data of a flow behind a SYN proxy (`CTA_SYNPROXY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synproxy {
    /// Initial sequence number, `CTA_SYNPROXY_ISN`.
    pub isn: u32,
    /// Initial time stamp, `CTA_SYNPROXY_ITS`.
    pub its: u32,
    /// Time stamp offset, `CTA_SYNPROXY_TSOFF`.
    pub tsoff: u32,
}
