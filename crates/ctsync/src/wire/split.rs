//! A datagram, cut into its messages (docs/wire.md, "Datagrams").
//!
//! Only lengths and the version are looked at. A wrong length makes it impossible to find the next
//! message, so it ends the datagram; a message of another version is passed over.

use crate::wire::DropReason;
use crate::wire::control::CONTROL_BODY_LEN;
use crate::wire::header::{Flags, HEADER_LEN, Header, Kind};

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header, of any length.
    pub body: &'a [u8],
}

/// The messages of a datagram, in their order; a malformed one appears as its [`DropReason`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

/// Cuts a datagram into messages.
pub const fn split(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match cut(self.rest) {
            Ok((message, rest)) => {
                self.rest = rest;
                Some(decode(message))
            }
            Err(reason) => {
                self.rest = &[];
                Some(Err(reason))
            }
        }
    }
}

/// Cuts off the first message; an error means that the next one cannot be found.
fn cut(bytes: &[u8]) -> Result<(&[u8], &[u8]), DropReason> {
    let Some(&[first, flags, len_high, len_low, ..]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(DropReason::Truncated);
    };
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    if len == 0 || len > bytes.len() {
        return Err(DropReason::BadSize);
    }
    let len_min = message_len_min(Kind::from_number(first), Flags(flags));
    if bytes.len() < len_min {
        return Err(DropReason::Truncated);
    }
    if len < len_min {
        return Err(DropReason::BadSize);
    }
    bytes.split_at_checked(len).ok_or(DropReason::BadSize)
}

/// Length that a message of this type has at least.
const fn message_len_min(kind: Kind, flags: Flags) -> usize {
    let with_range = Flags(Flags::ACK.0 | Flags::NACK.0 | Flags::RESYNC.0);
    match kind {
        Kind::Control if flags.0 & with_range.0 != 0 => HEADER_LEN + CONTROL_BODY_LEN,
        Kind::Control | Kind::Flow(_) | Kind::Expectation(_) | Kind::Unassigned(_) => HEADER_LEN,
    }
}

fn decode(message: &[u8]) -> Result<Message<'_>, DropReason> {
    let (header, body) = message
        .split_first_chunk::<HEADER_LEN>()
        .ok_or(DropReason::BadSize)?;
    Ok(Message {
        header: Header::decode(*header)?,
        body,
    })
}
