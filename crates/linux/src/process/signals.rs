//! Signals as things to read.
//!
//! Handlers interrupt code at any point; a descriptor (`signalfd`) is read when it suits. The
//! signals are blocked for the thread that opens [`Signals`] and those it starts later.
//!
//! Tested in `tests/process.rs`: a test harness has threads, which get in the way.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Context, Result};
use crate::sys::process::{self, BrokenPipe};

/// A signal that the programs care about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`: end.
    Terminate,
    /// `SIGINT`: end, from the terminal.
    Interrupt,
    /// `SIGHUP`: the terminal is gone, or reload.
    Hangup,
    /// `SIGCHLD`: a child has ended.
    Child,
}

impl Signal {
    const ALL: [Self; 4] = [Self::Terminate, Self::Interrupt, Self::Hangup, Self::Child];

    const fn number(self) -> libc::c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
            Self::Hangup => libc::SIGHUP,
            Self::Child => libc::SIGCHLD,
        }
    }
}

/// A descriptor that becomes readable with a signal.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
}

impl Signals {
    /// Takes these signals over. Must be called after [`detach`](super::detach).
    pub fn open(signals: &[Signal]) -> Result<Self> {
        let numbers: Vec<_> = signals.iter().map(|signal| signal.number()).collect();
        let descriptor = process::signal_descriptor(&numbers).during("take over signals")?;
        Ok(Self { descriptor })
    }

    /// The next signal that has arrived, without waiting.
    pub fn receive(&self) -> Result<Option<Signal>> {
        let number = process::next_signal(self.as_fd()).during("read signals")?;
        let mut known = Signal::ALL.into_iter();
        Ok(number.and_then(|number| known.find(|signal| signal.number() == number)))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Writing to a closed pipe or socket fails with `EPIPE` (what Rust programs start with).
pub fn ignore_broken_pipe() -> Result<()> {
    process::set_broken_pipe(BrokenPipe::Ignore).during("ignore broken pipes")
}

/// Writing to a closed pipe ends the process silently, as in `conntrack -L | head`.
pub fn end_on_broken_pipe() -> Result<()> {
    process::set_broken_pipe(BrokenPipe::Default).during("end on broken pipes")
}
