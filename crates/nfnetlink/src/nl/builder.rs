//! Writes messages into a caller's vector.
//!
//! Many messages may follow one another in one vector, which is then sent as one datagram. The
//! writers of attributes cannot fail where they are called: the first error is remembered, and the
//! message that has one is taken back as a whole.

use alloc::vec::Vec;

use crate::malformed::EncodeError;
use crate::nl::{Header, NESTED, align};
use crate::subsystem::GenHeader;

/// Appends netlink messages to a vector.
#[derive(Debug)]
pub struct Builder<'v> {
    out: &'v mut Vec<u8>,
    messages: u32,
}

impl<'v> Builder<'v> {
    /// Appends after what the vector holds, which must end on a multiple of four.
    pub fn new(out: &'v mut Vec<u8>) -> Self {
        assert_eq!(out.len() % 4, 0, "messages are aligned to four bytes");
        Self { out, messages: 0 }
    }

    /// Appends one message; on an error nothing is appended.
    pub fn message(
        &mut self,
        header: Header,
        generic: GenHeader,
        attributes: impl FnOnce(&mut AttrWriter<'_>),
    ) -> Result<(), EncodeError> {
        let start = self.out.len();
        self.out.extend_from_slice(&header.encode());
        self.out.extend_from_slice(&generic.encode());
        let mut writer = AttrWriter {
            out: self.out,
            error: None,
        };
        attributes(&mut writer);
        let done = match writer.error {
            None => self.close(start),
            Some(error) => Err(error),
        };
        match done {
            Ok(()) => self.messages = self.messages.saturating_add(1),
            Err(_) => self.out.truncate(start),
        }
        done
    }

    /// Number of messages appended.
    pub const fn messages(&self) -> u32 {
        self.messages
    }

    /// Bytes in the vector.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether the vector holds nothing.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    fn close(&mut self, start: usize) -> Result<(), EncodeError> {
        let len = u32::try_from(self.out.len() - start).map_err(|_| EncodeError::TooLong)?;
        if let Some(field) = self.out.get_mut(start..start + 4) {
            field.copy_from_slice(&len.to_ne_bytes());
        }
        Ok(())
    }
}

/// Writes the attributes of one message.
#[derive(Debug)]
pub struct AttrWriter<'v> {
    out: &'v mut Vec<u8>,
    error: Option<EncodeError>,
}

impl<'v> AttrWriter<'v> {
    /// Writes attributes without a message around them.
    pub fn bare(
        out: &'v mut Vec<u8>,
        attributes: impl FnOnce(&mut AttrWriter<'_>),
    ) -> Result<(), EncodeError> {
        let mut writer = AttrWriter { out, error: None };
        attributes(&mut writer);
        writer.error.map_or(Ok(()), Err)
    }

    /// Gives the message up; the first reason is kept.
    pub fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// A byte.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.word(kind, 1, [value, 0, 0, 0]);
    }

    /// A 16-bit number, most significant byte first.
    pub fn be16(&mut self, kind: u16, value: u16) {
        let [high, low] = value.to_be_bytes();
        self.word(kind, 2, [high, low, 0, 0]);
    }

    /// A 32-bit number, most significant byte first.
    pub fn be32(&mut self, kind: u16, value: u32) {
        self.word(kind, 4, value.to_be_bytes());
    }

    /// A 32-bit number in the byte order of this machine.
    pub fn host32(&mut self, kind: u16, value: u32) {
        self.word(kind, 4, value.to_ne_bytes());
    }

    /// A 64-bit number, most significant byte first.
    pub fn be64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A name with its terminating zero.
    pub fn name(&mut self, kind: u16, name: &[u8]) {
        self.attribute(kind, |out| {
            out.extend_from_slice(name);
            out.push(0);
        });
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, kind: u16, bytes: &[u8]) {
        self.attribute(kind, |out| out.extend_from_slice(bytes));
    }

    /// 32-bit words in the byte order of this machine, one after the other.
    pub fn host_words(&mut self, kind: u16, words: &[u32]) {
        self.attribute(kind, |out| {
            for word in words {
                out.extend_from_slice(&word.to_ne_bytes());
            }
        });
    }

    /// A nest of attributes.
    pub fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut AttrWriter<'_>)) {
        let start = self.open(kind | NESTED);
        attributes(self);
        self.close(start);
    }

    /// An attribute of up to four bytes, padded: most are, so they are written in one go.
    fn word(&mut self, kind: u16, len: u16, padded: [u8; 4]) {
        let [l0, l1] = (4 + len).to_ne_bytes();
        let [k0, k1] = kind.to_ne_bytes();
        let [p0, p1, p2, p3] = padded;
        self.out
            .extend_from_slice(&[l0, l1, k0, k1, p0, p1, p2, p3]);
    }

    fn attribute(&mut self, kind: u16, payload: impl FnOnce(&mut Vec<u8>)) {
        let start = self.open(kind);
        payload(self.out);
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.out.len();
        let [k0, k1] = kind.to_ne_bytes();
        self.out.extend_from_slice(&[0, 0, k0, k1]);
        start
    }

    fn close(&mut self, start: usize) {
        let len = self.out.len() - start;
        match (u16::try_from(len), self.out.get_mut(start..start + 2)) {
            (Ok(len), Some(field)) => field.copy_from_slice(&len.to_ne_bytes()),
            _ => self.fail(EncodeError::TooLong),
        }
        self.out.resize(start + align(len), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nl::{Attrs, Messages};
    use std::vec;

    #[test]
    fn a_message_that_fails_leaves_nothing_behind() {
        let mut out = Vec::new();
        let mut builder = Builder::new(&mut out);
        let header = Header::default();
        let generic = GenHeader::default();
        builder.message(header, generic, |w| w.u8(1, 2)).unwrap();
        let before = builder.len();
        let long = vec![0; 65_532];
        let result = builder.message(header, generic, |w| w.nest(2, |w| w.bytes(1, &long)));
        assert_eq!(result, Err(EncodeError::TooLong));
        assert_eq!(builder.len(), before);
        assert_eq!(builder.messages(), 1);
        builder
            .message(header, generic, |w| w.bytes(1, &long[..65_531]))
            .unwrap();
        assert_eq!(builder.messages(), 2);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = Vec::new();
        Builder::new(&mut out)
            .message(Header::default(), GenHeader::of_family(2), |w| {
                w.nest(1, |w| {
                    w.be16(2, 3);
                    w.name(4, b"ftp");
                });
                w.host_words(5, &[1, 2]);
            })
            .unwrap();
        let message = Messages::new(&out).next().unwrap().unwrap();
        let (generic, attrs) = GenHeader::decode(message.payload).unwrap();
        assert_eq!(generic, GenHeader::of_family(2));
        let nest = Attrs::new(attrs).find(1).unwrap().nested();
        assert_eq!(nest.find(2).unwrap().be16(), Ok(3));
        assert_eq!(nest.find(4).unwrap().name().as_bytes(), b"ftp");
        assert_eq!(Attrs::new(attrs).find(5).unwrap().payload.len(), 8);
    }
}
