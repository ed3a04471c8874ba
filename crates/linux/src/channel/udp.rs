//! Datagrams to one peer over UDP, IPv4 or IPv6.
//!
//! As the stock daemon does it, sending and receiving have sockets of their own: the receiver is
//! bound to our address and the configured port, the sender has a port of the kernel's choice.
//! Neither is connected, so a peer that is away is not noticed here, and anyone who reaches the
//! port is heard. Both are non-blocking; many datagrams move per system call.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::addr::SocketAddrArg;
use rustix::net::{
    AddressFamily, MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketFlags, SocketType,
    bind, getsockname, ipproto, sendmmsg, socket_with, sockopt,
};

use crate::channel::Traffic;
use crate::drain::{Drained, drain};
use crate::error::{Context, Errno, Result, SystemError};
use crate::sys::mmsg::Ring;
use crate::sys::option;

/// Datagrams received per system call.
const RECEIVE_SLOTS: usize = 32;

/// Room for the longest datagram there is, so that none is ever cut. Not a power of two, so that
/// the slots do not compete for the same cache lines; pages never touched cost nothing.
const RECEIVE_SLOT_LEN: usize = 65_536 + 1_600;

/// Datagrams sent per system call.
const SEND_BATCH: usize = 32;

/// Datagrams that the sender holds back while the socket is full.
const QUEUE_DATAGRAMS_MAX: usize = 256;

/// Bytes that the sender holds back while the socket is full.
const QUEUE_BYTES_MAX: usize = 512 * 1024;

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
    /// Bytes of the sender's buffer; the system's default if absent.
    pub send_buffer: Option<usize>,
    /// Bytes of the receiver's buffer; the system's default if absent.
    pub receive_buffer: Option<usize>,
    /// Whether sent datagrams carry a checksum. Without effect on IPv6, which demands one.
    pub checksum: bool,
}

impl Config {
    fn address(&self, ip: IpAddr) -> SocketAddr {
        match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, self.port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, self.interface).into(),
        }
    }
}

fn open(address: &SocketAddr) -> Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP)).during("open UDP socket")
}

/// One datagram from the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The payload.
    pub bytes: &'a [u8],
    /// Who claims to have sent it.
    pub from: Option<SocketAddr>,
}

/// The receiving half.
#[derive(Debug)]
pub struct Receiver {
    socket: OwnedFd,
    ring: Ring,
    traffic: Traffic,
}

impl Receiver {
    /// Opens and binds the receiving socket.
    pub fn open(config: &Config) -> Result<Self> {
        let address = config.address(config.local);
        let socket = open(&address).map_err(|error| error.on(address))?;
        sockopt::set_socket_reuseaddr(&socket, true).during("share address of UDP socket")?;
        if let Some(bytes) = config.receive_buffer {
            set_receive_buffer(&socket, bytes)?;
        }
        bind(&socket, &address)
            .during("bind UDP socket to")
            .map_err(|error| error.on(address))?;
        Ok(Self {
            socket,
            ring: Ring::with_names(RECEIVE_SLOTS, RECEIVE_SLOT_LEN),
            traffic: Traffic::default(),
        })
    }

    /// Hands what has arrived to `sink`, at most `limit` datagrams. Errors of the socket are
    /// counted and otherwise ignored: they say nothing about the datagrams behind them.
    pub fn drain(&mut self, limit: usize, mut sink: impl FnMut(Datagram<'_>)) -> Drained {
        let traffic = &mut self.traffic;
        let drained = drain(&mut self.ring, self.socket.as_fd(), limit, |received| {
            match received {
                Ok(datagram) => {
                    traffic.count(datagram.bytes.len());
                    sink(Datagram {
                        bytes: datagram.bytes,
                        from: source(datagram.name),
                    });
                }
                Err(_) => traffic.errors += 1,
            }
            Ok(())
        });
        // The closure above ends no drain, so there is no error to report.
        drained.unwrap_or(Drained {
            datagrams: 0,
            more: false,
        })
    }

    /// The address the socket is bound to.
    pub fn local_address(&self) -> Result<SocketAddr> {
        let name = getsockname(&self.socket).during("read name of UDP socket")?;
        SocketAddr::try_from(name).during("read name of UDP socket")
    }

    /// What has been received.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Datagrams sent.
    pub sent: usize,
    /// Whether datagrams wait until the socket has room.
    pub blocked: bool,
    /// The last reason why a datagram was refused; refused ones are counted and dropped.
    pub refused: Option<Errno>,
}

/// The sending half: a short queue in front of the socket.
#[derive(Debug)]
pub struct Sender {
    socket: OwnedFd,
    peer: SocketAddrAny,
    /// Queued datagrams, back to back, and where each of them ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many of the queued ones are done.
    done: usize,
    traffic: Traffic,
}

impl Sender {
    /// Opens the sending socket.
    pub fn open(config: &Config) -> Result<Self> {
        let peer = config.address(config.peer);
        if config.local.is_ipv4() != config.peer.is_ipv4() {
            let error = SystemError::new("send from one address family to another", Errno::INVAL);
            return Err(error.on(peer));
        }
        let socket = open(&peer).map_err(|error| error.on(peer))?;
        if let Some(bytes) = config.send_buffer {
            set_send_buffer(&socket, bytes)?;
        }
        if !config.checksum && peer.is_ipv4() {
            option::set_no_checksum(socket.as_fd()).during("turn off checksum of UDP socket")?;
        }
        Ok(Self {
            socket,
            peer: peer.as_any(),
            bytes: Vec::new(),
            ends: Vec::new(),
            done: 0,
            traffic: Traffic::default(),
        })
    }

    /// Queues one datagram; `false` when the queue is full and the datagram was not taken.
    ///
    /// The queue holds 256 datagrams or 512 KiB between two moments at which it is empty.
    #[must_use]
    pub fn queue(&mut self, datagram: &[u8]) -> bool {
        let len = self.bytes.len().saturating_add(datagram.len());
        if self.ends.len() >= QUEUE_DATAGRAMS_MAX || len > QUEUE_BYTES_MAX {
            return false;
        }
        self.bytes.extend_from_slice(datagram);
        self.ends.push(len);
        true
    }

    /// Sends what is queued, as far as the socket takes it.
    pub fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed {
            sent: 0,
            blocked: false,
            refused: None,
        };
        // Each turn sends or drops at least one datagram, or ends the loop.
        while self.done < self.ends.len() {
            match self.send_some() {
                Ok(count) => flushed.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    flushed.blocked = true;
                    return flushed;
                }
                Err(errno) => {
                    self.traffic.errors += 1;
                    self.done += 1;
                    flushed.refused = Some(errno);
                }
            }
        }
        self.bytes.clear();
        self.ends.clear();
        self.done = 0;
        flushed
    }

    /// One system call: sends the next datagrams, at least one, and counts them.
    fn send_some(&mut self) -> std::result::Result<usize, Errno> {
        let starts = self.ends.iter().copied();
        let mut starts = std::iter::once(0).chain(starts).skip(self.done);
        let ends = self.ends.iter().skip(self.done);
        let payloads: [IoSlice<'_>; SEND_BATCH] = {
            let mut spans = ends.map(|end| starts.next().unwrap_or(0)..*end);
            std::array::from_fn(|_| {
                let bytes = spans.next().and_then(|span| self.bytes.get(span));
                IoSlice::new(bytes.unwrap_or_default())
            })
        };
        let count = SEND_BATCH.min(self.ends.len() - self.done);
        let mut controls: [_; SEND_BATCH] = std::array::from_fn(|_| SendAncillaryBuffer::default());
        let mut headers: Vec<MMsgHdr<'_>> = payloads
            .iter()
            .take(count)
            .zip(&mut controls)
            .map(|(payload, control)| {
                MMsgHdr::new_with_addr(&self.peer, std::slice::from_ref(payload), control)
            })
            .collect();
        let sent = sendmmsg(&self.socket, &mut headers, SendFlags::DONTWAIT)?;
        for payload in payloads.iter().take(sent) {
            self.traffic.count(payload.len());
        }
        self.done += sent;
        Ok(sent)
    }

    /// Datagrams that wait for [`Self::flush`].
    pub fn queued(&self) -> usize {
        self.ends.len() - self.done
    }

    /// What has been sent.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sets the buffer with the privileged option, or with the plain one where that is forbidden.
/// The kernel doubles the value; the stock daemon passes it unchanged, so we do.
fn set_receive_buffer(socket: &OwnedFd, bytes: usize) -> Result<()> {
    match sockopt::set_socket_recv_buffer_size_force(socket, bytes) {
        Err(Errno::PERM) => sockopt::set_socket_recv_buffer_size(socket, bytes),
        result => result,
    }
    .during("set receive buffer of UDP socket")
}

/// As [`set_receive_buffer`], for sending.
fn set_send_buffer(socket: &OwnedFd, bytes: usize) -> Result<()> {
    match sockopt::set_socket_send_buffer_size_force(socket, bytes) {
        Err(Errno::PERM) => sockopt::set_socket_send_buffer_size(socket, bytes),
        result => result,
    }
    .during("set send buffer of UDP socket")
}

/// The source address of a datagram, as the kernel wrote it (`sockaddr_in`, `sockaddr_in6`).
fn source(name: &[u8]) -> Option<SocketAddr> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poller::{Interest, Poller};
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    fn config(ip: IpAddr) -> Config {
        Config {
            local: ip,
            peer: ip,
            port: 0,
            interface: 0,
            send_buffer: None,
            receive_buffer: None,
            checksum: true,
        }
    }

    /// Both halves on the loopback interface, on a free port.
    fn pair(mut config: Config) -> (Receiver, Sender) {
        let receiver = Receiver::open(&config).unwrap();
        config.port = receiver.local_address().unwrap().port();
        let sender = Sender::open(&config).unwrap();
        (receiver, sender)
    }

    /// Everything that arrives until `wanted` datagrams are there.
    fn receive(receiver: &mut Receiver, wanted: usize) -> Vec<Vec<u8>> {
        let mut poller = Poller::new().unwrap();
        poller.add(&*receiver, 0, Interest::Read).unwrap();
        let mut seen = Vec::new();
        while seen.len() < wanted {
            let woken = poller.wait(Some(Duration::from_secs(10))).unwrap().count();
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
            checksum: false,
            send_buffer: Some(1 << 20),
            receive_buffer: Some(1 << 20),
            ..v4
        });
    }

    #[test]
    fn the_longest_datagram_is_not_cut() {
        let config = Config {
            receive_buffer: Some(1 << 20),
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
        assert_eq!(Sender::open(&mixed).unwrap_err().errno, Errno::INVAL);
    }

    #[test]
    fn a_foreign_address_cannot_be_bound() {
        let foreign = config(Ipv4Addr::new(192, 0, 2, 1).into());
        let error = Receiver::open(&foreign).unwrap_err();
        assert_eq!(error.errno, Errno::ADDRNOTAVAIL);
        assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
    }
}
