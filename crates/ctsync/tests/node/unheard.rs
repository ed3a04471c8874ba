//! A large commit: new flows are not heard meanwhile, and found by a reading of the kernel's table.

use crate::basics::{at, config, datagrams, deliver, event, flow, started};
use crate::common::{Outcome, drain, range, said, settle, told, tuples};
use ctsync::wire::{Control, Flags, FlowMessage, Kind, split};
use ctsync::{ClientId, Config, DumpReason, Input, NewFlows, Node, OpId, Refusal, Request, Tables};
use flow::{Event, EventKind, Flow, Object, Origin, Tuple};

/// Milliseconds at which the commits of these tests begin.
const COMMIT: u64 = 5_000;
/// Milliseconds after which the table is read when nobody asks for it.
const READING: u64 = COMMIT + 250;

/// A node for which each commit is a large one, and that knows flows 0 to 2 of its peer.
fn node() -> Node {
    let mut config = config();
    config.commit_unheard_min = 1;
    node_of(config)
}

fn node_of(config: Config) -> Node {
    let mut node = started(config, at(0));
    for number in 0..3 {
        let message = told(EventKind::New, Flags::NONE, number + 1, &flow(number));
        deliver(&mut node, at(0), &message);
    }
    settle(&mut node, at(COMMIT));
    node
}

/// Begins a commit; what it asks for at first.
fn begin(node: &mut Node) -> Outcome {
    let request = Request::Commit(ClientId(1), Tables::Flows);
    node.handle(at(COMMIT), Input::Request(request));
    drain(node)
}

/// The kernel has done what was asked for; how the commit ends.
fn finish(node: &mut Node, begun: &Outcome) -> Outcome {
    if let Some((through, _)) = begun.ops.last() {
        let through = *through;
        node.handle(at(COMMIT), Input::OpsDone { through });
    }
    settle(node, at(COMMIT))
}

/// A whole commit without hindrance.
fn commit(node: &mut Node) -> Outcome {
    let begun = begin(node);
    finish(node, &begun)
}

/// Reads a table; what the peer is told because of it.
fn read(node: &mut Node, flows: &[u32], complete: bool) -> Vec<(EventKind, Tuple)> {
    for number in flows {
        let found = Object::Flow(flow(*number));
        node.handle(at(READING), Input::Dumped(found));
    }
    node.handle(at(READING), Input::DumpDone { complete });
    messages(&datagrams(node, at(READING)))
}

/// The messages about flows in some datagrams.
fn messages(datagrams: &[Vec<u8>]) -> Vec<(EventKind, Tuple)> {
    let messages = datagrams.iter().flat_map(|it| split(it)).flatten();
    let about_flows = messages.filter_map(|message| match message.header.kind {
        Kind::Flow(kind) => Some((kind, FlowMessage::decode(message.body).unwrap())),
        _ => None,
    });
    about_flows
        .map(|(kind, it)| (kind, Tuple::new(it.addrs, it.l4())))
        .collect()
}

fn happens(node: &mut Node, kind: EventKind, flow: Flow<'_>) -> Vec<(EventKind, Tuple)> {
    node.handle(at(COMMIT), event(kind, flow));
    messages(&drain(node).datagrams)
}

fn has_begun(number: u32) -> (EventKind, Tuple) {
    (EventKind::New, flow(number).orig)
}

#[test]
fn what_a_commit_wrote_is_found_and_not_told_and_what_has_begun_meanwhile_is() {
    let mut node = node();
    let begun = begin(&mut node);
    assert_eq!(begun.new_flows, [NewFlows::Unheard]);
    assert_eq!(begun.ops.len(), 3);
    let ended = finish(&mut node, &begun);
    assert_eq!(ended.new_flows, [NewFlows::Heard]);
    assert_eq!(ended.commits[0].flows.committed, 3);
    assert!(ended.dumps.is_empty());
    assert_eq!(settle(&mut node, at(READING)).dumps, [DumpReason::Commit]);
    assert_eq!(read(&mut node, &[0, 1, 7, 2], true), [has_begun(7)]);
    assert_eq!(tuples(node.internal()).len(), 4);
    assert!(settle(&mut node, at(60_000)).dumps.is_empty());
}

#[test]
fn new_flows_are_heard_while_few_are_committed() {
    for (min, expected) in [(4, 0), (3, 2)] {
        let mut config = config();
        config.commit_unheard_min = min;
        let mut node = node_of(config);
        let begun = begin(&mut node);
        let changes = begun.new_flows.len() + finish(&mut node, &begun).new_flows.len();
        assert_eq!(changes, expected, "{min}");
    }
}

#[test]
fn new_flows_are_heard_where_what_is_found_may_be_old() {
    type Before = fn(&mut Node);
    let cases: [(&str, Before); 4] = [
        ("more flows of ours than of the peer", |node| {
            for number in 10..14 {
                node.handle(at(COMMIT), event(EventKind::New, flow(number)));
            }
        }),
        ("a cache that was emptied", |node| {
            node.handle(at(COMMIT), Input::Request(Request::FlushInternal));
        }),
        ("lost events", |node| {
            node.handle(at(COMMIT), Input::Overrun)
        }),
        ("a reading under way", |node| {
            let request = Request::ResyncKernel(Tables::All);
            node.handle(at(COMMIT), Input::Request(request));
        }),
    ];
    for (what, before) in cases {
        let mut node = node();
        before(&mut node);
        drain(&mut node);
        assert!(begin(&mut node).new_flows.is_empty(), "{what}");
    }
}

#[test]
fn an_emptied_cache_is_whole_again_after_a_reading() {
    for (complete, expected) in [(true, 1), (false, 0)] {
        let mut node = node();
        node.handle(at(COMMIT), Input::Request(Request::FlushInternal));
        let request = Request::ResyncKernel(Tables::All);
        node.handle(at(COMMIT), Input::Request(request));
        node.handle(at(COMMIT), Input::DumpDone { complete });
        settle(&mut node, at(COMMIT));
        assert_eq!(begin(&mut node).new_flows.len(), expected, "{complete}");
    }
}

#[test]
fn the_commands_that_follow_a_commit_are_served_by_one_reading() {
    let resync = Input::Request(Request::ResyncKernel(Tables::Flows));
    let bulk = Input::Request(Request::SendBulk);
    let mut node = node();
    commit(&mut node);
    node.handle(at(COMMIT), resync.clone());
    node.handle(at(COMMIT), bulk.clone());
    let outcome = settle(&mut node, at(COMMIT));
    assert_eq!(outcome.dumps, [DumpReason::Commit]);
    assert!(messages(&outcome.datagrams).is_empty());
    // The new one first, then each.
    assert_eq!(read(&mut node, &[0, 1, 7, 2], true).len(), 5);
    assert!(settle(&mut node, at(60_000)).dumps.is_empty());

    let mut node = node_of(Config {
        commit_unheard_min: 1,
        ..config()
    });
    commit(&mut node);
    node.handle(at(COMMIT), Input::Request(Request::FlushCaches));
    node.handle(at(COMMIT), resync);
    node.handle(at(COMMIT), bulk);
    assert_eq!(settle(&mut node, at(COMMIT)).dumps, [DumpReason::Request]);
    assert_eq!(read(&mut node, &[0, 1, 7, 2], true).len(), 4);
    assert!(settle(&mut node, at(60_000)).dumps.is_empty());
}

#[test]
fn a_bulk_waits_for_the_reading() {
    let mut node = node();
    commit(&mut node);
    node.handle(at(COMMIT), Input::Request(Request::SendBulk));
    assert!(messages(&settle(&mut node, at(READING)).datagrams).is_empty());
    assert_eq!(read(&mut node, &[0, 1, 2], true).len(), 3);
}

#[test]
fn a_reading_that_is_asked_for_during_the_commit_waits_for_its_end() {
    let mut node = node();
    let begun = begin(&mut node);
    let request = Request::ResyncKernel(Tables::All);
    node.handle(at(COMMIT), Input::Request(request));
    assert!(drain(&mut node).dumps.is_empty());
    assert!(node.is_reading_kernel());
    assert_eq!(finish(&mut node, &begun).dumps, [DumpReason::Commit]);
}

#[test]
fn changes_and_ends_are_told_before_the_reading() {
    let mut node = node();
    let begun = begin(&mut node);
    // Traffic on what was written, and the end of another one.
    let changed = happens(&mut node, EventKind::Update, flow(0));
    assert_eq!(changed, [has_begun(0)]);
    let ended = happens(&mut node, EventKind::Destroy, flow(1));
    assert_eq!(ended, [(EventKind::Destroy, flow(1).orig)]);
    finish(&mut node, &begun);
    settle(&mut node, at(READING));
    assert!(read(&mut node, &[0, 2], true).is_empty());
    assert_eq!(tuples(node.internal()), [flow(0).orig, flow(2).orig]);
}

#[test]
fn what_begins_under_the_tuple_of_a_written_flow_that_ended_is_told() {
    let mut node = node();
    commit(&mut node);
    happens(&mut node, EventKind::Destroy, flow(1));
    settle(&mut node, at(READING));
    assert_eq!(read(&mut node, &[0, 1, 2], true), [has_begun(1)]);
}

#[test]
fn the_end_of_a_flow_that_the_commit_replaced_does_not_end_the_new_one() {
    let mut node = node();
    happens(&mut node, EventKind::New, flow(1));
    let begun = begin(&mut node);
    let op = begun.ops[1].0;
    let refusal = Refusal::Exists;
    node.handle(at(COMMIT), Input::OpRefused { op, refusal });
    let again = finish(&mut node, &begun);
    finish(&mut node, &again);
    node.handle(
        at(COMMIT),
        Input::Event(Event {
            kind: EventKind::Destroy,
            origin: Origin::Commit,
            object: Object::Flow(flow(1)),
        }),
    );
    settle(&mut node, at(READING));
    assert!(read(&mut node, &[0, 1, 2], true).is_empty());
    assert_eq!(tuples(node.internal()).len(), 3);
}

#[test]
fn what_the_kernel_refused_was_not_written() {
    let mut node = node();
    let begun = begin(&mut node);
    let (op, refusal) = (begun.ops[1].0, Refusal::Invalid);
    node.handle(at(COMMIT), Input::OpRefused { op, refusal });
    finish(&mut node, &begun);
    settle(&mut node, at(READING));
    assert_eq!(read(&mut node, &[0, 1, 2], true), [has_begun(1)]);
}

#[test]
fn what_the_peer_ends_or_a_client_forgets_before_the_reading_was_written_all_the_same() {
    let mut node = node();
    commit(&mut node);
    let ended = told(EventKind::Destroy, Flags::NONE, 4, &flow(1));
    deliver(&mut node, at(COMMIT), &ended);
    node.handle(at(COMMIT), Input::Request(Request::FlushExternal));
    settle(&mut node, at(READING));
    assert!(read(&mut node, &[0, 1, 2], true).is_empty());
}

#[test]
fn an_incomplete_reading_is_repeated() {
    let mut node = node();
    commit(&mut node);
    settle(&mut node, at(READING));
    assert!(read(&mut node, &[0], false).is_empty());
    let later = at(READING + 1_000);
    assert_eq!(settle(&mut node, later).dumps, [DumpReason::Commit]);
    assert_eq!(read(&mut node, &[0, 1, 2, 7], true), [has_begun(7)]);
}

#[test]
fn after_lost_events_whatever_is_found_is_told() {
    let mut node = node();
    let begun = begin(&mut node);
    node.handle(at(COMMIT), Input::Overrun);
    finish(&mut node, &begun);
    settle(&mut node, at(READING));
    assert_eq!(read(&mut node, &[0, 1, 2, 7], true).len(), 4);
}

#[test]
fn an_emptied_cache_is_not_filled_by_the_reading() {
    for during in [true, false] {
        let mut node = node();
        let begun = begin(&mut node);
        let flush = Input::Request(Request::FlushInternal);
        if during {
            node.handle(at(COMMIT), flush.clone());
        }
        let ended = finish(&mut node, &begun);
        assert_eq!(ended.new_flows, [NewFlows::Heard], "{during}");
        if !during {
            node.handle(at(COMMIT), flush);
        }
        assert!(settle(&mut node, at(60_000)).dumps.is_empty(), "{during}");
    }
}

#[test]
fn a_cache_that_is_emptied_during_the_reading_tells_nothing() {
    let mut node = node();
    happens(&mut node, EventKind::New, flow(7));
    commit(&mut node);
    settle(&mut node, at(READING));
    node.handle(at(READING), Input::Request(Request::FlushInternal));
    assert!(read(&mut node, &[0, 1, 2, 7], true).is_empty());
}

#[test]
fn a_second_commit_before_the_reading_is_found_by_the_same() {
    let mut node = node();
    commit(&mut node);
    let begun = begin(&mut node);
    assert_eq!(begun.new_flows, [NewFlows::Unheard]);
    let refusals: Vec<(OpId, Refusal)> =
        begun.ops.iter().map(|it| (it.0, Refusal::Exists)).collect();
    for (op, refusal) in refusals {
        node.handle(at(COMMIT), Input::OpRefused { op, refusal });
    }
    let again = finish(&mut node, &begun);
    assert_eq!(again.ops.len(), 6);
    finish(&mut node, &again);
    assert_eq!(settle(&mut node, at(READING)).dumps, [DumpReason::Commit]);
    assert!(read(&mut node, &[0, 1, 2], true).is_empty());
}

#[test]
fn a_known_flow_whose_end_was_not_read_yet_is_told_with_its_successor() {
    let with_id = |id| Flow {
        id: Some(id),
        ..flow(1)
    };
    let mut node = node();
    happens(&mut node, EventKind::New, with_id(1));
    let acked = said(Control::Ack(range(1000, 1100)), Flags::NONE, 4);
    deliver(&mut node, at(COMMIT), &acked);
    commit(&mut node);
    settle(&mut node, at(READING));
    let found = Object::Flow(with_id(2));
    node.handle(at(READING), Input::Dumped(found));
    assert_eq!(read(&mut node, &[0, 2], true), [has_begun(1)]);
    // The end is that of the old one.
    assert!(happens(&mut node, EventKind::Destroy, with_id(1)).is_empty());
    assert_eq!(tuples(node.internal()).len(), 3);
}
