//! Short lines for the trace.
//!
//! Made only when a trace was asked for; nothing depends on them.

use ctsync::wire::{Control, ExpectMessage, FlowMessage, Kind, Message, split};
use flow::{Expectation, Flow, Object};

use crate::essence::{Essence, Key};
use crate::kernel::ExpectKey;

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

/// A flow or expectation in few words.
pub fn thing(object: &Object<'_>) -> String {
    match object {
        Object::Flow(flow) => brief(flow),
        Object::Expectation(expectation) => expected(expectation),
    }
}

/// An expectation in few words.
pub fn expected(expectation: &Expectation<'_>) -> String {
    let class = expectation.class.unwrap_or_default();
    format!("{} v{class}", expect_name(&ExpectKey::of(expectation)))
}

/// An expectation's identity in few words.
pub fn expect_name(key: &ExpectKey) -> String {
    let part = |tuple| name(&Key::new(tuple, None));
    format!("expectation {} of {}", part(&key.tuple), part(&key.master))
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
        Kind::Expectation(kind) => ExpectMessage::decode(message.body).map_or_else(
            |reason| format!("{reason:?}"),
            |it| {
                let key = ExpectKey::of_message(&it);
                let words = key.map_or_else(|| "nothing".into(), |key| expect_name(&key));
                format!("{kind:?} {words} v{}", it.class.unwrap_or_default())
            },
        ),
        kind @ Kind::Unassigned(_) => format!("{kind:?}"),
    };
    format!("#{seq}{flags} {what}")
}
