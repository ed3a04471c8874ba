//! ALARM: everything is sent again at random times, and forgotten when it is not.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{said, settle, told};
use ctsync::wire::{Control, Flags, FlowMessage, Kind, split};
use ctsync::{Config, Counter, Input, ModeConfig, Node, Request};
use flow::{EventKind, Object};

fn alarm(refresh: u64, cache: u64, random_seed: u64) -> Config {
    Config {
        mode: ModeConfig::Alarm {
            refresh_time: Duration::from_secs(refresh),
            cache_timeout: Duration::from_secs(cache),
        },
        random_seed,
        ..config()
    }
}

/// Runs a node for a while, and notes when it said what of which flow (by its source port).
fn listen(node: &mut Node, from: u64, to: u64) -> BTreeMap<u16, Vec<(u64, EventKind)>> {
    let mut heard: BTreeMap<u16, Vec<(u64, EventKind)>> = BTreeMap::new();
    let mut now = from;
    while now < to {
        for datagram in settle(node, at(now)).datagrams {
            for message in split(&datagram) {
                let message = message.unwrap();
                let Kind::Flow(kind) = message.header.kind else {
                    panic!("{message:?}");
                };
                let flow = FlowMessage::decode(message.body).unwrap();
                heard
                    .entry(flow.ports.unwrap().src)
                    .or_default()
                    .push((now, kind));
            }
        }
        now += 100;
        node.handle(at(now), Input::Timeout);
    }
    heard
}

#[test]
fn each_flow_is_sent_again_within_the_refresh_time() {
    let mut node = started(alarm(10, 180, 7), at(0));
    for number in 0..200 {
        node.handle(at(0), event(EventKind::New, flow(number)));
    }
    node.handle(at(0), event(EventKind::Update, flow(0)));
    let heard = listen(&mut node, 0, 60_000);
    assert_eq!(heard.len(), 200);
    let mut pauses = Vec::new();
    for (port, times) in &heard {
        let updated = *port == 1024;
        // The first message replaces whatever the peer may know.
        assert_eq!(times[0].1, EventKind::New);
        assert!(times.iter().skip(1).all(|(_, kind)| match kind {
            EventKind::New => !updated,
            EventKind::Update => updated,
            EventKind::Destroy => false,
        }));
        pauses.extend(times.windows(2).map(|pair| pair[1].0 - pair[0].0));
        assert!(times.last().unwrap().0 > 48_000);
    }
    // Ten seconds and a fraction of one, to the tick of the wheel.
    assert!(pauses.iter().all(|pause| (1_000..=11_500).contains(pause)));
    let mean = pauses.iter().sum::<u64>() / u64::try_from(pauses.len()).unwrap();
    assert!((5_000..=7_500).contains(&mean), "{mean}");
}

#[test]
fn two_nodes_do_not_send_at_the_same_moments() {
    // Stock's generator has no seed (compat: daemon-53).
    let times = |seed| {
        let mut node = started(alarm(60, 180, seed), at(0));
        for number in 0..50 {
            node.handle(at(0), event(EventKind::New, flow(number)));
        }
        listen(&mut node, 0, 130_000)
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}

#[test]
fn an_ended_flow_is_not_sent_again() {
    let mut node = started(alarm(5, 180, 7), at(0));
    node.handle(at(0), event(EventKind::New, flow(1)));
    node.handle(at(0), event(EventKind::New, flow(2)));
    listen(&mut node, 0, 7_000);
    node.handle(at(7_000), event(EventKind::Destroy, flow(1)));
    // Its slot goes to another.
    let heard = listen(&mut node, 7_000, 7_100);
    assert_eq!(heard[&1025], [(7_000, EventKind::Destroy)]);
    node.handle(at(8_000), event(EventKind::New, flow(3)));
    let heard = listen(&mut node, 8_000, 30_000);
    assert!(!heard.contains_key(&1025));
    assert!(heard[&1026].len() > 3 && heard[&1027].len() > 3);
}

#[test]
fn a_flow_that_was_there_before_the_daemon_is_sent_too() {
    let mut node = Node::new(alarm(5, 180, 7), at(0));
    node.handle(at(0), Input::Dumped(Object::Flow(flow(1))));
    node.handle(at(0), Input::DumpDone { complete: true });
    let heard = listen(&mut node, 0, 10_000);
    assert!(heard[&1025][0].0 >= 1_000);
}

#[test]
fn what_is_not_refreshed_is_forgotten() {
    let mut node = started(alarm(60, 10, 7), at(0));
    let tell = |node: &mut Node, now, seq, number| {
        let message = told(EventKind::Update, Flags::NONE, seq, &flow(number));
        deliver(node, at(now), &message);
    };
    tell(&mut node, 0, 1, 1);
    tell(&mut node, 0, 2, 2);
    tell(&mut node, 6_000, 3, 2);
    listen(&mut node, 6_000, 9_900);
    assert_eq!(node.external().len(), 2);
    listen(&mut node, 9_900, 12_000);
    assert_eq!(node.external().len(), 1);
    listen(&mut node, 12_000, 15_900);
    assert_eq!(node.external().len(), 1);
    listen(&mut node, 15_900, 18_000);
    assert_eq!(node.external().len(), 0);
    assert_eq!(node.stats().get(Counter::ExternalDestroyed), 2);
}

#[test]
fn what_has_flags_is_ignored_and_nothing_is_controlled() {
    let mut node = started(alarm(60, 180, 7), at(0));
    deliver(
        &mut node,
        at(0),
        &told(EventKind::New, Flags::HELLO, 1, &flow(1)),
    );
    deliver(&mut node, at(0), &said(Control::Resync, Flags::NONE, 2));
    node.handle(at(0), Input::Request(Request::RequestBulk));
    node.handle(at(0), Input::Request(Request::SendBulk));
    let outcome = settle(&mut node, at(0));
    assert!(outcome.datagrams.is_empty() && outcome.notices.is_empty());
    assert_eq!(node.external().len(), 0);
    assert_eq!(node.stats().get(Counter::MessagesIgnored), 2);
    assert_eq!(node.stats().get(Counter::Malformed), 0);
    assert!(listen(&mut node, 0, 5_000).is_empty());
}
