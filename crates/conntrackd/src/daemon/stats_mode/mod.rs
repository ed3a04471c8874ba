//! Statistics mode: the flows of the kernel, and a log of those that have ended.
//!
//! A [`Recording`] is in this mode what `Replication` is in the other: the collector and the kernel
//! around it. Nothing is sent to anybody.

mod answer;
mod journal;
mod report;

use ctsync::collector::{Collector, Settings, Wish};
use ctsync::{DumpReason, Input, Instant, Tables};
use flow::Origin;

use crate::config::model::{General, Stats};
use crate::daemon::StartError;
use crate::daemon::expectations::Expectations;
use crate::daemon::kernel::{Drain, Hear, Kernel};
use crate::daemon::node_config::hash_key;
use crate::daemon::report::{Report, Reports};
use crate::daemon::usize_from;

use journal::Journal;
pub use report::RecordingReport;

/// The collector with its surroundings.
pub struct Recording {
    /// The kernel's table.
    pub kernel: Kernel,
    recorder: Recorder,
    /// The last drain left something behind.
    more: bool,
}

/// What listens to the kernel.
struct Recorder {
    collector: Collector,
    journal: Journal,
}

impl Hear for Recorder {
    fn hear(&mut self, now: Instant, input: Input<'_>) {
        let journal = &mut self.journal;
        self.collector
            .handle(now, &input, &mut |flow| journal.write(flow));
    }
}

impl Recording {
    /// Opens everything and loads the kernel's table.
    pub fn open(
        general: &General,
        stats: &Stats,
        now: Instant,
        reports: &mut Reports,
    ) -> Result<Self, StartError> {
        let journal = Journal::open(stats).map_err(StartError::Log)?;
        let kernel = Kernel::open(general, Expectations::OFF, Origin::Commit, reports)
            .map_err(StartError::Kernel)?;
        let settings = Settings {
            cache_len_max: usize_from(general.hash_limit),
            overrun_resync: general.overrun_resync,
            poll: general.poll,
            hash_key: hash_key(),
        };
        let mut recording = Self {
            kernel,
            recorder: Recorder {
                collector: Collector::new(settings, now),
                journal,
            },
            more: false,
        };
        recording.load(now, reports)?;
        Ok(recording)
    }

    /// Reads the whole table before the daemon says that it is ready.
    fn load(&mut self, now: Instant, reports: &mut Reports) -> Result<(), StartError> {
        let before = reports.len();
        self.grant(now, reports);
        while self.kernel.is_dumping() {
            self.kernel.step_dump(&mut self.recorder, now, reports);
        }
        StartError::of_reading(reports.get(before..).unwrap_or_default())?;
        reports.push(Report::TableRead(self.collector().flows().len()));
        Ok(())
    }

    /// What is known.
    pub const fn collector(&self) -> &Collector {
        &self.recorder.collector
    }

    /// Forgets all flows, which do not end by that.
    pub fn flush_cache(&mut self) {
        self.recorder.collector.flush();
    }

    /// Begins to read the kernel's table.
    pub fn resync(&mut self) {
        self.recorder.collector.resync();
    }

    /// Opens the log of ended flows again, after it was rotated.
    pub fn reopen(&mut self, now: Instant, reports: &mut Reports) {
        self.recorder.journal.reopen(now, reports);
    }

    /// Writes what is left to be written.
    pub fn finish(&mut self, now: Instant, reports: &mut Reports) {
        self.recorder.journal.flush(now, reports);
    }

    /// Whether something waits that no descriptor and no timer tells of.
    pub const fn has_work(&self) -> bool {
        self.more || self.kernel.has_work()
    }

    /// When the next turn is due at the latest, if nothing happens before.
    pub fn timeout(&self) -> Option<Instant> {
        let journal = self.recorder.journal.timeout();
        [self.collector().timeout(), journal]
            .into_iter()
            .flatten()
            .min()
    }

    /// Reads the events that have come.
    pub fn take_events(&mut self, now: Instant, reports: &mut Reports) {
        let Drain { more, .. } = self.kernel.take_events(&mut self.recorder, now, reports);
        self.more |= more;
    }

    /// Reads on where the last turn left something behind.
    pub fn serve_rest(&mut self, now: Instant, reports: &mut Reports) {
        if std::mem::take(&mut self.more) {
            self.take_events(now, reports);
        }
    }

    /// One turn: due timers and one step of each long job; then the lines about ended flows.
    pub fn turn(&mut self, now: Instant, reports: &mut Reports) {
        if self.collector().timeout().is_some_and(|due| due <= now) {
            self.recorder.hear(now, Input::Timeout);
        }
        self.kernel.step_dump(&mut self.recorder, now, reports);
        self.kernel.step_flush(reports);
        self.grant(now, reports);
        self.recorder.journal.flush(now, reports);
    }

    /// Does what the collector wants.
    fn grant(&mut self, now: Instant, reports: &mut Reports) {
        while let Some(wish) = self.recorder.collector.poll() {
            match wish {
                Wish::Dump(reason) => {
                    if reason == DumpReason::Overrun {
                        reports.push(Report::Node(ctsync::Notice::KernelResyncStarted));
                    }
                    let recorder = &mut self.recorder;
                    self.kernel
                        .start_dump(reason, Tables::Flows, recorder, now, reports);
                }
                Wish::Resynced { seen, vanished } => {
                    reports.push(Report::Node(ctsync::Notice::KernelResyncDone {
                        seen,
                        purged: vanished,
                    }))
                }
                Wish::Full => reports.push(Report::Recording(RecordingReport::CacheFull)),
            }
        }
    }
}
