//! Netlink messages in a receive buffer.
//!
//! The kernel puts many of them into one read of a dump, and one into each event. Left-over bytes
//! that are no message are an error, like a length that leads out of the buffer.

use crate::malformed::Malformed;
use crate::nl::{align, flags};

/// `struct nlmsghdr` without its length.
///
/// ```text
///  0            4        6        8           12         16
/// +------------+--------+--------+-----------+----------+
/// | length     | type   | flags  | sequence  | port id  |   host byte order
/// +------------+--------+--------+-----------+----------+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `nlmsg_type`: subsystem and message, or a value of [`control`](crate::nl::control).
    pub kind: u16,
    /// `nlmsg_flags`, values of [`flags`].
    pub flags: u16,
    /// `nlmsg_seq`: the request's number, repeated in what answers it.
    pub sequence: u32,
    /// `nlmsg_pid`: port id of the socket that caused the message, 0 for the kernel itself.
    pub port_id: u32,
}

impl Header {
    /// Bytes of the header on the wire.
    pub const LEN: usize = 16;

    /// Whether all of these flags are set.
    pub const fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// Whether the table changed during the dump that this message belongs to.
    pub const fn is_interrupted(&self) -> bool {
        self.has(flags::DUMP_INTERRUPTED)
    }

    /// Reads length and header.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(u32, Self), Malformed> {
        let (bytes, _) = bytes
            .split_first_chunk::<{ Self::LEN }>()
            .ok_or(Malformed::MessageLength)?;
        let [
            l0,
            l1,
            l2,
            l3,
            k0,
            k1,
            f0,
            f1,
            s0,
            s1,
            s2,
            s3,
            p0,
            p1,
            p2,
            p3,
        ] = *bytes;
        let header = Self {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            port_id: u32::from_ne_bytes([p0, p1, p2, p3]),
        };
        Ok((u32::from_ne_bytes([l0, l1, l2, l3]), header))
    }

    /// The bytes of the header, with a length of zero that the builder sets later.
    pub(crate) fn encode(self) -> [u8; Self::LEN] {
        let [k0, k1] = self.kind.to_ne_bytes();
        let [f0, f1] = self.flags.to_ne_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_ne_bytes();
        let [p0, p1, p2, p3] = self.port_id.to_ne_bytes();
        [0, 0, 0, 0, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3]
    }
}

/// One netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The messages in a buffer, as one read of the socket returned it.
///
/// After an error the iterator ends: where the next message starts is unknown then.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The messages in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn split(&mut self) -> Result<Message<'a>, Malformed> {
        let (len, header) = Header::decode(self.rest)?;
        let len = usize::try_from(len).map_err(|_| Malformed::MessageLength)?;
        let payload = self
            .rest
            .get(Header::LEN..len)
            .ok_or(Malformed::MessageLength)?;
        // The last message may lack its padding.
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        Ok(Message { header, payload })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.split();
        if message.is_err() {
            self.rest = &[];
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn bytes(len: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            kind: 0x0100,
            flags: flags::MULTI,
            sequence: 7,
            port_id: 9,
        };
        let mut out = header.encode().to_vec();
        out[..4].copy_from_slice(&len.to_ne_bytes());
        out.extend_from_slice(payload);
        out
    }

    fn check(bytes: &[u8], expected: &[Result<&[u8], Malformed>]) {
        let got: Vec<_> = Messages::new(bytes)
            .map(|message| message.map(|message| message.payload))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn messages_follow_one_another_at_aligned_offsets() {
        check(&[], &[]);
        let mut two = bytes(17, b"a\0\0\0");
        two.extend_from_slice(&bytes(18, b"bc"));
        check(&two, &[Ok(b"a"), Ok(b"bc")]);
    }

    #[test]
    fn a_length_that_lies_ends_the_iteration() {
        for len in [0, 15, 21, u32::MAX, u32::MAX - 2] {
            check(&bytes(len, b"abcd"), &[Err(Malformed::MessageLength)]);
        }
        let mut good_then_short = bytes(16, b"");
        good_then_short.extend_from_slice(b"123");
        check(&good_then_short, &[Ok(b""), Err(Malformed::MessageLength)]);
    }

    #[test]
    fn the_header_survives() {
        let bytes = bytes(16, b"");
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!(message.header.kind, 0x0100);
        assert_eq!(message.header.flags, flags::MULTI);
        assert_eq!(message.header.sequence, 7);
        assert_eq!(message.header.port_id, 9);
    }
}
