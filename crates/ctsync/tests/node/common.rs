//! What a node asks for, and what a scripted peer says.

use crate::basics::{at, config, deliver, started};
use ctsync::wire::{Control, Flags, FlowMessage, HelperName, Kind, SeqRange, TupleParts, split};
use ctsync::{
    Cursor, DumpReason, Injection, Input, Instant, KernelOp, ModeConfig, NewFlows, Node, Notice,
    OpId, Output, Seq, View,
};
use flow::{EventKind, Flow, ProtoInfo, Tuple};

/// An operation that the node asked for, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create a flow with this original tuple.
    Create(Tuple),
    /// Change it.
    Update(Tuple),
    /// Delete it.
    Delete(Tuple),
    /// Create an expectation of this tuple.
    CreateExpectation(Tuple),
    /// Delete it.
    DeleteExpectation(Tuple),
}

impl Op {
    /// What an operation is about.
    pub fn of(action: &KernelOp<'_>) -> Self {
        match action {
            KernelOp::Create(flow) => Self::Create(flow.orig),
            KernelOp::Update(flow) => Self::Update(flow.orig),
            KernelOp::Delete(flow) => Self::Delete(flow.orig),
            KernelOp::CreateExpectation(it) => Self::CreateExpectation(it.tuple),
            KernelOp::DeleteExpectation(it) => Self::DeleteExpectation(it.tuple),
        }
    }
}

/// All that a node asked for in one round.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Datagrams.
    pub datagrams: Vec<Vec<u8>>,
    /// Kernel operations.
    pub ops: Vec<(OpId, Op)>,
    /// Notices.
    pub notices: Vec<Notice>,
    /// Readings of the kernel's table.
    pub dumps: Vec<DumpReason>,
    /// Whether new flows are to be told of.
    pub new_flows: Vec<NewFlows>,
    /// Whether the kernel's table is to be flushed.
    pub flush: bool,
    /// How many flows could not be committed.
    pub refused: usize,
    /// How far flows had got that could not be injected.
    pub injections: Vec<Injection>,
    /// Ended commits.
    pub commits: Vec<ctsync::CommitReport>,
}

/// Takes what one round gives.
pub fn drain(node: &mut Node) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(output) = node.poll() {
        match output {
            Output::Transmit { bytes, .. } => outcome.datagrams.push(bytes.to_vec()),
            Output::Kernel { op, action } => outcome.ops.push((op, Op::of(&action))),
            Output::Dump(reason, _) => outcome.dumps.push(reason),
            Output::NewFlows(new_flows) => outcome.new_flows.push(new_flows),
            Output::FlushKernel(_) => outcome.flush = true,
            Output::CommitDone { report, .. } => outcome.commits.push(report),
            Output::CommitRefused { .. } => outcome.refused += 1,
            Output::InjectRefused { injection, .. } => outcome.injections.push(injection),
            Output::Notice(notice) => outcome.notices.push(notice),
        }
    }
    outcome
}

/// Lets the node work until it has nothing to do at this time.
pub fn settle(node: &mut Node, now: Instant) -> Outcome {
    let mut all = drain(node);
    while node.timeout().is_some_and(|due| due <= now) {
        node.handle(now, Input::Timeout);
        let more = drain(node);
        all.datagrams.extend(more.datagrams);
        all.ops.extend(more.ops);
        all.notices.extend(more.notices);
        all.dumps.extend(more.dumps);
        all.new_flows.extend(more.new_flows);
        all.flush |= more.flush;
        all.refused += more.refused;
        all.injections.extend(more.injections);
        all.commits.extend(more.commits);
    }
    all
}

/// A node whose peer, a scripted one, has greeted it and was greeted; its last number is 101, ours is
/// 1001.
pub fn greeted(resend_queue_len_max: usize, cache_len_max: usize) -> Node {
    let mut config = config();
    config.cache_len_max = cache_len_max;
    config.mode = ModeConfig::Ftfw {
        resend_queue_len_max,
        ack_window: 300,
    };
    let mut node = started(config, at(0));
    settle(&mut node, at(0));
    deliver(&mut node, at(0), &said(Control::Alive, Flags::HELLO, 100));
    node.handle(at(1000), Input::Timeout);
    settle(&mut node, at(1000));
    deliver(
        &mut node,
        at(1000),
        &said(Control::Alive, Flags::HELLO_BACK, 101),
    );
    settle(&mut node, at(1000));
    node
}

/// Original tuples of a cache, sorted.
pub fn tuples(view: View<'_>) -> Vec<Tuple> {
    let mut tuples = Vec::new();
    let mut cursor = Cursor::default();
    while let Some(next) = view.next(cursor, 1000, |it| tuples.push(it.flow.orig)) {
        cursor = next;
    }
    tuples.sort_unstable();
    tuples
}

/// A message of a scripted peer about a flow.
pub fn told(kind: EventKind, greeting: Flags, seq: u32, flow: &Flow<'_>) -> Vec<u8> {
    let mut message = FlowMessage::new(flow.orig.addrs, flow.orig.protocol());
    message.ports = flow.orig.l4.ports();
    message.status = flow.status;
    message.timeout = flow.timeout;
    message.mark = flow.mark;
    message.tcp_state = flow.protoinfo.as_ref().and_then(|it| match it {
        ProtoInfo::Tcp(tcp) => tcp.state,
        _ => None,
    });
    message.master = flow
        .master
        .as_ref()
        .map(TupleParts::new)
        .unwrap_or_default();
    message.helper = flow.helper.and_then(|it| HelperName::new(it.name));
    let mut out = Vec::new();
    message.encode(kind, greeting, Seq(seq), &mut out);
    out
}

/// A control message of a scripted peer.
pub fn said(control: Control, greeting: Flags, seq: u32) -> Vec<u8> {
    let mut out = Vec::new();
    control.encode(greeting, Seq(seq), &mut out);
    out
}

/// A range of numbers.
pub fn range(from: u32, to: u32) -> SeqRange {
    SeqRange {
        from: Seq(from),
        to: Seq(to),
    }
}

/// The control messages and the number of data messages in some datagrams.
pub fn spoken(datagrams: &[Vec<u8>]) -> (Vec<Control>, usize) {
    let mut controls = Vec::new();
    let mut data = 0;
    for message in datagrams.iter().flat_map(|it| split(it)).flatten() {
        match Control::decode(&message) {
            Ok(control) if message.header.kind == Kind::Control => controls.push(control),
            _ => data += 1,
        }
    }
    (controls, data)
}
