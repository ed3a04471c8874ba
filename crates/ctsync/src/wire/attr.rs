//! Attributes: what follows the header of a data message (docs/wire.md, "Attributes").
//!
//! ```text
//! +-------------------------------+-------------------------------+
//! |  length, without the padding  |            number             |
//! +-------------------------------+-------------------------------+
//! |  payload, zero padding to a multiple of four                  |
//! +---------------------------------------------------------------+
//! ```
//!
//! Attributes do not nest. Sizes are exact: a payload of another length makes the message
//! malformed.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::{Addrs, Ports};

use crate::wire::DropReason;
use crate::wire::name::ShortName;

/// Length of an attribute's own header.
const ATTR_HEADER_LEN: usize = 4;

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attr<'a> {
    /// Its number, in the space of the message's object.
    pub number: u16,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

/// The attributes of a message's body.
pub(super) struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    fn cut(&mut self) -> Result<Attr<'a>, DropReason> {
        let (&[len_high, len_low, number_high, number_low], _) = self
            .rest
            .split_first_chunk::<ATTR_HEADER_LEN>()
            .ok_or(DropReason::BadPayload)?;
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let payload = self
            .rest
            .get(ATTR_HEADER_LEN..len)
            .ok_or(DropReason::BadPayload)?;
        // The last attribute may lack its padding.
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Ok(Attr {
            number: u16::from_be_bytes([number_high, number_low]),
            payload,
        })
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        // Four or fewer bytes at the end are ignored, as stock does.
        if self.rest.len() <= ATTR_HEADER_LEN {
            return None;
        }
        let attr = self.cut();
        if attr.is_err() {
            self.rest = &[];
        }
        Some(attr)
    }
}

impl<'a> Attr<'a> {
    /// The payload, if it has exactly this length.
    fn exact<const N: usize>(&self) -> Result<[u8; N], DropReason> {
        self.payload.try_into().map_err(|_| DropReason::BadPayload)
    }

    pub(super) fn u8(&self) -> Result<u8, DropReason> {
        self.exact::<1>().map(u8::from_be_bytes)
    }

    pub(super) fn u16_be(&self) -> Result<u16, DropReason> {
        self.exact().map(u16::from_be_bytes)
    }

    /// One of the three fields that stock swaps twice (docs/wire.md, "Byte order").
    pub(super) fn u16_le(&self) -> Result<u16, DropReason> {
        self.exact().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self) -> Result<u32, DropReason> {
        self.exact().map(u32::from_be_bytes)
    }

    /// Several numbers in a row.
    pub(super) fn u32s<const N: usize>(&self) -> Result<[u32; N], DropReason> {
        if self.payload.len() != N * 4 {
            return Err(DropReason::BadPayload);
        }
        let mut out = [0; N];
        for (word, bytes) in out.iter_mut().zip(self.payload.chunks_exact(4)) {
            *word = u32::from_be_bytes(bytes.try_into().map_err(|_| DropReason::BadPayload)?);
        }
        Ok(out)
    }

    pub(super) fn ipv4(&self) -> Result<Ipv4Addr, DropReason> {
        self.exact::<4>().map(Ipv4Addr::from)
    }

    pub(super) fn ipv6(&self) -> Result<Ipv6Addr, DropReason> {
        self.exact::<16>().map(Ipv6Addr::from)
    }

    pub(super) fn addrs_v4(&self) -> Result<Addrs, DropReason> {
        let [a, b, c, d, e, f, g, h] = self.exact()?;
        Ok(Addrs::V4 {
            src: Ipv4Addr::new(a, b, c, d),
            dst: Ipv4Addr::new(e, f, g, h),
        })
    }

    pub(super) fn addrs_v6(&self) -> Result<Addrs, DropReason> {
        let both: [u8; 32] = self.exact()?;
        let (Some(src), Some(dst)) = (both.first_chunk::<16>(), both.last_chunk::<16>()) else {
            return Err(DropReason::BadPayload);
        };
        Ok(Addrs::V6 {
            src: Ipv6Addr::from(*src),
            dst: Ipv6Addr::from(*dst),
        })
    }

    pub(super) fn ports(&self) -> Result<Ports, DropReason> {
        let [a, b, c, d] = self.exact()?;
        Ok(Ports {
            src: u16::from_be_bytes([a, b]),
            dst: u16::from_be_bytes([c, d]),
        })
    }

    pub(super) fn name<const MAX: usize>(&self) -> Result<ShortName<'a, MAX>, DropReason> {
        ShortName::decode(self.payload)
    }
}

/// Appends attributes to a message.
pub(super) struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// Appends one attribute; the payloads here are far shorter than the length field's limit.
    fn put(&mut self, number: u16, payload: &[u8]) {
        let len = u16::try_from(ATTR_HEADER_LEN + payload.len()).unwrap_or(u16::MAX);
        let [len_high, len_low] = len.to_be_bytes();
        let [number_high, number_low] = number.to_be_bytes();
        self.0
            .extend_from_slice(&[len_high, len_low, number_high, number_low]);
        self.0.extend_from_slice(payload);
        self.pad(payload.len());
    }

    fn pad(&mut self, len: usize) {
        const ZERO: [u8; 3] = [0; 3];
        let missing = len.next_multiple_of(4) - len;
        self.0.extend_from_slice(ZERO.get(..missing).unwrap_or(&[]));
    }

    pub(super) fn u8(&mut self, number: u16, value: Option<u8>) {
        if let Some(value) = value {
            self.put(number, &[value]);
        }
    }

    pub(super) fn u16_be(&mut self, number: u16, value: Option<u16>) {
        if let Some(value) = value {
            self.put(number, &value.to_be_bytes());
        }
    }

    /// One of the three fields that stock swaps twice (docs/wire.md, "Byte order").
    pub(super) fn u16_le(&mut self, number: u16, value: Option<u16>) {
        if let Some(value) = value {
            self.put(number, &value.to_le_bytes());
        }
    }

    pub(super) fn u32(&mut self, number: u16, value: Option<u32>) {
        if let Some(value) = value {
            self.put(number, &value.to_be_bytes());
        }
    }

    /// Several numbers in one attribute, at most eight.
    pub(super) fn u32s(&mut self, number: u16, values: &[u32]) {
        let mut bytes = [0; 32];
        for (field, value) in bytes.chunks_exact_mut(4).zip(values) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        self.put(number, bytes.get(..values.len() * 4).unwrap_or(&bytes));
    }

    /// An address, under the number of its family.
    pub(super) fn addr(&mut self, number_v4: u16, number_v6: u16, addr: Option<IpAddr>) {
        match addr {
            Some(IpAddr::V4(addr)) => self.put(number_v4, &addr.octets()),
            Some(IpAddr::V6(addr)) => self.put(number_v6, &addr.octets()),
            None => {}
        }
    }

    /// Both addresses, under the number of their family.
    pub(super) fn addrs(&mut self, number_v4: u16, number_v6: u16, addrs: Option<Addrs>) {
        match addrs {
            Some(Addrs::V4 { src, dst }) => {
                let [a, b, c, d] = src.octets();
                let [e, f, g, h] = dst.octets();
                self.put(number_v4, &[a, b, c, d, e, f, g, h]);
            }
            Some(Addrs::V6 { src, dst }) => {
                let mut both = [0; 32];
                let (first, second) = both.split_at_mut(16);
                first.copy_from_slice(&src.octets());
                second.copy_from_slice(&dst.octets());
                self.put(number_v6, &both);
            }
            None => {}
        }
    }

    /// Both addresses if they are IPv4 ones: there is no number for others.
    pub(super) fn addrs_v4(&mut self, number: u16, addrs: Option<Addrs>) {
        if let Some(addrs @ Addrs::V4 { .. }) = addrs {
            self.addrs(number, number, Some(addrs));
        }
    }

    pub(super) fn ports(&mut self, number: u16, ports: Option<Ports>) {
        if let Some(Ports { src, dst }) = ports {
            let [a, b] = src.to_be_bytes();
            let [c, d] = dst.to_be_bytes();
            self.put(number, &[a, b, c, d]);
        }
    }

    /// A name with its final zero.
    pub(super) fn name<const MAX: usize>(&mut self, number: u16, name: Option<ShortName<'_, MAX>>) {
        let Some(name) = name else { return };
        let mut bytes = [0; 32];
        let name = name.name();
        let len = name.as_bytes().len().min(bytes.len() - 1);
        for (to, from) in bytes.iter_mut().zip(name.as_bytes().iter().take(len)) {
            *to = *from;
        }
        self.put(number, bytes.get(..=len).unwrap_or(&bytes));
    }
}
