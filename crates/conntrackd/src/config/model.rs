//! What a configuration file means: every option with its value, defaults filled in.
//!
//! Nothing here can contradict itself in the ways that `lower` checks, so the daemon reads these
//! values without asking again.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::filter::{EventFilter, Network, Policy};
use flow::{DccpState, Name, Protocol, SctpState, TcpState};

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Section `General`.
    pub general: General,
    /// What the daemon does with flows.
    pub operation: Operation,
    /// Section `Helper`.
    pub helpers: Option<Helpers>,
}

impl Config {
    /// The interfaces that the file names, for a check that they exist.
    pub fn interfaces(&self) -> Vec<&str> {
        match &self.operation {
            Operation::Idle | Operation::Stats(_) => Vec::new(),
            Operation::Sync(sync) => sync.links.interfaces(),
        }
    }

    /// The files that the daemon makes, each with its keyword.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let General {
            log_file,
            lock_file,
            unix_path,
            ..
        } = &self.general;
        let ended = match &self.operation {
            Operation::Stats(stats) => stats.log_file.as_deref(),
            Operation::Idle | Operation::Sync(_) => None,
        };
        let files = [
            ("LogFile", log_file.as_deref()),
            ("LockFile", Some(lock_file.as_path())),
            ("UNIX { Path }", unix_path.as_deref()),
            ("LogFile of Stats", ended),
        ];
        let named = files.into_iter();
        named
            .filter_map(|(keyword, path)| Some((keyword, path?)))
            .collect()
    }
}

/// What the daemon does with flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Neither `Sync` nor `Stats`: it only answers its control socket.
    #[default]
    Idle,
    /// Section `Sync`.
    Sync(Box<Sync>),
    /// Section `Stats`.
    Stats(Stats),
}

/// Section `General`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct General {
    /// `HashSize`: expected size of a cache, in buckets.
    pub hash_size: u32,
    /// `HashLimit`: most entries of a cache.
    pub hash_limit: u32,
    /// `LogFile`.
    pub log_file: Option<PathBuf>,
    /// `Syslog`.
    pub syslog: Option<Facility>,
    /// `LockFile`.
    pub lock_file: PathBuf,
    /// `UNIX { Path }`; without it the daemon cannot be controlled.
    pub unix_path: Option<PathBuf>,
    /// `NetlinkBufferSize`, zero if not set. See [`General::netlink_buffer`].
    pub netlink_buffer_size: u32,
    /// `NetlinkBufferSizeMaxGrowth`: how far doubling after an overrun may go.
    pub netlink_buffer_size_max: u32,
    /// `NetlinkOverrunResync`: how long after an overrun the table is read again.
    pub overrun_resync: Option<Duration>,
    /// `NetlinkEventsReliable`.
    pub event_delivery: EventDelivery,
    /// `NetlinkEventsAllFlows`: have the kernel tell of all flows (compat: daemon-106).
    pub events_of_all_flows: bool,
    /// `EventIterationLimit`: most events of one turn of the loop.
    pub event_iteration_limit: u32,
    /// `PollSecs`: read the table so often instead of following events.
    pub poll: Option<Duration>,
    /// `Scheduler`.
    pub scheduler: Option<Scheduler>,
    /// `Systemd`: tell the service manager what happens.
    pub systemd: bool,
    /// `User`: who the daemon becomes when it has opened everything; `None` leaves it as it is.
    pub user: Option<String>,
    /// `Filter`.
    pub filter: Option<Filter>,
}

impl Default for General {
    fn default() -> Self {
        Self {
            hash_size: 65536,
            hash_limit: 262_144,
            log_file: None,
            syslog: None,
            lock_file: PathBuf::from("/var/lock/conntrackd.lock"),
            unix_path: None,
            netlink_buffer_size: 0,
            netlink_buffer_size_max: 0,
            overrun_resync: Some(OVERRUN_RESYNC),
            event_delivery: EventDelivery::BestEffort,
            events_of_all_flows: true,
            event_iteration_limit: 100,
            poll: None,
            scheduler: None,
            systemd: true,
            user: None,
            filter: None,
        }
    }
}

impl General {
    /// The receive buffer to ask for; `None` leaves the system's. Stock takes the configured size
    /// only when it is not above the limit for its growth.
    pub fn netlink_buffer(&self) -> Option<u32> {
        (1..=self.netlink_buffer_size_max)
            .contains(&self.netlink_buffer_size)
            .then_some(self.netlink_buffer_size)
    }

    /// The filter that decides which flows are replicated.
    pub fn event_filter(&self) -> EventFilter {
        self.filter
            .as_ref()
            .map(Filter::to_event_filter)
            .unwrap_or_default()
    }
}

/// Default of `NetlinkOverrunResync`.
pub const OVERRUN_RESYNC: Duration = Duration::from_secs(30);

/// A syslog facility that stock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// `daemon`.
    Daemon,
    /// `local0` to `local7`.
    Local(u8),
}

impl Facility {
    /// The facility of a name, in lower case as stock wants it.
    pub fn from_name(name: &str) -> Option<Self> {
        match (name, name.strip_prefix("local").map(str::as_bytes)) {
            ("daemon", _) => Some(Self::Daemon),
            (_, Some([digit @ b'0'..=b'7'])) => Some(Self::Local(digit - b'0')),
            _ => None,
        }
    }
}

/// `NetlinkEventsReliable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventDelivery {
    /// The kernel drops events when the daemon is too slow, and says so.
    BestEffort,
    /// The kernel holds back destroy events until there is room.
    Reliable,
}

/// `Scheduler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// `Type`.
    pub policy: SchedulerPolicy,
    /// `Priority`.
    pub priority: u32,
}

/// `Scheduler { Type }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerPolicy {
    /// `SCHED_RR`.
    Rr,
    /// `SCHED_FIFO`.
    Fifo,
}

/// `Filter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `From`: where stock evaluates it.
    pub place: FilterPlace,
    /// `Protocol`.
    pub protocols: Option<(Policy, Vec<Protocol>)>,
    /// `Address`.
    pub addresses: Option<(Policy, Vec<Network>)>,
    /// `State`.
    pub states: Option<(Policy, Vec<FilterState>)>,
}

/// Tests the protocols that were named; without any name, TCP, of which then nothing is listed.
fn with_states(filter: EventFilter, policy: Policy, list: &[FilterState]) -> EventFilter {
    let (mut tcp, mut sctp, mut dccp) = (Vec::new(), Vec::new(), Vec::new());
    for state in list {
        match *state {
            FilterState::Tcp(state) => tcp.push(state),
            FilterState::Sctp(state) => sctp.push(state),
            FilterState::Dccp(state) => dccp.push(state),
        }
    }
    let mut filter = filter;
    if !tcp.is_empty() || list.is_empty() {
        filter = filter.with_states(policy, tcp);
    }
    if !sctp.is_empty() {
        filter = filter.with_sctp_states(policy, sctp);
    }
    if !dccp.is_empty() {
        filter = filter.with_dccp_states(policy, dccp);
    }
    filter
}

/// A state in `Filter { State }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterState {
    /// `for TCP`.
    Tcp(TcpState),
    /// `for SCTP`.
    Sctp(SctpState),
    /// `for DCCP`.
    Dccp(DccpState),
}

/// `Filter From`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterPlace {
    /// `Userspace`.
    Userspace,
    /// `Kernelspace`.
    Kernelspace,
}

impl Filter {
    /// The filter as it is applied.
    pub fn to_event_filter(&self) -> EventFilter {
        let mut filter = EventFilter::new();
        if let Some((policy, list)) = &self.protocols {
            filter = filter.with_protocols(*policy, list.iter().copied());
        }
        if let Some((policy, list)) = &self.addresses {
            filter = filter.with_addresses(*policy, list);
        }
        match &self.states {
            Some((policy, list)) => with_states(filter, *policy, list),
            None => filter,
        }
    }
}

/// Section `Sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// `Mode`.
    pub mode: Mode,
    /// `CommitTimeout`: life of committed flows, instead of the one that the peer told.
    pub commit_timeout: Option<Duration>,
    /// `PurgeTimeout`: delay of `conntrackd -t`.
    pub purge_timeout: Duration,
    /// The dedicated links.
    pub links: Links,
    /// `TCPWindowTracking`.
    pub tcp_window_tracking: bool,
    /// `ExpectationSync`.
    pub expectation_sync: ExpectationSync,
}

/// `Mode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `Mode FTFW`.
    Ftfw(Ftfw),
    /// `Mode ALARM`.
    Alarm(Alarm),
    /// `Mode NOTRACK`.
    Notrack(Notrack),
}

/// `Mode FTFW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ftfw {
    /// `ResendQueueSize`: most objects that wait for an acknowledgement.
    pub resend_queue_len_max: u32,
    /// `ACKWindowSize`: messages received before one is acknowledged.
    pub ack_window: u32,
    /// `DisableExternalCache`.
    pub external_cache: ExternalCache,
    /// `StartupResync`: ask the peer for its flows at start.
    pub startup_resync: bool,
}

/// `Mode ALARM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// `RefreshTime`: longest pause before a flow is sent again.
    pub refresh_time: Duration,
    /// `CacheTimeout`: life of an entry of the external cache.
    pub cache_timeout: Duration,
}

/// `Mode NOTRACK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notrack {
    /// `DisableInternalCache`.
    pub internal_cache: InternalCache,
    /// `DisableExternalCache`.
    pub external_cache: ExternalCache,
    /// `StartupResync`: ask the peer for its flows at start.
    pub startup_resync: bool,
}

/// `DisableExternalCache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalCache {
    /// The peer's flows are kept until a commit.
    Keep,
    /// The peer's flows go into the kernel at once.
    Inject,
}

/// `DisableInternalCache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalCache {
    /// Our flows are kept.
    Keep,
    /// Events are passed on and forgotten.
    Bypass,
}

/// `ExpectationSync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectationSync {
    /// Expectations are not replicated.
    Off,
    /// All are.
    All,
    /// Those of helpers whose name starts with one of these words, in any case.
    Helpers(Vec<String>),
}

impl ExpectationSync {
    /// Whether expectations are replicated at all.
    pub const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether an expectation of this helper is; without a helper it is in no list.
    pub fn lets_through(&self, helper: Option<Name<'_>>) -> bool {
        match self {
            Self::Off => false,
            Self::All => true,
            Self::Helpers(words) => helper.is_some_and(|helper| {
                words.iter().any(|word| {
                    let start = helper.as_bytes().get(..word.len());
                    start.is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
                })
            }),
        }
    }
}

/// The dedicated links, all of one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// `UDP`.
    Udp(Redundant<UnicastLink>),
    /// `TCP`.
    Tcp {
        /// The links.
        links: Redundant<UnicastLink>,
        /// `ErrorQueueLength`: messages kept while a link cannot send.
        error_queue_len: u32,
    },
    /// `Multicast`.
    Multicast(Redundant<MulticastLink>),
}

impl Links {
    fn interfaces(&self) -> Vec<&str> {
        match self {
            Self::Udp(links) | Self::Tcp { links, .. } => links
                .all
                .iter()
                .map(|link| link.interface.as_str())
                .collect(),
            Self::Multicast(links) => links
                .all
                .iter()
                .map(|link| link.interface.as_str())
                .collect(),
        }
    }
}

/// One to four links of which one is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redundant<T> {
    /// The links in the order of the file, never empty.
    pub all: Vec<T>,
    /// Index of the one in use at start.
    pub initial: usize,
}

/// A `UDP` or `TCP` link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnicastLink {
    /// `IPv4_address` or `IPv6_address`: where we listen.
    pub local: IpAddr,
    /// `IPv4_Destination_Address` or `IPv6_Destination_Address`, of the same family.
    pub peer: IpAddr,
    /// `Port` of both ends.
    pub port: u16,
    /// `Interface`.
    pub interface: String,
    /// `SndSocketBuffer`, `RcvSocketBuffer` and `Checksum`.
    pub socket: SocketOptions,
    /// `AcceptFrom`: whose messages count, everybody's if the list is empty. Over TCP the peer's
    /// always do, and nobody else's if it is empty.
    pub accept_from: Vec<Network>,
}

/// A `Multicast` link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MulticastLink {
    /// `IPv4_address` or `IPv6_address`: the group.
    pub group: IpAddr,
    /// `IPv4_interface`: address of the interface to use.
    pub interface_addr: Option<IpAddr>,
    /// `Group`: the port.
    pub port: u16,
    /// `Interface`.
    pub interface: String,
    /// `SndSocketBuffer`, `RcvSocketBuffer` and `Checksum`.
    pub socket: SocketOptions,
    /// `AcceptFrom`: whose messages count, everybody's if the list is empty. Over TCP the peer's
    /// always do, and nobody else's if it is empty.
    pub accept_from: Vec<Network>,
}

/// Options of a link's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// `SndSocketBuffer` in bytes; `None` leaves the system's.
    pub send_buffer: Option<u32>,
    /// `RcvSocketBuffer` in bytes; `None` leaves the system's.
    pub receive_buffer: Option<u32>,
    /// `Checksum`: whether UDP checksums are sent.
    pub checksum: bool,
}

/// Section `Stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// `LogFile` of destroyed flows.
    pub log_file: Option<PathBuf>,
    /// `LogFormat` of that file.
    pub log_format: LogFormat,
    /// `Syslog` for destroyed flows.
    pub syslog: Option<Facility>,
}

/// `Stats { LogFormat }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A date and the line that `conntrack` shows.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Section `Helper`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helpers {
    /// `Setup`: register the size of private data too.
    pub setup: bool,
    /// `Type` blocks.
    pub helpers: Vec<Helper>,
}

/// A `Type` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// Which helper, for which protocol.
    pub kind: HelperKind,
    /// Layer 3 protocol.
    pub family: flow::Family,
    /// `QueueNum`.
    pub queue_num: u16,
    /// `QueueLen`, zero for the system's.
    pub queue_len: u32,
    /// `Policy`: most expectations of a flow.
    pub expect_max: u32,
    /// `Policy`: life of an expectation in seconds.
    pub expect_timeout: u32,
}

/// A helper of stock with the defaults of its only policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperKind {
    /// The name.
    pub name: &'static str,
    /// Layer 4 protocol.
    pub protocol: Protocol,
    /// Most expectations of a flow.
    pub expect_max: u32,
    /// Life of an expectation in seconds.
    pub expect_timeout: u32,
}
