//! What can be wrong with bytes from the kernel, and with values meant for it.
//!
//! Both errors are small, `Copy` and without text of their own: they are counted under their
//! reason, and the caller says which message it was.

use core::fmt;

/// Why a message cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Malformed {
    /// A message is shorter than its header or longer than what was received.
    MessageLength,
    /// A message ends before the fixed part that its type needs.
    Truncated,
    /// An attribute is shorter than its header or longer than what contains it.
    AttributeLength,
    /// An attribute known here does not have the size of its type.
    AttributeSize,
    /// A message of a subsystem or type that is not expected here.
    MessageType,
    /// The tuple that names the object is absent.
    MissingTuple,
    /// A tuple lacks an address.
    MissingAddress,
    /// A tuple holds addresses of two families.
    MixedFamilies,
    /// A tuple lacks the protocol number.
    MissingProtocol,
    /// A direction that is neither original nor reply.
    Direction,
}

impl Malformed {
    /// All reasons, for counters.
    pub const ALL: [Self; 10] = [
        Self::MessageLength,
        Self::Truncated,
        Self::AttributeLength,
        Self::AttributeSize,
        Self::MessageType,
        Self::MissingTuple,
        Self::MissingAddress,
        Self::MixedFamilies,
        Self::MissingProtocol,
        Self::Direction,
    ];

    /// The reason in a few words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MessageLength => "message length out of bounds",
            Self::Truncated => "message ends early",
            Self::AttributeLength => "attribute length out of bounds",
            Self::AttributeSize => "attribute of unexpected size",
            Self::MessageType => "message of unexpected type",
            Self::MissingTuple => "tuple missing",
            Self::MissingAddress => "address missing",
            Self::MixedFamilies => "addresses of two families",
            Self::MissingProtocol => "protocol missing",
            Self::Direction => "unknown direction",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for Malformed {}

/// Why a value cannot be told to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EncodeError {
    /// An attribute longer than its 16-bit length can say.
    TooLong,
    /// An address range or filter holds addresses of two families.
    MixedFamilies,
    /// A new flow without reply tuple whose original tuple has no mirror image.
    MissingReply,
    /// A filter by tuple needs an address family.
    FilterNeedsFamily,
    /// A filter by ports or ICMP fields needs a protocol that has them.
    FilterNeedsProtocol,
    /// A status filter that looks at no bit; the kernel refuses it.
    EmptyStatusMask,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "value too long for a netlink attribute",
            Self::MixedFamilies => "addresses of two families",
            Self::MissingReply => "no reply tuple, and none can be derived",
            Self::FilterNeedsFamily => "a filter by tuple needs an address family",
            Self::FilterNeedsProtocol => "a filter by ports or ICMP fields needs their protocol",
            Self::EmptyStatusMask => "a status filter needs at least one bit",
        })
    }
}

impl core::error::Error for EncodeError {}

/// A decoded value, and how much of the message had no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// Number of attributes that were skipped because they are unknown.
    pub unknown: u32,
}

impl<T> Decoded<T> {
    /// The same count with another value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Decoded<U> {
        Decoded {
            value: convert(self.value),
            unknown: self.unknown,
        }
    }
}
