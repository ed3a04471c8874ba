//! The default format: one line per flow, fields separated by single blanks.
//!
//! This is what scripts read, so order and spelling are stock's to the byte. Names come from the
//! kernel but were chosen by others: bytes that could drive a terminal are escaped
//! (compat: cli-101).

use alloc::vec::Vec;

use super::{Assurance, Field, Item, Record, Show, Sink, bytes};
use crate::event::EventKind;
use crate::flow::{Counters, Name};
use crate::protocol::Protocol;
use crate::tuple::{Dir, L4, Tuple};

/// The order of the fields in a line.
const ORDER: [Field; 23] = [
    Field::Time,
    Field::Event,
    Field::Family,
    Field::Protocol,
    Field::Timeout,
    Field::State,
    Field::Tuple(Dir::Original),
    Field::DirZone(Dir::Original),
    Field::Counters(Dir::Original),
    Field::Unreplied,
    Field::Tuple(Dir::Reply),
    Field::DirZone(Dir::Reply),
    Field::Counters(Dir::Reply),
    Field::Assurance,
    Field::Mark,
    Field::Secmark,
    Field::Secctx,
    Field::Zone,
    Field::Age,
    Field::Helper,
    Field::Use,
    Field::Id,
    Field::Sender,
];

/// Renders a record as one line, without the line's end.
pub(super) fn render(out: &mut Vec<u8>, record: &Record<'_>, show: &Show) {
    let mut line = Line {
        out,
        separate: false,
    };
    super::walk(record, show, &ORDER, &mut line);
}

/// A line in the making.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the next field needs a blank in front.
    separate: bool,
}

impl Sink for Line<'_> {
    fn item(&mut self, item: Item<'_>) {
        if self.separate {
            self.out.push(b' ');
        }
        // A tab follows the time instead of a blank.
        self.separate = !matches!(item, Item::Time(_));
        match item {
            Item::Time(nanos) => self.time(nanos),
            Item::Event(kind) => self.word(tag(kind)),
            Item::Family(family) => self.protocol_column(family.name(), family.number()),
            Item::Protocol(protocol) => self.protocol(protocol),
            Item::Timeout(seconds) => bytes::decimal(self.out, seconds),
            Item::State(name) => self.word(name),
            Item::Tuple(_, tuple) => self.tuple(tuple),
            Item::DirZone(Dir::Original, zone) => self.number("zone-orig=", zone.0),
            Item::DirZone(Dir::Reply, zone) => self.number("zone-reply=", zone.0),
            Item::Counters(_, counters) => self.counters(counters),
            Item::Unreplied => self.word("[UNREPLIED]"),
            Item::Assurance(Assurance::HwOffload) => self.word("[HW_OFFLOAD]"),
            Item::Assurance(Assurance::Offload) => self.word("[OFFLOAD]"),
            Item::Assurance(Assurance::Assured) => self.word("[ASSURED]"),
            Item::Mark(mark) => self.number("mark=", mark.0),
            Item::Secmark(secmark) => self.number("secmark=", secmark),
            Item::Secctx(name) => self.name("secctx=", name),
            Item::Zone(zone) => self.number("zone=", zone.0),
            Item::Age(seconds) => self.number("delta-time=", seconds),
            Item::Helper(name) => self.name("helper=", name),
            Item::Use(count) => self.number("use=", count),
            Item::Id(id) => self.number("id=", id),
            Item::Sender(sender) => {
                self.number("[USERSPACE] portid=", sender.port);
                if let Some(program) = sender.program {
                    self.name(" progname=", program);
                }
            }
        }
    }
}

/// The tag of an event, right-aligned in nine columns.
const fn tag(kind: EventKind) -> &'static str {
    match kind {
        EventKind::New => "    [NEW]",
        EventKind::Update => " [UPDATE]",
        EventKind::Destroy => "[DESTROY]",
    }
}

impl Line<'_> {
    fn word(&mut self, word: &str) {
        self.out.extend_from_slice(word.as_bytes());
    }

    fn number(&mut self, label: &str, value: impl Into<u64>) {
        self.word(label);
        bytes::decimal(self.out, value);
    }

    fn hex(&mut self, label: &str, value: u16) {
        self.word(label);
        bytes::hex(self.out, value);
    }

    fn name(&mut self, label: &str, name: Name<'_>) {
        self.word(label);
        bytes::escaped(self.out, name.as_bytes());
    }

    /// `[SECONDS.MICROS]` and a tab.
    fn time(&mut self, nanos: u64) {
        self.out.push(b'[');
        bytes::decimal_padded(self.out, nanos / bytes::NANOS_PER_SECOND, 8);
        self.out.push(b'.');
        bytes::decimal_padded(self.out, nanos % bytes::NANOS_PER_SECOND / 1000, 6);
        self.word("]\t");
    }

    fn protocol(&mut self, protocol: Protocol) {
        self.protocol_column(protocol.name().unwrap_or("unknown"), protocol.0);
    }

    /// A name in eight columns and its number.
    fn protocol_column(&mut self, name: &str, number: u8) {
        bytes::left(self.out, name, 8);
        self.out.push(b' ');
        bytes::decimal(self.out, number);
    }

    fn tuple(&mut self, tuple: &Tuple) {
        self.word("src=");
        bytes::address(self.out, tuple.addrs.src());
        self.word(" dst=");
        bytes::address(self.out, tuple.addrs.dst());
        match tuple.l4 {
            L4::Tcp(p) | L4::Udp(p) | L4::UdpLite(p) | L4::Sctp(p) | L4::Dccp(p) => {
                self.number(" sport=", p.src);
                self.number(" dport=", p.dst);
            }
            L4::Icmp(icmp) | L4::Icmpv6(icmp) => {
                self.number(" type=", icmp.kind);
                self.number(" code=", icmp.code);
                self.number(" id=", icmp.id);
            }
            L4::Gre(keys) => {
                self.hex(" srckey=0x", keys.src);
                self.hex(" dstkey=0x", keys.dst);
            }
            L4::Other(_) => {}
        }
    }

    fn counters(&mut self, counters: Counters) {
        self.number("packets=", counters.packets);
        self.number(" bytes=", counters.bytes);
    }
}
