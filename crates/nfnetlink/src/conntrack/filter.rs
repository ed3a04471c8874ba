//! The kernel's own filter for dumps and flushes.
//!
//! A tuple filter is a tuple of which only some parts are there, and a word of flags for each
//! direction that says which parts count (`CTA_FILTER`). Those flags are the one number in a flow
//! message that is in host byte order (`ctnetlink_parse_filter` reads it with `nla_get_u32`).

use core::net::Ipv4Addr;

use flow::filter::{KernelFilter, MarkMatch, PartialTuple, StatusMatch};
use flow::{Family, Mark, Protocol, Status, Zone};

use crate::conntrack::constants::{cta::*, filter::*, ip::*, proto::*, tuple::*};
use crate::malformed::EncodeError;
use crate::nl::AttrWriter;

/// `CTA_FILTER_F_*`: which parts of a tuple count.
mod part {
    pub const IP_SRC: u32 = 1 << 0;
    pub const IP_DST: u32 = 1 << 1;
    pub const PROTO_NUM: u32 = 1 << 3;
    pub const SRC_PORT: u32 = 1 << 4;
    pub const DST_PORT: u32 = 1 << 5;
    pub const ICMP_TYPE: u32 = 1 << 6;
    pub const ICMP_CODE: u32 = 1 << 7;
    pub const ICMP_ID: u32 = 1 << 8;
    pub const ICMPV6_TYPE: u32 = 1 << 9;
    pub const ICMPV6_CODE: u32 = 1 << 10;
    pub const ICMPV6_ID: u32 = 1 << 11;
}

/// Writes the attributes of a filter; its family belongs into the generic header.
pub(super) fn encode(w: &mut AttrWriter<'_>, filter: &KernelFilter) {
    if let Err(error) = check(filter) {
        w.fail(error);
        return;
    }
    let orig = &filter.tuple.orig;
    let reply = &filter.tuple.reply;
    if !orig.is_empty() {
        encode_partial(w, CTA_TUPLE_ORIG, orig);
    }
    if !reply.is_empty() {
        encode_partial(w, CTA_TUPLE_REPLY, reply);
    }
    if !orig.is_empty() || !reply.is_empty() {
        w.nest(CTA_FILTER, |w| {
            w.host32(CTA_FILTER_ORIG_FLAGS, parts(orig));
            w.host32(CTA_FILTER_REPLY_FLAGS, parts(reply));
        });
    }
    if let Some(MarkMatch {
        value: Mark(value),
        mask,
    }) = filter.mark
    {
        w.be32(CTA_MARK, value);
        w.be32(CTA_MARK_MASK, mask);
    }
    if let Some(StatusMatch {
        value: Status(value),
        mask: Status(mask),
    }) = filter.status
    {
        w.be32(CTA_STATUS, value);
        w.be32(CTA_STATUS_MASK, mask);
    }
    if let Some(Zone(zone)) = filter.zone {
        w.be16(CTA_ZONE, zone);
    }
}

/// What the kernel would refuse with a bare "invalid argument", or take for something else.
fn check(filter: &KernelFilter) -> Result<(), EncodeError> {
    if filter.status.is_some_and(|status| status.mask.0 == 0) {
        return Err(EncodeError::EmptyStatusMask);
    }
    check_partial(&filter.tuple.orig, filter.family)?;
    check_partial(&filter.tuple.reply, filter.family)
}

fn check_partial(tuple: &PartialTuple, family: Option<Family>) -> Result<(), EncodeError> {
    if tuple.is_empty() {
        return Ok(());
    }
    let family = family.ok_or(EncodeError::FilterNeedsFamily)?;
    let has_addrs = tuple.src.is_some() || tuple.dst.is_some();
    if has_addrs && family != Family::Ipv4 {
        return Err(EncodeError::MixedFamilies);
    }
    let has_ports = tuple.src_port.is_some() || tuple.dst_port.is_some();
    let has_icmp =
        tuple.icmp_kind.is_some() || tuple.icmp_code.is_some() || tuple.icmp_id.is_some();
    let suits = match tuple.protocol {
        Some(Protocol::ICMP | Protocol::ICMPV6) => !has_ports,
        Some(Protocol(_)) => !has_icmp,
        None => !has_ports && !has_icmp,
    };
    if suits {
        Ok(())
    } else {
        Err(EncodeError::FilterNeedsProtocol)
    }
}

/// The flags for a tuple.
fn parts(tuple: &PartialTuple) -> u32 {
    let icmp = if tuple.protocol == Some(Protocol::ICMPV6) {
        [part::ICMPV6_TYPE, part::ICMPV6_CODE, part::ICMPV6_ID]
    } else {
        [part::ICMP_TYPE, part::ICMP_CODE, part::ICMP_ID]
    };
    let [icmp_kind, icmp_code, icmp_id] = icmp;
    [
        (tuple.src.is_some(), part::IP_SRC),
        (tuple.dst.is_some(), part::IP_DST),
        (tuple.protocol.is_some(), part::PROTO_NUM),
        (tuple.src_port.is_some(), part::SRC_PORT),
        (tuple.dst_port.is_some(), part::DST_PORT),
        (tuple.icmp_kind.is_some(), icmp_kind),
        (tuple.icmp_code.is_some(), icmp_code),
        (tuple.icmp_id.is_some(), icmp_id),
    ]
    .into_iter()
    .filter(|(wanted, _)| *wanted)
    .fold(0, |flags, (_, flag)| flags | flag)
}

fn encode_partial(w: &mut AttrWriter<'_>, kind: u16, tuple: &PartialTuple) {
    w.nest(kind, |w| {
        if tuple.src.is_some() || tuple.dst.is_some() {
            w.nest(CTA_TUPLE_IP, |w| {
                encode_addr(w, CTA_IP_V4_SRC, tuple.src);
                encode_addr(w, CTA_IP_V4_DST, tuple.dst);
            });
        }
        if let Some(protocol) = tuple.protocol {
            w.nest(CTA_TUPLE_PROTO, |w| encode_proto(w, protocol, tuple));
        }
    });
}

fn encode_addr(w: &mut AttrWriter<'_>, kind: u16, addr: Option<Ipv4Addr>) {
    if let Some(addr) = addr {
        w.bytes(kind, &addr.octets());
    }
}

fn encode_proto(w: &mut AttrWriter<'_>, protocol: Protocol, tuple: &PartialTuple) {
    w.u8(CTA_PROTO_NUM, protocol.0);
    if let Some(port) = tuple.src_port {
        w.be16(CTA_PROTO_SRC_PORT, port);
    }
    if let Some(port) = tuple.dst_port {
        w.be16(CTA_PROTO_DST_PORT, port);
    }
    let [kind, code, id] = if protocol == Protocol::ICMPV6 {
        [
            CTA_PROTO_ICMPV6_TYPE,
            CTA_PROTO_ICMPV6_CODE,
            CTA_PROTO_ICMPV6_ID,
        ]
    } else {
        [CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID]
    };
    if let Some(value) = tuple.icmp_kind {
        w.u8(kind, value);
    }
    if let Some(value) = tuple.icmp_code {
        w.u8(code, value);
    }
    if let Some(value) = tuple.icmp_id {
        w.be16(id, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nl::Attrs;
    use flow::PerDir;
    use std::vec::Vec;

    fn written(filter: &KernelFilter) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        AttrWriter::bare(&mut out, |w| encode(w, filter)).map(|()| out)
    }

    fn orig(orig: PartialTuple) -> KernelFilter {
        KernelFilter {
            family: Some(Family::Ipv4),
            tuple: PerDir {
                orig,
                reply: PartialTuple::default(),
            },
            ..KernelFilter::default()
        }
    }

    const PORT: PartialTuple = PartialTuple {
        src: None,
        dst: Some(Ipv4Addr::new(10, 0, 0, 1)),
        protocol: Some(Protocol::TCP),
        src_port: None,
        dst_port: Some(80),
        icmp_kind: None,
        icmp_code: None,
        icmp_id: None,
    };

    #[test]
    fn nothing_wanted_is_nothing_written() {
        assert_eq!(written(&KernelFilter::default()), Ok(Vec::new()));
    }

    #[test]
    fn the_flags_are_in_the_order_of_the_machine() {
        let bytes = written(&orig(PORT)).unwrap();
        let flags = Attrs::new(&bytes).find(CTA_FILTER).unwrap().nested();
        let word = |kind| u32::from_ne_bytes(*flags.find(kind).unwrap().bytes().unwrap());
        assert_eq!(word(CTA_FILTER_ORIG_FLAGS), 2 | 8 | 32);
        assert_eq!(word(CTA_FILTER_REPLY_FLAGS), 0);
        assert_eq!(Attrs::new(&bytes).find(CTA_TUPLE_REPLY), None);
    }

    #[test]
    fn icmp_fields_have_flags_and_attributes_of_their_protocol() {
        for (protocol, flag, kind) in [
            (Protocol::ICMP, 256, CTA_PROTO_ICMP_ID),
            (Protocol::ICMPV6, 2_048, CTA_PROTO_ICMPV6_ID),
        ] {
            let tuple = PartialTuple {
                protocol: Some(protocol),
                icmp_id: Some(7),
                ..PartialTuple::default()
            };
            assert_eq!(parts(&tuple), 8 | flag);
            let bytes = written(&orig(tuple)).unwrap();
            let tuple = Attrs::new(&bytes).find(CTA_TUPLE_ORIG).unwrap().nested();
            let fields = tuple.find(CTA_TUPLE_PROTO).unwrap().nested();
            assert_eq!(fields.find(kind).unwrap().be16(), Ok(7));
        }
    }

    #[test]
    fn what_the_kernel_would_refuse_or_misread_is_refused() {
        let tuple = |protocol, dst_port, icmp_id| {
            orig(PartialTuple {
                dst: None,
                protocol,
                dst_port,
                icmp_id,
                ..PORT
            })
        };
        let status = |mask| KernelFilter {
            status: Some(StatusMatch {
                value: Status(0),
                mask: Status(mask),
            }),
            ..KernelFilter::default()
        };
        let of_family = |family| KernelFilter {
            family,
            ..orig(PORT)
        };
        let needs_protocol = Err(EncodeError::FilterNeedsProtocol);
        let cases = [
            (status(0), Err(EncodeError::EmptyStatusMask)),
            (status(1), Ok(())),
            (of_family(None), Err(EncodeError::FilterNeedsFamily)),
            (
                of_family(Some(Family::Ipv6)),
                Err(EncodeError::MixedFamilies),
            ),
            (tuple(None, Some(1), None), needs_protocol),
            (tuple(None, None, Some(1)), needs_protocol),
            (tuple(Some(Protocol::TCP), None, Some(1)), needs_protocol),
            (tuple(Some(Protocol::ICMP), Some(1), None), needs_protocol),
            (tuple(Some(Protocol::TCP), Some(1), None), Ok(())),
        ];
        for (filter, expected) in cases {
            assert_eq!(written(&filter).map(drop), expected, "{filter:?}");
        }
    }
}
