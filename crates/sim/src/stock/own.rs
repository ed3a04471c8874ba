//! The internal cache of a stock daemon: flows of TCP, each with a version in its mark.
//!
//! What is kept of a flow is what its next message says. One that has ended is kept until the peer has
//! acknowledged it, or the daemon has forgotten that it told of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ctsync::Seq;
use ctsync::wire::{Flags, FlowMessage};
use flow::{Addrs, EventKind, Mark, Ports, Protocol, Status};

/// Names a flow.
pub type Slot = u16;

/// What the daemon makes of a flow: the type of its next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never updated.
    New,
    /// Updated at least once.
    Alive,
    /// Ended, and not known to have been told.
    Dead,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    state: State,
    version: u32,
}

/// The flows.
#[derive(Clone, Debug, Default)]
pub struct Own {
    objects: BTreeMap<Slot, Object>,
    version: u32,
}

impl Own {
    /// A flow begins anew, changes, or begins.
    pub fn touch(&mut self, slot: Slot, anew: bool) -> State {
        self.version += 1;
        let version = self.version;
        let alive = |object: &Object| object.state != State::Dead;
        let known = self.objects.get(&slot).is_some_and(alive);
        let state = if known && !anew {
            State::Alive
        } else {
            State::New
        };
        self.objects.insert(slot, Object { state, version });
        state
    }

    /// A flow ends; `None` if there is none.
    pub fn close(&mut self, slot: Slot) -> Option<State> {
        let object = self.objects.get_mut(&slot)?;
        let lives = object.state != State::Dead;
        object.state = State::Dead;
        lives.then_some(State::Dead)
    }

    /// The peer has what it was sent, or never will.
    pub fn release(&mut self, slot: Slot) {
        let dead = |object: &Object| object.state == State::Dead;
        if self.objects.get(&slot).is_some_and(dead) {
            self.objects.remove(&slot);
        }
    }

    /// All flows, ended ones included.
    pub fn slots(&self) -> Vec<Slot> {
        self.objects.keys().copied().collect()
    }

    /// The flows that live, with their versions.
    pub fn live(&self) -> BTreeMap<Slot, u32> {
        let live = self.objects.iter();
        live.filter(|(_, object)| object.state != State::Dead)
            .map(|(slot, object)| (*slot, object.version))
            .collect()
    }

    /// What a daemon that starts reads from its kernel.
    #[must_use]
    pub fn reread(&self) -> Self {
        let mut own = self.clone();
        own.objects.retain(|_, object| object.state != State::Dead);
        for object in own.objects.values_mut() {
            object.state = State::New;
        }
        own
    }

    /// The message about a flow.
    pub fn encode(&self, slot: Slot, flags: Flags, seq: Seq, out: &mut Vec<u8>) {
        let Some(object) = self.objects.get(&slot) else {
            return;
        };
        let kind = match object.state {
            State::New => EventKind::New,
            State::Alive => EventKind::Update,
            State::Dead => EventKind::Destroy,
        };
        let addrs = Addrs::V4 {
            src: Ipv4Addr::new(10, 3, 0, 1),
            dst: Ipv4Addr::new(10, 4, 0, 1),
        };
        let message = FlowMessage {
            ports: Some(Ports {
                src: slot,
                dst: 443,
            }),
            status: Some(Status::CONFIRMED),
            timeout: Some(100_000),
            mark: Some(Mark(object.version)),
            ..FlowMessage::new(addrs, Protocol::TCP)
        };
        message.encode(kind, flags, seq, out);
    }
}
