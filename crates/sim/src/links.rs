//! The world's part in the links: who may send, whose carrier is gone, whose stream is broken.
//!
//! A node is told when a link takes nothing for now (`ChannelBlocked`) and when an interface has lost
//! its carrier (`ChannelDown`); what happens to what is under way nobody tells it.

use std::time::Duration;

use ctsync::{ChannelId, Input};

use crate::host::HostId;
use crate::network::Transport;
use crate::schedule::Step;
use crate::text::messages;
use crate::world::World;

/// Longest time until a broken connection is there again.
const RECONNECT_MAX: Duration = Duration::from_millis(1_500);

impl World {
    /// A node sends.
    pub(crate) fn transmit_on(&mut self, host: HostId, channel: ChannelId, bytes: &[u8]) {
        let (now, random) = (self.now, &mut self.luck.network);
        let packets = self.network.send(now, host, channel, bytes, random);
        for (at, packet) in packets {
            self.schedule.plan(at, Step::Arrive(packet));
        }
        if self.network.is_full(host, channel) {
            self.block(host, channel);
        }
    }

    /// A link of a random number.
    pub(crate) fn some_link(&mut self) -> ChannelId {
        let links: Vec<_> = self.network.channels().collect();
        let link = self.luck.incidents.pick(&links);
        link.copied().unwrap_or(ChannelId(0))
    }

    /// A host's link takes no datagrams.
    pub(crate) fn block(&mut self, host: HostId, channel: ChannelId) {
        let it = self.hosts.get_mut(host);
        let Some(blocked) = it.blocked.get_mut(usize::from(channel.0)) else {
            return;
        };
        if it.node.is_some() && !*blocked {
            *blocked = true;
            self.counts.blocked += 1;
            self.feed(host, Input::ChannelBlocked(channel));
        }
    }

    /// It takes some again.
    pub(crate) fn unblock(&mut self, host: HostId, channel: ChannelId) {
        let full = !self.network.has_room(host, channel);
        let it = self.hosts.get_mut(host);
        let Some(blocked) = it.blocked.get_mut(usize::from(channel.0)) else {
            return;
        };
        if it.node.is_some() && *blocked && !full {
            *blocked = false;
            self.feed(host, Input::ChannelReady(channel));
        }
    }

    /// The same after a while.
    pub(crate) fn unblock_after(&mut self, host: HostId, channel: ChannelId, after: Duration) {
        let life = self.hosts.get(host).life;
        self.plan(after, Step::Unblock(host, life, channel));
    }

    /// A host loses its carrier on a link or has it again.
    pub(crate) fn set_carrier(&mut self, host: HostId, channel: ChannelId, up: bool) {
        if self.network.is_down(host, channel) != up {
            return;
        }
        self.trace.record(self.now, b"carrier", || {
            format!("{host:?} {channel:?} up: {up}")
        });
        self.network.set_down(host, channel, !up);
        self.counts.carriers += u64::from(!up);
        self.tell_carrier(host, channel);
        if self.scenario.transport == Transport::Streams {
            for end in self.everyone() {
                self.network.break_stream(end, channel);
                self.block(end, channel);
                if self.everyone().all(|it| !self.network.is_down(it, channel)) {
                    self.reconnect(end, channel);
                }
            }
        }
    }

    fn tell_carrier(&mut self, host: HostId, channel: ChannelId) {
        let down = self.network.is_down(host, channel);
        let it = self.hosts.get_mut(host);
        let known = it.down.get_mut(usize::from(channel.0));
        let Some(known) = known.filter(|known| **known != down && it.node.is_some()) else {
            return;
        };
        *known = down;
        if self.saboteur.hides_carrier() {
            return;
        }
        self.feed(
            host,
            if down {
                Input::ChannelDown(channel)
            } else {
                Input::ChannelUp(channel)
            },
        );
    }

    /// A daemon has started: it looks at its interfaces and connects.
    pub(crate) fn connect(&mut self, host: HostId) {
        let channels: Vec<_> = self.network.channels().collect();
        for channel in channels {
            self.tell_carrier(host, channel);
            if self.scenario.transport == Transport::Streams {
                self.break_stream(host, channel);
                for other in self.others(host) {
                    self.reconnect(other, channel);
                }
            }
        }
    }

    /// A daemon is gone, and its connections with it.
    pub(crate) fn disconnect(&mut self, host: HostId) {
        if self.scenario.transport != Transport::Streams {
            return;
        }
        let channels: Vec<_> = self.network.channels().collect();
        for channel in channels {
            self.network.break_stream(host, channel);
            for other in self.others(host) {
                self.network.break_stream(other, channel);
                self.block(other, channel);
            }
        }
    }

    /// What a host sends on a link is lost until it has connected again.
    pub(crate) fn break_stream(&mut self, host: HostId, channel: ChannelId) {
        self.network.break_stream(host, channel);
        self.block(host, channel);
        self.reconnect(host, channel);
    }

    /// A host connects, if there is someone to connect to.
    fn reconnect(&mut self, host: HostId, channel: ChannelId) {
        let listens =
            |other| self.hosts.get(other).node.is_some() && !self.network.is_down(other, channel);
        if self.others(host).any(listens) && !self.network.is_down(host, channel) {
            let after = self.some_time(RECONNECT_MAX);
            self.unblock_after(host, channel, after);
        }
    }

    /// A packet has come, or a piece of a stream.
    pub(crate) fn arrive(&mut self, packet: &crate::network::Packet) {
        let arrives = self.network.arrives(packet);
        if arrives && self.scenario.transport == Transport::Streams {
            self.unblock(packet.from, packet.channel);
        }
        let (host, bytes) = (packet.to, &packet.bytes);
        if arrives && self.hosts.get(host).node.is_some() {
            self.counts.arrived += 1;
            self.trace.record(self.now, bytes, || {
                format!("{host:?} <- {:?} {}", packet.from, messages(bytes))
            });
            self.receive(packet);
        }
    }
}
