//! The process itself: its start, its rights, its signals, its end.
//!
//! The order in which a daemon uses these: [`detach`], [`LockFile`], open what needs rights,
//! [`set_scheduler`], [`confine`], [`Signals`], then [`Readiness::ready`]. Only after that does it
//! read the first byte of a stranger.

mod detach;
mod lock;
mod notify;
mod privileges;
mod scheduler;
mod signals;
mod user;

use std::path::Path;

use rustix::fs::Mode;

use crate::error::{Context, Result};

pub use detach::{Detached, Readiness, detach};
pub use lock::{LockError, LockFile, Previous};
pub use notify::Notifier;
pub use privileges::confine;
pub use scheduler::{PRIORITY_MAX, Policy, scheduler, set_scheduler};
pub use signals::{Signal, Signals, end_on_broken_pipe, ignore_broken_pipe};
pub use user::{User, uid};

/// Files that this process creates get no more than these bits of their mode taken away: 0o177
/// leaves reading and writing to the owner.
pub fn set_umask(bits: u32) {
    rustix::process::umask(Mode::from_raw_mode(bits));
}

/// Changes the working folder, so that a daemon keeps no file system busy.
pub fn change_folder(path: &Path) -> Result<()> {
    rustix::process::chdir(path)
        .during("change working folder to")
        .map_err(|error| error.on(path.display()))
}

/// This process' id.
pub fn id() -> u32 {
    std::process::id()
}
