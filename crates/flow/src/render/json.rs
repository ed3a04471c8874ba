//! JSON: one object per line, with everything that is known.
//!
//! Names are those of the kernel's attributes in lower case, `docs/json.schema.json` lists them.
//! Numbers are numbers, moments are in UTC as RFC 3339 wants them, both tuples stand for
//! themselves. What is not known is absent, what has no name here keeps its number. A flow is taken
//! apart without a rest, so that a new attribute cannot be forgotten.
//!
//! [`Json`] is the writer: it puts commas where they belong and allocates nothing.

use alloc::vec::Vec;

use super::time::rfc3339;
use super::{Expected, Record, Sender, bytes};
use crate::event::EventKind;
use crate::expectation::{ExpectNat, Expectation, ExpectationFlags};
use crate::flow::{Counters, Flow, Name, Timestamp};
use crate::labels::Labels;
use crate::nat::{SeqAdj, Synproxy};
use crate::protoinfo::{DccpInfo, DccpRole, ProtoInfo, SctpInfo, TcpFlags, TcpInfo};
use crate::status::Status;
use crate::tuple::{Dir, L4, PerDir, Tuple};

/// An object or array in the making.
pub struct Json<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the next member needs a comma in front.
    separate: bool,
}

impl Json<'_> {
    /// Appends an object.
    pub fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut Json<'_>)) {
        out.push(b'{');
        members(&mut Json {
            out,
            separate: false,
        });
        out.push(b'}');
    }

    /// Appends an array.
    pub fn array(out: &mut Vec<u8>, elements: impl FnOnce(&mut Json<'_>)) {
        out.push(b'[');
        elements(&mut Json {
            out,
            separate: false,
        });
        out.push(b']');
    }

    /// The place of the next element of an array.
    pub fn element(&mut self) -> &mut Vec<u8> {
        if self.separate {
            self.out.push(b',');
        }
        self.separate = true;
        self.out
    }

    /// The place of the value of an object's next member. Names need no escapes.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        let out = self.element();
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out
    }

    /// A member that is a number.
    pub fn number(&mut self, name: &str, value: impl Into<u64>) {
        bytes::decimal(self.member(name), value);
    }

    /// A member that is a number, if it is known.
    pub fn known_number(&mut self, name: &str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    /// A member that is text.
    pub fn text(&mut self, name: &str, text: &[u8]) {
        string(self.member(name), text);
    }

    /// A member that is an object.
    pub fn nested(&mut self, name: &str, members: impl FnOnce(&mut Json<'_>)) {
        Json::object(self.member(name), members);
    }

    /// A member that is a moment, in nanoseconds since 1970.
    pub fn moment(&mut self, name: &str, nanos: u64) {
        let out = self.member(name);
        out.push(b'"');
        rfc3339(out, nanos);
        out.push(b'"');
    }

    fn name(&mut self, name: &str, text: Option<Name<'_>>) {
        if let Some(text) = text {
            self.text(name, text.as_bytes());
        }
    }
}

/// Appends text in quotes. Bytes that are no UTF-8 are shown as `\x1b` and the like.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().as_bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                0..=0x1f | 0x7f => {
                    out.extend_from_slice(b"\\u00");
                    hex_byte(out, *byte);
                }
                _ => out.push(*byte),
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(b"\\\\x");
            hex_byte(out, *byte);
        }
    }
    out.push(b'"');
}

fn hex_byte(out: &mut Vec<u8>, byte: u8) {
    if byte < 0x10 {
        out.push(b'0');
    }
    bytes::hex(out, byte);
}

/// Appends bytes as hexadecimal text.
fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        hex_byte(out, *byte);
    }
    out.push(b'"');
}

/// Renders a flow as one object, without the line's end.
pub(super) fn flow(out: &mut Vec<u8>, record: &Record<'_>) {
    let Flow {
        orig,
        reply,
        status,
        timeout,
        protoinfo,
        mark,
        zone,
        labels,
        seq_adj,
        synproxy,
        helper,
        master,
        counters,
        timestamp,
        event_time,
        secmark,
        secctx,
        id,
        use_count,
        // What a request is about, never reported.
        mark_mask: _,
        labels_mask: _,
        nat_src: _,
        nat_dst: _,
    } = record.object;
    Json::object(out, |json| {
        event(json, record, *event_time);
        kind(json, orig);
        json.nested("orig", |json| direction(json, orig, counters.orig));
        if let Some(reply) = reply {
            json.nested("reply", |json| direction(json, reply, counters.reply));
        }
        if let Some(status) = status {
            write_status(json, *status);
        }
        json.known_number("timeout", *timeout);
        if let Some(info) = protoinfo {
            json.nested("protoinfo", |json| write_protoinfo(json, info));
        }
        json.known_number("mark", mark.map(|mark| mark.0));
        json.known_number("zone", zone.map(|zone| zone.0));
        if let Some(labels) = labels {
            write_labels(json, labels, record);
        }
        json.name("helper", helper.map(|helper| helper.name));
        if let Some(info) = helper.and_then(|helper| helper.info) {
            hex(json.member("helper_info"), info);
        }
        if let Some(master) = master {
            json.nested("master", |json| whole_tuple(json, master));
        }
        directions(json, "seq_adj", seq_adj, write_seq_adj);
        if let Some(synproxy) = synproxy {
            json.nested("synproxy", |json| write_synproxy(json, synproxy));
        }
        json.known_number("secmark", *secmark);
        json.name("secctx", *secctx);
        if let Some(life) = timestamp {
            json.nested("timestamp", |json| write_life(json, life));
        }
        json.known_number("use", *use_count);
        json.known_number("id", *id);
        rest(json, record);
    });
}

/// Renders an expectation as one object, without the line's end.
pub(super) fn expectation(out: &mut Vec<u8>, record: &Expected<'_>) {
    let Expectation {
        master,
        tuple,
        mask,
        timeout,
        id,
        helper,
        zone,
        flags,
        class,
        nat,
        function,
    } = record.object;
    Json::object(out, |json| {
        event(json, record, None);
        kind(json, tuple);
        json.nested("tuple", |json| direction(json, tuple, None));
        if let Some(mask) = mask {
            json.nested("mask", |json| direction(json, mask, None));
        }
        json.nested("master", |json| whole_tuple(json, master));
        json.known_number("timeout", *timeout);
        json.known_number("zone", zone.map(|zone| zone.0));
        if let Some(flags) = flags {
            write_flags(json, *flags);
        }
        json.known_number("class", *class);
        json.name("helper", *helper);
        if let Some(ExpectNat { dir, tuple }) = nat {
            json.nested("nat", |json| {
                let dir = match dir {
                    Dir::Original => "orig",
                    Dir::Reply => "reply",
                };
                json.text("dir", dir.as_bytes());
                json.nested("tuple", |json| whole_tuple(json, tuple));
            });
        }
        json.name("fn", *function);
        json.known_number("id", *id);
        rest(json, record);
    });
}

/// What happened and when.
fn event<T>(json: &mut Json<'_>, record: &Record<'_, T>, time: Option<u64>) {
    let Some(event) = record.event else {
        return;
    };
    let name: &[u8] = match event {
        EventKind::New => b"new",
        EventKind::Update => b"update",
        EventKind::Destroy => b"destroy",
    };
    json.text("event", name);
    json.moment("time", time.unwrap_or(record.time));
}

/// Family and protocol.
fn kind(json: &mut Json<'_>, tuple: &Tuple) {
    json.text("family", tuple.family().name().as_bytes());
    let protocol = tuple.protocol();
    if let Some(name) = protocol.name() {
        json.text("protocol", name.as_bytes());
    }
    json.number("protonum", protocol.0);
}

/// A tuple whose protocol is known from elsewhere, and the traffic of its direction.
fn direction(json: &mut Json<'_>, tuple: &Tuple, counters: Option<Counters>) {
    for (name, addr) in [("src", tuple.addrs.src()), ("dst", tuple.addrs.dst())] {
        let out = json.member(name);
        out.push(b'"');
        bytes::address(out, addr);
        out.push(b'"');
    }
    match tuple.l4 {
        L4::Tcp(p) | L4::Udp(p) | L4::UdpLite(p) | L4::Sctp(p) | L4::Dccp(p) => {
            json.number("sport", p.src);
            json.number("dport", p.dst);
        }
        L4::Icmp(icmp) | L4::Icmpv6(icmp) => {
            json.number("type", icmp.kind);
            json.number("code", icmp.code);
            json.number("id", icmp.id);
        }
        L4::Gre(keys) => {
            json.number("srckey", keys.src);
            json.number("dstkey", keys.dst);
        }
        L4::Other(_) => {}
    }
    json.known_number("zone", tuple.zone.map(|zone| zone.0));
    if let Some(Counters { packets, bytes }) = counters {
        json.number("packets", packets);
        json.number("bytes", bytes);
    }
}

fn whole_tuple(json: &mut Json<'_>, tuple: &Tuple) {
    kind(json, tuple);
    direction(json, tuple, None);
}

/// An object with a member for each direction that is known; nothing if none is.
fn directions<T>(
    json: &mut Json<'_>,
    name: &str,
    values: &PerDir<Option<T>>,
    mut members: impl FnMut(&mut Json<'_>, &T),
) {
    if values.orig.is_none() && values.reply.is_none() {
        return;
    }
    json.nested(name, |json| {
        for (name, value) in [("orig", &values.orig), ("reply", &values.reply)] {
            if let Some(value) = value {
                json.nested(name, |json| members(json, value));
            }
        }
    });
}

fn write_seq_adj(json: &mut Json<'_>, adj: &SeqAdj) {
    json.number("correction_pos", adj.correction_pos);
    signed(json, "offset_before", adj.offset_before);
    signed(json, "offset_after", adj.offset_after);
}

fn write_synproxy(json: &mut Json<'_>, synproxy: &Synproxy) {
    json.number("isn", synproxy.isn);
    json.number("its", synproxy.its);
    json.number("tsoff", synproxy.tsoff);
}

fn write_life(json: &mut Json<'_>, life: &Timestamp) {
    json.moment("start", life.start);
    if let Some(stop) = life.stop {
        json.moment("stop", stop);
    }
}

/// A number that the kernel keeps with its sign.
fn signed(json: &mut Json<'_>, name: &str, bits: u32) {
    let value = i32::from_ne_bytes(bits.to_ne_bytes());
    let out = json.member(name);
    if value < 0 {
        out.push(b'-');
    }
    bytes::decimal(out, value.unsigned_abs());
}

/// Names of the bits that are set; those without a name as a number.
fn write_status(json: &mut Json<'_>, status: Status) {
    let mut unnamed = status;
    Json::array(json.member("status"), |json| {
        for (bit, name) in Status::NAMES {
            if status.contains(bit) {
                string(json.element(), name.as_bytes());
                unnamed = unnamed.without(bit);
            }
        }
        bits(json, unnamed.0);
    });
}

fn write_flags(json: &mut Json<'_>, flags: ExpectationFlags) {
    let mut unnamed = flags.0;
    Json::array(json.member("flags"), |json| {
        for (bit, name) in ExpectationFlags::NAMES {
            if flags.contains(bit) {
                string(json.element(), name.as_bytes());
                unnamed &= !bit.0;
            }
        }
        bits(json, unnamed);
    });
}

/// An element for each bit that is set, its value.
fn bits(json: &mut Json<'_>, set: u32) {
    for bit in (0..u32::BITS).map(|shift| 1 << shift) {
        if set & bit != 0 {
            bytes::decimal(json.element(), bit);
        }
    }
}

fn write_protoinfo(json: &mut Json<'_>, info: &ProtoInfo) {
    match info {
        ProtoInfo::Tcp(TcpInfo {
            state,
            wscale,
            flags,
        }) => {
            write_state(json, state.map(|state| (state.0, state.name())));
            per_dir_numbers(json, "wscale", wscale);
            directions(json, "flags", flags, |json, TcpFlags { flags, mask }| {
                json.number("value", *flags);
                json.number("mask", *mask);
            });
        }
        ProtoInfo::Sctp(SctpInfo { state, vtag }) => {
            write_state(json, state.map(|state| (state.0, state.name())));
            per_dir_numbers(json, "vtag", vtag);
        }
        ProtoInfo::Dccp(DccpInfo {
            state,
            role,
            handshake_seq,
        }) => {
            write_state(json, state.map(|state| (state.0, state.name())));
            match role {
                Some(DccpRole::CLIENT) => json.text("role", b"client"),
                Some(DccpRole::SERVER) => json.text("role", b"server"),
                Some(DccpRole(number)) => json.number("role", *number),
                None => {}
            }
            json.known_number("handshake_seq", *handshake_seq);
        }
    }
}

/// The name of a state, or its number if it has none.
fn write_state(json: &mut Json<'_>, state: Option<(u8, Option<&str>)>) {
    match state {
        Some((_, Some(name))) => json.text("state", name.as_bytes()),
        Some((number, None)) => json.number("state", number),
        None => {}
    }
}

fn per_dir_numbers<T: Copy + Into<u64>>(
    json: &mut Json<'_>,
    name: &str,
    values: &PerDir<Option<T>>,
) {
    if values.orig.is_some() || values.reply.is_some() {
        json.nested(name, |json| {
            json.known_number("orig", values.orig);
            json.known_number("reply", values.reply);
        });
    }
}

fn write_labels(json: &mut Json<'_>, labels: &Labels, record: &Record<'_>) {
    Json::array(json.member("labels"), |json| {
        for bit in labels.bits() {
            Json::object(json.element(), |json| {
                json.number("bit", bit);
                if let Some(name) = record.labels.and_then(|names| names.name(bit)) {
                    json.text("name", name.as_bytes());
                }
            });
        }
    });
}

/// What the kernel sent and nobody here understands, and who caused it.
fn rest<T>(json: &mut Json<'_>, record: &Record<'_, T>) {
    if let Some(unknown) = record.unknown {
        Json::array(json.member("unknown"), |json| {
            unknown.each(&mut |path, payload| {
                Json::object(json.element(), |json| {
                    Json::array(json.member("attribute"), |json| {
                        for number in path {
                            bytes::decimal(json.element(), *number);
                        }
                    });
                    hex(json.member("payload"), payload);
                });
            });
        });
    }
    if let Some(Sender { port, program }) = record.sender {
        json.nested("sender", |json| {
            json.number("port_id", port);
            json.name("program", program);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn text_is_escaped_as_json_wants_it() {
        for (text, expected) in [
            (&b"ftp"[..], r#""ftp""#),
            (b"a\"b\\c\n\x7f", r#""a\"b\\c\u000a\u007f""#),
            ("caf\u{e9}".as_bytes(), "\"caf\u{e9}\""),
            (b"a\xffb", r#""a\\xffb""#),
        ] {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn commas_stand_between_members() {
        let mut out = Vec::new();
        Json::object(&mut out, |json| {
            json.number("a", 1_u32);
            json.nested("b", |_| {});
            Json::array(json.member("c"), |json| {
                bytes::decimal(json.element(), 1_u32);
                bytes::decimal(json.element(), 2_u32);
            });
            signed(json, "d", u32::MAX);
        });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":1,"b":{},"c":[1,2],"d":-1}"#
        );
    }
}
