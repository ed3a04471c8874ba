//! Several dedicated links: which one is used, and what becomes of what was sent on another.

use crate::basics::{at, config, event, flow, started};
use crate::common::{said, settle, told};
use ctsync::wire::{Control, Flags, FlowMessage, Kind, split};
use ctsync::{
    ChannelConfig, ChannelId, Config, Counter, Input, ModeConfig, Node, Notice, Output, PeerId,
};
use flow::EventKind;

const A: ChannelId = ChannelId(0);
const B: ChannelId = ChannelId(1);
const C: ChannelId = ChannelId(2);

fn with_links(mode: ModeConfig, initial: ChannelId) -> Node {
    let link = |payload_len_max| ChannelConfig { payload_len_max };
    let config = Config {
        mode,
        channels: vec![link(1472), link(572), link(1472)],
        initial_channel: initial,
        ..config()
    };
    let mut node = started(config, at(0));
    settle(&mut node, at(0));
    node
}

/// What a node does at a time after some input: the links on which it sends and the notices about
/// links.
fn after(node: &mut Node, now: u64, input: Input<'_>) -> (Vec<ChannelId>, Vec<Notice>) {
    node.handle(at(now), input);
    let (mut links, mut notices) = (Vec::new(), Vec::new());
    loop {
        while let Some(output) = node.poll() {
            match output {
                Output::Transmit { channel, .. } => links.push(channel),
                Output::Notice(notice @ (Notice::ChannelInUse(_) | Notice::NoChannel)) => {
                    notices.push(notice);
                }
                _ => {}
            }
        }
        if node.timeout().is_none_or(|due| due > at(now)) {
            links.dedup();
            return (links, notices);
        }
        node.handle(at(now), Input::Timeout);
    }
}

fn hear(node: &mut Node, now: u64, channel: ChannelId, peer: u64, seq: u32) -> Vec<Notice> {
    let bytes = said(Control::Alive, Flags::NONE, seq);
    let input = Input::Datagram {
        channel,
        peer: PeerId(peer),
        bytes: &bytes,
    };
    after(node, now, input).1
}

#[test]
fn a_link_that_fails_is_left_for_the_next_that_works() {
    let mut node = with_links(ModeConfig::Notrack, B);
    assert_eq!(node.channel(), B);
    assert_eq!(after(&mut node, 1, Input::ChannelDown(C)).1, []);
    let in_use = |channel| vec![Notice::ChannelInUse(channel)];
    // The peer learns of it at once by a sign of life.
    let (links, notices) = after(&mut node, 2, Input::ChannelDown(B));
    assert_eq!((links, notices), (vec![A], in_use(A)));
    assert_eq!(
        after(&mut node, 3, Input::ChannelDown(A)).1,
        [Notice::NoChannel]
    );
    // Nothing is sent into the void, nor told again and again.
    for second in 1..100 {
        let done = after(&mut node, second * 1000, Input::Timeout);
        assert_eq!(done, (vec![], vec![]));
    }
    let input = event(EventKind::New, flow(1));
    assert_eq!(after(&mut node, 100_000, input), (vec![], vec![]));
    let (links, notices) = after(&mut node, 100_100, Input::ChannelUp(C));
    assert_eq!((links, notices), (vec![C], in_use(C)));
    assert_eq!(node.stats().get(Counter::ChannelSwitches), 2);
}

#[test]
fn a_link_on_which_the_peer_is_heard_goes_first() {
    let mut node = with_links(ModeConfig::ALARM, A);
    let message = told(EventKind::New, Flags::NONE, 1, &flow(1));
    for channel in [C, A] {
        let input = Input::Datagram {
            channel,
            peer: PeerId(0),
            bytes: &message,
        };
        after(&mut node, 10, input);
    }
    after(&mut node, 20, Input::ChannelDown(A));
    assert_eq!(node.channel(), C);
}

#[test]
fn a_link_that_takes_nothing_is_left_after_a_while() {
    let mut node = with_links(ModeConfig::Notrack, A);
    after(&mut node, 0, Input::ChannelBlocked(A));
    after(&mut node, 2_900, Input::Timeout);
    assert_eq!(node.channel(), A);
    assert_eq!(node.timeout(), Some(at(3_000)));
    after(&mut node, 3_000, Input::Timeout);
    assert_eq!(node.channel(), B);
    // One that stands alone stays.
    let config = Config {
        mode: ModeConfig::Notrack,
        ..config()
    };
    let mut node = started(config, at(0));
    after(&mut node, 0, Input::ChannelBlocked(A));
    assert_eq!(after(&mut node, 60_000, Input::Timeout), (vec![], vec![]));
    assert!(node.timeout().is_some_and(|due| due > at(60_000)));
}

#[test]
fn where_all_links_are_full_a_silent_peer_makes_no_work() {
    // The node wanted to be woken at once, for ever.
    let mut node = with_links(ModeConfig::Notrack, A);
    hear(&mut node, 0, A, 0, 1);
    for channel in [A, B, C] {
        after(&mut node, 10, Input::ChannelBlocked(channel));
    }
    for second in 1..20 {
        after(&mut node, second * 1_000, Input::Timeout);
        assert!(node.timeout() > Some(at(second * 1_000)));
    }
    assert_eq!(node.channel(), A);
}

#[test]
fn a_node_follows_its_peer() {
    let mut node = with_links(ModeConfig::Notrack, A);
    assert_eq!(hear(&mut node, 10, A, 1, 5), []);
    // The peer has another address there.
    assert_eq!(hear(&mut node, 20, C, 2, 6), [Notice::ChannelInUse(C)]);
    assert_eq!(node.channel(), C);
    assert_eq!(node.stats().get(Counter::MessagesLost), 0);
    // A link that is said not to work is not used, whatever is heard there.
    after(&mut node, 25, Input::ChannelDown(B));
    assert_eq!(hear(&mut node, 30, B, 3, 7), []);
}

#[test]
fn nodes_that_follow_each_other_meet() {
    // Messages that cross had two nodes change places for ever, thousands of times a second.
    let mut nodes = [A, B].map(|initial| with_links(ModeConfig::Notrack, initial));
    let mut seq = 1;
    for step in 0..20 {
        let now = 10 * step;
        seq += 1;
        let used = [nodes[0].channel(), nodes[1].channel()];
        hear(&mut nodes[0], now, used[1], 0, seq);
        hear(&mut nodes[1], now, used[0], 0, seq);
    }
    assert_eq!(nodes[0].channel(), nodes[1].channel());
    let switches = nodes.map(|node| node.stats().get(Counter::ChannelSwitches));
    assert!(switches.iter().sum::<u64>() <= 4, "{switches:?}");
}

#[test]
fn a_group_with_several_senders_is_not_left_for_each() {
    let mut node = with_links(ModeConfig::Notrack, A);
    for step in 0..10 {
        let now = 1000 * u64::from(step);
        hear(&mut node, now, A, 1, 1_000_000 + step);
        hear(&mut node, now, A, 2, 2_000_000 + step);
        assert_eq!(hear(&mut node, now, B, 3, 3_000_000 + step), []);
    }
    assert_eq!(node.channel(), A);
    // Until nobody is heard there.
    assert_eq!(hear(&mut node, 11_000, B, 3, 3_000_020), []);
    assert_eq!(
        hear(&mut node, 12_000, B, 3, 3_000_021),
        [Notice::ChannelInUse(B)]
    );
}

#[test]
fn while_the_peer_is_silent_the_links_are_tried_and_told_once() {
    let mut node = with_links(ModeConfig::Notrack, A);
    hear(&mut node, 0, A, 0, 1);
    let (mut used, mut told) = (vec![A], Vec::new());
    for step in 0..400 {
        told.extend(after(&mut node, step * 500, Input::Timeout).1);
        if used.last() != Some(&node.channel()) {
            used.push(node.channel());
        }
    }
    assert_eq!(told, [Notice::ChannelInUse(B)]);
    // After 3, 6, 12, 24, 48, 96, 156 seconds.
    assert_eq!(used, [A, B, C, A, B, C, A, B]);
    assert_eq!(hear(&mut node, 200_000, C, 0, 2), [Notice::ChannelInUse(C)]);
}

#[test]
fn the_preferred_link_is_used_again_when_it_has_worked_for_a_while() {
    let mut node = with_links(ModeConfig::Notrack, A);
    let (mut now, mut seq) = (0, 0);
    let mut wait = |node: &mut Node, seconds: u64| {
        for _ in 0..seconds {
            now += 1_000;
            seq += 1;
            // The peer uses the same link as we.
            hear(node, now, node.channel(), 0, seq);
            after(node, now, Input::Timeout);
        }
        now
    };
    for pause in [60, 120, 240] {
        let now = wait(&mut node, 5);
        after(&mut node, now, Input::ChannelDown(A));
        assert_eq!(node.channel(), B);
        let now = wait(&mut node, 5);
        after(&mut node, now, Input::ChannelUp(A));
        wait(&mut node, pause - 1);
        assert_eq!(node.channel(), B, "{pause}");
        wait(&mut node, 1);
        assert_eq!(node.channel(), A, "{pause}");
    }
}

#[test]
fn a_peer_that_stays_where_it_is_is_followed_back() {
    let mut node = with_links(ModeConfig::Notrack, A);
    after(&mut node, 0, Input::ChannelDown(A));
    after(&mut node, 0, Input::ChannelUp(A));
    for second in 0..=60 {
        hear(
            &mut node,
            second * 1000,
            B,
            0,
            u32::try_from(second).unwrap(),
        );
    }
    assert_eq!(node.channel(), A);
    hear(&mut node, 61_000, B, 0, 61);
    assert_eq!(node.channel(), A);
    hear(&mut node, 62_000, B, 0, 62);
    assert_eq!(node.channel(), B);
}

#[test]
fn each_link_has_its_size() {
    let mut node = with_links(ModeConfig::Notrack, A);
    let longest = |node: &mut Node, now: u64| {
        for number in 0..100 {
            node.handle(at(now), event(EventKind::Update, flow(number)));
        }
        let sent = settle(node, at(now)).datagrams;
        sent.iter().map(Vec::len).max().unwrap()
    };
    assert!((1400..1472).contains(&longest(&mut node, 1)));
    after(&mut node, 2, Input::ChannelDown(A));
    assert!((500..572).contains(&longest(&mut node, 3)));
    let input = Input::ChannelSize {
        channel: B,
        payload_len_max: 300,
    };
    after(&mut node, 4, input);
    assert!((200..300).contains(&longest(&mut node, 5)));
}

#[test]
fn ftfw_sends_again_what_the_old_link_may_have_lost() {
    let mut node = with_links(ModeConfig::FTFW, A);
    for number in 0..20 {
        node.handle(at(10), event(EventKind::New, flow(number)));
    }
    let sent = settle(&mut node, at(10)).datagrams;
    assert_eq!(flows(&sent), 20);
    let range = crate::common::range(1020, 1029);
    let answers = [
        (said(Control::Alive, Flags::HELLO_BACK, 76), 20),
        (said(Control::Ack(range), Flags::NONE, 77), 0),
    ];
    for (bytes, sent_again) in answers {
        let input = Input::Datagram {
            channel: A,
            peer: PeerId(0),
            bytes: &bytes,
        };
        node.handle(at(11), input);
        assert_eq!(flows(&settle(&mut node, at(11)).datagrams), sent_again);
    }
    node.handle(at(12), Input::ChannelDown(A));
    assert_eq!(flows(&settle(&mut node, at(12)).datagrams), 10);
    // Links that change all the time do not make it send without end.
    node.handle(at(13), Input::ChannelDown(B));
    assert_eq!(flows(&settle(&mut node, at(13)).datagrams), 0);
}

fn flows(datagrams: &[Vec<u8>]) -> usize {
    let messages = datagrams.iter().flat_map(|it| split(it)).flatten();
    messages
        .filter(|message| {
            let is_flow = matches!(message.header.kind, Kind::Flow(_));
            is_flow && FlowMessage::decode(message.body).is_ok()
        })
        .count()
}
