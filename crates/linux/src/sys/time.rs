//! Local time, which needs the C library's time zone data.

use std::mem::MaybeUninit;

/// Broken-down local time of a moment in seconds since 1970; `None` where the year does not fit.
pub(crate) fn local(seconds: i64) -> Option<libc::tm> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    let mut parts = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are valid for the call. `localtime_r` reads the environment; nothing
    // in this project writes it (`std::env::set_var` is unsafe and not used).
    let result = unsafe { libc::localtime_r(&raw const seconds, parts.as_mut_ptr()) };
    if result.is_null() {
        return None;
    }
    // SAFETY: the call has succeeded, so it has written all of `parts`.
    Some(unsafe { parts.assume_init() })
}
