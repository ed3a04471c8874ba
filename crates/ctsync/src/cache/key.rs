//! What makes two flows the same: family, protocol, addresses, ports or their like, and zone.
//!
//! Stock leaves the zone and the GRE keys out of the comparison, so that flows of two zones
//! overwrite each other.

use flow::{Addrs, Flow, L4, Tuple, Zone};

use super::hash::HashKey;
use super::table::Identity;

/// Identity of a flow in a cache, packed into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// An IPv4 flow.
    V4 {
        /// Source and destination address.
        addrs: u64,
        /// Layer 4 fields, zone and protocol.
        rest: u64,
    },
    /// An IPv6 flow.
    V6 {
        /// Source address.
        src: u128,
        /// Destination address.
        dst: u128,
        /// Layer 4 fields, zone and protocol.
        rest: u64,
    },
}

impl Key {
    /// The key of an original tuple in a zone.
    pub(crate) fn new(addrs: &Addrs, l4: &L4, zone: Zone) -> Self {
        Self::from_parts(addrs, l4_words(l4), l4.protocol().0, zone.0)
    }

    /// The key of a flow. A zone of the original direction alone counts like one of both.
    pub(crate) fn of_flow(flow: &Flow<'_>) -> Self {
        let zone = flow.zone.or(flow.orig.zone).unwrap_or_default();
        Self::new(&flow.orig.addrs, &flow.orig.l4, zone)
    }

    /// The key of a tuple in a zone.
    pub(crate) fn of_tuple(tuple: &Tuple, zone: Zone) -> Self {
        Self::new(&tuple.addrs, &tuple.l4, zone)
    }

    pub(super) fn from_parts(addrs: &Addrs, l4: [u16; 2], protocol: u8, zone: u16) -> Self {
        let [a, b] = l4.map(u64::from);
        let rest = a << 48 | b << 32 | u64::from(zone) << 16 | u64::from(protocol);
        match addrs {
            Addrs::V4 { src, dst } => Self::V4 {
                addrs: u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()),
                rest,
            },
            Addrs::V6 { src, dst } => Self::V6 {
                src: src.to_bits(),
                dst: dst.to_bits(),
                rest,
            },
        }
    }
}

impl Identity for Key {
    fn hash(&self, key: &HashKey) -> u64 {
        match *self {
            Self::V4 { addrs, rest } => key.hash(&[addrs, rest]),
            Self::V6 { src, dst, rest } => {
                let [a, b] = halves(src);
                let [c, d] = halves(dst);
                key.hash(&[a, b, c, d, rest])
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are meant")]
pub(super) const fn halves(word: u128) -> [u64; 2] {
    [(word >> 64) as u64, word as u64]
}

/// The layer 4 part of a tuple as two numbers.
pub(super) fn l4_words(l4: &L4) -> [u16; 2] {
    match *l4 {
        L4::Tcp(ports)
        | L4::Udp(ports)
        | L4::UdpLite(ports)
        | L4::Sctp(ports)
        | L4::Dccp(ports) => [ports.src, ports.dst],
        L4::Gre(keys) => [keys.src, keys.dst],
        L4::Icmp(icmp) | L4::Icmpv6(icmp) => [icmp.id, u16::from_be_bytes([icmp.kind, icmp.code])],
        L4::Other(_) => [0, 0],
    }
}
