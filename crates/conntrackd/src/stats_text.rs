//! The statistics that `conntrackd -s` shows, in stock's layouts to the byte.
//!
//! Pure functions from plain numbers to text: whoever has the numbers fills in these structures.
//! Each block ends with an empty line. Counters that stock shows and never counts are shown too,
//! since programs find the others by their line.

use std::fmt::{self, Write};
use std::time::Duration;

/// A cache, in summary and in detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// `internal` or `external`.
    pub name: &'static str,
    /// Entries that stand for something that exists.
    pub live: u64,
    /// Entries, those included that only wait for their removal to be acknowledged.
    pub total: u64,
    /// Allocated entries.
    pub objects: u64,
    /// Entries added.
    pub created: u64,
    /// Entries that could not be added.
    pub created_failed: u64,
    /// Of these: no memory.
    pub no_memory: u64,
    /// Of these: the cache was full.
    pub no_space: u64,
    /// Updates.
    pub updated: u64,
    /// Removals.
    pub destroyed: u64,
}

/// What is shown of the flows, or expectations, of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// They are kept in a cache.
    Cache(CacheStats),
    /// `DisableInternalCache`: they are passed on.
    Bypass {
        /// New ones.
        new: u64,
        /// Changed ones.
        updated: u64,
        /// Ended ones.
        destroyed: u64,
    },
    /// `DisableExternalCache`: they go into the kernel, or fail to.
    Inject {
        /// New ones.
        created: [u64; 2],
        /// Changed ones.
        updated: [u64; 2],
        /// Ended ones.
        destroyed: [u64; 2],
    },
}

/// Traffic of flows that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTraffic {
    /// Bytes.
    pub bytes: u64,
    /// Datagrams.
    pub packets: u64,
    /// Failures.
    pub errors: u64,
}

/// Transport of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `UDP`.
    Udp,
    /// `multicast`.
    Multicast,
    /// `TCP`, and whether its two connections are there.
    Tcp {
        /// The one that the peer has made.
        server: bool,
        /// The one that we have made.
        client: bool,
    },
}

/// State of a link's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStatus {
    /// Up, with a carrier.
    Running,
    /// Up, without a carrier.
    NoCarrier,
    /// Not up.
    Down,
}

/// Whether a link is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRole {
    /// It is.
    Active,
    /// It waits for the active one to fail.
    Backup,
}

/// A dedicated link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkStats<'a> {
    /// Its transport.
    pub transport: Transport,
    /// Its interface.
    pub interface: &'a str,
    /// State of the interface.
    pub status: LinkStatus,
    /// Whether it is in use.
    pub role: LinkRole,
    /// What was sent.
    pub sent: LinkTraffic,
    /// What was received.
    pub received: LinkTraffic,
}

/// Messages of the peer that could not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageStats {
    /// Another version of the protocol.
    pub wrong_version: u64,
    /// Refused by the mode.
    pub malformed_header: u64,
    /// Attributes that cannot be read.
    pub malformed_payload: u64,
    /// A type that does not exist.
    pub bad_type: u64,
    /// The datagram ends before the message.
    pub truncated: u64,
    /// A length that cannot be.
    pub bad_size: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Sequence numbers that came after later ones.
    pub before: u64,
}

impl MessageStats {
    /// All messages that could not be read.
    pub const fn malformed(&self) -> u64 {
        self.wrong_version
            + self.malformed_header
            + self.malformed_payload
            + self.bad_type
            + self.truncated
            + self.bad_size
    }
}

/// The daemon itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeStats {
    /// Since the start.
    pub uptime: Duration,
    /// Events of the kernel.
    pub events: u64,
    /// Of these: not wanted by the filter.
    pub events_filtered: u64,
    /// Of these: of an unknown type.
    pub events_unknown: u64,
    /// Failures to read events, overruns included.
    pub events_failed: u64,
    /// Entries of a dump of an unknown type.
    pub dump_unknown: u64,
    /// Times that the kernel dropped events.
    pub overruns: u64,
    /// Times that the kernel's table was emptied.
    pub kernel_flushes: u64,
    /// Times that the kernel's table was read again.
    pub kernel_resyncs: u64,
    /// Size of the buffer for events, in bytes.
    pub event_buffer_len: u64,
    /// Failures to wait for events.
    pub wait_failed: u64,
    /// Clients that sent no request, or not a whole one.
    pub request_failed: u64,
    /// Requests that do not exist.
    pub request_unknown: u64,
}

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStats {
    /// `txqueue`, `errorq` or `rsqueue`.
    pub name: &'static str,
    /// Elements in it.
    pub len: u64,
    /// Most elements.
    pub len_max: u64,
    /// Elements there was no place for.
    pub no_space: u64,
}

/// An element of the resend queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendElement {
    /// A control message.
    Control {
        /// Its sequence number.
        seq: u32,
        /// Its flags.
        flags: u8,
    },
    /// A flow or an expectation.
    Object {
        /// Sequence number of its message.
        seq: u32,
    },
}

/// `-s`: the summary. `link` is the active one.
pub fn general(
    sides: &[Side],
    traffic: Traffic,
    link: &LinkStats<'_>,
    messages: &MessageStats,
) -> String {
    let mut out = Text::default();
    for side in sides {
        match side {
            Side::Cache(cache) => out.cache_summary(cache),
            Side::Bypass { .. } | Side::Inject { .. } => out.uncached(side),
        }
    }
    out.traffic(traffic);
    out.active_link(link);
    let (malformed, lost) = (messages.malformed(), messages.lost);
    out.line(format_args!("message tracking:"));
    out.line(format_args!(
        "{malformed:>20} Malformed msgs {lost:>20} Lost msgs\n"
    ));
    out.0
}

/// `-s` and `-s ct` in statistics mode.
pub fn recorded(cache: &CacheStats, traffic: Traffic) -> String {
    let mut out = Text::default();
    out.cache_summary(cache);
    out.traffic(traffic);
    out.0
}

/// `-s network`.
pub fn network(messages: &MessageStats, link: &LinkStats<'_>) -> String {
    let mut out = Text::default();
    out.line(format_args!("network statistics:\n\trecv:"));
    for (name, value) in [
        ("Malformed messages:\t", messages.malformed()),
        ("Wrong protocol version:\t", messages.wrong_version),
        ("Malformed header:\t", messages.malformed_header),
        ("Malformed payload:\t", messages.malformed_payload),
        ("Bad message type:\t", messages.bad_type),
        ("Truncated message:\t", messages.truncated),
        ("Bad message size:\t", messages.bad_size),
    ] {
        out.line(format_args!("\t\t{name}{value:>20}"));
    }
    out.line(format_args!(
        "\tsend:\n\t\tMalformed messages:\t{:>20}\n",
        0
    ));
    out.line(format_args!("sequence tracking statistics:\n\trecv:"));
    let (lost, before) = (messages.lost, messages.before);
    out.line(format_args!("\t\tPackets lost:\t\t{lost:>20}"));
    out.line(format_args!("\t\tPackets before:\t\t{before:>20}\n"));
    out.active_link(link);
    out.0
}

/// `-s cache`.
pub fn cache(sides: &[Side]) -> String {
    let mut out = Text::default();
    for side in sides {
        match side {
            Side::Cache(cache) => out.cache_detail(cache),
            Side::Bypass { .. } | Side::Inject { .. } => out.uncached(side),
        }
    }
    out.0
}

/// `-s runtime`.
pub fn runtime(stats: &RuntimeStats) -> String {
    let mut out = Text::default();
    out.line(format_args!("daemon uptime: {}\n", Uptime(stats.uptime)));
    let (events, filtered) = (stats.events, stats.events_filtered);
    out.line(format_args!(
        "netlink stats:\n\tevents received:\t{events:>20}"
    ));
    out.line(format_args!("\tevents filtered:\t{filtered:>20}"));
    for (name, value) in [
        ("\tevents unknown type:\t\t", stats.events_unknown),
        ("\tcatch event failed:\t\t", stats.events_failed),
        ("\tdump unknown type:\t\t", stats.dump_unknown),
        ("\tnetlink overrun:\t\t", stats.overruns),
        ("\tflush kernel table:\t\t", stats.kernel_flushes),
        ("\tresync with kernel table:\t", stats.kernel_resyncs),
        (
            "\tcurrent buffer size (in bytes):\t",
            stats.event_buffer_len,
        ),
    ] {
        out.line(format_args!("{name}{value:>12}"));
    }
    out.line(format_args!("\nruntime stats:"));
    for (name, value) in [
        // There are no child processes.
        ("\tchild process failed:\t\t", 0),
        ("\t\tchild process segfault:\t", 0),
        ("\t\tchild process termsig:\t", 0),
        ("\tselect failed:\t\t\t", stats.wait_failed),
        ("\twait failed:\t\t\t", 0),
        ("\tlocal read failed:\t\t", stats.request_failed),
        ("\tlocal unknown request:\t\t", stats.request_unknown),
    ] {
        out.line(format_args!("{name}{value:>12}"));
    }
    out.line(format_args!(""));
    out.0
}

/// `-s link`: the links in the order of the configuration.
pub fn links(links: &[LinkStats<'_>]) -> String {
    let mut out = Text::default();
    for link in links {
        let status = match link.status {
            LinkStatus::Running => "RUNNING",
            LinkStatus::NoCarrier => "NO-CARRIER",
            LinkStatus::Down => "DOWN",
        };
        let role = match link.role {
            LinkRole::Active => "ACTIVE",
            LinkRole::Backup => "BACKUP",
        };
        let (transport, interface) = (link.transport, link.interface);
        out.line(format_args!(
            "{transport} traffic device={interface} status={status} role={role}:"
        ));
        out.link_traffic(link);
    }
    out.0
}

/// `-s queue`. `nodes` are elements that are not entries of a cache.
pub fn queues(nodes: u64, queues: &[QueueStats]) -> String {
    let mut out = Text::default();
    out.line(format_args!("allocated queue nodes:\t\t{nodes:>12}\n"));
    for queue in queues {
        let QueueStats {
            name,
            len,
            len_max,
            no_space,
        } = queue;
        out.line(format_args!("queue {name}:"));
        out.line(format_args!("current elements:\t\t{len:>12}"));
        out.line(format_args!("maximum elements:\t\t{len_max:>12}"));
        out.line(format_args!("not enough space errors:\t{no_space:>12}\n"));
    }
    out.0
}

/// First line of `-s rsqueue`.
pub fn resend_queue(len: u64) -> String {
    format!("resent queue (len={len})\n")
}

impl fmt::Display for ResendElement {
    /// A line of `-s rsqueue`, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control { seq, flags } => write!(f, "control -> seq:{seq} flags:{flags}"),
            Self::Object { seq } => write!(f, "object -> seq:{seq}"),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp => f.write_str("UDP"),
            Self::Multicast => f.write_str("multicast"),
            Self::Tcp { .. } => f.write_str("TCP"),
        }
    }
}

const fn connected(connected: bool) -> &'static str {
    match connected {
        true => "connected",
        false => "disconnected",
    }
}

/// `1 day 2 h 3 min`.
struct Uptime(Duration);

impl fmt::Display for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        match days {
            0 => {}
            1 => f.write_str("1 day ")?,
            _ => write!(f, "{days} days ")?,
        }
        if hours != 0 {
            write!(f, "{hours} h ")?;
        }
        write!(f, "{minutes} min")
    }
}

/// The text so far.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }

    fn cache_summary(&mut self, cache: &CacheStats) {
        let CacheStats {
            name,
            live,
            created,
            created_failed,
            updated,
            destroyed,
            ..
        } = cache;
        self.line(format_args!("cache {name}:"));
        self.line(format_args!("current active connections:\t{live:>12}"));
        for (name, done, failed) in [
            ("created", created, created_failed),
            ("updated", updated, &0),
            ("destroyed", destroyed, &0),
        ] {
            self.line(format_args!(
                "connections {name}:\t\t{done:>12}\tfailed:\t{failed:>12}"
            ));
        }
        self.line(format_args!(""));
    }

    fn traffic(&mut self, traffic: Traffic) {
        let Traffic { bytes, packets } = traffic;
        self.line(format_args!("traffic processed:"));
        self.line(format_args!("{bytes:>20} Bytes      {packets:>20} Pckts\n"));
    }

    /// A side without a cache looks the same in summary and in detail.
    fn uncached(&mut self, side: &Side) {
        match *side {
            Side::Cache(_) => {}
            Side::Bypass {
                new,
                updated,
                destroyed,
            } => {
                self.line(format_args!("internal bypass:"));
                for (name, done) in [("new", new), ("updated", updated), ("destroyed", destroyed)] {
                    self.line(format_args!("connections {name}:\t\t{done:>12}"));
                }
                self.line(format_args!(""));
            }
            Side::Inject {
                created,
                updated,
                destroyed,
            } => {
                self.line(format_args!("external inject:"));
                for (name, [done, failed]) in [
                    ("created", created),
                    ("updated", updated),
                    ("destroyed", destroyed),
                ] {
                    self.line(format_args!(
                        "connections {name}:\t\t{done:>12}\tfailed:\t{failed:>12}"
                    ));
                }
                self.line(format_args!(""));
            }
        }
    }

    fn cache_detail(&mut self, cache: &CacheStats) {
        let CacheStats {
            name,
            live,
            total,
            objects,
            created,
            created_failed,
            ..
        } = cache;
        let CacheStats {
            no_memory,
            no_space,
            updated,
            destroyed,
            ..
        } = cache;
        let none = 0;
        self.line(format_args!(
            "cache:{name}\tactive objects:\t\t{objects:>12}"
        ));
        self.line(format_args!(
            "\tactive/total entries:\t\t{live:>12}/{total:>12}"
        ));
        self.line(format_args!(
            "\tcreation OK/failed:\t\t{created:>12}/{created_failed:>12}"
        ));
        self.line(format_args!("\t\tno memory available:\t{no_memory:>12}"));
        self.line(format_args!("\t\tno space left in cache:\t{no_space:>12}"));
        self.line(format_args!(
            "\tupdate OK/failed:\t\t{updated:>12}/{none:>12}"
        ));
        self.line(format_args!("\t\tentry not found:\t{none:>12}"));
        self.line(format_args!(
            "\tdeletion created/failed:\t{destroyed:>12}/{none:>12}"
        ));
        self.line(format_args!("\t\tentry not found:\t{none:>12}\n"));
    }

    fn active_link(&mut self, link: &LinkStats<'_>) {
        let (transport, interface) = (link.transport, link.interface);
        match transport {
            Transport::Udp | Transport::Multicast => self.line(format_args!(
                "{transport} traffic (active device={interface}):"
            )),
            Transport::Tcp { server, client } => self.line(format_args!(
                "{transport} traffic (active device={interface}) server={} client={}:",
                connected(server),
                connected(client)
            )),
        }
        self.link_traffic(link);
    }

    fn link_traffic(&mut self, link: &LinkStats<'_>) {
        let (sent, received) = (link.sent, link.received);
        for (unit, verb, out, back) in [
            ("Bytes", "sent", sent.bytes, received.bytes),
            ("Pckts", "sent", sent.packets, received.packets),
            ("Error", "send", sent.errors, received.errors),
        ] {
            self.line(format_args!(
                "{out:>20} {unit} {verb} {back:>20} {unit} recv"
            ));
        }
        self.line(format_args!(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_names_what_is_not_zero() {
        for (minutes, expected) in [
            (0, "0 min"),
            (59, "59 min"),
            (60, "1 h 0 min"),
            (1439, "23 h 59 min"),
            (1440, "1 day 0 min"),
            (2881, "2 days 1 min"),
            (3000, "2 days 2 h 0 min"),
        ] {
            let uptime = Uptime(Duration::from_secs(minutes * 60 + 59));
            assert_eq!(uptime.to_string(), expected);
        }
    }
}
