//! A node of ours that sees what a captured stock node saw sends what that one sent.
//!
//! From each captured message follows the event of the kernel behind it. What depends on the time
//! between two events (signs of life, numbers) is left out of the comparison.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::basics::{at, config, started};
use crate::common::settle;
use crate::pcap;
use ctsync::wire::{FlowMessage, Kind, split};
use ctsync::{Config, InternalCache, ModeConfig, Node};
use flow::{
    Addrs, DccpInfo, Event, EventKind, Flow, Helper, L4, Object, Origin, PerDir, Ports, ProtoInfo,
    Protocol, SctpInfo, TcpInfo, Tuple,
};

/// The flow of the kernel that a message was made of.
fn flow_of<'a>(message: &FlowMessage<'a>) -> Flow<'a> {
    let orig = Tuple::new(message.addrs, message.l4());
    let mut flow = Flow::new(orig);
    flow.reply = orig.inverse().map(|reply| translated(reply, message));
    flow.status = message.status;
    flow.timeout = message.timeout;
    flow.mark = message.mark;
    flow.zone = message.zone;
    flow.labels = message.labels;
    flow.synproxy = message.synproxy;
    flow.master = message.master.tuple();
    flow.helper = message.helper.map(|helper| Helper {
        name: helper.name(),
        info: None,
    });
    if let Some(PerDir { orig, reply }) = message.seq_adj {
        flow.seq_adj = PerDir {
            orig: Some(orig),
            reply: Some(reply),
        };
    }
    flow.protoinfo = protoinfo(message);
    flow
}

fn protoinfo(message: &FlowMessage<'_>) -> Option<ProtoInfo> {
    Some(match message.protocol {
        Protocol::TCP => ProtoInfo::Tcp(TcpInfo {
            state: Some(message.tcp_state?),
            wscale: message.tcp_wscale,
            ..TcpInfo::default()
        }),
        Protocol::SCTP => ProtoInfo::Sctp(SctpInfo {
            state: message.sctp_state,
            vtag: message.sctp_vtag,
        }),
        Protocol::DCCP => ProtoInfo::Dccp(DccpInfo {
            state: message.dccp_state,
            role: message.dccp_role,
            handshake_seq: None,
        }),
        _ => return None,
    })
}

/// The reply tuple with the peer's translation in it.
fn translated(reply: Tuple, message: &FlowMessage<'_>) -> Tuple {
    let nat = &message.nat;
    let (src, dst) = (
        nat.dst.unwrap_or(reply.addrs.src()),
        nat.src.unwrap_or(reply.addrs.dst()),
    );
    let addrs = Addrs::new(src, dst).unwrap();
    let l4 = reply.l4.ports().map_or(reply.l4, |ports| {
        let ports = Ports {
            src: nat.dst_port.unwrap_or(ports.src),
            dst: nat.src_port.unwrap_or(ports.dst),
        };
        L4::with_ports(reply.protocol(), ports).unwrap()
    });
    Tuple::new(addrs, l4)
}

/// The messages about flows in some bytes, without flags and numbers; ICMP without its translated
/// ports, which mean nothing (docs/wire.md).
fn told(bytes: &[u8]) -> Vec<(EventKind, FlowMessage<'_>)> {
    let messages = split(bytes).map(|message| message.unwrap());
    messages
        .filter_map(|message| match message.header.kind {
            Kind::Flow(kind) => {
                let mut flow = FlowMessage::decode(message.body).unwrap();
                if flow.ports.is_none() {
                    (flow.nat.src_port, flow.nat.dst_port) = (None, None);
                }
                Some((kind, flow))
            }
            Kind::Expectation(_) | Kind::Control | Kind::Unassigned(_) => None,
        })
        .collect()
}

/// Replays a capture, and gives the number of messages that were compared.
fn check(name: &str, config: Config) -> usize {
    let bypass = config.internal_cache == InternalCache::Bypass;
    let mut node: Node = started(config, at(0));
    let mut compared = 0;
    let mut seen = BTreeSet::new();
    for payload in pcap::payloads(&format!("{name}.pcap")) {
        for (kind, message) in told(&payload) {
            node.handle(
                at(1),
                ctsync::Input::Event(Event {
                    kind,
                    origin: Origin::Traffic,
                    object: Object::Flow(flow_of(&message)),
                }),
            );
            let sent = settle(&mut node, at(1)).datagrams;
            let sent: Vec<_> = sent.iter().flat_map(|bytes| told(bytes)).collect();
            // Where stock had merged a NEW and an UPDATE, ours says NEW (compat: sync-12).
            let first = seen.insert(format!("{:?}", flow_of(&message).orig));
            let kind = match kind {
                EventKind::Update if first && !bypass => EventKind::New,
                other => other,
            };
            assert_eq!(sent, [(kind, message)], "{name}: message {compared}");
            compared += 1;
        }
    }
    compared
}

#[test]
fn the_same_events_make_the_same_messages() {
    let mode = |mode| Config { mode, ..config() };
    let notrack = || mode(ModeConfig::Notrack);
    for (name, config, messages) in [
        ("notrack-mcast4-basic", notrack(), 6),
        ("notrack-mcast4-nat", notrack(), 10),
        (
            "notrack-mcast4-protocols",
            Config {
                tcp_window_tracking: true,
                ..notrack()
            },
            15,
        ),
        ("notrack-udp6-basic", notrack(), 6),
        ("notrack-tcp4-basic", notrack(), 6),
        (
            "notrack-udp4-commit-timeout",
            Config {
                commit_timeout: Some(Duration::from_secs(180)),
                ..notrack()
            },
            2,
        ),
        (
            "notrack-udp4-no-internal-cache",
            Config {
                internal_cache: InternalCache::Bypass,
                ..notrack()
            },
            5,
        ),
        ("alarm-mcast4-basic", mode(ModeConfig::ALARM), 6),
    ] {
        assert_eq!(check(name, config), messages, "{name}");
    }
}
