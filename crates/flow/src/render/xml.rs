//! XML: one `<flow>` element per line, without white space inside.
//!
//! Structure and order are stock's. Some things are not, since no reader can have relied on them
//! (compat: cli-49): states of SCTP and DCCP have their own names instead of TCP's, an ICMP flow
//! shows its type, code and id, and an offloaded flow says so. Foreign names are escaped.
//!
//! The document around the elements is the caller's business ([`Document`]); `conntrackd -x` has
//! none.

use alloc::vec::Vec;

use super::time::Calendar;
use super::{Field, Item, Record, Show, Sink, bytes, walk};
use crate::event::EventKind;
use crate::flow::Name;
use crate::status::Status;
use crate::tuple::{Dir, L4, Tuple};

/// What stands for the reply of a flow whose reply is not known.
const NO_REPLY: &str = "<layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst></dst>\
     </layer3><layer4 protonum=\"0\" protoname=\"unknown\"></layer4>";

/// What encloses the elements. Without an element there is nothing at all: an empty output
/// means that there are no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// Of flows.
    Flows,
    /// Of expectations.
    Expectations,
}

impl Document {
    const fn name(self) -> &'static str {
        match self {
            Self::Flows => "conntrack",
            Self::Expectations => "expect",
        }
    }

    /// Appends the lines in front of the first element.
    pub fn open(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b">\n");
    }

    /// Appends the line behind the last element.
    pub fn close(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b">\n");
    }
}

/// Renders a record as one element, without a line's end.
pub(super) fn render(out: &mut Vec<u8>, record: &Record<'_>, show: &Show) {
    let mut xml = Xml { out };
    xml.start(record.event);
    xml.raw("<meta direction=\"original\">");
    walk!(
        record,
        show,
        &mut xml,
        [
            Field::Tuple(Dir::Original),
            Field::DirZone(Dir::Original),
            Field::Counters(Dir::Original),
        ]
    );
    xml.raw("</meta><meta direction=\"reply\">");
    match record.object.reply {
        Some(_) => walk!(
            record,
            show,
            &mut xml,
            [
                Field::Tuple(Dir::Reply),
                Field::DirZone(Dir::Reply),
                Field::Counters(Dir::Reply),
            ]
        ),
        None => xml.raw(NO_REPLY),
    }
    xml.raw("</meta>");
    xml.independent(record, show);
    if show.time {
        let nanos = record.object.event_time.unwrap_or(record.time);
        xml.when(&record.local(nanos));
    }
    walk!(record, show, &mut xml, [Field::Helper]);
    xml.raw("</flow>");
}

/// Elements in the making.
pub(super) struct Xml<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl Sink for Xml<'_> {
    #[inline(always)]
    fn item(&mut self, item: Item<'_>) {
        match item {
            Item::Tuple(_, tuple) => self.tuple(tuple),
            Item::DirZone(_, zone) | Item::Zone(zone) => self.number("zone", zone.0),
            Item::Counters(_, counters) => {
                self.raw("<counters>");
                self.number("packets", counters.packets);
                self.number("bytes", counters.bytes);
                self.raw("</counters>");
            }
            Item::State(name) => self.element("state", |out| out.extend(name.bytes())),
            Item::Timeout(seconds) => self.number("timeout", seconds),
            Item::Mark(mark) => self.number("mark", mark.0),
            Item::Secmark(secmark) => self.number("secmark", secmark),
            Item::Secctx(name) => self.name("secctx", name),
            Item::Use(count) => self.number("use", count),
            Item::Id(id) => self.number("id", id),
            Item::Start(nanos, _) => self.number("start", nanos),
            Item::Stop(nanos, _) => self.number("stop", nanos),
            Item::Age(seconds) => self.number("deltatime", seconds),
            Item::Labels(labels) => {
                self.raw("<labels>");
                labels.words(self.out, "<label>", "</label>");
                self.raw("</labels>");
            }
            Item::Helper(name) => self.name("helper", name),
            Item::Unreplied => self.raw("<unreplied/>"),
            // Attributes of other elements, or not part of this format.
            Item::Time(_)
            | Item::Event(_)
            | Item::Family(_)
            | Item::Protocol(_)
            | Item::Assurance(_)
            | Item::Sender(_) => {}
        }
    }
}

impl Xml<'_> {
    /// The start of the element of an entry.
    pub(super) fn start(&mut self, event: Option<EventKind>) {
        self.raw(match event {
            None => "<flow>",
            Some(EventKind::New) => "<flow type=\"new\">",
            Some(EventKind::Update) => "<flow type=\"update\">",
            Some(EventKind::Destroy) => "<flow type=\"destroy\">",
        });
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn element(&mut self, tag: &str, content: impl FnOnce(&mut Vec<u8>)) {
        self.raw("<");
        self.raw(tag);
        self.raw(">");
        content(self.out);
        self.raw("</");
        self.raw(tag);
        self.raw(">");
    }

    pub(super) fn number(&mut self, tag: &str, value: impl Into<u64>) {
        self.element(tag, |out| bytes::decimal(out, value));
    }

    fn key(&mut self, tag: &str, value: u16) {
        self.element(tag, |out| {
            out.extend_from_slice(b"0x");
            bytes::hex(out, value);
        });
    }

    pub(super) fn name(&mut self, tag: &str, name: Name<'_>) {
        self.element(tag, |out| escaped(out, name.as_bytes()));
    }

    /// The start of an element that names a protocol and its number.
    pub(super) fn protocol(&mut self, tag: &str, number: u8, name: Option<&str>) {
        self.raw("<");
        self.raw(tag);
        self.raw(" protonum=\"");
        bytes::decimal(self.out, number);
        self.raw("\" protoname=\"");
        self.raw(name.unwrap_or("unknown"));
        self.raw("\">");
    }

    fn tuple(&mut self, tuple: &Tuple) {
        let (family, protocol) = (tuple.family(), tuple.protocol());
        self.protocol("layer3", family.number(), Some(family.name()));
        self.element("src", |out| bytes::address(out, tuple.addrs.src()));
        self.element("dst", |out| bytes::address(out, tuple.addrs.dst()));
        self.raw("</layer3>");
        self.protocol("layer4", protocol.0, protocol.name());
        self.l4(&tuple.l4);
        self.raw("</layer4>");
    }

    /// Ports, keys or ICMP fields.
    pub(super) fn l4(&mut self, l4: &L4) {
        match *l4 {
            L4::Tcp(p) | L4::Udp(p) | L4::UdpLite(p) | L4::Sctp(p) | L4::Dccp(p) => {
                self.number("sport", p.src);
                self.number("dport", p.dst);
            }
            L4::Gre(keys) => {
                self.key("srckey", keys.src);
                self.key("dstkey", keys.dst);
            }
            L4::Icmp(icmp) | L4::Icmpv6(icmp) => {
                self.number("type", icmp.kind);
                self.number("code", icmp.code);
                self.number("id", icmp.id);
            }
            L4::Other(_) => {}
        }
    }

    /// When an event happened.
    pub(super) fn when(&mut self, time: &Calendar) {
        self.raw("<when>");
        self.number("hour", time.hour);
        self.element("min", |out| bytes::decimal_padded(out, time.minute, 2));
        self.element("sec", |out| bytes::decimal_padded(out, time.second, 2));
        self.number("wday", time.weekday + 1);
        self.number("day", time.day);
        self.number("month", time.month);
        self.number("year", time.year);
        self.raw("</when>");
    }

    /// What belongs to no direction; nothing at all if there is nothing.
    fn independent(&mut self, record: &Record<'_>, show: &Show) {
        let start = self.out.len();
        self.raw("<meta direction=\"independent\">");
        let empty = self.out.len();
        walk!(
            record,
            show,
            self,
            [
                Field::State,
                Field::Timeout,
                Field::Mark,
                Field::Labels,
                Field::Secmark,
                Field::Secctx,
                Field::Zone,
                Field::Use,
                Field::Id,
            ]
        );
        // Several can hold for an offloaded flow, so they are not `Item::Assurance`.
        let flow = record.object;
        if flow.has_status(Status::ASSURED) {
            self.raw("<assured/>");
        }
        walk!(record, show, self, [Field::Unreplied]);
        if flow.has_status(Status::OFFLOAD) {
            self.raw("<offload/>");
        }
        if flow.has_status(Status::HW_OFFLOAD) {
            self.raw("<hw-offload/>");
        }
        self.life(record, show);
        if self.out.len() == empty {
            self.out.truncate(start);
        } else {
            self.raw("</meta>");
        }
    }
}

impl Xml<'_> {
    /// When the flow lived, and how long: from nanosecond to nanosecond if it has ended, where a
    /// line of text counts from second to second (compat: cli-52).
    fn life(&mut self, record: &Record<'_>, show: &Show) {
        let Some(life) = record.object.timestamp else {
            return;
        };
        if show.life {
            self.raw("<timestamp>");
            walk!(record, show, self, [Field::Start, Field::Stop]);
            self.raw("</timestamp>");
        }
        match life.stop {
            Some(stop) => {
                let seconds = stop.saturating_sub(life.start) / bytes::NANOS_PER_SECOND;
                self.number("deltatime", seconds);
            }
            None => walk!(record, show, self, [Field::Age]),
        }
    }
}

/// Appends foreign text: markup as entities, what is not printable ASCII as in lines of text.
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            byte => bytes::escaped(out, core::slice::from_ref(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn foreign_text_stays_text() {
        let mut out = Vec::new();
        escaped(&mut out, b"<b>\"ftp\" & \x1b\\");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "&lt;b&gt;&quot;ftp&quot; &amp; \\x1b\\\\"
        );
    }
}
