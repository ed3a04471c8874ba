//! The dedicated links: one to four networks that all hosts are on.
//!
//! A link delays, loses, doubles and reorders datagrams; each host has a carrier on it or not, and
//! may be deaf. What a host sends reaches all others. As a stream (TCP) a link loses nothing and keeps the
//! order, but has little room, and forgets what is under way when it breaks. The network keeps no
//! datagrams: for each it says when copies of it arrive, and the schedule does the rest.

use std::time::Duration;

use ctsync::{ChannelId, Instant};

use crate::host::{HostId, PerHost};
use crate::random::{Percent, Random};

/// Most links of a world.
pub const LINKS_MAX: usize = 4;

/// One value for each link.
pub type PerLink<T> = [T; LINKS_MAX];

/// What links are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams to everyone: UDP, multicast.
    Datagrams,
    /// A stream in each direction between two hosts: TCP.
    Streams,
}

/// What the links do to datagrams.
#[derive(Clone, Copy, Debug)]
pub struct LinkFaults {
    /// Datagrams that vanish.
    pub loss: Percent,
    /// Datagrams that arrive twice.
    pub duplication: Percent,
    /// Datagrams that are held up by `hold`.
    pub reordering: Percent,
    /// Delay of every datagram.
    pub delay: Duration,
    /// Random delay on top; above the spacing of datagrams it reorders.
    pub jitter: Duration,
    /// Delay of a datagram that is reordered.
    pub hold: Duration,
}

impl LinkFaults {
    /// A cable.
    pub const NONE: Self = Self {
        loss: Percent(0),
        duplication: Percent(0),
        reordering: Percent(0),
        delay: Duration::from_micros(100),
        jitter: Duration::ZERO,
        hold: Duration::ZERO,
    };

    /// The longest time a datagram may be under way.
    pub fn delay_max(&self) -> Duration {
        self.delay + self.jitter + self.hold
    }

    /// When the copies of a datagram arrive, counted from now: none, one or two.
    pub(crate) fn arrivals(&self, random: &mut Random) -> Vec<Duration> {
        if random.chance(self.loss) {
            return Vec::new();
        }
        let copies = if random.chance(self.duplication) {
            2
        } else {
            1
        };
        (0..copies).map(|_| self.arrival(random)).collect()
    }

    fn arrival(&self, random: &mut Random) -> Duration {
        let jitter = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        let jitter = Duration::from_micros(random.between(0, jitter));
        let hold = if random.chance(self.reordering) {
            self.hold
        } else {
            Duration::ZERO
        };
        self.delay + jitter + hold
    }
}

/// Bytes under way beyond which a stream takes no more, until half of them have arrived.
const STREAM_ROOM: usize = 16 * 1024;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Counts connections: what belongs to an earlier one does not arrive.
    connection: u32,
    /// When the last byte sent arrives.
    arrives_at: Instant,
    in_flight: usize,
}

/// One link.
#[derive(Clone, Debug, Default)]
struct Link {
    partitioned_until: Instant,
    /// Nothing reaches this host.
    deaf_until: PerHost<Instant>,
    /// Hosts without a carrier.
    down: PerHost<bool>,
    /// By the sender; there is one receiver.
    streams: PerHost<Stream>,
}

/// A datagram, or a part of a stream, on its way.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Who sent it.
    pub from: HostId,
    /// Who gets it.
    pub to: HostId,
    /// On which link.
    pub channel: ChannelId,
    /// The stream's connection.
    connection: u32,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// A datagram of a stranger.
    pub const fn forged(from: HostId, to: HostId, bytes: Vec<u8>) -> Self {
        Self {
            from,
            to,
            channel: ChannelId(0),
            connection: 0,
            bytes,
        }
    }
}

/// All links.
#[derive(Debug)]
pub struct Network {
    hosts: usize,
    transport: Transport,
    links: Vec<Link>,
    /// What all links do at present.
    pub faults: LinkFaults,
}

impl Network {
    /// Links without faults.
    pub fn new(hosts: usize, links: usize, transport: Transport) -> Self {
        Self {
            hosts,
            transport,
            links: vec![Link::default(); links.clamp(1, LINKS_MAX)],
            faults: LinkFaults::NONE,
        }
    }

    /// Names of the links.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> + use<> {
        (0_u8..).take(self.links.len()).map(ChannelId)
    }

    /// A host sends; when what arrives where.
    pub fn send(
        &mut self,
        now: Instant,
        from: HostId,
        channel: ChannelId,
        bytes: &[u8],
        random: &mut Random,
    ) -> Vec<(Instant, Packet)> {
        let faults = self.faults;
        let Some(link) = self.links.get_mut(usize::from(channel.0)) else {
            return Vec::new();
        };
        let mut packets = Vec::new();
        for to in HostId::first(self.hosts)
            .iter()
            .copied()
            .filter(|to| *to != from)
        {
            let packet = Packet {
                from,
                to,
                channel,
                connection: link.streams.get(from).connection,
                bytes: bytes.to_vec(),
            };
            if self.transport == Transport::Streams {
                let at = link.stream(now, from, to, &faults, bytes.len(), random);
                packets.push((at, packet));
            } else if link.passes(now, from, to) {
                let times = faults.arrivals(random);
                packets.extend(times.into_iter().map(|after| (now + after, packet.clone())));
            }
        }
        packets
    }

    /// Whether a packet that would arrive now does.
    pub fn arrives(&mut self, packet: &Packet) -> bool {
        let streams = self.transport == Transport::Streams;
        let Some(link) = self.links.get_mut(usize::from(packet.channel.0)) else {
            return false;
        };
        if !streams {
            return !*link.down.get(packet.to);
        }
        let stream = link.streams.get_mut(packet.from);
        if stream.connection != packet.connection {
            return false;
        }
        stream.in_flight = stream.in_flight.saturating_sub(packet.bytes.len());
        true
    }

    /// Whether a sender has to wait for room.
    pub fn is_full(&self, from: HostId, channel: ChannelId) -> bool {
        self.in_flight(from, channel) > STREAM_ROOM
    }

    /// Whether a sender that waited has room again.
    pub fn has_room(&self, from: HostId, channel: ChannelId) -> bool {
        self.in_flight(from, channel) <= STREAM_ROOM / 2
    }

    fn in_flight(&self, from: HostId, channel: ChannelId) -> usize {
        let link = self.links.get(usize::from(channel.0));
        link.map_or(0, |link| link.streams.get(from).in_flight)
    }

    /// A host's stream breaks: what is under way is lost.
    pub fn break_stream(&mut self, from: HostId, channel: ChannelId) {
        if let Some(link) = self.links.get_mut(usize::from(channel.0)) {
            let stream = link.streams.get_mut(from);
            *stream = Stream {
                connection: stream.connection + 1,
                ..Stream::default()
            };
        }
    }

    /// Cuts a link until then.
    pub fn partition(&mut self, channel: ChannelId, until: Instant) {
        if let Some(link) = self.links.get_mut(usize::from(channel.0)) {
            link.partitioned_until = link.partitioned_until.max(until);
        }
    }

    /// Nothing reaches a host until then, though what it sends passes.
    pub fn deafen(&mut self, to: HostId, channel: ChannelId, until: Instant) {
        if let Some(link) = self.links.get_mut(usize::from(channel.0)) {
            let deaf_until = link.deaf_until.get_mut(to);
            *deaf_until = until.max(*deaf_until);
        }
    }

    /// Takes a host's carrier away or gives it back.
    pub fn set_down(&mut self, host: HostId, channel: ChannelId, down: bool) {
        if let Some(link) = self.links.get_mut(usize::from(channel.0)) {
            *link.down.get_mut(host) = down;
        }
    }

    /// Whether a host has no carrier on a link.
    pub fn is_down(&self, host: HostId, channel: ChannelId) -> bool {
        let link = self.links.get(usize::from(channel.0));
        link.is_none_or(|link| *link.down.get(host))
    }

    /// Everything works from now on; carriers are given back by who took them.
    pub fn heal(&mut self) {
        self.faults = LinkFaults::NONE;
        for link in &mut self.links {
            link.partitioned_until = Instant::default();
            link.deaf_until = PerHost::default();
        }
    }
}

impl Link {
    fn passes(&self, now: Instant, from: HostId, to: HostId) -> bool {
        let cut = now < self.partitioned_until || now < *self.deaf_until.get(to);
        !cut && !*self.down.get(from) && !*self.down.get(to)
    }

    /// When something written into a stream arrives: behind what was written before, and later if
    /// packets below it are lost.
    fn stream(
        &mut self,
        now: Instant,
        from: HostId,
        to: HostId,
        faults: &LinkFaults,
        len: usize,
        random: &mut Random,
    ) -> Instant {
        let repeated = if random.chance(faults.loss) {
            Duration::from_millis(200)
        } else {
            Duration::ZERO
        };
        let from_now = now + faults.arrival(random) + repeated;
        let cut = self.partitioned_until.max(*self.deaf_until.get(to));
        let at = from_now.max(cut);
        let stream = self.streams.get_mut(from);
        stream.arrives_at = stream.arrives_at.max(at);
        stream.in_flight += len;
        stream.arrives_at
    }
}
