//! One firewall: a kernel, a daemon's node, and what the daemon has in hand.
//!
//! The loop around the node is in [`world`](crate::world); here are its pieces of state.

use std::collections::VecDeque;

use ctsync::{ChannelConfig, Config, DumpReason, Instant, KernelOp, ModeConfig, Node, OpId, Seq};
use flow::{Flow, Helper, Name};

use crate::kernel::{Cursor, HELPERS, Kernel};
use crate::scenario::{NodeSettings, Scenario};

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostId {
    /// The first primary.
    A,
    /// The first backup.
    B,
}

impl HostId {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    pub const fn peer(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One value for each host.
#[derive(Clone, Debug, Default)]
pub struct PerHost<T> {
    a: T,
    b: T,
}

impl<T> PerHost<T> {
    /// Two values.
    pub const fn new(a: T, b: T) -> Self {
        Self { a, b }
    }

    /// The value of a host.
    pub const fn get(&self, host: HostId) -> &T {
        match host {
            HostId::A => &self.a,
            HostId::B => &self.b,
        }
    }

    /// The value of a host, to change it.
    pub const fn get_mut(&mut self, host: HostId) -> &mut T {
        match host {
            HostId::A => &mut self.a,
            HostId::B => &mut self.b,
        }
    }
}

/// A kernel operation on its way.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name.
    pub op: OpId,
    /// Create (else delete).
    pub create: bool,
    /// The flow.
    pub flow: Flow<'static>,
    /// The node named a helper that no flow ever had.
    pub unheard_of_helper: bool,
}

impl Operation {
    /// Takes an operation out of the node.
    pub fn new(op: OpId, action: &KernelOp<'_>) -> Self {
        let (create, flow) = match action {
            KernelOp::Create(flow) => (true, flow),
            KernelOp::Delete(flow) => (false, flow),
        };
        let helper = flow.helper.map(|helper| helper.name.as_bytes());
        let known = helper
            .and_then(|name| HELPERS.into_iter().find(|known| known.as_bytes() == name))
            .map(|name| Helper {
                name: Name::new(name.as_bytes()),
                info: None,
            });
        Self {
            op,
            create,
            unheard_of_helper: helper.is_some() && known.is_none(),
            flow: own(flow, known),
        }
    }
}

fn own(flow: &Flow<'_>, helper: Option<Helper<'static>>) -> Flow<'static> {
    Flow {
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
        helper,
        master: flow.master,
        ..Flow::new(flow.orig)
    }
}

/// A dump in progress.
#[derive(Clone, Copy, Debug)]
pub struct Dump {
    /// Why.
    pub reason: DumpReason,
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
    /// Whether the link takes no datagrams.
    pub blocked: bool,
    /// When the node wants to be woken, as scheduled.
    pub wake_at: Option<Instant>,
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
            blocked: false,
            wake_at: None,
        }
    }

    /// Starts the daemon.
    pub fn start(&mut self, config: Config, now: Instant) {
        self.stop();
        self.kernel.listen(true);
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
        self.blocked = false;
        self.wake_at = None;
    }
}

/// The configuration of a node that starts now.
pub fn config(scenario: &Scenario, now: Instant) -> Config {
    let NodeSettings {
        resend_queue_len_max,
        ack_window,
        payload_len_max,
        cache_len_max,
        commit_timeout,
        startup_resync,
        tcp_window_tracking,
        overrun_resync,
        wall_clock,
    } = scenario.node;
    let seconds = u32::try_from(now.seconds()).unwrap_or(u32::MAX);
    Config {
        mode: ModeConfig::Ftfw {
            resend_queue_len_max,
            ack_window,
        },
        channels: vec![ChannelConfig { payload_len_max }],
        cache_len_max,
        commit_timeout,
        purge_timeout: std::time::Duration::from_secs(2),
        startup_resync,
        tcp_window_tracking,
        overrun_resync,
        first_seq: Seq(wall_clock.wrapping_add(seconds)),
        hash_key: [1, 2],
    }
}
