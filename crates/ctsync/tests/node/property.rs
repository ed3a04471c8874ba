//! Whatever happens to a node, it neither panics nor loses count, and what it does is bounded.

use std::time::Duration;

use crate::basics::{at, config, deliver, event, flow};
use crate::common::{drain, range, said, told};
use ctsync::wire::{Control, Flags};
use ctsync::{
    ChannelConfig, ChannelId, ClientId, Counter, ExternalCache, Input, Instant, InternalCache,
    ModeConfig, Node, OpId, PeerId, Refusal, Request, Tables,
};
use flow::{EventKind, Mark, Object};
use proptest::prelude::*;

/// The link on which something comes, and who sends it.
type Source = (u8, u64);

/// Something that happens, with the time that passes before it.
#[derive(Clone, Debug)]
enum Happening {
    Bytes(Vec<u8>),
    Told(Source, EventKind, u8, u32, u32),
    Said(Source, Control, u8, u32),
    Event(EventKind, u32),
    Dumped(u32),
    DumpDone(bool),
    Overrun,
    Request(Request),
    Refused(u32, Refusal),
    OpsDone(u32),
    Blocked(u8, bool),
    Up(u8, bool),
    Timeout,
}

fn kinds() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::New),
        Just(EventKind::Update),
        Just(EventKind::Destroy)
    ]
}

/// Numbers near each other, near the node's own, and anywhere.
fn numbers() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 90..130_u32, 4 => 995..1100_u32, 1 => any::<u32>()]
}

/// Three links and one that does not exist; few senders on each.
fn sources() -> impl Strategy<Value = Source> {
    (prop_oneof![4 => Just(0_u8), 1 => 0..4_u8], 0..4_u64)
}

fn modes() -> impl Strategy<Value = ModeConfig> {
    let queues = prop_oneof![Just(0_usize), Just(1), Just(4), Just(1000)];
    let windows = prop_oneof![Just(0_u32), Just(1), Just(2), Just(300)];
    let seconds = || (0..5_u64).prop_map(Duration::from_secs);
    prop_oneof![
        2 => (queues, windows).prop_map(|(resend_queue_len_max, ack_window)| ModeConfig::Ftfw {
            resend_queue_len_max,
            ack_window,
        }),
        1 => Just(ModeConfig::Notrack),
        1 => (seconds(), seconds()).prop_map(|(refresh_time, cache_timeout)| ModeConfig::Alarm {
            refresh_time,
            cache_timeout,
        }),
    ]
}

fn controls() -> impl Strategy<Value = Control> {
    prop_oneof![
        (numbers(), 0..50_u32)
            .prop_map(|(from, len)| Control::Ack(range(from, from.wrapping_add(len)))),
        (numbers(), 0..50_u32)
            .prop_map(|(from, len)| Control::Nack(range(from, from.wrapping_add(len)))),
        Just(Control::Resync),
        Just(Control::Alive),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    prop_oneof![
        (0..3_u64).prop_map(|client| Request::Commit(ClientId(client), Tables::All)),
        Just(Request::FlushInternal),
        Just(Request::FlushExternal),
        Just(Request::FlushCaches),
        Just(Request::FlushKernel(Tables::All)),
        Just(Request::ResyncKernel(Tables::All)),
        Just(Request::SendBulk),
        Just(Request::RequestBulk),
        Just(Request::SchedulePurge),
    ]
}

fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    let greeting = prop_oneof![3 => Just(0_u8), 1 => Just(0x20), 1 => Just(0x40), 1 => Just(0x60)];
    let refusals = prop_oneof![
        Just(Refusal::Exists),
        Just(Refusal::NotFound),
        Just(Refusal::Unsupported),
        Just(Refusal::Full),
        Just(Refusal::Other(1)),
    ];
    let happening = prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Happening::Bytes),
        8 => (sources(), kinds(), greeting.clone(), numbers(), 0..20_u32)
            .prop_map(|(from, kind, flags, seq, flow)| Happening::Told(from, kind, flags, seq, flow)),
        8 => (sources(), controls(), greeting, numbers())
            .prop_map(|(from, control, flags, seq)| Happening::Said(from, control, flags, seq)),
        8 => (kinds(), 0..20_u32).prop_map(|(kind, flow)| Happening::Event(kind, flow)),
        2 => (0..20_u32).prop_map(Happening::Dumped),
        1 => any::<bool>().prop_map(Happening::DumpDone),
        1 => Just(Happening::Overrun),
        2 => requests().prop_map(Happening::Request),
        2 => (0..40_u32, refusals).prop_map(|(op, refusal)| Happening::Refused(op, refusal)),
        2 => (0..40_u32).prop_map(Happening::OpsDone),
        1 => (0..4_u8, any::<bool>()).prop_map(|(link, blocked)| Happening::Blocked(link, blocked)),
        1 => (0..4_u8, any::<bool>()).prop_map(|(link, up)| Happening::Up(link, up)),
        4 => Just(Happening::Timeout),
    ];
    let pause = prop_oneof![4 => 0..20_u64, 1 => 0..5_000_u64, 1 => 0..100_000_u64];
    prop::collection::vec((pause, happening), 0..200)
}

fn hear(node: &mut Node, now: Instant, (link, peer): Source, bytes: &[u8]) {
    let (channel, peer) = (ChannelId(link), PeerId(peer));
    node.handle(
        now,
        Input::Datagram {
            channel,
            peer,
            bytes,
        },
    );
}

fn happen(node: &mut Node, now: u64, happening: &Happening) {
    let now = at(now);
    match happening {
        Happening::Bytes(bytes) => deliver(node, now, bytes),
        Happening::Told(from, kind, flags, seq, number) => {
            hear(
                node,
                now,
                *from,
                &told(*kind, Flags(*flags), *seq, &flow(*number)),
            );
        }
        Happening::Said(from, control, flags, seq) => {
            hear(node, now, *from, &said(*control, Flags(*flags), *seq));
        }
        Happening::Event(kind, number) => {
            let mut flow = flow(*number);
            flow.mark = Some(Mark(*number));
            node.handle(now, event(*kind, flow));
        }
        Happening::Dumped(number) => node.handle(now, Input::Dumped(Object::Flow(flow(*number)))),
        Happening::DumpDone(complete) => {
            let complete = *complete;
            node.handle(now, Input::DumpDone { complete });
        }
        Happening::Overrun => node.handle(now, Input::Overrun),
        Happening::Request(request) => node.handle(now, Input::Request(*request)),
        Happening::Refused(op, refusal) => {
            let (op, refusal) = (OpId(*op), *refusal);
            node.handle(now, Input::OpRefused { op, refusal });
        }
        Happening::OpsDone(op) => node.handle(now, Input::OpsDone { through: OpId(*op) }),
        Happening::Blocked(link, true) => node.handle(now, Input::ChannelBlocked(ChannelId(*link))),
        Happening::Blocked(link, false) => node.handle(now, Input::ChannelReady(ChannelId(*link))),
        Happening::Up(link, true) => node.handle(now, Input::ChannelUp(ChannelId(*link))),
        Happening::Up(link, false) => node.handle(now, Input::ChannelDown(ChannelId(*link))),
        Happening::Timeout => node.handle(now, Input::Timeout),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_node_stays_within_its_bounds(
        happenings in happenings(),
        mode in modes(),
        links in 1..=3_usize,
        bypass: bool,
        injects: bool,
        poll in prop_oneof![2 => Just(None), 1 => Just(Some(Duration::from_secs(3)))],
        payload_len_max in prop_oneof![Just(0_usize), Just(70), Just(1472)],
        cache_len_max in prop_oneof![Just(0_usize), Just(5), Just(1000)],
        startup_resync: bool,
    ) {
        let resend_queue_len_max = match mode {
            ModeConfig::Ftfw { resend_queue_len_max, .. } => resend_queue_len_max,
            _ => 0,
        };
        let mut config = config();
        config.mode = mode;
        config.channels = vec![ChannelConfig { payload_len_max }; links];
        config.poll = poll;
        if bypass && mode == ModeConfig::Notrack {
            config.internal_cache = InternalCache::Bypass;
        }
        if injects && !matches!(mode, ModeConfig::Alarm { .. }) {
            config.external_cache = ExternalCache::Inject;
        }
        config.cache_len_max = cache_len_max;
        config.startup_resync = startup_resync;
        let mut node = Node::new(config, at(0));
        let mut now = 0;
        for (pause, happening) in &happenings {
            now += pause;
            happen(&mut node, now, happening);
            let outcome = drain(&mut node);
            prop_assert!(outcome.datagrams.len() <= 64);
            prop_assert!(outcome.ops.len() <= 200);
            for datagram in &outcome.datagrams {
                prop_assert!(!datagram.is_empty() && datagram.len() < payload_len_max);
            }
            let gauges = node.gauges();
            prop_assert!(gauges.internal_live <= cache_len_max);
            prop_assert!(gauges.external_len <= cache_len_max);
            prop_assert!(gauges.injecting_len <= 2 * cache_len_max);
            prop_assert!(usize::from(node.channel().0) < links);
            prop_assert!(gauges.resend_queue_len <= resend_queue_len_max.max(1));
            prop_assert!(gauges.internal_len <= 2 * 20);
        }
        let drops: u64 = [
            Counter::WrongVersion,
            Counter::MalformedHeader,
            Counter::MalformedPayload,
            Counter::BadType,
            Counter::Truncated,
            Counter::BadSize,
        ]
        .iter()
        .map(|counter| node.stats().get(*counter))
        .sum();
        prop_assert_eq!(drops, node.stats().get(Counter::Malformed));
        // It comes to rest: within a bounded number of rounds there is nothing left to be done now.
        for _ in 0..2000 {
            if node.timeout().is_none_or(|due| due > at(now)) {
                break;
            }
            node.handle(at(now), Input::Timeout);
            drain(&mut node);
        }
        prop_assert!(node.timeout().is_none_or(|due| due > at(now)), "no rest");
    }
}
