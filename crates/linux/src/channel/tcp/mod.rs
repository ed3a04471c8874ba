//! A link over TCP, IPv4 or IPv6.
//!
//! As in the stock daemon each node listens and each node connects, so that there are two
//! connections, each of which carries messages in one direction: from the one that has connected
//! to the one that listens. Nothing here waits: connecting, accepting, reading and writing all go
//! as far as they can now.
//!
//! A connection breaks sooner or later. What the peer's kernel has not acknowledged then, and what
//! was not yet written, waits for the next connection, and begins there with a whole message. What
//! it has acknowledged and the peer has not read is lost like a datagram on the wire.

mod receiver;
mod sender;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::time::Duration;

use flow::filter::Network;
use rustix::net::sockopt;

use crate::channel::Buffers;
use crate::error::Errno;

pub use receiver::{Incoming, Receiver};
pub use sender::{Change, Flushed, Sender};

/// Silence after which a connection is probed, and the time between two probes.
const PROBE_AFTER: Duration = Duration::from_secs(5);
/// See [`PROBE_AFTER`].
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// Unanswered probes after which a connection is given up.
const PROBES_MAX: u32 = 3;
/// Milliseconds that written bytes may wait for the peer to take them, before the connection is
/// given up.
const STUCK_MAX: u32 = 20_000;

/// A link over TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our address: we listen there and connect from there.
    pub local: IpAddr,
    /// The peer's address, of the same family.
    pub peer: IpAddr,
    /// The port that both listen on.
    pub port: u16,
    /// Index of the link's interface: the scope of IPv6 link-local addresses.
    pub interface: u32,
    /// Sizes of the socket buffers.
    pub buffers: Buffers,
    /// Who may connect to us beside the peer.
    pub accept_from: Vec<Network>,
    /// Buffers that wait for a connection at most; beyond that the oldest is dropped.
    pub queue_len_max: usize,
}

impl Config {
    fn may_connect(&self, ip: IpAddr) -> bool {
        ip == self.peer || self.accept_from.iter().any(|network| network.contains(ip))
    }

    fn address(&self, ip: IpAddr, port: u16) -> SocketAddr {
        match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.interface).into(),
        }
    }
}

/// Lets the kernel notice that the other end has vanished, and send what is small at once.
fn set_options(socket: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, PROBES_MAX)?;
    sockopt::set_tcp_user_timeout(socket, STUCK_MAX)?;
    sockopt::set_tcp_nodelay(socket, true)
}
