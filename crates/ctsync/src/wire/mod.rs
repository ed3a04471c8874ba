//! The messages that two daemons exchange (docs/wire.md).
//!
//! A datagram is [split](split()) into messages, each with a [`Header`]; what follows the header is read by
//! [`FlowMessage`], [`ExpectMessage`] or [`Control`]. Decoding borrows from the datagram and
//! allocates nothing; encoding appends to a caller's vector, at most [`MESSAGE_LEN_MAX`] bytes.
//!
//! This is the image of the bytes and no more: which attributes a flow is announced with, what a
//! sequence number means and which flags a mode accepts is decided elsewhere. Foreign bytes that
//! are wrong give a [`DropReason`], never a panic.

mod attr;
pub mod control;
pub mod expect;
pub mod flow;
pub mod header;
pub mod name;
pub mod split;
pub mod tuple;

pub use control::{Control, SeqRange};
pub use expect::ExpectMessage;
pub use flow::{FlowMessage, IcmpParts, NatParts};
pub use header::{Flags, Header, Kind};
pub use name::{FunctionName, HelperName, ShortName};
pub use split::{Message, Messages, split};
pub use tuple::TupleParts;

/// Longest message that this module encodes; shorter than any link's datagram.
pub const MESSAGE_LEN_MAX: usize = 512;

/// Why a message, or the rest of a datagram, was thrown away: one counter of `-s network` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Fewer bytes are left than the header, or the body of a control message, needs.
    Truncated,
    /// The length field contradicts the datagram or the message type.
    BadSize,
    /// Another protocol version.
    Version,
    /// Type and flags do not go together in this mode, or a range ends before it begins.
    BadHeader,
    /// A type that the mode let through and nobody handles.
    BadType,
    /// An attribute is wrong, unknown, or missing although no entry can do without.
    BadPayload,
}
