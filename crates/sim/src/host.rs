//! One firewall: a kernel, a daemon's node, and what the daemon has in hand.
//!
//! The loop around the node is in [`world`](crate::world); here are its pieces of state.

use std::collections::VecDeque;
use std::time::Duration;

use ctsync::{
    ChannelConfig, ChannelId, Config, DumpReason, Instant, KernelOp, Node, OpId, Seq, Tables,
};
use flow::{Expectation, Flow, Helper, Name, Object};

use crate::kernel::{Cursor, FUNCTIONS, HELPERS, Kernel};
use crate::network::{LINKS_MAX, PerLink};
use crate::scenario::Scenario;

/// One of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostId {
    /// The first primary.
    A,
    /// The first backup.
    B,
    /// A third one on the same network.
    C,
    /// A fourth.
    D,
}

impl HostId {
    /// All there can be.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// The hosts of a world with so many of them.
    pub fn first(count: usize) -> &'static [Self] {
        Self::ALL.get(..count).unwrap_or(&Self::ALL)
    }
}

/// One value for each host.
#[derive(Clone, Debug, Default)]
pub struct PerHost<T>([T; 4]);

impl<T> PerHost<T> {
    /// A value for each.
    pub fn from_fn(value: impl FnMut(HostId) -> T) -> Self {
        Self(HostId::ALL.map(value))
    }

    /// The value of a host.
    pub const fn get(&self, host: HostId) -> &T {
        let [a, b, c, d] = &self.0;
        match host {
            HostId::A => a,
            HostId::B => b,
            HostId::C => c,
            HostId::D => d,
        }
    }

    /// The value of a host, to change it.
    pub const fn get_mut(&mut self, host: HostId) -> &mut T {
        let [a, b, c, d] = &mut self.0;
        match host {
            HostId::A => a,
            HostId::B => b,
            HostId::C => c,
            HostId::D => d,
        }
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A flow that must not be there.
    Create,
    /// A flow that must be there.
    Update,
    /// A flow goes.
    Delete,
}

/// A kernel operation on its way.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name.
    pub op: OpId,
    /// What it does.
    pub verb: Verb,
    /// The flow or the expectation.
    pub object: Object<'static>,
    /// The node named a helper that no flow ever had.
    pub unheard_of_helper: bool,
}

impl Operation {
    /// Takes an operation out of the node.
    pub fn new(op: OpId, action: &KernelOp<'_>) -> Self {
        let (verb, (object, unheard_of_helper)) = match action {
            KernelOp::Create(flow) => (Verb::Create, own(flow)),
            KernelOp::Update(flow) => (Verb::Update, own(flow)),
            KernelOp::Delete(flow) => (Verb::Delete, own(flow)),
            KernelOp::CreateExpectation(it) => (Verb::Create, own_expectation(it)),
            KernelOp::DeleteExpectation(it) => (Verb::Delete, own_expectation(it)),
        };
        Self {
            op,
            verb,
            object,
            unheard_of_helper,
        }
    }

    /// The flow that is written.
    pub fn written(&self) -> Option<&Flow<'static>> {
        self.flow().filter(|_| self.verb != Verb::Delete)
    }

    /// The flow that it is about.
    pub const fn flow(&self) -> Option<&Flow<'static>> {
        match &self.object {
            Object::Flow(flow) => Some(flow),
            Object::Expectation(_) => None,
        }
    }
}

/// The name of this world's own that is equal.
fn known(name: Name<'_>, names: &[&'static str]) -> Option<Name<'static>> {
    let mut names = names.iter();
    let known = names.find(|known| known.as_bytes() == name.as_bytes());
    known.map(|name| Name::new(name.as_bytes()))
}

fn own(flow: &Flow<'_>) -> (Object<'static>, bool) {
    let helper = flow.helper.and_then(|helper| known(helper.name, &HELPERS));
    let own = Flow {
        reply: flow.reply,
        status: flow.status,
        timeout: flow.timeout,
        protoinfo: flow.protoinfo,
        mark: flow.mark,
        zone: flow.zone,
        labels: flow.labels,
        nat_src: flow.nat_src.clone(),
        nat_dst: flow.nat_dst.clone(),
        seq_adj: flow.seq_adj,
        synproxy: flow.synproxy,
        helper: helper.map(|name| Helper { name, info: None }),
        master: flow.master,
        ..Flow::new(flow.orig)
    };
    let unheard_of = flow.helper.is_some() && helper.is_none();
    (Object::Flow(own), unheard_of)
}

/// Takes an expectation out of the node; whether it has a name that nobody has.
pub(crate) fn own_expectation(it: &Expectation<'_>) -> (Object<'static>, bool) {
    let helper = it.helper.and_then(|name| known(name, &HELPERS));
    let function = it.function.and_then(|name| known(name, &FUNCTIONS));
    let own = Expectation {
        mask: it.mask,
        timeout: it.timeout,
        zone: it.zone,
        flags: it.flags,
        class: it.class,
        nat: it.nat,
        helper,
        function,
        ..Expectation::new(it.master, it.tuple)
    };
    let unheard_of =
        it.helper.is_some() != helper.is_some() || it.function.is_some() != function.is_some();
    (Object::Expectation(own), unheard_of)
}

/// A dump in progress.
#[derive(Clone, Copy, Debug)]
pub struct Dump {
    /// Why.
    pub reason: DumpReason,
    /// Of what.
    pub tables: Tables,
    /// Where it has got to.
    pub cursor: Cursor,
    /// The table's generation at its start.
    pub generation: u64,
}

/// One firewall.
#[derive(Debug)]
pub struct Host {
    /// Its connection tracking table.
    pub kernel: Kernel,
    /// Its daemon, unless that is down.
    pub node: Option<Node>,
    /// Counts the daemon's lives; wake-ups of an earlier life are void.
    pub life: u32,
    /// Dumps asked for; the first is in progress.
    pub dumps: VecDeque<Dump>,
    /// Kernel operations not carried out yet.
    pub operations: VecDeque<Operation>,
    /// The batch whose outcome was not delivered yet.
    pub outcomes_due: bool,
    /// Whether a batch is scheduled.
    pub batch_due: bool,
    /// Whether reading events is scheduled.
    pub events_due: bool,
    /// Links that take no datagrams, as the node was told.
    pub blocked: PerLink<bool>,
    /// Links without a carrier, as the node was told.
    pub down: PerLink<bool>,
    /// When the node wants to be woken, as scheduled.
    pub wake_at: Option<Instant>,
    /// When something in the kernel runs out, as scheduled.
    pub expire_at: Option<Instant>,
}

impl Host {
    /// A host whose daemon is down.
    pub const fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            node: None,
            life: 0,
            dumps: VecDeque::new(),
            operations: VecDeque::new(),
            outcomes_due: false,
            batch_due: false,
            events_due: false,
            blocked: [false; LINKS_MAX],
            down: [false; LINKS_MAX],
            wake_at: None,
            expire_at: None,
        }
    }

    /// Starts the daemon.
    pub fn start(&mut self, config: Config, now: Instant) {
        self.stop();
        self.kernel.listen(config.poll.is_none());
        self.node = Some(Node::new(config, now));
    }

    /// The daemon dies, and all it had in hand with it.
    pub fn stop(&mut self) {
        self.kernel.listen(false);
        self.node = None;
        self.life += 1;
        self.dumps.clear();
        self.operations.clear();
        self.outcomes_due = false;
        self.batch_due = false;
        self.events_due = false;
        self.blocked = [false; LINKS_MAX];
        self.down = [false; LINKS_MAX];
        self.wake_at = None;
    }
}

/// The configuration of a node that starts now.
pub fn config(scenario: &Scenario, host: HostId, now: Instant) -> Config {
    let node = &scenario.node;
    let seconds = u32::try_from(now.seconds()).unwrap_or(u32::MAX);
    let channel = ChannelConfig {
        payload_len_max: node.payload_len_max,
    };
    Config {
        internal_cache: node.internal_cache,
        external_cache: node.external_cache,
        channels: vec![channel; scenario.links],
        initial_channel: ChannelId(0),
        cache_len_max: node.cache_len_max,
        commit_timeout: node.commit_timeout,
        purge_timeout: Duration::from_secs(2),
        startup_resync: node.startup_resync,
        tcp_window_tracking: node.tcp_window_tracking,
        expectations: node.expectations,
        overrun_resync: node.overrun_resync,
        poll: node.poll,
        commit_unheard_min: node.commit_unheard_min,
        first_seq: Seq(node.wall_clock.wrapping_add(seconds)),
        hash_key: [1, 2],
        random_seed: host as u64,
        ..Config::new(node.mode)
    }
}
