//! What can be injected: flows and expectations.
//!
//! A flow can be changed in the kernel; an expectation, which lives for seconds, is created anew, as
//! stock does. How either is written is the cache entry's knowledge.

use flow::{EventKind, Expectation, Object};

use super::Tried;
use crate::cache::entry::Entry;
use crate::cache::expectation::Expected;
use crate::cache::kept::Kept;
use crate::convert::Presence;
use crate::output::KernelOp;
use crate::stats::Counter;
use crate::time::Instant;

/// What can be injected.
pub(crate) trait Injected: Kept {
    /// What is to be done when the peer tells of this: what cannot be changed is created anew.
    fn done_for(told: EventKind) -> EventKind;
    /// The operation that creates it.
    fn creation(&self, presence: Presence, now: Instant, tried: Tried) -> KernelOp<'_>;
    /// The operation that changes it.
    fn change(&self, presence: Presence, now: Instant) -> KernelOp<'_>;
    /// The operation that deletes it.
    fn deletion(&self) -> KernelOp<'_>;
    /// Whether it names a helper.
    fn names_helper(&self) -> bool;
    /// Whether it has a master that it can do without.
    fn can_lose_master(&self) -> bool;
    /// What it is, for people.
    fn object(&self) -> Object<'_>;
    /// Counts what became of it.
    fn counter(told: EventKind, done: bool) -> Counter;
}

impl Injected for Entry {
    fn done_for(told: EventKind) -> EventKind {
        told
    }

    fn creation(&self, presence: Presence, now: Instant, tried: Tried) -> KernelOp<'_> {
        let mut flow = self.committed_flow(presence, now);
        if tried.without_helper {
            flow.helper = None;
        }
        if tried.without_master {
            flow.master = None;
        }
        KernelOp::Create(flow)
    }

    fn change(&self, presence: Presence, now: Instant) -> KernelOp<'_> {
        KernelOp::Update(self.updated_flow(presence, now))
    }

    fn deletion(&self) -> KernelOp<'_> {
        KernelOp::Delete(Self::deleted_flow(self.orig(), self.key_zone()))
    }

    fn names_helper(&self) -> bool {
        self.helper().is_some()
    }

    fn can_lose_master(&self) -> bool {
        self.master().is_some()
    }

    fn object(&self) -> Object<'_> {
        Object::Flow(self.peer_flow())
    }

    fn counter(told: EventKind, done: bool) -> Counter {
        match (told, done) {
            (EventKind::New, true) => Counter::InjectCreated,
            (EventKind::Update, true) => Counter::InjectUpdated,
            (EventKind::Destroy, true) => Counter::InjectDestroyed,
            (EventKind::New, false) => Counter::InjectCreateFailed,
            (EventKind::Update, false) => Counter::InjectUpdateFailed,
            (EventKind::Destroy, false) => Counter::InjectDestroyFailed,
        }
    }
}

impl Injected for Expected {
    fn done_for(told: EventKind) -> EventKind {
        match told {
            EventKind::New | EventKind::Update => EventKind::New,
            EventKind::Destroy => EventKind::Destroy,
        }
    }

    fn creation(&self, presence: Presence, now: Instant, tried: Tried) -> KernelOp<'_> {
        let mut expectation = self.committed(presence, now);
        if tried.without_helper {
            expectation.helper = None;
        }
        KernelOp::CreateExpectation(expectation)
    }

    fn change(&self, presence: Presence, now: Instant) -> KernelOp<'_> {
        self.creation(presence, now, Tried::default())
    }

    fn deletion(&self) -> KernelOp<'_> {
        let Expectation {
            master,
            tuple,
            zone,
            ..
        } = self.expectation();
        KernelOp::DeleteExpectation(Expectation {
            zone,
            ..Expectation::new(master, tuple)
        })
    }

    fn names_helper(&self) -> bool {
        self.expectation().helper.is_some()
    }

    fn can_lose_master(&self) -> bool {
        false
    }

    fn object(&self) -> Object<'_> {
        Object::Expectation(self.expectation())
    }

    /// They share the counters of the cache that is not there.
    fn counter(told: EventKind, done: bool) -> Counter {
        match (told, done) {
            (_, false) => Self::EXTERNAL.no_space,
            (EventKind::New, true) => Self::EXTERNAL.created,
            (EventKind::Update, true) => Self::EXTERNAL.updated,
            (EventKind::Destroy, true) => Self::EXTERNAL.destroyed,
        }
    }
}
