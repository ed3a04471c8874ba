//! Expectations: flows the kernel is told to wait for.
//!
//! An expectation is not a flow: it has a mask over its tuple instead of a second direction, and it
//! ends when the flow comes. It always has a master, the flow that announced it.

use crate::flow::{Name, Zone};
use crate::tuple::{Dir, Tuple};

/// Flags of an expectation (`CTA_EXPECT_FLAGS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExpectationFlags(pub u32);

impl ExpectationFlags {
    /// Survives its first match (`NF_CT_EXPECT_PERMANENT`).
    pub const PERMANENT: Self = Self(0x1);
    /// Never matches (`NF_CT_EXPECT_INACTIVE`).
    pub const INACTIVE: Self = Self(0x2);
    /// Made by a user-space helper (`NF_CT_EXPECT_USERSPACE`).
    pub const USERSPACE: Self = Self(0x4);

    /// All flags with a name.
    pub const NAMES: [(Self, &'static str); 3] = [
        (Self::PERMANENT, "PERMANENT"),
        (Self::INACTIVE, "INACTIVE"),
        (Self::USERSPACE, "USERSPACE"),
    ];

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Translation of the expected flow (`CTA_EXPECT_NAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectNat {
    /// Direction of the master in which the expected flow is opened, `CTA_EXPECT_NAT_DIR`.
    pub dir: Dir,
    /// Saved address and port, in the source position, `CTA_EXPECT_NAT_TUPLE`.
    pub tuple: Tuple,
}

/// A flow that the kernel waits for: everything `enum ctattr_expect` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation<'a> {
    /// Original tuple of the flow that announced this one, `CTA_EXPECT_MASTER`.
    pub master: Tuple,
    /// The tuple waited for, `CTA_EXPECT_TUPLE`.
    pub tuple: Tuple,
    /// Which bits of the tuple count, `CTA_EXPECT_MASK`.
    pub mask: Option<Tuple>,
    /// Remaining life in seconds, `CTA_EXPECT_TIMEOUT`.
    pub timeout: Option<u32>,
    /// `CTA_EXPECT_ID`.
    pub id: Option<u32>,
    /// `CTA_EXPECT_HELP_NAME`.
    pub helper: Option<Name<'a>>,
    /// `CTA_EXPECT_ZONE`.
    pub zone: Option<Zone>,
    /// `CTA_EXPECT_FLAGS`.
    pub flags: Option<ExpectationFlags>,
    /// Index into the helper's policies, `CTA_EXPECT_CLASS`.
    pub class: Option<u32>,
    /// `CTA_EXPECT_NAT`.
    pub nat: Option<ExpectNat>,
    /// Name of the function called for the new flow, `CTA_EXPECT_FN`.
    pub function: Option<Name<'a>>,
}

impl Expectation<'_> {
    /// An expectation of which only the tuple and its master are known.
    pub const fn new(master: Tuple, tuple: Tuple) -> Self {
        Self {
            master,
            tuple,
            mask: None,
            timeout: None,
            id: None,
            helper: None,
            zone: None,
            flags: None,
            class: None,
            nat: None,
            function: None,
        }
    }
}
