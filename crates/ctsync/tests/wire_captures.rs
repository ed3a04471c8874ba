//! Every message that stock daemons were captured sending decodes, and encodes to the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail by panic"
)]

mod pcap;

use ctsync::wire::{Control, ExpectMessage, FlowMessage, Kind, Message, split};

/// The captures and how many messages each holds.
const CAPTURES: [(&str, usize); 34] = [
    ("alarm-mcast4-basic", 6),
    ("alarm-mcast4-refresh", 16),
    ("ftfw-mcast4-basic", 15),
    ("ftfw-mcast4-bulk", 129),
    ("ftfw-mcast4-ftp-expect", 54),
    ("ftfw-mcast4-peer-restart", 28),
    ("ftfw-mcast4-resync-request", 91),
    ("ftfw-mcast4-tcp-real", 20),
    ("ftfw-mcast6-basic", 15),
    ("ftfw-tcp4-basic", 16),
    ("ftfw-tcp4-reconnect", 24),
    ("ftfw-tcp6-basic", 16),
    ("ftfw-udp4-1.4.7-to-head", 15),
    ("ftfw-udp4-ack-window", 30),
    ("ftfw-udp4-basic", 15),
    ("ftfw-udp4-coalescing", 79),
    ("ftfw-udp4-head-to-1.4.7", 15),
    ("ftfw-udp4-loss-nack", 38),
    ("ftfw-udp4-loss-random", 60),
    ("ftfw-udp4-resend-queue-overflow", 22),
    ("ftfw-udp4-startup-resync", 15),
    ("ftfw-udp6-basic", 15),
    ("notrack-mcast4-basic", 15),
    ("notrack-mcast4-ftp-expect-nonat", 20),
    ("notrack-mcast4-nat", 11),
    ("notrack-mcast4-protocols", 16),
    ("notrack-tcp4-basic", 16),
    ("notrack-udp4-checksum-off", 15),
    ("notrack-udp4-commit-timeout", 3),
    ("notrack-udp4-link-mtu-132", 14),
    ("notrack-udp4-link-mtu-133", 14),
    ("notrack-udp4-no-internal-cache", 10),
    ("notrack-udp4-resync-and-bulk", 18),
    ("notrack-udp6-basic", 15),
];

#[test]
fn captured_messages_round_trip() {
    for (name, messages) in CAPTURES {
        check(name, messages);
    }
}

fn check(name: &str, expected: usize) {
    let mut messages = 0;
    for payload in pcap::payloads(&format!("{name}.pcap")) {
        let mut encoded = Vec::new();
        for message in split(&payload) {
            let message = message.unwrap_or_else(|reason| panic!("{name}: {reason:?}"));
            encode_again(&message, &mut encoded)
                .unwrap_or_else(|reason| panic!("{name}: {reason:?} of {message:02x?}"));
            messages += 1;
        }
        assert_eq!(
            encoded, payload,
            "{name}: {encoded:02x?} instead of {payload:02x?}"
        );
    }
    assert_eq!(messages, expected, "{name}: number of messages");
}

fn encode_again(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), ctsync::wire::DropReason> {
    let header = message.header;
    match header.kind {
        Kind::Flow(kind) => {
            FlowMessage::decode(message.body)?.encode(kind, header.flags, header.seq, out);
        }
        Kind::Expectation(kind) => {
            ExpectMessage::decode(message.body)?.encode(kind, header.flags, header.seq, out);
        }
        Kind::Control => Control::decode(message)?.encode(header.flags, header.seq, out),
        Kind::Unassigned(number) => panic!("type {number}"),
    }
    Ok(())
}
