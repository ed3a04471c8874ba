//! Caches converge after faults end.
//!
//! A node's internal cache becomes equal to its kernel's table, and external caches equal to what the
//! others have in their internal ones. Where someone emptied a cache, or a commit filled a table without telling the peer, they
//! differ by intent until a bulk; after that there is no excuse. At last the backup takes over and
//! its kernel has to hold everything that the primary's held.

use std::collections::{BTreeMap, BTreeSet};

use ctsync::{Notice, Refusal, Request};
use flow::Status;

use super::{Checker, external, internal};
use crate::essence::{Essence, Key};
use crate::fact::{Fact, Scene};
use crate::host::{Host, HostId, Operation, PerHost, Verb};
use crate::text::name;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    compared: u64,
    /// Why the internal cache may lack flows of the kernel, until the table is read again.
    own_excused: PerHost<bool>,
    /// Why external caches may differ from the internal ones of the others, until a bulk.
    peer_excused: bool,
    /// The caches were too small.
    full: bool,
    starts: PerHost<u32>,
    /// Flows that could not be written since another one had their reply tuple.
    rivals: BTreeSet<Key>,
}

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn compared(&self) -> u64 {
        self.compared
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        match fact {
            Fact::Started => self.started(scene),
            Fact::Notice(Notice::CacheFull { .. }) => self.full = true,
            Fact::Requested(Request::FlushInternal | Request::FlushCaches) => {
                *self.own_excused.get_mut(scene.host) = true;
                self.excuse_all();
            }
            Fact::Requested(Request::FlushExternal | Request::Commit(_))
            | Fact::KernelFlushed
            | Fact::Stopped => self.excuse_all(),
            Fact::Settled => {
                for host in scene.everyone() {
                    if !*self.own_excused.get(host) {
                        self.own(scene, host, say);
                    }
                    if !self.peer_excused && !self.full {
                        self.peers(scene, host, say);
                    }
                }
            }
            Fact::Recovered => {
                for host in scene.everyone() {
                    self.own(scene, host, say);
                    self.peers(scene, host, say);
                }
            }
            Fact::Operated(operation, Err(Refusal::Exists)) if has_rival(scene, operation) => {
                self.rivals.insert(Key::of(&operation.flow));
            }
            Fact::Survived => self.survived(scene, say),
            _ => {}
        }
    }
}

impl Convergence {
    const fn excuse_all(&mut self) {
        self.peer_excused = true;
    }

    /// A node that starts again, or finds flows in its kernel, tells nobody.
    fn started(&mut self, scene: &Scene<'_>) {
        *self.starts.get_mut(scene.host) += 1;
        if *self.starts.get(scene.host) > 1 || !scene.here().kernel.is_empty() {
            self.excuse_all();
        }
    }

    /// Compares a node's internal cache with its kernel.
    fn own(&mut self, scene: &Scene<'_>, host: HostId, say: &mut dyn FnMut(String)) {
        let it = scene.hosts.get(host);
        let mut truth = table(it, true);
        let known = internal(it);
        if self.full {
            // A flow that found no room and got some later is known as far as its last event told.
            truth.retain(|key, _| known.contains_key(key));
            for (key, truth) in &mut truth {
                let known = known.get(key).filter(|it| it.version() == truth.version());
                if let Some(known) = known.filter(|it| scene.history.lie(host, key, it).is_none()) {
                    truth.clone_from(known);
                }
            }
        }
        let what = format!("internal cache of {host:?}");
        self.compare(scene, &one_each(truth), &known, &what, say);
    }

    /// Compares a node's external cache with what the others have in their internal ones.
    fn peers(&mut self, scene: &Scene<'_>, host: HostId, say: &mut dyn FnMut(String)) {
        let settings = &scene.scenario.node;
        let mut truth: Truth = BTreeMap::new();
        for other in scene.others(host) {
            for (key, mut essence) in internal(scene.hosts.get(other)) {
                if !settings.tcp_window_tracking {
                    essence.wscale = flow::PerDir::default();
                }
                essence.status = essence.status.without(Status::DYING);
                truth.entry(key).or_default().push(essence);
            }
        }
        let known = external(scene.hosts.get(host));
        self.compare(
            scene,
            &truth,
            &known,
            &format!("external cache of {host:?}"),
            say,
        );
    }

    fn compare(
        &mut self,
        scene: &Scene<'_>,
        truth: &Truth,
        known: &BTreeMap<Key, Essence>,
        what: &str,
        say: &mut dyn FnMut(String),
    ) {
        let lately = |key: &Key| scene.ended_lately(key);
        for (key, truth) in truth.iter().filter(|(key, _)| !lately(key)) {
            self.compared += 1;
            match (known.get(key), truth.first()) {
                (None, _) => say(format!("{what}: {} is missing", name(key))),
                (Some(known), Some(first)) if !truth.contains(known) => {
                    say(format!(
                        "{what}: {}: {}",
                        name(key),
                        known.difference(first)
                    ));
                }
                (Some(_), _) => {}
            }
        }
        let unknown = known.iter().filter(|(key, _)| !truth.contains_key(key));
        for (key, known) in unknown.filter(|(key, _)| !lately(key)) {
            say(format!(
                "{what}: {} v{} is too many",
                name(key),
                known.version()
            ));
        }
    }

    /// The new primary's kernel holds what the others' held and its own could take.
    fn survived(&mut self, scene: &Scene<'_>, say: &mut dyn FnMut(String)) {
        let kept = table(scene.here(), false);
        let entries = external(scene.here());
        let mut truth: Truth = BTreeMap::new();
        for other in scene.others(scene.host) {
            for (key, essence) in table(scene.hosts.get(other), false) {
                truth.entry(key).or_default().push(essence);
            }
        }
        let excused = self.full || scene.scenario.helper_missing;
        for (key, truth) in &truth {
            self.compared += 1;
            let orphan = |truth: &Essence| {
                let master = truth.master;
                master.is_some_and(|master| !kept.contains_key(&master))
            };
            if excused
                || truth.iter().any(orphan)
                || !entries.contains_key(key)
                || self.rivals.contains(key)
                || scene.ended_lately(key)
            {
                continue;
            }
            let is = |kept: &Essence, truth: &Essence| {
                kept.version() == truth.version() && kept.nat == truth.nat
            };
            match (kept.get(key), truth.first()) {
                (None, _) => say(format!("{} did not survive", name(key))),
                (Some(kept), Some(first)) if !truth.iter().any(|truth| is(kept, truth)) => {
                    say(format!(
                        "{} survived with {}",
                        name(key),
                        kept.difference(first)
                    ));
                }
                (Some(_), _) => {}
            }
        }
    }
}

/// What a flow may be known as; several hosts may have it after a takeover.
type Truth = BTreeMap<Key, Vec<Essence>>;

fn one_each(truth: BTreeMap<Key, Essence>) -> Truth {
    let truth = truth.into_iter();
    truth.map(|(key, essence)| (key, vec![essence])).collect()
}

/// Whether another flow has the reply tuple that a flow to be created needs.
fn has_rival(scene: &Scene<'_>, operation: &Operation) -> bool {
    operation.verb == Verb::Create && scene.here().kernel.rival(&operation.flow).is_some()
}

/// What a kernel holds.
fn table(host: &Host, window_tracking: bool) -> BTreeMap<Key, Essence> {
    host.kernel
        .flows()
        .map(|(key, flow)| (*key, Essence::of(flow, window_tracking)))
        .collect()
}
