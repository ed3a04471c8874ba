//! The system calls that no safe crate offers: the only `unsafe` code of the project.
//!
//! Each function makes one call and translates its result; nothing here decides anything. What
//! `rustix` can do is not here.
#![expect(
    unsafe_code,
    reason = "system calls that rustix does not wrap have to go through libc"
)]

pub(crate) mod mmsg;
pub(crate) mod option;
pub(crate) mod process;
pub(crate) mod time;

use rustix::io::Errno;

/// The errno of the call that has just failed.
fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Result of a call that reports failure by a negative number.
fn check(result: libc::c_int) -> Result<libc::c_int, Errno> {
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(result)
    }
}
