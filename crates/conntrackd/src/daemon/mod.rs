//! The daemon: one thread, one poller, one match over wake-ups.
//!
//! ```text
//!            kernel events ─┐                       ┌─▶ kernel changes, dumps, flushes
//!   datagrams of the peer ──┼─▶ Replication (Node) ─┼─▶ datagrams to the peer
//!        control requests ──┤                       ├─▶ replies
//!         timers, signals ──┘                       └─▶ log
//! ```
//!
//! A turn serves what is ready, then takes one step of each long job (dump, flush, commit, bulk,
//! reply), so that no job keeps an event waiting. Nothing here forks or blocks.

mod answer;
pub mod event_setting;
mod expectations;
pub mod kernel;
mod link;
mod links;
mod listing;
mod node_config;
mod pace;
mod panic;
mod refusal;
mod replication;
mod report;
mod service;
mod start;
mod statistics;
mod stats_mode;
mod work;

use std::time::Duration;

use ctsync::{ClientId, Instant};
use linux::clock;
use linux::poller::{Poller, Wakeup};
use linux::process::{Signal, Signals};

use crate::config::model::Config;
use crate::control::server::Server;
use crate::log::{Level, Log};

use answer::{Job, Waiting};
use links::Links;
use pace::{Breath, Pace};
use replication::EVENTS;
use report::{Report, Reports};
use service::Service;
use work::Work;

pub use start::{StartError, Stay, run};

/// Poller token of the signals.
const SIGNALS: u64 = 0;
/// Poller tokens of the control socket start here.
const CONTROL: u64 = 16;

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Running,
    ShuttingDown,
}

/// A running daemon.
struct Daemon {
    config: Config,
    work: Work,
    control: Option<Server<Job>>,
    waiting: Waiting,
    poller: Poller,
    signals: Signals,
    service: Service,
    log: Log,
    reports: Reports,
    pace: Pace,
    breath: Breath,
    started: Instant,
    fate: Fate,
}

/// The moment, for the core.
fn now() -> Instant {
    Instant::default().after(clock::monotonic())
}

/// A number of the configuration as a length.
fn usize_from(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Daemon {
    /// Runs until a signal or a client ends it.
    fn serve(&mut self) -> linux::Result<()> {
        let mut wakeups: Vec<Wakeup> = Vec::new();
        while self.fate == Fate::Running {
            wakeups.clear();
            if let Some(time) = self.breath.rest(now()) {
                std::thread::sleep(time);
            }
            let before = now();
            let patience = self.patience(before);
            wakeups.extend(self.poller.wait(patience)?);
            self.breath.rested(now().since(before));
            self.let_work_gather(&wakeups);
            self.turn(&wakeups);
        }
        Ok(())
    }

    /// How long nothing needs to be done unless a descriptor is ready; `None` for ever.
    fn patience(&self, now: Instant) -> Option<Duration> {
        if self.work.has_work() {
            return Some(Duration::ZERO);
        }
        let control = self.control.as_ref().and_then(Server::timeout);
        let watchdog = self.service.interval();
        let due = [self.work.timeout(), control, self.log.timeout()]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.since(now));
        [due, watchdog].into_iter().flatten().min()
    }

    /// Under load lets a millisecond's worth of events and datagrams come together.
    fn let_work_gather(&mut self, wakeups: &[Wakeup]) {
        let is_traffic =
            |wakeup: &Wakeup| wakeup.token == EVENTS || Links::is_incoming(wakeup.token);
        if self.work.has_work() || !wakeups.iter().any(is_traffic) {
            return;
        }
        if let Some(wait) = self.pace.take(now()) {
            std::thread::sleep(wait);
            self.breath.rested(wait);
        }
    }

    fn turn(&mut self, wakeups: &[Wakeup]) {
        let now = now();
        self.work.serve_rest(now, &mut self.reports);
        for wakeup in wakeups {
            match wakeup.token {
                SIGNALS => self.take_signals(now),
                token if token == EVENTS || Links::owns(token) => {
                    self.work.ready(token, now, &mut self.reports);
                }
                token => self.serve_client(token, now),
            }
        }
        let (reports, commits) = (&mut self.reports, &mut self.waiting.commits);
        self.work.turn(now, &mut self.poller, reports, commits);
        self.answer_those_who_waited(now);
        if let Some(control) = &mut self.control {
            control.expire(now, &mut self.poller);
        }
        self.write_reports();
        self.service.keep_alive(now);
    }

    fn take_signals(&mut self, now: Instant) {
        while let Ok(Some(signal)) = self.signals.receive() {
            match signal {
                Signal::Terminate | Signal::Interrupt => self.fate = Fate::ShuttingDown,
                Signal::Hangup => {
                    self.log.reopen();
                    self.work.reopen_logs(now, &mut self.reports);
                }
                _ => {}
            }
        }
    }

    fn serve_client(&mut self, token: u64, now: Instant) {
        let Some(control) = &mut self.control else {
            return;
        };
        let work = &self.work;
        let produce = |job: &mut Job, out: &mut Vec<u8>| job.produce(work, now, out);
        if let Some((client, request)) = control.ready(token, now, &mut self.poller, produce) {
            self.answer(client, request, now);
        }
    }

    /// Begins a client's reply, which ends its connection.
    fn reply(&mut self, client: ClientId, text: Vec<u8>, job: Option<Job>, now: Instant) {
        if let Some(control) = &mut self.control {
            control.reply(client, text, job, now, &mut self.poller);
        }
    }

    /// Ends the connection of a client whose request was not done, for this reason.
    fn refuse(&mut self, client: ClientId, reason: &str, now: Instant) {
        if let Some(control) = &mut self.control {
            control.refuse(client, reason, now, &mut self.poller);
        }
    }

    fn report(&mut self, report: Report) {
        self.reports.push(report);
    }

    fn write_reports(&mut self) {
        let now = now();
        self.log.report_suppressed(now);
        for report in self.reports.drain(..) {
            let level = report.level();
            let written = match report.kind() {
                Some(kind) => self.log.limited(kind, now, level, report.text()),
                None => {
                    self.log.write(level, report.text());
                    true
                }
            };
            if let (Some(flow), true) = (report.flow(), written) {
                self.log.write_flow(level, flow.as_bytes());
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.log.write(Level::Notice, text);
    }
}
