//! `PollSecs`: the kernel's table is read now and then, since no events are followed.

use std::time::Duration;

use crate::basics::{at, config, flow, started};
use crate::common::{settle, spoken, tuples};
use ctsync::{Config, Counter, DumpReason, Input, ModeConfig, Node};
use flow::{Flow, Mark, Object, Zone};

fn node() -> Node {
    let config = Config {
        mode: ModeConfig::Notrack,
        poll: Some(Duration::from_secs(15)),
        ..config()
    };
    let mut node = started(config, at(0));
    settle(&mut node, at(0));
    node
}

/// Reads the table when the node asks for it, and gives the number of messages sent then.
fn poll(node: &mut Node, seconds: u64, table: &[Flow<'_>], complete: bool) -> usize {
    let now = at(seconds * 1000);
    node.handle(now, Input::Timeout);
    assert_eq!(settle(node, now).dumps, [DumpReason::Poll], "{seconds} s");
    for flow in table {
        node.handle(now, Input::Dumped(Object::Flow(flow.clone())));
    }
    node.handle(now, Input::DumpDone { complete });
    spoken(&settle(node, now).datagrams).1
}

#[test]
fn what_is_new_has_changed_or_vanished_is_sent_and_nothing_else() {
    let mut node = node();
    node.handle(at(14_900), Input::Timeout);
    assert!(settle(&mut node, at(14_900)).dumps.is_empty());
    let mut table = vec![flow(1), flow(2), flow(3)];
    table[2].zone = Some(Zone(7));
    assert_eq!(poll(&mut node, 15, &table, true), 3);
    assert_eq!(poll(&mut node, 30, &table, true), 0);
    table[0].mark = Some(Mark(5));
    table.remove(1);
    assert_eq!(poll(&mut node, 45, &table, true), 2);
    assert_eq!(node.internal().len(), 2);
    // The flow of the zone stays (stock deletes it each time: compat: daemon-11).
    assert_eq!(poll(&mut node, 60, &table, true), 0);
    assert_eq!(tuples(node.internal()), [flow(1).orig, flow(3).orig]);
    assert_eq!(node.stats().get(Counter::KernelResyncs), 0);
}

#[test]
fn a_reading_that_is_not_complete_proves_no_absence() {
    let mut node = node();
    assert_eq!(poll(&mut node, 15, &[flow(1), flow(2)], true), 2);
    assert_eq!(poll(&mut node, 30, &[flow(1)], false), 0);
    assert_eq!(node.internal().len(), 2);
    assert_eq!(poll(&mut node, 45, &[flow(1)], true), 1);
    assert_eq!(node.internal().len(), 1);
}

#[test]
fn a_reading_that_takes_long_is_not_begun_twice() {
    let mut node = node();
    node.handle(at(15_000), Input::Timeout);
    assert_eq!(settle(&mut node, at(15_000)).dumps, [DumpReason::Poll]);
    node.handle(at(30_000), Input::Timeout);
    assert!(settle(&mut node, at(30_000)).dumps.is_empty());
    node.handle(at(31_000), Input::DumpDone { complete: true });
    assert!(settle(&mut node, at(31_000)).dumps.is_empty());
    assert_eq!(poll(&mut node, 45, &[flow(1)], true), 1);
}
