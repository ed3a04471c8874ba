//! The default format: one line per flow, fields separated by single blanks.
//!
//! This is what scripts read, so order and spelling are stock's to the byte. Names come from the
//! kernel but were chosen by others: bytes that could drive a terminal are escaped
//! (compat: cli-101).

use alloc::vec::Vec;

use super::time::{self, Calendar};
use super::{Assurance, Field, Item, Record, Show, Sink, bytes, walk};
use crate::event::EventKind;
use crate::flow::{Counters, Name};
use crate::protocol::Protocol;
use crate::tuple::{Dir, L4, Tuple};

/// Renders a record as one line, without the line's end.
pub(super) fn render(out: &mut Vec<u8>, record: &Record<'_>, show: &Show) {
    let line = &mut Line {
        out,
        separate: false,
    };
    walk!(
        record,
        show,
        line,
        [
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
            Field::Start,
            Field::Stop,
            Field::Helper,
            Field::Use,
            Field::Id,
            Field::Labels,
            Field::Sender,
        ]
    );
}

/// A line in the making.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the next field needs a blank in front.
    separate: bool,
}

impl Sink for Line<'_> {
    #[inline(always)]
    fn item(&mut self, item: Item<'_>) {
        if self.separate {
            self.out.push(b' ');
        }
        // A tab follows the time instead of a blank.
        self.separate = !matches!(item, Item::Time(_));
        match item {
            Item::Time(nanos) => time(self.out, nanos),
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
            Item::Start(_, local) => self.moment("[start=", &local),
            Item::Stop(_, local) => self.moment("[stop=", &local),
            Item::Helper(name) => self.name("helper=", name),
            Item::Use(count) => self.number("use=", count),
            Item::Id(id) => self.number("id=", id),
            Item::Labels(labels) => {
                self.word("labels=");
                labels.words(self.out, "", ",");
                // The one behind the last.
                self.out.pop();
            }
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
pub(super) const fn tag(kind: EventKind) -> &'static str {
    match kind {
        EventKind::New => "    [NEW]",
        EventKind::Update => " [UPDATE]",
        EventKind::Destroy => "[DESTROY]",
    }
}

/// `[SECONDS.MICROS]` and a tab.
pub(super) fn time(out: &mut Vec<u8>, nanos: u64) {
    out.push(b'[');
    bytes::decimal_padded(out, nanos / bytes::NANOS_PER_SECOND, 8);
    out.push(b'.');
    bytes::decimal_padded(out, nanos % bytes::NANOS_PER_SECOND / 1000, 6);
    out.extend_from_slice(b"]\t");
}

/// A tuple without its zone, the addresses behind these labels.
pub(super) fn tuple_named(out: &mut Vec<u8>, src: &str, dst: &str, tuple: &Tuple) {
    out.extend_from_slice(src.as_bytes());
    bytes::address(out, tuple.addrs.src());
    out.extend_from_slice(dst.as_bytes());
    bytes::address(out, tuple.addrs.dst());
    match tuple.l4 {
        L4::Tcp(p) | L4::Udp(p) | L4::UdpLite(p) | L4::Sctp(p) | L4::Dccp(p) => {
            number(out, " sport=", p.src);
            number(out, " dport=", p.dst);
        }
        L4::Icmp(icmp) | L4::Icmpv6(icmp) => {
            number(out, " type=", icmp.kind);
            number(out, " code=", icmp.code);
            number(out, " id=", icmp.id);
        }
        L4::Gre(keys) => {
            out.extend_from_slice(b" srckey=0x");
            bytes::hex(out, keys.src);
            out.extend_from_slice(b" dstkey=0x");
            bytes::hex(out, keys.dst);
        }
        L4::Other(_) => {}
    }
}

/// A label and a number.
#[inline(always)]
pub(super) fn number(out: &mut Vec<u8>, label: &str, value: impl Into<u64>) {
    out.extend_from_slice(label.as_bytes());
    bytes::decimal(out, value);
}

impl Line<'_> {
    fn word(&mut self, word: &str) {
        self.out.extend_from_slice(word.as_bytes());
    }

    fn number(&mut self, label: &str, value: impl Into<u64>) {
        number(self.out, label, value);
    }

    fn name(&mut self, label: &str, name: Name<'_>) {
        self.word(label);
        bytes::escaped(self.out, name.as_bytes());
    }

    fn moment(&mut self, label: &str, time: &Calendar) {
        self.word(label);
        time::ctime(self.out, time);
        self.out.push(b']');
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
        tuple_named(self.out, "src=", " dst=", tuple);
    }

    fn counters(&mut self, counters: Counters) {
        self.number("packets=", counters.packets);
        self.number(" bytes=", counters.bytes);
    }
}
