//! What clients ask for, and what they get.
//!
//! A request either is answered at once, or begins work of which the client hears the end (its
//! connection stays open until then), or names a listing that is produced in pieces while it is
//! read.

use std::io::Write;
use std::time::Duration;

use ctsync::config::{ExternalCache, InternalCache};
use ctsync::{
    self as core, ClientId, CommitReport, Cursor, Input, Instant, Item, QueuedMessage, Seq, Tables,
};

use crate::control::connection::{CHUNK_LEN, Progress};
use crate::control::protocol::{Cache, Caches, Format, Request, Table, Topic};
use crate::daemon::kernel::Kernel;
use crate::daemon::listing::Listing;
use crate::daemon::replication::{Commits, Replication};
use crate::daemon::report::Report;
use crate::daemon::work::Work;
use crate::daemon::{Daemon, Fate};
use crate::dump_text::{Ages, Dump};
use crate::stats_text::{self, ResendElement};

/// Entries looked at between two looks at the length of a piece.
const ENTRIES_PER_STEP: u32 = 64;

/// Elements of the resend queue in one piece.
const ELEMENTS_PER_PIECE: usize = 2048;

/// Why a request was not done: there is no such cache or table here.
const NOT_REPLICATED: &str = "nothing of the kind is replicated";

/// Why a request was not done: `DisableInternalCache`.
const NO_INTERNAL: &str = "there is no internal cache";

/// Why a request was not done: it waits for nobody.
const COMMITTING: &str = "a commit is in progress";

/// A listing under way.
#[derive(Debug)]
pub enum Job {
    /// Of a cache.
    Cache {
        /// Which one.
        cache: Cache,
        /// Of flows, or of expectations.
        of_expectations: bool,
        /// How.
        format: Format,
        /// Where to go on.
        cursor: Cursor,
    },
    /// Of the kernel's table, where no internal cache is kept.
    Kernel(Box<Listing>),
    /// Of the resend queue, of which this many elements have been shown.
    ResendQueue(usize),
}

impl Job {
    pub(super) fn cache(cache: Cache, table: Table, format: Format) -> Self {
        Self::Cache {
            cache,
            of_expectations: table == Table::Expectations,
            format,
            cursor: Cursor::default(),
        }
    }

    /// Appends the next piece.
    pub fn produce(&mut self, work: &Work, now: Instant, out: &mut Vec<u8>) -> Progress {
        match self {
            Self::Cache {
                cache,
                of_expectations,
                format,
                cursor,
            } => {
                let dump = Dump {
                    cache: *cache,
                    format: *format,
                    now,
                    life: life(work, *cache),
                };
                while out.len() < CHUNK_LEN {
                    let next = if *of_expectations {
                        list_expectations(work, &dump, *cursor, out)
                    } else {
                        list_flows(work, &dump, *cursor, out)
                    };
                    match next {
                        Some(next) => *cursor = next,
                        None => return Progress::Done,
                    }
                }
                Progress::More
            }
            Self::Kernel(listing) => listing.produce(out),
            Self::ResendQueue(shown) => {
                let before = out.len();
                let Some(Replication { node, .. }) = work.replication() else {
                    return Progress::Done;
                };
                for message in node.resend_queue().skip(*shown).take(ELEMENTS_PER_PIECE) {
                    // Writing to a vector cannot fail.
                    let _ = writeln!(out, "{}", resend_element(message));
                }
                *shown += ELEMENTS_PER_PIECE;
                if out.len() == before {
                    Progress::Done
                } else {
                    Progress::More
                }
            }
        }
    }
}

/// How long an entry of a cache is kept without being told again.
fn life(work: &Work, cache: Cache) -> Option<Duration> {
    match cache {
        Cache::Internal => None,
        Cache::External => work.replication()?.keeping.life,
    }
}

fn list_flows(work: &Work, dump: &Dump, cursor: Cursor, out: &mut Vec<u8>) -> Option<Cursor> {
    let view = match (work, dump.cache) {
        (Work::Sync(replication), Cache::Internal) => replication.node.internal(),
        (Work::Sync(replication), Cache::External) => replication.node.external(),
        (Work::Stats(recording), Cache::Internal) => recording.collector().flows(),
        (Work::Stats(_), Cache::External) | (Work::Idle, _) => return None,
    };
    view.next(cursor, ENTRIES_PER_STEP, |entry| {
        let (created, updated) = (entry.created, entry.updated);
        dump.write(&entry.flow, Ages { created, updated }, out);
    })
}

fn list_expectations(
    work: &Work,
    dump: &Dump,
    cursor: Cursor,
    out: &mut Vec<u8>,
) -> Option<Cursor> {
    let Replication { node, .. } = work.replication()?;
    let view = match dump.cache {
        Cache::Internal => node.internal_expectations(),
        Cache::External => node.external_expectations(),
    };
    view.next(cursor, ENTRIES_PER_STEP, |entry| {
        let (created, updated) = (entry.created, entry.updated);
        dump.write_expectation(&entry.expectation, Ages { created, updated }, out);
    })
}

fn resend_element(message: QueuedMessage) -> ResendElement {
    let Seq(seq) = message.seq;
    match message.item {
        Item::Control(control) => ResendElement::Control {
            seq,
            flags: control.flag().0,
        },
        Item::Entry(_) => ResendElement::Object { seq },
    }
}

/// Clients that wait for the end of something.
#[derive(Default)]
pub struct Waiting {
    /// For the end of a flush of the kernel's table.
    pub(super) flush: Vec<ClientId>,
    /// For the end of a reading of the kernel's table.
    pub(super) dump: Vec<ClientId>,
    /// Why the flush under way, or the last one, is not whole.
    flush_refused: Option<String>,
    /// Why the reading under way, or the last one, is not whole.
    dump_refused: Option<String>,
    /// Commits that begin when the flush under way has ended.
    after_flush: Vec<(ClientId, Tables)>,
    /// Flushes of the kernel's table that begin when the commit under way has ended.
    after_commit: Vec<(ClientId, Tables)>,
    /// Whose commit runs; who asks for another one meanwhile is refused.
    committer: Option<ClientId>,
    /// Commits that have ended.
    pub commits: Commits,
}

impl Waiting {
    /// Keeps what the kernel has refused in this turn for those who wait for it.
    fn note_refusals(&mut self, reports: &[Report]) {
        for report in reports {
            let kept = match report {
                Report::KernelRefused(what, _) if what.starts_with("flush") => {
                    &mut self.flush_refused
                }
                Report::KernelRefused("read the table", _) => &mut self.dump_refused,
                _ => continue,
            };
            kept.get_or_insert_with(|| report.text().into_owned());
        }
    }
}

impl Daemon {
    /// Does what a client asks for, and answers it unless it has to wait.
    pub(super) fn answer(&mut self, client: ClientId, request: Request, now: Instant) {
        if let Work::Stats(_) = self.work {
            return self.answer_in_stats_mode(client, request, now);
        }
        match request {
            Request::Kill => self.shut_down(client),
            Request::Stats(Topic::ResendQueue) if self.work.replication().is_some() => {
                let replication = self.work.replication();
                let len = replication.map_or(0, |it| it.node.resend_queue().count());
                let head = stats_text::resend_queue(u64::try_from(len).unwrap_or(u64::MAX));
                self.reply(client, head.into_bytes(), Some(Job::ResendQueue(0)), now);
            }
            Request::Stats(topic) => {
                let text = self.statistics(topic, now);
                self.reply(client, text, None, now);
            }
            Request::Dump(_, table, _)
            | Request::Commit(table)
            | Request::FlushKernel(table)
            | Request::ResyncKernel(table)
                if !self.has(table) =>
            {
                // Nothing to say where nothing is replicated: stock closes the connection then.
                self.refuse(client, NOT_REPLICATED, now);
            }
            Request::Dump(Cache::Internal, Table::Flows | Table::Both, _) if self.bypasses() => {
                self.list_kernel(client, now);
            }
            Request::Dump(cache, table, format) => {
                let job = Job::cache(cache, table, format);
                self.reply(client, Vec::new(), Some(job), now);
            }
            Request::Commit(table) => {
                self.report(Report::Committing(match table {
                    Table::Both => "all external caches",
                    Table::Flows => "conntrack cache",
                    Table::Expectations => "expectation cache",
                }));
                self.commit(client, tables(table), now);
            }
            Request::FlushKernel(table) => self.flush_kernel(client, tables(table), now),
            Request::ResyncKernel(table) => self.resync_kernel(client, table, now),
            Request::FlushCaches(caches) => {
                let request = match caches {
                    Caches::Internal => core::Request::FlushInternal,
                    Caches::External => core::Request::FlushExternal,
                    Caches::Flows | Caches::All => core::Request::FlushCaches,
                };
                self.ask_and_close(client, request, now);
            }
            Request::SendBulk => self.ask_and_close(client, core::Request::SendBulk, now),
            Request::RequestBulk => self.ask_and_close(client, core::Request::RequestBulk, now),
            Request::SchedulePurge => {
                self.ask_and_close(client, core::Request::SchedulePurge, now);
            }
        }
    }

    /// Ends the daemon after this turn, as a client wants it.
    pub(super) fn shut_down(&mut self, client: ClientId) {
        if let Some(control) = &mut self.control {
            control.announce(client);
        }
        self.fate = Fate::ShuttingDown;
    }

    /// Whether a table is replicated.
    fn has(&self, table: Table) -> bool {
        let replication = self.work.replication();
        replication.is_some_and(|it| table != Table::Expectations || it.has_expectations)
    }

    /// Whether there is no internal cache.
    fn bypasses(&self) -> bool {
        let replication = self.work.replication();
        replication.is_some_and(|it| it.keeping.internal == InternalCache::Bypass)
    }

    /// Shows the kernel's table in the place of an internal cache.
    fn list_kernel(&mut self, client: ClientId, now: Instant) {
        let filter = self.work.kernel().map(|kernel| kernel.filter().clone());
        let job = match Listing::start(filter.unwrap_or_default()) {
            Ok(listing) => Some(Job::Kernel(Box::new(listing))),
            Err(error) => {
                self.report(Report::KernelRefused("dump kernel table", error));
                None
            }
        };
        self.reply(client, Vec::new(), job, now);
    }

    /// Reads tables of the kernel into the internal cache.
    fn resync_kernel(&mut self, client: ClientId, table: Table, now: Instant) {
        if self.bypasses() {
            self.report(Report::ReadingUnsupported);
            self.refuse(client, NO_INTERNAL, now);
            return;
        }
        if table != Table::Expectations {
            self.report(Report::ReadingTable("conntrack"));
        }
        if table != Table::Flows && self.has(Table::Expectations) {
            self.report(Report::ReadingTable("expect"));
        }
        let request = core::Request::ResyncKernel(tables(table));
        self.ask(client, request, now, |w| Some(&mut w.dump));
    }

    /// Hands a request to the node. The client waits in the list that `wait` names, or for the
    /// answer that the node gives it by name.
    fn ask(
        &mut self,
        client: ClientId,
        request: core::Request,
        now: Instant,
        wait: fn(&mut Waiting) -> Option<&mut Vec<ClientId>>,
    ) {
        let Some(Replication { node, .. }) = self.work.replication_mut() else {
            self.refuse(client, NOT_REPLICATED, now);
            return;
        };
        node.handle(now, Input::Request(request));
        if let Some(list) = wait(&mut self.waiting) {
            list.push(client);
        }
    }

    /// Begins a commit, but not beside a flush, which would delete what it writes. Clients of a
    /// flush want it done first. A purge has nobody who waits, and is called off by a commit.
    fn commit(&mut self, client: ClientId, tables: Tables, now: Instant) {
        let Some(replication) = self.work.replication_mut() else {
            self.refuse(client, NOT_REPLICATED, now);
            return;
        };
        if replication.kernel.is_flushing() {
            if !self.waiting.flush.is_empty() {
                self.waiting.after_flush.push((client, tables));
                return;
            }
            replication.kernel.stop_flush();
            self.reports.push(Report::PurgeCalledOff);
        }
        let request = core::Request::Commit(client, tables);
        replication.node.handle(now, Input::Request(request));
        self.waiting.committer.get_or_insert(client);
    }

    /// Begins a flush of the kernel's table, but not beside a commit: of what that writes nothing
    /// shall be left either.
    fn flush_kernel(&mut self, client: ClientId, tables: Tables, now: Instant) {
        if self.waiting.committer.is_some() {
            self.waiting.after_commit.push((client, tables));
            return;
        }
        let request = core::Request::FlushKernel(tables);
        self.ask(client, request, now, |w| Some(&mut w.flush));
    }

    fn ask_and_close(&mut self, client: ClientId, request: core::Request, now: Instant) {
        let is_committing = self.waiting.committer.is_some();
        let Some(Replication { node, keeping, .. }) = self.work.replication_mut() else {
            self.refuse(client, NOT_REPLICATED, now);
            return;
        };
        node.handle(now, Input::Request(request));
        let refusal = match request {
            core::Request::FlushExternal | core::Request::FlushCaches if is_committing => {
                Some(COMMITTING)
            }
            core::Request::FlushInternal if keeping.internal == InternalCache::Bypass => {
                Some(NO_INTERNAL)
            }
            core::Request::FlushExternal if keeping.external == ExternalCache::Inject => {
                Some("there is no external cache")
            }
            core::Request::SendBulk | core::Request::RequestBulk if keeping.life.is_some() => {
                Some("mode ALARM sends everything by itself")
            }
            _ => None,
        };
        match refusal {
            Some(reason) => self.refuse(client, reason, now),
            None => self.reply(client, Vec::new(), None, now),
        }
    }

    /// Closes the connections of clients whose work has ended.
    pub(super) fn answer_those_who_waited(&mut self, now: Instant) {
        for (client, report) in std::mem::take(&mut self.waiting.commits) {
            if self.waiting.committer.take_if(|it| *it == client).is_none() {
                self.refuse(client, COMMITTING, now);
                continue;
            }
            self.report_commit(&report);
            match report.flows.failed + report.expectations.failed {
                0 => self.reply(client, Vec::new(), None, now),
                failed => {
                    let reason = format!("{failed} entries can't be committed");
                    self.refuse(client, &reason, now);
                }
            }
        }
        self.waiting.note_refusals(&self.reports);
        if !self.work.kernel().is_some_and(Kernel::is_flushing) {
            let refused = self.waiting.flush_refused.take();
            let done = std::mem::take(&mut self.waiting.flush);
            self.end(done, refused, now);
        }
        if !self.work.is_reading_kernel() {
            let refused = self.waiting.dump_refused.take();
            let done = std::mem::take(&mut self.waiting.dump);
            self.end(done, refused, now);
        }
        if self.waiting.committer.is_none() {
            for (client, tables) in std::mem::take(&mut self.waiting.after_commit) {
                self.flush_kernel(client, tables, now);
            }
        }
        if self.waiting.flush.is_empty() {
            for (client, tables) in std::mem::take(&mut self.waiting.after_flush) {
                self.commit(client, tables, now);
            }
        }
    }

    /// Answers clients whose work has ended, well or not.
    fn end(&mut self, clients: Vec<ClientId>, refused: Option<String>, now: Instant) {
        for client in clients {
            match &refused {
                Some(reason) => self.refuse(client, reason, now),
                None => self.reply(client, Vec::new(), None, now),
            }
        }
    }

    fn report_commit(&mut self, report: &CommitReport) {
        for (is_meant, tally, what) in [
            (report.tables.flows(), report.flows, "entries"),
            (
                report.tables.expectations(),
                report.expectations,
                "expectations",
            ),
        ] {
            if is_meant {
                self.report(Report::Committed(tally.committed, what));
            }
            if tally.failed > 0 {
                self.report(Report::CommitFailed(tally.failed, what));
            }
        }
        for (count, what) in [
            (report.without_helper, "helper"),
            (report.without_master, "master"),
        ] {
            if count > 0 {
                self.report(Report::CommittedWithout(count, what));
            }
        }
        self.report(Report::CommitTook(report.duration));
    }
}

fn tables(table: Table) -> Tables {
    match table {
        Table::Flows => Tables::Flows,
        Table::Expectations => Tables::Expectations,
        Table::Both => Tables::All,
    }
}
