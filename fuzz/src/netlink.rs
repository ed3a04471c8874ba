//! Netlink messages, as a read of the socket returns them.
//!
//! Everything that `nfnetlink` reads from whole messages: framing, events, answers to requests,
//! errors, statistics.

use nfnetlink::exchange::{Pending, Reply};
use nfnetlink::nl::{Failure, Message, Messages};
use nfnetlink::stats::{CpuStats, decode_global};
use nfnetlink::{ObjectMessage, decode_event};

/// Reads all messages.
pub fn run(bytes: &[u8]) {
    let mut pending = Pending::run(0, 8);
    let mut left = bytes.len();
    for message in Messages::new(bytes).flatten() {
        assert!(
            message.payload.len() < left,
            "a message as long as its buffer"
        );
        left -= message.payload.len();
        read(&message, &mut pending);
    }
}

fn read(message: &Message<'_>, pending: &mut Pending) {
    let was_finished = pending.is_finished();
    match pending.accept(message) {
        Ok(Reply::Foreign) | Err(_) => {}
        Ok(_) => assert!(!was_finished, "an answer after the last one"),
    }
    let _ = Failure::decode(message);
    let _ = decode_global(message);
    let event = decode_event(message);
    if let Ok(object) = ObjectMessage::decode(message) {
        assert_eq!(object.object().is_ok(), event.is_ok());
        let raw = object.raw_flow();
        let _ = (
            raw.orig(),
            raw.reply(),
            raw.status(),
            raw.mark(),
            raw.zone(),
        );
    }
    if let Ok(stats) = CpuStats::decode(message) {
        let attributes = message.payload.len() / 4;
        assert!(
            stats.counters().count() <= attributes,
            "counters out of nothing"
        );
    }
}
