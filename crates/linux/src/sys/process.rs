//! Forking, signals and scheduling.
//!
//! What these change belongs to the process or the calling thread as a whole; when and in which
//! order is decided by [`crate::process`].

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use libc::c_int;
use rustix::io::Errno;

use super::{check, last_errno};

/// Which side of a fork one is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forked {
    /// The old process, with the new one's id.
    Parent(i32),
    /// The new process.
    Child,
}

/// Forks. The caller has made sure that this process has one thread only.
pub(crate) fn fork() -> Result<Forked, Errno> {
    // SAFETY: rustix does not offer fork. With a single thread no lock can be held by a thread
    // that is missing in the child; `process::detach`, the only caller, checks that.
    let pid = unsafe { libc::fork() };
    match check(pid)? {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}

/// A set of signals.
fn signal_set(signals: &[c_int]) -> Result<libc::sigset_t, Errno> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is valid for writes; the call initialises all of it.
    check(unsafe { libc::sigemptyset(set.as_mut_ptr()) })?;
    // SAFETY: initialised by sigemptyset, which has succeeded.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: `set` is an initialised set; a bad number is an error of the call.
        check(unsafe { libc::sigaddset(&raw mut set, *signal) })?;
    }
    Ok(set)
}

/// Blocks these signals for the calling thread, and returns a non-blocking descriptor that reads
/// them.
pub(crate) fn signal_descriptor(signals: &[c_int]) -> Result<OwnedFd, Errno> {
    let set = signal_set(signals)?;
    // SAFETY: `set` is initialised and outlives the call; no old set is asked for.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    if result != 0 {
        return Err(Errno::from_raw_os_error(result));
    }
    let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
    // SAFETY: `set` is initialised and outlives the call; -1 asks for a new descriptor.
    let descriptor = check(unsafe { libc::signalfd(-1, &raw const set, flags) })?;
    // SAFETY: the descriptor is new, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The number of the next signal, `None` when there is none.
pub(crate) fn next_signal(descriptor: BorrowedFd<'_>) -> Result<Option<c_int>, Errno> {
    // `ssi_signo` is the first member of `struct signalfd_siginfo`.
    let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(descriptor, &mut info) {
        Ok(len) if len == info.len() => {
            let [a, b, c, d, ..] = info;
            Ok(Some(c_int::from_ne_bytes([a, b, c, d])))
        }
        Ok(_) => Err(Errno::IO),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What becomes of `SIGPIPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokenPipe {
    /// Writing fails with `EPIPE`.
    Ignore,
    /// The process ends, as filters do.
    Default,
}

/// Sets the action for `SIGPIPE`.
pub(crate) fn set_broken_pipe(action: BrokenPipe) -> Result<(), Errno> {
    let action = match action {
        BrokenPipe::Ignore => libc::SIG_IGN,
        BrokenPipe::Default => libc::SIG_DFL,
    };
    // SAFETY: both actions are constants of the system; no handler of ours is installed.
    let old = unsafe { libc::signal(libc::SIGPIPE, action) };
    if old == libc::SIG_ERR {
        return Err(last_errno());
    }
    Ok(())
}

/// Gives this process a scheduling policy; children start with the normal one.
pub(crate) fn set_scheduler(policy: c_int, priority: c_int) -> Result<(), Errno> {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `parameters` outlives the call, which only reads it; 0 means this process.
    check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }).map(drop)
}

/// The scheduling policy and priority of this process.
pub(crate) fn scheduler() -> Result<(c_int, c_int), Errno> {
    // SAFETY: no pointers; 0 means this process.
    let policy = check(unsafe { libc::sched_getscheduler(0) })?;
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` is valid for writes during the call; 0 means this process.
    check(unsafe { libc::sched_getparam(0, &raw mut parameters) })?;
    Ok((
        policy & !libc::SCHED_RESET_ON_FORK,
        parameters.sched_priority,
    ))
}
