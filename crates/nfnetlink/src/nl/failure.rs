//! Errors from the kernel, with what extended acknowledgement says about them.
//!
//! An error quotes the request it answers; whether whole or only by its header is told by a flag.
//! The details follow the quotation (`struct nlmsgerr`, `enum nlmsgerr_attrs`).

use core::fmt;

use flow::Name;

use crate::malformed::Malformed;
use crate::nl::{Attrs, Header, Message, align, control, flags};

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;
const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;

/// A request that the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The error number, positive.
    pub errno: i32,
    /// The kernel's words, `NLMSGERR_ATTR_MSG`.
    pub text: Option<Name<'a>>,
    /// Where in the request the attribute stands that it did not like, `NLMSGERR_ATTR_OFFS`.
    pub offset: Option<u32>,
    /// Type of an attribute that the request lacks, `NLMSGERR_ATTR_MISS_TYPE`.
    pub missing: Option<u32>,
}

impl<'a> Failure<'a> {
    /// Reads an `NLMSG_ERROR` or `NLMSG_DONE`: `None` for success.
    pub fn decode(message: &Message<'a>) -> Result<Option<Self>, Malformed> {
        let (errno, rest) = match message.payload.split_first_chunk() {
            Some((errno, rest)) => (i32::from_ne_bytes(*errno), rest),
            // Old kernels end some dumps without a number.
            None if message.header.kind == control::DONE => return Ok(None),
            None => return Err(Malformed::Truncated),
        };
        if errno == 0 {
            return Ok(None);
        }
        let mut failure = Self {
            errno: errno.saturating_abs(),
            text: None,
            offset: None,
            missing: None,
        };
        if message.header.has(flags::ACK_TLVS) {
            failure.read_details(after_quotation(message, rest)?)?;
        }
        Ok(Some(failure))
    }

    fn read_details(&mut self, details: &'a [u8]) -> Result<(), Malformed> {
        let mut attrs = Attrs::new(details);
        while let Some(attr) = attrs.try_next()? {
            // These come from netlink's core: numbers in host byte order.
            match attr.kind {
                NLMSGERR_ATTR_MSG => self.text = Some(attr.name()),
                NLMSGERR_ATTR_OFFS => self.offset = Some(u32::from_ne_bytes(*attr.bytes()?)),
                NLMSGERR_ATTR_MISS_TYPE => self.missing = Some(u32::from_ne_bytes(*attr.bytes()?)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What follows the quoted request of an error; the end of a dump quotes nothing.
fn after_quotation<'a>(message: &Message<'a>, rest: &'a [u8]) -> Result<&'a [u8], Malformed> {
    if message.header.kind == control::DONE {
        return Ok(rest);
    }
    let (len, _) = Header::decode(rest).map_err(|_| Malformed::Truncated)?;
    let quoted = if message.header.has(flags::CAPPED) {
        Header::LEN
    } else {
        usize::try_from(len).map_err(|_| Malformed::MessageLength)?
    };
    rest.get(align(quoted.max(Header::LEN))..)
        .ok_or(Malformed::Truncated)
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno {}", self.errno)?;
        match self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nl::{AttrWriter, Header};
    use std::vec::Vec;

    fn error(flags: u16, quoted: &[u8], details: bool) -> (Header, Vec<u8>) {
        let header = Header {
            kind: control::ERROR,
            flags,
            ..Header::default()
        };
        let mut payload = (-22_i32).to_ne_bytes().to_vec();
        let mut request = Header::default().encode();
        let len = u32::try_from(Header::LEN + quoted.len()).unwrap();
        request[..4].copy_from_slice(&len.to_ne_bytes());
        payload.extend_from_slice(&request);
        if flags & flags::CAPPED == 0 {
            payload.extend_from_slice(quoted);
            payload.resize(align(payload.len()), 0);
        }
        if details {
            AttrWriter::bare(&mut payload, |w| {
                w.name(NLMSGERR_ATTR_MSG, b"bad timeout");
                w.host32(NLMSGERR_ATTR_OFFS, 44);
                w.host32(9, 1);
            })
            .unwrap();
        }
        (header, payload)
    }

    fn check(flags: u16, quoted: &[u8], details: bool) {
        let (header, payload) = error(flags, quoted, details);
        let message = Message {
            header,
            payload: &payload,
        };
        let failure = Failure::decode(&message).unwrap().unwrap();
        assert_eq!(failure.errno, 22);
        assert_eq!(failure.offset, details.then_some(44));
        assert_eq!(failure.text, details.then_some(Name::new(b"bad timeout")));
    }

    #[test]
    fn details_stand_behind_the_quoted_request() {
        check(0, b"the request", false);
        check(flags::ACK_TLVS, b"the request", true);
        check(flags::ACK_TLVS | flags::CAPPED, b"the request", true);
    }

    #[test]
    fn a_quotation_that_lies_about_its_length_is_malformed() {
        let (header, mut payload) = error(flags::ACK_TLVS, b"abcd", true);
        payload[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let message = Message {
            header,
            payload: &payload,
        };
        assert_eq!(Failure::decode(&message), Err(Malformed::Truncated));
    }
}
