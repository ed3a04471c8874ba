//! What can go wrong in a testbed, told so that the reader of a failed test needs nothing else.
//!
//! `Debug` prints the same story as `Display`: a test that returns `Err` or unwraps shows it
//! readable, over several lines, with the logs of the processes that took part.

use std::fmt;
use std::io;
use std::time::Duration;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something in the testbed did not work.
pub enum Error {
    /// The system refused an operation.
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command ended with another status than 0.
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// A condition did not come true in time.
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// What the last look at the condition showed.
        last: String,
        /// The ends of the logs of the processes that this thread started.
        logs: String,
    },
    /// A program, package or right is missing.
    Missing {
        /// What is missing.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// The world is not as it must be.
    Unexpected(String),
    /// The user wants to stop.
    Interrupted,
}

impl Error {
    /// For `map_err`: what was tried when the system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The same for the error type of rustix.
    pub(crate) fn errno(what: impl Into<String>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let what = what.into();
        move |errno| Self::Io {
            what,
            source: errno.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Failed {
                command,
                status,
                output,
            } => {
                write!(f, "`{command}` ended with {status}")?;
                if output.is_empty() {
                    Ok(())
                } else {
                    write!(f, ":\n{}", output.trim_end())
                }
            }
            Self::TimedOut {
                what,
                after,
                last,
                logs,
            } => {
                write!(f, "waited {:.1} s for: {what}", after.as_secs_f64())?;
                if !last.is_empty() {
                    write!(f, "\n  last seen: {last}")?;
                }
                f.write_str(logs)
            }
            Self::Missing { what, remedy } => write!(f, "{what} is missing: {remedy}"),
            Self::Unexpected(what) => f.write_str(what),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
