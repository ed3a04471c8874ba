//! Going to the background.
//!
//! The fork comes first, before anything is opened; the child initialises with the terminal still
//! attached and then says that it is ready. The old process waits for that, so whoever started
//! the daemon sees its errors and knows from the exit status whether it runs.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, WaitOptions, setsid, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::error::{Context, Errno, Result, SystemError};
use crate::sys::process::{Forked, fork};

/// Which process this is after [`detach`].
#[derive(Debug)]
pub enum Detached {
    /// The old one. The daemon is ready or has failed; end with this exit status.
    Parent(u8),
    /// The daemon.
    Child(Readiness),
}

/// The daemon's promise to say when it is ready. Dropping it says that the start failed.
#[derive(Debug)]
pub struct Readiness {
    parent: UnixStream,
}

/// What the child writes when it is ready.
const READY: u8 = b'R';

/// Forks. Fails with `EBUSY` when this process has more than one thread: a lock that another
/// thread holds would stay locked in the child for ever.
pub fn detach() -> Result<Detached> {
    if threads()? != 1 {
        return Err(SystemError::new("fork with threads running", Errno::BUSY));
    }
    let (parent, child) = UnixStream::pair().during("make a pair of sockets")?;
    match fork().during("fork")? {
        Forked::Parent(pid) => {
            drop(parent);
            Ok(Detached::Parent(wait(child, pid)?))
        }
        Forked::Child => Ok(Detached::Child(Readiness { parent })),
    }
}

/// Waits until the child is ready or gone; the exit status for that.
fn wait(mut child: UnixStream, pid: i32) -> Result<u8> {
    let mut byte = [0];
    match child.read_exact(&mut byte) {
        Ok(()) if byte == [READY] => return Ok(0),
        // The child ended, or said something odd; its exit status tells.
        Ok(()) | Err(_) => {}
    }
    let pid = Pid::from_raw(pid);
    let ended = waitpid(pid, WaitOptions::empty()).during("wait for the daemon to start")?;
    let status = ended.and_then(|(_, status)| status.exit_status());
    // A child that ended well without being ready has not started a daemon all the same.
    Ok(match status.and_then(|status| u8::try_from(status).ok()) {
        Some(status) if status != 0 => status,
        _ => 1,
    })
}

/// Without `/proc` nothing tells of threads, and the caller has to know.
fn threads() -> Result<usize> {
    match std::fs::read_dir("/proc/self/task") {
        Ok(tasks) => Ok(tasks.count()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(1),
        Err(error) => Err(error).during("count threads"),
    }
}

/// A file that takes and gives nothing: `/dev/null`, or where that is missing one end of a
/// connection that has no other.
fn nowhere() -> Result<OwnedFd> {
    match open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(null) => Ok(null),
        Err(Errno::NOENT) => {
            let (end, _) = UnixStream::pair().during("make a pair of sockets")?;
            Ok(end.into())
        }
        Err(errno) => Err(SystemError::new("open /dev/null", errno)),
    }
}

impl Readiness {
    /// Leaves the terminal (a session of its own, the three standard files on `/dev/null`) and
    /// lets the old process end.
    pub fn ready(mut self) -> Result<()> {
        setsid().during("start a session")?;
        let null = nowhere()?;
        dup2_stdin(&null).during("close standard input")?;
        dup2_stdout(&null).during("close standard output")?;
        dup2_stderr(&null).during("close standard error")?;
        self.parent
            .write_all(&[READY])
            .during("tell that the daemon is ready")
    }
}
