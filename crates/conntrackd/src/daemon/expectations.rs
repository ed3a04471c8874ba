//! Which of the kernel's expectations are replicated, and what is looked up because of them.
//!
//! The list of helpers decides, and the master: the node keeps an expectation only while it
//! keeps the master. Where it keeps nothing (`DisableInternalCache`), the master is looked at in
//! the kernel (compat: daemon-9).
//!
//! A helper that translates addresses within the payload shifts the sequence numbers of the master,
//! and the kernel tells nobody of that. So the master of a new expectation is looked at: this is
//! the moment when the payload was changed.

use flow::filter::EventFilter;
use flow::{Event, EventKind, Expectation, Object, Origin, Tuple};
use linux::table::{self, Table};
use nfnetlink::conntrack::request::FlowKey;

use crate::config::model::{ExpectationSync, General, InternalCache, Mode, Sync};

/// What is to be done with expectations.
pub struct Expectations {
    sync: ExpectationSync,
    /// The node keeps no flows, and some are filtered out: then masters are looked up.
    asks_for_masters: bool,
    /// For looking at masters.
    table: Option<Table>,
}

impl Expectations {
    /// Nothing is.
    pub const OFF: Self = Self {
        sync: ExpectationSync::Off,
        asks_for_masters: false,
        table: None,
    };

    /// They are replicated as `ExpectationSync` says.
    pub fn open(general: &General, sync: &Sync) -> table::Result<Self> {
        let wanted = &sync.expectation_sync;
        let table = wanted.is_on().then(Table::open).transpose()?;
        let keeps_flows = match &sync.mode {
            Mode::Notrack(notrack) => notrack.internal_cache == InternalCache::Keep,
            Mode::Ftfw(_) | Mode::Alarm(_) => true,
        };
        Ok(Self {
            sync: wanted.clone(),
            asks_for_masters: !keeps_flows && general.filter.is_some(),
            table,
        })
    }

    /// Whether any are replicated.
    pub const fn are_on(&self) -> bool {
        self.sync.is_on()
    }

    /// Whether this one is, as far as that is to be decided here.
    pub fn lets_through(&mut self, expectation: &Expectation<'_>, filter: &EventFilter) -> bool {
        if !self.sync.lets_through(expectation.helper) {
            return false;
        }
        let mut passes = !self.asks_for_masters;
        if !passes {
            self.look_at(&expectation.master, filter, |_| passes = true);
        }
        passes
    }

    /// The master of what has happened, if the kernel may know something new of it.
    pub fn master_to_look_at(&self, event: &Event<'_>) -> Option<Tuple> {
        match (&event.object, event.kind, event.origin) {
            (Object::Expectation(it), EventKind::New, Origin::Traffic) => it.nat.map(|_| it.master),
            _ => None,
        }
    }

    /// Hands over what the kernel knows of a flow, if there is such a flow and it passes.
    pub fn look_at(
        &mut self,
        master: &Tuple,
        filter: &EventFilter,
        mut sink: impl FnMut(Event<'_>),
    ) {
        let Some(table) = &mut self.table else { return };
        let key = FlowKey::original(&flow::Flow::new(*master));
        // A flow that is not there has ended, or is about to begin: an event tells.
        let _ = table.get(&key, |message| {
            if let Ok(flow) = message.flow() {
                if filter.passes(&flow.value) {
                    sink(Event {
                        kind: EventKind::Update,
                        origin: Origin::Traffic,
                        object: Object::Flow(flow.value),
                    });
                }
            }
        });
    }
}
