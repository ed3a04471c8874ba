//! Single datagrams, most of them malformed, move the counters of a whole node as they move stock's.

use std::collections::BTreeMap;

use crate::basics::{at, config, deliver, started};
use crate::common::{said, settle};
use ctsync::wire::{Control, Flags};
use ctsync::{Config, Counter, ModeConfig, Node};
use serde_json::Value;

const COUNTERS: [(Counter, &str); 9] = [
    (Counter::Malformed, "Malformed messages"),
    (Counter::WrongVersion, "Wrong protocol version"),
    (Counter::MalformedHeader, "Malformed header"),
    (Counter::MalformedPayload, "Malformed payload"),
    (Counter::BadType, "Bad message type"),
    (Counter::Truncated, "Truncated message"),
    (Counter::BadSize, "Bad message size"),
    (Counter::MessagesLost, "Packets lost"),
    (Counter::MessagesBefore, "Packets before"),
];

/// Accepted by stock, malformed here (compat: sync-1, sync-3).
const STRICTER_THAN_STOCK: [&str; 4] = [
    "exp-fn-27-chars",
    "no-attributes",
    "no-l4proto",
    "no-addresses",
];

#[test]
fn each_datagram_is_counted_as_stock_counts_it() {
    for (name, mode) in [
        ("FTFW", ModeConfig::FTFW),
        ("NOTRACK", ModeConfig::Notrack),
        ("ALARM", ModeConfig::ALARM),
    ] {
        check(name, mode);
    }
}

fn check(mode_name: &str, mode: ModeConfig) {
    let file: Value = serde_json::from_str(include_str!("../vectors/parser-vectors.json")).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let hex = vector["datagram_hex"].as_str().unwrap();
        let digit = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        let datagram: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
        let config = Config { mode, ..config() };
        let mut node = started(config, at(0));
        // The recorded daemon had just been given the message before.
        deliver(&mut node, at(0), &said(Control::Alive, Flags::NONE, 0));
        let before = counters(&node);
        deliver(&mut node, at(0), &datagram);
        settle(&mut node, at(0));
        let mut moved = counters(&node);
        moved.retain(|name, value| {
            *value -= before[name];
            *value > 0
        });
        let wanted = if STRICTER_THAN_STOCK.contains(&name) {
            BTreeMap::from([("Malformed messages", 1), ("Malformed payload", 1)])
        } else {
            stock(&vector["counters"][mode_name])
        };
        assert_eq!(moved, wanted, "{mode_name}: {name}");
    }
}

/// What stock counts. A gap is two messages longer in its count than what was lost.
fn stock(counters: &Value) -> BTreeMap<&str, u64> {
    let counters = counters.as_object().unwrap().iter();
    counters
        .map(|(name, value)| {
            let value = value.as_u64().unwrap();
            let value = if name == "Packets lost" {
                value - 2
            } else {
                value
            };
            (name.as_str(), value)
        })
        .collect()
}

fn counters(node: &Node) -> BTreeMap<&'static str, u64> {
    let value = |(counter, name): (Counter, _)| (name, node.stats().get(counter));
    COUNTERS.into_iter().map(value).collect()
}
