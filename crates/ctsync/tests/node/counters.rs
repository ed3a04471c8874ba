//! Each counter grows when what it counts happens.
//!
//! [`provoke`] has no wildcard: a new counter does not compile without what makes it grow. How the
//! daemon shows the counters is looked at in `testbed/tests/counters`.

use crate::basics::{at, config, deliver, event, flow, started};
use crate::common::{greeted, range, said, settle, told};
use ctsync::wire::{Control, ExpectMessage, Flags, TupleParts};
use ctsync::{
    ChannelConfig, ChannelId, Config, Counter, ExternalCache, Input, InternalCache, ModeConfig,
    Node, Refusal, Request, Seq, Tables,
};
use flow::{Counters, Event, EventKind, Expectation, L4, Object, Origin, PerDir, Ports, Tuple};

#[test]
fn each_counter_is_moved_by_what_it_counts() {
    let unmoved = |counter: &&Counter| provoke(**counter).stats().get(**counter) == 0;
    let unmoved: Vec<_> = Counter::ALL.iter().filter(unmoved).collect();
    assert!(unmoved.is_empty(), "{unmoved:?}");
}

/// A node to which that has happened which this counter counts.
fn provoke(counter: Counter) -> Node {
    use EventKind::{Destroy, New, Update};
    match counter {
        Counter::InternalCreated | Counter::MessagesSent => after(config(), &[New]),
        Counter::InternalUpdated => after(config(), &[New, Update]),
        Counter::InternalDestroyed => after(config(), &[New, Destroy]),
        Counter::InternalNoSpace => after(full(), &[New]),
        Counter::ExternalCreated => hearing(config(), &[New]),
        Counter::ExternalUpdated => hearing(config(), &[New, Update]),
        Counter::ExternalDestroyed => hearing(config(), &[New, Destroy]),
        Counter::ExternalNoSpace => hearing(full(), &[New]),
        Counter::InternalExpectationsCreated => expecting(1024, &[New]),
        Counter::InternalExpectationsUpdated => expecting(1024, &[New, Update]),
        Counter::InternalExpectationsDestroyed => expecting(1024, &[New, Destroy]),
        Counter::InternalExpectationsNoSpace => expecting(1, &[New, New]),
        Counter::ExternalExpectationsCreated => hearing_of_expectations(1024, &[New]),
        Counter::ExternalExpectationsUpdated => hearing_of_expectations(1024, &[New, Update]),
        Counter::ExternalExpectationsDestroyed => hearing_of_expectations(1024, &[New, Destroy]),
        Counter::ExternalExpectationsNoSpace => hearing_of_expectations(1, &[New, New]),
        Counter::InjectCreated => injecting(New, None),
        Counter::InjectCreateFailed => injecting(New, Some(Refusal::Full)),
        Counter::InjectUpdated => injecting(Update, None),
        Counter::InjectUpdateFailed => injecting(Update, Some(Refusal::Full)),
        Counter::InjectDestroysIgnored => {
            let mut node = injecting(New, None);
            node.handle(at(2), event(New, flow(1)));
            deliver(&mut node, at(3), &told(Destroy, Flags::NONE, 2, &flow(1)));
            node
        }
        Counter::InjectDestroyed => injecting(Destroy, None),
        Counter::InjectDestroyFailed => injecting(Destroy, Some(Refusal::Other(1))),
        Counter::TrafficBytes | Counter::TrafficPackets => traffic(),
        Counter::Malformed | Counter::WrongVersion => {
            bytes(config(), &[0x2a, 0x10, 0, 8, 0, 0, 0, 1])
        }
        Counter::MalformedHeader => bytes(config(), &[0x1a, 0, 0, 8, 0, 0, 0, 1]),
        // A new flow without addresses.
        Counter::MalformedPayload => bytes(config(), &[0x10, 0, 0, 8, 0, 0, 0, 1]),
        Counter::BadType => bytes(alarm(), &[0x17, 0, 0, 8, 0, 0, 0, 1]),
        Counter::Truncated => bytes(config(), &[0x1a, 0x10, 0, 8]),
        Counter::BadSize => bytes(config(), &[0x1a, 0x10, 0, 0, 0, 0, 0, 1]),
        Counter::MessagesLost => saying(&[
            said(Control::Alive, Flags::NONE, 10),
            said(Control::Alive, Flags::NONE, 13),
        ]),
        Counter::MessagesBefore => saying(&[
            said(Control::Alive, Flags::NONE, 10),
            said(Control::Alive, Flags::NONE, 9),
        ]),
        Counter::AcksIgnored => saying(&[said(Control::Ack(range(1, 9)), Flags::NONE, 10)]),
        Counter::ExpectationsIgnored => orphan(),
        Counter::MessagesIgnored => bytes(alarm(), &said(Control::Alive, Flags::NONE, 1)),
        Counter::BypassNew => after(bypass(), &[New]),
        Counter::BypassUpdated => after(bypass(), &[Update]),
        Counter::BypassDestroyed => after(bypass(), &[Destroy]),
        Counter::MessagesResent => missed(),
        Counter::MessagesTooLong => after(narrow(), &[New]),
        Counter::TransmitNoSpace => talkative(),
        Counter::ResendNoSpace => unheard(4, 10, 0),
        Counter::DestroysForgotten => unheard(4, 40, 30),
        Counter::ChannelSwitches => cut(),
        Counter::Overruns => {
            let mut node = started(config(), at(0));
            node.handle(at(1), Input::Overrun);
            node
        }
        Counter::KernelResyncs => asked(Request::ResyncKernel(Tables::All)),
        Counter::KernelFlushes => asked(Request::FlushKernel(Tables::All)),
    }
}

/// A cache of one flow, which is there already.
fn full() -> Config {
    Config {
        cache_len_max: 1,
        ..config()
    }
}

fn alarm() -> Config {
    Config::new(ModeConfig::ALARM)
}

fn bypass() -> Config {
    Config {
        internal_cache: InternalCache::Bypass,
        ..Config::new(ModeConfig::Notrack)
    }
}

/// A link on which no message about a flow has room.
fn narrow() -> Config {
    Config {
        channels: vec![ChannelConfig {
            payload_len_max: 40,
        }],
        ..config()
    }
}

/// What one flow goes through in our kernel, beside another one.
fn after(config: Config, life: &[EventKind]) -> Node {
    let mut node = started(config, at(0));
    node.handle(at(0), event(EventKind::New, flow(0)));
    for kind in life {
        node.handle(at(1), event(*kind, flow(1)));
    }
    settle(&mut node, at(1));
    node
}

/// What the peer tells of a flow, beside another one.
fn hearing(config: Config, life: &[EventKind]) -> Node {
    let mut node = started(config, at(0));
    let other = told(EventKind::New, Flags::NONE, 1, &flow(0));
    deliver(&mut node, at(0), &other);
    for (seq, kind) in (2..).zip(life) {
        deliver(&mut node, at(1), &told(*kind, Flags::NONE, seq, &flow(1)));
    }
    settle(&mut node, at(1));
    node
}

fn with_expectations(cache_len_max: usize) -> Config {
    Config {
        expectations: true,
        cache_len_max,
        ..config()
    }
}

/// What the master waits for, at one port after the other.
fn expected(number: u16) -> Tuple {
    let ports = Ports {
        src: 0,
        dst: 5000 + number,
    };
    Tuple::new(
        flow(0).orig.inverse().unwrap_or(flow(0).orig).addrs,
        L4::Tcp(ports),
    )
}

/// What expectations go through in our kernel: each NEW is another one.
fn expecting(cache_len_max: usize, life: &[EventKind]) -> Node {
    let mut node = started(with_expectations(cache_len_max), at(0));
    node.handle(at(0), event(EventKind::New, flow(0)));
    for (kind, number) in numbered(life) {
        node.handle(at(1), expectation_event(kind, number));
    }
    settle(&mut node, at(1));
    node
}

fn expectation_event(kind: EventKind, number: u16) -> Input<'static> {
    Input::Event(Event {
        kind,
        origin: Origin::Traffic,
        object: Object::Expectation(Expectation::new(flow(0).orig, expected(number))),
    })
}

/// The same, as the peer tells it.
fn hearing_of_expectations(cache_len_max: usize, life: &[EventKind]) -> Node {
    let mut node = started(with_expectations(cache_len_max), at(0));
    for ((kind, number), seq) in numbered(life).zip(1..) {
        let message = ExpectMessage {
            master: TupleParts::new(&flow(0).orig),
            tuple: TupleParts::new(&expected(number)),
            ..ExpectMessage::default()
        };
        let mut bytes = Vec::new();
        message.encode(kind, Flags::NONE, Seq(seq), &mut bytes);
        deliver(&mut node, at(1), &bytes);
    }
    node
}

/// Each NEW is another expectation; what follows is about the last one.
fn numbered(life: &[EventKind]) -> impl Iterator<Item = (EventKind, u16)> {
    life.iter().scan(0, |number, kind| {
        *number += u16::from(*kind == EventKind::New);
        Some((*kind, *number))
    })
}

/// The kernel's table has an expectation whose master nobody knows.
fn orphan() -> Node {
    let mut node = Node::new(with_expectations(1024), at(0));
    let orphan = Expectation::new(flow(0).orig, expected(1));
    node.handle(at(0), Input::Dumped(Object::Expectation(orphan)));
    node
}

/// The peer tells of a flow, and the kernel refuses what is asked of it then, or not.
fn injecting(kind: EventKind, refusal: Option<Refusal>) -> Node {
    let config = Config {
        external_cache: ExternalCache::Inject,
        ..config()
    };
    let mut node = started(config, at(0));
    deliver(&mut node, at(1), &told(kind, Flags::NONE, 1, &flow(1)));
    // A few rounds: what is refused may be asked in another way.
    for _ in 0..4 {
        for (op, _) in settle(&mut node, at(1)).ops {
            if let Some(refusal) = refusal {
                node.handle(at(1), Input::OpRefused { op, refusal });
            }
            node.handle(at(1), Input::OpsDone { through: op });
        }
    }
    node
}

/// The link in use goes down, and there is another one.
fn cut() -> Node {
    let config = Config {
        channels: vec![
            ChannelConfig {
                payload_len_max: 1472
            };
            2
        ],
        ..config()
    };
    let mut node = started(config, at(0));
    node.handle(at(1), Input::ChannelDown(ChannelId(0)));
    node
}

/// A flow that ends with traffic.
fn traffic() -> Node {
    let mut node = started(config(), at(0));
    node.handle(at(0), event(EventKind::New, flow(1)));
    let mut ended = flow(1);
    ended.counters = PerDir {
        orig: Some(Counters {
            packets: 3,
            bytes: 180,
        }),
        reply: None,
    };
    node.handle(at(1), event(EventKind::Destroy, ended));
    node
}

fn bytes(config: Config, bytes: &[u8]) -> Node {
    let mut node = started(config, at(0));
    deliver(&mut node, at(0), bytes);
    node
}

fn saying(messages: &[Vec<u8>]) -> Node {
    let mut node = started(config(), at(0));
    for message in messages {
        deliver(&mut node, at(0), message);
    }
    node
}

/// The peer asks for what it missed.
fn missed() -> Node {
    let mut node = greeted(1000, 1000);
    node.handle(at(1001), event(EventKind::New, flow(1)));
    settle(&mut node, at(1001));
    let nack = said(Control::Nack(range(990, 1100)), Flags::NONE, 102);
    deliver(&mut node, at(1002), &nack);
    settle(&mut node, at(1002));
    node
}

/// The peer makes us answer while the link takes nothing: each hole in its numbers is asked for.
fn talkative() -> Node {
    let mut node = greeted(1000, 1000);
    node.handle(at(1001), Input::ChannelBlocked(ChannelId(0)));
    for step in 0..2000 {
        let alive = said(Control::Alive, Flags::NONE, 103 + 2 * step);
        deliver(&mut node, at(1001), &alive);
        node.handle(at(1001), Input::Timeout);
    }
    node
}

/// The peer is deaf, and the resend queue short; then flows end.
fn unheard(resend_queue_len_max: usize, flows: u32, ended: u32) -> Node {
    let mut node = greeted(resend_queue_len_max, 10);
    for number in 0..flows {
        node.handle(at(1001), event(EventKind::New, flow(number)));
        settle(&mut node, at(1001));
        if number < ended {
            node.handle(at(1001), event(EventKind::Destroy, flow(number)));
            settle(&mut node, at(1001));
        }
    }
    node
}

fn asked(request: Request) -> Node {
    let mut node = started(config(), at(0));
    node.handle(at(1), Input::Request(request));
    settle(&mut node, at(1));
    node
}
