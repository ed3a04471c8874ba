//! What every test of a node begins with: its configuration, flows, events, datagrams.

use ctsync::{ChannelId, Config, Input, Instant, ModeConfig, Node, Output, PeerId, Seq};
use flow::{
    Addrs, Event, EventKind, Flow, L4, Object, Origin, Ports, ProtoInfo, Status, TcpInfo, TcpState,
    Tuple,
};

/// Milliseconds on the clock of the tests.
pub fn at(millis: u64) -> Instant {
    Instant(millis * 1_000_000)
}

/// A configuration as conntrackd has it by default.
pub fn config() -> Config {
    Config {
        first_seq: Seq(1000),
        hash_key: [7, 9],
        ..Config::new(ModeConfig::FTFW)
    }
}

/// A TCP flow of the kernel, told apart by its source port and the low bits of its address.
pub fn flow(number: u32) -> Flow<'static> {
    let [_, a, b, c] = (number >> 14).to_be_bytes();
    let [.., high, low] = (1024 + (number & 0x3fff)).to_be_bytes();
    let ports = Ports {
        src: u16::from_be_bytes([high, low]),
        dst: 80,
    };
    let addrs = Addrs::V4 {
        src: [10, a, b, c].into(),
        dst: [192, 0, 2, 1].into(),
    };
    let orig = Tuple::new(addrs, L4::Tcp(ports));
    let mut flow = Flow::new(orig);
    flow.reply = orig.inverse();
    flow.status = Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
    flow.timeout = Some(432_000);
    flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo {
        state: Some(TcpState::ESTABLISHED),
        ..TcpInfo::default()
    }));
    flow
}

/// An event of traffic.
pub fn event(kind: EventKind, flow: Flow<'_>) -> Input<'_> {
    Input::Event(Event {
        kind,
        origin: Origin::Traffic,
        object: Object::Flow(flow),
    })
}

/// A node that has read an empty kernel table.
pub fn started(config: Config, now: Instant) -> Node {
    let mut node = Node::new(config, now);
    node.handle(now, Input::DumpDone { complete: true });
    node
}

/// Gives a node a datagram.
pub fn deliver(node: &mut Node, now: Instant, bytes: &[u8]) {
    node.handle(
        now,
        Input::Datagram {
            channel: ChannelId(0),
            peer: PeerId(0),
            bytes,
        },
    );
}

/// The datagrams that a node has to send at this time, until it has nothing left to do.
pub fn datagrams(node: &mut Node, now: Instant) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    loop {
        while let Some(output) = node.poll() {
            if let Output::Transmit { bytes, .. } = output {
                datagrams.push(bytes.to_vec());
            }
        }
        if node.timeout().is_none_or(|due| due > now) {
            return datagrams;
        }
        node.handle(now, Input::Timeout);
    }
}
