//! Where a dedicated link runs, and its sockets.
//!
//! The settings are kept, since the sockets have to be opened again when the interface comes back
//! under another number.

use std::fmt;
use std::net::IpAddr;

use linux::Result;
use linux::channel::datagram::{self, Checksum};
use linux::channel::{Buffers, multicast, tcp, udp};
use linux::interface::Interface;

use crate::config::model::{self, MulticastLink, SocketOptions, UnicastLink};
use crate::daemon::usize_from;

/// Bytes of the longest packet of IPv4.
const PACKET_LEN_MAX: u32 = 65_535;
/// Bytes of an IPv4 header without options, and of an IPv6 header.
const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const UDP_HEADER_LEN: usize = 8;
const TCP_HEADER_LEN: usize = 20;

/// Buffers gathered for a stream before they are written.
const STREAM_BATCH: usize = 16;

/// What the configuration says of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// Datagrams to one peer.
    Udp(UnicastLink),
    /// Datagrams to a group.
    Multicast(MulticastLink),
    /// Connections, and the buffers that wait for one at most.
    Tcp(UnicastLink, usize),
}

/// The sockets of a link.
pub enum Sockets {
    /// Of UDP or multicast.
    Datagrams(datagram::Receiver, datagram::Sender),
    /// Of TCP.
    Streams(tcp::Receiver, tcp::Sender),
}

impl Settings {
    /// The links of a configuration.
    pub fn all(links: &model::Links) -> Vec<Self> {
        match links {
            model::Links::Udp(links) => links.all.iter().cloned().map(Self::Udp).collect(),
            model::Links::Multicast(links) => {
                links.all.iter().cloned().map(Self::Multicast).collect()
            }
            model::Links::Tcp {
                links,
                error_queue_len,
            } => {
                let len = usize_from(*error_queue_len);
                let tcp = |link| Self::Tcp(link, len);
                links.all.iter().cloned().map(tcp).collect()
            }
        }
    }

    /// The name of the interface it runs on.
    pub fn interface(&self) -> &str {
        match self {
            Self::Udp(link) | Self::Tcp(link, _) => &link.interface,
            Self::Multicast(link) => &link.interface,
        }
    }

    /// Buffers gathered for a stream before they are written: no more than its queue holds.
    pub fn stream_batch(&self) -> usize {
        match self {
            Self::Tcp(_, queue_len_max) => STREAM_BATCH.min(*queue_len_max).max(1),
            Self::Udp(_) | Self::Multicast(_) => STREAM_BATCH,
        }
    }

    /// Whether datagrams from this address count.
    pub fn accepts(&self, from: IpAddr) -> bool {
        let accept_from = match self {
            Self::Udp(link) => &link.accept_from,
            Self::Multicast(link) => &link.accept_from,
            // Decided when they connect.
            Self::Tcp(..) => return true,
        };
        accept_from.is_empty() || accept_from.iter().any(|network| network.contains(from))
    }

    /// Opens the sockets on this interface.
    pub fn open(&self, interface: u32) -> Result<Sockets> {
        Ok(match self {
            Self::Udp(link) => {
                let config = udp::Config {
                    local: link.local,
                    peer: link.peer,
                    port: link.port,
                    interface,
                    buffers: buffers(link.socket),
                    checksum: checksum(link.socket),
                };
                Sockets::Datagrams(config.receiver()?, config.sender()?)
            }
            Self::Multicast(link) => {
                let config = multicast::Config {
                    group: link.group,
                    port: link.port,
                    interface,
                    interface_addr: match link.interface_addr {
                        Some(IpAddr::V4(address)) if !address.is_unspecified() => Some(address),
                        _ => None,
                    },
                    buffers: buffers(link.socket),
                    checksum: checksum(link.socket),
                };
                Sockets::Datagrams(config.receiver()?, config.sender()?)
            }
            Self::Tcp(link, queue_len_max) => {
                let config = tcp::Config {
                    local: link.local,
                    peer: link.peer,
                    port: link.port,
                    interface,
                    buffers: buffers(link.socket),
                    accept_from: link.accept_from.clone(),
                    queue_len_max: *queue_len_max,
                };
                Sockets::Streams(tcp::Receiver::open(&config)?, tcp::Sender::open(&config)?)
            }
        })
    }

    /// Whether the sockets are bound to the number of the interface: they are of no use when it
    /// comes back with another one.
    pub fn is_bound_to_interface(&self) -> bool {
        match self {
            Self::Multicast(_) => true,
            Self::Udp(link) | Self::Tcp(link, _) => {
                [link.local, link.peer].into_iter().any(is_link_local)
            }
        }
    }

    /// Whether its own address cannot be used yet, but will be soon.
    pub fn waits_for_address(&self) -> bool {
        match self {
            Self::Udp(link) | Self::Tcp(link, _) => match link.local {
                IpAddr::V6(local) => linux::route::is_tentative(local),
                IpAddr::V4(_) => false,
            },
            Self::Multicast(_) => false,
        }
    }

    /// Largest payload that fits the link in one packet. Stock forgets that the header of IPv6 is
    /// longer.
    pub fn payload_len_max(&self, interface: &Interface) -> usize {
        let (address, header) = match self {
            Self::Udp(link) => (link.peer, UDP_HEADER_LEN),
            Self::Multicast(link) => (link.group, UDP_HEADER_LEN),
            Self::Tcp(link, _) => (link.peer, TCP_HEADER_LEN),
        };
        let ip = match address {
            IpAddr::V4(_) => IPV4_HEADER_LEN,
            IpAddr::V6(_) => IPV6_HEADER_LEN,
        };
        // The loopback's packets may be longer than what IPv4 can describe.
        let packet = interface.mtu.min(PACKET_LEN_MAX);
        usize_from(packet).saturating_sub(ip + header)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(link) => write!(f, "UDP port {link}"),
            Self::Tcp(link, _) => write!(f, "TCP port {link}"),
            Self::Multicast(link) => {
                let MulticastLink {
                    group,
                    port,
                    interface,
                    ..
                } = link;
                write!(f, "multicast port {port} on {interface}, group {group}")
            }
        }
    }
}

impl fmt::Display for UnicastLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            local,
            peer,
            port,
            interface,
            ..
        } = self;
        write!(f, "{port} on {interface}, {local} to {peer}")
    }
}

fn buffers(socket: SocketOptions) -> Buffers {
    Buffers {
        send: socket.send_buffer.map(usize_from),
        receive: socket.receive_buffer.map(usize_from),
    }
}

const fn checksum(socket: SocketOptions) -> Checksum {
    match socket.checksum {
        true => Checksum::On,
        false => Checksum::Off,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_leaves_room_for_the_headers_of_its_family() {
        let interface = Interface {
            index: 1,
            name: "eth0".into(),
            mtu: 1500,
            is_up: true,
            is_running: true,
        };
        let unicast = |peer: &str| UnicastLink {
            local: peer.parse().unwrap(),
            peer: peer.parse().unwrap(),
            port: 1,
            interface: "eth0".into(),
            socket: SocketOptions {
                send_buffer: None,
                receive_buffer: None,
                checksum: true,
            },
            accept_from: Vec::new(),
        };
        for (settings, len, bound) in [
            (Settings::Udp(unicast("192.0.2.1")), 1472, false),
            (Settings::Udp(unicast("2001:db8::1")), 1452, false),
            (Settings::Udp(unicast("fe80::1")), 1452, true),
            (Settings::Tcp(unicast("192.0.2.1"), 1), 1460, false),
            (Settings::Tcp(unicast("fe80::1"), 1), 1440, true),
        ] {
            assert_eq!(settings.payload_len_max(&interface), len, "{settings}");
            assert_eq!(settings.is_bound_to_interface(), bound, "{settings}");
        }
        // Longer datagrams are refused (`EMSGSIZE`).
        let loopback = Interface {
            mtu: 65_536,
            ..interface
        };
        let settings = Settings::Udp(unicast("127.0.0.1"));
        assert_eq!(settings.payload_len_max(&loopback), 65_507);
    }
}
