//! Another implementation, netlink-packet-netfilter, agrees with ours on what it knows.
//!
//! It knows tuples (without ICMP fields and zones), TCP state, status, timeout and mark, and keeps
//! the rest as it is. So both must see the same there, in what we write and in what a real kernel
//! sent; and a flow that went through its decoder and encoder must still be the same flow.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::net::IpAddr;

use flow::{Flow, L4, ProtoInfo, Protocol, Tuple, strategy};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo as TheirProtoInfo, ProtoInfoTCP,
    ProtoTuple, Tuple as TheirTuple,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};
use nfnetlink::conntrack::{self, request};
use nfnetlink::nl::{Builder, Header, flags};
use nfnetlink::{GenHeader, ObjectMessage, Subsystem};
use proptest::prelude::*;
use support::{cases, one, read_message};

type Theirs = NetlinkMessage<NetfilterMessage>;

/// What both can say about a flow.
#[derive(Debug, Default, PartialEq)]
struct Known {
    orig: Half,
    reply: Option<Half>,
    status: Option<u32>,
    timeout: Option<u32>,
    mark: Option<u32>,
    tcp: Tcp,
}

/// What both can say about a tuple.
#[derive(Debug, Default, PartialEq)]
struct Half {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    protocol: Option<u8>,
    ports: [Option<u16>; 2],
}

/// State, window scales, flags and masks.
#[derive(Debug, Default, PartialEq)]
struct Tcp {
    state: Option<u8>,
    scales: [Option<u8>; 2],
    flags: [Option<[u8; 2]>; 2],
}

impl Known {
    fn ours(flow: &Flow<'_>) -> Self {
        let tcp = match flow.protoinfo {
            Some(ProtoInfo::Tcp(tcp)) => tcp,
            _ => Default::default(),
        };
        Self {
            orig: Half::ours(&flow.orig),
            reply: flow.reply.as_ref().map(Half::ours),
            status: flow.status.map(|status| status.0),
            timeout: flow.timeout,
            mark: flow.mark.map(|mark| mark.0),
            tcp: Tcp {
                state: tcp.state.map(|state| state.0),
                scales: [tcp.wscale.orig, tcp.wscale.reply],
                flags: [tcp.flags.orig, tcp.flags.reply]
                    .map(|flags| flags.map(|flags| [flags.flags, flags.mask])),
            },
        }
    }

    fn theirs(message: &Theirs) -> Self {
        let mut known = Self::default();
        for attribute in attributes(message) {
            match attribute {
                ConntrackAttribute::CtaTupleOrig(tuple) => known.orig = Half::theirs(tuple),
                ConntrackAttribute::CtaTupleReply(tuple) => {
                    known.reply = Some(Half::theirs(tuple));
                }
                ConntrackAttribute::CtaStatus(status) => known.status = Some(status.bits()),
                ConntrackAttribute::CtaTimeout(timeout) => known.timeout = Some(*timeout),
                ConntrackAttribute::CtaMark(mark) => known.mark = Some(*mark),
                ConntrackAttribute::CtaProtoInfo(infos) => {
                    for info in infos {
                        if let TheirProtoInfo::TCP(tcp) = info {
                            known.tcp = Tcp::theirs(tcp);
                        }
                    }
                }
                _ => {}
            }
        }
        known
    }
}

impl Half {
    fn ours(tuple: &Tuple) -> Self {
        let ports = match tuple.l4 {
            L4::Gre(keys) => [Some(keys.src), Some(keys.dst)],
            l4 => [
                l4.ports().map(|ports| ports.src),
                l4.ports().map(|ports| ports.dst),
            ],
        };
        Self {
            src: Some(tuple.addrs.src()),
            dst: Some(tuple.addrs.dst()),
            protocol: Some(tuple.protocol().0),
            ports,
        }
    }

    fn theirs(tuple: &[TheirTuple]) -> Self {
        let mut half = Self::default();
        for part in tuple {
            match part {
                TheirTuple::Ip(addrs) => addrs.iter().for_each(|addr| match addr {
                    IPTuple::SourceAddress(addr) => half.src = Some(*addr),
                    IPTuple::DestinationAddress(addr) => half.dst = Some(*addr),
                    _ => {}
                }),
                TheirTuple::Proto(fields) => fields.iter().for_each(|field| match field {
                    ProtoTuple::Protocol(protocol) => half.protocol = Some((*protocol).into()),
                    ProtoTuple::SourcePort(port) => half.ports[0] = Some(*port),
                    ProtoTuple::DestinationPort(port) => half.ports[1] = Some(*port),
                    _ => {}
                }),
                _ => {}
            }
        }
        half
    }
}

impl Tcp {
    fn theirs(fields: &[ProtoInfoTCP]) -> Self {
        let mut tcp = Self::default();
        for field in fields {
            match field {
                ProtoInfoTCP::State(state) => tcp.state = Some(*state),
                ProtoInfoTCP::OriginalWindowScale(scale) => tcp.scales[0] = Some(*scale),
                ProtoInfoTCP::ReplyWindowScale(scale) => tcp.scales[1] = Some(*scale),
                ProtoInfoTCP::OriginalFlags(f) => tcp.flags[0] = Some([f.flags, f.mask]),
                ProtoInfoTCP::ReplyFlags(f) => tcp.flags[1] = Some([f.flags, f.mask]),
                _ => {}
            }
        }
        tcp
    }
}

fn attributes(message: &Theirs) -> &[ConntrackAttribute] {
    let NetlinkPayload::InnerMessage(message) = &message.payload else {
        panic!("no netfilter message: {message:?}");
    };
    match &message.inner {
        NetfilterMessageInner::Conntrack(
            ConntrackMessage::New(attributes) | ConntrackMessage::Delete(attributes),
        ) => attributes,
        other => panic!("no flow: {other:?}"),
    }
}

/// The message in which the kernel would report a flow.
fn report(flow: &Flow<'_>) -> Vec<u8> {
    let header = Header {
        kind: Subsystem::Conntrack.message_type(0),
        flags: flags::MULTI,
        sequence: 5,
        port_id: 77,
    };
    let mut out = Vec::new();
    Builder::new(&mut out)
        .message(header, GenHeader::of_family(flow.family().number()), |w| {
            conntrack::encode(w, flow);
        })
        .unwrap();
    out
}

proptest! {
    #[test]
    fn they_read_what_we_write(flow in strategy::flow()) {
        let theirs = Theirs::deserialize(&report(&flow)).unwrap();
        prop_assert_eq!(Known::theirs(&theirs), Known::ours(&flow));
        prop_assert_eq!(theirs.header.sequence_number, 5);
        prop_assert_eq!(theirs.header.port_number, 77);
    }

    #[test]
    fn they_read_our_requests(flow in strategy::flow()) {
        let flow = Flow { reply: Some(flow.orig), ..flow };
        let mut bytes = Vec::new();
        let mut builder = Builder::new(&mut bytes);
        request::create(&mut builder, request::Call::acked(9), &flow).unwrap();
        let theirs = Theirs::deserialize(&bytes).unwrap();
        let expected = Known {
            status: flow.status.map(|status| status.0 | 8),
            ..Known::ours(&flow)
        };
        prop_assert_eq!(Known::theirs(&theirs), expected);
        prop_assert_eq!(theirs.header.flags, 0x605);
    }

    #[test]
    fn a_flow_survives_their_codec(flow in strategy::flow()) {
        let mut theirs = Theirs::deserialize(&report(&flow)).unwrap();
        theirs.finalize();
        let mut bytes = vec![0; theirs.buffer_len()];
        theirs.serialize(&mut bytes);
        let message = ObjectMessage::decode(&one(&bytes)).unwrap();
        prop_assert_eq!(message.flow().unwrap().value, flow);
    }
}

#[test]
fn both_read_the_same_from_a_kernel() {
    let mut checked = 0;
    for case in cases() {
        let bytes = read_message(&case);
        let Ok(message) = ObjectMessage::decode(&one(&bytes)) else {
            continue;
        };
        if message.subsystem != Subsystem::Conntrack {
            continue;
        }
        let ours = Known::ours(&message.flow().unwrap().value);
        let mut theirs = Known::theirs(&Theirs::deserialize(&bytes).unwrap());
        // Ports that the kernel leaves out are zero for us.
        if ours.orig.protocol == Some(Protocol::DCCP.0) {
            for half in [Some(&mut theirs.orig), theirs.reply.as_mut()]
                .into_iter()
                .flatten()
            {
                assert_eq!(half.ports, [None, None]);
                half.ports = [Some(0), Some(0)];
            }
        }
        assert_eq!(ours, theirs, "{}", case.display());
        checked += 1;
    }
    assert!(checked > 30, "only {checked} flows found");
}
