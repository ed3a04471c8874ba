//! The peer's datagrams: into the receiver, and from there into the external cache.
//!
//! The order of the checks is stock's: length and version, number, type and flags, payload. What
//! fails one of them is counted under its reason and ends there; a malformed payload still counts
//! as received.

use flow::EventKind;

use super::Node;
use super::timers::Full;
use crate::mode::ftfw::receiver::{Admission, Taken};
use crate::output::Notice;
use crate::seq::Seq;
use crate::stats::Counter;
use crate::wire::{Control, DropReason, ExpectMessage, Flags, FlowMessage, Kind, Message, split};

impl Node {
    /// A datagram from the peer.
    pub(super) fn on_datagram(&mut self, bytes: &[u8]) {
        for message in split(bytes) {
            let result = message.and_then(|message| self.on_message(&message));
            if let Err(reason) = result {
                self.stats.count_drop(reason);
            }
        }
    }

    fn on_message(&mut self, message: &Message<'_>) -> Result<(), DropReason> {
        let header = message.header;
        let hello = header.flags.contains(Flags::HELLO);
        self.on_heard();
        if header.flags.contains(Flags::HELLO_BACK) && self.sender.on_hello_back() {
            self.on_greeted();
        }
        let taken = match self.receiver.admit(self.now, header.seq, hello) {
            Admission::Before => {
                self.stats.count(Counter::MessagesBefore);
                return Ok(());
            }
            Admission::Taken(taken) => taken,
        };
        // The greeting counts even on a message that turns out to be malformed.
        if hello {
            self.sender.on_hello();
        }
        let control = digest(message)?;
        self.on_taken(header.seq, hello, &taken);
        match control {
            Some(control) => {
                self.on_control(control);
                Ok(())
            }
            None => self.on_data(message),
        }
    }

    fn on_taken(&mut self, seq: Seq, hello: bool, taken: &Taken) {
        if taken.greets || taken.went_back {
            self.sender
                .on_greeting(&mut self.internal, self.now, taken.went_back);
        }
        // The first HELLO that we hear may be one that our former life has not answered.
        if taken.greets && !taken.first {
            self.internal.peer_is_younger();
        }
        if taken.greets && !taken.first {
            self.notice(Notice::PeerRestarted);
        } else if taken.went_back {
            self.notice(Notice::PeerSequenceRecovered);
        }
        if taken.missing.is_some() {
            self.stats.add(Counter::MessagesLost, taken.lost());
            self.note_gap();
        }
        let replies = self.receiver.take(self.now, seq, hello, taken);
        if let Some(range) = replies.ack {
            self.sender.say(Control::Ack(range), &mut self.stats);
        }
        if let Some(range) = replies.nack {
            self.sender.say(Control::Nack(range), &mut self.stats);
        }
    }

    fn on_control(&mut self, control: Control) {
        let sender = &mut self.sender;
        let known = match control {
            Control::Ack(range) => sender.on_ack(&mut self.internal, self.now, range),
            Control::Nack(range) => {
                sender.on_nack(&mut self.internal, self.now, range, &mut self.stats)
            }
            Control::Resync => {
                self.notice(Notice::ResyncRequestedByPeer);
                self.start_bulk_for_peer();
                true
            }
            Control::Alive => true,
        };
        if !known {
            self.stats.count(Counter::AcksIgnored);
        }
    }

    fn on_data(&mut self, message: &Message<'_>) -> Result<(), DropReason> {
        match message.header.kind {
            Kind::Flow(kind) => {
                let flow = FlowMessage::decode(message.body)?;
                self.on_peer_flow(kind, &flow);
            }
            Kind::Expectation(_) => {
                ExpectMessage::decode(message.body)?;
                self.stats.count(Counter::ExpectationsIgnored);
            }
            Kind::Control | Kind::Unassigned(_) => return Err(DropReason::BadType),
        }
        Ok(())
    }

    fn on_peer_flow(&mut self, kind: EventKind, flow: &FlowMessage<'_>) {
        self.note_flows();
        let (now, stats) = (self.now, &mut self.stats);
        let stored = match kind {
            EventKind::New => self.external.on_new(flow, now, stats),
            EventKind::Update => self.external.on_update(flow, now, stats),
            EventKind::Destroy => {
                self.external.on_destroy(flow, stats);
                true
            }
        };
        if !stored {
            self.notice_full(Full::External);
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
