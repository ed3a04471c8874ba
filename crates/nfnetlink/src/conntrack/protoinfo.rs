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
use crate::nl::{Attr, AttrWriter, Attrs};

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
    match decode_usual_tcp(nest.payload) {
        Some(tcp) => Ok(tcp),
        None => decode_any_tcp(nest, unknown),
    }
}

/// Reads what the kernel writes of every connection in a listing (`tcp_to_nlattr`); everything else is
/// left to [`decode_any_tcp`], which says the same of this.
fn decode_usual_tcp(payload: &[u8]) -> Option<TcpInfo> {
    if payload.len() != 5 * 8 {
        return None;
    }
    let mut attrs = Attrs::new(payload);
    let [state, _, _, _] = *attrs.usual(CTA_PROTOINFO_TCP_STATE, 5)?;
    let [wscale, _, _, _] = *attrs.usual(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 5)?;
    let [reply_wscale, _, _, _] = *attrs.usual(CTA_PROTOINFO_TCP_WSCALE_REPLY, 5)?;
    let [flags, mask, _, _] = *attrs.usual(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, 6)?;
    let [reply_flags, reply_mask, _, _] = *attrs.usual(CTA_PROTOINFO_TCP_FLAGS_REPLY, 6)?;
    Some(TcpInfo {
        state: Some(TcpState(state)),
        wscale: PerDir {
            orig: Some(wscale),
            reply: Some(reply_wscale),
        },
        flags: PerDir {
            orig: Some(TcpFlags { flags, mask }),
            reply: Some(TcpFlags {
                flags: reply_flags,
                mask: reply_mask,
            }),
        },
    })
}

fn decode_any_tcp(nest: Attr<'_>, unknown: &mut u32) -> Result<TcpInfo, Malformed> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Whatever is changed in what the kernel usually writes, both ways to read it agree.
    #[test]
    fn the_quick_way_and_the_long_one_say_the_same() {
        let mut bytes = Vec::new();
        AttrWriter::bare(&mut bytes, |w| {
            w.u8(CTA_PROTOINFO_TCP_STATE, 3);
            w.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7);
            w.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, 8);
            w.bytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &[0x23, 0x33]);
            w.bytes(CTA_PROTOINFO_TCP_FLAGS_REPLY, &[0x2b, 0x3b]);
        })
        .unwrap();
        assert!(decode_usual_tcp(&bytes).is_some());
        let agree = |payload: &[u8]| {
            let nest = Attr { kind: 1, payload };
            let (mut unknown, mut of_any) = (0, 0);
            let quick = (decode_tcp(nest, &mut unknown), unknown);
            assert_eq!(quick, (decode_any_tcp(nest, &mut of_any), of_any));
        };
        agree(&bytes);
        for at in 0..bytes.len() {
            let was = bytes[at];
            for value in 0..=u8::MAX {
                bytes[at] = value;
                agree(&bytes);
            }
            bytes[at] = was;
            agree(&bytes[..at]);
        }
    }
}
