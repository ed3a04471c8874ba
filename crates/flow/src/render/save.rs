//! `-o save`: one command line per flow that makes the flow again.
//!
//! The options that stock writes come first and as stock writes them. Behind them stands what
//! stock loses (compat: cli-48), each only for flows that have it, so that lines of all other flows
//! can be loaded by stock too. A flow is taken apart without a rest: what is left out is left out
//! by name, because the kernel makes it anew or does not let it be set.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::text::number;
use super::{Record, bytes};
use crate::event::EventKind;
use crate::flow::{Flow, Mark, Zone};
use crate::labels::Labels;
use crate::nat::{SeqAdj, Synproxy, Translation};
use crate::protocol::Protocol;
use crate::protoinfo::{DccpInfo, DccpRole, ProtoInfo, SctpInfo, TcpFlags, TcpInfo};
use crate::status::Status;
use crate::tuple::{Dir, L4, Tuple};

/// The command that a flow without an event becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// `-A`: it is in the table.
    Add,
    /// `-D`: it was deleted.
    Delete,
}

/// Remaining life of a flow that has none to report, as long as a flow table looks after it: the
/// next packet decides then.
const TIMEOUT_OFFLOADED: u32 = 120;

/// In the order in which they are written.
const STATUS: [(Status, &str); 4] = [
    (Status::EXPECTED, "EXPECTED"),
    (Status::SEEN_REPLY, "SEEN_REPLY"),
    (Status::ASSURED, "ASSURED"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
];

/// Renders a record as one line, without the line's end.
pub(super) fn render(out: &mut Vec<u8>, record: &Record<'_>, saved: Saved) {
    let flow = record.object;
    let updates = record.event == Some(EventKind::Update);
    // In the order in which they are written.
    let Flow {
        timeout,
        status,
        secmark,
        zone,
        orig,
        reply,
        protoinfo,
        mark,
        labels,
        helper,
        master,
        seq_adj,
        synproxy,
        // What a request is about, never reported.
        mark_mask: _,
        labels_mask: _,
        nat_src: _,
        nat_dst: _,
        // What the kernel alone decides.
        counters: _,
        timestamp: _,
        event_time: _,
        secctx: _,
        id: _,
        use_count: _,
    } = flow;
    command(out, record.event, saved, *timeout);
    if let Some(status) = status {
        word(out, " -u ");
        write_status(out, *status);
    }
    if let Some(secmark) = secmark {
        number(out, " -c ", *secmark);
    }
    zones(out, *zone, orig, reply.as_ref());
    addresses(out, flow);
    layer4(out, orig, reply.as_ref());
    if let Some(info) = protoinfo {
        write_protoinfo(out, info);
    }
    if let Some(Mark(mark)) = mark.filter(|mark| mark.0 != 0 || updates) {
        number(out, " -m ", mark);
    }
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        write_labels(out, &labels, record);
    }
    // The rest cannot be changed.
    if !updates {
        if let Some(helper) = helper {
            word(out, " --helper ");
            quoted(out, helper.name.as_bytes());
        }
        if let Some(master) = master {
            word(out, " --master ");
            write_master(out, master);
        }
        write_seq_adj(out, " --orig-seqadj ", seq_adj.orig);
        write_seq_adj(out, " --reply-seqadj ", seq_adj.reply);
        // The kernel reports zeros for every flow that a request made.
        let synproxy = synproxy.filter(|synproxy| *synproxy != Synproxy::default());
        if let Some(Synproxy { isn, its, tsoff }) = synproxy {
            word(out, " --synproxy ");
            list(out, &[isn, its, tsoff]);
        }
    }
}

/// The command, and the remaining life.
fn command(out: &mut Vec<u8>, event: Option<EventKind>, saved: Saved, timeout: Option<u32>) {
    let command = match (event, saved) {
        (Some(EventKind::Update), _) => "-U",
        (Some(EventKind::Destroy), _) | (None, Saved::Delete) => "-D",
        (Some(EventKind::New), _) | (None, Saved::Add) => "-A",
    };
    word(out, command);
    match timeout {
        Some(timeout) => number(out, " -t ", timeout),
        // No line can be loaded without one.
        None if command == "-A" => number(out, " -t ", TIMEOUT_OFFLOADED),
        None => {}
    }
}

fn word(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(word.as_bytes());
}

/// Numbers with commas between them.
fn list(out: &mut Vec<u8>, numbers: &[u32]) {
    let mut separator = "";
    for value in numbers {
        number(out, separator, *value);
        separator = ",";
    }
}

fn write_status(out: &mut Vec<u8>, status: Status) {
    let mut separator = "";
    for (bit, name) in STATUS {
        if status.contains(bit) {
            word(out, separator);
            word(out, name);
            separator = ",";
        }
    }
    if separator.is_empty() {
        word(out, "UNSET");
    }
}

fn zones(out: &mut Vec<u8>, zone: Option<Zone>, orig: &Tuple, reply: Option<&Tuple>) {
    let zones = [
        (" -w ", zone),
        (" --orig-zone ", orig.zone),
        (" --reply-zone ", reply.and_then(|reply| reply.zone)),
    ];
    for (option, zone) in zones {
        if let Some(Zone(zone)) = zone {
            number(out, option, zone);
        }
    }
}

/// The addresses of both directions; those of a translated end as the target of the translation.
fn addresses(out: &mut Vec<u8>, flow: &Flow<'_>) {
    address(out, " -s ", flow.orig.addrs.src());
    address(out, " -d ", flow.orig.addrs.dst());
    let Some(reply) = &flow.reply else {
        return;
    };
    let (src, dst) = (flow.src_translation(), flow.dst_translation());
    let both = src.is_any() && dst.is_any();
    let ports = numbers(&reply.l4);
    end(out, [" -g ", " -r "], dst, both, reply.addrs.src(), ports.0);
    end(out, [" -n ", " -q "], src, both, reply.addrs.dst(), ports.1);
}

fn address(out: &mut Vec<u8>, option: &str, address: IpAddr) {
    word(out, option);
    bytes::address(out, address);
}

/// An end of the reply. A port goes with a translation only where the ports of the reply, which are
/// written too, do not tell it: when the address stays, and for stock when both ends are translated.
fn end(
    out: &mut Vec<u8>,
    [translated, plain]: [&str; 2],
    translation: Translation,
    both: bool,
    addr: IpAddr,
    port: Option<u16>,
) {
    let port = port.filter(|_| translation.port && (both || !translation.addr));
    match (port, addr) {
        (Some(port), IpAddr::V4(_)) => {
            address(out, translated, addr);
            number(out, ":", port);
        }
        (Some(port), IpAddr::V6(_)) => {
            word(out, translated);
            address(out, "[", addr);
            number(out, "]:", port);
        }
        (None, _) if translation.addr => address(out, translated, addr),
        (None, _) => address(out, plain, addr),
    }
}

/// What a translation of ports changes, of source and destination of a reply.
const fn numbers(l4: &L4) -> (Option<u16>, Option<u16>) {
    match *l4 {
        L4::Tcp(p) | L4::Udp(p) | L4::UdpLite(p) | L4::Sctp(p) | L4::Dccp(p) => {
            (Some(p.src), Some(p.dst))
        }
        L4::Gre(keys) => (Some(keys.src), Some(keys.dst)),
        // The identifier is that of who asked.
        L4::Icmp(icmp) | L4::Icmpv6(icmp) => (None, Some(icmp.id)),
        L4::Other(_) => (None, None),
    }
}

fn layer4(out: &mut Vec<u8>, orig: &Tuple, reply: Option<&Tuple>) {
    word(out, " -p ");
    protocol(out, orig.protocol());
    match orig.l4 {
        L4::Icmp(icmp) => {
            number(out, " --icmp-type ", icmp.kind);
            number(out, " --icmp-code ", icmp.code);
            number(out, " --icmp-id ", icmp.id);
        }
        L4::Icmpv6(icmp) => {
            number(out, " --icmpv6-type ", icmp.kind);
            number(out, " --icmpv6-code ", icmp.code);
            number(out, " --icmpv6-id ", icmp.id);
        }
        L4::Gre(_) => {
            pair(out, [" --srckey ", " --dstkey "], orig);
            if let Some(reply) = reply {
                pair(out, [" --reply-key-src ", " --reply-key-dst "], reply);
            }
        }
        L4::Tcp(_) | L4::Udp(_) | L4::UdpLite(_) | L4::Sctp(_) | L4::Dccp(_) => {
            pair(out, [" --sport ", " --dport "], orig);
            if let Some(reply) = reply {
                pair(out, [" --reply-port-src ", " --reply-port-dst "], reply);
            }
        }
        L4::Other(_) => {}
    }
}

fn protocol(out: &mut Vec<u8>, protocol: Protocol) {
    match protocol.name() {
        Some(name) => word(out, name),
        None => bytes::decimal(out, protocol.0),
    }
}

fn pair(out: &mut Vec<u8>, [src, dst]: [&str; 2], tuple: &Tuple) {
    let (a, b) = numbers(&tuple.l4);
    if let (Some(a), Some(b)) = (a, b) {
        number(out, src, a);
        number(out, dst, b);
    }
}

fn write_protoinfo(out: &mut Vec<u8>, info: &ProtoInfo) {
    if let Some(state) = info.state_name() {
        word(out, " --state ");
        word(out, state);
    }
    match info {
        ProtoInfo::Tcp(tcp) => write_wscale(out, tcp),
        ProtoInfo::Sctp(SctpInfo { state: _, vtag }) => {
            for (option, tag) in [(" --orig-vtag ", vtag.orig), (" --reply-vtag ", vtag.reply)] {
                if let Some(tag) = tag {
                    number(out, option, tag);
                }
            }
        }
        ProtoInfo::Dccp(DccpInfo {
            state: _,
            role,
            // Only of use in the first exchange.
            handshake_seq: _,
        }) => {
            if let Some(role) = role {
                word(out, " --role ");
                word(
                    out,
                    match *role {
                        DccpRole::SERVER => "server",
                        _ => "client",
                    },
                );
            }
        }
    }
}

/// Window scales, if both ends offered any. The other flags are those of a window that was
/// followed from its start, which that of a restored flow was not.
fn write_wscale(out: &mut Vec<u8>, tcp: &TcpInfo) {
    let offered = |dir| {
        let flags = tcp.flags.get(dir);
        flags.is_some_and(|TcpFlags { flags, .. }| flags & TcpFlags::WINDOW_SCALE != 0)
    };
    if let Some((orig, reply)) = tcp.wscale.both() {
        if offered(Dir::Original) && offered(Dir::Reply) {
            word(out, " --wscale ");
            list(out, &[u32::from(*orig), u32::from(*reply)]);
        }
    }
}

/// Labels by name, those without one as `bit:N`. Names hold letters, digits, `-` and blanks, and
/// only the latter need quotes.
fn write_labels(out: &mut Vec<u8>, labels: &Labels, record: &Record<'_>) {
    let name = |bit| record.labels.and_then(|names| names.name(bit));
    let has_blank = |bit| name(bit).is_some_and(|name| name.contains(' '));
    let quote = if labels.bits().any(has_blank) {
        "\""
    } else {
        ""
    };
    word(out, " --label-add ");
    let mut separator = quote;
    for bit in labels.bits() {
        word(out, separator);
        match name(bit) {
            Some(name) => word(out, name),
            None => number(out, "bit:", bit),
        }
        separator = ",";
    }
    word(out, quote);
}

fn write_seq_adj(out: &mut Vec<u8>, option: &str, adj: Option<SeqAdj>) {
    if let Some(SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    }) = adj
    {
        word(out, option);
        list(out, &[correction_pos, offset_before, offset_after]);
    }
}

/// Protocol, addresses and the protocol's own numbers, with commas between them.
fn write_master(out: &mut Vec<u8>, tuple: &Tuple) {
    protocol(out, tuple.protocol());
    address(out, ",", tuple.addrs.src());
    address(out, ",", tuple.addrs.dst());
    match tuple.l4.icmp() {
        Some(icmp) => {
            number(out, ",", icmp.kind);
            number(out, ",", icmp.code);
            number(out, ",", icmp.id);
        }
        None => pair(out, [",", ","], tuple),
    }
}

/// A word of a command line: in double quotes if it would not be one otherwise.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if !text.is_empty() && text.iter().all(is_plain) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            _ => bytes::escaped(out, core::slice::from_ref(byte)),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuple::Addrs;
    use std::string::String;

    /// The kernel reports zeros for every flow that is not behind a SYN proxy.
    #[test]
    fn a_synproxy_without_data_is_not_saved() {
        let addrs = Addrs::V4 {
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
        };
        let saved = |synproxy| {
            let flow = Flow {
                synproxy: Some(synproxy),
                ..Flow::new(Tuple::new(addrs, L4::Other(Protocol(200))))
            };
            let mut out = Vec::new();
            render(&mut out, &Record::listed(&flow, 0), Saved::Add);
            String::from_utf8(out).unwrap()
        };
        assert!(!saved(Synproxy::default()).contains("synproxy"));
        let some = Synproxy {
            tsoff: 3,
            ..Synproxy::default()
        };
        assert!(saved(some).ends_with(" --synproxy 0,0,3"));
    }

    #[test]
    fn words_that_a_line_would_split_are_quoted() {
        for (text, expected) in [
            ("ftp", "ftp"),
            ("a b", "\"a b\""),
            ("", "\"\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("a\nb", "\"a\\nb\""),
        ] {
            let mut out = Vec::new();
            quoted(&mut out, text.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
