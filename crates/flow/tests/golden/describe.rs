//! The language of the `flow` files: one `key = value` per line.
//!
//! Keys are those of `Flow`; a tuple is written as protocol, source, destination and the
//! protocol's own numbers. A key that is not known fails the test.

use flow::render::{Record, Sender};
use flow::{
    Counters, DccpInfo, DccpState, EventKind, Flow, Helper, Icmp, Keys, L4, Mark, Name, PerDir,
    Ports, ProtoInfo, Protocol, SctpInfo, SctpState, Status, TcpInfo, TcpState, Timestamp, Tuple,
    Zone,
};
use std::collections::HashMap;

/// A flow of a case, and what is known beside it.
pub struct Case<'a> {
    flow: Flow<'a>,
    event: Option<EventKind>,
    now: u64,
    time: u64,
    sender: Option<Sender<'a>>,
}

impl Case<'_> {
    pub fn record(&self) -> Record<'_> {
        Record {
            flow: &self.flow,
            event: self.event,
            now: self.now,
            time: self.time,
            sender: self.sender,
        }
    }
}

/// Reads a description; a word that it does not know fails the test.
pub fn parse(description: &str) -> Case<'_> {
    let mut values: HashMap<_, _> = description
        .lines()
        .map(|line| line.split_once(" = ").expect("key = value"))
        .collect();
    let mut flow = Flow::new(tuple(values.remove("orig").expect("orig")));
    let mut case_event = None;
    let (mut now, mut time, mut sender) = (0, 0, None);
    flow.reply = values.remove("reply").map(tuple);
    for (key, value) in values {
        match key {
            "orig_zone" => flow.orig.zone = Some(Zone(u16::try_from(number(value)).unwrap())),
            "reply_zone" => {
                let zone = Zone(u16::try_from(number(value)).unwrap());
                flow.reply.as_mut().expect("reply").zone = Some(zone);
            }
            "stop" => {}
            "start" => flow.timestamp = Some(life(value, description)),
            "counters" => flow.counters = counters(value),
            "tcp_state" | "sctp_state" | "dccp_state" => flow.protoinfo = Some(state(key, value)),
            "zone" => flow.zone = Some(Zone(u16::try_from(number(value)).unwrap())),
            "status" => flow.status = Some(Status(small(value))),
            "timeout" => flow.timeout = Some(small(value)),
            "mark" => flow.mark = Some(Mark(small(value))),
            "secmark" => flow.secmark = Some(small(value)),
            "secctx" => flow.secctx = Some(Name::new(value.as_bytes())),
            "use" => flow.use_count = Some(small(value)),
            "id" => flow.id = Some(small(value)),
            "event_time" => flow.event_time = Some(number(value)),
            "helper" => {
                let name = Name::new(value.as_bytes());
                flow.helper = Some(Helper { name, info: None });
            }
            "event" => case_event = Some(event(value)),
            "now" => now = number(value),
            "time" => time = number(value),
            "sender" => sender = Some(program(value)),
            _ => panic!("unknown key {key}"),
        }
    }
    Case {
        flow,
        event: case_event,
        now,
        time,
        sender,
    }
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    }
    .unwrap_or_else(|_| panic!("{text} is not a number"))
}

fn small(text: &str) -> u32 {
    u32::try_from(number(text)).unwrap()
}

fn life(start: &str, description: &str) -> Timestamp {
    let stop = description
        .lines()
        .find_map(|line| line.strip_prefix("stop = "));
    Timestamp {
        start: number(start),
        stop: stop.map(number),
    }
}

fn counters(text: &str) -> PerDir<Option<Counters>> {
    let numbers: Vec<u64> = text.split(' ').map(number).collect();
    let pair = |at: usize| Counters {
        packets: numbers[at],
        bytes: numbers[at + 1],
    };
    PerDir {
        orig: Some(pair(0)),
        reply: Some(pair(2)),
    }
}

fn state(key: &str, value: &str) -> ProtoInfo {
    let state = u8::try_from(number(value)).unwrap();
    match key {
        "tcp_state" => ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState(state)),
            ..TcpInfo::default()
        }),
        "sctp_state" => ProtoInfo::Sctp(SctpInfo {
            state: Some(SctpState(state)),
            ..SctpInfo::default()
        }),
        _ => ProtoInfo::Dccp(DccpInfo {
            state: Some(DccpState(state)),
            ..DccpInfo::default()
        }),
    }
}

fn event(text: &str) -> EventKind {
    match text {
        "new" => EventKind::New,
        "update" => EventKind::Update,
        "destroy" => EventKind::Destroy,
        _ => panic!("unknown event {text}"),
    }
}

fn program(text: &str) -> Sender<'_> {
    let (port, name) = match text.split_once(' ') {
        Some((port, name)) => (port, Some(Name::new(name.as_bytes()))),
        None => (text, None),
    };
    Sender {
        port: small(port),
        program: name,
    }
}

/// Protocol, source, destination, and the protocol's own numbers in the order of the text format.
fn tuple(text: &str) -> Tuple {
    let words: Vec<&str> = text.split(' ').collect();
    let protocol = Protocol::KNOWN
        .into_iter()
        .find(|known| known.name() == Some(words[0]))
        .unwrap_or_else(|| Protocol(u8::try_from(number(words[0])).unwrap()));
    let field = |at: usize| u16::try_from(number(words[at])).unwrap();
    let octet = |at: usize| u8::try_from(number(words[at])).unwrap();
    let addrs = flow::Addrs::new(words[1].parse().unwrap(), words[2].parse().unwrap());
    let icmp = || Icmp {
        kind: octet(3),
        code: octet(4),
        id: field(5),
    };
    let l4 = match protocol {
        Protocol::ICMP => L4::Icmp(icmp()),
        Protocol::ICMPV6 => L4::Icmpv6(icmp()),
        Protocol::GRE => L4::Gre(Keys {
            src: field(3),
            dst: field(4),
        }),
        other if other.name().is_none() => L4::Other(other),
        other => L4::with_ports(
            other,
            Ports {
                src: field(3),
                dst: field(4),
            },
        )
        .unwrap(),
    };
    Tuple::new(addrs.expect("one family"), l4)
}
