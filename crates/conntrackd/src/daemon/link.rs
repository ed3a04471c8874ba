//! The dedicated link: datagrams to and from the peer.
//!
//! The node fills datagrams; here they wait, in bounded number, until the socket takes them. A full
//! socket is reported to the node, which then keeps its flows in its own queue (one slot each)
//! instead of filling further datagrams.

use std::net::IpAddr;

use ctsync::{ChannelId, Input, Instant, Node, PeerId};
use linux::channel::datagram::{Checksum, Receiver, Sender};
use linux::channel::{Buffers, Traffic, udp};
use linux::interface::{self, Interface};
use linux::{Errno, Result, SystemError};

use crate::config::model::UnicastLink;
use crate::daemon::kernel::Drain;
use crate::daemon::report::{Report, Reports};
use crate::daemon::usize_from;

/// Datagrams taken per turn: full ones hold some thousand flows, which take about a millisecond.
const DATAGRAMS_PER_TURN: usize = 64;

/// Datagrams taken between two looks at their bytes.
const DATAGRAMS_PER_STEP: usize = 32;

/// Bytes of datagrams after which a turn takes no more: as many as full packets of Ethernet have.
/// The longest datagrams hold thousands of messages each.
const BYTES_PER_TURN: usize = DATAGRAMS_PER_TURN * 1500;

/// Bytes of an IPv4 header without options, and of an IPv6 header.
const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const UDP_HEADER_LEN: usize = 8;

/// One dedicated link.
pub struct Link {
    /// Its name for the node.
    pub id: ChannelId,
    /// The interface it runs on.
    pub interface: Interface,
    /// The receiving half.
    pub receiver: Receiver,
    /// The sending half.
    pub sender: Sender,
    /// The socket is full.
    blocked: bool,
    /// Why the last datagrams were refused.
    refused: Option<Errno>,
    /// The node was told that the socket is full.
    told_blocked: bool,
}

impl Link {
    /// Opens both sockets of a UDP link.
    pub fn open(id: ChannelId, link: &UnicastLink) -> Result<Self> {
        let interface = interface::find(&link.interface)?;
        let config = udp::Config {
            local: link.local,
            peer: link.peer,
            port: link.port,
            interface: interface.index,
            buffers: Buffers {
                send: link.socket.send_buffer.map(usize_from),
                receive: link.socket.receive_buffer.map(usize_from),
            },
            checksum: match link.socket.checksum {
                true => Checksum::On,
                false => Checksum::Off,
            },
        };
        Ok(Self {
            id,
            interface,
            receiver: config.receiver()?,
            sender: config.sender()?,
            blocked: false,
            refused: None,
            told_blocked: false,
        })
    }

    /// Largest payload of a datagram that fits the link in one packet.
    pub fn payload_len_max(&self, peer: IpAddr) -> usize {
        let ip = if peer.is_ipv4() {
            IPV4_HEADER_LEN
        } else {
            IPV6_HEADER_LEN
        };
        usize_from(self.interface.mtu).saturating_sub(ip + UDP_HEADER_LEN)
    }

    /// Hands the node what has come from the peer, at most one turn's worth.
    pub fn take_datagrams(&mut self, node: &mut Node, now: Instant) -> Drain {
        let channel = self.id;
        let (mut count, mut len) = (0, 0);
        loop {
            let drained = self.receiver.drain(DATAGRAMS_PER_STEP, |datagram| {
                let bytes = datagram.bytes;
                len += bytes.len();
                node.handle(
                    now,
                    Input::Datagram {
                        channel,
                        peer: PeerId(0),
                        bytes,
                    },
                );
            });
            count += drained.datagrams;
            let more = drained.more;
            if !more || count >= DATAGRAMS_PER_TURN || len >= BYTES_PER_TURN {
                return Drain { count, more };
            }
        }
    }

    /// Takes a datagram from the node. Its queue has room for all that the node emits before it
    /// is told that the link is blocked; should it not, the datagram is lost like one on the wire.
    pub fn transmit(&mut self, bytes: &[u8], reports: &mut Reports) {
        if !self.sender.queue(bytes) {
            self.flush_sender(reports);
            if !self.sender.queue(bytes) {
                self.blocked = true;
            }
        }
    }

    /// Sends what waits, and tells the node when that starts or ceases to be possible.
    pub fn flush(&mut self, node: &mut Node, now: Instant, reports: &mut Reports) {
        self.flush_sender(reports);
        if self.told_blocked != self.blocked {
            self.told_blocked = self.blocked;
            let channel = self.id;
            node.handle(
                now,
                match self.blocked {
                    true => Input::ChannelBlocked(channel),
                    false => Input::ChannelReady(channel),
                },
            );
        }
    }

    /// Sends what waits, unless the socket is known to be full.
    pub fn send(&mut self, reports: &mut Reports) {
        if self.sender.queued() > 0 && !self.blocked {
            self.flush_sender(reports);
        }
    }

    fn flush_sender(&mut self, reports: &mut Reports) {
        let flushed = self.sender.flush();
        self.blocked = flushed.blocked;
        let before = self.refused;
        if flushed.refused.is_some() || flushed.sent > 0 {
            self.refused = flushed.refused;
        }
        // Once per change, since a broken link refuses each sign of life, one per second.
        match self.refused {
            Some(errno) if before != Some(errno) => {
                let error = SystemError::new("send to the peer on", errno);
                reports.push(Report::LinkRefused(error.on(&self.interface.name)));
            }
            None if before.is_some() => {
                reports.push(Report::LinkWorks(self.interface.name.to_string()));
            }
            _ => {}
        }
    }

    /// Whether datagrams wait until the socket has room.
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// What was sent and received.
    pub fn traffic(&self) -> (Traffic, Traffic) {
        (self.sender.traffic(), self.receiver.traffic())
    }
}
