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
use crate::nl::{Attr, AttrWriter};

/// Reads the nest of a tuple.
pub(crate) fn decode(nest: Attr<'_>, unknown: &mut u32) -> Result<Tuple, Malformed> {
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
