//! What the system refuses.
//!
//! One type for every failed system call and every request that the kernel turns down: which
//! operation, on what, which errno, and the kernel's own sentence when it gave one
//! (`NLMSGERR_ATTR_MSG`). Callers decide by `errno`; the text is for people.

use std::{error, fmt, io};

pub use rustix::io::Errno;

/// Result of an operation of this crate.
pub type Result<T> = std::result::Result<T, SystemError>;

/// A system call or a kernel request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// What was tried, as a verb phrase: `bind netlink socket`.
    pub operation: &'static str,
    /// What it was tried on: a path, an address, an interface.
    pub object: Option<Box<str>>,
    /// Why it failed.
    pub errno: Errno,
    /// The kernel's extended acknowledgement text.
    pub extended: Option<Box<str>>,
}

impl SystemError {
    /// An error without an object.
    pub const fn new(operation: &'static str, errno: Errno) -> Self {
        Self {
            operation,
            object: None,
            errno,
            extended: None,
        }
    }

    /// The same error, naming what the operation was tried on.
    #[must_use]
    pub fn on(mut self, object: impl fmt::Display) -> Self {
        self.object = Some(object.to_string().into_boxed_str());
        self
    }

    /// From an error of the standard library.
    pub fn from_io(operation: &'static str, error: &io::Error) -> Self {
        // Errors that the standard library makes up itself carry no errno.
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        Self::new(operation, errno)
    }

    /// The text of the errno alone, as the C library words it.
    pub fn reason(&self) -> String {
        reason(self.errno)
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.operation)?;
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
        }
        write!(f, ": {}", self.reason())?;
        match &self.extended {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}

impl error::Error for SystemError {}

/// The C library's text for an errno: `Operation not permitted`.
pub fn reason(errno: Errno) -> String {
    let text = io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
    // The standard library appends the number; what the stock programs print does not have it.
    match text.rfind(" (os error ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Turns a bare errno into a [`SystemError`] where the operation is known.
pub(crate) trait Context<T> {
    /// Names the operation.
    fn during(self, operation: &'static str) -> Result<T>;
}

impl<T> Context<T> for std::result::Result<T, Errno> {
    fn during(self, operation: &'static str) -> Result<T> {
        self.map_err(|errno| SystemError::new(operation, errno))
    }
}

impl<T> Context<T> for io::Result<T> {
    fn during(self, operation: &'static str) -> Result<T> {
        self.map_err(|error| SystemError::from_io(operation, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let mut error = SystemError::new("bind socket", Errno::PERM).on("10.0.0.1:3780");
        assert_eq!(
            error.to_string(),
            "cannot bind socket 10.0.0.1:3780: Operation not permitted"
        );
        error.extended = Some("not yours".into());
        assert!(error.to_string().ends_with("permitted (not yours)"));
    }

    #[test]
    fn an_errno_reads_as_in_the_c_library() {
        let cases = [
            (Errno::NOENT, "No such file or directory"),
            (Errno::BUSY, "Device or resource busy"),
            // ENOTSUPP, which the kernel leaks and the C library does not know.
            (Errno::from_raw_os_error(524), "Unknown error 524"),
        ];
        for (errno, text) in cases {
            assert_eq!(reason(errno), text);
        }
    }
}
