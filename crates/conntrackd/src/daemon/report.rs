//! What an operator should know, as a value first and as a log line at the edge.
//!
//! The sentences that stock writes are kept word by word, since people search logs for them.

use std::borrow::Cow;
use std::time::Duration;

use ctsync::{Injection, Notice, Tables};
use linux::{SystemError, table};

use crate::config::model::FilterPlace;
use crate::daemon::event_setting::Setting;
use crate::daemon::link::LinkReport;
use crate::daemon::stats_mode::RecordingReport;
use crate::log::Level;

/// Collected while the loop works, written to the log at the end of its turn.
pub type Reports = Vec<Report>;

/// One thing to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The node has something to say.
    Node(Notice),
    /// The commit of these caches begins (`-c`, with the words of the command).
    Committing(&'static str),
    /// A commit has stopped the purge that was under way.
    PurgeCalledOff,
    /// A table of the kernel is read into the internal cache (`-R`, with stock's word for it).
    ReadingTable(&'static str),
    /// There is no internal cache to read it into.
    ReadingUnsupported,
    /// The kernel refused a flow of the commit: the reason, and the flow's line.
    CommitRefused(String, String),
    /// The kernel refused a flow that was to be injected: what was tried, the reason, and the
    /// flow's line.
    InjectRefused(Injection, String, String),
    /// A commit has written so many entries, or expectations.
    Committed(u64, &'static str),
    /// It could not write so many of them.
    CommitFailed(u64, &'static str),
    /// It could write so many only without their helper, or their master.
    CommittedWithout(u64, &'static str),
    /// It has taken so long.
    CommitTook(Duration),
    /// A dedicated link has something to say.
    Link(LinkReport),
    /// The kernel's table was read at the start and has so many flows.
    TableRead(usize),
    /// This cache is not kept, as the configuration wants.
    CacheDisabled(&'static str),
    /// The table is read again and again instead of following events.
    Polling,
    /// Events are delivered reliably.
    ReliableEvents,
    /// Events are filtered there.
    Filtering(FilterPlace),
    /// The filter is too long for the kernel.
    FilterTooLong,
    /// The kernel does not take the filter.
    FilterRefused(SystemError),
    /// The configured receive buffer of events has no effect.
    EventBufferIgnored,
    /// The receive buffer of events has this many bytes.
    EventBuffer(usize),
    /// The receive buffer of events was doubled to this many bytes.
    EventBufferDoubled(usize),
    /// The receive buffer of events overflowed at its largest size.
    EventBufferAtLimit,
    /// Reading events failed.
    EventsFailed(SystemError),
    /// The kernel refused something as a whole.
    KernelRefused(&'static str, table::Error),
    /// Something about the log of ended flows.
    Recording(RecordingReport),
    /// The kernel has refused flows since its table is full, with so many of so many flows.
    KernelTableFull {
        /// Flows in it, if that can be read.
        count: Option<u64>,
        /// Most flows.
        max: Option<u64>,
    },
    /// What is left of all rights, as this user.
    RightsKept(u32),
    /// A file of the configuration lies where the user of the configuration may not write.
    FolderClosed {
        /// Its keyword.
        keyword: &'static str,
        /// The folder.
        folder: String,
    },
    /// The scheduler of the configuration was refused.
    SchedulerRefused(SystemError),
    /// The kernel did not tell of all flows, and has been asked to.
    EventsSet(Setting),
    /// It does not, and could not be asked to.
    EventsNotSet(Setting, SystemError),
    /// It does not, and is not to be asked to.
    EventsNotAsked(Setting),
}

impl Report {
    /// How grave it is.
    pub const fn level(&self) -> Level {
        match self {
            Self::Node(notice) => notice_level(notice),
            Self::Link(report) => report.level(),
            Self::Recording(report) => report.level(),
            Self::EventsFailed(_)
            | Self::FilterRefused(_)
            | Self::KernelRefused(..)
            | Self::KernelTableFull { .. }
            | Self::CommitRefused(..) => Level::Error,
            Self::InjectRefused(..)
            | Self::EventBufferAtLimit
            | Self::EventBufferIgnored
            | Self::FilterTooLong
            | Self::FolderClosed { .. }
            | Self::SchedulerRefused(_)
            | Self::EventsNotSet(..)
            | Self::EventsNotAsked(_) => Level::Warning,
            Self::Committing(_)
            | Self::PurgeCalledOff
            | Self::ReadingTable(_)
            | Self::ReadingUnsupported
            | Self::Committed(..)
            | Self::CommitFailed(..)
            | Self::CommittedWithout(..)
            | Self::CommitTook(_)
            | Self::RightsKept(_)
            | Self::TableRead(_)
            | Self::EventsSet(_)
            | Self::CacheDisabled(_)
            | Self::Polling
            | Self::ReliableEvents
            | Self::Filtering(_)
            | Self::EventBuffer(_)
            | Self::EventBufferDoubled(_) => Level::Notice,
        }
    }

    /// The kind of what may come again and again; too many of a kind are only counted.
    pub const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Node(notice) => match notice {
                Notice::CacheFull { .. } => Some("full caches"),
                Notice::ResendQueueFull => Some("full resend queues"),
                Notice::MessagesLost(_) | Notice::EventsLost => Some("losses"),
                Notice::PeerSequenceRecovered => Some("jumps of the peer"),
                Notice::PeerGreeted
                | Notice::PeerRestarted
                | Notice::PeerSilent(_)
                | Notice::PeerBack => Some("comings and goings of the peer"),
                Notice::ResyncRequestedByPeer | Notice::BulkStarted | Notice::BulkDone(_) => {
                    Some("bulk updates")
                }
                _ => None,
            },
            Self::CommitRefused(..) | Self::InjectRefused(..) => Some("refused flows"),
            Self::EventBufferDoubled(_) | Self::EventBufferAtLimit => Some("overruns"),
            Self::EventsFailed(_) => Some("failures to read events"),
            Self::Recording(report) => report.kind(),
            Self::KernelRefused(..) => Some("refusals of the kernel"),
            Self::Link(report) => report.kind(),
            Self::Committing(_)
            | Self::PurgeCalledOff
            | Self::ReadingTable(_)
            | Self::ReadingUnsupported
            | Self::Committed(..)
            | Self::CommitFailed(..)
            | Self::CommittedWithout(..)
            | Self::CommitTook(_)
            | Self::TableRead(_)
            | Self::CacheDisabled(_)
            | Self::Polling
            | Self::ReliableEvents
            | Self::Filtering(_)
            | Self::FilterTooLong
            | Self::FilterRefused(_)
            | Self::EventBuffer(_)
            | Self::EventBufferIgnored
            | Self::KernelTableFull { .. }
            | Self::RightsKept(_)
            | Self::FolderClosed { .. }
            | Self::SchedulerRefused(_)
            | Self::EventsSet(_)
            | Self::EventsNotSet(..)
            | Self::EventsNotAsked(_) => None,
        }
    }

    /// The line of the log.
    pub fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Node(notice) => notice_text(notice),
            Self::Committing(what) => format!("committing {what}").into(),
            Self::PurgeCalledOff => "the rest of the table is not flushed: a commit begins".into(),
            Self::ReadingUnsupported => "resync is unsupported in this mode".into(),
            Self::ReadingTable(table) => format!("resync with master {table} table").into(),
            Self::CommitRefused(reason, _) => format!("commit-create: {reason}").into(),
            Self::InjectRefused(injection, reason, _) => {
                format!("{}: {reason}", injection_text(*injection)).into()
            }
            Self::Committed(count, what) => format!("Committed {count} new {what}").into(),
            Self::CommitFailed(count, what) => {
                format!("{count} {what} can't be committed").into()
            }
            Self::CommittedWithout(count, what) => format!(
                "{count} of the committed entries have lost their {what}, which this kernel does not have"
            )
            .into(),
            Self::CommitTook(time) => {
                let (seconds, micros) = (time.as_secs(), time.subsec_micros());
                format!("commit has taken {seconds}.{micros:06} seconds").into()
            }
            Self::Link(report) => report.text(),
            Self::TableRead(count) => format!("kernel conntrack table has {count} flows").into(),
            Self::CacheDisabled(name) => format!("disabling {name} cache").into(),
            Self::Polling => "running in polling mode".into(),
            Self::ReliableEvents => "reliable ctnetlink event delivery is ENABLED.".into(),
            Self::Filtering(FilterPlace::Userspace) => "using user-space event filtering".into(),
            Self::Filtering(FilterPlace::Kernelspace) => {
                "using kernel-space event filtering".into()
            }
            Self::FilterTooLong => FILTER_TOO_LONG.into(),
            Self::FilterRefused(error) => format!(
                "cannot set event filtering: {}; using user-space event filtering",
                error.reason()
            )
            .into(),
            Self::EventBufferIgnored => IGNORED.into(),
            Self::EventBuffer(len) => {
                format!("netlink event socket buffer size has been set to {len} bytes").into()
            }
            Self::EventBufferDoubled(len) => {
                format!("netlink event socket buffer size has been doubled to {len} bytes").into()
            }
            Self::EventBufferAtLimit => AT_LIMIT.into(),
            Self::EventsFailed(error) => error.to_string().into(),
            Self::KernelRefused(what, error) => format!("{what}: {error}").into(),
            Self::Recording(report) => report.text().into(),
            Self::KernelTableFull { count, max } => full_text(*count, *max).into(),
            Self::RightsKept(uid) => rights_text(*uid),
            Self::FolderClosed { keyword, folder } => format!(
                "the folder {folder} of {keyword} is closed to `User': the file cannot be opened \
                 again after rotation, nor removed at the end; give it a folder of its own"
            )
            .into(),
            Self::SchedulerRefused(error) => format!(
                "scheduler configuration failed: {}. Continuing with system default scheduler.",
                error.reason()
            )
            .into(),
            Self::EventsSet(before) => events_set(*before).into(),
            Self::EventsNotSet(before, error) => {
                format!("{error}; {}", events_missing(*before)).into()
            }
            Self::EventsNotAsked(before) => events_missing(*before).into(),
        }
    }

    /// The flow that it is about.
    pub fn flow(&self) -> Option<&str> {
        match self {
            Self::CommitRefused(_, flow) | Self::InjectRefused(_, _, flow) => Some(flow),
            _ => None,
        }
    }
}

const AT_LIMIT: &str = "netlink event socket buffer size cannot be doubled further since it will \
    exceed NetlinkBufferSizeMaxGrowth. We are likely to be losing events, this may lead to \
    unsynchronized replicas. Please, consider increasing netlink socket buffer size via \
    NetlinkBufferSize and NetlinkBufferSizeMaxGrowth clauses in conntrackd.conf";

const FILTER_TOO_LONG: &str =
    "the event filter is too long for the kernel: using user-space event filtering";

const IGNORED: &str = "NetlinkBufferSize is greater than NetlinkBufferSizeMaxGrowth and has no effect; \
    set NetlinkBufferSizeMaxGrowth at least as high";

fn rights_text(uid: u32) -> Cow<'static, str> {
    match uid {
        0 => "kept of all rights: CAP_NET_ADMIN, and the files of user 0 (see `User')".into(),
        uid => format!("kept of all rights: CAP_NET_ADMIN, as user {uid}").into(),
    }
}

fn full_text(count: Option<u64>, max: Option<u64>) -> String {
    let number = |number: Option<u64>| number.map_or("?".to_owned(), |it| it.to_string());
    format!(
        "the kernel has no room for further flows: {} of {} (net.netfilter.nf_conntrack_max); \
         raise it, and commit again",
        number(count),
        number(max)
    )
}

fn events_set(before: Setting) -> String {
    format!(
        "net.netfilter.nf_conntrack_events was {} and has been set to 1: the kernel tells of all \
         flows that are made from now on, and stays silent about most of those that are older",
        before.number()
    )
}

fn events_missing(before: Setting) -> String {
    let consequence = match before {
        Setting::Off => "the kernel tells nothing of its flows",
        Setting::OnDemand | Setting::All => {
            "the kernel tells nothing of flows that are older than this daemon"
        }
    };
    let number = before.number();
    format!("net.netfilter.nf_conntrack_events is {number}: {consequence}; set it to 1 at boot")
}

/// What stock says when an injection has failed.
const fn injection_text(injection: Injection) -> &'static str {
    match injection {
        Injection::Create => "could not add new ct entry",
        Injection::CreateAfterDelete => "could not add new ct entry, even when deleting it first",
        Injection::UpdateByCreate => "could not update ct entry, even if creating it instead",
        Injection::UpdateAfterDelete => "could not update ct entry, even when deleting it first",
        Injection::Destroy => "could not destroy ct entry",
    }
}

const fn flush_text(tables: Tables, scheduled: bool) -> &'static str {
    match (tables, scheduled) {
        (Tables::Flows, false) => "flushing kernel conntrack table",
        (Tables::Flows | Tables::All, true) => "flushing kernel conntrack table (scheduled)",
        (Tables::Expectations, _) => "flushing kernel expect table",
        (Tables::All, false) => "flushing kernel conntrack table and kernel expect table",
    }
}

const fn notice_level(notice: &Notice) -> Level {
    match notice {
        Notice::FlushRefusedCommitInProgress => Level::Error,
        Notice::CacheFull { .. }
        | Notice::ResendQueueFull
        | Notice::MessagesLost(_)
        | Notice::EventsLost
        | Notice::UnsupportedWithoutCache
        | Notice::PeerSilent(_) => Level::Warning,
        _ => Level::Notice,
    }
}

fn notice_text(notice: &Notice) -> Cow<'static, str> {
    match *notice {
        Notice::ResyncRequestedByPeer => "resync requested by other node".into(),
        Notice::ResyncRequested => "resync requested".into(),
        Notice::BulkStarted => "sending bulk update".into(),
        Notice::BulkDone(count) => format!("bulk update queued: {count} flows").into(),
        Notice::KernelResyncStarted => "resync with kernel table: events were lost".into(),
        Notice::KernelResyncDone { seen, purged } => {
            format!("resync with kernel table done: {seen} flows, {purged} of ours had vanished")
                .into()
        }
        Notice::CommitInProgress => "commit already in progress, skipping".into(),
        Notice::FlushRefusedCommitInProgress => {
            "ignoring flush command, commit still in progress".into()
        }
        Notice::CachesFlushed {
            internal: true,
            external: false,
        } => "flushing internal cache".into(),
        Notice::CachesFlushed {
            internal: false,
            external: true,
        } => "flushing external cache".into(),
        Notice::CachesFlushed { .. } => "flushing caches".into(),
        Notice::PurgeScheduled(delay) => {
            format!("flushing conntrack table in {} secs", delay.as_secs()).into()
        }
        Notice::KernelFlush { tables, scheduled } => flush_text(tables, scheduled).into(),
        Notice::CacheFull { internal } => format!(
            "the {} cache has reached HashLimit: further flows are not replicated",
            if internal { "internal" } else { "external" }
        )
        .into(),
        Notice::ResendQueueFull => {
            "the resend queue has reached ResendQueueSize: the peer does not acknowledge".into()
        }
        Notice::PeerSequenceRecovered => {
            "the peer's sequence numbers had jumped; its new ones are taken over".into()
        }
        Notice::PeerGreeted => "the peer answers: flows are replicated".into(),
        Notice::PeerRestarted => "the peer has restarted".into(),
        Notice::PeerSilent(silence) => format!(
            "nothing heard from the peer for {} seconds",
            silence.as_secs()
        )
        .into(),
        Notice::PeerBack => "the peer is heard again".into(),
        Notice::MessagesLost(count) => format!("{count} messages of the peer were lost").into(),
        Notice::EventsLost => {
            "events are lost: the link takes no more, and DisableInternalCache keeps nothing".into()
        }
        Notice::UnsupportedWithoutCache => {
            "there is no internal cache (DisableInternalCache): request ignored".into()
        }
        _ => format!("{notice:?}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_commit_has_six_digits_behind_the_point() {
        let took = Report::CommitTook(Duration::from_micros(1_000_042));
        assert_eq!(took.text(), "commit has taken 1.000042 seconds");
    }
}
