//! The eight bytes that every message begins with (docs/wire.md, "Header").
//!
//! ```text
//!  0               1               2               3
//! +-------+-------+---------------+-------------------------------+
//! |  1    | type  |     flags     |    length of whole message    |
//! +-------+-------+---------------+-------------------------------+
//! |                        sequence number                        |
//! +---------------------------------------------------------------+
//! ```

use core::ops::BitOr;

use alloc::vec::Vec;
use flow::EventKind;

use crate::seq::Seq;
use crate::wire::DropReason;

/// Length of the header.
pub const HEADER_LEN: usize = 8;

const VERSION: u8 = 1;
const TYPE_CONTROL: u8 = 10;

/// Flags of a message, kept whole: unknown bits make a message malformed, which a mode decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Control: send me your whole table.
    pub const RESYNC: Self = Self(0x02);
    /// Control: these messages did not arrive.
    pub const NACK: Self = Self(0x04);
    /// Control: these messages arrived.
    pub const ACK: Self = Self(0x08);
    /// Control: I am alive.
    pub const ALIVE: Self = Self(0x10);
    /// The sender has not been greeted back since it started.
    pub const HELLO: Self = Self(0x20);
    /// Answer to a HELLO.
    pub const HELLO_BACK: Self = Self(0x40);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The greeting alone: HELLO and HELLO_BACK.
    #[must_use]
    pub const fn greeting(self) -> Self {
        Self(self.0 & (Self::HELLO.0 | Self::HELLO_BACK.0))
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Types 0, 1, 2: a flow is new, changed or gone.
    Flow(EventKind),
    /// Types 3, 4, 5: the same for an expectation.
    Expectation(EventKind),
    /// Type 10: the flags say what it is.
    Control,
    /// A number that means nothing yet.
    Unassigned(u8),
}

impl Kind {
    /// The kind of a type number; only the low four bits count.
    pub const fn from_number(number: u8) -> Self {
        match number & 0x0f {
            0 => Self::Flow(EventKind::New),
            1 => Self::Flow(EventKind::Update),
            2 => Self::Flow(EventKind::Destroy),
            3 => Self::Expectation(EventKind::New),
            4 => Self::Expectation(EventKind::Update),
            5 => Self::Expectation(EventKind::Destroy),
            TYPE_CONTROL => Self::Control,
            other => Self::Unassigned(other),
        }
    }

    /// The type number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Flow(kind) => change_number(kind),
            Self::Expectation(kind) => 3 + change_number(kind),
            Self::Control => TYPE_CONTROL,
            Self::Unassigned(number) => number & 0x0f,
        }
    }
}

const fn change_number(kind: EventKind) -> u8 {
    match kind {
        EventKind::New => 0,
        EventKind::Update => 1,
        EventKind::Destroy => 2,
    }
}

/// A message's header without its length, which follows from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is about.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// Its sequence number.
    pub seq: Seq,
}

impl Header {
    /// Reads the header of a message whose length is known to be right.
    pub(super) fn decode(bytes: [u8; HEADER_LEN]) -> Result<Self, DropReason> {
        let [first, flags, _, _, seq @ ..] = bytes;
        if first >> 4 != VERSION {
            return Err(DropReason::Version);
        }
        Ok(Self {
            kind: Kind::from_number(first),
            flags: Flags(flags),
            seq: Seq(u32::from_be_bytes(seq)),
        })
    }

    /// Appends the header of a message of `len` bytes.
    fn encode(&self, len: u16, out: &mut Vec<u8>) {
        let [len_high, len_low] = len.to_be_bytes();
        let [a, b, c, d] = self.seq.0.to_be_bytes();
        let first = VERSION << 4 | self.kind.number();
        out.extend_from_slice(&[first, self.flags.0, len_high, len_low, a, b, c, d]);
    }

    /// Appends a message: this header, then what `body` appends.
    pub(super) fn encode_with(&self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        self.encode(0, out);
        body(out);
        let len = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = out.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&len.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_number_keeps_its_value() {
        for number in 0..16 {
            assert_eq!(Kind::from_number(number).number(), number);
        }
    }

    #[test]
    fn header_round_trip() {
        let header = Header {
            kind: Kind::Expectation(EventKind::Destroy),
            flags: Flags::HELLO | Flags::HELLO_BACK,
            seq: Seq(0x0102_0304),
        };
        let mut out = Vec::new();
        header.encode_with(&mut out, |out| out.extend_from_slice(&[9; 4]));
        assert_eq!(out, [0x15, 0x60, 0, 12, 1, 2, 3, 4, 9, 9, 9, 9]);
        assert_eq!(Header::decode(*out.first_chunk().unwrap()), Ok(header));
    }
}
