//! The daemon's side of the kernel's table: events, dumps, changes, flushes.
//!
//! Everything here is a step of bounded work: a portion of events, one read of a dump (about 130
//! flows), one run of changes (100 requests). The loop calls the steps in turn, so that none of
//! them keeps an event waiting.
//!
//! What we change comes back as events, too (compat: daemon-12). A turn reads as many events more as its predecessor
//! made: otherwise a commit or a flush would fill the queue faster than it is read, and the
//! events of real traffic would stand behind thousands of our own.
//!
//! A large commit does without the events of new flows (docs/adr/0009): for its time the group is left.
//!
//! Subscribing comes before the first dump, so nothing falls between the two; what the node learns
//! twice that way it can tell apart.

mod flush;

use ctsync::{DumpReason, Input, Instant, KernelOp, NewFlows, Node, OpId, Refusal, Tables};
use flow::filter::{EventFilter, KernelFilter};
use flow::{Expectation, Object, Origin};
use linux::poller::{Interest, Poller};
use linux::table::{
    self, Batch, Dump, DumpKind, Events, Filtering, Growth, Notice, Origins, Progress, Query,
    Request, Watch,
};
use nfnetlink::conntrack::request::FlowKey;
use nfnetlink::expect::request::ExpectationKey;

use crate::config::model::{EventDelivery, Filter, FilterPlace, General};
use crate::daemon::expectations::Expectations;
use crate::daemon::refusal::refusal;
use crate::daemon::report::{Report, Reports};
use crate::daemon::usize_from;
use flush::Flush;

/// Receive buffer of the events where the configuration names none: room for some 25,000 events,
/// which is a third of a second of what one core can make. The kernel takes memory only for what
/// waits in it.
const EVENT_BUFFER_LEN: usize = 32 * 1024 * 1024;

/// An event occupies more than this of the receive buffer: its `struct sk_buff` alone is half of it.
const EVENT_CHARGE_MIN: usize = 512;

/// Events that one change can cause: the end of a flow, and the new one in its place.
const ECHOES_PER_CHANGE: usize = 2;

/// What `conntrackd -s runtime` shows of the kernel's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events of flows that were read.
    pub events: u64,
    /// Of those, the ones that the filter kept out.
    pub events_filtered: u64,
    /// Messages that could not be understood, or that are about something else.
    pub events_unknown: u64,
    /// Failures to read events, overruns included.
    pub events_failed: u64,
    /// Entries of dumps that could not be understood.
    pub dump_unknown: u64,
    /// How often the kernel dropped events since the receive buffer was full.
    pub overruns: u64,
    /// Flushes of the kernel's table.
    pub flushes: u64,
    /// Readings of the kernel's table after the start.
    pub resyncs: u64,
}

/// Who is told what the kernel says.
pub trait Hear {
    /// An event, an entry of the table, or that either came to an end.
    fn hear(&mut self, now: Instant, input: Input<'_>);
}

impl Hear for Node {
    fn hear(&mut self, now: Instant, input: Input<'_>) {
        self.handle(now, input);
    }
}

/// How much a step found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Datagrams or events handled.
    pub count: usize,
    /// More is waiting.
    pub more: bool,
}

impl Drain {
    const NOTHING: Self = Self {
        count: 0,
        more: false,
    };
}

/// The kernel's table as the daemon meets it.
pub struct Kernel {
    /// Absent in polling mode.
    events: Option<Events>,
    events_per_turn: usize,
    /// Events of our own changes that may wait.
    echoes: usize,
    buffer_len_max: usize,
    /// A change without a name is one of our own, whose outcome nobody waits for.
    changes: Batch<Option<OpId>>,
    outcomes: Vec<(OpId, Option<Refusal>)>,
    dump: Option<Reading>,
    /// A reading that is to be begun, and how many events may still come that are older.
    dump_wanted: Option<(Tables, usize)>,
    /// New flows could not be subscribed to again.
    is_deaf: bool,
    /// A flush under way.
    flush: Option<Flush>,
    /// One connection for all flushes, so that its port id stays ours: the events of the last
    /// deletions are read after the flush, and a stranger's changes must not be taken for them.
    deletions: Batch<()>,
    filter: EventFilter,
    expectations: Expectations,
    counters: Counters,
}

/// A reading of the tables under way: that of flows, then that of expectations.
struct Reading {
    dump: Dump,
    /// Tables to be read when this one has been.
    rest: Option<Tables>,
    /// No entry was missed so far.
    complete: bool,
}

impl Kernel {
    /// Subscribes to the events and opens the connection for changes, which are what the origin
    /// says.
    pub fn open(
        general: &General,
        expectations: Expectations,
        origin_of_changes: Origin,
        reports: &mut Reports,
    ) -> table::Result<Self> {
        let (changes, deletions) = (Batch::open()?, Batch::open()?);
        let mut origins = Origins::new();
        origins.register(changes.port_id(), origin_of_changes);
        origins.register(deletions.port_id(), Origin::Flush);
        let (events, len) = match general.poll {
            Some(_) => {
                reports.push(Report::Polling);
                (None, 0)
            }
            None => {
                let (events, len) = subscribe(general, &expectations, origins, reports)?;
                (Some(events), len)
            }
        };
        Ok(Self {
            events,
            events_per_turn: usize_from(general.event_iteration_limit).max(1),
            echoes: 0,
            buffer_len_max: usize_from(general.netlink_buffer_size_max).max(len),
            changes,
            outcomes: Vec::new(),
            dump: None,
            dump_wanted: None,
            is_deaf: false,
            flush: None,
            deletions,
            filter: general.event_filter(),
            expectations,
            counters: Counters::default(),
        })
    }

    /// Has the poller wait for events, if they are followed.
    pub fn watch(&self, poller: &mut Poller, token: u64) -> linux::Result<()> {
        match &self.events {
            Some(events) => poller.add(events, token, Interest::Read),
            None => Ok(()),
        }
    }

    /// The filter of the configuration.
    pub const fn filter(&self) -> &EventFilter {
        &self.filter
    }

    /// What was counted.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Size of the receive buffer of the events in bytes, zero if it cannot be read.
    pub fn event_buffer_len(&self) -> usize {
        let events = self.events.as_ref();
        events.map_or(0, |events| events.receive_buffer().unwrap_or(0))
    }

    /// Whether a step is waiting that no descriptor tells of.
    pub const fn has_work(&self) -> bool {
        self.is_dumping() || self.flush.is_some()
    }

    /// Whether a flush is under way.
    pub const fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    /// Whether a dump is under way.
    pub const fn is_dumping(&self) -> bool {
        self.dump.is_some() || self.dump_wanted.is_some()
    }

    /// Has new flows told, or not. What cannot be heard again is tried in every turn.
    pub fn hear_new_flows(&mut self, new_flows: NewFlows, reports: &mut Reports) {
        let Some(events) = &self.events else { return };
        let heard = new_flows == NewFlows::Heard;
        let result = events.hear_new_flows(heard);
        self.is_deaf = heard && result.is_err();
        if let Err(error) = result {
            reports.push(Report::KernelRefused("subscribe to events", error.into()));
        }
    }

    fn listen_again(&mut self) {
        if let (true, Some(events)) = (self.is_deaf, &self.events) {
            self.is_deaf = events.hear_new_flows(true).is_err();
        }
    }

    /// Takes the events that have come, at most one turn's worth.
    pub fn take_events(
        &mut self,
        listener: &mut impl Hear,
        now: Instant,
        reports: &mut Reports,
    ) -> Drain {
        let limit = self.events_per_turn + std::mem::take(&mut self.echoes);
        let (counters, filter) = (&mut self.counters, &self.filter);
        let expectations = &mut self.expectations;
        let mut masters = Vec::new();
        let mut overrun = false;
        let Some(events) = &mut self.events else {
            return Drain::NOTHING;
        };
        let drained = events.drain(limit, |notice| match notice {
            Notice::Event(event, _) => {
                let event = event.value;
                counters.events += 1;
                match &event.object {
                    Object::Flow(flow) if filter.passes(flow) => {
                        listener.hear(now, Input::Event(event));
                    }
                    Object::Flow(_) => counters.events_filtered += 1,
                    Object::Expectation(expectation) => {
                        if !expectations.lets_through(expectation, filter) {
                            counters.events_filtered += 1;
                            return;
                        }
                        masters.extend(expectations.master_to_look_at(&event));
                        listener.hear(now, Input::Event(event));
                    }
                }
            }
            Notice::Overrun => overrun = true,
            // One event was too long for us: like a lost one, only a reading of the table helps.
            Notice::Truncated => overrun = true,
            Notice::Malformed(_) => counters.events_unknown += 1,
        });
        for master in masters {
            expectations.look_at(&master, filter, |event| {
                listener.hear(now, Input::Event(event));
            });
        }
        if overrun {
            self.overrun(listener, now, reports);
        }
        match drained {
            Ok(drained) => Drain {
                count: drained.datagrams,
                more: drained.more,
            },
            Err(error) => {
                self.counters.events_failed += 1;
                reports.push(Report::EventsFailed(error));
                Drain::NOTHING
            }
        }
    }

    /// Events are lost: the node repairs that, and a larger buffer makes it rarer.
    fn overrun(&mut self, listener: &mut impl Hear, now: Instant, reports: &mut Reports) {
        self.counters.overruns += 1;
        self.counters.events_failed += 1;
        listener.hear(now, Input::Overrun);
        let Some(events) = &mut self.events else {
            return;
        };
        reports.push(match events.grow(self.buffer_len_max) {
            Ok(Growth::Grown(len)) => Report::EventBufferDoubled(len),
            Ok(Growth::AtLimit) => Report::EventBufferAtLimit,
            Err(error) => Report::KernelRefused("grow the event buffer", error.into()),
        });
    }

    /// Begins to read tables. A reading under way is given up: the new one sees all it would.
    pub fn start_dump(
        &mut self,
        reason: DumpReason,
        tables: Tables,
        listener: &mut impl Hear,
        now: Instant,
        reports: &mut Reports,
    ) {
        match reason {
            DumpReason::Request | DumpReason::Overrun => self.counters.resyncs += 1,
            DumpReason::Startup | DumpReason::Poll | DumpReason::Bulk | DumpReason::Commit => {}
        }
        self.dump = None;
        self.dump_wanted = match reason {
            DumpReason::Commit => Some((tables, self.event_buffer_len() / EVENT_CHARGE_MIN)),
            DumpReason::Startup
            | DumpReason::Request
            | DumpReason::Overrun
            | DumpReason::Poll
            | DumpReason::Bulk => {
                self.begin_dump(tables, listener, now, reports);
                None
            }
        };
    }

    fn begin_dump(
        &mut self,
        tables: Tables,
        listener: &mut impl Hear,
        now: Instant,
        reports: &mut Reports,
    ) {
        match Reading::start(tables, true) {
            Ok(reading) => self.dump = Some(reading),
            Err(error) => {
                reports.push(Report::KernelRefused("read the table", error));
                listener.hear(now, Input::DumpDone { complete: false });
            }
        }
    }

    /// Reads one portion of a table.
    pub fn step_dump(&mut self, listener: &mut impl Hear, now: Instant, reports: &mut Reports) {
        if let Some((tables, older)) = self.dump_wanted.take() {
            let drain = self.take_events(listener, now, reports);
            let older = older.saturating_sub(drain.count);
            if drain.more && older > 0 {
                self.dump_wanted = Some((tables, older));
                return;
            }
            self.begin_dump(tables, listener, now, reports);
        }
        let Some(mut reading) = self.dump.take() else {
            return;
        };
        match self.read_portion(&mut reading, listener, now) {
            Ok(Progress::More) => {
                self.dump = Some(reading);
                return;
            }
            Ok(Progress::Finished { interrupted }) => {
                reading.complete &= !interrupted;
                match reading.next() {
                    Ok(None) => {}
                    Ok(next @ Some(_)) => {
                        self.dump = next;
                        return;
                    }
                    Err(error) => {
                        reports.push(Report::KernelRefused("read the table", error));
                        reading.complete = false;
                    }
                }
            }
            Err(error) => {
                reports.push(Report::KernelRefused("read the table", error));
                reading.complete = false;
            }
        }
        let complete = reading.complete;
        listener.hear(now, Input::DumpDone { complete });
    }

    fn read_portion(
        &mut self,
        reading: &mut Reading,
        listener: &mut impl Hear,
        now: Instant,
    ) -> table::Result<Progress> {
        let (counters, filter) = (&mut self.counters, &self.filter);
        let expectations = &mut self.expectations;
        let complete = &mut reading.complete;
        reading.dump.read(|entry| {
            let object = entry.and_then(|message| message.object());
            match object.map(|decoded| decoded.value) {
                Ok(Object::Flow(flow)) => {
                    if filter.passes(&flow) {
                        listener.hear(now, Input::Dumped(Object::Flow(flow)));
                    }
                }
                Ok(Object::Expectation(expectation)) => {
                    if expectations.lets_through(&expectation, filter) {
                        listener.hear(now, Input::Dumped(Object::Expectation(expectation)));
                    }
                }
                Err(_) => {
                    counters.dump_unknown += 1;
                    *complete = false;
                }
            }
        })
    }

    /// Adds a change that the node wants, and carries out a full run of them.
    pub fn change(&mut self, op: OpId, action: &KernelOp<'_>) {
        let id = Some(op);
        let key = |it: &Expectation<'_>| ExpectationKey::of(it);
        let pushed = match action {
            KernelOp::Create(flow) => self.changes.push(&Request::Create(flow), id),
            KernelOp::Update(flow) => self.changes.push(&Request::Update(flow), id),
            KernelOp::Delete(flow) => self
                .changes
                .push(&Request::Delete(&FlowKey::original(flow)), id),
            KernelOp::CreateExpectation(it) => {
                self.changes.push(&Request::CreateExpectation(it), id)
            }
            KernelOp::DeleteExpectation(it) => {
                self.changes.push(&Request::DeleteExpectation(&key(it)), id)
            }
        };
        if let Err(error) = pushed {
            // Keeps the order of outcomes: what was pushed before is answered before.
            self.carry_out();
            self.outcomes.push((op, Some(refusal(error.errno()))));
            return;
        }
        if self.changes.is_full() {
            self.carry_out();
        }
        if let KernelOp::CreateExpectation(it) = action {
            self.set_timeout(it);
        }
    }

    /// The kernel gives a new expectation the life that its helper's policy says
    /// (`nf_ct_expect_insert`), and takes ours from a change only (`ctnetlink_change_expect`).
    fn set_timeout(&mut self, expectation: &Expectation<'_>) {
        // What was expressed once can be expressed again.
        let _ = self
            .changes
            .push(&Request::CreateOrUpdateExpectation(expectation), None);
        if self.changes.is_full() {
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        self.echoes += self.changes.len() * ECHOES_PER_CHANGE;
        let outcomes = &mut self.outcomes;
        self.changes.flush(|op, outcome| {
            if let Some(op) = op {
                outcomes.push((op, outcome.err().map(|error| refusal(error.errno))));
            }
        });
    }

    /// Carries out what is left and tells the node how its changes ended.
    pub fn settle(&mut self, node: &mut Node, now: Instant) {
        self.listen_again();
        self.carry_out();
        let last = self.outcomes.last().map(|(op, _)| *op);
        for (op, refusal) in self.outcomes.drain(..) {
            if let Some(refusal) = refusal {
                node.handle(now, Input::OpRefused { op, refusal });
            }
        }
        if let Some(through) = last {
            node.handle(now, Input::OpsDone { through });
        }
    }
}

impl Reading {
    /// Begins with the first of some tables.
    fn start(tables: Tables, complete: bool) -> table::Result<Self> {
        let (dump, rest) = match tables {
            Tables::Flows => (dump_whole_table()?, None),
            Tables::All => (dump_whole_table()?, Some(Tables::Expectations)),
            Tables::Expectations => (Dump::start(&Query::Expectations(None))?, None),
        };
        Ok(Self {
            dump,
            rest,
            complete,
        })
    }

    /// The reading of what is left; `None` if nothing is.
    fn next(&self) -> table::Result<Option<Self>> {
        let rest = self.rest.map(|rest| Self::start(rest, self.complete));
        rest.transpose()
    }
}

/// Subscribes to the events; also gives the size of the receive buffer.
fn subscribe(
    general: &General,
    expectations: &Expectations,
    origins: Origins,
    reports: &mut Reports,
) -> table::Result<(Events, usize)> {
    let configured = general.netlink_buffer().map(usize_from);
    let watch = Watch {
        receive_buffer: Some(configured.unwrap_or(EVENT_BUFFER_LEN)),
        reliable: general.event_delivery == EventDelivery::Reliable,
        expectations_new: expectations.are_on(),
        expectations_update: expectations.are_on(),
        expectations_destroy: expectations.are_on(),
        ..Watch::FLOWS
    };
    let mut events = Events::open(&watch, origins)?;
    if watch.reliable {
        reports.push(Report::ReliableEvents);
    }
    if let Some(filter) = &general.filter {
        filter_events(filter, &mut events, reports);
    }
    let len = events.receive_buffer()?;
    if configured.is_none() && general.netlink_buffer_size > 0 {
        reports.push(Report::EventBufferIgnored);
    }
    reports.push(Report::EventBuffer(len));
    Ok((events, len))
}

/// Has the kernel filter events, if that is wanted. We judge them again in any case, with the same
/// verdict, so that nothing depends on it (compat: conf-9).
fn filter_events(filter: &Filter, events: &mut Events, reports: &mut Reports) {
    reports.push(match filter.place {
        FilterPlace::Userspace => Report::Filtering(FilterPlace::Userspace),
        FilterPlace::Kernelspace => match events.set_filter(filter.to_event_filter()) {
            Ok(Filtering::InKernel) => Report::Filtering(FilterPlace::Kernelspace),
            Ok(Filtering::ByReader) => Report::FilterTooLong,
            Err(error) => Report::FilterRefused(error),
        },
    });
}

/// Begins to read the whole table of flows.
pub fn dump_whole_table() -> table::Result<Dump> {
    Dump::start(&Query::Flows(DumpKind::Table, &KernelFilter::default()))
}
