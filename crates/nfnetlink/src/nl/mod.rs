//! Netlink framing: messages in a receive buffer, attributes in a message, and their writers.
//!
//! Everything that reads works on sub-slices of what was received and cannot leave them; lengths
//! that lie are [`Malformed`](crate::Malformed). The header is in host byte order, as netlink
//! never crosses a machine; what the attributes hold is the business of the modules above.

mod attr;
mod builder;
mod failure;
mod message;

pub(crate) use attr::NESTED;
pub use attr::{Attr, Attrs};
pub use builder::{AttrWriter, Builder};
pub use failure::Failure;
pub use message::{Header, Message, Messages};

/// Rounds up to the alignment of messages and attributes (`NLMSG_ALIGN`, `NLA_ALIGN`).
pub(crate) const fn align(len: usize) -> usize {
    len.saturating_add(3) & !3
}

/// Values of `nlmsg_flags`.
pub mod flags {
    /// A request (`NLM_F_REQUEST`).
    pub const REQUEST: u16 = 0x1;
    /// Part of several messages, the last of which is `NLMSG_DONE` (`NLM_F_MULTI`).
    pub const MULTI: u16 = 0x2;
    /// Success is to be acknowledged, too (`NLM_F_ACK`).
    pub const ACK: u16 = 0x4;
    /// The table changed during a dump (`NLM_F_DUMP_INTR`).
    pub const DUMP_INTERRUPTED: u16 = 0x10;
    /// The kernel applied the filter of a dump request (`NLM_F_DUMP_FILTERED`).
    pub const DUMP_FILTERED: u16 = 0x20;
    /// All objects, not one (`NLM_F_DUMP`).
    pub const DUMP: u16 = 0x300;
    /// Fail if it exists (`NLM_F_EXCL`).
    pub const EXCL: u16 = 0x200;
    /// Create if it does not exist (`NLM_F_CREATE`).
    pub const CREATE: u16 = 0x400;
    /// In an error: the request is quoted by its header only (`NLM_F_CAPPED`).
    pub const CAPPED: u16 = 0x100;
    /// In an error: attributes with details follow (`NLM_F_ACK_TLVS`).
    pub const ACK_TLVS: u16 = 0x200;
}

/// Values of `nlmsg_type` below the subsystems.
pub mod control {
    /// Nothing (`NLMSG_NOOP`).
    pub const NOOP: u16 = 1;
    /// An error, or the acknowledgement of success (`NLMSG_ERROR`).
    pub const ERROR: u16 = 2;
    /// End of a dump (`NLMSG_DONE`).
    pub const DONE: u16 = 3;
    /// Data lost (`NLMSG_OVERRUN`).
    pub const OVERRUN: u16 = 4;
}
