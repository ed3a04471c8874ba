//! NOTRACK: sent once, counted, asked for again when something was lost; with and without caches.

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{Outcome, said, settle, spoken, told, tuples};
use ctsync::wire::{Control, Flags, FlowMessage, Kind, split};
use ctsync::{
    ChannelId, Config, Counter, DumpReason, Input, InternalCache, ModeConfig, Node, Notice, PeerId,
    Request, Tables,
};
use flow::{Event, EventKind, Object, Origin, Status};

fn notrack() -> Config {
    Config {
        mode: ModeConfig::Notrack,
        ..config()
    }
}

fn bypass() -> Config {
    Config {
        internal_cache: InternalCache::Bypass,
        ..notrack()
    }
}

/// Types of the messages of some datagrams; each must have no flags but those of control messages.
fn kinds(datagrams: &[Vec<u8>]) -> Vec<Kind> {
    let messages = datagrams.iter().flat_map(|it| split(it));
    messages
        .map(|message| {
            let header = message.unwrap().header;
            assert!(header.kind == Kind::Control || header.flags == Flags::NONE);
            header.kind
        })
        .collect()
}

#[test]
fn each_state_is_sent_once_and_nothing_is_kept() {
    let mut node = started(notrack(), at(0));
    let mut sent = Vec::new();
    for kind in [EventKind::New, EventKind::Update, EventKind::Destroy] {
        node.handle(at(10), event(kind, flow(1)));
        sent.extend(settle(&mut node, at(10)).datagrams);
    }
    let wanted = [EventKind::New, EventKind::Update, EventKind::Destroy].map(Kind::Flow);
    assert_eq!(kinds(&sent), wanted);
    let gauges = node.gauges();
    assert_eq!((gauges.internal_len, gauges.resend_queue_len), (0, 0));
}

#[test]
fn a_second_of_silence_brings_a_sign_of_life() {
    let mut node = started(notrack(), at(0));
    node.handle(at(400), event(EventKind::New, flow(1)));
    settle(&mut node, at(400));
    assert_eq!(node.timeout(), Some(at(1400)));
    for second in 1..5 {
        node.handle(at(400 + second * 1000), Input::Timeout);
        let outcome = settle(&mut node, at(400 + second * 1000));
        assert_eq!(spoken(&outcome.datagrams), (vec![Control::Alive], 0));
    }
}

#[test]
fn acknowledgements_are_malformed() {
    let mut node = started(notrack(), at(0));
    let range = crate::common::range(1, 2);
    deliver(&mut node, at(1), &said(Control::Ack(range), Flags::NONE, 1));
    deliver(
        &mut node,
        at(1),
        &said(Control::Nack(range), Flags::NONE, 2),
    );
    assert_eq!(node.stats().get(Counter::MalformedHeader), 2);
}

#[test]
fn a_request_is_answered_by_everything() {
    let mut node = started(notrack(), at(0));
    for number in 0..40 {
        node.handle(at(1), event(EventKind::New, flow(number)));
    }
    settle(&mut node, at(1));
    deliver(&mut node, at(5), &said(Control::Resync, Flags::NONE, 1));
    let outcome = settle(&mut node, at(5));
    assert_eq!(spoken(&outcome.datagrams).1, 40);
    assert_eq!(
        outcome.notices.first(),
        Some(&Notice::ResyncRequestedByPeer)
    );
}

#[test]
fn the_bulk_at_start_is_asked_for_until_flows_come() {
    let config = Config {
        startup_resync: true,
        ..notrack()
    };
    let mut node = started(config, at(0));
    let asks = |node: &mut Node, now: u64| {
        node.handle(at(now), Input::Timeout);
        let (controls, _) = spoken(&settle(node, at(now)).datagrams);
        controls.contains(&Control::Resync)
    };
    assert!(asks(&mut node, 0));
    assert!(!asks(&mut node, 1_000));
    assert!(asks(&mut node, 2_000));
    deliver(
        &mut node,
        at(2_100),
        &told(EventKind::New, Flags::NONE, 9, &flow(1)),
    );
    for second in 3..60 {
        assert!(!asks(&mut node, second * 1_000));
    }
}

fn from(node: &mut Node, now: u64, peer: u64, bytes: &[u8]) {
    node.handle(
        at(now),
        Input::Datagram {
            channel: ChannelId(0),
            peer: PeerId(peer),
            bytes,
        },
    );
}

#[test]
fn lost_messages_are_counted_told_and_asked_for() {
    let mut node = started(notrack(), at(0));
    for seq in [10, 11, 15] {
        from(
            &mut node,
            100,
            1,
            &told(EventKind::New, Flags::NONE, seq, &flow(seq)),
        );
    }
    assert_eq!(node.stats().get(Counter::MessagesLost), 3);
    node.handle(at(1_100), Input::Timeout);
    let outcome = settle(&mut node, at(1_100));
    assert!(spoken(&outcome.datagrams).0.contains(&Control::Resync));
    assert_eq!(
        outcome.notices,
        [Notice::MessagesLost(3), Notice::ResyncRequested]
    );
}

#[test]
fn senders_that_share_a_group_are_counted_each_for_itself() {
    let mut node = started(notrack(), at(0));
    for step in 0..50 {
        for peer in 1..=3 {
            let seq = u32::try_from(peer).unwrap() * 100_000 + step;
            from(
                &mut node,
                100,
                peer,
                &told(EventKind::New, Flags::NONE, seq, &flow(seq)),
            );
        }
    }
    assert_eq!(node.external().len(), 150);
    let stats = node.stats();
    assert_eq!(stats.get(Counter::MessagesLost), 0);
    assert_eq!(stats.get(Counter::MessagesBefore), 0);
}

#[test]
fn what_was_overtaken_does_not_come_back() {
    let mut node = started(notrack(), at(0));
    from(
        &mut node,
        100,
        1,
        &told(EventKind::New, Flags::NONE, 10, &flow(1)),
    );
    from(
        &mut node,
        100,
        1,
        &told(EventKind::Destroy, Flags::NONE, 13, &flow(1)),
    );
    // Late: one about the flow that has ended meanwhile, one about another.
    from(
        &mut node,
        100,
        1,
        &told(EventKind::Update, Flags::NONE, 11, &flow(1)),
    );
    from(
        &mut node,
        100,
        1,
        &told(EventKind::New, Flags::NONE, 12, &flow(2)),
    );
    assert_eq!(tuples(node.external()), [flow(2).orig]);
    assert_eq!(node.stats().get(Counter::MessagesBefore), 2);
}

/// Its numbers begin close behind where the former life's have ended, so that its messages look late.
#[test]
fn a_peer_that_restarts_at_once_is_asked_for_what_its_new_life_was_refused() {
    let mut node = started(notrack(), at(0));
    for place in 0..20 {
        let message = told(EventKind::New, Flags::NONE, 100 + place, &flow(1 + place));
        from(&mut node, 100, 1, &message);
    }
    for place in 0..18 {
        let message = told(EventKind::New, Flags::NONE, 103 + place, &flow(20 - place));
        from(&mut node, 200, 1, &message);
    }
    let refused = node.stats().get(Counter::MessagesLost);
    assert!(refused > 5, "{refused}");
    node.handle(at(1_300), Input::Timeout);
    let outcome = settle(&mut node, at(1_300));
    assert!(spoken(&outcome.datagrams).0.contains(&Control::Resync));
}

fn only(outcome: &Outcome) -> Vec<(Kind, Status)> {
    let messages = outcome.datagrams.iter().flat_map(|it| split(it));
    messages
        .map(|message| {
            let message = message.unwrap();
            let flow = FlowMessage::decode(message.body).unwrap();
            (message.header.kind, flow.status.unwrap())
        })
        .collect()
}

#[test]
fn without_a_cache_an_event_is_a_message_in_the_same_turn() {
    // Stock lets it wait for a second (compat: daemon-8).
    let mut node = Node::new(bypass(), at(0));
    assert_eq!(settle(&mut node, at(0)).dumps, []);
    let mut ended = flow(1);
    ended.status = ended.status.map(|it| it | Status::DYING);
    let (living, dying) = (flow(1).status.unwrap(), ended.status.unwrap());
    node.handle(at(10), event(EventKind::New, flow(1)));
    node.handle(at(10), event(EventKind::Update, flow(1)));
    node.handle(at(10), event(EventKind::Update, flow(1)));
    node.handle(at(10), event(EventKind::Destroy, ended));
    let outcome = settle(&mut node, at(10));
    assert_eq!(outcome.datagrams.len(), 1);
    assert_eq!(
        only(&outcome),
        [
            (Kind::Flow(EventKind::New), living),
            (Kind::Flow(EventKind::Update), living),
            (Kind::Flow(EventKind::Update), living),
            (Kind::Flow(EventKind::Destroy), dying),
        ]
    );
    let stats = node.stats();
    let counted = [
        Counter::BypassNew,
        Counter::BypassUpdated,
        Counter::BypassDestroyed,
    ];
    assert_eq!(counted.map(|it| stats.get(it)), [1, 2, 1]);
    assert_eq!(node.internal().len(), 0);
}

#[test]
fn without_a_cache_our_own_changes_are_not_passed_on() {
    let mut node = Node::new(bypass(), at(0));
    for origin in [Origin::Commit, Origin::Flush, Origin::Inject] {
        let object = Object::Flow(flow(1));
        let kind = EventKind::New;
        node.handle(
            at(10),
            Input::Event(Event {
                kind,
                origin,
                object,
            }),
        );
    }
    assert!(settle(&mut node, at(10)).datagrams.is_empty());
}

#[test]
fn without_a_cache_the_kernels_table_is_the_bulk() {
    let mut node = Node::new(bypass(), at(0));
    settle(&mut node, at(0));
    node.handle(at(10), Input::Request(Request::SendBulk));
    assert_eq!(settle(&mut node, at(10)).dumps, [DumpReason::Bulk]);
    for number in 0..100 {
        node.handle(at(11), Input::Dumped(Object::Flow(flow(number))));
    }
    node.handle(at(11), Input::DumpDone { complete: true });
    let outcome = settle(&mut node, at(11));
    assert_eq!(kinds(&outcome.datagrams), [Kind::Flow(EventKind::New); 100]);
}

#[test]
fn without_a_cache_what_concerns_it_is_refused() {
    // Stock empties the kernel's table at this (compat: daemon-7).
    for request in [Request::FlushInternal, Request::ResyncKernel(Tables::All)] {
        let mut node = Node::new(bypass(), at(0));
        node.handle(at(10), Input::Request(request));
        let outcome = settle(&mut node, at(10));
        assert_eq!(outcome.notices, [Notice::UnsupportedWithoutCache]);
        assert!(!outcome.flush && outcome.dumps.is_empty());
    }
}

#[test]
fn without_a_cache_a_blocked_link_is_bounded_and_told() {
    let mut node = Node::new(bypass(), at(0));
    settle(&mut node, at(0));
    node.handle(at(10), Input::ChannelBlocked(ChannelId(0)));
    for number in 0..80_000 {
        node.handle(at(10), event(EventKind::New, flow(number)));
    }
    let outcome = settle(&mut node, at(10));
    assert!(outcome.datagrams.is_empty());
    assert_eq!(outcome.notices, [Notice::EventsLost]);
    let lost = node.stats().get(Counter::TransmitNoSpace);
    assert!(lost > 0);
    node.handle(at(20), Input::ChannelReady(ChannelId(0)));
    let sent = kinds(&settle(&mut node, at(20)).datagrams).len();
    assert_eq!(u64::try_from(sent).unwrap() + lost, 80_000);
}
