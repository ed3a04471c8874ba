//! A datagram of the peer, or of whoever claims to be it.
//!
//! Every message of it is understood or has a reason why not. What was understood can be written
//! and understood again, and is the same: so no entry holds a value that cannot be sent on.

use ctsync::Seq;
use ctsync::wire::header::HEADER_LEN;
use ctsync::wire::{
    Control, DropReason, ExpectMessage, Flags, FlowMessage, Kind, MESSAGE_LEN_MAX, Message, split,
};

/// Reads all messages.
pub fn run(bytes: &[u8]) {
    let mut left = bytes.len();
    let mut ended = false;
    for message in split(bytes) {
        assert!(!ended, "a message behind a wrong length");
        match message {
            Ok(message) => {
                left = left
                    .checked_sub(HEADER_LEN + message.body.len())
                    .expect("messages that overlap");
                read(&message);
            }
            Err(reason) => ended = matches!(reason, DropReason::Truncated | DropReason::BadSize),
        }
    }
}

fn read(message: &Message<'_>) {
    let greeting = message.header.flags.greeting();
    let seq = message.header.seq;
    match message.header.kind {
        Kind::Flow(kind) => {
            if let Ok(flow) = FlowMessage::decode(message.body) {
                let again = encoded(|out| flow.encode(kind, greeting, seq, out), message);
                let body = again.get(HEADER_LEN..).unwrap_or_default();
                let second = FlowMessage::decode(body);
                assert_eq!(second, Ok(flow));
                let _ = flow.l4().protocol();
            }
        }
        Kind::Expectation(kind) => {
            if let Ok(expectation) = ExpectMessage::decode(message.body) {
                let again = encoded(|out| expectation.encode(kind, greeting, seq, out), message);
                let body = again.get(HEADER_LEN..).unwrap_or_default();
                assert_eq!(ExpectMessage::decode(body), Ok(expectation));
            }
        }
        Kind::Control => {
            if let Ok(control) = Control::decode(message) {
                let again = encoded(|out| control.encode(greeting, seq, out), message);
                let second = split(&again)
                    .next()
                    .expect("a message")
                    .expect("well formed");
                assert_eq!(Control::decode(&second), Ok(control));
                if let Control::Ack(range) | Control::Nack(range) = control {
                    assert!(range.contains(range.from) && range.contains(range.to));
                }
            }
        }
        Kind::Unassigned(_) => {}
    }
}

/// The message written again: one message of bounded length with the same header.
fn encoded(encode: impl FnOnce(&mut Vec<u8>), original: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    assert!(out.len() <= MESSAGE_LEN_MAX, "{} bytes", out.len());
    let mut messages = split(&out);
    let again = messages.next().expect("a message").expect("well formed");
    assert_eq!(messages.next(), None);
    let (header, was) = (again.header, original.header);
    assert_eq!((header.kind, header.seq), (was.kind, was.seq));
    let greeting = |flags: Flags| flags.greeting();
    assert_eq!(greeting(header.flags), greeting(was.flags));
    let Seq(_) = header.seq;
    out
}
