//! Why the kernel refuses a change: between its numbers, the node's reasons, and words.

use ctsync::Refusal;
use linux::{Errno, SystemError};

/// What an errno means for a change that the node asked for.
pub fn refusal(errno: Errno) -> Refusal {
    match errno {
        Errno::EXIST => Refusal::Exists,
        Errno::NOENT => Refusal::NotFound,
        Errno::NOMEM | Errno::NOSPC | Errno::NOBUFS => Refusal::Full,
        Errno::OPNOTSUPP => Refusal::Unsupported,
        Errno::INVAL | Errno::RANGE => Refusal::Invalid,
        other => Refusal::Other(other.raw_os_error()),
    }
}

/// The errno as people read it, for a refusal.
pub fn reason(refusal: Refusal) -> String {
    let errno = match refusal {
        Refusal::Exists => Errno::EXIST,
        Refusal::NotFound => Errno::NOENT,
        Refusal::Full => Errno::NOMEM,
        Refusal::Unsupported => Errno::OPNOTSUPP,
        Refusal::Invalid => Errno::INVAL,
        Refusal::Other(raw) => Errno::from_raw_os_error(raw),
    };
    SystemError::new("", errno).reason()
}
