//! Why a request to the kernel's tables failed.
//!
//! Three parties can be at fault: the system, which refuses; the caller, who asks for what cannot
//! be expressed; the kernel's answer, which is not understood. Most callers look at the errno only.

use std::fmt;

use nfnetlink::nl::Failure;
use nfnetlink::{EncodeError, Malformed};

use crate::error::{Errno, SystemError};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel refused it, or the socket failed.
    System(SystemError),
    /// It cannot be expressed.
    Encode(EncodeError),
    /// The answer cannot be understood.
    Malformed(Malformed),
}

impl Error {
    /// The errno: the kernel's own, or what it would have said.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::System(error) => error.errno,
            Self::Encode(_) => Errno::INVAL,
            Self::Malformed(_) => Errno::PROTO,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::Encode(error) => write!(f, "cannot ask the kernel: {error}"),
            Self::Malformed(error) => write!(f, "cannot understand the kernel: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<SystemError> for Error {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

/// What the kernel said no to, with its reason.
pub(super) fn refused(operation: &'static str, failure: &Failure<'_>) -> SystemError {
    SystemError {
        extended: failure.text.map(|text| text.to_string().into_boxed_str()),
        ..SystemError::new(operation, Errno::from_raw_os_error(failure.errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::Name;

    #[test]
    fn the_kernel_s_own_words_are_kept() {
        let failure = Failure {
            errno: 16,
            text: Some(Name::new(b"try later")),
            offset: None,
            missing: None,
        };
        let error = Error::from(refused("flush flows", &failure));
        assert_eq!(error.errno(), Errno::BUSY);
        let wanted = "cannot flush flows: Device or resource busy (try later)";
        assert_eq!(error.to_string(), wanted);
    }
}
