//! Messages about flows (docs/wire.md, "Flow attributes").
//!
//! A message carries everything its sender knows of the flow, whatever has changed. Addresses and
//! protocol are mandatory here and all addresses are of one family; stock stores what no table can
//! hold (compat: sync-1, compat: sync-2).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use flow::{
    Addrs, DccpRole, DccpState, EventKind, Family, Icmp, L4, Labels, Mark, PerDir, Ports, Protocol,
    SctpState, SeqAdj, Status, Synproxy, TcpState, Zone,
};

use crate::seq::Seq;
use crate::wire::DropReason;
use crate::wire::attr::{Attr, Attrs, Writer};
use crate::wire::header::{Flags, Header, Kind};
use crate::wire::name::HelperName;
use crate::wire::tuple::{TupleParts, l4_with_ports};

const IPV4: u16 = 0;
const IPV6: u16 = 1;
const L4PROTO: u16 = 2;
const PORT: u16 = 3;
const TCP_STATE: u16 = 4;
const STATUS: u16 = 5;
const TIMEOUT: u16 = 6;
const MARK: u16 = 7;
const MASTER_IPV4: u16 = 8;
const MASTER_IPV6: u16 = 9;
const MASTER_L4PROTO: u16 = 10;
const MASTER_PORT: u16 = 11;
const SNAT_IPV4: u16 = 12;
const DNAT_IPV4: u16 = 13;
const SPAT_PORT: u16 = 14;
const DPAT_PORT: u16 = 15;
const NAT_SEQ_ADJ: u16 = 16;
const SCTP_STATE: u16 = 17;
const SCTP_VTAG_ORIG: u16 = 18;
const SCTP_VTAG_REPL: u16 = 19;
const DCCP_STATE: u16 = 20;
const DCCP_ROLE: u16 = 21;
const ICMP_TYPE: u16 = 22;
const ICMP_CODE: u16 = 23;
const ICMP_ID: u16 = 24;
const TCP_WSCALE_ORIG: u16 = 25;
const TCP_WSCALE_REPL: u16 = 26;
const HELPER_NAME: u16 = 27;
const LABELS: u16 = 28;
const SNAT_IPV6: u16 = 29;
const DNAT_IPV6: u16 = 30;
const SYNPROXY: u16 = 31;
const ZONE: u16 = 32;

/// Longest payload of LABELS that is accepted.
const LABELS_LEN_MAX: usize = 1024;

/// Type, code and identifier of an ICMP flow's original direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpParts {
    /// Message type.
    pub kind: Option<u8>,
    /// Message code.
    pub code: Option<u8>,
    /// Identifier.
    pub id: Option<u16>,
}

/// What translation has made of the original tuple: the ends of the reply tuple that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatParts {
    /// Translated source, the reply's destination address.
    pub src: Option<IpAddr>,
    /// Translated destination, the reply's source address.
    pub dst: Option<IpAddr>,
    /// Translated source port. Stock sends a zero for ICMP: it means something for TCP and UDP only.
    pub src_port: Option<u16>,
    /// Translated destination port, likewise.
    pub dst_port: Option<u16>,
}

/// A message about a flow. What is `None` is not in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowMessage<'a> {
    /// Addresses of the original tuple.
    pub addrs: Addrs,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its ports; sent for TCP, UDP, SCTP and DCCP only.
    pub ports: Option<Ports>,
    /// Its ICMP fields.
    pub icmp: IcmpParts,
    /// Status bits; always sent.
    pub status: Option<Status>,
    /// State of a TCP flow.
    pub tcp_state: Option<TcpState>,
    /// Window scales of a TCP flow; sent beside a state only.
    pub tcp_wscale: PerDir<Option<u8>>,
    /// State of an SCTP flow.
    pub sctp_state: Option<SctpState>,
    /// Verification tags of an SCTP flow; sent beside a state only.
    pub sctp_vtag: PerDir<Option<u32>>,
    /// State of a DCCP flow.
    pub dccp_state: Option<DccpState>,
    /// Role in a DCCP flow; sent beside a state only.
    pub dccp_role: Option<DccpRole>,
    /// Remaining life in seconds.
    pub timeout: Option<u32>,
    /// Mark.
    pub mark: Option<Mark>,
    /// Original tuple of the master.
    pub master: TupleParts,
    /// Translation.
    pub nat: NatParts,
    /// Adjustment of sequence numbers, both directions or none.
    pub seq_adj: Option<PerDir<SeqAdj>>,
    /// Helper; a name too long for the wire is left out.
    pub helper: Option<HelperName<'a>>,
    /// Labels; stock sends them only if a bit is set.
    pub labels: Option<Labels>,
    /// SYN proxy data.
    pub synproxy: Option<Synproxy>,
    /// Zone of both directions.
    pub zone: Option<Zone>,
}

impl<'a> FlowMessage<'a> {
    /// A message with nothing but the mandatory attributes.
    pub const fn new(addrs: Addrs, protocol: Protocol) -> Self {
        Self {
            addrs,
            protocol,
            ports: None,
            icmp: IcmpParts {
                kind: None,
                code: None,
                id: None,
            },
            status: None,
            tcp_state: None,
            tcp_wscale: PerDir {
                orig: None,
                reply: None,
            },
            sctp_state: None,
            sctp_vtag: PerDir {
                orig: None,
                reply: None,
            },
            dccp_state: None,
            dccp_role: None,
            timeout: None,
            mark: None,
            master: TupleParts {
                addrs: None,
                protocol: None,
                ports: None,
            },
            nat: NatParts {
                src: None,
                dst: None,
                src_port: None,
                dst_port: None,
            },
            seq_adj: None,
            helper: None,
            labels: None,
            synproxy: None,
            zone: None,
        }
    }

    /// Reads the body of a message of type [`Kind::Flow`].
    ///
    /// Attributes may come in any order; of a repeated one the last counts. An unknown attribute
    /// makes the message malformed: numbers are not extensible.
    pub fn decode(body: &'a [u8]) -> Result<Self, DropReason> {
        let mut addrs = None;
        let mut protocol = None;
        let nowhere = Addrs::V4 {
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
        };
        let mut message = Self::new(nowhere, Protocol(0));
        for attr in Attrs::new(body) {
            let attr = attr?;
            match attr.number {
                IPV4 => addrs = Some(attr.addrs_v4()?),
                IPV6 => addrs = Some(attr.addrs_v6()?),
                L4PROTO => protocol = Some(Protocol(attr.u8()?)),
                _ => message.read(&attr)?,
            }
        }
        message.addrs = addrs.ok_or(DropReason::BadPayload)?;
        message.protocol = protocol.ok_or(DropReason::BadPayload)?;
        if message.mixes_families() {
            return Err(DropReason::BadPayload);
        }
        Ok(message)
    }

    /// Appends the message, at most [`MESSAGE_LEN_MAX`](super::MESSAGE_LEN_MAX) bytes, attributes
    /// in stock's order. Of `greeting` only HELLO and HELLO_BACK are sent.
    pub fn encode(&self, kind: EventKind, greeting: Flags, seq: Seq, out: &mut Vec<u8>) {
        let header = Header {
            kind: Kind::Flow(kind),
            flags: greeting.greeting(),
            seq,
        };
        header.encode_with(out, |out| self.encode_body(&mut Writer(out)));
    }

    /// The layer 4 part of the original tuple; missing ports or ICMP fields are zero.
    pub fn l4(&self) -> L4 {
        let icmp = Icmp {
            kind: self.icmp.kind.unwrap_or(0),
            code: self.icmp.code.unwrap_or(0),
            id: self.icmp.id.unwrap_or(0),
        };
        match self.protocol {
            Protocol::ICMP => L4::Icmp(icmp),
            Protocol::ICMPV6 => L4::Icmpv6(icmp),
            protocol @ Protocol(_) => l4_with_ports(protocol, self.ports),
        }
    }

    /// Takes over one optional attribute.
    fn read(&mut self, attr: &Attr<'a>) -> Result<(), DropReason> {
        match attr.number {
            PORT => self.ports = Some(attr.ports()?),
            TCP_STATE => self.tcp_state = Some(TcpState(attr.u8()?)),
            STATUS => self.status = Some(Status(attr.u32()?)),
            TIMEOUT => self.timeout = Some(attr.u32()?),
            MARK => self.mark = Some(Mark(attr.u32()?)),
            MASTER_IPV4 => self.master.addrs = Some(attr.addrs_v4()?),
            MASTER_IPV6 => self.master.addrs = Some(attr.addrs_v6()?),
            MASTER_L4PROTO => self.master.protocol = Some(Protocol(attr.u8()?)),
            MASTER_PORT => self.master.ports = Some(attr.ports()?),
            SNAT_IPV4 => self.nat.src = Some(attr.ipv4()?.into()),
            DNAT_IPV4 => self.nat.dst = Some(attr.ipv4()?.into()),
            SPAT_PORT => self.nat.src_port = Some(attr.u16_le()?),
            DPAT_PORT => self.nat.dst_port = Some(attr.u16_le()?),
            NAT_SEQ_ADJ => self.seq_adj = Some(decode_seq_adj(attr.u32s()?)),
            SCTP_STATE => self.sctp_state = Some(SctpState(attr.u8()?)),
            SCTP_VTAG_ORIG => self.sctp_vtag.orig = Some(attr.u32()?),
            SCTP_VTAG_REPL => self.sctp_vtag.reply = Some(attr.u32()?),
            DCCP_STATE => self.dccp_state = Some(DccpState(attr.u8()?)),
            DCCP_ROLE => self.dccp_role = Some(DccpRole(attr.u8()?)),
            ICMP_TYPE => self.icmp.kind = Some(attr.u8()?),
            ICMP_CODE => self.icmp.code = Some(attr.u8()?),
            ICMP_ID => self.icmp.id = Some(attr.u16_le()?),
            TCP_WSCALE_ORIG => self.tcp_wscale.orig = Some(attr.u8()?),
            TCP_WSCALE_REPL => self.tcp_wscale.reply = Some(attr.u8()?),
            HELPER_NAME => self.helper = Some(attr.name()?),
            LABELS => self.labels = decode_labels(attr.payload)?.or(self.labels),
            SNAT_IPV6 => self.nat.src = Some(attr.ipv6()?.into()),
            DNAT_IPV6 => self.nat.dst = Some(attr.ipv6()?.into()),
            SYNPROXY => self.synproxy = Some(decode_synproxy(attr.u32s()?)),
            ZONE => self.zone = Some(Zone(attr.u16_be()?)),
            _ => return Err(DropReason::BadPayload),
        }
        Ok(())
    }

    /// Whether addresses of both families meet in this flow: no table can hold such an entry.
    fn mixes_families(&self) -> bool {
        let family = self.addrs.family();
        let nat = [self.nat.src, self.nat.dst];
        let foreign = |addr: IpAddr| addr.is_ipv4() != (family == Family::Ipv4);
        nat.into_iter().flatten().any(foreign)
            || self.master.addrs.is_some_and(|it| it.family() != family)
    }

    fn encode_body(&self, out: &mut Writer<'_>) {
        out.addrs(IPV4, IPV6, Some(self.addrs));
        out.u32(STATUS, self.status.map(|it| it.0));
        out.u8(L4PROTO, Some(self.protocol.0));
        out.ports(PORT, self.ports);
        self.encode_state(out);
        out.u8(ICMP_TYPE, self.icmp.kind);
        out.u8(ICMP_CODE, self.icmp.code);
        out.u16_le(ICMP_ID, self.icmp.id);
        out.u32(TIMEOUT, self.timeout);
        out.u32(MARK, self.mark.map(|it| it.0));
        out.addrs(MASTER_IPV4, MASTER_IPV6, self.master.addrs);
        out.u8(MASTER_L4PROTO, self.master.protocol.map(|it| it.0));
        out.ports(MASTER_PORT, self.master.ports);
        self.encode_nat(out);
        out.name(HELPER_NAME, self.helper);
        if let Some(labels) = &self.labels {
            out.u32s(LABELS, labels.words());
        }
        if let Some(Synproxy { isn, its, tsoff }) = self.synproxy {
            out.u32s(SYNPROXY, &[its, isn, tsoff]);
        }
        out.u16_be(ZONE, self.zone.map(|it| it.0));
    }

    fn encode_state(&self, out: &mut Writer<'_>) {
        out.u8(TCP_STATE, self.tcp_state.map(|it| it.0));
        out.u8(TCP_WSCALE_ORIG, self.tcp_wscale.orig);
        out.u8(TCP_WSCALE_REPL, self.tcp_wscale.reply);
        out.u8(SCTP_STATE, self.sctp_state.map(|it| it.0));
        out.u32(SCTP_VTAG_ORIG, self.sctp_vtag.orig);
        out.u32(SCTP_VTAG_REPL, self.sctp_vtag.reply);
        out.u8(DCCP_STATE, self.dccp_state.map(|it| it.0));
        out.u8(DCCP_ROLE, self.dccp_role.map(|it| it.0));
    }

    fn encode_nat(&self, out: &mut Writer<'_>) {
        out.addr(SNAT_IPV4, SNAT_IPV6, self.nat.src);
        out.addr(DNAT_IPV4, DNAT_IPV6, self.nat.dst);
        out.u16_le(SPAT_PORT, self.nat.src_port);
        out.u16_le(DPAT_PORT, self.nat.dst_port);
        if let Some(PerDir { orig, reply }) = self.seq_adj {
            let words = [
                orig.correction_pos,
                orig.offset_before,
                orig.offset_after,
                reply.correction_pos,
                reply.offset_before,
                reply.offset_after,
            ];
            out.u32s(NAT_SEQ_ADJ, &words);
        }
    }
}

fn decode_seq_adj([a, b, c, d, e, f]: [u32; 6]) -> PerDir<SeqAdj> {
    let seq_adj = |correction_pos, offset_before, offset_after| SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    };
    PerDir {
        orig: seq_adj(a, b, c),
        reply: seq_adj(d, e, f),
    }
}

const fn decode_synproxy([its, isn, tsoff]: [u32; 3]) -> Synproxy {
    Synproxy { isn, its, tsoff }
}

/// Labels, `None` for a payload that is no words: stock ignores such a one.
///
/// The kernel has 128 labels; what a peer sends beyond them is left out (compat: sync-4).
fn decode_labels(payload: &[u8]) -> Result<Option<Labels>, DropReason> {
    if payload.len() > LABELS_LEN_MAX {
        return Err(DropReason::BadPayload);
    }
    if payload.len() % 4 != 0 {
        return Ok(None);
    }
    let mut words = [0; 4];
    let mut len = 0;
    for (word, bytes) in words.iter_mut().zip(payload.chunks_exact(4)) {
        *word = u32::from_be_bytes(bytes.try_into().map_err(|_| DropReason::BadPayload)?);
        len += 1;
    }
    Ok(words.get(..len).and_then(Labels::from_words))
}
