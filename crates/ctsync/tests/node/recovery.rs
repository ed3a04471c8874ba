//! The peer restarts, jumps, falls silent or floods: what is lost comes again, nothing grows.

mod lives;

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{greeted, range, said, settle, spoken, told};
use ctsync::wire::{Control, Flags, Kind, split};
use ctsync::{ChannelId, Counter, Input, Node, Notice};
use flow::EventKind;

/// Flows that a cache may hold: more than any test has.
const CACHE: usize = 10_000;

/// What the node says at a time, when its timers are due too.
fn hear(node: &mut Node, millis: u64) -> (Vec<Control>, usize) {
    node.handle(at(millis), Input::Timeout);
    spoken(&settle(node, at(millis)).datagrams)
}

#[test]
fn a_greeting_brings_back_what_was_unacknowledged_once() {
    let mut node = greeted(1000, CACHE);
    for number in 0..5 {
        node.handle(at(1100), event(EventKind::New, flow(number)));
    }
    assert_eq!(hear(&mut node, 1100).1, 5);
    // The peer restarts, ahead of its old numbers, and says HELLO on three messages.
    let mut again = 0;
    for seq in 500..503 {
        let hello = said(Control::Alive, Flags::HELLO, seq);
        deliver(&mut node, at(5000), &hello);
        again += hear(&mut node, 5000).1;
    }
    assert_eq!(again, 5);
}

#[test]
fn what_stays_unacknowledged_behind_acknowledged_messages_is_sent_again() {
    let mut node = greeted(1000, CACHE);
    for number in 0..3 {
        node.handle(at(1100), event(EventKind::New, flow(number)));
    }
    // Numbers 1001 to 1003; the peer has the last one and will never ask for the others.
    assert_eq!(hear(&mut node, 1100).1, 3);
    deliver(
        &mut node,
        at(1200),
        &said(Control::Ack(range(1003, 1003)), Flags::NONE, 102),
    );
    assert_eq!(hear(&mut node, 3100).1, 0);
    assert_eq!(hear(&mut node, 3300).1, 2);
}

/// Stock acknowledges what it has lost between two messages that say HELLO.
#[test]
fn what_was_said_with_a_hello_is_said_again_when_the_peer_has_answered() {
    let mut node = started(config(), at(0));
    for number in 0..3 {
        node.handle(at(10), event(EventKind::New, flow(number)));
        assert_eq!(spoken(&settle(&mut node, at(10)).datagrams).1, 1);
    }
    node.handle(at(20), event(EventKind::Destroy, flow(1)));
    assert_eq!(hear(&mut node, 20).1, 1);
    // It has the first and the last one, and says that it has all.
    let answer = said(Control::Ack(range(1000, 1003)), Flags::HELLO_BACK, 100);
    deliver(&mut node, at(30), &answer);
    let datagrams = settle(&mut node, at(30)).datagrams;
    let again: Vec<_> = datagrams
        .iter()
        .flat_map(|it| split(it))
        .flatten()
        .collect();
    let kinds: Vec<_> = again.iter().map(|it| it.header.kind).collect();
    let (new, end) = (Kind::Flow(EventKind::New), Kind::Flow(EventKind::Destroy));
    assert_eq!(kinds, [new, new, end]);
    assert!(again.iter().all(|it| it.header.flags == Flags::NONE));
    // Answered once more, it has nothing to repeat.
    deliver(
        &mut node,
        at(40),
        &said(Control::Alive, Flags::HELLO_BACK, 101),
    );
    assert_eq!(hear(&mut node, 40).1, 0);
}

/// Stock sends an acknowledgement again with the flags that it had when it was new.
#[test]
fn an_old_hello_on_a_repeated_control_message_is_no_new_life() {
    let mut node = greeted(1000, CACHE);
    node.handle(at(1100), event(EventKind::New, flow(1)));
    assert_eq!(hear(&mut node, 1100).1, 1);
    let mut hear_of = |now, seq, control, flags| {
        deliver(&mut node, at(now), &said(control, flags, seq));
        node.handle(at(now), Input::Timeout);
        let outcome = settle(&mut node, at(now));
        let new_life = [Notice::PeerRestarted, Notice::PeerSequenceRecovered];
        let told = outcome.notices.iter().any(|it| new_life.contains(it));
        (told, spoken(&outcome.datagrams).1)
    };
    let repeated = Control::Nack(range(5, 6));
    // In its turn, behind a gap, and late.
    for (now, seq) in [(5000, 102), (5010, 105), (5020, 104), (8000, 106)] {
        let heard = hear_of(now, seq, repeated, Flags::HELLO);
        assert_eq!(heard, (false, 0), "{seq}");
    }
    // A daemon that has started says so on other messages, too.
    let heard = hear_of(8100, 107, Control::Alive, Flags::HELLO);
    assert_eq!(heard, (true, 1));
    // Late, long after the greeting, while the peer is heard.
    for (now, seq) in [(12_000, 108), (15_000, 109)] {
        hear_of(now, seq, Control::Alive, Flags::NONE);
    }
    assert!(!hear_of(15_100, 103, repeated, Flags::HELLO).0);
    // The same from a daemon that counts anew.
    assert!(hear_of(18_000, 50, repeated, Flags::HELLO).0);
}

/// A daemon that has something to acknowledge says nothing else in its first second.
#[test]
fn a_hello_on_an_acknowledgement_of_what_came_after_our_answer_is_a_new_life() {
    let mut node = greeted(1000, CACHE);
    node.handle(at(1100), event(EventKind::New, flow(1)));
    assert_eq!(hear(&mut node, 1100).1, 1);
    // Our answer has the number 1000.
    let answer = |seq, to| said(Control::Ack(range(1000, to)), Flags::HELLO, seq);
    deliver(&mut node, at(1200), &answer(102, 1000));
    let sent = settle(&mut node, at(1200));
    assert!(!sent.notices.contains(&Notice::PeerRestarted));
    node.handle(at(2300), event(EventKind::New, flow(2)));
    assert_eq!(hear(&mut node, 2300).1, 1);
    // A number that the former life had not got to yet.
    deliver(&mut node, at(5000), &answer(110, 1002));
    let outcome = settle(&mut node, at(5000));
    assert!(outcome.notices.contains(&Notice::PeerRestarted));
    let back = outcome.datagrams.iter().flat_map(|it| split(it)).flatten();
    let mut flags = back.map(|it| it.header.flags);
    assert!(flags.any(|it| it.contains(Flags::HELLO_BACK)));
}

/// It may have begun with numbers that its former life had, and take their acknowledgement for its own.
#[test]
fn what_a_former_life_has_said_is_not_acknowledged_to_the_next() {
    let mut node = greeted(1000, CACHE);
    for seq in 102..110 {
        let data = told(EventKind::New, Flags::NONE, seq, &flow(seq));
        deliver(&mut node, at(1500), &data);
    }
    // The next life has begun with 105, and only 115 arrives.
    deliver(
        &mut node,
        at(1600),
        &said(Control::Alive, Flags::HELLO, 115),
    );
    let (controls, _) = hear(&mut node, 3700);
    let acknowledged: Vec<_> = controls
        .into_iter()
        .filter(|it| matches!(it, Control::Ack(_)))
        .collect();
    assert_eq!(acknowledged, [Control::Ack(range(115, 115))]);
}

#[test]
fn a_late_copy_of_a_greeting_changes_nothing() {
    let mut node = started(config(), at(0));
    let hello = told(EventKind::New, Flags::HELLO, 10, &flow(1));
    deliver(&mut node, at(0), &hello);
    deliver(
        &mut node,
        at(10),
        &told(EventKind::Destroy, Flags::NONE, 11, &flow(1)),
    );
    assert_eq!(node.external().len(), 0);
    deliver(&mut node, at(1500), &hello);
    assert_eq!(node.external().len(), 0);
    assert_eq!(node.stats().get(Counter::MessagesBefore), 1);
}

#[test]
fn a_forged_number_from_far_ahead_silences_the_peer_for_seconds_only() {
    let mut node = greeted(1000, CACHE);
    let forged = said(Control::Alive, Flags::NONE, 0x4000_0000);
    deliver(&mut node, at(2000), &forged);
    let mut asked = Vec::new();
    for step in 0..5_u32 {
        let now = 2100 + u64::from(step) * 1000;
        let data = told(EventKind::New, Flags::NONE, 102 + step, &flow(step));
        deliver(&mut node, at(now), &data);
        node.handle(at(now), Input::Timeout);
        let outcome = settle(&mut node, at(now));
        let (controls, _) = spoken(&outcome.datagrams);
        asked.extend(
            controls
                .into_iter()
                .filter(|it| matches!(it, Control::Nack(_))),
        );
    }
    // What was refused meanwhile is asked for: 102 and 103, and whatever the forgery skipped.
    let refused = Control::Nack(range(102, 103));
    assert!(asked.contains(&refused), "{asked:?}");
    assert_eq!(node.external().len(), 3);
}

#[test]
fn a_peer_that_restarts_behind_its_old_numbers_is_taken_over() {
    let mut node = greeted(1000, CACHE);
    for seq in 102..200 {
        let data = told(EventKind::New, Flags::NONE, seq, &flow(seq));
        deliver(&mut node, at(1500), &data);
    }
    // A new life begins at 150, within the life of a datagram since the last HELLO.
    for seq in 150..260 {
        let hello = told(EventKind::New, Flags::HELLO, seq, &flow(1000 + seq));
        deliver(&mut node, at(2000), &hello);
    }
    let (controls, _) = hear(&mut node, 2000);
    let refused = Control::Nack(range(150, 199));
    assert!(controls.contains(&refused), "{controls:?}");
    assert_eq!(node.external().len(), 98 + 60);
}

#[test]
fn what_falls_out_of_the_resend_queue_comes_again_when_there_is_room() {
    let mut node = greeted(1024, CACHE);
    for number in 0..5000 {
        node.handle(at(1100), event(EventKind::New, flow(number)));
    }
    for number in 0..1000 {
        node.handle(at(1100), event(EventKind::Destroy, flow(number)));
    }
    settle(&mut node, at(1100));
    assert!(node.gauges().given_up_len > 3000);
    assert!(node.stats().get(Counter::ResendNoSpace) > 0);
    // The peer comes back and acknowledges all that it gets.
    let mut seq = 102;
    let mut now = 2000;
    while node.gauges().given_up_len > 0 || node.gauges().resend_queue_len > 2 {
        let sent: Vec<_> = node.resend_queue().map(|it| it.seq.0).collect();
        if let (Some(from), Some(to)) = (sent.first(), sent.last()) {
            let ack = said(Control::Ack(range(*from, *to)), Flags::NONE, seq);
            deliver(&mut node, at(now), &ack);
            seq += 1;
        }
        now += 100;
        hear(&mut node, now);
        assert!(now < 30_000, "{:?}", node.gauges());
    }
    // Each flow was delivered, and each end: nothing dead is left.
    assert_eq!(node.gauges().internal_len, 4000);
    assert_eq!(node.stats().get(Counter::DestroysForgotten), 0);
}

#[test]
fn a_blocked_link_gets_nothing_and_nothing_grows() {
    let mut node = greeted(1000, CACHE);
    node.handle(at(1100), Input::ChannelBlocked(ChannelId(0)));
    for round in 0..200 {
        for number in 0..50 {
            node.handle(at(1100 + round * 100), event(EventKind::New, flow(number)));
            node.handle(
                at(1100 + round * 100),
                event(EventKind::Update, flow(number)),
            );
        }
        assert_eq!(hear(&mut node, 1100 + round * 100), (Vec::new(), 0));
    }
    assert_eq!(node.gauges().transmit_queue_len, 50);
    node.handle(at(30_000), Input::ChannelReady(ChannelId(0)));
    assert_eq!(hear(&mut node, 30_000).1, 50);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_ignored() {
    let mut node = greeted(1000, CACHE);
    node.handle(at(1100), event(EventKind::New, flow(1)));
    hear(&mut node, 1100);
    deliver(
        &mut node,
        at(1200),
        &said(Control::Ack(range(0, 0x7000_0000)), Flags::NONE, 102),
    );
    assert_eq!(node.stats().get(Counter::AcksIgnored), 1);
    let waiting = node.resend_queue().count();
    assert_eq!(waiting, 2, "our acknowledgement and the flow");
}

#[test]
fn an_acknowledgement_for_a_former_life_of_ours_is_ignored() {
    let mut node = started(config(), at(0));
    node.handle(at(0), event(EventKind::New, flow(1)));
    settle(&mut node, at(0));
    // The peer has not greeted us: it speaks of the messages of a daemon that is gone.
    deliver(
        &mut node,
        at(10),
        &said(Control::Ack(range(1000, 1000)), Flags::NONE, 50),
    );
    assert_eq!(node.resend_queue().count(), 1);
}

#[test]
fn a_peer_cannot_have_bulks_faster_than_one_a_second() {
    let mut node = greeted(1000, CACHE);
    for number in 0..100 {
        node.handle(at(1100), event(EventKind::New, flow(number)));
    }
    hear(&mut node, 1100);
    let mut sent = 0;
    for step in 0..100 {
        let now = at(2000 + u64::from(step) * 10);
        deliver(
            &mut node,
            now,
            &said(Control::Resync, Flags::NONE, 102 + step),
        );
        sent += spoken(&settle(&mut node, now).datagrams).1;
    }
    assert_eq!(sent, 100);
    // What was asked for meanwhile comes once, later.
    assert_eq!(hear(&mut node, 3100).1, 100);
    assert_eq!(hear(&mut node, 4200).1, 0);
}

#[test]
fn the_peer_is_called_silent_and_back_once_each() {
    let mut node = greeted(1000, CACHE);
    let mut notices = Vec::new();
    for second in 2..8 {
        let now = at(second * 1000 + 100);
        node.handle(now, Input::Timeout);
        notices.extend(settle(&mut node, now).notices);
    }
    deliver(&mut node, at(9000), &said(Control::Alive, Flags::NONE, 102));
    notices.extend(settle(&mut node, at(9000)).notices);
    assert!(
        matches!(notices[..], [Notice::PeerSilent(_), Notice::PeerBack]),
        "{notices:?}"
    );
}
