//! The daemon's part around a node: what happens is handed over, what comes out is carried out.
//!
//! Whatever takes a daemon or its kernel time is planned and happens later, so that other things
//! come in between.

use std::time::Duration;

use ctsync::wire::header::HEADER_LEN;
use ctsync::wire::split;
use ctsync::{
    ChannelId, ClientId, CommitReport, Counter, DumpReason, Input, NewFlows, Node, Notice, OpId,
    Output, PeerId, Refusal, Request, Tables,
};
use flow::{Event, Object, Origin};

use crate::fact::Fact;
use crate::host::{self, Dump, HostId, Operation, Verb};
use crate::kernel::Created;
use crate::network::{Packet, Transport};
use crate::random::Percent;
use crate::schedule::Step;
use crate::text::{brief, expected, messages, thing};
use crate::world::World;

/// Events read before the loop turns to something else.
const EVENTS_PER_TURN: usize = 100;

/// Outputs because of one input: a node cuts its work into rounds.
pub const OUTPUTS_MAX: usize = 2_000;

/// Kernel operations per batch.
const BATCH_LEN_MAX: usize = 100;

/// What a node wants done, taken out of it.
enum Effect {
    Transmit(ChannelId, Vec<u8>),
    Operation(Box<Operation>),
    Dump(DumpReason, Tables),
    NewFlows(NewFlows),
    FlushKernel(Tables),
    CommitDone(ClientId, CommitReport),
    CommitRefused,
    Notice(Notice),
}

impl World {
    /// A packet is handed over: a datagram as it is, a stream cut anywhere between two messages.
    pub(crate) fn receive(&mut self, packet: &Packet) {
        if self.scenario.transport == Transport::Datagrams {
            self.hand_over(packet, &packet.bytes);
            return;
        }
        let mut rest = packet.bytes.as_slice();
        while !rest.is_empty() {
            let mut len = 0;
            for message in split(rest) {
                len += message.map_or(rest.len(), |message| HEADER_LEN + message.body.len());
                if self.luck.daemon.chance(Percent(20)) {
                    break;
                }
            }
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            self.hand_over(packet, piece);
            rest = behind;
        }
    }

    fn hand_over(&mut self, packet: &Packet, bytes: &[u8]) {
        let (host, channel) = (packet.to, packet.channel);
        let refused = self.refused(host);
        let peer = peer_id(packet);
        self.feed(
            host,
            Input::Datagram {
                channel,
                peer,
                bytes,
            },
        );
        let refused = self.refused(host) - refused;
        let from = packet.from;
        self.tell(
            host,
            &Fact::Handed {
                from,
                bytes,
                refused,
            },
        );
    }

    /// Messages that a node has refused because it has newer ones.
    fn refused(&self, host: HostId) -> u64 {
        let node = self.hosts.get(host).node.as_ref();
        node.map_or(0, |node| node.stats().get(Counter::MessagesBefore))
    }

    /// The node's timeout may have come.
    pub(crate) fn wake(&mut self, host: HostId) {
        let it = self.hosts.get_mut(host);
        it.wake_at = None;
        let due = it.node.as_ref().and_then(Node::timeout);
        if self.saboteur.lets_sleep() {
            return;
        }
        if due.is_some_and(|due| due <= self.now) {
            self.feed(host, Input::Timeout);
        } else {
            self.plan_wake(host);
        }
    }

    /// Hands a client's request to a node.
    pub(crate) fn request(&mut self, host: HostId, request: Request) {
        if self.hosts.get(host).node.is_some() {
            self.trace
                .record(self.now, b"request", || format!("{host:?} {request:?}"));
            self.tell(host, &Fact::Requested(request));
            self.feed(host, Input::Request(request));
        }
    }

    /// A commit by a client of its own.
    pub(crate) fn commit(&mut self, host: HostId) {
        self.clients += 1;
        let client = ClientId(self.clients);
        if self.hosts.get(host).node.is_some() && self.committing.get(host).is_none() {
            *self.committing.get_mut(host) = Some(client);
        }
        self.request(host, Request::Commit(client, Tables::All));
    }

    /// Hands an input to a node and carries out what comes of it.
    pub(crate) fn feed(&mut self, host: HostId, input: Input<'_>) {
        let now = self.now;
        if let Some(node) = &mut self.hosts.get_mut(host).node {
            node.handle(now, input);
            self.drain(host);
        }
    }

    /// Carries out what a node wants.
    pub(crate) fn drain(&mut self, host: HostId) {
        let mut outputs = 0;
        while let Some(effect) = self
            .hosts
            .get_mut(host)
            .node
            .as_mut()
            .and_then(|node| node.poll().map(effect))
        {
            outputs += 1;
            self.carry_out(host, effect);
            if outputs > OUTPUTS_MAX {
                // A node that never stops; the checker of bounds says so when it is woken again.
                break;
            }
        }
        self.tell(host, &Fact::Drained(outputs));
        self.plan_wake(host);
    }

    fn plan_wake(&mut self, host: HostId) {
        let now = self.now;
        let it = self.hosts.get_mut(host);
        let Some(due) = it.node.as_ref().and_then(Node::timeout) else {
            return;
        };
        // A turn of the daemon's loop takes time, if only a little.
        let at = due.max(now + Duration::from_micros(10));
        if it.wake_at.is_none_or(|wake_at| at < wake_at) {
            it.wake_at = Some(at);
            let life = it.life;
            self.schedule.plan(at, Step::Wake(host, life));
        }
    }

    fn carry_out(&mut self, host: HostId, effect: Effect) {
        match effect {
            Effect::Transmit(channel, bytes) => self.transmit(host, channel, bytes),
            Effect::Operation(operation) => {
                self.hosts.get_mut(host).operations.push_back(*operation);
                self.plan_batch(host);
            }
            Effect::Dump(reason, tables) => self.begin_dump(host, reason, tables),
            Effect::NewFlows(new_flows) => {
                self.trace
                    .record(self.now, b"new flows", || format!("{host:?} {new_flows:?}"));
                self.counts.unheard += u64::from(new_flows == NewFlows::Unheard);
                self.kernel(host).tell_new(new_flows == NewFlows::Heard);
            }
            Effect::FlushKernel(tables) => {
                self.tell(host, &Fact::KernelFlushed);
                if tables.flows() {
                    self.empty_table(host, Origin::Flush);
                }
                if tables.expectations() {
                    self.forget_expectations(host, Origin::Flush);
                }
            }
            Effect::CommitDone(client, report) => {
                self.counts.commits += 1;
                let committing = self.committing.get_mut(host);
                *committing = committing.filter(|it| *it != client);
                self.trace
                    .record(self.now, b"commit", || format!("{host:?} {report:?}"));
                self.tell(host, &Fact::CommitDone(client, report));
            }
            Effect::CommitRefused => self.tell(host, &Fact::CommitRefused),
            Effect::Notice(notice) => {
                self.trace
                    .record(self.now, b"notice", || format!("{host:?} {notice:?}"));
                self.tell(host, &Fact::Notice(notice));
            }
        }
    }

    fn transmit(&mut self, host: HostId, channel: ChannelId, bytes: Vec<u8>) {
        self.counts.sent += 1;
        self.trace.record(self.now, &bytes, || {
            format!("{host:?} {} -> {}", channel.0, messages(&bytes))
        });
        self.tell(host, &Fact::Sent(channel, &bytes));
        let bytes = self.saboteur.datagram(bytes);
        self.transmit_on(host, channel, &bytes);
    }

    /// Reads some events.
    pub(crate) fn read_events(&mut self, host: HostId) {
        let it = self.hosts.get_mut(host);
        it.events_due = false;
        if it.kernel.take_overrun() {
            self.counts.overruns += 1;
            self.trace
                .record(self.now, b"overrun", || format!("{host:?} events lost"));
            self.tell(host, &Fact::Overrun);
            self.feed(host, Input::Overrun);
        }
        for event in self.kernel(host).read_events(EVENTS_PER_TURN) {
            let (kind, origin) = (event.kind, self.saboteur.origin(event.origin));
            if self.saboteur.loses_event(&event.object) {
                continue;
            }
            let object = event.object;
            self.trace.record(self.now, &[], || {
                format!("{host:?} event {kind:?} {origin:?} {}", thing(&object))
            });
            self.feed(
                host,
                Input::Event(Event {
                    kind,
                    origin,
                    object,
                }),
            );
        }
        self.plan_events(host);
    }

    /// Sees to it that events are read.
    pub(crate) fn plan_events(&mut self, host: HostId) {
        let it = self.hosts.get_mut(host);
        if it.node.is_some() && it.kernel.has_events() && !it.events_due {
            it.events_due = true;
            let life = it.life;
            let after = self.some_time(self.scenario.event_delay_max);
            self.plan(after, Step::ReadEvents(host, life));
        }
    }

    fn begin_dump(&mut self, host: HostId, reason: DumpReason, tables: Tables) {
        self.trace.record(self.now, b"dump", || {
            format!("{host:?} reads {tables:?}: {reason:?}")
        });
        self.history.note_dump(host, false);
        let it = self.hosts.get_mut(host);
        let generation = it.kernel.generation();
        it.dumps.push_back(Dump {
            reason,
            tables,
            cursor: None,
            generation,
        });
        if it.dumps.len() == 1 {
            self.plan_dump(host);
        }
    }

    fn plan_dump(&mut self, host: HostId) {
        let life = self.hosts.get(host).life;
        let after = self.some_time(Duration::from_millis(3));
        self.plan(after, Step::ReadDump(host, life));
    }

    /// Reads a part of the table.
    pub(crate) fn read_dump(&mut self, host: HostId) {
        let count = self.luck.daemon.index(40) + 1;
        self.kernel(host);
        let dumps = &self.hosts.get(host).dumps;
        let begins = |dump: &&Dump| dump.reason == DumpReason::Commit && dump.cursor.is_none();
        if dumps.front().filter(begins).is_some() {
            while self.hosts.get(host).kernel.has_events() {
                self.read_events(host);
            }
        }
        let it = self.hosts.get_mut(host);
        let Some(dump) = it.dumps.front_mut() else {
            return;
        };
        let (flows, cursor) = if dump.tables.flows() {
            it.kernel.dump(dump.cursor, count)
        } else {
            (Vec::new(), None)
        };
        dump.cursor = cursor;
        let dump = *dump;
        for flow in flows {
            self.trace.record(self.now, &[], || {
                format!("{host:?} dumped {}", brief(&flow))
            });
            self.feed(host, Input::Dumped(Object::Flow(flow)));
        }
        if cursor.is_some() {
            self.plan_dump(host);
            return;
        }
        if dump.tables.expectations() {
            for it in self.hosts.get(host).kernel.dump_expectations() {
                self.trace.record(self.now, &[], || {
                    format!("{host:?} dumped {}", expected(&it))
                });
                self.feed(host, Input::Dumped(Object::Expectation(it)));
            }
        }
        let it = self.hosts.get_mut(host);
        it.dumps.pop_front();
        let waiting = !it.dumps.is_empty();
        let changed = it.kernel.generation() != dump.generation;
        let complete = !(changed && self.luck.daemon.chance(self.scenario.dump_interrupted));
        self.trace.record(self.now, b"dumped", || {
            format!("{host:?} dump done: {complete}")
        });
        self.history.note_dump(host, true);
        self.feed(host, Input::DumpDone { complete });
        if waiting {
            self.history.note_dump(host, false);
            self.plan_dump(host);
        }
    }

    fn plan_batch(&mut self, host: HostId) {
        let it = self.hosts.get_mut(host);
        if !it.batch_due && !it.outcomes_due && !it.operations.is_empty() {
            it.batch_due = true;
            let life = it.life;
            let after = self.some_time(Duration::from_micros(300));
            self.plan(after, Step::Operate(host, life));
        }
    }

    /// Carries out a batch of operations.
    pub(crate) fn operate(&mut self, host: HostId) {
        let it = self.hosts.get_mut(host);
        it.batch_due = false;
        it.outcomes_due = true;
        let life = it.life;
        let count = it.operations.len().min(BATCH_LEN_MAX);
        let batch: Vec<Operation> = it.operations.drain(..count).collect();
        let Some(through) = batch.last().map(|operation| operation.op) else {
            return;
        };
        self.history.note_commit(host);
        let origin = host::config(&self.scenario, host, self.now).origin_of_changes();
        let mut refusals = Vec::new();
        for operation in &batch {
            let result = self.carry_out_operation(host, operation, origin);
            if let Err(refusal) = result {
                refusals.push((operation.op, refusal));
            }
            self.operated(host, operation, result);
        }
        let after = self.some_time(Duration::from_millis(4));
        self.plan(after, Step::Outcomes(host, life, refusals, through));
    }

    fn carry_out_operation(
        &mut self,
        host: HostId,
        operation: &Operation,
        origin: Origin,
    ) -> Result<(), Refusal> {
        if self.saboteur.fakes_operation() {
            return Ok(());
        }
        let kernel = self.kernel(host);
        match &operation.object {
            Object::Flow(flow) => {
                let change = match operation.verb {
                    Verb::Create => kernel.create(flow, origin),
                    Verb::Update => kernel.change(flow, origin),
                    Verb::Delete => kernel.delete(flow, origin),
                }?;
                self.changed(host, &change);
            }
            Object::Expectation(expectation) => {
                let created = match operation.verb {
                    Verb::Create | Verb::Update => kernel.create_expectation(expectation, origin),
                    Verb::Delete => kernel
                        .delete_expectation(expectation, origin)
                        .map(Created::New),
                }?;
                match created {
                    Created::New(change) => self.expectation_changed(host, &change),
                    Created::Prolonged(key, expectation) => {
                        let now = self.now;
                        self.history
                            .note_prolonged(now, host, key, expectation, origin);
                    }
                }
            }
        }
        Ok(())
    }

    fn operated(&mut self, host: HostId, operation: &Operation, result: Result<(), Refusal>) {
        self.counts.operations += 1;
        self.trace.record(self.now, b"operation", || {
            let (op, verb) = (operation.op, operation.verb);
            format!(
                "{host:?} {op:?} {verb:?} {}: {result:?}",
                thing(&operation.object)
            )
        });
        self.tell(host, &Fact::Operated(operation, result));
    }

    /// Reports what became of a batch.
    pub(crate) fn outcomes(&mut self, host: HostId, refusals: &[(OpId, Refusal)], through: OpId) {
        self.hosts.get_mut(host).outcomes_due = false;
        if self.saboteur.loses_outcomes() {
            return;
        }
        for (op, refusal) in refusals {
            self.feed(
                host,
                Input::OpRefused {
                    op: *op,
                    refusal: *refusal,
                },
            );
        }
        self.feed(host, Input::OpsDone { through });
        self.tell(host, &Fact::OperationsDone(through));
        self.plan_batch(host);
    }

    /// Removes every expectation.
    pub(crate) fn forget_expectations(&mut self, host: HostId, origin: Origin) {
        let keys = self.hosts.get(host).kernel.expectations();
        let keys: Vec<_> = keys.map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(change) = self.kernel(host).forget(&key, origin) {
                self.expectation_changed(host, &change);
            }
        }
    }

    /// Removes every flow from a table.
    pub(crate) fn empty_table(&mut self, host: HostId, origin: Origin) {
        let keys: Vec<_> = self
            .hosts
            .get(host)
            .kernel
            .flows()
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if let Some(change) = self.kernel(host).remove(&key, origin) {
                self.changed(host, &change);
            }
        }
    }
}

/// What a source address tells: each host has one on each link.
fn peer_id(packet: &Packet) -> PeerId {
    PeerId(u64::from(packet.channel.0) * 16 + packet.from as u64 + 1)
}

fn effect(output: Output<'_>) -> Effect {
    match output {
        Output::Transmit { channel, bytes } => Effect::Transmit(channel, bytes.to_vec()),
        Output::Kernel { op, action } => Effect::Operation(Box::new(Operation::new(op, &action))),
        Output::Dump(reason, tables) => Effect::Dump(reason, tables),
        Output::NewFlows(new_flows) => Effect::NewFlows(new_flows),
        Output::FlushKernel(tables) => Effect::FlushKernel(tables),
        Output::CommitDone { client, report } => Effect::CommitDone(client, report),
        Output::CommitRefused { .. } | Output::InjectRefused { .. } => Effect::CommitRefused,
        Output::Notice(notice) => Effect::Notice(notice),
    }
}
