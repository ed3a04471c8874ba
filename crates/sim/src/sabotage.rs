//! Lies of the world itself, to see that the checkers notice.
//!
//! A checker that cannot fail proves nothing. Each lie is one kind of fault that a node could have;
//! no scenario but those of the tests has one.

use std::collections::BTreeMap;

use ctsync::wire::{Kind, split};
use flow::{EventKind, Object, Origin};

use crate::random::{Percent, Random};

/// What the world does behind the backs of nodes and checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Some events are never reported, and no overrun either.
    LoseEvents,
    /// Some events about expectations are never reported.
    LoseExpectations,
    /// Some old messages about expectations arrive in the place of others.
    ReplayExpectations,
    /// A link that is down keeps looking as if it were up.
    HideCarrier,
    /// Some kernel operations are reported as done and are not.
    FakeOperations,
    /// What a node wrote itself is reported as traffic.
    HideOrigin,
    /// The mark of some flows changes under way.
    AlterDatagrams,
    /// Some messages arrive as old ones with new numbers.
    ReplayMessages,
    /// Nodes do not hear of the end of their kernel operations.
    ForgetOutcomes,
    /// Nodes are not woken.
    LetSleep,
}

/// A saboteur at work.
#[derive(Debug)]
pub(crate) struct Saboteur {
    what: Option<Sabotage>,
    random: Random,
    /// An old message of each length.
    old: BTreeMap<usize, Vec<u8>>,
}

const SOME: Percent = Percent(3);

impl Saboteur {
    pub(crate) const fn new(what: Option<Sabotage>, random: Random) -> Self {
        Self {
            what,
            random,
            old: BTreeMap::new(),
        }
    }

    /// Whether an event gets lost.
    pub(crate) fn loses_event(&mut self, object: &Object<'_>) -> bool {
        let unlucky = match (self.what, object) {
            (Some(Sabotage::LoseEvents), _) => true,
            (Some(Sabotage::LoseExpectations), Object::Expectation(_)) => true,
            (_, Object::Flow(_) | Object::Expectation(_)) => false,
        };
        unlucky && self.random.chance(SOME)
    }

    /// The origin that is reported.
    pub(crate) fn origin(&self, origin: Origin) -> Origin {
        match self.what {
            Some(Sabotage::HideOrigin) => Origin::Traffic,
            _ => origin,
        }
    }

    /// Whether outcomes get lost.
    pub(crate) fn loses_outcomes(&self) -> bool {
        self.what == Some(Sabotage::ForgetOutcomes)
    }

    /// Whether a carrier's loss is kept from the node.
    pub(crate) fn hides_carrier(&self) -> bool {
        self.what == Some(Sabotage::HideCarrier)
    }

    /// Whether an operation is only said to be done.
    pub(crate) fn fakes_operation(&mut self) -> bool {
        self.what == Some(Sabotage::FakeOperations) && self.random.chance(SOME)
    }

    /// Whether nodes sleep for ever.
    pub(crate) fn lets_sleep(&self) -> bool {
        self.what == Some(Sabotage::LetSleep)
    }

    /// What becomes of a datagram under way.
    pub(crate) fn datagram(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self.what {
            Some(Sabotage::AlterDatagrams) if self.random.chance(SOME) => {
                const MARK: [u8; 4] = [0, 8, 0, 7];
                if let Some(at) = bytes.windows(4).position(|window| window == MARK) {
                    bytes[at + 4] ^= 0x40;
                }
                bytes
            }
            Some(Sabotage::ReplayMessages) => self.replay(bytes, |kind| {
                matches!(kind, Kind::Flow(EventKind::New | EventKind::Update))
            }),
            Some(Sabotage::ReplayExpectations) => self.replay(bytes, |kind| {
                matches!(kind, Kind::Expectation(EventKind::New | EventKind::Update))
            }),
            _ => bytes,
        }
    }

    /// Keeps old announcements, and now and then lets one take a new message's place and number.
    fn replay(&mut self, bytes: Vec<u8>, announces: impl Fn(Kind) -> bool) -> Vec<u8> {
        let mut messages = split(&bytes);
        let one = messages.next().and_then(Result::ok);
        if messages.next().is_some() || !one.is_some_and(|one| announces(one.header.kind)) {
            return bytes;
        }
        let old = self.old.entry(bytes.len()).or_insert_with(|| bytes.clone());
        if !self.random.chance(Percent(20)) {
            return bytes;
        }
        let mut replayed = old.clone();
        replayed[4..8].copy_from_slice(&bytes[4..8]);
        replayed
    }
}
