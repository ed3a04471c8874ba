//! A link over UDP to one peer, IPv4 or IPv6.
//!
//! The receiver is bound to our address and the configured port, the sender has a port of the
//! kernel's choice.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::channel::Buffers;
use crate::channel::datagram::{Checksum, Receiver, Sender};
use crate::error::{Errno, Result, SystemError};

/// A link over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our address, which the receiver is bound to.
    pub local: IpAddr,
    /// The peer's address, of the same family.
    pub peer: IpAddr,
    /// The port of both receivers.
    pub port: u16,
    /// Index of the link's interface: the scope of IPv6 link-local addresses.
    pub interface: u32,
    /// Sizes of the socket buffers.
    pub buffers: Buffers,
    /// Whether sent datagrams carry a checksum.
    pub checksum: Checksum,
}

impl Config {
    /// Opens the receiving half.
    pub fn receiver(&self) -> Result<Receiver> {
        Receiver::open(&self.address(self.local), self.buffers, |_| Ok(()))
    }

    /// Opens the sending half.
    pub fn sender(&self) -> Result<Sender> {
        let peer = self.address(self.peer);
        if self.local.is_ipv4() != self.peer.is_ipv4() {
            let error = SystemError::new("send from one address family to another", Errno::INVAL);
            return Err(error.on(peer));
        }
        Sender::open(&peer, self.buffers, self.checksum, |_| Ok(()))
    }

    fn address(&self, ip: IpAddr) -> SocketAddr {
        match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, self.port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, self.interface).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Traffic;
    use crate::channel::datagram::{QUEUE_BYTES_MAX, QUEUE_DATAGRAMS_MAX};
    use crate::poller::{Interest, Poller};
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    fn config(ip: IpAddr) -> Config {
        Config {
            local: ip,
            peer: ip,
            port: 0,
            interface: 0,
            buffers: Buffers::default(),
            checksum: Checksum::On,
        }
    }

    /// Both halves on the loopback interface, on a free port.
    fn pair(mut config: Config) -> (Receiver, Sender) {
        let receiver = config.receiver().unwrap();
        config.port = receiver.local_address().unwrap().port();
        let sender = config.sender().unwrap();
        (receiver, sender)
    }

    /// Everything that arrives until `wanted` datagrams are there.
    fn receive(receiver: &mut Receiver, wanted: usize) -> Vec<Vec<u8>> {
        let mut poller = Poller::new().unwrap();
        poller.add(&*receiver, 0, Interest::Read).unwrap();
        let mut seen = Vec::new();
        while seen.len() < wanted {
            let woken = poller.wait(Some(Duration::from_secs(300))).unwrap().count();
            assert_eq!(woken, 1, "only {} of {wanted} arrived", seen.len());
            receiver.drain(usize::MAX, |datagram| {
                assert!(datagram.from.is_some_and(|from| from.ip().is_loopback()));
                seen.push(datagram.bytes.to_vec());
            });
        }
        seen
    }

    #[track_caller]
    fn check(config: Config) {
        let (mut receiver, mut sender) = pair(config);
        let sent: Vec<Vec<u8>> = (0..100_u8)
            .map(|number| vec![number; usize::from(number) * 14 + 1])
            .collect();
        for datagram in &sent {
            assert!(sender.queue(datagram));
        }
        assert_eq!(sender.queued(), 100);
        let flushed = sender.flush();
        assert_eq!((flushed.sent, flushed.refused), (100, None));
        assert_eq!(sender.queued(), 0);
        assert_eq!(receive(&mut receiver, 100), sent);
        let bytes: usize = sent.iter().map(Vec::len).sum();
        let traffic = Traffic {
            bytes: bytes.try_into().unwrap(),
            packets: 100,
            errors: 0,
        };
        assert_eq!(sender.traffic(), traffic);
        assert_eq!(receiver.traffic(), traffic);
    }

    #[test]
    fn datagrams_arrive_whole_and_in_order() {
        let v4 = config(Ipv4Addr::LOCALHOST.into());
        check(v4);
        check(config(Ipv6Addr::LOCALHOST.into()));
        check(Config {
            checksum: Checksum::Off,
            buffers: Buffers {
                send: Some(1 << 20),
                receive: Some(1 << 20),
            },
            ..v4
        });
    }

    #[test]
    fn the_longest_datagram_is_not_cut() {
        let config = Config {
            buffers: Buffers {
                send: None,
                receive: Some(1 << 20),
            },
            ..config(Ipv4Addr::LOCALHOST.into())
        };
        let (mut receiver, mut sender) = pair(config);
        let datagram = vec![7; 65_507];
        assert!(sender.queue(&datagram));
        assert_eq!(sender.flush().refused, None);
        assert_eq!(receive(&mut receiver, 1), [datagram]);
    }

    #[test]
    fn a_refused_datagram_is_counted_and_the_next_one_goes_out() {
        let (mut receiver, mut sender) = pair(config(Ipv4Addr::LOCALHOST.into()));
        assert!(sender.queue(&vec![0; 65_508]));
        assert!(sender.queue(b"next"));
        let flushed = sender.flush();
        assert_eq!((flushed.sent, flushed.refused), (1, Some(Errno::MSGSIZE)));
        assert_eq!(sender.traffic().errors, 1);
        assert_eq!(receive(&mut receiver, 1), [b"next"]);
    }

    #[test]
    fn the_queue_is_bounded() {
        let (_receiver, mut sender) = pair(config(Ipv4Addr::LOCALHOST.into()));
        let taken = (0..1_000).filter(|_| sender.queue(b"x")).count();
        assert_eq!(taken, QUEUE_DATAGRAMS_MAX);
        sender.flush();
        let taken = (0..100).filter(|_| sender.queue(&[0; 50_000])).count();
        assert_eq!(taken, QUEUE_BYTES_MAX / 50_000);
    }

    #[test]
    fn two_families_do_not_mix() {
        let mixed = Config {
            peer: Ipv6Addr::LOCALHOST.into(),
            ..config(Ipv4Addr::LOCALHOST.into())
        };
        assert_eq!(mixed.sender().unwrap_err().errno, Errno::INVAL);
    }

    #[test]
    fn a_foreign_address_cannot_be_bound() {
        let foreign = config(Ipv4Addr::new(192, 0, 2, 1).into());
        let error = foreign.receiver().unwrap_err();
        assert_eq!(error.errno, Errno::ADDRNOTAVAIL);
        assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
    }
}
