//! FT-FW: every message is acknowledged, what gets lost is sent again (docs/wire.md, "FT-FW").
//!
//! The [`sender`] and the [`receiver`] are two machines that share nothing but the greeting: the
//! sender keeps what it sent until the peer has it, the receiver watches the peer's numbers and
//! says which arrived. Both are stock's on the wire. Where stock loses flows for good (a greeting,
//! a lost request, a jump of the numbers, a full resend queue), ours finds them again; how is
//! written at each place.
//!
//! The mode is made for two nodes. When more of them share a group, the numbers of each are watched
//! apart, so that nothing is dropped that arrives; but an acknowledgement does not say whose
//! messages it means, and a node may take one for its own that was meant for another.

pub(crate) mod receiver;
mod repair;
pub(crate) mod sender;

use core::time::Duration;

use super::peers::{Peers, Source};
use super::{Scene, Verdict};
use crate::output::Notice;
use crate::seq::Seq;
use crate::stats::{Counter, Stats};
use crate::time::Instant;
use crate::wire::{Control, DropReason, Flags, Kind, Message};
use receiver::{Admission, Hello, Receiver, Taken};
use sender::Sender;

/// Longest time for which a node that never falls silent holds an acknowledgement back.
pub(crate) const ACK_DELAY_MAX: Duration = Duration::from_secs(2);

/// Longest life of a datagram on the dedicated link. What arrives later than this with an old
/// number was not delayed: the peer's numbers have changed.
pub(crate) const DATAGRAM_LIFE_MAX: Duration = Duration::from_secs(2);

/// A node in FT-FW.
#[derive(Debug)]
pub(crate) struct Ftfw {
    pub(crate) sender: Sender,
    receivers: Peers<Receiver>,
    ack_window: u32,
}

impl Ftfw {
    pub(crate) fn new(first: Seq, resend_len_max: usize, ack_window: u32) -> Self {
        Self {
            sender: Sender::new(first, resend_len_max),
            receivers: Peers::new(),
            ack_window,
        }
    }

    /// Looks at a message of the peer.
    pub(crate) fn receive(
        &mut self,
        scene: &mut Scene<'_>,
        source: Source,
        message: &Message<'_>,
    ) -> Result<Verdict, DropReason> {
        let header = message.header;
        let hello = self.hello_of(message);
        if header.flags.contains(Flags::HELLO_BACK) {
            scene.signals.greeted = self.sender.on_hello_back(scene.ours);
        }
        let window = self.ack_window;
        let receiver = self
            .receivers
            .of(source, header.seq, scene.now, || Receiver::new(window));
        let taken = match receiver.admit(scene.now, header.seq, hello) {
            Admission::Before => {
                scene.stats.count(Counter::MessagesBefore);
                return Ok(Verdict::Dropped);
            }
            Admission::Taken(taken) => taken,
        };
        // The greeting counts even on a message that turns out to be malformed. One that may be old
        // is not answered: a peer that has started goes on saying it.
        if hello == Hello::Yes || taken.greets {
            self.sender.on_hello();
        }
        let control = digest(message)?;
        self.on_taken(scene, source, (header.seq, hello), &taken);
        Ok(control.map_or(Verdict::Data, |control| self.on_control(scene, control)))
    }

    /// Whether it says HELLO. With our answer the peer's HELLO ends, so that it cannot stand on an old
    /// message about what we said later: a daemon has started that had something to acknowledge
    /// before it had anything else to say.
    fn hello_of(&self, message: &Message<'_>) -> Hello {
        let hello = Hello::of(message);
        if hello != Hello::MayBeOld {
            return hello;
        }
        match Control::decode(message) {
            Ok(Control::Ack(range) | Control::Nack(range))
                if self.sender.is_after_answer(range) =>
            {
                Hello::Yes
            }
            Ok(_) | Err(_) => hello,
        }
    }

    fn on_taken(
        &mut self,
        scene: &mut Scene<'_>,
        source: Source,
        (seq, hello): (Seq, Hello),
        taken: &Taken,
    ) {
        if taken.greets || taken.went_back {
            self.sender
                .on_greeting(scene.ours, scene.now, taken.went_back);
        }
        // The first HELLO that we hear may be one that our former life has not answered.
        if taken.greets && !taken.first {
            scene.ours.peer_is_younger();
            scene.notices.push(Notice::PeerRestarted);
        } else if taken.went_back {
            scene.notices.push(Notice::PeerSequenceRecovered);
        }
        if taken.missing.is_some() {
            scene.stats.add(Counter::MessagesLost, taken.lost());
            scene.signals.gap = true;
        }
        let window = self.ack_window;
        let receiver = self
            .receivers
            .of(source, seq, scene.now, || Receiver::new(window));
        let replies = receiver.take(scene.now, seq, hello, taken);
        if let Some(range) = replies.ack {
            self.sender.say(Control::Ack(range), scene.stats);
        }
        if let Some(range) = replies.nack {
            self.sender.say(Control::Nack(range), scene.stats);
        }
    }

    fn on_control(&mut self, scene: &mut Scene<'_>, control: Control) -> Verdict {
        let known = match control {
            Control::Ack(range) => self.sender.on_ack(scene.ours, scene.now, range),
            Control::Nack(range) => self
                .sender
                .on_nack(scene.ours, scene.now, range, scene.stats),
            Control::Resync => return Verdict::BulkWanted,
            Control::Alive => true,
        };
        if !known {
            scene.stats.count(Counter::AcksIgnored);
        }
        Verdict::Handled
    }

    /// Acknowledges what came; `false` if nothing did.
    pub(crate) fn acknowledge(&mut self, stats: &mut Stats) -> bool {
        let mut some = false;
        for receiver in self.receivers.iter_mut() {
            if let Some(range) = receiver.close() {
                self.sender.say(Control::Ack(range), stats);
                some = true;
            }
        }
        some
    }

    /// When something has to be acknowledged even if we never fall silent.
    pub(crate) fn ack_at(&self) -> Option<Instant> {
        self.receivers.iter().filter_map(Receiver::ack_at).min()
    }
}

impl Hello {
    fn of(message: &Message<'_>) -> Self {
        let flags = message.header.flags;
        let kept = [Flags::ACK, Flags::NACK, Flags::RESYNC];
        if !flags.contains(Flags::HELLO) {
            Self::No
        } else if message.header.kind == Kind::Control
            && kept.into_iter().any(|kept| flags.contains(kept))
        {
            Self::MayBeOld
        } else {
            Self::Yes
        }
    }
}

/// What a control message says, `None` for data; refuses what FT-FW does not know.
fn digest(message: &Message<'_>) -> Result<Option<Control>, DropReason> {
    match message.header.kind {
        Kind::Control => Control::decode(message).map(Some),
        Kind::Flow(_) | Kind::Expectation(_) => {
            let flags = message.header.flags;
            let others = flags.without(flags.greeting());
            if others.is_empty() {
                Ok(None)
            } else {
                Err(DropReason::BadHeader)
            }
        }
        Kind::Unassigned(_) => Err(DropReason::BadHeader),
    }
}
