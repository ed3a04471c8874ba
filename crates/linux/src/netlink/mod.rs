//! Netlink sockets: requests and answers as bytes.
//!
//! [`Socket`] talks to the kernel one datagram at a time, [`EventSocket`] receives what the kernel
//! broadcasts, many datagrams per system call. Both say when the kernel dropped messages for us
//! ([`Received::Overrun`]) and when a buffer was too short, instead of failing. What the bytes
//! mean is the business of `nfnetlink` and [`crate::table`].

mod events;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nfnetlink::bpf::Program;
use rustix::io::ioctl_fionbio;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, bind, getsockname,
    recvfrom, sendto, socket_with, sockopt,
};

use crate::error::{Context, Errno, Result, SystemError};
use crate::sys::option::{self, Netlink};

pub use events::{EventSocket, Incoming};

/// The kernel's largest read of a dump (`netlink_recvmsg` caps `max_recvmsg_len` at 32 KiB).
pub const RECEIVE_LEN: usize = 32 * 1024;

/// Datagrams of other processes that one receive call skips before it gives up.
const FOREIGN_MAX: usize = 64;

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsystem {
    /// `NETLINK_NETFILTER`
    Netfilter,
    /// `NETLINK_ROUTE`
    Route,
}

/// A set of multicast groups, the first 32 of a subsystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups(u32);

impl Groups {
    /// No group: the socket receives answers only.
    pub const NONE: Self = Self(0);

    /// This set and one more group, by its number in the kernel's headers (1 to 32).
    #[must_use]
    pub const fn with(self, number: u32) -> Self {
        assert!(number >= 1 && number <= 32);
        Self(self.0 | 1 << (number - 1))
    }
}

/// What one receive call found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A datagram: one or more netlink messages.
    Datagram(&'a [u8]),
    /// Nothing now; only from a non-blocking socket.
    Nothing,
    /// The receive buffer was full and the kernel dropped messages (`ENOBUFS`).
    Overrun,
    /// A datagram of this length did not fit the buffer and is lost.
    Truncated(usize),
}

/// Memory accounts of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// Bytes charged for datagrams that wait to be received.
    pub receive_used: u32,
    /// Limit of `receive_used`.
    pub receive_max: u32,
    /// Datagrams dropped since the socket was opened.
    pub drops: u32,
}

/// A netlink socket.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    port_id: u32,
}

impl Socket {
    /// Opens a blocking socket, bound to a port id of the kernel's choice and to `groups`.
    ///
    /// Errors come with the kernel's text and without an echo of the request.
    pub fn open(subsystem: Subsystem, groups: Groups) -> Result<Self> {
        let protocol = match subsystem {
            Subsystem::Netfilter => Some(NETFILTER),
            Subsystem::Route => None,
        };
        let descriptor = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )
        .during("open netlink socket")?;
        bind(&descriptor, &SocketAddrNetlink::new(0, groups.0)).during("bind netlink socket")?;
        let name = getsockname(&descriptor).during("read name of netlink socket")?;
        let name = SocketAddrNetlink::try_from(name).during("read name of netlink socket")?;
        let socket = Self {
            descriptor,
            port_id: name.pid(),
        };
        // Both are refinements that old kernels lack: an error is then only less talkative.
        let _ = option::set_netlink(socket.as_fd(), Netlink::ExtAck, 1);
        let _ = option::set_netlink(socket.as_fd(), Netlink::CapAck, 1);
        Ok(socket)
    }

    /// Makes receiving return at once when there is nothing, and sending when there is no room.
    pub fn set_nonblocking(&self, on: bool) -> Result<()> {
        ioctl_fionbio(&self.descriptor, on).during("make netlink socket non-blocking")
    }

    /// Joins one more multicast group.
    pub fn join(&self, group: u32) -> Result<()> {
        option::set_netlink(self.as_fd(), Netlink::AddMembership, group)
            .during("join netlink group")
    }

    /// Leaves a multicast group; what it has sent already is received all the same.
    pub fn leave(&self, group: u32) -> Result<()> {
        option::set_netlink(self.as_fd(), Netlink::DropMembership, group)
            .during("leave netlink group")
    }

    /// Makes the kernel refuse requests with unknown attributes or bits (`NETLINK_GET_STRICT_CHK`),
    /// for subsystems that support it.
    pub fn set_strict_checking(&self, on: bool) -> Result<()> {
        option::set_netlink(self.as_fd(), Netlink::StrictCheck, u32::from(on))
            .during("set strict checking of netlink socket")
    }

    /// Asks for reliable events: what does not fit the buffer is delivered later
    /// (`NETLINK_BROADCAST_ERROR`), and no overrun is reported (`NETLINK_NO_ENOBUFS`).
    pub fn set_reliable(&self, on: bool) -> Result<()> {
        for name in [Netlink::BroadcastError, Netlink::NoEnobufs] {
            option::set_netlink(self.as_fd(), name, u32::from(on))
                .during("set reliable delivery of netlink socket")?;
        }
        Ok(())
    }

    /// Lets the kernel drop what this program rejects, before it is queued.
    pub fn attach_filter(&self, program: &Program) -> Result<()> {
        option::attach_filter(self.as_fd(), program.instructions())
            .during("filter events in the kernel")
    }

    /// Receives everything again.
    pub fn detach_filter(&self) -> Result<()> {
        match option::detach_filter(self.as_fd()) {
            Err(Errno::NOENT) => Ok(()),
            result => result.during("end filtering of events in the kernel"),
        }
    }

    /// Asks for a receive buffer of `bytes` and returns what the kernel granted: less than asked
    /// for without `CAP_NET_ADMIN`, where `net.core.rmem_max` is the limit.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<usize> {
        // The kernel doubles the value, to account for its own overhead.
        let half = bytes.div_ceil(2);
        match sockopt::set_socket_recv_buffer_size_force(&self.descriptor, half) {
            Err(Errno::PERM) => sockopt::set_socket_recv_buffer_size(&self.descriptor, half),
            result => result,
        }
        .during("set receive buffer of netlink socket")?;
        self.receive_buffer()
    }

    /// Sends one datagram, which may hold many messages.
    pub fn send(&self, datagram: &[u8]) -> Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let sent = loop {
            match sendto(&self.descriptor, datagram, SendFlags::empty(), &kernel) {
                Err(Errno::INTR) => {}
                result => break result.during("send netlink request")?,
            }
        };
        if sent == datagram.len() {
            Ok(())
        } else {
            Err(SystemError::new(
                "send whole netlink request",
                Errno::MSGSIZE,
            ))
        }
    }

    /// Receives one datagram of the kernel.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Received<'a>> {
        for _ in 0..FOREIGN_MAX {
            let (len, sender) = match recvfrom(&self.descriptor, &mut *buffer, RecvFlags::TRUNC) {
                Ok((_, len, sender)) => (len, sender),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(Errno::NOBUFS) => return Ok(Received::Overrun),
                Err(errno) => return Err(SystemError::new("receive from netlink socket", errno)),
            };
            if is_kernel(sender) {
                return Ok(match buffer.get(..len) {
                    Some(datagram) => Received::Datagram(datagram),
                    None => Received::Truncated(len),
                });
            }
        }
        Err(SystemError::new(
            "find kernel messages on netlink socket",
            Errno::PROTO,
        ))
    }

    /// The port id, which the kernel notes as the cause of what this socket changes.
    pub const fn port_id(&self) -> u32 {
        self.port_id
    }

    /// Size of the receive buffer in bytes.
    pub fn receive_buffer(&self) -> Result<usize> {
        sockopt::socket_recv_buffer_size(&self.descriptor)
            .during("read receive buffer of netlink socket")
    }

    /// How full the receive buffer is, and how much was dropped.
    pub fn memory_info(&self) -> Result<MemoryInfo> {
        let words = option::memory_info(self.as_fd()).during("read memory of netlink socket")?;
        let [receive_used, receive_max, _, _, _, _, _, _, drops] = words;
        Ok(MemoryInfo {
            receive_used,
            receive_max,
            drops,
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Whether a datagram comes from the kernel: any process with rights may write to our port.
fn is_kernel(sender: Option<SocketAddrAny>) -> bool {
    sender.is_some_and(|name| SocketAddrNetlink::try_from(name).is_ok_and(|name| name.pid() == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RTM_GETLINK` as a dump: every kernel answers it, to anyone.
    const GET_LINKS: [u8; 32] = {
        let mut bytes = [0; 32];
        bytes[0] = 32;
        bytes[4] = 18;
        bytes[6] = 0x01;
        bytes[7] = 0x03;
        bytes[8] = 7;
        bytes
    };

    #[test]
    fn a_request_is_answered_to_the_port_of_its_socket() {
        let socket = Socket::open(Subsystem::Route, Groups::NONE).unwrap();
        let other = Socket::open(Subsystem::Route, Groups::NONE).unwrap();
        assert_ne!(socket.port_id(), other.port_id());
        socket.send(&GET_LINKS).unwrap();
        let mut buffer = [0; RECEIVE_LEN];
        let Received::Datagram(answer) = socket.receive(&mut buffer).unwrap() else {
            panic!("no answer");
        };
        assert_eq!(answer[8..12], GET_LINKS[8..12]);
        assert_eq!(answer[12..16], socket.port_id().to_ne_bytes());
    }

    #[test]
    fn a_short_buffer_is_seen() {
        let socket = Socket::open(Subsystem::Route, Groups::NONE).unwrap();
        socket.send(&GET_LINKS).unwrap();
        let mut buffer = [0; 20];
        let received = socket.receive(&mut buffer).unwrap();
        assert!(matches!(received, Received::Truncated(len) if len > 20));
    }

    #[test]
    fn nothing_is_said_at_once() {
        let socket = Socket::open(Subsystem::Netfilter, Groups::NONE).unwrap();
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.receive(&mut [0; 16]).unwrap(), Received::Nothing);
    }

    #[test]
    fn datagrams_of_other_processes_are_skipped() {
        let ours = Socket::open(Subsystem::Netfilter, Groups::NONE).unwrap();
        ours.set_nonblocking(true).unwrap();
        let stranger = Socket::open(Subsystem::Netfilter, Groups::NONE).unwrap();
        let to = SocketAddrNetlink::new(ours.port_id(), 0);
        match sendto(&stranger, &GET_LINKS, SendFlags::empty(), &to) {
            // Without rights the kernel does not even carry it.
            Ok(_) | Err(Errno::PERM) => {}
            Err(errno) => panic!("{errno}"),
        }
        assert_eq!(ours.receive(&mut [0; 64]).unwrap(), Received::Nothing);
    }

    #[test]
    fn the_receive_buffer_is_what_was_asked_for() {
        let socket = Socket::open(Subsystem::Netfilter, Groups::NONE).unwrap();
        let granted = socket.set_receive_buffer(64 * 1024).unwrap();
        assert_eq!(granted, 64 * 1024);
        let info = socket.memory_info().unwrap();
        assert_eq!((info.receive_max, info.drops), (64 * 1024, 0));
    }
}
