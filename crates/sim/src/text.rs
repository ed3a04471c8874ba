//! Short lines for the trace.
//!
//! Made only when a trace was asked for; nothing depends on them.

use ctsync::wire::{Control, FlowMessage, Kind, Message, split};
use flow::Flow;

use crate::essence::{Essence, Key};

/// A flow in few words.
pub fn brief(flow: &Flow<'_>) -> String {
    let essence = Essence::of(flow, true);
    format!(
        "{} v{} {:?}",
        name(&Key::of(flow)),
        essence.version(),
        essence.status
    )
}

/// A flow's identity in few words.
pub fn name(key: &Key) -> String {
    let addrs = &key.tuple.addrs;
    let ends = match (key.tuple.l4.ports(), key.tuple.l4.icmp()) {
        (Some(ports), _) => format!(" {}>{}", ports.src, ports.dst),
        (None, Some(icmp)) => format!(" id {}", icmp.id),
        (None, None) => String::new(),
    };
    let zone = if key.zone == 0 {
        String::new()
    } else {
        format!(" zone {}", key.zone)
    };
    format!(
        "{} {}>{}{ends}{zone}",
        key.tuple.protocol(),
        addrs.src(),
        addrs.dst()
    )
}

/// The messages of a datagram in few words.
pub fn messages(datagram: &[u8]) -> String {
    let words: Vec<String> = split(datagram)
        .map(|message| message.map_or_else(|reason| format!("{reason:?}"), |it| one(&it)))
        .collect();
    words.join(" | ")
}

fn one(message: &Message<'_>) -> String {
    let seq = message.header.seq.0;
    let greeting = message.header.flags.greeting();
    let flags = if greeting.is_empty() {
        String::new()
    } else {
        format!(" {:#x}", greeting.0)
    };
    let what = match message.header.kind {
        Kind::Flow(kind) => FlowMessage::decode(message.body).map_or_else(
            |reason| format!("{reason:?}"),
            |flow| {
                let version = Essence::of_message(&flow).version();
                format!("{kind:?} {} v{version}", name(&Key::of_message(&flow)))
            },
        ),
        Kind::Control => format!("{:?}", Control::decode(message)),
        kind @ (Kind::Expectation(_) | Kind::Unassigned(_)) => format!("{kind:?}"),
    };
    format!("#{seq}{flags} {what}")
}
