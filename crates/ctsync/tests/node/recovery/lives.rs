//! Lives of the peer and of ours: what each may remember of the other's, and what is said again.

use super::{CACHE, hear};
use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{greeted, range, said, settle};
use ctsync::wire::{Control, Flags, Kind, split};
use ctsync::{Counter, Input, Node, Notice, Request};
use flow::{Event, EventKind, Object, Origin};

/// What the node says of flows at a time.
fn kinds(node: &mut Node, millis: u64) -> Vec<EventKind> {
    node.handle(at(millis), Input::Timeout);
    let datagrams = settle(node, at(millis)).datagrams;
    let messages = datagrams.iter().flat_map(|it| split(it)).flatten();
    messages
        .filter_map(|message| match message.header.kind {
            Kind::Flow(kind) => Some(kind),
            _ => None,
        })
        .collect()
}

/// Notices that a message of the peer is answered by.
fn notices(node: &mut Node, millis: u64, bytes: &[u8]) -> Vec<Notice> {
    deliver(node, at(millis), bytes);
    node.handle(at(millis), Input::Timeout);
    settle(node, at(millis)).notices
}

#[test]
fn a_new_life_of_the_peer_is_told_of_once() {
    let mut node = greeted(1000, CACHE);
    let restarts = |notices: Vec<Notice>| {
        let restart = |it: &&Notice| **it == Notice::PeerRestarted;
        notices.iter().filter(restart).count()
    };
    // Ahead of its old numbers, then behind them.
    for (millis, first) in [(5_000, 500), (15_000, 300)] {
        let mut told = 0;
        for seq in first..first + 3 {
            let hello = said(Control::Alive, Flags::HELLO, seq);
            told += restarts(notices(&mut node, millis, &hello));
        }
        assert_eq!(told, 1, "{first}");
    }
}

#[test]
fn what_is_still_under_way_from_a_former_life_is_dropped() {
    let mut node = greeted(1000, CACHE);
    let data = |seq, flags| crate::common::told(EventKind::New, flags, seq, &flow(seq));
    deliver(&mut node, at(8_000), &data(500, Flags::NONE));
    deliver(&mut node, at(9_000), &data(300, Flags::HELLO));
    // 501 was sent before the restart. The next of the new life is taken, and what is ahead of all.
    deliver(&mut node, at(9_100), &data(501, Flags::NONE));
    assert_eq!(node.stats().get(Counter::MessagesBefore), 1);
    deliver(&mut node, at(9_200), &data(301, Flags::NONE));
    assert_eq!(node.external().len(), 3);
    deliver(&mut node, at(11_100), &data(310, Flags::NONE));
    assert_eq!(node.external().len(), 4);
    assert_eq!(node.stats().get(Counter::MessagesBefore), 1);
}

#[test]
fn messages_that_do_not_rise_are_no_series() {
    let mut node = greeted(1000, CACHE);
    let forged = said(Control::Alive, Flags::NONE, 0x4000_0000);
    deliver(&mut node, at(2_000), &forged);
    for (step, seq) in [(0, 120), (1, 119), (2, 118), (3, 117), (4, 116)] {
        let data = crate::common::told(EventKind::New, Flags::NONE, seq, &flow(seq));
        deliver(&mut node, at(5_000 + step), &data);
    }
    assert_eq!(node.external().len(), 0);
    assert_eq!(node.stats().get(Counter::MessagesBefore), 5);
}

#[test]
fn a_peer_that_starts_again_and_again_is_sent_everything_now_and_then() {
    let mut node = greeted(1000, CACHE);
    node.handle(at(1_100), event(EventKind::New, flow(1)));
    assert_eq!(hear(&mut node, 1_100).1, 1);
    let mut again = 0;
    for life in 0..40 {
        let now = 3_000 + 100 * u64::from(life);
        for (flags, seq) in [(Flags::HELLO, 0), (Flags::NONE, 1)] {
            let message = said(Control::Alive, flags, 500 + 10 * life + seq);
            deliver(&mut node, at(now), &message);
        }
        again += hear(&mut node, now).1;
    }
    assert_eq!(again, 2);
}

#[test]
fn a_peer_that_has_not_answered_our_greeting_asks_for_nothing() {
    let mut node = started(config(), at(0));
    node.handle(at(0), event(EventKind::New, flow(1)));
    assert_eq!(hear(&mut node, 0).1, 1);
    let nack = Control::Nack(range(1000, 1000));
    deliver(&mut node, at(10), &said(nack, Flags::NONE, 50));
    assert_eq!(hear(&mut node, 10).1, 0);
    assert_eq!(node.stats().get(Counter::AcksIgnored), 1);
    deliver(
        &mut node,
        at(20),
        &said(Control::Alive, Flags::HELLO_BACK, 51),
    );
    assert_eq!(hear(&mut node, 20).1, 1);
}

#[test]
fn a_request_for_what_was_never_sent_makes_nothing_stale() {
    let mut node = greeted(1000, CACHE);
    node.handle(at(1_100), event(EventKind::New, flow(1)));
    assert_eq!(hear(&mut node, 1_100).1, 1);
    // Our acknowledgement, 1000, is not asked for and stays.
    let nack = Control::Nack(range(1001, 9_000_000));
    deliver(&mut node, at(1_200), &said(nack, Flags::NONE, 102));
    let said: Vec<usize> = [1_200, 3_500, 6_000, 9_000]
        .map(|now| hear(&mut node, now).1)
        .into();
    assert_eq!(said, [1, 0, 0, 0]);
}

#[test]
fn what_was_lost_while_the_time_ran_for_something_else_is_sent_again_too() {
    let mut node = greeted(1000, CACHE);
    let tell = |node: &mut Node, now, numbers: std::ops::Range<u32>| {
        for number in numbers {
            node.handle(at(now), event(EventKind::New, flow(number)));
        }
        hear(node, now).1
    };
    assert_eq!(tell(&mut node, 1_100, 1..4), 3);
    let ack = |from, to| Control::Ack(range(from, to));
    deliver(
        &mut node,
        at(1_200),
        &said(ack(1003, 1003), Flags::NONE, 102),
    );
    let heard = hear(&mut node, 2_900).0;
    assert_eq!(heard.len(), 1, "an acknowledgement of ours: 1004");
    assert_eq!(tell(&mut node, 3_000, 4..6), 2);
    deliver(
        &mut node,
        at(3_100),
        &said(ack(1006, 1006), Flags::NONE, 103),
    );
    assert_eq!(hear(&mut node, 3_300).1, 2);
    assert_eq!(hear(&mut node, 5_400).1, 1);
}

/// Stock does not send again what it had under way when it was greeted.
#[test]
fn everything_is_asked_for_again_where_some_of_the_answer_was_lost_in_the_greeting() {
    for (seqs, again) in [([50, 51, 52], 0), ([50, 53, 54], 1)] {
        let mut config = config();
        config.startup_resync = true;
        let mut node = started(config, at(0));
        let is_request = |it: &&Control| **it == Control::Resync;
        assert_eq!(hear(&mut node, 0).0.iter().filter(is_request).count(), 1);
        for seq in seqs {
            let data = crate::common::told(EventKind::New, Flags::HELLO, seq, &flow(seq));
            deliver(&mut node, at(10), &data);
        }
        // It has greeted, so the request is repeated in any case.
        assert_eq!(hear(&mut node, 10).0.iter().filter(is_request).count(), 1);
        let answer = said(Control::Alive, Flags::HELLO_BACK, seqs[2] + 1);
        deliver(&mut node, at(20), &answer);
        let heard = hear(&mut node, 20).0;
        assert_eq!(heard.iter().filter(is_request).count(), again, "{seqs:?}");
    }
}

#[test]
fn a_request_for_everything_that_falls_out_of_the_queue_is_sent_again() {
    let mut node = greeted(8, CACHE);
    node.handle(at(1_100), Input::Request(Request::RequestBulk));
    let is_request = |it: &Control| *it == Control::Resync;
    assert!(hear(&mut node, 1_100).0.iter().any(is_request));
    for number in 0..20 {
        node.handle(at(1_200), event(EventKind::New, flow(number)));
    }
    hear(&mut node, 1_200);
    let mut again = 0;
    for step in 0..100_u32 {
        let sent: Vec<u32> = node.resend_queue().map(|it| it.seq.0).collect();
        if let (Some(from), Some(to)) = (sent.first(), sent.last()) {
            let ack = Control::Ack(range(*from, *to));
            deliver(&mut node, at(1_300), &said(ack, Flags::NONE, 102 + step));
        }
        let now = 1_400 + 100 * u64::from(step);
        again += hear(&mut node, now)
            .0
            .into_iter()
            .filter(is_request)
            .count();
    }
    assert_eq!(again, 1);
}

/// A node whose peer has started later than it.
fn older() -> Node {
    let mut node = greeted(1000, CACHE);
    for seq in 500..503 {
        deliver(
            &mut node,
            at(5_000),
            &said(Control::Alive, Flags::HELLO, seq),
        );
    }
    deliver(
        &mut node,
        at(5_000),
        &said(Control::Alive, Flags::NONE, 503),
    );
    hear(&mut node, 5_000);
    node
}

/// How the first change of a new flow is told, before the peer has acknowledged its beginning.
fn change_of_a_new_flow(node: &mut Node, number: u32) -> EventKind {
    node.handle(at(7_000), event(EventKind::New, flow(number)));
    assert_eq!(kinds(node, 7_000), [EventKind::New]);
    node.handle(at(7_100), event(EventKind::Update, flow(number)));
    kinds(node, 7_100)[0]
}

fn unannounced(kind: EventKind, origin: Origin, number: u32) -> Input<'static> {
    Input::Event(Event {
        kind,
        origin,
        object: Object::Flow(flow(number)),
    })
}

/// An update would be merged into what the peer may remember of another flow of that tuple.
#[test]
fn a_flow_is_new_until_acknowledged_where_the_peer_may_remember_more_than_we() {
    assert_eq!(change_of_a_new_flow(&mut older(), 1), EventKind::Update);
    let first = event(EventKind::New, flow(9));
    let forgetting: [(&str, Vec<Input<'_>>); 4] = [
        (
            "the internal cache is emptied",
            vec![Input::Request(Request::FlushInternal)],
        ),
        (
            "a commit writes over a flow",
            vec![unannounced(EventKind::New, Origin::Commit, 9)],
        ),
        (
            "a commit makes room",
            vec![
                first.clone(),
                unannounced(EventKind::Destroy, Origin::Commit, 9),
            ],
        ),
        (
            "the kernel's table is emptied",
            vec![first, unannounced(EventKind::Destroy, Origin::Flush, 9)],
        ),
    ];
    for (what, inputs) in forgetting {
        let mut node = older();
        for input in inputs {
            node.handle(at(6_000), input);
        }
        hear(&mut node, 6_000);
        assert_eq!(change_of_a_new_flow(&mut node, 1), EventKind::New, "{what}");
    }
}
