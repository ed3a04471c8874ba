//! From a configuration to a running daemon, and to its end.
//!
//! What needs rights is opened first, then the rights are dropped, and only then is the first byte
//! of a stranger read. In the background the terminal stays attached until the daemon is ready, so
//! that whoever started it sees why it did not.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use ctsync::Instant;
use linux::poller::{Interest, Poller};
use linux::process::{
    self, Detached, LockError, LockFile, Policy, Previous, Readiness, Signal, Signals,
};
use linux::{SystemError, table, unix};

use crate::config::model::{Config, Operation, Scheduler, SchedulerPolicy};
use crate::control::server::Server;
use crate::daemon::answer::Waiting;
use crate::daemon::pace::Pace;
use crate::daemon::replication::Replication;
use crate::daemon::report::Report;
use crate::daemon::service::Service;
use crate::daemon::{CONTROL, Daemon, Fate, SIGNALS, now};
use crate::log::{Level, Log, LogError};

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
    Log(LogError),
    /// Another daemon runs with this lock file.
    Running(String),
    /// The lock file cannot be made.
    Lock(SystemError),
    /// The dedicated link cannot be opened.
    Link(SystemError),
    /// The configuration has no dedicated link of a kind that this version has.
    NoLink,
    /// The kernel's table cannot be reached.
    Kernel(table::Error),
    /// The kernel's table cannot be read.
    Table,
    /// Anything else that the system refused.
    System(SystemError),
}

impl fmt::Display for StartError {
    /// The first words are stock's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Running(path) => {
                write!(f, "lockfile `{path}' exists, perhaps conntrackd already running?")
            }
            Self::Lock(error) | Self::System(error) => error.fmt(f),
            Self::Link(error) => {
                write!(f, "can't open channel socket: {} ({error})", error.reason())
            }
            Self::NoLink => f.write_str("no dedicated link is configured"),
            Self::Kernel(error) => write!(f, "can't open netlink handler: {error}"),
            Self::Table => f.write_str("can't get kernel conntrack table"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<SystemError> for StartError {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

/// Runs the daemon to its end; the exit status.
pub fn run(config: Config, stay: Stay) -> Result<u8, StartError> {
    // Files that we make are for their owner only; sockets too.
    process::set_umask(0o177);
    let readiness = match stay {
        Stay::Foreground => None,
        Stay::Background => match process::detach()? {
            Detached::Parent(status) => return Ok(status),
            Detached::Child(readiness) => Some(readiness),
        },
    };
    let mut log = Log::open(&config.general, stay == Stay::Foreground).map_err(StartError::Log)?;
    match Daemon::open(config, &mut log) {
        Ok((lock, parts)) => {
            let mut daemon = parts.with(log);
            daemon.run(readiness)?;
            drop(daemon);
            drop(lock);
            Ok(0)
        }
        Err(error) => {
            log.write(Level::Error, &error.to_string());
            log.write(Level::Error, "conntrackd cannot start, please review your configuration");
            Err(error)
        }
    }
}
