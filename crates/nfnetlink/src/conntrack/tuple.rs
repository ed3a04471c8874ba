//! Tuples: addresses, layer 4 part, zone of the direction.
//!
//! ```text
//! CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, …
//!   CTA_TUPLE_IP     { CTA_IP_V4_SRC, CTA_IP_V4_DST | CTA_IP_V6_SRC, CTA_IP_V6_DST }
//!   CTA_TUPLE_PROTO  { CTA_PROTO_NUM, ports or keys | ICMP fields | ICMPv6 fields | nothing }
//!   CTA_TUPLE_ZONE
//! ```
//!
//! The kernel leaves out ports of protocols it no longer tracks by ports (DCCP since Linux 6.17):
//! absent ports, keys and ICMP fields are zero. Addresses and the protocol must be there.

use flow::{Addrs, Icmp, Keys, L4, Ports, Protocol, Tuple, Zone};

use crate::conntrack::constants::{ip::*, proto::*, tuple::*};
use crate::malformed::Malformed;
use crate::nl::{Attr, AttrWriter, Attrs, NESTED};

/// Reads the nest of a tuple.
pub(crate) fn decode(nest: Attr<'_>, unknown: &mut u32) -> Result<Tuple, Malformed> {
    match decode_usual(nest.payload) {
        Some(tuple) => Ok(tuple),
        None => decode_any(nest, unknown),
    }
}

/// Reads a tuple with ports that is written as the kernel does (`ctnetlink_dump_tuples`), which is
/// nine of ten attributes of a listing. Everything else is left to [`decode_any`], which says the
/// same of these.
fn decode_usual(payload: &[u8]) -> Option<Tuple> {
    const PROTO_LEN: u16 = 4 + 3 * 8;
    let mut attrs = Attrs::new(payload);
    let addrs = match payload.len() {
        48 => {
            attrs.usual::<0>(NESTED | CTA_TUPLE_IP, 4 + 2 * 8)?;
            Addrs::V4 {
                src: attrs.usual::<4>(CTA_IP_V4_SRC, 8).copied()?.into(),
                dst: attrs.usual::<4>(CTA_IP_V4_DST, 8).copied()?.into(),
            }
        }
        72 => {
            attrs.usual::<0>(NESTED | CTA_TUPLE_IP, 4 + 2 * 20)?;
            Addrs::V6 {
                src: attrs.usual::<16>(CTA_IP_V6_SRC, 20).copied()?.into(),
                dst: attrs.usual::<16>(CTA_IP_V6_DST, 20).copied()?.into(),
            }
        }
        _ => return None,
    };
    attrs.usual::<0>(NESTED | CTA_TUPLE_PROTO, PROTO_LEN)?;
    let [number, _, _, _] = *attrs.usual(CTA_PROTO_NUM, 5)?;
    let [s0, s1, _, _] = *attrs.usual(CTA_PROTO_SRC_PORT, 6)?;
    let [d0, d1, _, _] = *attrs.usual(CTA_PROTO_DST_PORT, 6)?;
    let ports = Ports {
        src: u16::from_be_bytes([s0, s1]),
        dst: u16::from_be_bytes([d0, d1]),
    };
    let l4 = L4::with_ports(Protocol(number), ports)?;
    Some(Tuple::new(addrs, l4))
}

fn decode_any(nest: Attr<'_>, unknown: &mut u32) -> Result<Tuple, Malformed> {
    let mut addrs = None;
    let mut l4 = None;
    let mut zone = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_TUPLE_IP => addrs = Some(decode_addrs(attr, unknown)?),
            CTA_TUPLE_PROTO => l4 = Some(decode_l4(attr, unknown)?),
            CTA_TUPLE_ZONE => zone = Some(Zone(attr.be16()?)),
            _ => *unknown += 1,
        }
    }
    Ok(Tuple {
        addrs: addrs.ok_or(Malformed::MissingAddress)?,
        l4: l4.ok_or(Malformed::MissingProtocol)?,
        zone,
    })
}

fn decode_addrs(nest: Attr<'_>, unknown: &mut u32) -> Result<Addrs, Malformed> {
    let mut src4 = None;
    let mut dst4 = None;
    let mut src6 = None;
    let mut dst6 = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_IP_V4_SRC => src4 = Some(attr.bytes::<4>()?),
            CTA_IP_V4_DST => dst4 = Some(attr.bytes::<4>()?),
            CTA_IP_V6_SRC => src6 = Some(attr.bytes::<16>()?),
            CTA_IP_V6_DST => dst6 = Some(attr.bytes::<16>()?),
            _ => *unknown += 1,
        }
    }
    match (src4, dst4, src6, dst6) {
        (Some(src), Some(dst), None, None) => Ok(Addrs::V4 {
            src: (*src).into(),
            dst: (*dst).into(),
        }),
        (None, None, Some(src), Some(dst)) => Ok(Addrs::V6 {
            src: (*src).into(),
            dst: (*dst).into(),
        }),
        (None, None, _, _) | (_, _, None, None) => Err(Malformed::MissingAddress),
        _ => Err(Malformed::MixedFamilies),
    }
}

fn decode_l4(nest: Attr<'_>, unknown: &mut u32) -> Result<L4, Malformed> {
    let mut number = None;
    let mut src = 0;
    let mut dst = 0;
    let mut icmp = Icmp::default();
    let mut icmpv6 = Icmp::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_PROTO_NUM => number = Some(attr.u8()?),
            CTA_PROTO_SRC_PORT => src = attr.be16()?,
            CTA_PROTO_DST_PORT => dst = attr.be16()?,
            CTA_PROTO_ICMP_ID => icmp.id = attr.be16()?,
            CTA_PROTO_ICMP_TYPE => icmp.kind = attr.u8()?,
            CTA_PROTO_ICMP_CODE => icmp.code = attr.u8()?,
            CTA_PROTO_ICMPV6_ID => icmpv6.id = attr.be16()?,
            CTA_PROTO_ICMPV6_TYPE => icmpv6.kind = attr.u8()?,
            CTA_PROTO_ICMPV6_CODE => icmpv6.code = attr.u8()?,
            _ => *unknown += 1,
        }
    }
    let protocol = Protocol(number.ok_or(Malformed::MissingProtocol)?);
    let ports = Ports { src, dst };
    Ok(match protocol {
        Protocol::TCP => L4::Tcp(ports),
        Protocol::UDP => L4::Udp(ports),
        Protocol::UDPLITE => L4::UdpLite(ports),
        Protocol::SCTP => L4::Sctp(ports),
        Protocol::DCCP => L4::Dccp(ports),
        Protocol::GRE => L4::Gre(Keys { src, dst }),
        Protocol::ICMP => L4::Icmp(icmp),
        Protocol::ICMPV6 => L4::Icmpv6(icmpv6),
        other @ Protocol(_) => L4::Other(other),
    })
}

/// Writes a tuple as a nest of this type.
pub(crate) fn encode(w: &mut AttrWriter<'_>, kind: u16, tuple: &Tuple) {
    w.nest(kind, |w| {
        w.nest(CTA_TUPLE_IP, |w| encode_addrs(w, &tuple.addrs));
        w.nest(CTA_TUPLE_PROTO, |w| encode_l4(w, &tuple.l4));
        if let Some(Zone(zone)) = tuple.zone {
            w.be16(CTA_TUPLE_ZONE, zone);
        }
    });
}

fn encode_addrs(w: &mut AttrWriter<'_>, addrs: &Addrs) {
    match addrs {
        Addrs::V4 { src, dst } => {
            w.bytes(CTA_IP_V4_SRC, &src.octets());
            w.bytes(CTA_IP_V4_DST, &dst.octets());
        }
        Addrs::V6 { src, dst } => {
            w.bytes(CTA_IP_V6_SRC, &src.octets());
            w.bytes(CTA_IP_V6_DST, &dst.octets());
        }
    }
}

fn encode_l4(w: &mut AttrWriter<'_>, l4: &L4) {
    w.u8(CTA_PROTO_NUM, l4.protocol().0);
    match *l4 {
        L4::Tcp(Ports { src, dst })
        | L4::Udp(Ports { src, dst })
        | L4::UdpLite(Ports { src, dst })
        | L4::Sctp(Ports { src, dst })
        | L4::Dccp(Ports { src, dst })
        | L4::Gre(Keys { src, dst }) => {
            w.be16(CTA_PROTO_SRC_PORT, src);
            w.be16(CTA_PROTO_DST_PORT, dst);
        }
        L4::Icmp(Icmp { kind, code, id }) => {
            w.u8(CTA_PROTO_ICMP_CODE, code);
            w.u8(CTA_PROTO_ICMP_TYPE, kind);
            w.be16(CTA_PROTO_ICMP_ID, id);
        }
        L4::Icmpv6(Icmp { kind, code, id }) => {
            w.u8(CTA_PROTO_ICMPV6_CODE, code);
            w.u8(CTA_PROTO_ICMPV6_TYPE, kind);
            w.be16(CTA_PROTO_ICMPV6_ID, id);
        }
        L4::Other(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn check(parts: impl FnOnce(&mut AttrWriter<'_>), expected: Result<Tuple, Malformed>) {
        let mut bytes = Vec::new();
        AttrWriter::bare(&mut bytes, parts).unwrap();
        let nest = Attr {
            kind: 1,
            payload: &bytes,
        };
        assert_eq!(decode(nest, &mut 0), expected);
    }

    /// Whatever is changed in what the kernel usually writes, both ways to read it agree.
    #[test]
    fn the_quick_way_and_the_long_one_say_the_same() {
        let v4 = Addrs::V4 {
            src: [10, 0, 0, 1].into(),
            dst: [192, 0, 2, 1].into(),
        };
        let v6 = Addrs::V6 {
            src: [1; 16].into(),
            dst: [2; 16].into(),
        };
        let agree = |payload: &[u8]| {
            let nest = Attr { kind: 1, payload };
            let (mut unknown, mut of_any) = (0, 0);
            let quick = (decode(nest, &mut unknown), unknown);
            assert_eq!(
                quick,
                (decode_any(nest, &mut of_any), of_any),
                "{payload:?}"
            );
        };
        for (addrs, number) in [v4, v6]
            .into_iter()
            .flat_map(|a| (0..=255).map(move |n| (a, n)))
        {
            let mut bytes = Vec::new();
            let tuple = Tuple::new(addrs, L4::zero(Protocol(number)));
            AttrWriter::bare(&mut bytes, |w| encode(w, 1, &tuple)).unwrap();
            let payload = &mut bytes[4..];
            agree(payload);
            if number != 6 {
                continue;
            }
            assert!(decode_usual(payload).is_some());
            for at in 0..payload.len() {
                let was = payload[at];
                for value in 0..=u8::MAX {
                    payload[at] = value;
                    agree(payload);
                }
                payload[at] = was;
                agree(&payload[..at]);
            }
        }
    }

    const V4: [u8; 4] = [10, 0, 0, 1];
    const V6: [u8; 16] = [1; 16];

    fn tcp(w: &mut AttrWriter<'_>) {
        w.nest(CTA_TUPLE_PROTO, |w| w.u8(CTA_PROTO_NUM, 6));
    }

    fn check_addrs(addrs: &[(u16, &[u8])], expected: Malformed) {
        let parts = |w: &mut AttrWriter<'_>| {
            w.nest(CTA_TUPLE_IP, |w| {
                for (kind, addr) in addrs {
                    w.bytes(*kind, addr);
                }
            });
            tcp(w);
        };
        check(parts, Err(expected));
    }

    #[test]
    fn both_addresses_of_one_family_are_needed() {
        check(tcp, Err(Malformed::MissingAddress));
        check_addrs(&[], Malformed::MissingAddress);
        check_addrs(&[(CTA_IP_V4_SRC, &V4)], Malformed::MissingAddress);
        check_addrs(&[(CTA_IP_V6_DST, &V6)], Malformed::MissingAddress);
        let mixed: [&[(u16, &[u8])]; 3] = [
            &[(CTA_IP_V4_SRC, &V4), (CTA_IP_V6_DST, &V6)],
            &[(CTA_IP_V6_SRC, &V6), (CTA_IP_V4_DST, &V4)],
            &[
                (CTA_IP_V4_SRC, &V4),
                (CTA_IP_V4_DST, &V4),
                (CTA_IP_V6_SRC, &V6),
            ],
        ];
        for addrs in mixed {
            check_addrs(addrs, Malformed::MixedFamilies);
        }
        check_addrs(&[(CTA_IP_V4_SRC, &V6)], Malformed::AttributeSize);
    }

    fn addrs(w: &mut AttrWriter<'_>) {
        w.nest(CTA_TUPLE_IP, |w| {
            w.bytes(CTA_IP_V4_SRC, &V4);
            w.bytes(CTA_IP_V4_DST, &V4);
        });
    }

    #[test]
    fn the_protocol_is_needed_its_fields_are_not() {
        check(addrs, Err(Malformed::MissingProtocol));
        let without_number = |w: &mut AttrWriter<'_>| {
            addrs(w);
            w.nest(CTA_TUPLE_PROTO, |w| w.be16(CTA_PROTO_SRC_PORT, 1));
        };
        check(without_number, Err(Malformed::MissingProtocol));
        let expected = Addrs::V4 {
            src: V4.into(),
            dst: V4.into(),
        };
        for number in 0..=u8::MAX {
            let l4 = L4::zero(Protocol(number));
            let without_fields = |w: &mut AttrWriter<'_>| {
                addrs(w);
                w.nest(CTA_TUPLE_PROTO, |w| w.u8(CTA_PROTO_NUM, number));
            };
            check(without_fields, Ok(Tuple::new(expected, l4)));
        }
    }

    #[test]
    fn fields_of_another_protocol_are_left_alone() {
        let parts = |w: &mut AttrWriter<'_>| {
            addrs(w);
            w.nest(CTA_TUPLE_PROTO, |w| {
                w.be16(CTA_PROTO_ICMP_ID, 9);
                w.be16(CTA_PROTO_DST_PORT, 80);
                w.u8(CTA_PROTO_NUM, 6);
                w.u8(CTA_PROTO_ICMPV6_TYPE, 128);
            });
        };
        let addrs = Addrs::V4 {
            src: V4.into(),
            dst: V4.into(),
        };
        let ports = Ports { src: 0, dst: 80 };
        check(parts, Ok(Tuple::new(addrs, L4::Tcp(ports))));
    }
}
