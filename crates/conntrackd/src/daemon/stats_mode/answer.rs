//! What clients get in statistics mode.
//!
//! It knows no peer, no commit and no expectations; what it does not know is answered by nothing,
//! as in stock. `-f` empties the cache, which stock leaves as it is (compat: daemon-41).

use ctsync::{ClientId, Instant, Notice, Tables};

use crate::control::protocol::{Cache, Caches, Request, Table};
use crate::daemon::Daemon;
use crate::daemon::answer::Job;
use crate::daemon::report::Report;
use crate::daemon::work::Work;

impl Daemon {
    /// Does what a client asks for, and answers it unless it has to wait.
    pub(in crate::daemon) fn answer_in_stats_mode(
        &mut self,
        client: ClientId,
        request: Request,
        now: Instant,
    ) {
        let Work::Stats(recording) = &mut self.work else {
            return;
        };
        match request {
            Request::Kill => self.shut_down(client),
            Request::Stats(topic) => {
                let text = self.statistics(topic, now);
                self.reply(client, text, None, now);
            }
            Request::Dump(Cache::Internal, table @ (Table::Flows | Table::Both), format) => {
                let job = Job::cache(Cache::Internal, table, format);
                self.reply(client, Vec::new(), Some(job), now);
            }
            Request::FlushKernel(Table::Flows | Table::Both) => {
                self.reports.push(Report::Node(Notice::KernelFlush {
                    tables: Tables::Flows,
                    scheduled: false,
                }));
                let reports = &mut self.reports;
                recording.kernel.start_flush(Tables::Flows, reports);
                self.waiting.flush.push(client);
            }
            Request::ResyncKernel(Table::Flows | Table::Both) => {
                recording.resync();
                self.report(Report::ReadingTable("conntrack"));
                self.waiting.dump.push(client);
            }
            Request::FlushCaches(Caches::Internal | Caches::Flows | Caches::All) => {
                recording.flush_cache();
                self.report(Report::Node(Notice::CachesFlushed {
                    internal: true,
                    external: true,
                }));
                self.reply(client, Vec::new(), None, now);
            }
            Request::Dump(..)
            | Request::Commit(_)
            | Request::FlushKernel(Table::Expectations)
            | Request::ResyncKernel(Table::Expectations)
            | Request::FlushCaches(Caches::External)
            | Request::SendBulk
            | Request::RequestBulk
            | Request::SchedulePurge => {
                self.refuse(client, "statistics mode does no such thing", now);
            }
        }
    }
}
