//! The peer's datagrams: through the mode, and from there into the external cache.
//!
//! The order of the checks is stock's: length and version, number, type and flags, payload. What
//! fails one of them is counted under its reason and ends there; a malformed payload still counts
//! as received.

use flow::EventKind;

use super::Node;
use super::timers::Full;
use crate::cache::entry::Entry;
use crate::cache::expectation::Expected;
use crate::cache::kept::Kept;
use crate::cache::key::Key;
use crate::cache::ours::Name;
use crate::cache::table::Identity;
use crate::mode::peers::Source;
use crate::mode::{Scene, Signals, Verdict};
use crate::output::Notice;
use crate::stats::Counter;
use crate::wire::{DropReason, ExpectMessage, FlowMessage, Kind, Message, split};

impl Node {
    /// A datagram from a peer.
    pub(super) fn on_datagram(&mut self, source: Source, bytes: &[u8]) {
        for message in split(bytes) {
            let result = message.and_then(|message| self.on_message(source, &message));
            if let Err(reason) = result {
                self.stats.count_drop(reason);
            }
        }
    }

    fn on_message(&mut self, source: Source, message: &Message<'_>) -> Result<(), DropReason> {
        self.on_heard();
        let mut signals = Signals::default();
        let mut scene = Scene {
            now: self.now,
            ours: &mut self.ours,
            stats: &mut self.stats,
            notices: &mut self.notices,
            signals: &mut signals,
        };
        let verdict = self.mode.receive(&mut scene, source, message);
        self.tell_notices();
        if signals.greeted {
            self.on_greeted();
        }
        if signals.gap {
            self.note_gap();
        }
        let verdict = verdict?;
        if verdict != Verdict::Dropped {
            self.on_heard_on(source);
        }
        match verdict {
            Verdict::Dropped | Verdict::Handled => Ok(()),
            Verdict::BulkWanted => {
                self.notice(Notice::ResyncRequestedByPeer);
                self.start_bulk_for_peer();
                Ok(())
            }
            Verdict::Data => self.on_data(source, message),
        }
    }

    fn on_data(&mut self, source: Source, message: &Message<'_>) -> Result<(), DropReason> {
        match message.header.kind {
            Kind::Flow(kind) => {
                let flow = FlowMessage::decode(message.body)?;
                let (seq, hash_key) = (message.header.seq, self.hash_key);
                let about = || Entry::key_of_message(&flow).hash(&hash_key);
                if self.mode.is_news(self.now, source, seq, about) {
                    self.on_peer_flow(kind, &flow);
                }
            }
            Kind::Expectation(kind) => {
                let expectation = ExpectMessage::decode(message.body)?;
                let (seq, hash_key) = (message.header.seq, self.hash_key);
                let about = || Expected::key_of_message(&expectation).hash(&hash_key);
                if self.mode.is_news(self.now, source, seq, about) {
                    self.on_peer_expectation(kind, &expectation);
                }
            }
            Kind::Control | Kind::Unassigned(_) => return Err(DropReason::BadType),
        }
        Ok(())
    }

    /// Kept whether we replicate expectations or not, as stock does.
    fn on_peer_expectation(&mut self, kind: EventKind, message: &ExpectMessage<'_>) {
        let (now, stats) = (self.now, &mut self.stats);
        let stored = match &mut self.injector {
            Some(injector) => {
                let (foreign, ours) = (self.foreign.as_ref(), &self.ours);
                let is_live = |slot| ours.is_live(Name::Flow(slot));
                let exists = |key: &Key| {
                    foreign.is_some_and(|it| it.contains(key))
                        || ours.flows.table.find(key).is_some_and(is_live)
                };
                injector.on_expectation(kind, message, exists, (now, stats))
            }
            None => self.theirs.on_expectation(kind, message, now, stats),
        };
        if !stored {
            self.notice_full(Full::External);
        }
        if let Some(expiry) = &mut self.expiry {
            let slot = self.theirs.expectation_of(message);
            if let Some(slot) = slot {
                expiry.note_kept(Name::Expectation(slot), now);
            }
        }
    }

    fn on_peer_flow(&mut self, kind: EventKind, flow: &FlowMessage<'_>) {
        self.note_flows();
        let (now, stats) = (self.now, &mut self.stats);
        if self.injector.is_some() && kind == EventKind::Destroy && self.ours.has_flow(flow) {
            // It has traffic here: what has ended there is what the peer had of it before.
            stats.count(Counter::InjectDestroysIgnored);
            return;
        }
        let stored = match &mut self.injector {
            Some(injector) => injector.on_flow(kind, flow, now, stats),
            None => self.theirs.on_flow(kind, flow, now, stats),
        };
        if !stored {
            self.notice_full(Full::External);
        }
        if let Some(expiry) = &mut self.expiry {
            if let Some(slot) = self.theirs.flow_of(flow) {
                expiry.note_kept(Name::Flow(slot), now);
            }
        }
    }
}
