//! Attributes of a message or of a nest.
//!
//! An attribute is a slice of what contains it; a nest is read by another [`Attrs`] over that
//! slice. So whatever its lengths claim, nothing outside of the message is ever looked at.

use flow::Name;

use crate::malformed::Malformed;
use crate::nl::align;

/// `NLA_F_NESTED`.
pub(crate) const NESTED: u16 = 0x8000;

/// Type bits of `nla_type`: without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;

/// One attribute: its type and its bytes.
///
/// ```text
///  0         2         4               length   aligned to 4
/// +---------+---------+---------------+--------+
/// | length  | type    | payload       | pad    |   length and type in host byte order
/// +---------+---------+---------------+--------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// The type, without the flags in its upper bits.
    pub kind: u16,
    /// The bytes.
    pub payload: &'a [u8],
}

impl<'a> Attr<'a> {
    /// A byte.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.bytes().map(|[byte]| *byte)
    }

    /// A 16-bit number, most significant byte first.
    pub fn be16(&self) -> Result<u16, Malformed> {
        self.bytes().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A 32-bit number, most significant byte first.
    pub fn be32(&self) -> Result<u32, Malformed> {
        self.bytes().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// A 64-bit number, most significant byte first; the kernel does not align it.
    pub fn be64(&self) -> Result<u64, Malformed> {
        self.bytes().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Exactly this many bytes.
    pub fn bytes<const N: usize>(&self) -> Result<&'a [u8; N], Malformed> {
        self.payload
            .try_into()
            .map_err(|_| Malformed::AttributeSize)
    }

    /// A name, with or without its terminating zero.
    pub fn name(&self) -> Name<'a> {
        Name::new(self.payload)
    }

    /// The attributes inside a nest.
    pub const fn nested(&self) -> Attrs<'a> {
        Attrs::new(self.payload)
    }
}

/// Reads the attributes in a slice, one after the other.
///
/// [`try_next`](Self::try_next) returns the first thing that is wrong, so that a loop over the
/// attributes stays flat: `while let Some(attr) = attrs.try_next()? { match attr.kind { … } }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// The attributes in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next attribute, `None` at the end.
    ///
    /// An error repeats at the next call; no byte is read twice as something else.
    #[inline]
    pub fn try_next(&mut self) -> Result<Option<Attr<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let ([l0, l1, k0, k1], _) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed::AttributeLength)?;
        let len = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let payload = self.rest.get(4..len).ok_or(Malformed::AttributeLength)?;
        // The last attribute may lack its padding.
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        Ok(Some(Attr {
            kind: u16::from_ne_bytes([*k0, *k1]) & TYPE_MASK,
            payload,
        }))
    }

    /// What follows the header of the next attribute, `N` bytes with the padding, if that header is
    /// the one that is expected. Of a nest no byte is taken: what is in it comes next.
    ///
    /// For attributes that the kernel nearly always writes in one way. What follows `None` must not
    /// be read from here.
    #[inline(always)]
    pub(crate) fn usual<const N: usize>(&mut self, kind: u16, len: u16) -> Option<&'a [u8; N]> {
        let (header, rest) = self.rest.split_first_chunk()?;
        let ([l0, l1], [k0, k1]) = (len.to_ne_bytes(), kind.to_ne_bytes());
        let expected = u32::from_ne_bytes([l0, l1, k0, k1]);
        let (bytes, rest) = rest.split_first_chunk()?;
        self.rest = rest;
        (u32::from_ne_bytes(*header) == expected).then_some(bytes)
    }

    /// The first attribute of a type, `None` if there is none before the end or an error.
    pub fn find(mut self, kind: u16) -> Option<Attr<'a>> {
        while let Ok(Some(attr)) = self.try_next() {
            if attr.kind == kind {
                return Some(attr);
            }
        }
        None
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    /// Like [`try_next`](Self::try_next), but ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        let attr = self.try_next();
        if attr.is_err() {
            self.rest = &[];
        }
        attr.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn attr(len: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut out = len.to_ne_bytes().to_vec();
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn flags_are_no_part_of_the_type() {
        let mut bytes = attr(5, 0x8001, &[1, 0, 0, 0]);
        bytes.extend_from_slice(&attr(6, 0x4002, &[2, 3]));
        let kinds: Vec<_> = Attrs::new(&bytes).map(|attr| attr.unwrap().kind).collect();
        assert_eq!(kinds, [1, 2]);
    }

    #[test]
    fn a_length_that_lies_is_malformed() {
        for len in [0, 3, 9, u16::MAX] {
            let bytes = attr(len, 1, &[0; 4]);
            let got: Vec<_> = Attrs::new(&bytes).collect();
            assert_eq!(got, [Err(Malformed::AttributeLength)]);
        }
        assert_eq!(
            Attrs::new(&[4, 0, 1]).try_next(),
            Err(Malformed::AttributeLength)
        );
    }

    #[test]
    fn a_number_has_exactly_its_size() {
        let attr = Attr {
            kind: 1,
            payload: &[0, 0, 1],
        };
        assert_eq!(attr.u8(), Err(Malformed::AttributeSize));
        assert_eq!(attr.be16(), Err(Malformed::AttributeSize));
        assert_eq!(attr.be32(), Err(Malformed::AttributeSize));
        assert_eq!(attr.be64(), Err(Malformed::AttributeSize));
    }
}
