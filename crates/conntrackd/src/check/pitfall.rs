//! Configurations that are not wrong, but do not do what they look like.
//!
//! Each text says what is the matter, what comes of it, and behind the last semicolon what to do.
//! When it applies is decided in the module above.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::machine::{ACCT, EVENTS, LIBERAL, LOOSE, MAX};

/// One thing that may surprise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the text of each variant says what it is")]
pub enum Pitfall {
    Idle,
    NoConntrack,
    HashLimitLow {
        limit: u32,
        table: u64,
    },
    EventBufferIgnored {
        size: u32,
        max: u32,
    },
    EventBufferSmall {
        size: u32,
        usual: u64,
    },
    LinkBufferSmall {
        interface: String,
        keyword: &'static str,
        size: u32,
        usual: u64,
    },
    ReliableWithoutEvents,
    EventsOnDemand {
        number: u64,
        is_set: bool,
        is_replicated: bool,
    },
    SchedulerRefused,
    NoLog,
    NoControl,
    NoFolder {
        keyword: &'static str,
        folder: PathBuf,
    },
    NoUser(String),
    TcpLoose,
    TcpLiberal {
        tracks_windows: bool,
    },
    InjectionNeedsRoom {
        limit: u32,
        table: u64,
    },
    InjectionIsReadBack {
        keyword: &'static str,
    },
    CacheTimeoutShort {
        cache: u64,
        refresh: u64,
    },
    AckWindowLarge {
        window: u32,
        queue: u32,
    },
    NoInterface(String),
    InterfaceDown(String),
    SharedInterface(String),
    NotOurAddress {
        addr: IpAddr,
        interface: String,
    },
    PeerIsUs(IpAddr),
    NoGroup(IpAddr),
    ChecksumOff(String),
    LinkIsReplicated(String),
    EndsNowhere,
    NoCounters,
}

impl fmt::Display for Pitfall {
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each pitfall, in the order of the enum"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str(
                "there is neither `Sync' nor `Stats': the daemon would only answer its clients; add \
                 one of them",
            ),
            Self::NoConntrack => f.write_str(
                "the kernel does not track connections yet, and settings of net.netfilter made before \
                 it does are lost; load the module nf_conntrack at boot, before the settings",
            ),
            Self::HashLimitLow { limit, table } => write!(
                f,
                "HashLimit is {limit}, but the kernel's table can have {table} flows ({MAX}): those \
                 beyond it are left out; set HashLimit {table}"
            ),
            Self::EventBufferIgnored { size, max } => write!(
                f,
                "NetlinkBufferSize {size} has no effect, since NetlinkBufferSizeMaxGrowth is {max}; set \
                 NetlinkBufferSizeMaxGrowth at least as high"
            ),
            Self::EventBufferSmall { size, usual } => write!(
                f,
                "NetlinkBufferSize {size} has room for {} events, less than is usual here ({usual} \
                 bytes): events are lost when many flows change at a time; leave it out for 32 MiB",
                size / EVENT_LEN
            ),
            Self::LinkBufferSmall { interface, keyword, size, usual } => write!(
                f,
                "{keyword} {size} of the link on {interface} is less than what every socket of this \
                 machine has ({usual}); leave it out, or set some MiB"
            ),
            Self::ReliableWithoutEvents => f.write_str(
                "NetlinkEventsReliable has no effect, since PollSecs does without events; remove one \
                 of them",
            ),
            Self::EventsOnDemand { number, is_set, is_replicated } => {
                let who = if *is_set {
                    "the daemon sets it to 1 at its start, but"
                } else {
                    "NetlinkEventsAllFlows is off, so"
                };
                let what = if *is_replicated {
                    "they are replicated for ever as they were"
                } else {
                    "those ends are not logged"
                };
                write!(
                    f,
                    "{EVENTS} is {number}: {who} the kernel never tells of the end of flows that were \
                     made before without a listener, and {what}; set it to 1 at boot, in /etc/sysctl.d"
                )
            }
            Self::SchedulerRefused => f.write_str(
                "Scheduler needs a Priority from 1 to 99: the system refuses 0, and the daemon would \
                 run without real time; set a Priority",
            ),
            Self::NoLog => f.write_str(
                "there is no log: with `-d' nobody would hear of errors; set LogFile or Syslog in \
                 General",
            ),
            Self::NoControl => f.write_str(
                "the daemon could not be asked anything, so that no failover is possible; set a Path \
                 in General { UNIX }",
            ),
            Self::NoFolder { keyword, folder } => write!(
                f,
                "the folder {} of {keyword} does not exist: the daemon would not start; make it",
                folder.display()
            ),
            Self::NoUser(name) => write!(
                f,
                "there is no user `{name}': the daemon would not start; make the user (adduser \
                 --system), or remove `User'"
            ),
            Self::TcpLoose => write!(
                f,
                "{LOOSE} is not 0: after a failover the kernel takes connections up in their middle, \
                 before the commit, without their translation; set it to 0"
            ),
            Self::TcpLiberal { tracks_windows: true } => write!(
                f,
                "{LIBERAL} is 1, which takes the effect from TCPWindowTracking: no segment is checked; \
                 set it to 0"
            ),
            Self::TcpLiberal { tracks_windows: false } => write!(
                f,
                "{LIBERAL} is 1: no connection's segments are checked. Connections that are taken over \
                 do not need it, they are made liberal one by one; set it to 0"
            ),
            Self::InjectionNeedsRoom { limit, table } => write!(
                f,
                "without an external cache the kernel's table holds the peer's flows as well, but has \
                 room for {table} ({MAX}) where HashLimit lets each side have {limit}; set {MAX} to {}",
                u64::from(*limit) * 2
            ),
            Self::InjectionIsReadBack { keyword } => write!(
                f,
                "without an external cache the kernel's table holds the peer's flows; with {keyword}, \
                 those of before a restart of the daemon are read there and told to the peer as ours, \
                 who may lose live ones; remove DisableExternalCache or {keyword}"
            ),
            Self::CacheTimeoutShort { cache, refresh } => write!(
                f,
                "CacheTimeout is {cache} seconds, but a flow is told again after up to {refresh} \
                 (RefreshTime): flows that live would be forgotten; set CacheTimeout to {} or more",
                refresh * 3
            ),
            Self::AckWindowLarge { window, queue } => write!(
                f,
                "the peer acknowledges after {window} messages (ACKWindowSize), but only {queue} are \
                 kept for it (ResendQueueSize): what is lost could not be sent again; make \
                 ACKWindowSize smaller"
            ),
            Self::NoInterface(name) => write!(
                f,
                "there is no interface {name}: the daemon would not start; correct Interface"
            ),
            Self::InterfaceDown(name) => {
                write!(f, "the interface {name} is down: nothing would be sent on it; set it up")
            }
            Self::SharedInterface(name) => write!(
                f,
                "two links are on {name} and fail together; put them on interfaces of their own"
            ),
            Self::NotOurAddress { addr, interface } => write!(
                f,
                "{addr} is no address of this machine: the link on {interface} could not be opened; \
                 are the two addresses of the link swapped?"
            ),
            Self::PeerIsUs(addr) => write!(
                f,
                "the peer's address {addr} is one of this machine: the daemon would talk to itself; are \
                 the two addresses of the link swapped?"
            ),
            Self::NoGroup(addr) => write!(
                f,
                "{addr} is not the address of a multicast group: nobody could join it; take one of \
                 225.0.0.0/8 or ff05::/16"
            ),
            Self::ChecksumOff(interface) => write!(
                f,
                "without Checksum the link on {interface} takes damaged messages for good ones, and \
                 they would be committed; leave it on"
            ),
            Self::LinkIsReplicated(interface) => write!(
                f,
                "the filter lets the daemon's own traffic on {interface} pass: it would replicate its \
                 own link, and the firewalls' other connections; add their addresses to Filter {{ \
                 Address Ignore }}"
            ),
            Self::EndsNowhere => f.write_str(
                "ended flows would be written nowhere; set LogFile or Syslog in Stats",
            ),
            Self::NoCounters => write!(
                f,
                "{ACCT} is 0: the log of ended flows would have no packets and bytes; set it to 1"
            ),
        }
    }
}

/// What an event takes of a socket's buffer, in bytes.
const EVENT_LEN: u32 = 1280;
