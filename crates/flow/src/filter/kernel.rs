//! The selection that the kernel itself makes when it dumps or flushes a table.
//!
//! It knows exact values of some fields, joined by "and". What it cannot express is left to the
//! filters in user space. Tuples can be filtered by since Linux 5.8 (`CTA_FILTER`), in flushes since
//! later; kernels that cannot refuse the request.
//!
//! IPv6 addresses are not among the fields: the kernel's comparison of them is negated
//! (`ctnetlink_filter_match_tuple`, 5.8 to at least 6.18), so that it would select exactly the
//! flows that were not asked for. Nor are zones of one direction, which it reads and then ignores.

use core::net::Ipv4Addr;

use crate::flow::{Mark, Zone};
use crate::protocol::{Family, Protocol};
use crate::status::Status;
use crate::tuple::PerDir;

/// Which flows the kernel dumps or flushes; the default is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFilter {
    /// Only flows of this family; needed as soon as a tuple is given.
    pub family: Option<Family>,
    /// Wanted parts of the two tuples.
    pub tuple: PerDir<PartialTuple>,
    /// `mark & mask == value`, `CTA_MARK` and `CTA_MARK_MASK`.
    pub mark: Option<MarkMatch>,
    /// `status & mask == value`, `CTA_STATUS` and `CTA_STATUS_MASK`.
    pub status: Option<StatusMatch>,
    /// Zone of both directions, `CTA_ZONE`; 0 are the flows in no zone.
    pub zone: Option<Zone>,
}

/// A wanted mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkMatch {
    /// The value under the mask.
    pub value: Mark,
    /// Which bits count.
    pub mask: u32,
}

/// Wanted status bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusMatch {
    /// The value under the mask.
    pub value: Status,
    /// Which bits count; the kernel refuses a mask without bits.
    pub mask: Status,
}

/// Wanted parts of a tuple; what is `None` does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialTuple {
    /// Source address, IPv4 only.
    pub src: Option<Ipv4Addr>,
    /// Destination address, IPv4 only.
    pub dst: Option<Ipv4Addr>,
    /// Protocol; needed as soon as one of the following is given.
    pub protocol: Option<Protocol>,
    /// Source port or key.
    pub src_port: Option<u16>,
    /// Destination port or key.
    pub dst_port: Option<u16>,
    /// ICMP or ICMPv6 type.
    pub icmp_kind: Option<u8>,
    /// ICMP or ICMPv6 code.
    pub icmp_code: Option<u8>,
    /// ICMP or ICMPv6 identifier.
    pub icmp_id: Option<u16>,
}

impl MarkMatch {
    /// Whether a mark is wanted.
    pub const fn matches(self, mark: Mark) -> bool {
        mark.0 & self.mask == self.value.0
    }
}

impl StatusMatch {
    /// No bit counts.
    pub const ANY: Self = Self {
        value: Status(0),
        mask: Status(0),
    };

    /// Demands in addition that these bits are set.
    #[must_use]
    pub fn with(self, bits: Status) -> Self {
        Self {
            value: self.value | bits,
            mask: self.mask | bits,
        }
    }

    /// Demands in addition that these bits are not set.
    #[must_use]
    pub fn without(self, bits: Status) -> Self {
        Self {
            value: self.value.without(bits),
            mask: self.mask | bits,
        }
    }

    /// Whether a status is wanted.
    pub fn matches(self, status: Status) -> bool {
        status & self.mask == self.value
    }
}

impl PartialTuple {
    /// Whether nothing is asked of the tuple.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
