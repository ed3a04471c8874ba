//! Every system call of the project.
//!
//! The pure crates know bytes and values; this crate moves them: netlink sockets ([`netlink`]),
//! datagrams to the peer ([`channel`]), the control socket ([`unix`]), waiting ([`poller`]),
//! interfaces ([`interface`]), the process itself ([`process`]) and the clocks ([`clock`]).
//! [`table`] is the one place where the kernel's codec (`nfnetlink`) meets a socket.
//!
//! Nothing here decides policy. `unsafe` lives in the private module `sys` only.

pub mod channel;
pub mod clock;
mod drain;
pub mod error;
pub mod file;
pub mod interface;
pub mod netlink;
pub mod poller;
pub mod process;
pub mod route;
mod sys;
pub mod syslog;
pub mod table;
#[cfg(test)]
mod testing;
pub mod unix;

pub use drain::Drained;
pub use error::{Errno, Result, SystemError};
