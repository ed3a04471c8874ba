//! Time that the core takes for a flow: event to datagram, datagram to cache.
//!
//! `cargo bench -p ctsync` prints nanoseconds per flow, best of several rounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints"
)]

#[path = "../tests/basics/mod.rs"]
mod basics;

use std::time::Instant as Clock;

use basics::{at, config, datagrams, deliver, event, flow, started};
use ctsync::{ClientId, Input, Node, Output, Request, Tables};
use flow::{EventKind, Flow};

const FLOWS: usize = 200_000;

/// Events between two rounds of output, as a daemon under load takes them.
const BATCH: usize = 256;

fn main() {
    let flows: Vec<Flow<'_>> = (0..FLOWS)
        .map(|number| flow(u32::try_from(number).unwrap()))
        .collect();
    let mut best: [f64; 6] = [f64::MAX; 6];
    for _ in 0..5 {
        let mut a = started(config(), at(0));
        let mut b = started(config(), at(0));
        let mut sent = Vec::new();
        let times = [
            time(|| tell(&mut a, EventKind::New, &flows, &mut sent)),
            time(|| receive(&mut b, &mut sent)),
            time(|| tell(&mut a, EventKind::Update, &flows, &mut sent)),
            time(|| receive(&mut b, &mut sent)),
            time(|| commit(&mut b)),
            time(|| tell(&mut a, EventKind::Destroy, &flows, &mut sent)),
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time);
        }
    }
    let names = [
        "send new",
        "receive new",
        "send update",
        "receive update",
        "commit",
        "send destroy",
    ];
    for (name, time) in names.iter().zip(best) {
        println!("{name:15} {time:7.0} ns per flow");
    }
}

/// Nanoseconds per flow.
fn time(work: impl FnOnce()) -> f64 {
    let start = Clock::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(FLOWS).unwrap())
}

fn tell(node: &mut Node, kind: EventKind, flows: &[Flow<'_>], sent: &mut Vec<Vec<u8>>) {
    for batch in flows.chunks(BATCH) {
        for flow in batch {
            node.handle(at(1), event(kind, flow.clone()));
        }
        sent.extend(datagrams(node, at(1)));
    }
}

fn receive(node: &mut Node, sent: &mut Vec<Vec<u8>>) {
    for datagram in sent.drain(..) {
        deliver(node, at(1), &datagram);
        while node.poll().is_some() {}
    }
}

/// A commit whose operations all succeed.
fn commit(node: &mut Node) {
    node.handle(
        at(1),
        Input::Request(Request::Commit(ClientId(0), Tables::Flows)),
    );
    loop {
        let mut last = None;
        while let Some(output) = node.poll() {
            match output {
                Output::Kernel { op, .. } => last = Some(op),
                Output::CommitDone { .. } => return,
                _ => {}
            }
        }
        match last {
            Some(through) => node.handle(at(1), Input::OpsDone { through }),
            None => node.handle(at(1), Input::Timeout),
        }
    }
}
