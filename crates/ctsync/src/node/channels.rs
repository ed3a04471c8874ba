//! The dedicated links, and which of them is used.
//!
//! Datagrams are taken from every link and sent on one. The rules, the first that holds counts:
//!
//! - a link that does not work, or takes nothing for [`STUCK_AFTER`], is left for one that works, first
//!   of all for one on which the peer is heard;
//! - a node follows its peer: where a message comes from another link than the one in use, that
//!   one is used from then on, as with stock; but for a while after a change only towards the head of
//!   the configuration, or two nodes that follow each other would change places for ever;
//! - where the peer has fallen silent, the links are tried in turn, less and less often;
//! - the preferred link (`Default`) is used again when it has worked for a while after it had failed,
//!   the longer the more often that happened.
//!
//! On a group with several senders, following each of them would mean to change with every message:
//! there the link in use is left only when nobody is heard on it.

use alloc::vec::Vec;
use core::time::Duration;

use super::Node;
use crate::config::Config;
use crate::input::{ChannelId, PeerId};
use crate::mode::peers::Source;
use crate::output::Notice;
use crate::stats::Counter;
use crate::time::Instant;

/// Time after which a link that takes nothing, or on which nobody is heard, is given up.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// Longest time between two links that are tried while the peer is silent.
const TRY_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Time for which the peer may go on using another link after a change.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long the preferred link has to work before it is used again.
const RETURN_AFTER_MIN: Duration = Duration::from_secs(60);

/// The same when it fails again and again.
const RETURN_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Time for which a sender counts as present on a link.
const PRESENT_FOR: Duration = Duration::from_secs(10);

/// Why another link is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The one before did not work.
    Failed,
    /// The peer uses this one.
    Followed,
    /// This is the preferred one, and works again.
    Returned,
    /// The peer is silent: this link is tried, for the first time since.
    FirstTry,
    /// It is tried once more.
    Try,
}

/// One dedicated link.
#[derive(Clone, Copy, Debug)]
struct Channel {
    payload_len_max: usize,
    up: bool,
    up_since: Instant,
    blocked_since: Option<Instant>,
    /// The last two senders that were heard here, the latest first.
    heard: [Option<(PeerId, Instant)>; 2],
}

impl Channel {
    const fn new(payload_len_max: usize, now: Instant) -> Self {
        Self {
            payload_len_max,
            up: true,
            up_since: now,
            blocked_since: None,
            heard: [None; 2],
        }
    }

    const fn can_send(&self) -> bool {
        self.up && self.blocked_since.is_none()
    }

    fn note_heard(&mut self, peer: PeerId, now: Instant) {
        let [latest, before] = &mut self.heard;
        if latest.is_some_and(|(known, _)| known != peer) {
            *before = *latest;
        }
        *latest = Some((peer, now));
    }

    fn heard_at(&self) -> Option<Instant> {
        let [latest, _] = self.heard;
        latest.map(|(_, at)| at)
    }

    fn is_heard(&self, now: Instant) -> bool {
        self.heard_at()
            .is_some_and(|at| now.since(at) < STUCK_AFTER)
    }

    /// Whether more than one sender is present here.
    fn is_shared(&self, now: Instant) -> bool {
        let present =
            |it: &Option<(PeerId, Instant)>| it.is_some_and(|(_, at)| now.since(at) < PRESENT_FOR);
        self.heard.iter().all(present)
    }
}

/// The dedicated links.
#[derive(Debug)]
pub(super) struct Channels {
    all: Vec<Channel>,
    in_use: usize,
    preferred: usize,
    /// Before this time the peer is not followed at all.
    follow_at: Instant,
    /// Before this time it is followed to a link of a lower place only.
    follow_behind_at: Instant,
    /// The preferred link was left because it did not work.
    returns: bool,
    return_after: Duration,
    returned_at: Option<Instant>,
    /// While the peer is silent: when the next link is tried, and the time until then.
    try_at: Option<Instant>,
    try_interval: Duration,
    /// The link in use is stuck, and so is any other.
    none: bool,
}

impl Channels {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let all: Vec<Channel> = config
            .channels
            .iter()
            .map(|channel| Channel::new(channel.payload_len_max, now))
            .collect();
        let initial = usize::from(config.initial_channel.0).min(all.len().saturating_sub(1));
        Self {
            all,
            in_use: initial,
            preferred: initial,
            follow_at: now,
            follow_behind_at: now,
            returns: false,
            return_after: RETURN_AFTER_MIN,
            returned_at: None,
            try_at: None,
            try_interval: STUCK_AFTER,
            none: false,
        }
    }

    /// The link in use.
    pub(super) fn in_use(&self) -> ChannelId {
        ChannelId(u8::try_from(self.in_use).unwrap_or(0))
    }

    /// Whether the link in use takes datagrams.
    pub(super) fn can_send(&self) -> bool {
        self.all.get(self.in_use).is_some_and(Channel::can_send)
    }

    /// Whether the interface of the link in use works.
    fn works(&self) -> bool {
        self.all.get(self.in_use).is_some_and(|it| it.up)
    }

    /// Largest payload of the link in use.
    pub(super) fn payload_len_max(&self) -> usize {
        let channel = self.all.get(self.in_use);
        channel.map_or(0, |channel| channel.payload_len_max)
    }

    fn get_mut(&mut self, channel: ChannelId) -> Option<&mut Channel> {
        self.all.get_mut(usize::from(channel.0))
    }

    pub(super) fn set_size(&mut self, channel: ChannelId, payload_len_max: usize) {
        if let Some(channel) = self.get_mut(channel) {
            channel.payload_len_max = payload_len_max;
        }
    }

    pub(super) fn set_blocked(&mut self, channel: ChannelId, blocked: bool, now: Instant) {
        if let Some(channel) = self.get_mut(channel) {
            let since = channel.blocked_since.unwrap_or(now);
            channel.blocked_since = blocked.then_some(since);
            self.none &= blocked;
        }
    }

    fn set_up(&mut self, channel: ChannelId, up: bool, now: Instant) {
        if let Some(channel) = self.get_mut(channel) {
            if up && !channel.up {
                channel.up_since = now;
            }
            channel.up = up;
            self.none &= !up;
        }
    }

    /// Whether the link in use is to be left, now or at which time, because it takes nothing.
    fn stuck_at(&self) -> Option<Instant> {
        let channel = self.all.get(self.in_use)?;
        if !channel.up {
            return Some(channel.up_since);
        }
        Some(channel.blocked_since? + STUCK_AFTER)
    }

    /// The link to be used in the place of the one in use: one that works, heard ones first, else
    /// the next in the order of the configuration.
    fn other(&self, now: Instant) -> Option<usize> {
        let others = (1..self.all.len()).map(|ahead| (self.in_use + ahead) % self.all.len());
        let works = |place: &usize| self.all.get(*place).is_some_and(Channel::can_send);
        let silence = |place: &usize| {
            let channel = self.all.get(*place);
            channel.is_none_or(|channel| !channel.is_heard(now))
        };
        others.filter(works).min_by_key(silence)
    }

    /// Whether a message on another link makes that one the one in use.
    fn follows(&self, place: usize, now: Instant) -> bool {
        let (Some(in_use), Some(other)) = (self.all.get(self.in_use), self.all.get(place)) else {
            return false;
        };
        if place == self.in_use || !other.can_send() {
            return false;
        }
        if !in_use.up {
            return true;
        }
        let patient = now < self.follow_at || place > self.in_use && now < self.follow_behind_at;
        let shared = in_use.is_shared(now) && in_use.is_heard(now);
        !(patient || shared)
    }

    /// When the preferred link is to be used again.
    fn return_at(&self) -> Option<Instant> {
        if !self.returns || self.in_use == self.preferred {
            return None;
        }
        let preferred = self.all.get(self.preferred)?;
        preferred
            .can_send()
            .then(|| preferred.up_since + self.return_after)
    }

    /// When another link is to be tried, since the peer is silent.
    fn try_at(&self) -> Option<Instant> {
        if self.all.len() < 2 {
            return None;
        }
        let heard = self.all.iter().filter_map(Channel::heard_at).max()?;
        Some(self.try_at.unwrap_or(heard + STUCK_AFTER))
    }

    /// Uses a link from now on.
    fn switch(&mut self, place: usize, now: Instant) {
        if self.in_use == self.preferred && place != self.preferred {
            let failed = self
                .all
                .get(self.preferred)
                .is_some_and(|it| !it.can_send());
            self.returns = failed;
            let soon = |at: Instant| now.since(at) < self.return_after * 2;
            self.return_after = if failed && self.returned_at.is_some_and(soon) {
                (self.return_after * 2).min(RETURN_AFTER_MAX)
            } else {
                RETURN_AFTER_MIN
            };
        }
        self.in_use = place;
        self.follow_behind_at = now + PATIENCE;
        self.none = false;
    }

    /// The next time that something may have to be done.
    pub(super) fn next_timer(&self, peer_is_regular: bool) -> Option<Instant> {
        if self.all.len() < 2 {
            return None;
        }
        let stuck = self.stuck_at().filter(|_| !self.none);
        let silent = self.try_at().filter(|_| peer_is_regular);
        [stuck, self.return_at(), silent]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Node {
    /// The link in use.
    pub fn channel(&self) -> ChannelId {
        self.channels.in_use()
    }

    /// A link's interface has begun or ceased to work.
    pub(super) fn on_channel_state(&mut self, channel: ChannelId, up: bool) {
        self.channels.set_up(channel, up, self.now);
        self.check_channels();
    }

    /// A message of a peer has come that counts.
    pub(super) fn on_heard_on(&mut self, source: Source) {
        let now = self.now;
        let channels = &mut self.channels;
        channels.try_at = None;
        channels.try_interval = STUCK_AFTER;
        if let Some(channel) = channels.get_mut(source.channel) {
            channel.note_heard(source.peer, now);
        }
        let place = usize::from(source.channel.0);
        if channels.follows(place, now) {
            self.switch_channel(place, Cause::Followed);
        }
    }

    /// Leaves the link in use if it is time to.
    pub(super) fn check_channels(&mut self) {
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.channels.stuck_at()) && !self.channels.none {
            match self.channels.other(now) {
                Some(place) => self.switch_channel(place, Cause::Failed),
                None => self.note_no_channel(),
            }
        } else if due(self.channels.return_at()) {
            self.channels.returned_at = Some(now);
            self.channels.follow_at = now + PATIENCE;
            self.switch_channel(self.channels.preferred, Cause::Returned);
        } else if self.mode.gives_signs_of_life() && due(self.channels.try_at()) {
            self.try_other_channel();
        }
    }

    /// The peer is silent: perhaps it is heard, and hears us, on another link.
    fn try_other_channel(&mut self) {
        let now = self.now;
        let channels = &mut self.channels;
        let cause = match channels.try_at {
            None => Cause::FirstTry,
            Some(_) => Cause::Try,
        };
        channels.try_at = Some(now + channels.try_interval);
        channels.try_interval = (channels.try_interval * 2).min(TRY_INTERVAL_MAX);
        if let Some(place) = channels.other(now) {
            self.switch_channel(place, cause);
        }
    }

    fn switch_channel(&mut self, place: usize, cause: Cause) {
        if place == self.channels.in_use {
            return;
        }
        self.channels.switch(place, self.now);
        self.stats.count(Counter::ChannelSwitches);
        if cause != Cause::Followed {
            // The peer, which follows, learns of it soon.
            self.timers.alive_at = self.now;
        }
        if !matches!(cause, Cause::FirstTry | Cause::Try) {
            self.mode.on_channel_switch(&mut self.ours, self.now);
        }
        if cause != Cause::Try {
            self.notice(Notice::ChannelInUse(self.channel()));
        }
    }

    /// Nothing can be sent until that changes; a link that is only full is not worth a word.
    fn note_no_channel(&mut self) {
        let told = core::mem::replace(&mut self.channels.none, true);
        if !told && !self.channels.works() {
            self.notice(Notice::NoChannel);
        }
    }
}
