//! The node and what surrounds it: the kernel on one side, the link on the other.
//!
//! The only place where the replication core meets Linux. What the node wants done is carried out
//! here; whatever takes long is begun here and goes on in steps.

use std::time::Duration;

use ctsync::config::{ExternalCache, InternalCache};
use ctsync::{
    Config, DumpReason, Input, Instant, ModeConfig, Node, Notice, Output, Refusal, Tables,
};
use linux::poller::Poller;

use crate::config::model::{General, Sync};
use crate::daemon::StartError;
use crate::daemon::expectations::Expectations;
use crate::daemon::kernel::Kernel;
use crate::daemon::link::LinkReport;
use crate::daemon::links::Links;
use crate::daemon::node_config::node_config;
use crate::daemon::refusal::{Fullness, reason};
use crate::daemon::report::{Report, Reports};
use crate::dump_text::line;

/// Poller tokens of the descriptors here.
pub const EVENTS: u64 = 1;

/// A replicating node with its surroundings.
pub struct Replication {
    /// The replication core.
    pub node: Node,
    /// The kernel's table.
    pub kernel: Kernel,
    /// The dedicated links.
    pub links: Links,
    /// How flows are kept here.
    pub keeping: Keeping,
    /// Whether expectations are replicated, too.
    pub has_expectations: bool,
    /// Whether the kernel's table was said to be full.
    fullness: Fullness,
    /// The last drain left something behind.
    more: bool,
}

/// Commits that have ended or were refused, for the clients that wait for them.
pub type Commits = Vec<(ctsync::ClientId, ctsync::CommitReport)>;

/// How flows are kept, which decides what can be shown of them.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// Those of our kernel.
    pub internal: InternalCache,
    /// Those of the peer.
    pub external: ExternalCache,
    /// How long those of the peer are kept without being told again (ALARM).
    pub life: Option<Duration>,
    /// Messages wait in a queue for their acknowledgement (FT-FW).
    pub resends: bool,
}

impl Keeping {
    const fn new(config: &Config) -> Self {
        Self {
            internal: config.internal_cache,
            external: config.external_cache,
            life: match config.mode {
                ModeConfig::Alarm { cache_timeout, .. } => Some(cache_timeout),
                ModeConfig::Ftfw { .. } | ModeConfig::Notrack => None,
            },
            resends: matches!(config.mode, ModeConfig::Ftfw { .. }),
        }
    }
}

/// What the node asked for that cannot be begun while its output is borrowed.
#[derive(Default)]
struct Begun {
    dump: Option<(DumpReason, Tables)>,
    flush: Option<Tables>,
}

impl Replication {
    /// Opens everything and loads the kernel's table into the internal cache.
    pub fn open(
        general: &General,
        sync: &Sync,
        poller: &mut Poller,
        now: Instant,
        reports: &mut Reports,
    ) -> Result<Self, StartError> {
        let links = Links::open(&sync.links, poller, now, reports).map_err(StartError::Link)?;
        let config = node_config(general, sync, links.configs());
        if config.internal_cache == InternalCache::Bypass {
            reports.push(Report::CacheDisabled("internal"));
        }
        if config.external_cache == ExternalCache::Inject {
            reports.push(Report::CacheDisabled("external"));
        }
        let expectations = Expectations::open(general, sync).map_err(StartError::Kernel)?;
        let kernel = Kernel::open(general, expectations, config.origin_of_changes(), reports)
            .map_err(StartError::Kernel)?;
        kernel.watch(poller, EVENTS).map_err(StartError::System)?;
        let keeping = Keeping::new(&config);
        let mut replication = Self {
            node: Node::new(config, now),
            kernel,
            links,
            keeping,
            has_expectations: sync.expectation_sync.is_on(),
            fullness: Fullness::default(),
            more: false,
        };
        replication.load(now, reports)?;
        if keeping.internal == InternalCache::Keep {
            let len = replication.node.internal().len();
            reports.push(Report::TableRead(len));
        }
        Ok(replication)
    }

    /// Reads the whole table, as the node asks at its birth, before the daemon says that it is
    /// ready.
    fn load(&mut self, now: Instant, reports: &mut Reports) -> Result<(), StartError> {
        let before = reports.len();
        let mut commits = Commits::new();
        self.carry_out(now, reports, &mut commits);
        while self.kernel.is_dumping() {
            self.kernel.step_dump(&mut self.node, now, reports);
        }
        StartError::of_reading(reports.get(before..).unwrap_or_default())
    }

    /// Whether something waits that no descriptor and no timer tells of.
    pub const fn has_work(&self) -> bool {
        self.more || self.kernel.has_work()
    }

    /// When the next turn is due at the latest, if nothing happens before.
    pub fn timeout(&self) -> Option<Instant> {
        [self.node.timeout(), self.links.timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Reads what the descriptor of a token has.
    pub fn ready(&mut self, token: u64, now: Instant, reports: &mut Reports) {
        match token {
            EVENTS => {
                let drain = self.kernel.take_events(&mut self.node, now, reports);
                self.more |= drain.more;
            }
            token => self.more |= self.links.ready(token, &mut self.node, now, reports),
        }
    }

    /// Reads on where the last turn left something behind.
    pub fn serve_rest(&mut self, now: Instant, reports: &mut Reports) {
        if std::mem::take(&mut self.more) {
            self.ready(EVENTS, now, reports);
            self.more |= self.links.serve_rest(&mut self.node, now, reports);
        }
    }

    /// One turn: due timers, one step of each long job, and all that the node wants done.
    pub fn turn(
        &mut self,
        now: Instant,
        poller: &mut Poller,
        reports: &mut Reports,
        commits: &mut Commits,
    ) {
        if self.node.timeout().is_some_and(|due| due <= now) {
            self.node.handle(now, Input::Timeout);
        }
        self.kernel.step_dump(&mut self.node, now, reports);
        self.kernel.step_flush(reports);
        self.carry_out(now, reports, commits);
        // Changing the kernel takes time, and how much is reported.
        self.kernel.settle(&mut self.node, super::now());
        self.links.settle(&mut self.node, now, poller, reports);
    }

    fn carry_out(&mut self, now: Instant, reports: &mut Reports, commits: &mut Commits) {
        let mut begun = Begun::default();
        let mut full = false;
        self.links.tell_pressure(&mut self.node, now);
        while let Some(output) = self.node.poll() {
            match output {
                Output::Transmit { channel, bytes } => {
                    self.links.transmit(channel, bytes, now, reports);
                    self.links.tell_pressure(&mut self.node, now);
                }
                Output::Kernel { op, action } => {
                    // What is to be sent does not wait for the kernel.
                    self.links.send(now, reports);
                    self.kernel.change(op, &action);
                }
                Output::Dump(reason, tables) => begun.dump = Some((reason, tables)),
                Output::NewFlows(new_flows) => self.kernel.hear_new_flows(new_flows, reports),
                Output::FlushKernel(tables) => begun.flush = Some(tables),
                Output::CommitRefused { object, refusal } => {
                    full |= refusal == Refusal::Full;
                    reports.push(Report::CommitRefused(reason(refusal), line(&object)));
                }
                Output::InjectRefused {
                    object,
                    injection,
                    refusal,
                } => {
                    full |= refusal == Refusal::Full;
                    reports.push(Report::InjectRefused(
                        injection,
                        reason(refusal),
                        line(&object),
                    ));
                }
                Output::CommitDone { client, report } => commits.push((client, report)),
                Output::Notice(Notice::ChannelInUse(channel)) => {
                    let name = self.links.name(channel).to_owned();
                    reports.push(Report::Link(LinkReport::InUse(name)));
                }
                Output::Notice(Notice::NoChannel) => {
                    reports.push(Report::Link(LinkReport::NoneAvailable));
                }
                Output::Notice(notice) => reports.push(Report::Node(notice)),
            }
        }
        if full {
            reports.extend(self.fullness.tell(now));
        }
        if let Some((reason, tables)) = begun.dump {
            let (kernel, node) = (&mut self.kernel, &mut self.node);
            kernel.start_dump(reason, tables, node, now, reports);
        }
        if let Some(tables) = begun.flush {
            self.kernel.start_flush(tables, reports);
        }
    }
}
