//! Conversations that were recorded with a stock daemon, step by step: ours says the same.
//!
//! Where it does not, [`DIFFERENCES`] says what it says instead and why. The recorded steps took
//! some time between them, which decides on the ticks of one second that fall into each; that time
//! is given for each trace.

use std::time::Duration;

use crate::basics::{at, config, deliver, event, started};
use crate::common::settle;
use ctsync::wire::{Control, Flags, FlowMessage, Kind, SeqRange, split};
use ctsync::{Cursor, Item, ModeConfig, Node, Seq};
use flow::{
    Addrs, EventKind, Flow, L4, Mark, Ports, ProtoInfo, Synproxy, TcpInfo, TcpState, Tuple,
};
use serde_json::Value;

/// Number of our first message.
const FIRST: u32 = 1000;

/// What ours says where stock says something else: trace, step, messages.
const DIFFERENCES: [(&str, &str, &[&str]); 4] = [
    (
        // A flow is new until the peer has acknowledged it.
        "sender-resend-queue",
        "update of 1001 while queued for resend",
        &["CT_NEW - 84 7 1001>80"],
    ),
    (
        // A HELLO that is repeated makes stock forget what it has not been acknowledged, so a
        // message that is sent again does not repeat it.
        "sender-resend-queue",
        "NACK everything",
        &[
            "CTL ACK 16 9 100..100",
            "CTL ACK 16 10 101..101",
            "CT_NEW - 84 11 1001>80",
            "CT_DEL - 84 12 1002>80",
        ],
    ),
    (
        // A peer that greets has started anew: it gets what was unacknowledged once more.
        "sender-resend-queue",
        "HELLO flushes the resend queue",
        &["CT_NEW HELLO_BACK 84 13 1001>80", "CT_DEL - 84 14 1002>80"],
    ),
    (
        "sender-resend-queue",
        "silence",
        &["CTL ACK 16 15 102..105", "CTL ALIVE 8 16"],
    ),
];

/// What is unacknowledged at the end of a step where it differs from stock.
const RESEND_QUEUE_DIFFERENCES: [(&str, &str, &[&str]); 2] = [
    (
        "sender-resend-queue",
        "HELLO flushes the resend queue",
        &["object -> rel_seq:13", "object -> rel_seq:14"],
    ),
    (
        "sender-resend-queue",
        "silence",
        &[
            "object -> rel_seq:13",
            "object -> rel_seq:14",
            "control -> rel_seq:15 flags:8",
        ],
    ),
];

#[test]
fn hello_duplicates_reordering_and_gaps() {
    check("hello-dup-reorder-gap", 4, 150);
}

#[test]
fn numbers_wrap() {
    check("sequence-wrap", 300, 150);
}

#[test]
fn what_is_sent_is_kept_until_acknowledged() {
    check("sender-resend-queue", 300, 50);
}

/// Plays one trace; `pause` milliseconds pass between two steps.
fn check(name: &str, ack_window: u32, pause: u64) {
    let file: Value = serde_json::from_str(include_str!("../vectors/ftfw-traces.json")).unwrap();
    let traces = file["traces"].as_array().unwrap();
    let trace = traces.iter().find(|trace| trace["name"] == name).unwrap();
    let mut config = config();
    config.first_seq = Seq(FIRST);
    config.mode = ModeConfig::Ftfw {
        resend_queue_len_max: 131_072,
        ack_window,
    };
    // Its first tick falls into the middle of the first second.
    let mut node = started(config, at(0));
    settle(&mut node, at(0));
    let mut now = 500;
    for step in trace["steps"].as_array().unwrap() {
        let title = step["step"].as_str().unwrap();
        let said = play(&mut node, step, now);
        let stock = strings(&step["daemon_sends"], recorded);
        assert_eq!(
            said,
            or_difference(&DIFFERENCES, name, title, stock),
            "{title}"
        );
        if let Some(sports) = step["external_cache_sports"].as_array() {
            let sports: Vec<u64> = sports.iter().map(|it| it.as_u64().unwrap()).collect();
            assert_eq!(external_sports(&node), sports, "{title}");
        }
        let stock = strings(&step["resend_queue"], without_greeting);
        let wanted = or_difference(&RESEND_QUEUE_DIFFERENCES, name, title, stock);
        assert_eq!(resend_queue(&node), wanted, "{title}");
        now += millis(step) + pause;
    }
}

/// How long a step lasts.
fn millis(step: &Value) -> u64 {
    let wait = Duration::from_secs_f64(step["wait_s"].as_f64().unwrap());
    u64::try_from(wait.as_millis()).unwrap()
}

/// Plays one step and gives what the node said.
fn play(node: &mut Node, step: &Value, start: u64) -> Vec<String> {
    let mut said = Vec::new();
    for (kind, flow) in local_events(step["step"].as_str().unwrap()) {
        node.handle(at(start), event(kind, flow));
    }
    for message in step["send"].as_array().unwrap() {
        deliver(node, at(start), &peer_message(message));
    }
    let end = at(start + millis(step));
    let mut now = at(start);
    loop {
        for datagram in settle(node, now).datagrams {
            said.extend(split(&datagram).map(|message| show(&message.unwrap())));
        }
        match node.timeout() {
            Some(due) if due <= end => now = due,
            _ => return said,
        }
        node.handle(now, ctsync::Input::Timeout);
    }
}

/// What the kernel of the recorded daemon said in this step.
fn local_events(step: &str) -> Vec<(EventKind, Flow<'static>)> {
    match step {
        "three local NEW events" => (1001..=1003).map(|it| (EventKind::New, flow(it))).collect(),
        "update of 1001 while queued for resend" => {
            let mut changed = flow(1001);
            changed.mark = Some(Mark(5));
            vec![(EventKind::Update, changed)]
        }
        "delete 1002 while queued for resend" => vec![(EventKind::Destroy, flow(1002))],
        _ => Vec::new(),
    }
}

/// A flow made by `conntrack -I`: it has a mark and SYN proxy data of zero.
fn flow(sport: u16) -> Flow<'static> {
    let addrs = Addrs::V4 {
        src: [10, 3, 0, 2].into(),
        dst: [10, 2, 0, 2].into(),
    };
    let ports = Ports {
        src: sport,
        dst: 80,
    };
    let orig = Tuple::new(addrs, L4::Tcp(ports));
    let mut flow = Flow::new(orig);
    flow.reply = orig.inverse();
    flow.timeout = Some(600);
    flow.mark = Some(Mark(0));
    flow.synproxy = Some(Synproxy::default());
    flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo {
        state: Some(TcpState::ESTABLISHED),
        ..TcpInfo::default()
    }));
    flow
}

/// A message of the scripted peer: hex, or what it is to say.
fn peer_message(message: &Value) -> Vec<u8> {
    if let Some(hex) = message.as_str() {
        let digit = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        return (0..hex.len()).step_by(2).map(digit).collect();
    }
    let number = |name: &str| u32::try_from(message[name].as_u64().unwrap()).unwrap();
    let range = || match number("to_rel") {
        // The request for everything was recorded as it stood in the message: from number 1 on.
        0x1000_0000.. => SeqRange {
            from: Seq(1),
            to: Seq(0x7fff_ffff),
        },
        to => SeqRange {
            from: Seq(FIRST + number("from_rel")),
            to: Seq(FIRST + to),
        },
    };
    let (control, greeting) = match message["flags"].as_str().unwrap() {
        "ALIVE|HELLO" => (Control::Alive, Flags::HELLO),
        "ALIVE|HELLO_BACK" => (Control::Alive, Flags::HELLO_BACK),
        "ACK" => (Control::Ack(range()), Flags::NONE),
        "NACK" => (Control::Nack(range()), Flags::NONE),
        other => panic!("flags {other}"),
    };
    let mut out = Vec::new();
    control.encode(greeting, Seq(number("seq")), &mut out);
    out
}

/// One of our messages in a line.
fn show(message: &ctsync::wire::Message<'_>) -> String {
    let header = message.header;
    let seq = header.seq.0.wrapping_sub(FIRST);
    let len = 8 + message.body.len();
    let mut flags = Vec::new();
    for (flag, name) in [
        (Flags::ALIVE, "ALIVE"),
        (Flags::NACK, "NACK"),
        (Flags::ACK, "ACK"),
        (Flags::RESYNC, "RESYNC"),
        (Flags::HELLO, "HELLO"),
        (Flags::HELLO_BACK, "HELLO_BACK"),
    ] {
        if header.flags.contains(flag) {
            flags.push(name);
        }
    }
    let flags = if flags.is_empty() {
        "-".to_owned()
    } else {
        flags.join("|")
    };
    match header.kind {
        Kind::Control => match Control::decode(message).unwrap() {
            Control::Ack(SeqRange { from, to }) | Control::Nack(SeqRange { from, to }) => {
                format!("CTL {flags} {len} {seq} {}..{}", from.0, to.0)
            }
            Control::Resync | Control::Alive => format!("CTL {flags} {len} {seq}"),
        },
        Kind::Flow(kind) => {
            let kind = match kind {
                EventKind::New => "CT_NEW",
                EventKind::Update => "CT_UPD",
                EventKind::Destroy => "CT_DEL",
            };
            let ports = FlowMessage::decode(message.body).unwrap().ports.unwrap();
            format!("{kind} {flags} {len} {seq} {}>{}", ports.src, ports.dst)
        }
        Kind::Expectation(_) | Kind::Unassigned(_) => panic!("{message:?}"),
    }
}

/// One of stock's messages in a line.
fn recorded(message: &Value) -> String {
    let text = |name: &str| message[name].as_str().unwrap().to_owned();
    let mut line = format!(
        "{} {} {} {}",
        text("type"),
        text("flags"),
        message["len"],
        message["rel_seq"]
    );
    if let Some(port) = message["port"].as_str() {
        line += &format!(" {port}");
    }
    if let (Some(from), Some(to)) = (message["from"].as_u64(), message["to"].as_u64()) {
        line += &format!(" {from}..{to}");
    }
    line
}

/// An element of stock's resend queue, without the greeting that it repeats.
fn without_greeting(element: &Value) -> String {
    let element = element.as_str().unwrap();
    match element.split_once("flags:") {
        Some((before, flags)) => {
            format!("{before}flags:{}", flags.parse::<u8>().unwrap() & !0x60)
        }
        None => element.to_owned(),
    }
}

fn resend_queue(node: &Node) -> Vec<String> {
    let show = |message: ctsync::QueuedMessage| {
        let seq = message.seq.0.wrapping_sub(FIRST);
        match message.item {
            Item::Entry(_) => format!("object -> rel_seq:{seq}"),
            Item::Control(it) => format!("control -> rel_seq:{seq} flags:{}", it.flag().0),
        }
    };
    node.resend_queue().map(show).collect()
}

fn external_sports(node: &Node) -> Vec<u64> {
    let mut sports = Vec::new();
    let mut cursor = Cursor::default();
    while let Some(next) = node.external().next(cursor, 100, |it| {
        sports.push(u64::from(it.flow.orig.l4.ports().unwrap().src));
    }) {
        cursor = next;
    }
    sports.sort_unstable();
    sports
}

fn strings(list: &Value, show: impl Fn(&Value) -> String) -> Vec<String> {
    list.as_array().unwrap().iter().map(show).collect()
}

fn or_difference(
    differences: &[(&str, &str, &[&str])],
    trace: &str,
    step: &str,
    stock: Vec<String>,
) -> Vec<String> {
    let ours = differences
        .iter()
        .find(|(name, title, _)| *name == trace && *title == step);
    ours.map_or(stock, |(_, _, lines)| {
        lines.iter().map(|line| (*line).to_owned()).collect()
    })
}
