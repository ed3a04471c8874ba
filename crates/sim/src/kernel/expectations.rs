//! The table of expectations: flows that a kernel waits for.
//!
//! Each has a master, a flow with a helper, and goes when that goes, when its time has run out, or when
//! the flow has come. Its class is a version here: no two expectations ever have the same.

use std::collections::BTreeMap;
use std::time::Duration;

use ctsync::wire::ExpectMessage;
use ctsync::{Instant, Refusal};
use flow::{Event, EventKind, Expectation, Name, Object, Origin, Tuple};

use super::{HELPERS, Kernel};
use crate::essence::Key;

/// What names an expectation: its master and what is waited for. (All masks are alike here.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectKey {
    /// The master's original tuple.
    pub master: Tuple,
    /// The tuple waited for.
    pub tuple: Tuple,
}

impl ExpectKey {
    /// The key of an expectation.
    pub fn of(expectation: &Expectation<'_>) -> Self {
        Self {
            master: Key::new(&expectation.master, None).tuple,
            tuple: Key::new(&expectation.tuple, None).tuple,
        }
    }
}

impl ExpectKey {
    /// The key of a message.
    pub fn of_message(message: &ExpectMessage<'_>) -> Option<Self> {
        Some(Self {
            master: message.master.tuple()?,
            tuple: message.tuple.tuple()?,
        })
    }
}

/// What a request to create an expectation has led to.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is new.
    New(ExpectChange),
    /// It was there, and has got this life, of which no event tells.
    Prolonged(ExpectKey, Expectation<'static>),
}

/// One change of the table.
#[derive(Clone, Debug)]
pub struct ExpectChange {
    /// New or destroy.
    pub kind: EventKind,
    /// Who did it.
    pub origin: Origin,
    /// Its name.
    pub key: ExpectKey,
    /// The expectation.
    pub expectation: Expectation<'static>,
}

/// The table of one host.
#[derive(Debug)]
pub struct Expectations {
    table: BTreeMap<ExpectKey, (Expectation<'static>, Instant)>,
    /// Changes that came of changes of flows.
    consequences: Vec<ExpectChange>,
}

impl Expectations {
    pub(super) const fn new() -> Self {
        Self {
            table: BTreeMap::new(),
            consequences: Vec::new(),
        }
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        self.table.values().map(|(_, end)| *end).min()
    }
}

impl Kernel {
    /// All expectations.
    pub fn expectations(&self) -> impl Iterator<Item = (&ExpectKey, &Expectation<'static>)> {
        self.expectations
            .table
            .iter()
            .map(|(key, (it, _))| (key, it))
    }

    /// Those of flows whose packets pass here.
    pub fn own_expectations(&self) -> impl Iterator<Item = (&ExpectKey, &Expectation<'static>)> {
        let master = |it: &Expectation<'_>| Key::new(&it.master, it.zone);
        self.expectations()
            .filter(move |(_, it)| !self.foreign.contains(&master(it)))
    }

    /// All expectations, with what is left of their timeouts.
    pub fn dump_expectations(&self) -> Vec<Expectation<'static>> {
        let aged = |(expectation, end): &(Expectation<'static>, Instant)| Expectation {
            timeout: u32::try_from(end.since(self.now).as_secs()).ok(),
            zone: None,
            ..expectation.clone()
        };
        self.expectations.table.values().map(aged).collect()
    }

    /// When an expectation ends by itself.
    pub fn end_of_expectation(&self, key: &ExpectKey) -> Option<Instant> {
        self.expectations.table.get(key).map(|(_, end)| *end)
    }

    /// Adds an expectation unless there is one of its name.
    pub fn expect(
        &mut self,
        expectation: Expectation<'static>,
        origin: Origin,
    ) -> Option<ExpectChange> {
        let key = ExpectKey::of(&expectation);
        let waited_for = |other: &ExpectKey| other.tuple == key.tuple;
        if self.expectations.table.keys().any(waited_for) {
            return None;
        }
        let life = expectation.timeout.unwrap_or_default();
        let end = self.now + Duration::from_secs(life.into());
        let row = (expectation.clone(), end);
        self.expectations.table.insert(key, row);
        Some(self.announce_expectation(EventKind::New, origin, expectation))
    }

    /// Removes an expectation.
    pub fn forget(&mut self, key: &ExpectKey, origin: Origin) -> Option<ExpectChange> {
        let (expectation, _) = self.expectations.table.remove(key)?;
        Some(self.announce_expectation(EventKind::Destroy, origin, expectation))
    }

    /// `IPCTNL_MSG_EXP_NEW` with `NLM_F_CREATE` (`ctnetlink_create_expect`); no change if it is there.
    pub fn create_expectation(
        &mut self,
        request: &Expectation<'_>,
        origin: Origin,
    ) -> Result<Created, Refusal> {
        let master = self.get(&Key::new(&request.master, request.zone));
        let master = master.ok_or(Refusal::NotFound)?;
        if master.helper.is_none() {
            return Err(Refusal::Unsupported);
        }
        let helper = match request.helper {
            None => None,
            Some(helper) => {
                let known = HELPERS.into_iter();
                let mut known = known.filter(|name| Some(*name) != self.missing_helper);
                let name = known.find(|name| name.as_bytes() == helper.as_bytes());
                Some(Name::new(name.ok_or(Refusal::Unsupported)?.as_bytes()))
            }
        };
        let function = request.function.map(|function| function.as_bytes());
        let function = FUNCTIONS
            .into_iter()
            .find(|it| Some(it.as_bytes()) == function);
        let timeout = request.timeout.ok_or(Refusal::Invalid)?;
        let expectation = Expectation {
            mask: request.mask,
            timeout: Some(timeout),
            flags: request.flags,
            class: request.class,
            nat: request.nat,
            zone: request.zone,
            helper,
            function: function.map(|function| Name::new(function.as_bytes())),
            ..Expectation::new(request.master, request.tuple)
        };
        let key = ExpectKey::of(&expectation);
        if self.expectations.table.contains_key(&key) {
            // What is there gets its timeout anew (`ctnetlink_change_expect`), and no event tells.
            let end = self.now + Duration::from_secs(timeout.into());
            let Some((known, known_end)) = self.expectations.table.get_mut(&key) else {
                return Err(Refusal::Exists);
            };
            *known_end = end;
            let prolonged = Expectation {
                timeout: Some(timeout),
                ..known.clone()
            };
            return Ok(Created::Prolonged(key, prolonged));
        }
        self.expect(expectation, origin)
            .map(Created::New)
            .ok_or(Refusal::Exists)
    }

    /// `IPCTNL_MSG_EXP_DELETE` with the tuple waited for.
    pub fn delete_expectation(
        &mut self,
        request: &Expectation<'_>,
        origin: Origin,
    ) -> Result<ExpectChange, Refusal> {
        let tuple = ExpectKey::of(request).tuple;
        let mut keys = self.expectations.table.keys();
        let key = keys.find(|key| key.tuple == tuple).copied();
        let change = key.and_then(|key| self.forget(&key, origin));
        change.ok_or(Refusal::NotFound)
    }

    /// Changes that other changes have brought about.
    pub fn take_consequences(&mut self) -> Vec<ExpectChange> {
        std::mem::take(&mut self.expectations.consequences)
    }

    /// Removes expectations that have outlived their timeout.
    pub fn expire_expectations(&mut self) -> Vec<ExpectChange> {
        let now = self.now;
        let table = self.expectations.table.iter();
        let due = table.filter(|(_, (_, end))| *end <= now);
        let keys: Vec<ExpectKey> = due.map(|(key, _)| *key).collect();
        let changes = keys.iter();
        changes
            .filter_map(|key| self.forget(key, Origin::Traffic))
            .collect()
    }

    /// The expectations of a flow go with it (`nf_ct_remove_expectations`).
    pub(super) fn remove_orphans(&mut self, master: &Key) {
        let keys = self.expectations.table.keys();
        let orphans = keys.filter(|key| key.master == master.tuple);
        let orphans: Vec<ExpectKey> = orphans.copied().collect();
        for key in orphans {
            if let Some(change) = self.forget(&key, Origin::Traffic) {
                self.expectations.consequences.push(change);
            }
        }
    }

    fn announce_expectation(
        &mut self,
        kind: EventKind,
        origin: Origin,
        expectation: Expectation<'static>,
    ) -> ExpectChange {
        // Neither events nor dumps name the zone.
        let said = Expectation {
            zone: None,
            ..expectation.clone()
        };
        self.report(Event {
            kind,
            origin,
            object: Object::Expectation(said),
        });
        ExpectChange {
            kind,
            origin,
            key: ExpectKey::of(&expectation),
            expectation,
        }
    }
}

/// Functions that expectations name.
pub const FUNCTIONS: [&str; 2] = ["nat-follow-master", "sip"];
