//! Receiving what the kernel broadcasts, many datagrams per system call.
//!
//! A burst of events costs mostly wake-ups and system calls, so [`EventSocket::drain`] takes up to
//! 64 datagrams per call and goes on until the socket is empty or the caller's limit is reached.
//! Whoever may write to this socket may change the tables as well, so senders are not checked.
//!
//! After an overrun the kernel drops every further event until the buffer has been emptied
//! (`NETLINK_S_CONGESTED`), so draining does not stop there.

use std::os::fd::{AsFd, BorrowedFd};

use crate::drain::{Drained, drain};
use crate::error::{Context, Errno, Result};
use crate::netlink::{Groups, Socket, Subsystem};
use crate::sys::mmsg::{Ring, SLOTS_MAX};

/// Longest datagram taken whole: events are single messages of some hundred bytes, the rest is
/// room for helper data and security contexts. Not a power of two, so that the slots do not all
/// compete for the same cache lines.
const SLOT_LEN: usize = 8 * 1024 + 64;

/// What comes out of an [`EventSocket`].
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A datagram: one or more netlink messages.
    Datagram(&'a [u8]),
    /// The receive buffer was full and the kernel dropped events (`ENOBUFS`).
    Overrun,
    /// A datagram was longer than a slot and its end is lost.
    Truncated,
}

/// A netlink socket that receives broadcasts.
#[derive(Debug)]
pub struct EventSocket {
    socket: Socket,
    ring: Ring,
}

impl EventSocket {
    /// Opens a non-blocking socket that is subscribed to `groups`.
    pub fn open(subsystem: Subsystem, groups: Groups) -> Result<Self> {
        let socket = Socket::open(subsystem, groups)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            ring: Ring::new(SLOTS_MAX, SLOT_LEN),
        })
    }

    /// Hands what the socket holds to `sink`, at most `limit` datagrams (at least one is tried).
    ///
    /// Each overrun is handed over once, before the datagrams that survived it.
    pub fn drain(&mut self, limit: usize, mut sink: impl FnMut(Incoming<'_>)) -> Result<Drained> {
        drain(&mut self.ring, self.socket.as_fd(), limit, |received| {
            sink(match received {
                Ok(datagram) if datagram.truncated => Incoming::Truncated,
                Ok(datagram) => Incoming::Datagram(datagram.bytes),
                Err(Errno::NOBUFS) => Incoming::Overrun,
                Err(errno) => return Err(errno),
            });
            Ok(())
        })
        .during("receive netlink events")
    }

    /// The socket below, for its options and accounts.
    pub const fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
