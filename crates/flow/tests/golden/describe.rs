//! The language of the `flow` and `expectation` files: one `key = value` per line.
//!
//! Keys are those of `Flow` and `Expectation`; a tuple is written as protocol, source, destination and the
//! protocol's own numbers. A key that is not known fails the test.

use flow::render::{Record, Sender};
use flow::{
    Counters, DccpInfo, DccpRole, DccpState, Dir, EventKind, ExpectNat, Expectation,
    ExpectationFlags, Flow, Helper, Icmp, Keys, L4, LabelMap, Labels, Mark, Name, PerDir, Ports,
    ProtoInfo, Protocol, SctpInfo, SctpState, SeqAdj, Status, Synproxy, TcpFlags, TcpInfo,
    TcpState, Timestamp, Tuple, Zone,
};
use std::collections::HashMap;

/// The flow or expectation of a case, and what is known beside it.
pub struct Case<'a, T> {
    object: T,
    beside: Beside<'a>,
}

/// What is known beside a flow or an expectation.
#[derive(Default)]
struct Beside<'a> {
    event: Option<EventKind>,
    now: u64,
    time: u64,
    sender: Option<Sender<'a>>,
    names: LabelMap,
}

impl<T> Case<'_, T> {
    pub fn record(&self, labels: bool) -> Record<'_, T> {
        let Beside {
            event, now, time, ..
        } = self.beside;
        Record {
            event,
            time,
            sender: self.beside.sender,
            labels: labels.then_some(&self.beside.names),
            ..Record::listed(&self.object, now)
        }
    }
}

impl<'a> Beside<'a> {
    /// Takes a key that flows and expectations share.
    fn take(&mut self, key: &str, value: &'a str) {
        match key {
            "event" => self.event = Some(event(value)),
            "now" => self.now = number(value),
            "time" => self.time = number(value),
            "sender" => self.sender = Some(program(value)),
            "names" => self.names = LabelMap::parse(value.replace(", ", "\n").as_bytes()),
            _ => panic!("unknown key {key}"),
        }
    }
}

fn values(description: &str) -> HashMap<&str, &str> {
    description
        .lines()
        .map(|line| line.split_once(" = ").expect("key = value"))
        .collect()
}

/// Reads the description of a flow; a word that it does not know fails the test.
pub fn flow(description: &str) -> Case<'_, Flow<'_>> {
    let mut values = values(description);
    let mut flow = Flow::new(tuple(values.remove("orig").expect("orig")));
    let mut beside = Beside::default();
    flow.reply = values.remove("reply").map(tuple);
    for (key, value) in values {
        match key {
            "orig_zone" => flow.orig.zone = Some(zone(value)),
            "reply_zone" => flow.reply.as_mut().expect("reply").zone = Some(zone(value)),
            "stop" => {}
            "start" => flow.timestamp = Some(life(value, description)),
            "counters" => flow.counters = counters(value),
            "tcp_state" | "sctp_state" | "dccp_state" => {
                flow.protoinfo = Some(protoinfo(key, value, description));
            }
            // Read with the state.
            "wscale" | "tcp_flags" | "vtag" | "role" | "handshake_seq" => {}
            "orig_seqadj" => flow.seq_adj.orig = Some(seq_adj(value)),
            "reply_seqadj" => flow.seq_adj.reply = Some(seq_adj(value)),
            "synproxy" => {
                let [isn, its, tsoff] = small_list(value);
                flow.synproxy = Some(Synproxy { isn, its, tsoff });
            }
            "master" => flow.master = Some(tuple(value)),
            "helper_info" => {}
            "zone" => flow.zone = Some(zone(value)),
            "status" => flow.status = Some(Status(small(value))),
            "timeout" => flow.timeout = Some(small(value)),
            "mark" => flow.mark = Some(Mark(small(value))),
            "labels" => flow.labels = Some(labels(value)),
            "secmark" => flow.secmark = Some(small(value)),
            "secctx" => flow.secctx = Some(Name::new(value.as_bytes())),
            "use" => flow.use_count = Some(small(value)),
            "id" => flow.id = Some(small(value)),
            "event_time" => flow.event_time = Some(number(value)),
            "helper" => {
                let name = Name::new(value.as_bytes());
                let info = line(description, "helper_info").map(str::as_bytes);
                flow.helper = Some(Helper { name, info });
            }
            _ => beside.take(key, value),
        }
    }
    Case {
        object: flow,
        beside,
    }
}

/// Reads the description of an expectation.
pub fn expectation(description: &str) -> Case<'_, Expectation<'_>> {
    let mut values = values(description);
    let mut required = |key| tuple(values.remove(key).expect(key));
    let mut expectation = Expectation::new(required("master"), required("tuple"));
    let mut beside = Beside::default();
    for (key, value) in values {
        match key {
            "mask" => expectation.mask = Some(tuple(value)),
            "timeout" => expectation.timeout = Some(small(value)),
            "id" => expectation.id = Some(small(value)),
            "class" => expectation.class = Some(small(value)),
            "zone" => expectation.zone = Some(zone(value)),
            "fn" => expectation.function = Some(Name::new(value.as_bytes())),
            "nat" => {
                let tuple = tuple(value);
                let dir = Dir::Reply;
                expectation.nat = Some(ExpectNat { dir, tuple });
            }
            "flags" => expectation.flags = Some(ExpectationFlags(small(value))),
            "helper" => expectation.helper = Some(Name::new(value.as_bytes())),
            _ => beside.take(key, value),
        }
    }
    Case {
        object: expectation,
        beside,
    }
}

fn zone(text: &str) -> Zone {
    Zone(u16::try_from(number(text)).unwrap())
}

/// Numbers of bits.
fn labels(text: &str) -> Labels {
    let mut labels = Labels::empty();
    for bit in text.split(' ').filter(|bit| !bit.is_empty()) {
        assert!(labels.set(u16::try_from(number(bit)).unwrap()));
    }
    labels
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

/// The value of a key that belongs to another one.
fn line<'a>(description: &'a str, key: &str) -> Option<&'a str> {
    description.lines().find_map(|line| {
        let (known, value) = line.split_once(" = ")?;
        (known == key).then_some(value)
    })
}

fn small_list<const N: usize>(text: &str) -> [u32; N] {
    let numbers: Vec<u32> = text.split(' ').map(small).collect();
    numbers.try_into().expect("as many numbers")
}

fn life(start: &str, description: &str) -> Timestamp {
    Timestamp {
        start: number(start),
        stop: line(description, "stop").map(number),
    }
}

fn seq_adj(text: &str) -> SeqAdj {
    let [correction_pos, offset_before, offset_after] = small_list(text);
    SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
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

fn protoinfo(key: &str, value: &str, description: &str) -> ProtoInfo {
    let octet = |value: u32| u8::try_from(value).unwrap();
    let pair = |key| -> PerDir<Option<u32>> {
        line(description, key).map_or_else(PerDir::default, |value| {
            let [orig, reply] = small_list(value);
            PerDir {
                orig: Some(orig),
                reply: Some(reply),
            }
        })
    };
    let state = octet(small(value));
    let flags = |value: u32| TcpFlags {
        flags: octet(value),
        mask: octet(value),
    };
    match key {
        "tcp_state" => ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState(state)),
            wscale: PerDir {
                orig: pair("wscale").orig.map(octet),
                reply: pair("wscale").reply.map(octet),
            },
            flags: PerDir {
                orig: pair("tcp_flags").orig.map(flags),
                reply: pair("tcp_flags").reply.map(flags),
            },
        }),
        "sctp_state" => ProtoInfo::Sctp(SctpInfo {
            state: Some(SctpState(state)),
            vtag: pair("vtag"),
        }),
        _ => ProtoInfo::Dccp(DccpInfo {
            state: Some(DccpState(state)),
            role: line(description, "role").map(|role| DccpRole(octet(small(role)))),
            handshake_seq: line(description, "handshake_seq").map(number),
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
