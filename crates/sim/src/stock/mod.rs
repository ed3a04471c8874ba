//! A node of ours beside a daemon of stock's making, over a link that loses.
//!
//! The other worlds have nodes of ours only, which repair what stock would not. Here the peer is a model
//! of stock (`peer`) with all of its holes. What is demanded is what docs/adr/0007 promises: what we
//! tell, it has in the end; what it tells, we have, as far as it gives a sign of what got lost; nothing
//! that has ended comes back; and neither drives the other to send without end.

mod own;
mod peer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ctsync::wire::{Flags, split};
use ctsync::{
    ChannelConfig, ChannelId, Config, Cursor, Input, Instant, ModeConfig, Node, Output, PeerId,
    Request, Seq,
};
use flow::{L4, Object};

use crate::essence::{Essence, Key};
use crate::kernel::Kernel;
use crate::network::LinkFaults;
use crate::random::{Percent, Random};
use crate::workload::{Share, Workload};
use own::Own;
use peer::Stock;

/// Tuples in use on each side.
const SLOTS: u64 = 40;

/// How long traffic and faults last.
const CHAOS: Duration = Duration::from_secs(8);

/// Time for what repairs itself.
const SETTLING: Duration = Duration::from_secs(12);

/// Messages that each may send in the last second of the settling: acknowledgements of
/// acknowledgements, and no more.
const IDLE_MAX: u64 = 12;

/// What a pair goes through.
#[derive(Clone, Copy, Debug)]
pub struct Trials {
    /// What the link does once both have greeted each other.
    pub link: LinkFaults,
    /// Whether it loses before that, too.
    pub rough_start: bool,
    /// How much of the traffic passes the stock daemon.
    pub stock_traffic: Percent,
    /// Restarts of our daemon.
    pub ours_restarts: bool,
    /// Restarts of theirs.
    pub stock_restarts: bool,
    /// Messages that each keeps until they are acknowledged.
    pub resend_len_max: usize,
    /// Where the numbers begin.
    pub wall_clock: u32,
}

impl Trials {
    /// Those of a seed.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::fork(seed, "trials");
        let percent = |random: &mut Random, choices: &[u8]| {
            Percent(random.pick(choices).copied().unwrap_or_default())
        };
        Self {
            link: LinkFaults {
                loss: percent(&mut random, &[0, 1, 5, 10, 30]),
                duplication: percent(&mut random, &[0, 0, 2, 20]),
                reordering: percent(&mut random, &[0, 0, 2, 20]),
                delay: Duration::from_micros(random.between(20, 3_000)),
                jitter: Duration::from_micros(random.below(2_000)),
                hold: Duration::from_millis(random.between(1, 100)),
            },
            rough_start: random.chance(Percent(50)),
            stock_traffic: percent(&mut random, &[0, 40]),
            ours_restarts: random.chance(Percent(25)),
            stock_restarts: random.chance(Percent(25)),
            resend_len_max: *random.pick(&[131_072, 131_072, 2_000]).unwrap_or(&131_072),
            wall_clock: *random
                .pick(&[1_795_243_361, u32::MAX - 300])
                .unwrap_or(&1_795_243_361),
        }
    }
}

/// What a pair came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What must not be.
    pub violations: Vec<String>,
    /// Changes of both tables.
    pub changes: u64,
    /// Flows compared at the end.
    pub compared: usize,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
}

/// Something that is going to happen.
#[derive(Debug)]
enum Step {
    ToOurs(Vec<u8>),
    ToStock(Vec<u8>),
    Events,
    WakeOurs,
    WakeStock,
    Traffic,
    RestartOurs,
    RestartStock,
    StartOurs,
    StartStock,
    Heal,
    Refill,
    Watch,
    End,
}

/// A node of ours, its kernel, a stock daemon with its own, and the link.
#[derive(Debug)]
struct Pair {
    now: Instant,
    trials: Trials,
    steps: BTreeMap<(Instant, u64), Step>,
    planned: u64,
    luck: Random,
    kernel: Kernel,
    workload: Workload,
    node: Option<Node>,
    stock: Option<Stock>,
    /// What is in the kernel of the stock daemon.
    own: Own,
    chaos: bool,
    /// Flows whose end may have been lost with a daemon.
    ours_lost: BTreeSet<Key>,
    stock_lost: BTreeSet<u16>,
    sent: (u64, u64),
    ours_sent: u64,
    text: bool,
    outcome: Outcome,
}

/// Runs the pair of a seed; `text` asks for every line of what happens.
pub fn run(seed: u64, trials: Trials, text: bool) -> Outcome {
    let mut pair = Pair::new(seed, trials, text);
    pair.begin();
    while let Some(((at, _), step)) = pair.steps.pop_first() {
        pair.now = at;
        let last = matches!(step, Step::End);
        pair.step(step);
        if last {
            break;
        }
    }
    pair.outcome
}

impl Pair {
    fn new(seed: u64, trials: Trials, text: bool) -> Self {
        Self {
            now: Instant::default(),
            trials,
            steps: BTreeMap::new(),
            planned: 0,
            luck: Random::fork(seed, "pair"),
            kernel: Kernel::new(100_000, 4_096, seed),
            workload: Workload::new(Random::fork(seed, "workload"), SLOTS, Percent(0)),
            node: None,
            stock: None,
            own: Own::default(),
            chaos: false,
            ours_lost: BTreeSet::new(),
            stock_lost: BTreeSet::new(),
            sent: (0, 0),
            ours_sent: 0,
            text,
            outcome: Outcome::default(),
        }
    }

    fn begin(&mut self) {
        for start in [Step::StartOurs, Step::StartStock] {
            let after = self.luck.below(800);
            self.plan(Duration::from_millis(after), start);
        }
        let chaos = if self.trials.rough_start { 0 } else { 4_000 };
        let chaos = Duration::from_millis(chaos);
        self.chaos = self.trials.rough_start;
        self.plan(chaos, Step::Traffic);
        let restarts = [
            (self.trials.ours_restarts, true),
            (self.trials.stock_restarts, false),
        ];
        for (_, ours) in restarts.into_iter().filter(|(wanted, _)| *wanted) {
            for _ in 0..2 {
                let after = Duration::from_millis(self.luck.between(1_000, 7_000));
                let step = if ours {
                    Step::RestartOurs
                } else {
                    Step::RestartStock
                };
                self.plan(chaos + after, step);
            }
        }
        let healed = chaos + CHAOS;
        self.plan(healed, Step::Heal);
        self.plan(healed + SETTLING, Step::Refill);
        self.plan(healed + SETTLING * 2 - Duration::from_secs(1), Step::Watch);
        self.plan(healed + SETTLING * 2, Step::End);
    }

    fn plan(&mut self, after: Duration, step: Step) {
        self.planned += 1;
        self.steps.insert((self.now + after, self.planned), step);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::ToOurs(bytes) => {
                let (channel, peer) = (ChannelId(0), PeerId(1));
                self.feed(Input::Datagram {
                    channel,
                    peer,
                    bytes: &bytes,
                });
            }
            Step::ToStock(bytes) => {
                if let Some(stock) = &mut self.stock {
                    stock.on_datagram(&bytes);
                }
                self.drain_stock();
            }
            Step::Events => {
                for event in self.kernel.read_events(100) {
                    self.feed(Input::Event(event));
                }
            }
            Step::WakeOurs => self.wake_ours(),
            Step::WakeStock => self.wake_stock(),
            Step::Traffic => self.traffic(),
            Step::RestartOurs => self.stop_ours(),
            Step::RestartStock => self.stop_stock(),
            Step::StartOurs => self.start_ours(),
            Step::StartStock => self.start_stock(),
            Step::Heal => self.chaos = false,
            Step::Refill => self.refill(),
            Step::Watch => self.sent = (self.ours_sent, self.stock_sent()),
            Step::End => self.judge(),
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.text {
            let seconds = crate::trace::Seconds(self.now);
            self.outcome.trace.push(format!("{seconds} {}", text()));
        }
    }

    fn stock_sent(&self) -> u64 {
        self.stock.as_ref().map_or(0, |stock| stock.sent)
    }

    fn first_seq(&self) -> Seq {
        let seconds = u32::try_from(self.now.seconds()).unwrap_or(u32::MAX);
        Seq(self.trials.wall_clock.wrapping_add(seconds))
    }

    fn start_ours(&mut self) {
        if self.node.is_some() {
            return;
        }
        self.note(|| "ours starts".to_owned());
        let mode = ModeConfig::Ftfw {
            resend_queue_len_max: self.trials.resend_len_max,
            ack_window: 300,
        };
        let channel = ChannelConfig {
            payload_len_max: 1_472,
        };
        let config = Config {
            channels: vec![channel],
            startup_resync: true,
            first_seq: self.first_seq(),
            hash_key: [1, 2],
            ..Config::new(mode)
        };
        self.kernel.listen(true);
        self.node = Some(Node::new(config, self.now));
        self.drain_ours();
    }

    fn stop_ours(&mut self) {
        self.note(|| "ours stops".to_owned());
        self.kernel.listen(false);
        self.node = None;
        if let Some(stock) = &self.stock {
            let known = stock.external.keys().copied();
            self.ours_lost.extend(known);
        }
        let down = Duration::from_millis(self.luck.between(2_200, 3_000));
        self.plan(down, Step::StartOurs);
    }

    fn start_stock(&mut self) {
        if self.stock.is_some() {
            return;
        }
        self.note(|| "stock starts".to_owned());
        let own = self.own.reread();
        let len_max = self.trials.resend_len_max;
        self.stock = Some(Stock::new(self.now, self.first_seq(), len_max, own));
        self.drain_stock();
    }

    fn stop_stock(&mut self) {
        self.note(|| "stock stops".to_owned());
        if let Some(stock) = self.stock.take() {
            self.own = stock.own.reread();
        }
        self.stock_lost.extend(0..u16::try_from(SLOTS).unwrap_or(0));
        let down = Duration::from_millis(self.luck.between(2_200, 3_000));
        self.plan(down, Step::StartStock);
    }

    fn feed(&mut self, input: Input<'_>) {
        if let Some(node) = &mut self.node {
            node.handle(self.now, input);
        }
        self.drain_ours();
    }

    fn drain_ours(&mut self) {
        let Some(mut node) = self.node.take() else {
            return;
        };
        let mut dump = false;
        loop {
            let mut datagrams = Vec::new();
            while let Some(output) = node.poll() {
                match output {
                    Output::Transmit { bytes, .. } => datagrams.push(bytes.to_vec()),
                    Output::Dump(..) => dump = true,
                    _ => {}
                }
            }
            for bytes in datagrams {
                self.ours_sent += messages(&bytes);
                self.note(|| format!("ours  -> {}", crate::text::messages(&bytes)));
                self.send(bytes, Step::ToStock);
            }
            if !std::mem::take(&mut dump) {
                break;
            }
            let (flows, _) = self.kernel.dump(None, usize::MAX - 1);
            for flow in flows {
                node.handle(self.now, Input::Dumped(Object::Flow(flow)));
            }
            node.handle(self.now, Input::DumpDone { complete: true });
        }
        let due = node.timeout();
        self.node = Some(node);
        if let Some(due) = due {
            let at = due.max(self.now + Duration::from_micros(10));
            self.plan(at.since(self.now), Step::WakeOurs);
        }
    }

    fn wake_ours(&mut self) {
        let due = self.node.as_ref().and_then(Node::timeout);
        if due.is_some_and(|due| due <= self.now) {
            self.feed(Input::Timeout);
        }
    }

    fn wake_stock(&mut self) {
        if let Some(stock) = &mut self.stock {
            if stock.tick_at <= self.now {
                stock.on_tick(self.now);
                self.drain_stock();
            }
        }
    }

    fn drain_stock(&mut self) {
        let now = self.now;
        let Some(stock) = &mut self.stock else {
            return;
        };
        let datagrams = stock.drain(now);
        let tick_at = stock.tick_at;
        for bytes in datagrams {
            self.note(|| format!("stock -> {}", crate::text::messages(&bytes)));
            self.send(bytes, Step::ToOurs);
        }
        self.plan(tick_at.since(now), Step::WakeStock);
    }

    /// What is greeted with may get lost, but comes neither late nor twice: stock takes it as it comes.
    fn send(&mut self, bytes: Vec<u8>, arrives: fn(Vec<u8>) -> Step) {
        let greets = |bytes: &[u8]| {
            let mut messages = split(bytes).flatten();
            messages.any(|message| message.header.flags.contains(Flags::HELLO))
        };
        let faults = match (self.chaos, greets(&bytes)) {
            (false, _) => LinkFaults::NONE,
            (true, false) => self.trials.link,
            (true, true) => LinkFaults {
                loss: self.trials.link.loss,
                ..LinkFaults::NONE
            },
        };
        for after in faults.arrivals(&mut self.luck) {
            self.plan(after, arrives(bytes.clone()));
        }
    }

    fn traffic(&mut self) {
        self.outcome.changes += 1;
        if !self.luck.chance(self.trials.stock_traffic) {
            self.kernel.now = self.now;
            let change = self.workload.step(&mut self.kernel, Share::ALL);
            if let Some(change) = change {
                self.ours_lost.remove(&change.key);
                if change.kind == flow::EventKind::Destroy && self.node.is_none() {
                    self.ours_lost.insert(change.key);
                }
                let after = Duration::from_micros(self.luck.below(500));
                self.plan(after, Step::Events);
            }
        } else {
            self.stock_traffic();
        }
        // Traffic ends with the faults.
        if self.steps.values().any(|step| matches!(step, Step::Heal)) {
            self.chaos = true;
            let pause = Duration::from_micros(self.luck.between(200, 30_000));
            self.plan(pause, Step::Traffic);
        }
    }

    fn stock_traffic(&mut self) {
        let slot = u16::try_from(self.luck.below(SLOTS)).unwrap_or(0);
        let closes = self.luck.chance(Percent(35));
        let anew = self.luck.chance(Percent(20));
        let own = match &mut self.stock {
            Some(stock) => &mut stock.own,
            None => &mut self.own,
        };
        let state = if closes {
            own.close(slot)
        } else {
            Some(own.touch(slot, anew))
        };
        if let (Some(state), Some(stock)) = (state, &mut self.stock) {
            stock.on_change(slot, state);
            self.drain_stock();
        }
    }

    /// What a daemon has not told before it died it does not tell by itself afterwards. A stock daemon
    /// asks for everything when it starts, once, and that may have got lost.
    fn refill(&mut self) {
        if self.trials.ours_restarts {
            self.feed(Input::Request(Request::SendBulk));
        }
        if self.trials.ours_restarts || self.trials.stock_restarts {
            self.feed(Input::Request(Request::RequestBulk));
        }
        if let Some(stock) = self.stock.as_mut().filter(|_| self.trials.stock_restarts) {
            stock.request_bulk();
            self.drain_stock();
        }
    }

    fn judge(&mut self) {
        self.judge_theirs();
        self.judge_ours();
        let (ours, stock) = self.sent;
        let ours = self.ours_sent - ours;
        let stock = self.stock_sent() - stock;
        if ours > IDLE_MAX || stock > IDLE_MAX {
            self.violate(format!("{ours} and {stock} messages in an idle second"));
        }
    }

    fn violate(&mut self, what: String) {
        self.outcome.violations.push(what);
    }

    /// What the stock daemon has of our flows.
    fn judge_theirs(&mut self) {
        let truth: BTreeMap<Key, Essence> = self
            .kernel
            .flows()
            .map(|(key, flow)| (*key, Essence::of(flow, false)))
            .collect();
        let Some(stock) = &self.stock else {
            return self.violate("stock is down".to_owned());
        };
        let mut wrong = Vec::new();
        for (key, truth) in &truth {
            match stock.external.get(key) {
                None => wrong.push(format!("stock lacks {:?}", key.tuple)),
                Some(known) if known != truth => {
                    wrong.push(format!(
                        "stock: {:?}: {}",
                        key.tuple,
                        known.difference(truth)
                    ));
                }
                Some(_) => {}
            }
        }
        for key in stock.external.keys() {
            if !truth.contains_key(key) && !self.ours_lost.contains(key) {
                wrong.push(format!("stock still has {:?}", key.tuple));
            }
        }
        // What a daemon has said before it was heard, nobody acknowledges.
        if stock.waiting() > 4 && !self.trials.stock_restarts {
            wrong.push(format!("{} messages wait at stock", stock.waiting()));
        }
        self.outcome.compared += truth.len();
        self.outcome.violations.extend(wrong);
    }

    /// What we have of its flows: its own holes are known where somebody greets.
    fn judge_ours(&mut self) {
        let (Some(node), Some(stock)) = (&self.node, &self.stock) else {
            return self.violate("ours is down".to_owned());
        };
        let mut known = BTreeMap::new();
        let mut cursor = Cursor::default();
        let view = node.external();
        while let Some(next) = view.next(cursor, 1_000, |it| {
            if let L4::Tcp(ports) = it.flow.orig.l4 {
                known.insert(ports.src, it.flow.mark.map_or(0, |mark| mark.0));
            }
        }) {
            cursor = next;
        }
        let truth = stock.own.live();
        let holes = self.trials.rough_start || self.trials.ours_restarts;
        let refilled = self.trials.ours_restarts || self.trials.stock_restarts;
        let mut wrong = Vec::new();
        for (slot, version) in &truth {
            if known.get(slot) != Some(version) && (!holes || refilled) {
                let known = known.get(slot);
                wrong.push(format!("ours: {slot} in {known:?}, not in {version}"));
            }
        }
        for slot in known.keys() {
            if !truth.contains_key(slot) && !holes && !self.stock_lost.contains(slot) {
                wrong.push(format!("ours still has {slot}"));
            }
        }
        self.outcome.compared += truth.len();
        self.outcome.violations.extend(wrong);
    }
}

fn messages(bytes: &[u8]) -> u64 {
    u64::try_from(split(bytes).count()).unwrap_or(u64::MAX)
}
