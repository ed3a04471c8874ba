//! One dedicated link: datagrams, or messages on a stream, to and from the peer.
//!
//! The node fills datagrams; here they wait, in bounded number, until the socket takes them. A full
//! socket, or one without connection, is reported to the node, which then keeps its flows in its own
//! queue (one slot each) instead of filling further datagrams.
//!
//! A link lives as long as the daemon. Its interface may go and come back; then its sockets are
//! opened again, once a second until that succeeds.

mod report;
mod settings;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ctsync::{ChannelId, Input, Instant, Node, PeerId};
use linux::channel::{Traffic, datagram, tcp};
use linux::interface::Interface;
use linux::poller::{Interest, Poller};
use linux::{Errno, Result, SystemError};

use crate::daemon::kernel::Drain;
use crate::daemon::report::{Report, Reports};

pub use report::LinkReport;
pub use settings::{Settings, Sockets};

/// Datagrams taken per turn: full ones hold some thousand flows, which take about a millisecond.
const DATAGRAMS_PER_TURN: usize = 64;

/// Datagrams taken between two looks at their bytes.
const DATAGRAMS_PER_STEP: usize = 32;

/// Bytes after which a turn takes no more: as many as full packets of Ethernet have. The longest
/// datagrams hold thousands of messages each.
const BYTES_PER_TURN: usize = DATAGRAMS_PER_TURN * 1500;

/// Time between two attempts to open the sockets of a link.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// How long the daemon's start waits at most for an address that is not certain yet.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);

/// What a link shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UDP.
    Udp,
    /// Multicast.
    Multicast,
    /// TCP.
    Tcp {
        /// The peer has connected to us.
        server: bool,
        /// We are connected to the peer.
        client: bool,
    },
}

/// One dedicated link.
pub struct Link {
    id: ChannelId,
    settings: Settings,
    tokens: Tokens,
    /// As last heard of; `None` while there is none of this name.
    interface: Option<Interface>,
    /// `None` until they can be opened.
    sockets: Option<Sockets>,
    /// The sockets are to be opened (again) then.
    reopen_at: Option<Instant>,
    /// Connections of the peer are to be waited for again then.
    listen_at: Option<Instant>,
    /// The number of the interface they were opened on.
    opened_on: u32,
    /// What closed sockets had carried: sent and received.
    before: (Traffic, Traffic),
    /// Datagrams of others than those that count.
    strangers: Traffic,
    /// Nothing can be sent now.
    blocked: bool,
    /// The node was told so.
    told_blocked: bool,
    /// Why the last datagrams were refused.
    refused: Option<Errno>,
    /// The sending socket is in the poller, to wait for room. Streams do that themselves.
    watches_room: bool,
}

/// The poller's tokens of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Of the receiving half.
    pub receive: u64,
    /// Of the sending half.
    pub send: u64,
}

impl Link {
    /// A link that is not open yet.
    pub fn new(id: ChannelId, settings: Settings, tokens: Tokens, now: Instant) -> Self {
        Self {
            id,
            tokens,
            interface: None,
            sockets: None,
            reopen_at: Some(now),
            listen_at: None,
            opened_on: 0,
            before: (Traffic::default(), Traffic::default()),
            strangers: Traffic::default(),
            blocked: true,
            told_blocked: false,
            refused: None,
            watches_room: false,
            settings,
        }
    }

    /// Its name for the node.
    pub const fn id(&self) -> ChannelId {
        self.id
    }

    /// The name of its interface.
    pub fn name(&self) -> &str {
        self.settings.interface()
    }

    /// Whether it has sockets.
    pub const fn is_open(&self) -> bool {
        self.sockets.is_some()
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        let (server, client) = match &self.sockets {
            Some(Sockets::Streams(receiver, sender)) => {
                (receiver.is_connected(), sender.is_connected())
            }
            Some(Sockets::Datagrams(..)) | None => (false, false),
        };
        match self.settings {
            Settings::Udp(_) => Kind::Udp,
            Settings::Multicast(_) => Kind::Multicast,
            Settings::Tcp(..) => Kind::Tcp { server, client },
        }
    }

    /// Its interface, if there is one.
    pub const fn interface(&self) -> Option<&Interface> {
        self.interface.as_ref()
    }

    /// Largest payload that fits the link in one packet, while there is an interface.
    pub fn payload_len_max(&self) -> Option<usize> {
        let interface = self.interface.as_ref()?;
        Some(self.settings.payload_len_max(interface))
    }

    /// Its interface is there or has changed (or is gone).
    pub fn set_interface(&mut self, interface: Option<Interface>, now: Instant) {
        let index = interface.as_ref().map(|interface| interface.index);
        if index.is_some_and(|index| index != self.opened_on)
            && self.settings.is_bound_to_interface()
        {
            self.reopen_at.get_or_insert(now);
        }
        self.interface = interface;
    }

    /// Opens the sockets if that is due. Old ones are kept until the new ones are there.
    pub fn open(&mut self, now: Instant, poller: &mut Poller) -> Result<()> {
        let (Some(_), Some(interface)) =
            (self.reopen_at.filter(|due| *due <= now), &self.interface)
        else {
            return Ok(());
        };
        self.reopen_at = Some(now + REOPEN_AFTER);
        let index = interface.index;
        let sockets = self.settings.open(index)?;
        match &sockets {
            Sockets::Datagrams(receiver, _) => {
                poller.add(receiver, self.tokens.receive, Interest::Read)?;
            }
            Sockets::Streams(receiver, sender) => {
                poller.add(receiver, self.tokens.receive, Interest::Read)?;
                poller.add(sender, self.tokens.send, Interest::Read)?;
            }
        }
        self.before = self.traffic();
        self.strangers = Traffic::default();
        self.blocked = matches!(sockets, Sockets::Streams(..));
        self.sockets = Some(sockets);
        self.opened_on = index;
        self.reopen_at = None;
        self.listen_at = None;
        self.watches_room = false;
        Ok(())
    }

    /// Opens the sockets at the start of the daemon. A firewall that has just been switched on may
    /// have its address for less than the second or two that the system looks for others who have
    /// it: that is waited for.
    pub fn open_patiently(&mut self, now: Instant, poller: &mut Poller) -> Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            match self.open(now + waited, poller) {
                Err(error)
                    if error.errno == Errno::ADDRNOTAVAIL
                        && waited < ADDRESS_PATIENCE
                        && self.settings.waits_for_address() =>
                {
                    std::thread::sleep(REOPEN_AFTER);
                    waited += REOPEN_AFTER;
                }
                result => return result,
            }
        }
    }

    /// Hands the node what has come from the peer, at most one turn's worth.
    pub fn receive(&mut self, node: &mut Node, now: Instant, reports: &mut Reports) -> Drain {
        let channel = self.id;
        let name = self.settings.interface();
        match &mut self.sockets {
            Some(Sockets::Datagrams(receiver, _)) => {
                let is_group = matches!(self.settings, Settings::Multicast(_));
                let (settings, strangers) = (&self.settings, &mut self.strangers);
                receive_datagrams(receiver, |datagram| {
                    if let Some(from) = datagram.from.filter(|from| !settings.accepts(from.ip())) {
                        strangers.errors += 1;
                        let report = LinkReport::StrangeDatagram(name.to_owned(), from);
                        return reports.push(Report::Link(report));
                    }
                    let peer = match datagram.from {
                        Some(from) if is_group => peer_id(from),
                        _ => PeerId(0),
                    };
                    let bytes = datagram.bytes;
                    node.handle(
                        now,
                        Input::Datagram {
                            channel,
                            peer,
                            bytes,
                        },
                    );
                })
            }
            Some(Sockets::Streams(receiver, sender)) => {
                let mut count = 0;
                let mut is_new = false;
                let listen_at = &mut self.listen_at;
                let more = receiver.drain(BYTES_PER_TURN, |incoming| {
                    if let tcp::Incoming::Messages(bytes) = incoming {
                        count += 1;
                        let peer = PeerId(0);
                        let input = Input::Datagram {
                            channel,
                            peer,
                            bytes,
                        };
                        return node.handle(now, input);
                    }
                    is_new |= matches!(incoming, tcp::Incoming::Connected(_));
                    if let tcp::Incoming::NotAccepted(_) = incoming {
                        *listen_at = Some(now + REOPEN_AFTER);
                    }
                    let report = LinkReport::of_stream(name, &incoming).map(Report::Link);
                    reports.extend(report);
                });
                // Before its first message is read, which may ask for what has to arrive.
                if is_new {
                    sender.renew(since_start(now));
                    self.blocked = sender.is_blocked();
                }
                Drain { count, more }
            }
            None => Drain {
                count: 0,
                more: false,
            },
        }
    }

    /// The sending half has something to tell: there is room again, or the connection is made or
    /// lost.
    pub fn look(&mut self, now: Instant, reports: &mut Reports) {
        if let Some(Sockets::Streams(_, sender)) = &mut self.sockets {
            let change = sender.look(since_start(now));
            self.note_change(change, reports);
        }
    }

    /// Takes a datagram from the node. The queue has room for all that the node emits before it is
    /// told that the link is blocked; should it not, something is lost as on the wire.
    pub fn transmit(&mut self, bytes: &[u8], now: Instant, reports: &mut Reports) {
        match &mut self.sockets {
            Some(Sockets::Datagrams(_, sender)) => {
                if !sender.queue(bytes) {
                    self.flush(now, reports);
                    if let Some(Sockets::Datagrams(_, sender)) = &mut self.sockets {
                        self.blocked |= !sender.queue(bytes);
                    }
                }
            }
            Some(Sockets::Streams(_, sender)) => {
                sender.queue(bytes);
                if sender.queued() >= self.settings.stream_batch() && !self.blocked {
                    self.flush(now, reports);
                }
            }
            None => self.blocked = true,
        }
    }

    /// Sends what waits, unless nothing can be sent.
    pub fn send(&mut self, now: Instant, reports: &mut Reports) {
        let queued = match &self.sockets {
            Some(Sockets::Datagrams(_, sender)) => sender.queued(),
            Some(Sockets::Streams(_, sender)) => sender.queued(),
            None => 0,
        };
        if queued > 0 && !self.blocked {
            self.flush(now, reports);
        }
    }

    /// Sends what waits as far as the socket takes it, and connects if that is due.
    pub fn flush(&mut self, now: Instant, reports: &mut Reports) {
        match &mut self.sockets {
            Some(Sockets::Datagrams(_, sender)) => {
                let flushed = sender.flush();
                self.blocked = flushed.blocked;
                self.note_refusal(&flushed, reports);
            }
            Some(Sockets::Streams(receiver, sender)) => {
                if self.listen_at.take_if(|due| *due <= now).is_some() {
                    receiver.listen_again();
                }
                let flushed = sender.flush(since_start(now));
                self.blocked = flushed.blocked;
                self.note_change(flushed.change, reports);
            }
            None => self.blocked = true,
        }
    }

    /// What the node is to be told of room on the link, if that has changed.
    pub fn pressure(&mut self) -> Option<Input<'static>> {
        if self.told_blocked == self.blocked {
            return None;
        }
        self.told_blocked = self.blocked;
        Some(match self.blocked {
            true => Input::ChannelBlocked(self.id),
            false => Input::ChannelReady(self.id),
        })
    }

    /// Watches the sending socket exactly while it is full. Should the poller refuse, the node's
    /// next timer tries again, a second later at most.
    pub fn watch_room(&mut self, poller: &mut Poller) {
        let Some(Sockets::Datagrams(_, sender)) = &self.sockets else {
            return;
        };
        if self.blocked != self.watches_room {
            let changed = match self.blocked {
                true => poller.add(sender, self.tokens.send, Interest::Write),
                false => poller.remove(sender),
            };
            if changed.is_ok() {
                self.watches_room = self.blocked;
            }
        }
    }

    /// When [`Self::open`] or [`Self::flush`] is due at the latest.
    pub fn timeout(&self) -> Option<Instant> {
        let connect = match &self.sockets {
            Some(Sockets::Streams(_, sender)) => sender.timeout(),
            Some(Sockets::Datagrams(..)) | None => None,
        };
        let reopen = self.reopen_at.filter(|_| self.interface.is_some());
        let connect = connect.map(|due| Instant::default().after(due));
        [connect, reopen, self.listen_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// What was sent and received.
    pub fn traffic(&self) -> (Traffic, Traffic) {
        let (sent, received) = match &self.sockets {
            Some(Sockets::Datagrams(receiver, sender)) => (sender.traffic(), receiver.traffic()),
            Some(Sockets::Streams(receiver, sender)) => (sender.traffic(), receiver.traffic()),
            None => (Traffic::default(), Traffic::default()),
        };
        let (sent_before, received_before) = self.before;
        let received = received_before.with(received).with(self.strangers);
        (sent_before.with(sent), received)
    }

    /// Buffers that wait for a connection, how many of them at most, and how many were dropped.
    pub fn error_queue(&self) -> Option<(usize, usize, u64)> {
        let Settings::Tcp(_, len_max) = self.settings else {
            return None;
        };
        let (len, dropped) = match &self.sockets {
            Some(Sockets::Streams(_, sender)) => (sender.queued(), sender.dropped()),
            Some(Sockets::Datagrams(..)) | None => (0, 0),
        };
        Some((len, len_max, dropped))
    }

    /// Reports refused datagrams once per change: a broken link refuses each sign of life, one per
    /// second.
    fn note_refusal(&mut self, flushed: &datagram::Flushed, reports: &mut Reports) {
        let before = self.refused;
        if flushed.refused.is_some() || flushed.sent > 0 {
            self.refused = flushed.refused;
        }
        let report = match self.refused {
            Some(errno) if before != Some(errno) => {
                let error = SystemError::new("send to the peer on", errno);
                LinkReport::Refused(error.on(self.name()))
            }
            None if before.is_some() => LinkReport::Works(self.name().to_owned()),
            _ => return,
        };
        reports.push(Report::Link(report));
    }

    /// Reports what became of the connection, failures once per reason.
    fn note_change(&mut self, change: Option<tcp::Change>, reports: &mut Reports) {
        let name = self.name().to_owned();
        match change {
            Some(tcp::Change::Connected) => {
                self.refused = None;
                reports.push(Report::Link(LinkReport::Connected(name)));
            }
            Some(tcp::Change::Lost(errno)) => {
                self.blocked = true;
                if self.refused != Some(errno) {
                    self.refused = Some(errno);
                    reports.push(Report::Link(LinkReport::Disconnected(name, errno)));
                }
            }
            None => {}
        }
    }
}

/// Hands over what has come, at most one turn's worth.
fn receive_datagrams(
    receiver: &mut datagram::Receiver,
    mut sink: impl FnMut(datagram::Datagram<'_>),
) -> Drain {
    let (mut count, mut len) = (0, 0);
    loop {
        let drained = receiver.drain(DATAGRAMS_PER_STEP, |datagram| {
            len += datagram.bytes.len();
            sink(datagram);
        });
        count += drained.datagrams;
        let more = drained.more;
        if !more || count >= DATAGRAMS_PER_TURN || len >= BYTES_PER_TURN {
            return Drain { count, more };
        }
    }
}

/// Who sends, by the address: the port is another one after each restart.
fn peer_id(from: SocketAddr) -> PeerId {
    PeerId(match from.ip() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let half = u128::from(u64::MAX);
            // Nobody has two addresses that this cannot tell apart, unless by intent.
            u64::try_from((bits >> 64 ^ bits.rotate_left(32)) & half).unwrap_or(0)
        }
    })
}

/// The moment on the clock of the sockets.
fn since_start(now: Instant) -> Duration {
    now.since(Instant::default())
}
