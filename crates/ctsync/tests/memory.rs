//! A replicated IPv4 TCP flow costs at most 160 bytes of resident memory in either cache.
//!
//! Measured on this process: what the kernel says is resident before and after 200,000 flows,
//! index, queues and all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail by panic"
)]

mod basics;

use basics::{at, config, datagrams, deliver, event, flow, started};
use ctsync::{Config, Input, ModeConfig, Node};
use flow::{EventKind, Status};

const FLOWS: usize = 200_000;
const BYTES_PER_FLOW_MAX: usize = 160;

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn check(what: &str, before: usize) {
    let per_flow = resident().saturating_sub(before) / FLOWS;
    assert!(
        per_flow <= BYTES_PER_FLOW_MAX,
        "{what}: {per_flow} bytes per flow"
    );
}

#[test]
fn a_flow_fits_into_160_bytes() {
    // What the first pair holds stays resident, so that it is not taken for the second one's.
    let pairs = [ModeConfig::FTFW, ModeConfig::ALARM].map(fill);
    assert_eq!(pairs.len(), 2);
}

fn fill(mode: ModeConfig) -> (Node, Node, Vec<Vec<u8>>) {
    let config = || Config { mode, ..config() };
    let mut a = started(config(), at(0));
    let mut b = started(config(), at(0));
    let before = resident();
    for number in 0..FLOWS {
        let mut flow = flow(u32::try_from(number).unwrap());
        // As it is behind a NAT gateway.
        flow.status = flow.status.map(|it| it | Status::SRC_NAT_DONE);
        a.handle(at(1), event(EventKind::New, flow));
    }
    check("internal, all of them queued", before);
    let sent = datagrams(&mut a, at(1));
    let before = resident();
    for datagram in &sent {
        deliver(&mut b, at(1), datagram);
    }
    b.handle(at(1), Input::Timeout);
    assert_eq!(b.external().len(), FLOWS);
    check("external", before);
    (a, b, sent)
}
