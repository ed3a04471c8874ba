//! Those who send to us, told apart by where their datagrams come from.
//!
//! On a multicast group several nodes number their messages each for itself. What a mode keeps of a
//! sender's numbers is therefore kept per source address. One node has an address on each link, so
//! the first message from an unknown address is compared with the numbers of those who were not
//! heard on that link so far: who continues a series is the one who began it.
//!
//! Bound: [`PEERS_MAX`] senders. One more takes the place of the one that was silent for the longest
//! time; should that come back, it counts as unknown.

use alloc::vec::Vec;

use crate::input::{ChannelId, PeerId};
use crate::seq::Seq;
use crate::time::Instant;

/// Senders that are told apart.
pub(crate) const PEERS_MAX: usize = 16;

/// Addresses of one sender: as many as there may be links, and some that it had before.
const SOURCES_MAX: usize = 8;

/// How far ahead of the last number of a sender a message from an unknown address may lie to be taken
/// for one of its series.
const AHEAD_MAX: i32 = 1 << 20;

/// How far behind: of two links, one may be the faster.
const BEHIND_MAX: i32 = 1 << 10;

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) channel: ChannelId,
    pub(crate) peer: PeerId,
}

/// What a mode keeps of a sender.
pub(crate) trait Numbers {
    /// The last number that counts.
    fn last(&self) -> Option<Seq>;
}

#[derive(Debug)]
struct Peer<T> {
    sources: Vec<Source>,
    heard: Instant,
    numbers: T,
}

/// The senders.
#[derive(Debug)]
pub(crate) struct Peers<T> {
    peers: Vec<Peer<T>>,
}

impl<T: Numbers> Peers<T> {
    pub(crate) const fn new() -> Self {
        Self { peers: Vec::new() }
    }

    /// What is kept of the sender of a message with this number.
    #[expect(
        clippy::indexing_slicing,
        reason = "each of the three ways gives a place that exists"
    )]
    pub(crate) fn of(
        &mut self,
        source: Source,
        seq: Seq,
        now: Instant,
        unknown: impl FnOnce() -> T,
    ) -> &mut T {
        let place = self
            .find(source)
            .or_else(|| self.adopt(source, seq))
            .unwrap_or_else(|| self.enter(source, now, unknown()));
        let peer = &mut self.peers[place];
        peer.heard = now;
        &mut peer.numbers
    }

    /// What is kept of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.peers.iter().map(|peer| &peer.numbers)
    }

    /// What is kept of each, to change it.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.peers.iter_mut().map(|peer| &mut peer.numbers)
    }

    fn find(&self, source: Source) -> Option<usize> {
        self.peers
            .iter()
            .position(|peer| peer.sources.contains(&source))
    }

    /// The sender that this source belongs to, by its number or since there can be but one.
    fn adopt(&mut self, source: Source, seq: Seq) -> Option<usize> {
        let distance = |peer: &Peer<T>| -> Option<u32> {
            if peer.sources.iter().any(|it| it.channel == source.channel) {
                return None;
            }
            if source.peer == PeerId(0) && peer.sources.iter().any(|it| it.peer == PeerId(0)) {
                return Some(0);
            }
            let ahead = seq.distance(peer.numbers.last()?);
            let near = (-BEHIND_MAX..AHEAD_MAX).contains(&ahead);
            near.then_some(ahead.unsigned_abs())
        };
        let candidates = self.peers.iter().enumerate();
        let (place, _) = candidates
            .filter_map(|(place, peer)| Some((place, distance(peer)?)))
            .min_by_key(|(_, distance)| *distance)?;
        let sources = &mut self.peers.get_mut(place)?.sources;
        if sources.len() >= SOURCES_MAX {
            sources.remove(0);
        }
        sources.push(source);
        Some(place)
    }

    fn enter(&mut self, source: Source, now: Instant, numbers: T) -> usize {
        let peer = Peer {
            sources: Vec::from([source]),
            heard: now,
            numbers,
        };
        if self.peers.len() < PEERS_MAX {
            self.peers.push(peer);
            return self.peers.len() - 1;
        }
        let heard = self.peers.iter().map(|peer| peer.heard).enumerate();
        let (place, _) = heard.min_by_key(|(_, heard)| *heard).unwrap_or_default();
        if let Some(silent) = self.peers.get_mut(place) {
            *silent = peer;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Last(Seq);

    impl Numbers for Last {
        fn last(&self) -> Option<Seq> {
            Some(self.0)
        }
    }

    fn hear(peers: &mut Peers<Last>, channel: u8, peer: u64, seq: u32) -> u32 {
        let source = Source {
            channel: ChannelId(channel),
            peer: PeerId(peer),
        };
        let now = Instant(u64::from(seq));
        let last = peers.of(source, Seq(seq), now, || Last(Seq(seq)));
        let before = last.0.0;
        last.0 = Seq(seq);
        before
    }

    #[test]
    fn senders_on_one_link_are_told_apart() {
        let mut peers = Peers::new();
        for seq in 0..5 {
            hear(&mut peers, 0, 1, 100 + seq);
            hear(&mut peers, 0, 2, 5000 + seq);
        }
        assert_eq!(hear(&mut peers, 0, 1, 105), 104);
        assert_eq!(hear(&mut peers, 0, 2, 5005), 5004);
        assert_eq!(peers.iter().count(), 2);
    }

    #[test]
    fn a_sender_is_known_again_on_another_link() {
        let mut peers = Peers::new();
        hear(&mut peers, 0, 1, 100);
        hear(&mut peers, 0, 2, 5000);
        assert_eq!(hear(&mut peers, 1, 12, 5003), 5000);
        // Late.
        assert_eq!(hear(&mut peers, 1, 11, 99), 100);
        assert_eq!(hear(&mut peers, 0, 2, 5004), 5003);
        assert_eq!(peers.iter().count(), 2);
    }

    #[test]
    fn without_addresses_there_is_one_sender() {
        let mut peers = Peers::new();
        hear(&mut peers, 0, 0, 100);
        assert_eq!(hear(&mut peers, 1, 0, 7), 100);
        assert_eq!(hear(&mut peers, 0, 0, 4_000_000_000), 7);
        assert_eq!(peers.iter().count(), 1);
    }

    #[test]
    fn the_one_that_was_silent_longest_makes_room() {
        let mut peers = Peers::new();
        for peer in 1..=20 {
            hear(&mut peers, 0, peer, 1000 * u32::try_from(peer).unwrap());
        }
        assert_eq!(peers.iter().count(), PEERS_MAX);
        assert_eq!(hear(&mut peers, 0, 20, 20_001), 20_000);
        assert_eq!(hear(&mut peers, 0, 1, 1_001), 1_001);
    }
}
