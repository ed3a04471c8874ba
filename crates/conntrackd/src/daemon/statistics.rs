//! The numbers behind `conntrackd -s`: from the counters of the parts to the layouts of stock.
//!
//! Each part counts for itself; here the numbers are put where stock's layouts have a place for
//! them. What this daemon does not do (fork) is shown as never done.

use ctsync::collector::Collector;
use ctsync::config::{ExternalCache, InternalCache};
use ctsync::{Counter, Gauges, Instant, Stats};
use linux::channel;

use crate::control::protocol::Topic;
use crate::daemon::Daemon;
use crate::daemon::link::{Kind, Link};
use crate::daemon::links::Links;
use crate::daemon::replication::{Keeping, Replication};
use crate::daemon::work::Work;
use crate::stats_text::{
    self, CacheStats, LinkRole, LinkStats, LinkStatus, LinkTraffic, MessageStats, QueueStats,
    RuntimeStats, Side, Traffic, Transport,
};

/// The length that stock shows for its transmit queue.
const TRANSMIT_QUEUE_LEN_MAX: u64 = 2_147_483_647;

/// `ErrorQueueLength` of stock, shown also where there is no TCP link.
const ERROR_QUEUE_LEN_MAX: u64 = 128;

impl Daemon {
    /// The text for a topic; empty when this daemon has nothing to say on it.
    pub(super) fn statistics(&self, topic: Topic, now: Instant) -> Vec<u8> {
        if topic == Topic::Runtime {
            return stats_text::runtime(&self.runtime(now)).into_bytes();
        }
        let replication = match &self.work {
            Work::Idle => return Vec::new(),
            Work::Sync(replication) => replication,
            Work::Stats(recording) => return recorded(recording.collector(), topic),
        };
        let stats = replication.node.stats();
        let gauges = replication.node.gauges();
        let caches = sides(stats, &gauges, replication.keeping);
        let (links, active) = link_stats(replication);
        let Some(link) = links.get(active) else {
            return Vec::new();
        };
        match topic {
            Topic::Flows => {
                stats_text::general(&caches, traffic(stats), link, &messages(stats)).into_bytes()
            }
            Topic::Network => stats_text::network(&messages(stats), link).into_bytes(),
            Topic::Expectations if replication.has_expectations => {
                let caches = sides_of_expectations(stats, &gauges, replication.keeping);
                stats_text::general(&caches, traffic(stats), link, &messages(stats)).into_bytes()
            }
            Topic::Cache => stats_text::cache(&caches).into_bytes(),
            Topic::Link => stats_text::links(&links).into_bytes(),
            Topic::Queue => stats_text::queues(
                number(gauges.control_len),
                &queues(replication, stats, &gauges),
            )
            .into_bytes(),
            // Listed in pieces. There are no child processes.
            Topic::ResendQueue | Topic::Expectations | Topic::Process | Topic::Runtime => {
                Vec::new()
            }
        }
    }

    fn runtime(&self, now: Instant) -> RuntimeStats {
        let kernel = self.work.kernel();
        let counters = kernel.map(|kernel| kernel.counters()).unwrap_or_default();
        let control = self
            .control
            .as_ref()
            .map(|control| control.counters())
            .unwrap_or_default();
        RuntimeStats {
            uptime: now.since(self.started),
            events: counters.events,
            events_filtered: counters.events_filtered,
            events_unknown: counters.events_unknown,
            events_failed: counters.events_failed,
            dump_unknown: counters.dump_unknown,
            overruns: counters.overruns,
            kernel_flushes: counters.flushes,
            kernel_resyncs: counters.resyncs,
            event_buffer_len: kernel.map_or(0, |kernel| number(kernel.event_buffer_len())),
            wait_failed: 0,
            request_failed: control.read_failed + control.too_slow,
            request_unknown: control.unknown_request,
        }
    }
}

/// The text for a topic in statistics mode, which knows nothing of links and queues.
fn recorded(collector: &Collector, topic: Topic) -> Vec<u8> {
    let (stats, len) = (collector.stats(), collector.flows().len());
    let gauges = Gauges {
        internal_live: len,
        internal_len: len,
        ..Gauges::default()
    };
    let cache = CacheStats {
        name: "stats",
        ..internal(stats, &gauges)
    };
    match topic {
        Topic::Flows => stats_text::recorded(&cache, traffic(stats)).into_bytes(),
        Topic::Cache => stats_text::cache(&[Side::Cache(cache)]).into_bytes(),
        Topic::Runtime
        | Topic::Network
        | Topic::Link
        | Topic::Queue
        | Topic::ResendQueue
        | Topic::Expectations
        | Topic::Process => Vec::new(),
    }
}

/// Both sides as they are kept.
fn sides(stats: &Stats, gauges: &Gauges, keeping: Keeping) -> [Side; 2] {
    let count = |counter| stats.get(counter);
    let ours = match keeping.internal {
        InternalCache::Keep => Side::Cache(internal(stats, gauges)),
        InternalCache::Bypass => Side::Bypass {
            new: count(Counter::BypassNew),
            updated: count(Counter::BypassUpdated),
            destroyed: count(Counter::BypassDestroyed),
        },
    };
    let theirs = match keeping.external {
        ExternalCache::Keep => Side::Cache(external(stats, gauges)),
        ExternalCache::Inject => Side::Inject {
            created: [Counter::InjectCreated, Counter::InjectCreateFailed].map(count),
            updated: [Counter::InjectUpdated, Counter::InjectUpdateFailed].map(count),
            destroyed: [Counter::InjectDestroyed, Counter::InjectDestroyFailed].map(count),
        },
    };
    [ours, theirs]
}

/// Both sides of expectations; those that are passed on are counted with the flows.
fn sides_of_expectations(stats: &Stats, gauges: &Gauges, keeping: Keeping) -> [Side; 2] {
    let ours = match keeping.internal {
        InternalCache::Keep => Side::Cache(internal_expectations(stats, gauges)),
        InternalCache::Bypass => Side::Bypass {
            new: 0,
            updated: 0,
            destroyed: 0,
        },
    };
    let theirs = match keeping.external {
        ExternalCache::Keep => Side::Cache(external_expectations(stats, gauges)),
        ExternalCache::Inject => Side::Inject {
            created: [0; 2],
            updated: [0; 2],
            destroyed: [0; 2],
        },
    };
    [ours, theirs]
}

fn internal(stats: &Stats, gauges: &Gauges) -> CacheStats {
    CacheStats {
        name: "internal",
        live: number(gauges.internal_live),
        total: number(gauges.internal_len),
        objects: number(gauges.internal_len),
        created: stats.get(Counter::InternalCreated),
        created_failed: stats.get(Counter::InternalNoSpace),
        no_memory: 0,
        no_space: stats.get(Counter::InternalNoSpace),
        updated: stats.get(Counter::InternalUpdated),
        destroyed: stats.get(Counter::InternalDestroyed),
    }
}

fn external(stats: &Stats, gauges: &Gauges) -> CacheStats {
    CacheStats {
        name: "external",
        live: number(gauges.external_len),
        total: number(gauges.external_len),
        objects: number(gauges.external_len),
        created: stats.get(Counter::ExternalCreated),
        created_failed: stats.get(Counter::ExternalNoSpace),
        no_memory: 0,
        no_space: stats.get(Counter::ExternalNoSpace),
        updated: stats.get(Counter::ExternalUpdated),
        destroyed: stats.get(Counter::ExternalDestroyed),
    }
}

fn internal_expectations(stats: &Stats, gauges: &Gauges) -> CacheStats {
    CacheStats {
        name: "internal",
        live: number(gauges.internal_expectations_live),
        total: number(gauges.internal_expectations_len),
        objects: number(gauges.internal_expectations_len),
        created: stats.get(Counter::InternalExpectationsCreated),
        created_failed: stats.get(Counter::InternalExpectationsNoSpace),
        no_memory: 0,
        no_space: stats.get(Counter::InternalExpectationsNoSpace),
        updated: stats.get(Counter::InternalExpectationsUpdated),
        destroyed: stats.get(Counter::InternalExpectationsDestroyed),
    }
}

fn external_expectations(stats: &Stats, gauges: &Gauges) -> CacheStats {
    CacheStats {
        name: "external",
        live: number(gauges.external_expectations_len),
        total: number(gauges.external_expectations_len),
        objects: number(gauges.external_expectations_len),
        created: stats.get(Counter::ExternalExpectationsCreated),
        created_failed: stats.get(Counter::ExternalExpectationsNoSpace),
        no_memory: 0,
        no_space: stats.get(Counter::ExternalExpectationsNoSpace),
        updated: stats.get(Counter::ExternalExpectationsUpdated),
        destroyed: stats.get(Counter::ExternalExpectationsDestroyed),
    }
}

fn traffic(stats: &Stats) -> Traffic {
    Traffic {
        bytes: stats.get(Counter::TrafficBytes),
        packets: stats.get(Counter::TrafficPackets),
    }
}

fn messages(stats: &Stats) -> MessageStats {
    MessageStats {
        wrong_version: stats.get(Counter::WrongVersion),
        malformed_header: stats.get(Counter::MalformedHeader),
        malformed_payload: stats.get(Counter::MalformedPayload),
        bad_type: stats.get(Counter::BadType),
        truncated: stats.get(Counter::Truncated),
        bad_size: stats.get(Counter::BadSize),
        lost: stats.get(Counter::MessagesLost),
        before: stats.get(Counter::MessagesBefore),
    }
}

/// The queues, of which only FT-FW has the last one.
fn queues(replication: &Replication, stats: &Stats, gauges: &Gauges) -> Vec<QueueStats> {
    let transmit = QueueStats {
        name: "txqueue",
        len: number(gauges.transmit_queue_len),
        len_max: TRANSMIT_QUEUE_LEN_MAX,
        no_space: stats.get(Counter::TransmitNoSpace),
    };
    let resend = QueueStats {
        name: "rsqueue",
        len: number(gauges.resend_queue_len),
        len_max: number(gauges.resend_queue_len_max),
        no_space: stats.get(Counter::ResendNoSpace),
    };
    let mut queues = vec![transmit, error_queue(&replication.links)];
    if replication.keeping.resends {
        queues.push(resend);
    }
    queues
}

/// The buffers that wait for connections, at all links together.
fn error_queue(links: &Links) -> QueueStats {
    let mut queue = QueueStats {
        name: "errorq",
        len: 0,
        len_max: ERROR_QUEUE_LEN_MAX,
        no_space: 0,
    };
    for (len, len_max, dropped) in links.iter().filter_map(Link::error_queue) {
        queue.len += number(len);
        queue.len_max = number(len_max);
        queue.no_space += dropped;
    }
    queue
}

/// The links, and the one in use.
fn link_stats(replication: &Replication) -> (Vec<LinkStats<'_>>, usize) {
    let in_use = replication.node.channel();
    let links = replication.links.iter();
    let all: Vec<_> = links
        .map(|link| one_link(link, link.id() == in_use))
        .collect();
    let active = all.iter().position(|link| link.role == LinkRole::Active);
    (all, active.unwrap_or(0))
}

fn one_link(link: &Link, is_active: bool) -> LinkStats<'_> {
    let (sent, received) = link.traffic();
    LinkStats {
        transport: match link.kind() {
            Kind::Udp => Transport::Udp,
            Kind::Multicast => Transport::Multicast,
            Kind::Tcp { server, client } => Transport::Tcp { server, client },
        },
        interface: link.name(),
        status: match link.interface() {
            Some(interface) if interface.is_up && interface.is_running => LinkStatus::Running,
            Some(interface) if interface.is_up => LinkStatus::NoCarrier,
            Some(_) | None => LinkStatus::Down,
        },
        role: match is_active {
            true => LinkRole::Active,
            false => LinkRole::Backup,
        },
        sent: link_traffic(sent),
        received: link_traffic(received),
    }
}

fn link_traffic(traffic: channel::Traffic) -> LinkTraffic {
    LinkTraffic {
        bytes: traffic.bytes,
        packets: traffic.packets,
        errors: traffic.errors,
    }
}

fn number(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
