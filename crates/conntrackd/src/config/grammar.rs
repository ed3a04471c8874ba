//! The configuration language as a table: which keywords a section has and what follows each.
//!
//! The parser, the suggestions in error messages and the printer all read these tables, so that a
//! keyword is spelt in one place. Old spellings stand behind the current one: the first rule of a
//! [`Key`] in a section is the one that is printed.

/// Highest value of a number: stock keeps them in a signed 32-bit integer.
pub const NUMBER_MAX: u32 = 0x7fff_ffff;

/// A place in the file where keywords or words are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Outside of every block.
    File,
    /// `General`.
    General,
    /// `UNIX` in `General`.
    Unix,
    /// `Scheduler` in `General`.
    Scheduler,
    /// `Filter` in `General`.
    Filter,
    /// `Protocol` in `Filter`.
    FilterProtocol,
    /// `Address` in `Filter`.
    FilterAddress,
    /// `State` in `Filter`.
    FilterState,
    /// `Sync`.
    Sync,
    /// `Mode ALARM` in `Sync`.
    ModeAlarm,
    /// `Mode FTFW` in `Sync`.
    ModeFtfw,
    /// `Mode NOTRACK` in `Sync`.
    ModeNotrack,
    /// `Options` in `Sync`.
    Options,
    /// The list of helpers of `ExpectationSync`.
    ExpectationSync,
    /// `Multicast` in `Sync`.
    Multicast,
    /// `UDP` in `Sync`.
    Udp,
    /// `TCP` in `Sync`.
    Tcp,
    /// `Stats`.
    Stats,
    /// `Helper`.
    Helper,
    /// `Type` in `Helper`.
    HelperType,
    /// `Policy` in `Type`.
    HelperPolicy,
}

/// What a keyword means, whatever its spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the keyword of the same name")]
pub enum Key {
    AcceptFrom,
    AckWindowSize,
    Address,
    Backlog,
    CacheTimeout,
    Checksum,
    CommitTimeout,
    DisableExternalCache,
    DisableInternalCache,
    ErrorQueueLength,
    EventIterationLimit,
    ExpectMax,
    ExpectTimeout,
    ExpectationSync,
    Filter,
    General,
    HashLimit,
    HashSize,
    Helper,
    Interface,
    Ipv4Address,
    Ipv4Destination,
    Ipv4Interface,
    Ipv6Address,
    Ipv6Destination,
    Ipv6Interface,
    LockFile,
    LogFile,
    LogFormat,
    Mode,
    Multicast,
    NetlinkBufferSize,
    NetlinkBufferSizeMaxGrowth,
    NetlinkEventsAllFlows,
    NetlinkEventsReliable,
    NetlinkOverrunResync,
    Nice,
    Options,
    Path,
    Policy,
    PollSecs,
    Port,
    Priority,
    Protocol,
    PurgeTimeout,
    QueueLen,
    QueueNum,
    RcvSocketBuffer,
    RefreshTime,
    ResendQueueSize,
    Scheduler,
    Setup,
    SndSocketBuffer,
    StartupResync,
    State,
    Stats,
    Sync,
    Syslog,
    Systemd,
    Tcp,
    TcpWindowTracking,
    Type,
    Udp,
    Unix,
    User,
}

/// What may follow a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `on`, `yes`, `off` or `no`.
    Bool,
    /// A number in a range, both ends included.
    Number(u32, u32),
    /// A number with its sign, the value of which nobody reads.
    Signed,
    /// An absolute path of at most so many bytes.
    Path(usize),
    /// A name.
    Text,
    /// An address, checked later since stock only warns about a wrong one.
    Address,
    /// A boolean or a path of at most so many bytes.
    BoolOrPath(usize),
    /// A boolean or a name.
    BoolOrText,
    /// A boolean or a number.
    BoolOrNumber,
    /// A boolean or a block of words.
    BoolOrBlock(Section),
    /// A block.
    Block(Section),
    /// `From Userspace` or `From Kernelspace`, if there is one, and a block.
    FilterBlock(Section),
    /// `Accept` or `Ignore`, and a block.
    PolicyBlock(Section),
    /// `Default`, if there, and a block.
    LinkBlock(Section),
    /// The name of a mode and the mode's block.
    ModeBlock,
    /// One name and a block.
    NamedBlock(Section),
    /// Name, layer 3 and layer 4 protocol of a helper, and a block.
    HelperBlock(Section),
}

/// One keyword of a section.
#[derive(Debug)]
pub struct Rule {
    /// The spelling.
    pub word: &'static str,
    /// The meaning.
    pub key: Key,
    /// What follows.
    pub shape: Shape,
}

/// What a section lists.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Keywords with their arguments.
    Rules(&'static [Rule]),
    /// Names of one kind, which is given for messages.
    Words(&'static str),
    /// Groups of states, each followed by `for TCP` or another protocol.
    States,
}

const fn rule(word: &'static str, key: Key, shape: Shape) -> Rule {
    Rule { word, key, shape }
}

const NUMBER: Shape = Shape::Number(0, NUMBER_MAX);
const PORT: Shape = Shape::Number(1, 65535);
const QUEUE_NUM: Shape = Shape::Number(0, 65535);
/// Longest file name that stock takes for its own files.
const FILE: usize = 256;
/// Longest path of a UNIX socket, `sizeof(sun_path) - 1`.
const SOCKET: usize = 107;

static FILE_RULES: [Rule; 4] = [
    rule("General", Key::General, Shape::Block(Section::General)),
    rule("Sync", Key::Sync, Shape::Block(Section::Sync)),
    rule("Stats", Key::Stats, Shape::Block(Section::Stats)),
    rule("Helper", Key::Helper, Shape::Block(Section::Helper)),
];

static GENERAL: [Rule; 21] = [
    rule("HashSize", Key::HashSize, NUMBER),
    rule("HashLimit", Key::HashLimit, NUMBER),
    rule("LogFile", Key::LogFile, Shape::BoolOrPath(FILE)),
    rule("Syslog", Key::Syslog, Shape::BoolOrText),
    rule("LockFile", Key::LockFile, Shape::Path(FILE)),
    rule("UNIX", Key::Unix, Shape::Block(Section::Unix)),
    rule("NetlinkBufferSize", Key::NetlinkBufferSize, NUMBER),
    rule("SocketBufferSize", Key::NetlinkBufferSize, NUMBER),
    rule(
        "NetlinkBufferSizeMaxGrowth",
        Key::NetlinkBufferSizeMaxGrowth,
        NUMBER,
    ),
    rule(
        "SocketBufferSizeMaxGrowth",
        Key::NetlinkBufferSizeMaxGrowth,
        NUMBER,
    ),
    rule(
        "SocketBufferSizeMaxGrown",
        Key::NetlinkBufferSizeMaxGrowth,
        NUMBER,
    ),
    rule(
        "NetlinkOverrunResync",
        Key::NetlinkOverrunResync,
        Shape::BoolOrNumber,
    ),
    rule(
        "NetlinkEventsReliable",
        Key::NetlinkEventsReliable,
        Shape::Bool,
    ),
    rule(
        "NetlinkEventsAllFlows",
        Key::NetlinkEventsAllFlows,
        Shape::Bool,
    ),
    rule("EventIterationLimit", Key::EventIterationLimit, NUMBER),
    rule("PollSecs", Key::PollSecs, NUMBER),
    rule("Nice", Key::Nice, Shape::Signed),
    rule(
        "Scheduler",
        Key::Scheduler,
        Shape::Block(Section::Scheduler),
    ),
    rule("Systemd", Key::Systemd, Shape::Bool),
    rule("User", Key::User, Shape::BoolOrText),
    rule("Filter", Key::Filter, Shape::FilterBlock(Section::Filter)),
];

static UNIX: [Rule; 2] = [
    rule("Path", Key::Path, Shape::Path(SOCKET)),
    rule("Backlog", Key::Backlog, NUMBER),
];

static SCHEDULER: [Rule; 2] = [
    rule("Type", Key::Type, Shape::Text),
    rule("Priority", Key::Priority, NUMBER),
];

static FILTER: [Rule; 3] = [
    rule(
        "Protocol",
        Key::Protocol,
        Shape::PolicyBlock(Section::FilterProtocol),
    ),
    rule(
        "Address",
        Key::Address,
        Shape::PolicyBlock(Section::FilterAddress),
    ),
    rule(
        "State",
        Key::State,
        Shape::PolicyBlock(Section::FilterState),
    ),
];

static FILTER_ADDRESS: [Rule; 2] = [
    rule("IPv4_address", Key::Ipv4Address, Shape::Address),
    rule("IPv6_address", Key::Ipv6Address, Shape::Address),
];

static SYNC: [Rule; 9] = [
    rule("Mode", Key::Mode, Shape::ModeBlock),
    rule(
        "Multicast",
        Key::Multicast,
        Shape::LinkBlock(Section::Multicast),
    ),
    rule("UDP", Key::Udp, Shape::LinkBlock(Section::Udp)),
    rule("TCP", Key::Tcp, Shape::LinkBlock(Section::Tcp)),
    rule("Options", Key::Options, Shape::Block(Section::Options)),
    rule("RefreshTime", Key::RefreshTime, NUMBER),
    rule("CacheTimeout", Key::CacheTimeout, NUMBER),
    rule("CommitTimeout", Key::CommitTimeout, NUMBER),
    rule("PurgeTimeout", Key::PurgeTimeout, NUMBER),
];

static MODE_ALARM: [Rule; 4] = [
    rule("RefreshTime", Key::RefreshTime, NUMBER),
    rule("CacheTimeout", Key::CacheTimeout, NUMBER),
    rule("CommitTimeout", Key::CommitTimeout, NUMBER),
    rule("PurgeTimeout", Key::PurgeTimeout, NUMBER),
];

static MODE_FTFW: [Rule; 6] = [
    rule("ResendQueueSize", Key::ResendQueueSize, NUMBER),
    rule("CommitTimeout", Key::CommitTimeout, NUMBER),
    rule("PurgeTimeout", Key::PurgeTimeout, NUMBER),
    rule("ACKWindowSize", Key::AckWindowSize, NUMBER),
    rule(
        "DisableExternalCache",
        Key::DisableExternalCache,
        Shape::Bool,
    ),
    rule("StartupResync", Key::StartupResync, Shape::Bool),
];

static MODE_NOTRACK: [Rule; 5] = [
    rule("CommitTimeout", Key::CommitTimeout, NUMBER),
    rule("PurgeTimeout", Key::PurgeTimeout, NUMBER),
    rule(
        "DisableInternalCache",
        Key::DisableInternalCache,
        Shape::Bool,
    ),
    rule(
        "DisableExternalCache",
        Key::DisableExternalCache,
        Shape::Bool,
    ),
    rule("StartupResync", Key::StartupResync, Shape::Bool),
];

static OPTIONS: [Rule; 2] = [
    rule("TCPWindowTracking", Key::TcpWindowTracking, Shape::Bool),
    rule(
        "ExpectationSync",
        Key::ExpectationSync,
        Shape::BoolOrBlock(Section::ExpectationSync),
    ),
];

static MULTICAST: [Rule; 10] = [
    rule("IPv4_address", Key::Ipv4Address, Shape::Address),
    rule("IPv6_address", Key::Ipv6Address, Shape::Address),
    rule("IPv4_interface", Key::Ipv4Interface, Shape::Address),
    rule("IPv6_interface", Key::Ipv6Interface, Shape::Address),
    rule("Interface", Key::Interface, Shape::Text),
    rule("Group", Key::Port, PORT),
    rule("SndSocketBuffer", Key::SndSocketBuffer, NUMBER),
    rule("RcvSocketBuffer", Key::RcvSocketBuffer, NUMBER),
    rule("Checksum", Key::Checksum, Shape::Bool),
    rule("AcceptFrom", Key::AcceptFrom, Shape::Address),
];

static UDP: [Rule; 10] = [
    rule("IPv4_address", Key::Ipv4Address, Shape::Address),
    rule("IPv6_address", Key::Ipv6Address, Shape::Address),
    rule(
        "IPv4_Destination_Address",
        Key::Ipv4Destination,
        Shape::Address,
    ),
    rule(
        "IPv6_Destination_Address",
        Key::Ipv6Destination,
        Shape::Address,
    ),
    rule("Interface", Key::Interface, Shape::Text),
    rule("Port", Key::Port, PORT),
    rule("SndSocketBuffer", Key::SndSocketBuffer, NUMBER),
    rule("RcvSocketBuffer", Key::RcvSocketBuffer, NUMBER),
    rule("Checksum", Key::Checksum, Shape::Bool),
    rule("AcceptFrom", Key::AcceptFrom, Shape::Address),
];

static TCP: [Rule; 11] = [
    rule("IPv4_address", Key::Ipv4Address, Shape::Address),
    rule("IPv6_address", Key::Ipv6Address, Shape::Address),
    rule(
        "IPv4_Destination_Address",
        Key::Ipv4Destination,
        Shape::Address,
    ),
    rule(
        "IPv6_Destination_Address",
        Key::Ipv6Destination,
        Shape::Address,
    ),
    rule("Interface", Key::Interface, Shape::Text),
    rule("Port", Key::Port, PORT),
    rule("SndSocketBuffer", Key::SndSocketBuffer, NUMBER),
    rule("RcvSocketBuffer", Key::RcvSocketBuffer, NUMBER),
    rule("Checksum", Key::Checksum, Shape::Bool),
    rule("AcceptFrom", Key::AcceptFrom, Shape::Address),
    rule("ErrorQueueLength", Key::ErrorQueueLength, NUMBER),
];

static STATS: [Rule; 3] = [
    rule("LogFile", Key::LogFile, Shape::BoolOrPath(FILE)),
    rule("LogFormat", Key::LogFormat, Shape::Text),
    rule("Syslog", Key::Syslog, Shape::BoolOrText),
];

static HELPER: [Rule; 2] = [
    rule("Setup", Key::Setup, Shape::Bool),
    rule("Type", Key::Type, Shape::HelperBlock(Section::HelperType)),
];

static HELPER_TYPE: [Rule; 3] = [
    rule("QueueNum", Key::QueueNum, QUEUE_NUM),
    rule("QueueLen", Key::QueueLen, NUMBER),
    rule(
        "Policy",
        Key::Policy,
        Shape::NamedBlock(Section::HelperPolicy),
    ),
];

static HELPER_POLICY: [Rule; 2] = [
    rule("ExpectMax", Key::ExpectMax, NUMBER),
    rule("ExpectTimeout", Key::ExpectTimeout, NUMBER),
];

/// The current names of the modes, then the old ones; case does not matter.
pub static MODES: [(&str, Section); 5] = [
    ("FTFW", Section::ModeFtfw),
    ("ALARM", Section::ModeAlarm),
    ("NOTRACK", Section::ModeNotrack),
    ("NACK", Section::ModeFtfw),
    ("PERSISTENT", Section::ModeAlarm),
];

impl Section {
    /// All sections, from the outside in.
    pub const ALL: [Self; 21] = [
        Self::File,
        Self::General,
        Self::Unix,
        Self::Scheduler,
        Self::Filter,
        Self::FilterProtocol,
        Self::FilterAddress,
        Self::FilterState,
        Self::Sync,
        Self::ModeAlarm,
        Self::ModeFtfw,
        Self::ModeNotrack,
        Self::Options,
        Self::ExpectationSync,
        Self::Multicast,
        Self::Udp,
        Self::Tcp,
        Self::Stats,
        Self::Helper,
        Self::HelperType,
        Self::HelperPolicy,
    ];

    /// What may stand in this section.
    pub fn body(self) -> Body {
        Body::Rules(match self {
            Self::File => &FILE_RULES,
            Self::General => &GENERAL,
            Self::Unix => &UNIX,
            Self::Scheduler => &SCHEDULER,
            Self::Filter => &FILTER,
            Self::FilterProtocol => return Body::Words("protocol"),
            Self::FilterAddress => &FILTER_ADDRESS,
            Self::FilterState => return Body::States,
            Self::Sync => &SYNC,
            Self::ModeAlarm => &MODE_ALARM,
            Self::ModeFtfw => &MODE_FTFW,
            Self::ModeNotrack => &MODE_NOTRACK,
            Self::Options => &OPTIONS,
            Self::ExpectationSync => return Body::Words("helper"),
            Self::Multicast => &MULTICAST,
            Self::Udp => &UDP,
            Self::Tcp => &TCP,
            Self::Stats => &STATS,
            Self::Helper => &HELPER,
            Self::HelperType => &HELPER_TYPE,
            Self::HelperPolicy => &HELPER_POLICY,
        })
    }

    /// The keywords of this section; none for a list of words.
    pub fn rules(self) -> &'static [Rule] {
        match self.body() {
            Body::Rules(rules) => rules,
            Body::Words(_) | Body::States => &[],
        }
    }

    /// Where a keyword of this section stands, for messages.
    pub fn place(self) -> String {
        match self {
            Self::File => format!("at {}", self.name()),
            _ => format!("in {}", self.name()),
        }
    }

    /// The section as messages name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "the top level of the file",
            Self::General => "`General`",
            Self::Unix => "`General { UNIX }`",
            Self::Scheduler => "`General { Scheduler }`",
            Self::Filter => "`General { Filter }`",
            Self::FilterProtocol => "`Filter { Protocol }`",
            Self::FilterAddress => "`Filter { Address }`",
            Self::FilterState => "`Filter { State }`",
            Self::Sync => "`Sync`",
            Self::ModeAlarm => "`Sync { Mode ALARM }`",
            Self::ModeFtfw => "`Sync { Mode FTFW }`",
            Self::ModeNotrack => "`Sync { Mode NOTRACK }`",
            Self::Options => "`Sync { Options }`",
            Self::ExpectationSync => "`Options { ExpectationSync }`",
            Self::Multicast => "`Sync { Multicast }`",
            Self::Udp => "`Sync { UDP }`",
            Self::Tcp => "`Sync { TCP }`",
            Self::Stats => "`Stats`",
            Self::Helper => "`Helper`",
            Self::HelperType => "`Helper { Type }`",
            Self::HelperPolicy => "`Type { Policy }`",
        }
    }
}

impl Key {
    /// The current spelling of this keyword in a section, empty if the section lacks it.
    pub fn word(self, section: Section) -> &'static str {
        section
            .rules()
            .iter()
            .find(|rule| rule.key == self)
            .map_or("", |rule| rule.word)
    }
}
