//! A link over a multicast group, IPv4 or IPv6: every node sends to it and every other one hears.
//!
//! The group is joined on one interface and datagrams leave through it. Both sockets are told so
//! explicitly: the receiver hears its group on that interface only, even when another link of this
//! machine has joined the same group on another one. What we send does not come back to us, and
//! lives for one hop (the kernel's default for multicast).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::sockopt;

use crate::channel::Buffers;
use crate::channel::datagram::{Checksum, Receiver, Sender};
use crate::error::{Context, Result};
use crate::sys::option;

/// A link over multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The group.
    pub group: IpAddr,
    /// The port of all receivers.
    pub port: u16,
    /// Index of the link's interface.
    pub interface: u32,
    /// For IPv4: the address that chooses the interface, instead of the index, and that we send
    /// from.
    pub interface_addr: Option<Ipv4Addr>,
    /// Sizes of the socket buffers.
    pub buffers: Buffers,
    /// Whether sent datagrams carry a checksum.
    pub checksum: Checksum,
}

impl Config {
    /// Opens the receiving half: joins the group.
    pub fn receiver(&self) -> Result<Receiver> {
        Receiver::open(&self.address(), self.buffers, |socket| match self.group {
            IpAddr::V4(group) => self.join_v4(socket, group),
            IpAddr::V6(group) => self.join_v6(socket, group),
        })
    }

    /// Opens the sending half.
    pub fn sender(&self) -> Result<Sender> {
        let prepare = |socket: &OwnedFd| {
            match self.group {
                IpAddr::V4(group) => {
                    let (address, index) = self.interface_v4();
                    sockopt::set_ip_multicast_if_with_ifindex(socket, &group, &address, index)
                        .and_then(|()| sockopt::set_ip_multicast_loop(socket, false))
                }
                IpAddr::V6(_) => sockopt::set_ipv6_multicast_if(socket, self.interface)
                    .and_then(|()| sockopt::set_ipv6_multicast_loop(socket, false)),
            }
            .during("choose interface of multicast group")
        };
        Sender::open(&self.address(), self.buffers, self.checksum, prepare)
    }

    fn join_v4(&self, socket: &OwnedFd, group: Ipv4Addr) -> Result<()> {
        let (address, index) = self.interface_v4();
        option::set_joined_groups_only(socket.as_fd(), self.group)
            .and_then(|()| {
                sockopt::set_ip_add_membership_with_ifindex(socket, &group, &address, index)
            })
            .during("join multicast group")
    }

    fn join_v6(&self, socket: &OwnedFd, group: Ipv6Addr) -> Result<()> {
        option::set_joined_groups_only(socket.as_fd(), self.group)
            .and_then(|()| sockopt::set_ipv6_add_membership(socket, &group, self.interface))
            .during("join multicast group")
    }

    /// The kernel's way to name an interface: by its address, or by its index.
    fn interface_v4(&self) -> (Ipv4Addr, u32) {
        match self.interface_addr {
            Some(address) => (address, 0),
            None => (Ipv4Addr::UNSPECIFIED, self.interface),
        }
    }

    /// The group with its port; groups of one link need to say of which (`ff02::`), others do not
    /// mind.
    fn address(&self) -> SocketAddr {
        match self.group {
            IpAddr::V4(_) => SocketAddr::new(self.group, self.port),
            IpAddr::V6(group) => SocketAddrV6::new(group, self.port, 0, self.interface).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;

    fn config(group: &str) -> Config {
        Config {
            group: group.parse().unwrap(),
            port: 0,
            interface: 1,
            interface_addr: None,
            buffers: Buffers::default(),
            checksum: Checksum::On,
        }
    }

    #[test]
    fn a_group_is_bound_with_its_scope() {
        for group in ["225.0.0.50", "ff02::50", "ff15::50"] {
            let receiver = config(group).receiver().unwrap();
            let address = receiver.local_address().unwrap();
            assert_eq!(address.ip().to_string(), group);
            let sender = config(group).sender().unwrap();
            assert_eq!(sender.queued(), 0);
        }
    }

    #[test]
    fn what_is_no_group_or_no_interface_is_refused() {
        let error = config("192.0.2.1").receiver().unwrap_err();
        assert_eq!(error.errno, Errno::INVAL, "{error}");
        let nowhere = Config {
            interface_addr: Some(Ipv4Addr::new(192, 0, 2, 1)),
            ..config("225.0.0.50")
        };
        assert_eq!(nowhere.receiver().unwrap_err().errno, Errno::NODEV);
        assert_eq!(nowhere.sender().unwrap_err().errno, Errno::ADDRNOTAVAIL);
    }
}
