//! Translation to set up, sequence adjustment, SYN proxy.
//!
//! The kernel takes all three in requests. It reports the latter two; what a translation did is
//! seen in the tuples.

use core::net::IpAddr;
use core::ops::RangeInclusive;

use flow::{NatRange, SeqAdj, Synproxy};

use crate::conntrack::constants::{nat::*, seqadj::*, synproxy::*};
use crate::malformed::{EncodeError, Malformed};
use crate::nl::{Attr, AttrWriter};

/// Reads `CTA_NAT_SRC` or `CTA_NAT_DST`; a lower bound alone is also the upper one.
pub(super) fn decode_range(nest: Attr<'_>, unknown: &mut u32) -> Result<NatRange, Malformed> {
    let mut min = None;
    let mut max = None;
    let mut port = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_NAT_V4_MINIP => min = Some(IpAddr::from(*attr.bytes::<4>()?)),
            CTA_NAT_V4_MAXIP => max = Some(IpAddr::from(*attr.bytes::<4>()?)),
            CTA_NAT_V6_MINIP => min = Some(IpAddr::from(*attr.bytes::<16>()?)),
            CTA_NAT_V6_MAXIP => max = Some(IpAddr::from(*attr.bytes::<16>()?)),
            CTA_NAT_PROTO => port = decode_ports(attr, unknown)?,
            _ => *unknown += 1,
        }
    }
    let addr = closed_range(min, max);
    if addr.as_ref().is_some_and(is_mixed) {
        return Err(Malformed::MixedFamilies);
    }
    Ok(NatRange { addr, port })
}

fn decode_ports(
    nest: Attr<'_>,
    unknown: &mut u32,
) -> Result<Option<RangeInclusive<u16>>, Malformed> {
    let mut min = None;
    let mut max = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_PROTONAT_PORT_MIN => min = Some(attr.be16()?),
            CTA_PROTONAT_PORT_MAX => max = Some(attr.be16()?),
            _ => *unknown += 1,
        }
    }
    Ok(closed_range(min, max))
}

/// As the kernel reads a range: without an upper bound it holds one value, without a lower one it
/// is none (`ctnetlink` passes it on as no range at all).
fn closed_range<T: Copy>(min: Option<T>, max: Option<T>) -> Option<RangeInclusive<T>> {
    min.map(|min| min..=max.unwrap_or(min))
}

fn is_mixed(range: &RangeInclusive<IpAddr>) -> bool {
    range.start().is_ipv4() != range.end().is_ipv4()
}

/// Writes the nest; a range of one value by its lower bound alone, as stock does.
pub(super) fn encode_range(w: &mut AttrWriter<'_>, kind: u16, range: &NatRange) {
    w.nest(kind, |w| {
        if let Some(addr) = &range.addr {
            if is_mixed(addr) {
                w.fail(EncodeError::MixedFamilies);
            }
            encode_addr(w, CTA_NAT_V4_MINIP, CTA_NAT_V6_MINIP, *addr.start());
            if addr.start() != addr.end() {
                encode_addr(w, CTA_NAT_V4_MAXIP, CTA_NAT_V6_MAXIP, *addr.end());
            }
        }
        if let Some(port) = &range.port {
            w.nest(CTA_NAT_PROTO, |w| {
                w.be16(CTA_PROTONAT_PORT_MIN, *port.start());
                w.be16(CTA_PROTONAT_PORT_MAX, *port.end());
            });
        }
    });
}

fn encode_addr(w: &mut AttrWriter<'_>, kind_v4: u16, kind_v6: u16, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => w.bytes(kind_v4, &addr.octets()),
        IpAddr::V6(addr) => w.bytes(kind_v6, &addr.octets()),
    }
}

/// Reads `CTA_SEQ_ADJ_ORIG` or `CTA_SEQ_ADJ_REPLY`.
pub(super) fn decode_seq_adj(nest: Attr<'_>, unknown: &mut u32) -> Result<SeqAdj, Malformed> {
    let mut adj = SeqAdj::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_SEQADJ_CORRECTION_POS => adj.correction_pos = attr.be32()?,
            CTA_SEQADJ_OFFSET_BEFORE => adj.offset_before = attr.be32()?,
            CTA_SEQADJ_OFFSET_AFTER => adj.offset_after = attr.be32()?,
            _ => *unknown += 1,
        }
    }
    Ok(adj)
}

/// Writes the nest.
pub(super) fn encode_seq_adj(w: &mut AttrWriter<'_>, kind: u16, adj: &SeqAdj) {
    w.nest(kind, |w| {
        w.be32(CTA_SEQADJ_CORRECTION_POS, adj.correction_pos);
        w.be32(CTA_SEQADJ_OFFSET_BEFORE, adj.offset_before);
        w.be32(CTA_SEQADJ_OFFSET_AFTER, adj.offset_after);
    });
}

/// Reads `CTA_SYNPROXY`.
pub(super) fn decode_synproxy(nest: Attr<'_>, unknown: &mut u32) -> Result<Synproxy, Malformed> {
    let mut synproxy = Synproxy::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_SYNPROXY_ISN => synproxy.isn = attr.be32()?,
            CTA_SYNPROXY_ITS => synproxy.its = attr.be32()?,
            CTA_SYNPROXY_TSOFF => synproxy.tsoff = attr.be32()?,
            _ => *unknown += 1,
        }
    }
    Ok(synproxy)
}

/// Writes the nest.
pub(super) fn encode_synproxy(w: &mut AttrWriter<'_>, kind: u16, synproxy: &Synproxy) {
    w.nest(kind, |w| {
        w.be32(CTA_SYNPROXY_ISN, synproxy.isn);
        w.be32(CTA_SYNPROXY_ITS, synproxy.its);
        w.be32(CTA_SYNPROXY_TSOFF, synproxy.tsoff);
    });
}
