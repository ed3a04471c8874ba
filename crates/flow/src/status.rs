//! Status bits of a flow (`enum ip_conntrack_status`).
//!
//! A newtype over the kernel's word rather than a set of flags: a kernel newer than this program may
//! set a bit that has no name here, and that one has to survive a round trip.

use core::fmt;
use core::ops::{BitAnd, BitOr, Not};

/// Status bits of a flow (`CTA_STATUS`), kept whole: bits without a name here survive.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

impl Status {
    /// The flow was expected (`IPS_EXPECTED`).
    pub const EXPECTED: Self = Self(0x1);
    /// Packets were seen in both directions (`IPS_SEEN_REPLY`).
    pub const SEEN_REPLY: Self = Self(0x2);
    /// Never to be dropped early (`IPS_ASSURED`).
    pub const ASSURED: Self = Self(0x4);
    /// In the table (`IPS_CONFIRMED`).
    pub const CONFIRMED: Self = Self(0x8);
    /// Source is translated (`IPS_SRC_NAT`).
    pub const SRC_NAT: Self = Self(0x10);
    /// Destination is translated (`IPS_DST_NAT`).
    pub const DST_NAT: Self = Self(0x20);
    /// TCP sequence numbers are adjusted (`IPS_SEQ_ADJUST`).
    pub const SEQ_ADJUST: Self = Self(0x40);
    /// Source translation was decided (`IPS_SRC_NAT_DONE`).
    pub const SRC_NAT_DONE: Self = Self(0x80);
    /// Destination translation was decided (`IPS_DST_NAT_DONE`).
    pub const DST_NAT_DONE: Self = Self(0x100);
    /// No longer in the table (`IPS_DYING`).
    pub const DYING: Self = Self(0x200);
    /// The timeout is never refreshed (`IPS_FIXED_TIMEOUT`).
    pub const FIXED_TIMEOUT: Self = Self(0x400);
    /// A template, never in the table (`IPS_TEMPLATE`).
    pub const TEMPLATE: Self = Self(0x800);
    /// A helper was attached explicitly (`IPS_HELPER`).
    pub const HELPER: Self = Self(0x2000);
    /// In a flow table (`IPS_OFFLOAD`).
    pub const OFFLOAD: Self = Self(0x4000);
    /// In hardware (`IPS_HW_OFFLOAD`).
    pub const HW_OFFLOAD: Self = Self(0x8000);

    /// The bits that have a name, lowest first.
    pub const NAMES: [(Self, &'static str); 15] = [
        (Self::EXPECTED, "EXPECTED"),
        (Self::SEEN_REPLY, "SEEN_REPLY"),
        (Self::ASSURED, "ASSURED"),
        (Self::CONFIRMED, "CONFIRMED"),
        (Self::SRC_NAT, "SRC_NAT"),
        (Self::DST_NAT, "DST_NAT"),
        (Self::SEQ_ADJUST, "SEQ_ADJUST"),
        (Self::SRC_NAT_DONE, "SRC_NAT_DONE"),
        (Self::DST_NAT_DONE, "DST_NAT_DONE"),
        (Self::DYING, "DYING"),
        (Self::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
        (Self::TEMPLATE, "TEMPLATE"),
        (Self::HELPER, "HELPER"),
        (Self::OFFLOAD, "OFFLOAD"),
        (Self::HW_OFFLOAD, "HW_OFFLOAD"),
    ];

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether at least one bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The set bits that have a name, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .filter(move |(bit, _)| self.contains(*bit))
            .map(|(_, name)| *name)
    }
}

impl BitOr for Status {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Status {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Status {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#x}", self.0)?;
        for name in self.names() {
            write!(f, " {name}")?;
        }
        f.write_str(")")
    }
}
