//! A node with its surroundings, as far as a script plays them.
//!
//! The kernel answers when the script says so, or says something that nobody asked for. The peer
//! is a number that its next message bears, and what it has seen of ours.

use std::time::Duration;

use ctsync::wire::{ExpectMessage, FlowMessage, Header, Kind, split};
use ctsync::{
    ChannelId, ClientId, Config, Counter, Cursor, Input, Instant, InternalCache, KernelOp,
    ModeConfig, Node, OpId, Output, Refusal, Request, Seq, View,
};
use flow::Event;
use nfnetlink::EncodeError;
use nfnetlink::conntrack::request::{self, Call, FlowKey};
use nfnetlink::expect::request as expect;
use nfnetlink::nl::Builder;

use super::draw::{CHANNELS, Draw};

/// Outputs of one round. The node's own limits: 64 datagrams, 200 operations, 256 notices, and
/// the answers to those who asked, here one at a time.
const OUTPUTS_MAX: usize = 64 + 200 + 256 + 16;

/// Rounds until the node rests when it gets all it wants.
const ROUNDS_MAX: usize = 2_000;

/// Control messages that wait at most, as the node has it.
const CONTROL_MAX: usize = 1024;

pub struct World {
    node: Node,
    now: Instant,
    payload_len_max: usize,
    cache_len_max: usize,
    resend_len_max: usize,
    gives_signs_of_life: bool,
    /// A message gets its number when it is sent. Without an internal cache it has one before, and
    /// may turn out to be too long for the link.
    numbers_follow: bool,
    /// Links that take nothing.
    blocked: [bool; CHANNELS as usize],
    /// Operations without an outcome: from this one on, so many.
    oldest_op: Option<OpId>,
    last_op: Option<OpId>,
    dumps: u32,
    next_client: u64,
    commits: u32,
    /// The number of the peer's next message.
    peer_seq: Seq,
    /// The number of our last one.
    our_seq: Option<Seq>,
}

impl World {
    pub fn new(draw: &mut Draw<'_>) -> Self {
        let config = draw.config();
        let resend_queue_len_max = match config.mode {
            ModeConfig::Ftfw {
                resend_queue_len_max,
                ..
            } => resend_queue_len_max,
            ModeConfig::Notrack | ModeConfig::Alarm { .. } => 0,
        };
        let now = Instant(u64::from(draw.u16()));
        let payload_len_max = payload_len_max(&config);
        let mut world = Self {
            payload_len_max,
            cache_len_max: config.cache_len_max,
            // One message stays in any case.
            resend_len_max: resend_queue_len_max.max(1),
            numbers_follow: config.internal_cache == InternalCache::Keep,
            gives_signs_of_life: !matches!(config.mode, ModeConfig::Alarm { .. }),
            node: Node::new(config, now),
            now,
            blocked: [false; CHANNELS as usize],
            oldest_op: None,
            last_op: None,
            dumps: 0,
            next_client: 0,
            commits: 0,
            peer_seq: Seq(5000),
            our_seq: None,
        };
        world.drain();
        world
    }

    /// One input, or none: time may pass alone.
    pub fn step(&mut self, draw: &mut Draw<'_>) {
        match draw.below(16) {
            0 => self.pass(draw),
            1 => self.handle(Input::Overrun),
            2 => {
                let object = draw.object();
                self.handle(Input::Dumped(object));
            }
            3 => {
                self.dumps = self.dumps.saturating_sub(1);
                let complete = draw.flag();
                self.handle(Input::DumpDone { complete });
            }
            4 => self.raw_datagram(draw),
            5 | 6 => self.datagram(draw),
            7 => self.request(draw),
            8 => self.answer_ops(draw),
            9 => self.stray_answer(draw),
            10 => {
                self.link(draw);
            }
            11 => self.handle(Input::Timeout),
            _ => {
                let event = Event {
                    kind: draw.event_kind(),
                    origin: draw.origin(),
                    object: draw.object(),
                };
                self.handle(Input::Event(event));
            }
        }
    }

    /// Something befalls a link.
    fn link(&mut self, draw: &mut Draw<'_>) {
        let channel = draw.channel();
        let blocked = self.blocked.get_mut(usize::from(channel.0));
        let what = draw.below(5);
        if let (Some(blocked), 0 | 1) = (blocked, what) {
            *blocked = what == 0;
        }
        self.handle(match what {
            0 => Input::ChannelBlocked(channel),
            1 => Input::ChannelReady(channel),
            2 => Input::ChannelDown(channel),
            3 => Input::ChannelUp(channel),
            _ => Input::ChannelSize {
                channel,
                payload_len_max: self.payload_len_max,
            },
        });
    }

    /// Time goes on, now and then backwards.
    fn pass(&mut self, draw: &mut Draw<'_>) {
        let step = draw.time_step();
        if draw.below(8) == 0 {
            self.now = Instant(self.now.0.saturating_sub(1_000_000));
        } else {
            self.now = self.now.after(step);
        }
        self.handle(Input::Timeout);
    }

    fn raw_datagram(&mut self, draw: &mut Draw<'_>) {
        let len = usize::from(draw.u16()) % 2048;
        let bytes = draw.bytes(len);
        self.handle(Input::Datagram {
            channel: draw.channel(),
            peer: draw.peer(),
            bytes,
        });
    }

    /// A datagram of well-formed messages.
    fn datagram(&mut self, draw: &mut Draw<'_>) {
        let mut bytes = Vec::new();
        for _ in 0..=draw.below(4) {
            let greeting = draw.greeting();
            let seq = draw.seq(self.peer_seq);
            match draw.below(4) {
                0 | 1 => {
                    let kind = draw.event_kind();
                    draw.flow_message().encode(kind, greeting, seq, &mut bytes);
                }
                2 => {
                    let near = self.our_seq.unwrap_or_default();
                    draw.control(near).encode(greeting, seq, &mut bytes);
                }
                _ => {
                    let kind = draw.event_kind();
                    let message = draw.expect_message();
                    message.encode(kind, greeting, seq, &mut bytes);
                }
            }
            self.peer_seq = seq.next();
        }
        self.handle(Input::Datagram {
            channel: draw.channel(),
            peer: draw.peer(),
            bytes: &bytes,
        });
    }

    fn request(&mut self, draw: &mut Draw<'_>) {
        let request = match draw.below(9) {
            0 => Request::FlushInternal,
            1 => Request::FlushExternal,
            2 => Request::FlushCaches,
            3 => Request::FlushKernel(draw.tables()),
            4 => Request::ResyncKernel(draw.tables()),
            5 => Request::SendBulk,
            6 => Request::RequestBulk,
            7 => Request::SchedulePurge,
            _ => {
                self.next_client += 1;
                self.commits += 1;
                Request::Commit(ClientId(self.next_client), draw.tables())
            }
        };
        self.handle(Input::Request(request));
    }

    /// The kernel has carried out the first of what it was asked, some of it in vain.
    fn answer_ops(&mut self, draw: &mut Draw<'_>) {
        let (Some(oldest), Some(last)) = (self.oldest_op, self.last_op) else {
            return;
        };
        let count = last.0.wrapping_sub(oldest.0).min(u32::from(draw.byte()));
        for place in 0..=count {
            if let Some(refusal) = refusal(draw) {
                let op = OpId(oldest.0.wrapping_add(place));
                self.handle(Input::OpRefused { op, refusal });
            }
        }
        let through = OpId(oldest.0.wrapping_add(count));
        self.oldest_op = (through != last).then(|| OpId(through.0.wrapping_add(1)));
        self.handle(Input::OpsDone { through });
    }

    /// An answer to what was not asked, or was answered already.
    fn stray_answer(&mut self, draw: &mut Draw<'_>) {
        let op = OpId(match draw.below(3) {
            0 => draw.u32(),
            1 => self.last_op.unwrap_or(OpId(0)).0.wrapping_add(1),
            _ => self.oldest_op.unwrap_or(OpId(0)).0.wrapping_sub(1),
        });
        // Only a refusal: a false success would be believed, and nobody could tell.
        self.handle(Input::OpRefused {
            op,
            refusal: Refusal::Other(draw.byte().into()),
        });
    }

    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input);
        self.drain();
    }

    /// Takes all outputs of a round and looks at each.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.node.poll() {
            count += 1;
            assert!(count <= OUTPUTS_MAX, "outputs without end");
            match output {
                Output::Transmit { channel, bytes } => {
                    let blocked = self.blocked.get(usize::from(channel.0));
                    assert_eq!(blocked, Some(&false), "a datagram for a blocked link");
                    assert!(bytes.len() < self.payload_len_max, "{} bytes", bytes.len());
                    let before = self.our_seq.filter(|_| self.numbers_follow);
                    self.our_seq = Some(last_seq(bytes, before, self.numbers_follow));
                }
                Output::Kernel { op, action } => {
                    let expected = self.last_op.map(|last| OpId(last.0.wrapping_add(1)));
                    assert!(expected.is_none_or(|expected| expected == op), "{op:?}");
                    self.last_op = Some(op);
                    self.oldest_op.get_or_insert(op);
                    encode(&action);
                }
                Output::Dump(..) => self.dumps += 1,
                Output::CommitDone { client, .. } => {
                    assert!(client.0 <= self.next_client, "an answer for nobody");
                    self.commits = self.commits.checked_sub(1).expect("a second answer");
                }
                _ => {}
            }
        }
        self.check();
    }

    /// Bounds and sums that hold after every round.
    fn check(&self) {
        let gauges = self.node.gauges();
        let (cache, resend) = (self.cache_len_max, self.resend_len_max);
        assert!(gauges.internal_live <= cache, "{gauges:?}");
        assert!(gauges.internal_len <= cache * 4 + resend, "{gauges:?}");
        assert!(gauges.external_len <= cache, "{gauges:?}");
        let entries = gauges.internal_len + gauges.internal_expectations_len;
        let waiting_max = entries + CONTROL_MAX;
        assert!(gauges.transmit_queue_len <= waiting_max, "{gauges:?}");
        assert!(gauges.resend_queue_len <= resend, "{gauges:?}");
        assert_eq!(self.node.resend_queue().count(), gauges.resend_queue_len);
        assert_eq!(count(self.node.internal()), gauges.internal_live);
        assert_eq!(count(self.node.external()), gauges.external_len);
        let expectations = self.node.internal_expectations().len();
        assert_eq!(expectations, gauges.internal_expectations_live);
        assert!(expectations <= cache, "{gauges:?}");
        assert!(gauges.external_expectations_len <= cache, "{gauges:?}");
        assert!(gauges.injecting_len <= cache * 2, "{gauges:?}");
        let stats = self.node.stats();
        let reasons = [
            Counter::WrongVersion,
            Counter::MalformedHeader,
            Counter::MalformedPayload,
            Counter::BadType,
            Counter::Truncated,
            Counter::BadSize,
        ];
        let sum: u64 = reasons.iter().map(|reason| stats.get(*reason)).sum();
        assert_eq!(stats.get(Counter::Malformed), sum);
        let waits = self.node.timeout().is_some() || !self.gives_signs_of_life;
        assert!(waits, "a node without a timer");
    }

    /// Everything works from now on: what was begun ends.
    pub fn come_to_rest(&mut self) {
        self.blocked = Default::default();
        // The clock may have gone back before.
        self.now = self.now.after(Duration::from_secs(10));
        for channel in (0..CHANNELS).map(ChannelId) {
            self.handle(Input::ChannelUp(channel));
            self.handle(Input::ChannelReady(channel));
        }
        for _ in 0..ROUNDS_MAX {
            if let Some(through) = self.last_op.filter(|_| self.oldest_op.is_some()) {
                self.oldest_op = None;
                self.handle(Input::OpsDone { through });
            } else if self.dumps > 0 {
                self.dumps = 0;
                self.handle(Input::DumpDone { complete: true });
            } else if self.node.timeout().is_some_and(|due| due <= self.now) {
                self.handle(Input::Timeout);
            } else {
                assert_eq!(self.commits, 0, "a client waits for ever");
                assert_eq!(self.node.gauges().transmit_queue_len, 0);
                return;
            }
        }
        panic!("no rest: {:?}", self.node.gauges());
    }
}

fn payload_len_max(config: &Config) -> usize {
    let channel = config.channels.first();
    channel.map_or(0, |channel| channel.payload_len_max)
}

/// Reads our own datagram as a peer would: it is well formed, its numbers follow each other.
fn last_seq(bytes: &[u8], before: Option<Seq>, follow: bool) -> Seq {
    let mut last = before;
    for message in split(bytes) {
        let message = message.expect("our own datagram");
        let Header { kind, seq, .. } = message.header;
        assert!(
            last.is_none_or(|last| last.next() == seq || !follow && seq.is_after(last)),
            "{seq:?} after {last:?}"
        );
        last = Some(seq);
        match kind {
            Kind::Flow(_) => {
                FlowMessage::decode(message.body).expect("our own message");
            }
            Kind::Expectation(_) => {
                ExpectMessage::decode(message.body).expect("our own message");
            }
            Kind::Control | Kind::Unassigned(_) => {}
        }
    }
    last.expect("a datagram without messages")
}

/// Writes an operation as the daemon does.
fn encode(action: &KernelOp<'_>) {
    let mut bytes = Vec::new();
    let mut builder = Builder::new(&mut bytes);
    let result = match action {
        KernelOp::Create(flow) => request::create(&mut builder, Call::quiet(0), flow),
        KernelOp::Update(flow) => request::update(&mut builder, Call::quiet(0), flow),
        KernelOp::Delete(flow) => {
            request::delete(&mut builder, Call::quiet(0), &FlowKey::original(flow))
        }
        KernelOp::CreateExpectation(it) => {
            expect::create_or_update(&mut builder, Call::quiet(0), it)
        }
        KernelOp::DeleteExpectation(it) => {
            let key = expect::ExpectationKey::of(it);
            expect::delete(&mut builder, Call::quiet(0), &key)
        }
    };
    // A peer may invent an ICMP type that has no answer; the daemon counts the flow as refused.
    assert!(
        matches!(result, Ok(()) | Err(EncodeError::MissingReply)),
        "{result:?}"
    );
    assert!(bytes.len() < 2048);
}

fn refusal(draw: &mut Draw<'_>) -> Option<Refusal> {
    Some(match draw.below(12) {
        0 | 1 => Refusal::Exists,
        2 => Refusal::NotFound,
        3 => Refusal::Full,
        4 => Refusal::Unsupported,
        5 => Refusal::Invalid,
        6 => Refusal::Other(i32::from(draw.byte())),
        _ => return None,
    })
}

/// Walks a cache as a client's listing does, in small steps.
fn count(view: View<'_>) -> usize {
    let mut count = 0;
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = view.next(at, 16, |_| count += 1);
    }
    assert_eq!(count, view.len());
    count
}
