//! What the sockets of all transports have in common: their making, their buffers, and the
//! addresses that the kernel writes. All of them are non-blocking and closed on exec; whatever
//! only one transport needs stands with that one.

use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with, sockopt};

use crate::error::{Context, Errno, Result};

/// Sizes of a link's socket buffers in bytes; the system's default where absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// Of the socket that sends.
    pub send: Option<usize>,
    /// Of the socket that receives.
    pub receive: Option<usize>,
}

/// A non-blocking socket of the address's family.
pub(super) fn open(address: &SocketAddr, kind: SocketType, protocol: Protocol) -> Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, kind, flags, Some(protocol))
        .during("open socket for")
        .map_err(|error| error.on(address))
}

/// Sets the buffer with the privileged option, or with the plain one where that is forbidden.
/// The kernel doubles the value; the stock daemon passes it unchanged, so we do.
pub(super) fn set_receive_buffer(socket: &OwnedFd, bytes: usize) -> Result<()> {
    match sockopt::set_socket_recv_buffer_size_force(socket, bytes) {
        Err(Errno::PERM) => sockopt::set_socket_recv_buffer_size(socket, bytes),
        result => result,
    }
    .during("set receive buffer of link")
}

/// As [`set_receive_buffer`], for sending.
pub(super) fn set_send_buffer(socket: &OwnedFd, bytes: usize) -> Result<()> {
    match sockopt::set_socket_send_buffer_size_force(socket, bytes) {
        Err(Errno::PERM) => sockopt::set_socket_send_buffer_size(socket, bytes),
        result => result,
    }
    .during("set send buffer of link")
}

/// The source address of a datagram, as the kernel wrote it (`sockaddr_in`, `sockaddr_in6`).
pub(super) fn source(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let ip = *rest.first_chunk::<4>()?;
            Some(SocketAddr::new(ip.into(), port))
        }
        libc::AF_INET6 => {
            let (flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            let flow = u32::from_be_bytes(*flow);
            Some(SocketAddrV6::new((*ip).into(), port, flow, scope).into())
        }
        _ => None,
    }
}
