//! Reading the kernel's table: at start, for a client, and after lost events.

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{drain, range, said, settle, spoken, tuples};
use ctsync::wire::{Control, Flags, Kind, split};
use ctsync::{Counter, DumpReason, Input, Instant, Node, Notice, Request, Seq, Tables};
use flow::{EventKind, Flow, Mark, Object};

/// Flows that the node has announced, and when it is asked for anything at all.
fn node_with(count: u32) -> Node {
    let mut node = started(config(), at(0));
    for number in 0..count {
        node.handle(at(0), event(EventKind::New, flow(number)));
    }
    settle(&mut node, at(0));
    node
}

fn read(node: &mut Node, now: Instant, flows: &[Flow<'_>], complete: bool) -> (usize, Vec<Notice>) {
    for flow in flows {
        node.handle(now, Input::Dumped(Object::Flow(flow.clone())));
    }
    node.handle(now, Input::DumpDone { complete });
    let outcome = settle(node, now);
    (spoken(&outcome.datagrams).1, outcome.notices)
}

/// Loses events and waits until the node wants the table.
fn overrun(node: &mut Node, now: u64) -> Instant {
    node.handle(at(now), Input::Overrun);
    let then = at(now + 30_000);
    node.handle(then, Input::Timeout);
    assert_eq!(settle(node, then).dumps, [DumpReason::Overrun]);
    then
}

#[test]
fn the_first_reading_is_asked_for_at_birth_and_tells_nobody() {
    let mut node = Node::new(config(), at(0));
    assert_eq!(drain(&mut node).dumps, [DumpReason::Startup]);
    let (sent, _) = read(&mut node, at(1), &[flow(1), flow(2)], true);
    assert_eq!((sent, node.internal().len()), (0, 2));
}

#[test]
fn a_client_may_have_the_table_merged_and_then_sent() {
    let mut node = node_with(2);
    node.handle(at(10), Input::Request(Request::ResyncKernel(Tables::All)));
    node.handle(at(10), Input::Request(Request::SendBulk));
    let outcome = drain(&mut node);
    assert_eq!(outcome.dumps, [DumpReason::Request]);
    // The bulk waits for the reading, and then has everything.
    assert!(outcome.datagrams.is_empty());
    let (sent, notices) = read(&mut node, at(11), &[flow(1), flow(2), flow(3)], true);
    assert_eq!((sent, node.internal().len()), (4, 4));
    assert!(notices.contains(&Notice::BulkDone(4)));
}

#[test]
fn after_lost_events_what_differs_is_sent_and_what_vanished_is_dropped() {
    let mut node = node_with(10);
    let now = overrun(&mut node, 100);
    let mut changed = flow(1);
    changed.mark = Some(Mark(7));
    let table = [flow(0), changed, flow(2), flow(20)];
    let (sent, notices) = read(&mut node, now, &table, true);
    // One changed, one is new, seven are gone.
    assert_eq!(sent, 9);
    let done = Notice::KernelResyncDone { seen: 4, purged: 7 };
    assert!(notices.contains(&done), "{notices:?}");
    let mut wanted: Vec<_> = [0, 1, 2, 20].map(|it| flow(it).orig).to_vec();
    wanted.sort_unstable();
    assert_eq!(tuples(node.internal()), wanted);
}

#[test]
fn a_reading_that_is_not_complete_proves_no_absence_and_is_repeated() {
    let mut node = node_with(10);
    let now = overrun(&mut node, 100);
    let (sent, _) = read(&mut node, now, &[flow(0)], false);
    assert_eq!((sent, node.internal().len()), (0, 10));
    let later = at(60_200);
    node.handle(later, Input::Timeout);
    assert_eq!(settle(&mut node, later).dumps, [DumpReason::Overrun]);
    let (_, notices) = read(&mut node, later, &[flow(0)], true);
    let done = Notice::KernelResyncDone { seen: 1, purged: 9 };
    assert!(notices.contains(&done), "{notices:?}");
}

#[test]
fn events_are_newer_than_the_reading_they_overtake() {
    let mut node = node_with(3);
    let now = overrun(&mut node, 100);
    let mut changed = flow(1);
    changed.mark = Some(Mark(7));
    node.handle(now, event(EventKind::Update, changed));
    node.handle(now, event(EventKind::Destroy, flow(2)));
    // One that was never known, so that nothing but the guard keeps it out.
    node.handle(now, event(EventKind::Destroy, flow(30)));
    node.handle(now, event(EventKind::New, flow(40)));
    let (_, notices) = read(&mut node, now, &[flow(0), flow(1), flow(2), flow(30)], true);
    let done = Notice::KernelResyncDone { seen: 4, purged: 0 };
    assert!(notices.contains(&done), "{notices:?}");
    let mut wanted: Vec<_> = [0, 1, 40].map(|it| flow(it).orig).to_vec();
    wanted.sort_unstable();
    assert_eq!(tuples(node.internal()), wanted);
    let mut marks = Vec::new();
    node.internal()
        .next(ctsync::Cursor::START, 100, |it| marks.push(it.flow.mark));
    assert!(marks.contains(&Some(Mark(7))));
}

#[test]
fn more_losses_do_not_put_the_reading_off() {
    let mut node = node_with(1);
    for second in 0..30 {
        node.handle(at(second * 1000), Input::Overrun);
        assert!(settle(&mut node, at(second * 1000)).dumps.is_empty());
    }
    node.handle(at(30_000), Input::Overrun);
    assert_eq!(settle(&mut node, at(30_000)).dumps, [DumpReason::Overrun]);
    assert_eq!(node.stats().get(Counter::Overruns), 31);
}

#[test]
fn the_id_tells_the_lives_of_a_tuple_apart() {
    let life = |id, mark| {
        let mut life = flow(1);
        life.id = Some(id);
        life.mark = mark;
        life
    };
    let mut node = started(config(), at(0));
    node.handle(at(0), event(EventKind::New, life(1, Some(Mark(9)))));
    // DESTROY and NEW were lost: the mark of the first life must not survive.
    node.handle(at(0), event(EventKind::Update, life(2, None)));
    // The end of the first life comes late.
    node.handle(at(0), event(EventKind::Destroy, life(1, None)));
    let mut seen = Vec::new();
    node.internal()
        .next(ctsync::Cursor::START, 100, |it| seen.push(it.flow.mark));
    assert_eq!(seen, [None]);
}

#[test]
fn a_reading_adds_what_faster_events_left_out() {
    let mut node = node_with(0);
    let now = overrun(&mut node, 100);
    let mut told = flow(1);
    told.id = Some(5);
    told.protoinfo = None;
    node.handle(now, event(EventKind::Update, told.clone()));
    settle(&mut node, now);
    let mut dumped = told;
    dumped.master = Some(flow(9).orig);
    dumped.mark = Some(Mark(3));
    let (sent, _) = read(&mut node, now, &[dumped.clone()], true);
    assert_eq!(sent, 1);
    let mut seen = Vec::new();
    node.internal().next(ctsync::Cursor::START, 100, |it| {
        seen.push((it.flow.master, it.flow.mark));
    });
    assert_eq!(seen, [(dumped.master, dumped.mark)]);
}

#[test]
fn a_flow_found_by_a_reading_is_told_as_new_though_its_forerunner_is_acknowledged_late() {
    let mut node = started(config(), at(0));
    for (seq, greeting) in [(1, Flags::HELLO), (2, Flags::HELLO_BACK)] {
        let now = at(1000 * u64::from(seq));
        deliver(&mut node, now, &said(Control::Alive, greeting, seq));
        node.handle(now, Input::Timeout);
        settle(&mut node, now);
    }
    let of_life = |id| Flow {
        id: Some(id),
        ..flow(1)
    };
    node.handle(at(2010), event(EventKind::New, of_life(1)));
    let sent = settle(&mut node, at(2010)).datagrams;
    let first = sent.iter().flat_map(|it| split(it)).flatten().last();
    let Seq(seq) = first.unwrap().header.seq;
    node.handle(at(2020), Input::Request(Request::ResyncKernel(Tables::All)));
    drain(&mut node);
    assert_eq!(read(&mut node, at(2020), &[of_life(2)], true).0, 0);
    let ack = Control::Ack(range(seq, seq));
    deliver(&mut node, at(2030), &said(ack, Flags::NONE, 3));
    node.handle(at(2040), event(EventKind::Update, of_life(2)));
    let sent = settle(&mut node, at(2040)).datagrams;
    let kinds: Vec<Kind> = sent
        .iter()
        .flat_map(|it| split(it))
        .flatten()
        .map(|message| message.header.kind)
        .collect();
    assert_eq!(kinds, [Kind::Flow(EventKind::New)]);
}
