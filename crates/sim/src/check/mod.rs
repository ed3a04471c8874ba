//! The checkers: each watches from outside for one thing that must never happen.
//!
//! They see facts, the true history of the tables, and the nodes' caches through the same views as
//! the daemon's clients. They never change anything, so a run is the same with and without them.
//! That one seed gives one trace is checked by running it twice (see the tests of this crate).

mod bounds;
mod commit;
mod comparison;
mod convergence;
mod echo;
mod expectations;
mod invented;
mod order;
mod resurrected;

use std::collections::BTreeMap;
use std::time::Duration;

use ctsync::wire::{FlowMessage, Kind, split};
use ctsync::{Cursor, Instant, Seq, View};
use flow::EventKind;

use crate::essence::{Essence, Key};
use crate::fact::{Fact, Scene};
use crate::host::{Host, HostId};
use crate::report::Findings;

/// One checker.
trait Checker: std::fmt::Debug {
    /// What it is called in reports.
    fn name(&self) -> &'static str;

    /// Looks at a fact; says what is wrong.
    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String));

    /// Flows it has compared one by one.
    fn compared(&self) -> u64 {
        0
    }
}

/// All checkers.
#[derive(Debug)]
pub struct Checkers(Vec<Box<dyn Checker>>);

impl Checkers {
    /// Checkers that have seen nothing yet.
    pub fn new() -> Self {
        Self(vec![
            Box::new(invented::Invented),
            Box::new(resurrected::Resurrected::default()),
            Box::new(order::Order::default()),
            Box::new(echo::Echo::default()),
            Box::new(bounds::Bounds::default()),
            Box::new(commit::Commit::default()),
            Box::new(convergence::Convergence::default()),
            Box::new(expectations::Expectations::default()),
        ])
    }

    /// Shows all checkers a fact.
    pub fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, findings: &mut Findings) {
        for checker in &mut self.0 {
            let name = checker.name();
            checker.observe(scene, fact, &mut |what| {
                findings.add(scene.now, scene.host, name, what);
            });
        }
    }

    /// Flows that were compared one by one.
    pub fn compared(&self) -> u64 {
        self.0.iter().map(|checker| checker.compared()).sum()
    }
}

impl Default for Checkers {
    fn default() -> Self {
        Self::new()
    }
}

/// Messages of a sender of which a node remembers what they were about, where they are not acknowledged.
/// What lags further behind is taken for the beginning of a new series.
const REMEMBERED: i32 = 1_000;

/// How far each host has got with what each other one sends.
#[derive(Debug, Default)]
struct Progress(BTreeMap<(HostId, HostId), (Seq, Instant)>);

impl Progress {
    /// Whether a datagram lags so far behind that nobody can tell its place, or one did lately.
    fn is_lost_sight_of(&mut self, scene: &Scene<'_>, from: HostId, datagram: &[u8]) -> bool {
        let several = scene.scenario.hosts > 2 && scene.scenario.links > 1;
        if several && !scene.scenario.node.resends() {
            // Whose address it is on another link shows by its numbers only, which may be alike.
            return true;
        }
        let seqs = split(datagram).filter_map(Result::ok);
        let Some(seq) = seqs.map(|message| message.header.seq).next() else {
            return false;
        };
        let begin = (seq, Instant::default());
        let (newest, confused_until) = self.0.entry((scene.host, from)).or_insert(begin);
        let behind = newest.distance(seq);
        if behind < 0 {
            *newest = seq;
        } else if behind >= REMEMBERED {
            *confused_until = scene.now + Duration::from_secs(1);
        }
        scene.now < *confused_until && !scene.scenario.node.resends()
    }
}

/// A message about a flow.
struct FlowTold {
    kind: EventKind,
    key: Key,
    essence: Essence,
    timeout: Option<u32>,
}

/// The messages about flows in a datagram.
fn flows_told(datagram: &[u8]) -> Vec<FlowTold> {
    split(datagram)
        .filter_map(Result::ok)
        .filter_map(|message| {
            let Kind::Flow(kind) = message.header.kind else {
                return None;
            };
            let flow = FlowMessage::decode(message.body).ok()?;
            Some(FlowTold {
                kind,
                key: Key::of_message(&flow),
                essence: Essence::of_message(&flow),
                timeout: flow.timeout,
            })
        })
        .collect()
}

/// A cache's flows.
fn contents(view: View<'_>) -> BTreeMap<Key, Essence> {
    let mut flows = BTreeMap::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = view.next(at, 1_000, |entry| {
            flows.insert(Key::of(&entry.flow), Essence::of(&entry.flow, true));
        });
    }
    flows
}

/// The peer's flows, as the host knows them; none if its daemon is down.
pub(crate) fn external(host: &Host) -> BTreeMap<Key, Essence> {
    host.node
        .as_ref()
        .map(|node| contents(node.external()))
        .unwrap_or_default()
}

/// The host's own flows, as its daemon knows them; none if that is down.
fn internal(host: &Host) -> BTreeMap<Key, Essence> {
    host.node
        .as_ref()
        .map(|node| contents(node.internal()))
        .unwrap_or_default()
}
