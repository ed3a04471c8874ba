//! Datagrams on sockets: the part that every transport by datagrams shares.
//!
//! As the stock daemon does it, sending and receiving have sockets of their own. Neither is
//! connected, so a peer that is away is not noticed here, and anyone who reaches the port is heard.
//! Both are non-blocking; many datagrams move per system call. Which sockets these are is the
//! business of [`udp`](super::udp) and [`multicast`](super::multicast).

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::addr::SocketAddrArg;
use rustix::net::{
    MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketType, bind, getsockname, ipproto,
    sendmmsg, sockopt,
};

use crate::channel::Traffic;
use crate::channel::socket::{self, Buffers, source};
use crate::drain::{Drained, drain};
use crate::error::{Context, Errno, Result};
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
pub(super) const QUEUE_DATAGRAMS_MAX: usize = 256;

/// Bytes that the sender holds back while the socket is full.
pub(super) const QUEUE_BYTES_MAX: usize = 512 * 1024;

/// Whether sent datagrams carry a checksum. Without effect on IPv6, which demands one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// They do.
    On,
    /// They do not.
    Off,
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
    /// Opens a receiving socket and binds it; `prepare` sets what the transport needs before.
    pub(super) fn open(
        address: &SocketAddr,
        buffers: Buffers,
        prepare: impl FnOnce(&OwnedFd) -> Result<()>,
    ) -> Result<Self> {
        let socket = socket::open(address, SocketType::DGRAM, ipproto::UDP)?;
        sockopt::set_socket_reuseaddr(&socket, true).during("share address of UDP socket")?;
        if let Some(bytes) = buffers.receive {
            socket::set_receive_buffer(&socket, bytes)?;
        }
        prepare(&socket).map_err(|error| error.on(address))?;
        bind(&socket, address)
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
    /// Opens a socket that sends to `peer`; `prepare` sets what the transport needs.
    pub(super) fn open(
        peer: &SocketAddr,
        buffers: Buffers,
        checksum: Checksum,
        prepare: impl FnOnce(&OwnedFd) -> Result<()>,
    ) -> Result<Self> {
        let socket = socket::open(peer, SocketType::DGRAM, ipproto::UDP)?;
        if let Some(bytes) = buffers.send {
            socket::set_send_buffer(&socket, bytes)?;
        }
        if checksum == Checksum::Off && peer.is_ipv4() {
            option::set_no_checksum(socket.as_fd()).during("turn off checksum of UDP socket")?;
        }
        prepare(&socket).map_err(|error| error.on(peer))?;
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
