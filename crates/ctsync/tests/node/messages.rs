//! What a node tells of a flow, and what it takes from its peers: rules that all modes share.

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{said, settle, told};
use ctsync::wire::{Control, DropReason, Flags, FlowMessage, Kind, split};
use ctsync::{
    ChannelConfig, ChannelId, Config, Counter, Cursor, Input, ModeConfig, Node, PeerId, Seq,
};
use flow::{EventKind, Flow, Helper, Mark, Name, Status};

/// The flows of the external cache, as far as these tests look at them.
fn theirs(node: &Node) -> Vec<(Option<Mark>, Option<Status>)> {
    let mut flows = Vec::new();
    node.external().next(Cursor::default(), 100, |it| {
        flows.push((it.flow.mark, it.flow.status));
    });
    flows
}

fn marked(mark: Option<u32>) -> Flow<'static> {
    let mut flow = flow(1);
    flow.mark = mark.map(Mark);
    flow
}

fn tell(node: &mut Node, kind: EventKind, seq: u32, flow: &Flow<'_>) {
    deliver(node, at(1), &told(kind, Flags::NONE, seq, flow));
}

#[test]
fn an_update_of_an_unknown_flow_enters_it_and_a_new_flow_replaces() {
    let mut node = started(config(), at(0));
    tell(&mut node, EventKind::Update, 1, &marked(Some(7)));
    assert_eq!(theirs(&node), [(Some(Mark(7)), flow(1).status)]);
    tell(&mut node, EventKind::New, 2, &marked(None));
    assert_eq!(theirs(&node), [(None, flow(1).status)]);
}

#[test]
fn what_an_update_leaves_out_stays() {
    let mut node = started(config(), at(0));
    tell(&mut node, EventKind::New, 1, &marked(Some(7)));
    let mut changed = marked(None);
    changed.status = Some(Status::CONFIRMED | Status::SEEN_REPLY);
    tell(&mut node, EventKind::Update, 2, &changed);
    assert_eq!(theirs(&node), [(Some(Mark(7)), changed.status)]);
}

#[test]
fn an_end_repeats_the_flow_and_only_its_tuple_counts() {
    let mut node = started(config(), at(0));
    node.handle(at(1), event(EventKind::New, marked(Some(7))));
    let new = settle(&mut node, at(1)).datagrams;
    node.handle(at(2), event(EventKind::Destroy, marked(None)));
    let end = settle(&mut node, at(2)).datagrams;
    let body = |datagrams: &[Vec<u8>]| {
        let message = split(&datagrams[0]).next().unwrap().unwrap();
        message.body.to_vec()
    };
    assert_eq!(body(&new), body(&end));

    tell(&mut node, EventKind::New, 1, &marked(Some(7)));
    tell(&mut node, EventKind::Destroy, 2, &marked(Some(8)));
    assert_eq!(theirs(&node), []);
}

#[test]
fn the_remaining_life_is_told_as_it_is_now() {
    let mut node = started(config(), at(0));
    let mut short = flow(1);
    short.timeout = Some(100);
    node.handle(at(0), event(EventKind::New, short));
    let life = |node: &mut Node, now: u64| {
        node.handle(at(now), Input::Request(ctsync::Request::SendBulk));
        let datagrams = settle(node, at(now)).datagrams;
        let mut messages = datagrams.iter().flat_map(|it| split(it)).flatten();
        let is_flow = |kind| matches!(kind, Kind::Flow(_));
        let message = messages.find(|it| is_flow(it.header.kind)).unwrap();
        FlowMessage::decode(message.body).unwrap().timeout
    };
    assert_eq!(life(&mut node, 0), Some(100));
    assert_eq!(life(&mut node, 40_000), Some(60));
}

#[test]
fn numbers_begin_where_the_clock_says() {
    for mode in [ModeConfig::FTFW, ModeConfig::Notrack, ModeConfig::ALARM] {
        let config = Config {
            first_seq: Seq(77),
            mode,
            ..config()
        };
        let mut node = started(config, at(0));
        node.handle(at(0), event(EventKind::New, flow(1)));
        node.handle(at(0), event(EventKind::New, flow(2)));
        let datagrams = settle(&mut node, at(0)).datagrams;
        let messages = datagrams.iter().flat_map(|it| split(it));
        let numbers: Vec<u32> = messages.map(|it| it.unwrap().header.seq.0).collect();
        assert_eq!(numbers, [77, 78]);
    }
}

#[test]
fn names_of_helpers_fit_or_are_left_out() {
    for (name, sent) in [("ftp", Some("ftp")), ("elevenchars", Some("elevenchars"))]
        .into_iter()
        .chain([("twelve-chars", None), ("fifteen--letter", None)])
    {
        let mut node = started(config(), at(0));
        let mut helped = flow(1);
        let name = Name::new(name.as_bytes());
        helped.helper = Some(Helper { name, info: None });
        node.handle(at(1), event(EventKind::New, helped));
        let datagrams = settle(&mut node, at(1)).datagrams;
        let message = split(&datagrams[0]).next().unwrap().unwrap();
        let helper = FlowMessage::decode(message.body).unwrap().helper;
        let helper = helper.map(|it| it.name().as_bytes().to_vec());
        assert_eq!(helper, sent.map(|it| it.as_bytes().to_vec()));
    }
}

#[test]
fn a_name_that_fills_its_attribute_without_a_zero_is_malformed() {
    // L4PROTO, IPV4, then HELPER_NAME of twelve bytes; eleven and no zero are a name.
    let message = |name: &[u8]| {
        let mut body = vec![
            0, 12, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 5, 0, 2, 6, 0, 0, 0,
        ];
        let len = u16::try_from(4 + name.len()).unwrap().to_be_bytes();
        body.extend([len[0], len[1], 0, 27]);
        body.extend_from_slice(name);
        FlowMessage::decode(&body).map(|_| ())
    };
    assert_eq!(message(b"elevenchars\0"), Ok(()));
    assert_eq!(message(b"ftp\0"), Ok(()));
    assert_eq!(message(b"twelve-chars"), Err(DropReason::BadPayload));
    assert_eq!(
        message(b"twelve-chars\0\0\0\0"),
        Err(DropReason::BadPayload)
    );
}

#[test]
fn a_message_longer_than_the_link_is_counted_and_not_sent() {
    for mode in [ModeConfig::FTFW, ModeConfig::Notrack, ModeConfig::ALARM] {
        let config = Config {
            channels: vec![ChannelConfig {
                payload_len_max: 40,
            }],
            mode,
            ..config()
        };
        let mut node = started(config, at(0));
        node.handle(at(1), event(EventKind::New, flow(1)));
        assert!(settle(&mut node, at(1)).datagrams.is_empty());
        assert_eq!(node.stats().get(Counter::MessagesTooLong), 1);
    }
}

#[test]
fn in_ftfw_senders_of_a_group_do_not_drop_each_others_messages() {
    // Stock, with one number for all, drops those of the sender that counts behind.
    let mut node = started(config(), at(0));
    for step in 0..10 {
        for (peer, first) in [(1, 5_000), (2, 900_000), (3, 70)] {
            let seq = first + step;
            let bytes = told(EventKind::New, Flags::NONE, seq, &flow(seq));
            let peer = PeerId(peer);
            let channel = ChannelId(0);
            let bytes = &bytes;
            node.handle(
                at(1),
                Input::Datagram {
                    channel,
                    peer,
                    bytes,
                },
            );
        }
    }
    assert_eq!(node.external().len(), 30);
    assert_eq!(node.stats().get(Counter::MessagesBefore), 0);
    assert_eq!(node.stats().get(Counter::MessagesLost), 0);
    // Each is acknowledged what it has sent.
    node.handle(at(2_001), Input::Timeout);
    let datagrams = settle(&mut node, at(2_001)).datagrams;
    let messages = datagrams.iter().flat_map(|it| split(it)).flatten();
    let acks = messages.filter(|it| it.header.kind == Kind::Control);
    let mut acks: Vec<_> = acks.map(|it| Control::decode(&it).unwrap()).collect();
    acks.sort_by_key(|it| format!("{it:?}"));
    let range = crate::common::range;
    assert_eq!(
        acks,
        [range(5_000, 5_009), range(70, 79), range(900_000, 900_009)].map(Control::Ack)
    );
    // And asked for what it has sent in vain.
    let bytes = &said(Control::Alive, Flags::NONE, 900_012);
    let (channel, peer) = (ChannelId(0), PeerId(2));
    node.handle(
        at(2_100),
        Input::Datagram {
            channel,
            peer,
            bytes,
        },
    );
    assert_eq!(node.stats().get(Counter::MessagesLost), 2);
}
