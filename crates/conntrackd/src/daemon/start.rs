//! From a configuration to a running daemon, and to its end.
//!
//! What needs rights is opened first, then the rights are dropped, and only then is the first byte
//! of a stranger read. In the background the terminal stays attached until the daemon is ready, so
//! that whoever started it sees why it did not.

use std::fmt;
use std::path::Path;

use linux::poller::{Interest, Poller};
use linux::process::{
    self, Detached, LockError, LockFile, Policy, Previous, Readiness, Signal, Signals, User,
};
use linux::{SystemError, table, unix};

use crate::config::model::{Config, Operation, Scheduler, SchedulerPolicy};
use crate::control::server::Server;
use crate::daemon::answer::Waiting;
use crate::daemon::event_setting;
use crate::daemon::pace::{Breath, Pace};
use crate::daemon::panic;
use crate::daemon::replication::{EVENTS, Replication};
use crate::daemon::report::Report;
use crate::daemon::service::Service;
use crate::daemon::stats_mode::Recording;
use crate::daemon::work::Work;
use crate::daemon::{CONTROL, Daemon, Fate, SIGNALS, now};
use crate::log::{Level, Log, OpenError};

/// Whether the daemon stays on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// It does, and logs there too.
    Foreground,
    /// It goes to the background when it is ready (`-d`).
    Background,
}

/// Why the daemon did not start, or did not go on.
#[derive(Debug)]
pub enum StartError {
    /// The log file cannot be opened.
    Log(OpenError),
    /// Another daemon runs with this lock file.
    Running(String),
    /// The lock file cannot be made.
    Lock(SystemError),
    /// The dedicated link cannot be opened.
    Link(SystemError),
    /// The kernel's table cannot be reached.
    Kernel(table::Error),
    /// The kernel's table cannot be read.
    Table(table::Error),
    /// The configuration names a user that does not exist.
    NoUser(String),
    /// Anything else that the system refused.
    System(SystemError),
    /// It ran, but cannot go on.
    Ended(SystemError),
}

impl StartError {
    /// What kept the kernel's table from being read, among what was reported meanwhile.
    pub fn of_reading(reports: &[Report]) -> Result<(), Self> {
        let refused = reports.iter().find_map(|report| match report {
            Report::KernelRefused(_, error) => Some(error.clone()),
            _ => None,
        });
        refused.map_or(Ok(()), |error| Err(Self::Table(error)))
    }

    /// Whether the configuration may be what has to be changed.
    const fn asks_for_review(&self) -> bool {
        !matches!(self, Self::Running(_) | Self::Ended(_))
    }
}

impl fmt::Display for StartError {
    /// The first words are stock's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Running(path) => {
                write!(
                    f,
                    "lockfile `{path}' exists, perhaps conntrackd already running?"
                )
            }
            Self::Lock(error) | Self::System(error) | Self::Ended(error) => error.fmt(f),
            Self::Link(error) => {
                write!(f, "can't open channel socket: {} ({error})", error.reason())
            }
            Self::NoUser(name) => write!(f, "there is no user `{name}'"),
            Self::Kernel(error) => write!(f, "can't open netlink handler: {error}"),
            Self::Table(error) => write!(f, "can't get kernel conntrack table: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<SystemError> for StartError {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

/// Runs the daemon to its end; the exit status. What goes wrong is written to the log.
pub fn run(config: Config, stay: Stay, mut log: Log) -> u8 {
    // Files that we make are for their owner only; sockets too.
    process::set_umask(0o177);
    let readiness = match stay {
        Stay::Foreground => None,
        Stay::Background => match process::detach() {
            Ok(Detached::Parent(status)) => return status,
            Ok(Detached::Child(readiness)) => Some(readiness),
            Err(error) => {
                log.write(Level::Error, error);
                return FAILURE;
            }
        },
    };
    match Ears::open(&config, &mut log) {
        Ok(ears) => Daemon::new(config, ears, log).run(stay, readiness),
        Err(error) => {
            log.write(Level::Error, error);
            FAILURE
        }
    }
}

const FAILURE: u8 = 1;

/// What a daemon needs to hear and to be heard, before it opens anything else.
struct Ears {
    poller: Poller,
    signals: Signals,
}

impl Ears {
    fn open(config: &Config, log: &mut Log) -> Result<Self, StartError> {
        let general = &config.general;
        log.open(general.log_file.as_deref(), general.syslog)
            .map_err(StartError::Log)?;
        panic::report_to(general.log_file.clone(), general.syslog);
        process::ignore_broken_pipe()?;
        let mut poller = Poller::new()?;
        let signals = Signals::open(&[Signal::Terminate, Signal::Interrupt, Signal::Hangup])?;
        poller.add(&signals, SIGNALS, Interest::Read)?;
        Ok(Self { poller, signals })
    }
}

/// Takes the lock (compat: daemon-22). A file without a process id may be that of a running stock daemon, which takes
/// no lock on it: then its control socket tells.
fn lock(path: &Path, daemon: &Daemon) -> Result<LockFile, StartError> {
    let running = || StartError::Running(path.display().to_string());
    let lock = LockFile::acquire(path).map_err(|error| match error {
        LockError::Held(_) => running(),
        LockError::System(error) => StartError::Lock(error),
    })?;
    let control = daemon.config.general.unix_path.as_deref();
    if lock.previous() == Previous::Unknown && control.is_some_and(unix::is_live) {
        lock.give_back()?;
        return Err(running());
    }
    Ok(lock)
}

const REVIEW: &str = "conntrackd cannot start, please review your configuration";

impl Daemon {
    /// A daemon that has opened nothing yet.
    fn new(config: Config, ears: Ears, log: Log) -> Self {
        let now = now();
        Self {
            service: Service::find(config.general.systemd, now),
            config,
            work: Work::Idle,
            control: None,
            waiting: Waiting::default(),
            poller: ears.poller,
            signals: ears.signals,
            log,
            reports: Vec::new(),
            pace: Pace::new(now),
            breath: Breath::new(now),
            started: now,
            fate: Fate::Running,
        }
    }

    /// From the lock to the end; the exit status.
    fn run(mut self, stay: Stay, readiness: Option<Readiness>) -> u8 {
        if stay == Stay::Background {
            self.log.hush_terminal();
        }
        let lock_path = self.config.general.lock_file.clone();
        let started = lock(&lock_path, &self).and_then(|lock| {
            self.open()?;
            Ok(lock)
        });
        self.write_reports();
        let ended = match started {
            // Held until the end.
            Ok(_lock) => self.live(stay, readiness),
            Err(error) => Err(error),
        };
        let Err(error) = ended else { return 0 };
        self.log.write(Level::Error, &error);
        if error.asks_for_review() {
            self.log.write(Level::Error, REVIEW);
        }
        FAILURE
    }

    /// Opens everything that needs rights, reads the kernel's table, and gives the rights up.
    fn open(&mut self) -> Result<(), StartError> {
        self.set_scheduler();
        if let Some(path) = &self.config.general.unix_path {
            self.control = Some(Server::bind(path, &mut self.poller, CONTROL)?);
        }
        self.open_work()?;
        process::change_folder(Path::new("/"))?;
        self.give_up_rights()
    }

    /// Opens what the configured mode needs.
    fn open_work(&mut self) -> Result<(), StartError> {
        let (general, reports) = (&self.config.general, &mut self.reports);
        if self.config.operation == Operation::Idle {
            return Ok(());
        }
        if general.poll.is_none() {
            reports.extend(event_setting::ask_for_all_flows(
                general.events_of_all_flows,
            ));
        }
        let poller = &mut self.poller;
        self.work = match &self.config.operation {
            Operation::Idle => Work::Idle,
            Operation::Sync(sync) => {
                let opened = Replication::open(general, sync, poller, now(), reports)?;
                Work::Sync(Box::new(opened))
            }
            Operation::Stats(stats) => {
                let opened = Recording::open(general, stats, now(), reports)?;
                opened.kernel.watch(poller, EVENTS)?;
                Work::Stats(Box::new(opened))
            }
        };
        Ok(())
    }

    /// Becomes the user of the configuration, if there is one, and keeps one right
    /// (compat: daemon-103). From here on strangers may speak.
    fn give_up_rights(&mut self) -> Result<(), StartError> {
        let user = match &self.config.general.user {
            None => None,
            Some(name) => {
                let found = User::find(name)?;
                Some(found.ok_or_else(|| StartError::NoUser(name.clone()))?)
            }
        };
        if let Some(user) = user {
            for (_, path) in self.config.files() {
                user.own(path)?;
            }
        }
        process::confine(user)?;
        self.reports.push(Report::RightsKept(process::uid()));
        if user.is_some() {
            for (keyword, path) in self.config.files() {
                let folder = path.parent().unwrap_or(Path::new("/"));
                if !linux::file::may_change(folder) {
                    let folder = folder.display().to_string();
                    self.reports.push(Report::FolderClosed { keyword, folder });
                }
            }
        }
        Ok(())
    }

    /// Stock runs with the highest real-time priority unless told otherwise.
    fn set_scheduler(&mut self) {
        let (policy, priority) = match self.config.general.scheduler {
            None => (Policy::RoundRobin, process::PRIORITY_MAX),
            Some(Scheduler { policy, priority }) => {
                let policy = match policy {
                    SchedulerPolicy::Rr => Policy::RoundRobin,
                    SchedulerPolicy::Fifo => Policy::Fifo,
                };
                (
                    policy,
                    u8::try_from(priority).unwrap_or(process::PRIORITY_MAX),
                )
            }
        };
        if let Err(error) = process::set_scheduler(policy, priority) {
            self.reports.push(Report::SchedulerRefused(error));
        }
    }

    /// Says that it is ready, serves, and says that it ends.
    fn live(&mut self, stay: Stay, readiness: Option<Readiness>) -> Result<(), StartError> {
        self.say("initialization completed");
        if let Some(readiness) = readiness {
            self.log.leave_terminal();
            readiness.ready()?;
        }
        self.say(match stay {
            Stay::Foreground => "-- starting in console mode --",
            Stay::Background => "-- starting in daemon mode --",
        });
        self.service.ready();
        let served = self.serve();
        self.service.stopping();
        self.work.finish(now(), &mut self.reports);
        self.write_reports();
        self.say("---- shutdown received ----");
        served.map_err(StartError::Ended)
    }
}
