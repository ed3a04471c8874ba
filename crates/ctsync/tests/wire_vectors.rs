//! Single datagrams, most of them malformed, give the counters that stock gives.
//!
//! The expectations are those of FT-FW as far as the codec decides them; what sequence numbers add
//! ("Packets lost") belongs to the mode.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail by panic"
)]

use std::collections::BTreeMap;

use ctsync::wire::{Control, DropReason, ExpectMessage, Flags, FlowMessage, Header, Kind, Message};
use serde_json::Value;

/// Datagrams that stock accepts and we do not (compat: sync-1).
const STRICTER_THAN_STOCK: [&str; 4] = [
    "exp-fn-27-chars",
    "no-attributes",
    "no-l4proto",
    "no-addresses",
];

#[test]
fn datagrams_move_the_counters_that_they_move_in_stock() {
    let file: Value = serde_json::from_str(include_str!("vectors/parser-vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 63);
    let mut stricter = Vec::new();
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let datagram = unhex(vector["datagram_hex"].as_str().unwrap());
        let ours = counters(&datagram);
        let stock = expected(&vector["counters"]["FTFW"]);
        if ours == stock {
            continue;
        }
        assert_eq!(ours, BTreeMap::from([("Malformed payload", 1)]), "{name}");
        assert!(stock.is_empty(), "{name}: stock counts {stock:?}");
        stricter.push(name);
    }
    assert_eq!(stricter, STRICTER_THAN_STOCK);
}

/// What stock counts, less the sum over all reasons and less what sequence numbers add.
fn expected(counters: &Value) -> BTreeMap<&str, u64> {
    let counters = counters.as_object().unwrap();
    counters
        .iter()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap()))
        .filter(|(name, _)| !["Malformed messages", "Packets lost"].contains(name))
        .collect()
}

fn counters(datagram: &[u8]) -> BTreeMap<&'static str, u64> {
    let mut counters = BTreeMap::new();
    for message in ctsync::wire::split(datagram) {
        if let Err(reason) = message.and_then(|message| dispatch(&message)) {
            *counters.entry(counter(reason)).or_default() += 1;
        }
    }
    counters
}

/// Decodes a message as FT-FW does: data with no flags but the greeting.
fn dispatch(message: &Message<'_>) -> Result<(), DropReason> {
    let Header { kind, flags, .. } = message.header;
    match kind {
        Kind::Control => Control::decode(message).map(drop),
        Kind::Unassigned(_) => Err(DropReason::BadHeader),
        Kind::Flow(_) | Kind::Expectation(_) if flags != flags.greeting() => {
            Err(DropReason::BadHeader)
        }
        Kind::Flow(_) => FlowMessage::decode(message.body).map(drop),
        Kind::Expectation(_) => ExpectMessage::decode(message.body).map(drop),
    }
}

fn counter(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Truncated => "Truncated message",
        DropReason::BadSize => "Bad message size",
        DropReason::Version => "Wrong protocol version",
        DropReason::BadHeader => "Malformed header",
        DropReason::BadType => "Bad message type",
        DropReason::BadPayload => "Malformed payload",
    }
}

#[test]
fn an_attribute_may_lack_its_padding_only_at_the_end() {
    // IPV4, L4PROTO without padding: complete.
    let body = unhex("000c00000a0100020a0200020005000211");
    assert!(FlowMessage::decode(&body).is_ok());
    // The same with more than four bytes behind it: they are taken for padding and an attribute.
    let longer = [body.as_slice(), &[0; 3], &[0xff; 5]].concat();
    assert_eq!(FlowMessage::decode(&longer), Err(DropReason::BadPayload));
}

#[test]
fn only_the_greeting_travels_with_a_flow() {
    let body = unhex("000c00000a0100020a0200020005000211");
    let message = FlowMessage::decode(&body).unwrap();
    let mut out = Vec::new();
    message.encode(flow::EventKind::New, Flags(0xff), ctsync::Seq(1), &mut out);
    assert_eq!(out[..2], [0x10, 0x60]);
}

fn unhex(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0);
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
