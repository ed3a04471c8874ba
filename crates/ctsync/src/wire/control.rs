//! Control messages: acknowledgements, requests for a bulk, signs of life (docs/wire.md,
//! "Control messages").
//!
//! ```text
//! +---------------------------------------------------------------+
//! |                     header, type 10, flags                    |
//! +---------------------------------------------------------------+
//! |          from: first number of the range (not ALIVE)          |
//! +---------------------------------------------------------------+
//! |          to: last number of the range (not ALIVE)             |
//! +---------------------------------------------------------------+
//! ```

use alloc::vec::Vec;

use crate::seq::Seq;
use crate::wire::DropReason;
use crate::wire::header::{Flags, Header, Kind};
use crate::wire::split::Message;

/// Length of what follows the header in all control messages but ALIVE.
pub(super) const CONTROL_BODY_LEN: usize = 8;

/// Sequence numbers `from` to `to`, both included; `to` is never before `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqRange {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
}

impl SeqRange {
    /// Whether the number lies in the range.
    pub const fn contains(&self, seq: Seq) -> bool {
        !seq.is_before(self.from) && !seq.is_after(self.to)
    }
}

/// What a control message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// These messages arrived.
    Ack(SeqRange),
    /// These did not.
    Nack(SeqRange),
    /// Send me your whole table.
    Resync,
    /// Nothing, but I am here.
    Alive,
}

impl Control {
    /// Reads a message of type [`Kind::Control`]. When several flags are set the first of ACK,
    /// NACK, RESYNC, ALIVE counts; none of them, or a range that ends before it begins, is
    /// [`DropReason::BadHeader`].
    pub fn decode(message: &Message<'_>) -> Result<Self, DropReason> {
        let flags = message.header.flags;
        if flags.contains(Flags::ACK) {
            decode_range(message.body).map(Self::Ack)
        } else if flags.contains(Flags::NACK) {
            decode_range(message.body).map(Self::Nack)
        } else if flags.contains(Flags::RESYNC) {
            Ok(Self::Resync)
        } else if flags.contains(Flags::ALIVE) {
            Ok(Self::Alive)
        } else {
            Err(DropReason::BadHeader)
        }
    }

    /// Appends the message, 16 bytes or 8 for ALIVE. Of `greeting` only HELLO and HELLO_BACK are
    /// sent.
    pub fn encode(&self, greeting: Flags, seq: Seq, out: &mut Vec<u8>) {
        let header = Header {
            kind: Kind::Control,
            flags: self.flag() | greeting.greeting(),
            seq,
        };
        header.encode_with(out, |out| {
            if let Some(SeqRange { from, to }) = self.range() {
                out.extend_from_slice(&from.0.to_be_bytes());
                out.extend_from_slice(&to.0.to_be_bytes());
            }
        });
    }

    /// The flag that names it.
    pub const fn flag(&self) -> Flags {
        match self {
            Self::Ack(_) => Flags::ACK,
            Self::Nack(_) => Flags::NACK,
            Self::Resync => Flags::RESYNC,
            Self::Alive => Flags::ALIVE,
        }
    }

    const fn range(&self) -> Option<SeqRange> {
        match *self {
            Self::Ack(range) | Self::Nack(range) => Some(range),
            Self::Resync => Some(SeqRange {
                from: Seq(0),
                to: Seq(0),
            }),
            Self::Alive => None,
        }
    }
}

fn decode_range(body: &[u8]) -> Result<SeqRange, DropReason> {
    let Some(&[a, b, c, d, e, f, g, h]) = body.first_chunk::<CONTROL_BODY_LEN>() else {
        return Err(DropReason::Truncated);
    };
    let range = SeqRange {
        from: Seq(u32::from_be_bytes([a, b, c, d])),
        to: Seq(u32::from_be_bytes([e, f, g, h])),
    };
    if range.to.is_before(range.from) {
        return Err(DropReason::BadHeader);
    }
    Ok(range)
}
