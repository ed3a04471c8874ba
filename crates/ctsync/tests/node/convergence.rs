//! However the link treats them, two nodes agree when it has come to rest.
//!
//! One seed makes a run: a link that loses, doubles, delays and reorders datagrams, goes down and
//! comes back, nodes that restart, and two kernels in which flows begin, change and end all the
//! time. `crates/sim` does the same at large; this is the small version beside the code.

use std::collections::BTreeMap;

use crate::basics::{at, config, deliver, event, flow};
use crate::common::settle;
use ctsync::{Cursor, Input, Instant, ModeConfig, Node, Request, Seq, View};
use flow::{EventKind, Flow, Labels, Mark, Object, ProtoInfo, Synproxy, TcpInfo, TcpState, Tuple};

/// Longest delay, a little below what the node assumes.
const DELAY_MAX: u64 = 1_900;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// One direction of the link.
struct Link {
    loss: u64,
    copies: u64,
    slow: u64,
    /// Datagrams under way by arrival, in milliseconds.
    flying: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
}

impl Link {
    fn send(&mut self, random: &mut Random, now: u64, down: bool, bytes: &[u8]) {
        let copies = 1 + u64::from(random.percent(self.copies));
        for _ in 0..copies {
            if down || random.percent(self.loss) {
                continue;
            }
            let delay = match random.percent(self.slow) {
                true => random.below(DELAY_MAX),
                false => 0,
            };
            self.sent += 1;
            self.flying.insert((now + delay, self.sent), bytes.to_vec());
        }
    }

    fn arrived(&mut self, now: u64) -> Vec<Vec<u8>> {
        let later = self.flying.split_off(&(now + 1, 0));
        std::mem::replace(&mut self.flying, later)
            .into_values()
            .collect()
    }
}

/// A kernel's table: what is known of each flow.
type Kernel = BTreeMap<u32, Flow<'static>>;

/// Something happens to one of few flows, so that they meet again and again. Each life of a flow
/// has a SYN proxy number of its own: when it began; only half of them have a mark.
fn happen(random: &mut Random, kernel: &mut Kernel, node: &mut Node, now: Instant) {
    let number = u32::try_from(random.below(40)).unwrap();
    let mut fresh = flow(number);
    fresh.mark = random.percent(50).then_some(Mark(number));
    fresh.synproxy = Some(Synproxy {
        isn: u32::try_from(now.0 / 1_000_000).unwrap(),
        its: 0,
        tsoff: 0,
    });
    fresh.protoinfo = tcp(TcpState::SYN_SENT);
    let known = kernel.get(&number).cloned();
    let (kind, told) = match (known, random.below(4)) {
        (Some(old), 0) => {
            kernel.remove(&number);
            (EventKind::Destroy, old)
        }
        (Some(mut old), 1 | 2) => {
            let mut told = old.clone();
            told.mark = None;
            told.synproxy = None;
            told.protoinfo = tcp(TcpState(u8::try_from(random.below(9)).unwrap()));
            told.labels = random.percent(20).then(|| {
                let bit = u32::try_from(random.below(2)).unwrap();
                Labels::from_words(&[bit, 0, 0, 0]).unwrap()
            });
            old.protoinfo = told.protoinfo;
            old.labels = told.labels.or(old.labels);
            kernel.insert(number, old);
            (EventKind::Update, told)
        }
        (Some(old), _) => {
            // The tuple is used again at once.
            node.handle(now, event(EventKind::Destroy, old));
            kernel.insert(number, fresh.clone());
            (EventKind::New, fresh)
        }
        (None, _) => {
            kernel.insert(number, fresh.clone());
            (EventKind::New, fresh)
        }
    };
    node.handle(now, event(kind, told));
}

fn tcp(state: TcpState) -> Option<ProtoInfo> {
    Some(ProtoInfo::Tcp(TcpInfo {
        state: Some(state),
        ..TcpInfo::default()
    }))
}

/// What has to be equal at both ends: all but times and the reply tuple. With it, when the flow
/// began.
fn content(view: View<'_>) -> BTreeMap<Tuple, (u32, String)> {
    let mut content = BTreeMap::new();
    let mut cursor = Cursor::default();
    while let Some(next) = view.next(cursor, 100, |it| {
        let flow = it.flow;
        let labels = flow.labels.filter(|labels| !labels.is_empty());
        let state = flow.protoinfo.and_then(|it| it.state_name());
        let line = format!("{:?} {:?} {labels:?} {state:?}", flow.status, flow.mark);
        let began = flow.synproxy.unwrap().isn;
        content.insert(flow.orig, (began, line));
    }) {
        cursor = next;
    }
    content
}

struct World {
    random: Random,
    nodes: [Node; 2],
    kernels: [Kernel; 2],
    links: [Link; 2],
    settings: Settings,
    /// When each node was started last.
    started: [u64; 2],
    now: u64,
}

/// What both nodes are started with.
#[derive(Clone, Copy)]
struct Settings {
    queue_len: usize,
    ack_window: u32,
}

impl Settings {
    fn start(self, first_seq: u32, now: u64) -> Node {
        let mut config = config();
        config.first_seq = Seq(first_seq);
        config.startup_resync = now > 0;
        config.mode = ModeConfig::Ftfw {
            resend_queue_len_max: self.queue_len,
            ack_window: self.ack_window,
        };
        Node::new(config, at(now))
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut link = || Link {
            loss: random.below(60),
            copies: random.below(30),
            slow: random.below(40),
            flying: BTreeMap::new(),
            sent: 0,
        };
        let links = [link(), link()];
        let queue_len = [4, 50, 131_072][usize::try_from(random.below(3)).unwrap()];
        let settings = Settings {
            queue_len,
            ack_window: 2 + u32::try_from(random.below(30)).unwrap(),
        };
        let mut nodes = [settings.start(u32::MAX - 50, 0), settings.start(5000, 0)];
        for node in &mut nodes {
            node.handle(at(0), Input::DumpDone { complete: true });
        }
        Self {
            random,
            nodes,
            kernels: [Kernel::new(), Kernel::new()],
            links,
            settings,
            started: [0; 2],
            now: 0,
        }
    }

    /// A node dies and is started again at once; its numbers begin ahead of the old ones or
    /// behind, its clients say what the script of a promotion says.
    fn restart(&mut self, side: usize) {
        let first_seq = u32::try_from(self.random.below(20_000)).unwrap();
        let now = at(self.now);
        let mut node = self.settings.start(first_seq, self.now);
        settle(&mut node, now);
        for flow in self.kernels[side].values() {
            node.handle(now, Input::Dumped(Object::Flow(flow.clone())));
        }
        node.handle(now, Input::DumpDone { complete: true });
        node.handle(now, Input::Request(Request::SendBulk));
        self.nodes[side] = node;
        self.started[side] = self.now;
    }

    /// Lets time pass, with events at a rate of so many per hundred milliseconds.
    fn run(&mut self, until: u64, rate: u64) {
        let mut down_until = 0;
        while self.now < until {
            self.now += 10;
            let now = at(self.now);
            if rate > 0 && self.random.below(300) == 0 {
                down_until = self.now + self.random.below(4_000);
            }
            for side in 0..2 {
                if self.random.percent(rate) {
                    let (kernel, node) = (&mut self.kernels[side], &mut self.nodes[side]);
                    happen(&mut self.random, kernel, node, now);
                }
                for bytes in self.links[1 - side].arrived(self.now) {
                    deliver(&mut self.nodes[side], now, &bytes);
                }
                self.nodes[side].handle(now, Input::Timeout);
                let down = self.now < down_until;
                for bytes in settle(&mut self.nodes[side], now).datagrams {
                    self.links[side].send(&mut self.random, self.now, down, &bytes);
                }
            }
        }
    }

    fn heal(&mut self) {
        for link in &mut self.links {
            (link.loss, link.copies, link.slow) = (0, 0, 0);
        }
    }
}

fn check(seed: u64, restarts: bool) {
    let mut world = World::new(seed);
    for part in 1..=4 {
        world.run(part * 6_000, 50);
        if restarts && world.random.percent(60) {
            let side = usize::try_from(world.random.below(2)).unwrap();
            world.restart(side);
        }
    }
    world.run(30_000, 50);
    world.heal();
    world.run(80_000, 0);
    for side in 0..2 {
        let ours = content(world.nodes[side].internal());
        assert_eq!(ours.len(), world.kernels[side].len(), "seed {seed}");
        let mut theirs = content(world.nodes[1 - side].external());
        // The end of a flow that ended while nobody watched is told to nobody.
        let started = world.started[side];
        theirs.retain(|tuple, (began, _)| ours.contains_key(tuple) || u64::from(*began) > started);
        assert_eq!(ours, theirs, "seed {seed}, flows of node {side}");
        // At rest only the latest acknowledgement waits for its own.
        assert!(
            world.nodes[side].gauges().resend_queue_len <= 2,
            "seed {seed}"
        );
    }
}

#[test]
fn the_caches_agree_once_the_link_is_at_rest() {
    for seed in 0..200 {
        check(seed, false);
    }
}

#[test]
fn the_caches_agree_after_restarts() {
    for seed in 0..200 {
        check(seed, true);
    }
}
