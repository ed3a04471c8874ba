//! Caches converge after faults end.
//!
//! A node's internal cache becomes equal to its kernel's table, and external caches equal to what the
//! others have in their internal ones. Where someone emptied a cache, or a commit filled a table without telling the peer, they
//! differ by intent until a bulk; after that there is no excuse. At last the backup takes over and
//! its kernel has to hold everything that the primary's held.

use std::collections::{BTreeMap, BTreeSet};

use ctsync::{ModeConfig, Notice, Refusal, Request};
use flow::{Origin, Status};

use super::comparison::{Demand, Truth, compare};
use super::{Checker, external, internal};
use crate::essence::{Essence, Key};
use crate::fact::{Fact, Scene};
use crate::history::Yardstick;
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
    /// Commits have filled tables, of which nobody was told but of what traffic did since.
    commits: bool,
    /// The caches were too small.
    full: bool,
    /// Ends of flows were lost before anyone noted them.
    ends_lost: bool,
    starts: PerHost<u32>,
    /// Flows that could not be written since another one had their reply tuple, or there was no room.
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
            // Without a cache nobody knows whose end was among the lost events.
            Fact::Overrun if !scene.scenario.node.keeps() => self.ends_lost = true,
            Fact::Requested(Request::FlushInternal | Request::FlushCaches) => {
                *self.own_excused.get_mut(scene.host) = true;
                self.excuse_all();
            }
            Fact::Requested(Request::Commit(..)) => self.commits = true,
            Fact::Requested(Request::FlushExternal) | Fact::KernelFlushed | Fact::Stopped => {
                self.excuse_all();
            }
            Fact::Settled => {
                for host in scene.everyone() {
                    if !*self.own_excused.get(host) {
                        self.own(scene, host, say);
                    }
                    let told_only = self.commits && !scene.scenario.node.refreshes();
                    if let Some(demand) = self.settled_demand(scene) {
                        self.peers(scene, host, demand, told_only, say);
                    }
                }
            }
            Fact::Recovered => {
                // The flows of several hosts, or of a kernel without a cache that counts them, may
                // be more than a cache has room for.
                let one_cache = scene.scenario.hosts == 2 && scene.scenario.node.keeps();
                let demand = Demand {
                    missing: !self.full || one_cache,
                    // What is in a kernel by injection stays there, with its translation.
                    extra: !scene.scenario.node.injects(),
                    wrong: !scene.scenario.node.injects() || scene.scenario.tells_lives_apart(),
                    ..Demand::EQUAL
                };
                for host in scene.everyone() {
                    let read_again = !scene.scenario.node.injects();
                    if read_again || !*self.own_excused.get(host) {
                        self.own(scene, host, say);
                    }
                    self.peers(scene, host, demand, false, say);
                }
            }
            Fact::Operated(operation, Err(Refusal::Exists)) if has_rival(scene, operation) => {
                self.rivals.extend(operation.flow().map(Key::of));
            }
            // There may be more of them than slots: what was announced comes beside them.
            Fact::Operated(operation, Err(Refusal::Full)) => {
                self.rivals.extend(operation.flow().map(Key::of));
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

    /// What may be demanded of the others' flows when the nodes had time to repair by themselves.
    fn settled_demand(&self, scene: &Scene<'_>) -> Option<Demand> {
        let scenario = scene.scenario;
        // ALARM gets over anything.
        if self.full || self.peer_excused && !scenario.node.refreshes() {
            return None;
        }
        // What was there before a commit replaced it, and what a commit wrote, nobody told.
        let commits = self.commits && !scenario.node.refreshes();
        let noticed_only =
            scenario.node.mode == ModeConfig::Notrack && (scenario.loses() || scenario.reorders());
        Some(Demand {
            // The end of a flow that got lost, or was overtaken, is not told again.
            extra: !noticed_only && !self.ends_lost && !commits,
            wrong: !scenario.node.injects() || scenario.tells_lives_apart(),
            partial: !scenario.tells_lives_apart(),
            ..Demand::EQUAL
        })
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
        if !scene.scenario.node.keeps() {
            if !known.is_empty() {
                say(format!(
                    "{host:?} has an internal cache that it was told not to have"
                ));
            }
            return;
        }
        if self.full {
            // A flow that found no room and got some later is known as far as its last event told.
            truth.retain(|key, _| known.contains_key(key));
            for (key, truth) in &mut truth {
                let known = known.get(key).filter(|it| it.version() == truth.version());
                let honest = |known: &&Essence| {
                    let yardstick = Yardstick::STRICT;
                    scene.history.lie(host, key, known, yardstick).is_none()
                };
                if let Some(known) = known.filter(honest) {
                    truth.clone_from(known);
                }
            }
        }
        // What was injected is the peer's, and need not be known as our own.
        truth.retain(|key, _| known.contains_key(key) || !scene.history.is_injected(host, key));
        let truth = truth.into_iter();
        let truth = truth.map(|(key, essence)| (key, vec![essence])).collect();
        let what = format!("internal cache of {host:?}");
        self.compared += compare(scene, Demand::EQUAL, &truth, &known, &what, say);
    }

    /// Compares what a node knows of the others with what those have.
    fn peers(
        &mut self,
        scene: &Scene<'_>,
        host: HostId,
        mut demand: Demand,
        told_only: bool,
        say: &mut dyn FnMut(String),
    ) {
        let node = &scene.scenario.node;
        let mut truth: Truth = BTreeMap::new();
        for other in scene.others(host) {
            let it = scene.hosts.get(other);
            let mut flows = if node.keeps() {
                internal(it)
            } else {
                table(it, true)
            };
            flows.retain(|key, _| !scene.history.is_injected(other, key));
            if told_only {
                flows.retain(|key, _| is_by_traffic(scene, other, key));
            }
            for (key, mut essence) in flows {
                if !node.tcp_window_tracking {
                    essence.wscale = flow::PerDir::default();
                }
                essence.status = essence.status.without(Status::DYING);
                truth.entry(key).or_default().push(essence);
            }
        }
        if node.injects() {
            self.injected(scene, host, &truth, demand, say);
            return;
        }
        demand.partial |= !node.keeps();
        let known = external(scene.hosts.get(host));
        let what = format!("external cache of {host:?}");
        self.compared += compare(scene, demand, &truth, &known, &what, say);
    }

    /// Compares what was injected into a host's kernel with what the others have.
    fn injected(
        &mut self,
        scene: &Scene<'_>,
        host: HostId,
        truth: &Truth,
        demand: Demand,
        say: &mut dyn FnMut(String),
    ) {
        let it = scene.hosts.get(host);
        if !external(it).is_empty() {
            say(format!(
                "{host:?} has an external cache that it was told not to have"
            ));
        }
        let kept = table(it, false);
        for (key, truth) in truth.iter().filter(|(key, _)| !scene.ended_lately(key)) {
            self.compared += 1;
            let orphan = |truth: &Essence| {
                let master = truth.master;
                master.is_some_and(|master| !kept.contains_key(&master))
            };
            if self.rivals.contains(key) || scene.scenario.is_cramped() || truth.iter().any(orphan)
            {
                continue;
            }
            let is = |kept: &Essence| {
                let same = |it: &Essence| it.version() == kept.version() && it.nat == kept.nat;
                truth.iter().any(same)
            };
            match (kept.get(key), truth.first()) {
                (None, _) if demand.missing => {
                    say(format!("kernel of {host:?}: {} is missing", name(key)));
                }
                (Some(kept), Some(first)) if demand.wrong && !is(kept) => {
                    let difference = kept.difference(first);
                    say(format!("kernel of {host:?}: {}: {difference}", name(key)));
                }
                _ => {}
            }
        }
        let extra = kept.keys().filter(|key| !truth.contains_key(key));
        let extra = extra.filter(|key| scene.history.is_injected(host, key));
        for key in extra.filter(|key| demand.extra && !scene.ended_lately(key)) {
            say(format!("kernel of {host:?}: {} is too many", name(key)));
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
        let crowded = scene.scenario.hosts > 2 && scene.scenario.is_cramped();
        let excused = self.full || scene.scenario.helper_missing || crowded;
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

/// Whether the present state of a flow is the work of traffic.
fn is_by_traffic(scene: &Scene<'_>, host: HostId, key: &Key) -> bool {
    let last = scene.history.versions(host, key).last();
    last.is_some_and(|last| last.origin == Origin::Traffic)
}

/// Whether another flow has the reply tuple that a flow to be created needs.
fn has_rival(scene: &Scene<'_>, operation: &Operation) -> bool {
    let flow = operation.flow().filter(|_| operation.verb == Verb::Create);
    flow.is_some_and(|flow| scene.here().kernel.rival(flow).is_some())
}

/// What a kernel holds.
fn table(host: &Host, window_tracking: bool) -> BTreeMap<Key, Essence> {
    host.kernel
        .flows()
        .map(|(key, flow)| (*key, Essence::of(flow, window_tracking)))
        .collect()
}
