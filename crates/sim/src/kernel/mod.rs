//! A connection tracking table as ctnetlink shows it.
//!
//! Events wait in a queue that overruns, dumps are cut into steps while the table changes, creation
//! is exclusive and picky, deletion is by original tuple. What events leave out follows Linux 6.18.
//! A flow whose helper is not known here is refused, as is one whose master is missing. A flow ends when
//! its timeout has run out; until then, reports name what is left of it.

mod expectations;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ctsync::{Instant, Refusal};
use flow::{
    Addrs, Event, EventKind, Flow, Helper, L4, Name, NatRange, Object, Origin, PerDir, Ports,
    ProtoInfo, Status, Tuple,
};

use crate::essence::Key;
use expectations::Expectations;
pub use expectations::{Created, ExpectChange, ExpectKey, FUNCTIONS};

/// Helpers with which flows are made; the last one has a name too long for the wire.
pub const HELPERS: [&str; 4] = ["ftp", "sip", "rpc", "netbios-name-svc"];

/// One change of the table, as its event reports it and as it truly was.
#[derive(Clone, Debug)]
pub struct Change {
    /// New, update or destroy.
    pub kind: EventKind,
    /// Who did it.
    pub origin: Origin,
    /// The flow's identity.
    pub key: Key,
    /// The flow after the change (before it, for destroy).
    pub flow: Flow<'static>,
}

/// Place in the table's order, which is that of a hash.
type Place = (u64, Key);

/// Where a dump has got to; `None` at its start.
pub type Cursor = Option<Place>;

/// The table of one host.
#[derive(Debug)]
pub struct Kernel {
    table: BTreeMap<Place, Flow<'static>>,
    /// Reply tuples in use: two flows cannot share one.
    replies: BTreeMap<(Tuple, u16), Key>,
    /// When each flow ends by itself.
    ends: BTreeMap<Key, Instant>,
    by_end: BTreeSet<(Instant, Key)>,
    expectations: Expectations,
    /// Flows whose packets do not pass here: the daemon has made them for a peer.
    foreign: BTreeSet<Key>,
    /// The time, as of the last look at the clock.
    pub now: Instant,
    events: VecDeque<Event<'static>>,
    events_len_max: usize,
    listening: bool,
    /// New flows are not told of.
    deaf_to_new: bool,
    overrun: bool,
    len_max: usize,
    generation: u64,
    next_id: u32,
    /// Helper that this kernel lacks.
    pub missing_helper: Option<&'static str>,
    hash_seed: u64,
}

impl Kernel {
    /// An empty table to which nobody listens.
    pub const fn new(len_max: usize, events_len_max: usize, hash_seed: u64) -> Self {
        Self {
            table: BTreeMap::new(),
            replies: BTreeMap::new(),
            ends: BTreeMap::new(),
            by_end: BTreeSet::new(),
            expectations: Expectations::new(),
            foreign: BTreeSet::new(),
            now: Instant(0),
            events: VecDeque::new(),
            events_len_max,
            listening: false,
            deaf_to_new: false,
            overrun: false,
            len_max,
            generation: 0,
            next_id: 1,
            missing_helper: None,
            hash_seed,
        }
    }

    /// Opens (empty) or closes the event queue.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
        self.deaf_to_new = false;
        self.events.clear();
        self.overrun = false;
    }

    /// Joins the group of new flows, or leaves it (`NFNLGRP_CONNTRACK_NEW`); what waits stays.
    pub const fn tell_new(&mut self, told: bool) {
        self.deaf_to_new = !told;
    }

    /// Adds a flow that is not there yet; `false` if it or its reply is.
    pub fn insert(&mut self, mut flow: Flow<'static>, origin: Origin) -> Option<Change> {
        let key = Key::of(&flow);
        let reply = flow.reply.map(|reply| (reply, key.zone))?;
        if self.get(&key).is_some() || self.replies.contains_key(&reply) {
            return None;
        }
        flow.id = Some(self.next_id);
        self.next_id += 1;
        self.replies.insert(reply, key);
        self.table.insert(self.place(key), flow.clone());
        self.set_end(key, flow.timeout);
        if origin == Origin::Inject {
            self.foreign.insert(key);
        }
        Some(self.announce(EventKind::New, origin, key, flow))
    }

    /// Changes a flow that is there.
    pub fn update(
        &mut self,
        key: &Key,
        origin: Origin,
        change: impl FnOnce(&mut Flow<'static>),
    ) -> Option<Change> {
        let place = self.place(*key);
        let flow = self.table.get_mut(&place)?;
        let labels = flow.labels;
        change(flow);
        let flow = flow.clone();
        self.set_end(*key, flow.timeout);
        let mut said = reported(EventKind::Update, origin, &flow);
        if labels != flow.labels {
            said.labels = flow.labels;
        }
        self.enqueue(EventKind::Update, origin, said);
        Some(Change {
            kind: EventKind::Update,
            origin,
            key: *key,
            flow,
        })
    }

    /// Removes a flow.
    pub fn remove(&mut self, key: &Key, origin: Origin) -> Option<Change> {
        let flow = self.table.remove(&self.place(*key))?;
        if let Some(reply) = flow.reply {
            self.replies.remove(&(reply, key.zone));
        }
        let flow = self.aged(key, flow);
        self.set_end(*key, None);
        self.foreign.remove(key);
        let change = self.announce(EventKind::Destroy, origin, *key, flow);
        self.remove_orphans(key);
        Some(change)
    }

    /// `IPCTNL_MSG_CT_NEW` with `NLM_F_CREATE | NLM_F_EXCL`.
    pub fn create(&mut self, request: &Flow<'_>, origin: Origin) -> Result<Change, Refusal> {
        let flow = self.accept(request)?;
        if self.table.len() >= self.len_max {
            return Err(Refusal::Full);
        }
        self.insert(flow, origin).ok_or(Refusal::Exists)
    }

    /// `IPCTNL_MSG_CT_NEW` without `NLM_F_CREATE`: changes what may change of a flow that exists
    /// (`ctnetlink_change_conntrack`).
    pub fn change(&mut self, request: &Flow<'_>, origin: Origin) -> Result<Change, Refusal> {
        let key = Key::of(request);
        let known = self.get(&key).ok_or(Refusal::NotFound)?;
        if request.nat_src.is_some() || request.nat_dst.is_some() || request.master.is_some() {
            return Err(Refusal::Unsupported);
        }
        let helper = self.helper(request)?;
        let known_helper = known.helper.map(|helper| helper.name);
        if helper.is_some_and(|helper| Some(helper.name) != known_helper) {
            // A confirmed flow gets no helper (`ctnetlink_change_helper`).
            return Err(Refusal::Unsupported);
        }
        let status = changed_status(known.status.unwrap_or_default(), request.status)?;
        let request = Flow {
            helper: None,
            nat_src: None,
            nat_dst: None,
            ..request.clone()
        };
        let (timeout, mark) = (request.timeout, request.mark);
        let (labels, info) = (request.labels, request.protoinfo);
        let (seq_adj, synproxy) = (request.seq_adj, request.synproxy);
        let change = self.update(&key, origin, |flow| {
            flow.status = Some(status);
            flow.timeout = timeout.or(flow.timeout);
            flow.mark = mark.or(flow.mark);
            flow.labels = labels.or(flow.labels);
            flow.protoinfo = info.or(flow.protoinfo);
            if seq_adj.both().is_some() {
                flow.seq_adj = seq_adj;
            }
            flow.synproxy = synproxy.or(flow.synproxy);
        });
        change.ok_or(Refusal::NotFound)
    }

    /// `IPCTNL_MSG_CT_DELETE` with an original tuple.
    pub fn delete(&mut self, request: &Flow<'_>, origin: Origin) -> Result<Change, Refusal> {
        self.remove(&Key::of(request), origin)
            .ok_or(Refusal::NotFound)
    }

    /// Next steps of a dump: up to `count` flows and where to go on, `None` at the end.
    pub fn dump(&self, from: Cursor, count: usize) -> (Vec<Flow<'static>>, Cursor) {
        let rest = |place: &Place| from.is_none_or(|from| *place > from);
        let mut step = self
            .table
            .iter()
            .filter(|(place, _)| rest(place))
            .take(count + 1);
        let flows: Vec<_> = step.by_ref().take(count).collect();
        let last = flows.last().map(|(place, _)| **place);
        let more = step.next().is_some();
        let flows = flows.into_iter();
        let flows = flows.map(|((_, key), flow)| self.aged(key, flow.clone()));
        let flows = flows.collect();
        (flows, last.filter(|_| more))
    }

    /// The oldest unread events, at most `count`.
    pub fn read_events(&mut self, count: usize) -> Vec<Event<'static>> {
        let count = count.min(self.events.len());
        self.events.drain(..count).collect()
    }

    /// Whether events were dropped since this was asked last.
    pub const fn take_overrun(&mut self) -> bool {
        std::mem::replace(&mut self.overrun, false)
    }

    /// Whether events or an overrun wait.
    pub fn has_events(&self) -> bool {
        self.overrun || !self.events.is_empty()
    }

    /// The flow of a key.
    pub fn get(&self, key: &Key) -> Option<&Flow<'static>> {
        self.table.get(&self.place(*key))
    }

    /// Who has this reply tuple.
    fn holder(&self, reply: &Tuple, zone: u16) -> Option<&Key> {
        self.replies.get(&(*reply, zone))
    }

    /// Another flow that has the reply tuple which this request asks for.
    pub fn rival(&self, request: &Flow<'_>) -> Option<Key> {
        let key = Key::of(request);
        let reply = self.accept(request).ok()?.reply?;
        let holder = self.holder(&reply, key.zone).copied();
        holder.filter(|holder| *holder != key)
    }

    /// All flows, in the order of the table.
    pub fn flows(&self) -> impl Iterator<Item = (&Key, &Flow<'static>)> {
        self.table.iter().map(|((_, key), flow)| (key, flow))
    }

    /// The flows whose packets pass here.
    pub fn own_flows(&self) -> impl Iterator<Item = (&Key, &Flow<'static>)> {
        self.flows().filter(|(key, _)| !self.foreign.contains(*key))
    }

    /// Number of flows.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How often the table's membership has changed.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the next flow or expectation ends by itself.
    pub fn next_end(&self) -> Option<Instant> {
        let flow = self.by_end.first().map(|(at, _)| *at);
        flow.into_iter().chain(self.expectations.next_end()).min()
    }

    /// When a flow ends by itself.
    pub fn end_of(&self, key: &Key) -> Option<Instant> {
        self.ends.get(key).copied()
    }

    /// Removes what has outlived its timeout.
    pub fn expire(&mut self) -> Vec<Change> {
        let due = |(at, _): &&(Instant, Key)| *at <= self.now;
        let keys: Vec<Key> = self.by_end.iter().take_while(due).map(|it| it.1).collect();
        let changes = keys.iter();
        changes
            .filter_map(|key| self.remove(key, Origin::Traffic))
            .collect()
    }

    fn set_end(&mut self, key: Key, timeout: Option<u32>) {
        if let Some(end) = self.ends.remove(&key) {
            self.by_end.remove(&(end, key));
        }
        if let Some(timeout) = timeout {
            let end = self.now + Duration::from_secs(timeout.into());
            self.ends.insert(key, end);
            self.by_end.insert((end, key));
        }
    }

    /// A flow with what is left of its timeout.
    fn aged(&self, key: &Key, flow: Flow<'static>) -> Flow<'static> {
        let left = self.end_of(key).map(|end| end.since(self.now).as_secs());
        Flow {
            timeout: left.map(|left| u32::try_from(left).unwrap_or(u32::MAX)),
            ..flow
        }
    }

    fn place(&self, key: Key) -> Place {
        (hash(self.hash_seed, &key), key)
    }

    fn announce(
        &mut self,
        kind: EventKind,
        origin: Origin,
        key: Key,
        flow: Flow<'static>,
    ) -> Change {
        self.generation += 1;
        self.enqueue(kind, origin, reported(kind, origin, &flow));
        Change {
            kind,
            origin,
            key,
            flow,
        }
    }

    /// Queues an event, or drops it when the queue is full.
    fn enqueue(&mut self, kind: EventKind, origin: Origin, flow: Flow<'static>) {
        self.report(Event {
            kind,
            origin,
            object: Object::Flow(flow),
        });
    }

    fn report(&mut self, event: Event<'static>) {
        let is_new_flow = event.kind == EventKind::New && matches!(event.object, Object::Flow(_));
        if self.deaf_to_new && is_new_flow {
            return;
        }
        if self.listening && self.events.len() >= self.events_len_max {
            self.overrun = true;
        } else if self.listening {
            self.events.push_back(event);
        }
    }

    /// What the kernel makes of a request to create a flow (`ctnetlink_create_conntrack`).
    fn accept(&self, request: &Flow<'_>) -> Result<Flow<'static>, Refusal> {
        const EBUSY: i32 = 16;
        let mirrored = request.reply.ok_or(Refusal::Invalid)?;
        if request.timeout.is_none() || request.orig.family() != mirrored.family() {
            return Err(Refusal::Invalid);
        }
        let status = request.status.unwrap_or(Status::CONFIRMED);
        // `__ctnetlink_change_status`: these cannot be changed.
        if !status.contains(Status::CONFIRMED)
            || status.intersects(Status::EXPECTED | Status::DYING)
        {
            return Err(Refusal::Other(EBUSY));
        }
        let helper = self.helper(request)?;
        if request
            .master
            .is_some_and(|master| self.get(&Key::new(&master, request.zone)).is_none())
        {
            return Err(Refusal::NotFound);
        }
        let reply = translate(mirrored, request.nat_src.as_ref(), request.nat_dst.as_ref());
        Ok(Flow {
            reply: Some(reply),
            status: Some(created_status(request, status, reply)),
            timeout: request.timeout,
            protoinfo: request.protoinfo,
            // `ctnetlink` reports what it was asked to set, and zeros for what it was not.
            mark: request.mark,
            zone: request.zone,
            labels: request.labels,
            seq_adj: request.seq_adj,
            synproxy: Some(request.synproxy.unwrap_or_default()),
            helper,
            master: request.master,
            ..Flow::new(request.orig)
        })
    }

    fn helper(&self, request: &Flow<'_>) -> Result<Option<Helper<'static>>, Refusal> {
        let Some(helper) = request.helper else {
            return Ok(None);
        };
        let name = HELPERS
            .into_iter()
            .filter(|name| Some(*name) != self.missing_helper)
            .find(|name| name.as_bytes() == helper.name.as_bytes())
            .ok_or(Refusal::Unsupported)?;
        Ok(Some(Helper {
            name: Name::new(name.as_bytes()),
            info: None,
        }))
    }
}

/// `ctnetlink_change_status`: some bits never change, others never go.
fn changed_status(known: Status, asked: Option<Status>) -> Result<Status, Refusal> {
    const EBUSY: i32 = 16;
    let Some(asked) = asked else { return Ok(known) };
    let changes = |bits: Status| known & bits != asked & bits;
    if changes(Status::EXPECTED | Status::CONFIRMED | Status::DYING) {
        return Err(Refusal::Other(EBUSY));
    }
    let kept = Status::SEEN_REPLY | Status::ASSURED;
    let lost = |bit: Status| known.contains(bit) && !asked.contains(bit);
    if lost(Status::SEEN_REPLY) || lost(Status::ASSURED) {
        return Err(Refusal::Other(EBUSY));
    }
    Ok(known | (asked & (kept | Status::FIXED_TIMEOUT)))
}

fn created_status(request: &Flow<'_>, asked: Status, reply: Tuple) -> Status {
    let kept = Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED | Status::FIXED_TIMEOUT;
    let mut status = asked & kept;
    if request.nat_src.is_some() || request.nat_dst.is_some() {
        status = status | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        if request
            .reply
            .is_some_and(|mirrored| mirrored.addrs.dst() != reply.addrs.dst())
        {
            status = status | Status::SRC_NAT;
        }
        if request
            .reply
            .is_some_and(|mirrored| mirrored.addrs.src() != reply.addrs.src())
        {
            status = status | Status::DST_NAT;
        }
    }
    if request.seq_adj.both().is_some() {
        status = status | Status::SEQ_ADJUST;
    }
    if request.master.is_some() {
        status = status | Status::EXPECTED;
    }
    status
}

/// The reply tuple after translation: its destination is the new source, and the reverse.
fn translate(reply: Tuple, src: Option<&NatRange>, dst: Option<&NatRange>) -> Tuple {
    let addr = |range: Option<&NatRange>, old: IpAddr| {
        range
            .and_then(|range| range.addr.as_ref())
            .map_or(old, |addr| *addr.start())
    };
    let port = |range: Option<&NatRange>, old: u16| {
        range
            .and_then(|range| range.port.as_ref())
            .map_or(old, |port| *port.start())
    };
    let (new_src, new_dst) = (addr(dst, reply.addrs.src()), addr(src, reply.addrs.dst()));
    let ports = |old: Ports| Ports {
        src: port(dst, old.src),
        dst: port(src, old.dst),
    };
    let l4 = match reply.l4 {
        L4::Tcp(old) => L4::Tcp(ports(old)),
        L4::Udp(old) => L4::Udp(ports(old)),
        other => other,
    };
    Tuple::new(Addrs::new(new_src, new_dst).unwrap_or(reply.addrs), l4)
}

/// What an event says of a flow.
fn reported(kind: EventKind, origin: Origin, flow: &Flow<'static>) -> Flow<'static> {
    let mut said = flow.clone();
    let by_request = !matches!(origin, Origin::Traffic);
    match kind {
        EventKind::New => {
            if !by_request {
                said.seq_adj = PerDir::default();
            }
        }
        EventKind::Update => {
            if !by_request {
                said.master = None;
                said.labels = None;
            }
        }
        EventKind::Destroy => {
            said.status = said.status.map(|status| status | Status::DYING);
            said.helper = None;
            said.master = None;
            said.labels = None;
            said.seq_adj = PerDir::default();
            said.synproxy = None;
            forget_handshake(&mut said);
        }
    }
    said
}

/// Destroy events have the state, but neither window scales nor verification tags.
fn forget_handshake(flow: &mut Flow<'static>) {
    match &mut flow.protoinfo {
        Some(ProtoInfo::Tcp(tcp)) => tcp.wscale = PerDir::default(),
        Some(ProtoInfo::Sctp(sctp)) => sctp.vtag = PerDir::default(),
        Some(ProtoInfo::Dccp(_)) | None => {}
    }
}

/// FNV-1a over the key: equal on every machine.
fn hash(seed: u64, key: &Key) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = crate::trace::Fnv::new(seed);
    key.hash(&mut hasher);
    hasher.finish()
}
