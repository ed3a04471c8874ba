//! Protocol state: `CTA_PROTOINFO` with one nest for TCP, DCCP or SCTP.
//!
//! A nest may hold any part of its fields: an event of a dying flow has the state alone, and a
//! request changes what it names.

use flow::{
    DccpInfo, DccpRole, DccpState, PerDir, ProtoInfo, SctpInfo, SctpState, TcpFlags, TcpInfo,
    TcpState,
};

use crate::conntrack::constants::{cta::CTA_PROTOINFO, protoinfo::*};
use crate::malformed::Malformed;
use crate::nl::{Attr, AttrWriter};

/// Reads the nest; `None` if it holds no protocol known here.
pub(super) fn decode(nest: Attr<'_>, unknown: &mut u32) -> Result<Option<ProtoInfo>, Malformed> {
    let mut info = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_PROTOINFO_TCP => info = Some(ProtoInfo::Tcp(decode_tcp(attr, unknown)?)),
            CTA_PROTOINFO_DCCP => info = Some(ProtoInfo::Dccp(decode_dccp(attr, unknown)?)),
            CTA_PROTOINFO_SCTP => info = Some(ProtoInfo::Sctp(decode_sctp(attr, unknown)?)),
            _ => *unknown += 1,
        }
    }
    Ok(info)
}

fn decode_tcp(nest: Attr<'_>, unknown: &mut u32) -> Result<TcpInfo, Malformed> {
    let mut tcp = TcpInfo::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_PROTOINFO_TCP_STATE => tcp.state = Some(TcpState(attr.u8()?)),
            CTA_PROTOINFO_TCP_WSCALE_ORIGINAL => tcp.wscale.orig = Some(attr.u8()?),
            CTA_PROTOINFO_TCP_WSCALE_REPLY => tcp.wscale.reply = Some(attr.u8()?),
            CTA_PROTOINFO_TCP_FLAGS_ORIGINAL => tcp.flags.orig = Some(decode_flags(attr)?),
            CTA_PROTOINFO_TCP_FLAGS_REPLY => tcp.flags.reply = Some(decode_flags(attr)?),
            _ => *unknown += 1,
        }
    }
    Ok(tcp)
}

fn decode_flags(attr: Attr<'_>) -> Result<TcpFlags, Malformed> {
    let [flags, mask] = *attr.bytes()?;
    Ok(TcpFlags { flags, mask })
}

fn decode_dccp(nest: Attr<'_>, unknown: &mut u32) -> Result<DccpInfo, Malformed> {
    let mut dccp = DccpInfo::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_PROTOINFO_DCCP_STATE => dccp.state = Some(DccpState(attr.u8()?)),
            CTA_PROTOINFO_DCCP_ROLE => dccp.role = Some(DccpRole(attr.u8()?)),
            CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ => dccp.handshake_seq = Some(attr.be64()?),
            CTA_PROTOINFO_DCCP_PAD => {}
            _ => *unknown += 1,
        }
    }
    Ok(dccp)
}

fn decode_sctp(nest: Attr<'_>, unknown: &mut u32) -> Result<SctpInfo, Malformed> {
    let mut sctp = SctpInfo::default();
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_PROTOINFO_SCTP_STATE => sctp.state = Some(SctpState(attr.u8()?)),
            CTA_PROTOINFO_SCTP_VTAG_ORIGINAL => sctp.vtag.orig = Some(attr.be32()?),
            CTA_PROTOINFO_SCTP_VTAG_REPLY => sctp.vtag.reply = Some(attr.be32()?),
            _ => *unknown += 1,
        }
    }
    Ok(sctp)
}

/// Writes the nest.
pub(super) fn encode(w: &mut AttrWriter<'_>, info: &ProtoInfo) {
    w.nest(CTA_PROTOINFO, |w| match info {
        ProtoInfo::Tcp(tcp) => w.nest(CTA_PROTOINFO_TCP, |w| encode_tcp(w, tcp)),
        ProtoInfo::Dccp(dccp) => w.nest(CTA_PROTOINFO_DCCP, |w| encode_dccp(w, dccp)),
        ProtoInfo::Sctp(sctp) => w.nest(CTA_PROTOINFO_SCTP, |w| encode_sctp(w, sctp)),
    });
}

fn encode_tcp(w: &mut AttrWriter<'_>, tcp: &TcpInfo) {
    if let Some(TcpState(state)) = tcp.state {
        w.u8(CTA_PROTOINFO_TCP_STATE, state);
    }
    let flags: PerDir<Option<TcpFlags>> = tcp.flags;
    if let Some(TcpFlags { flags, mask }) = flags.orig {
        w.bytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &[flags, mask]);
    }
    if let Some(TcpFlags { flags, mask }) = flags.reply {
        w.bytes(CTA_PROTOINFO_TCP_FLAGS_REPLY, &[flags, mask]);
    }
    if let Some(scale) = tcp.wscale.orig {
        w.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, scale);
    }
    if let Some(scale) = tcp.wscale.reply {
        w.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, scale);
    }
}

fn encode_dccp(w: &mut AttrWriter<'_>, dccp: &DccpInfo) {
    if let Some(DccpState(state)) = dccp.state {
        w.u8(CTA_PROTOINFO_DCCP_STATE, state);
    }
    if let Some(DccpRole(role)) = dccp.role {
        w.u8(CTA_PROTOINFO_DCCP_ROLE, role);
    }
    if let Some(seq) = dccp.handshake_seq {
        w.be64(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, seq);
    }
}

/// Stock writes the tags in host order, the kernel takes them as they stand in the packet.
fn encode_sctp(w: &mut AttrWriter<'_>, sctp: &SctpInfo) {
    if let Some(SctpState(state)) = sctp.state {
        w.u8(CTA_PROTOINFO_SCTP_STATE, state);
    }
    if let Some(tag) = sctp.vtag.orig {
        w.be32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, tag);
    }
    if let Some(tag) = sctp.vtag.reply {
        w.be32(CTA_PROTOINFO_SCTP_VTAG_REPLY, tag);
    }
}
