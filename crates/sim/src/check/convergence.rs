//! Caches converge after faults end.
//!
//! A node's internal cache becomes equal to its kernel's table, and its peer's external cache equal
//! to that. Where someone emptied a cache, or a commit filled a table without telling the peer, they
//! differ by intent until a bulk; after that there is no excuse. At last the backup takes over and
//! its kernel has to hold everything that the primary's held.

use std::collections::{BTreeMap, BTreeSet};

use ctsync::{Notice, Refusal, Request};
use flow::Status;

use super::{Checker, external, internal};
use crate::essence::{Essence, Key};
use crate::fact::{Fact, Scene};
use crate::host::{Host, HostId, Operation, PerHost};
use crate::text::name;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    compared: u64,
    /// Why the internal cache may lack flows of the kernel, until the table is read again.
    own_excused: PerHost<bool>,
    /// Why the peer's external cache may differ from the internal one, until a bulk.
    peer_excused: PerHost<bool>,
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
                self.excuse_both();
            }
            Fact::Requested(Request::FlushExternal | Request::Commit(_))
            | Fact::KernelFlushed
            | Fact::Stopped => self.excuse_both(),
            Fact::Settled => {
                for host in HostId::ALL {
                    if !*self.own_excused.get(host) {
                        self.own(scene, host, say);
                    }
                    if !*self.peer_excused.get(host) && !self.full {
                        self.peer(scene, host, say);
                    }
                }
            }
            Fact::Recovered => {
                for host in HostId::ALL {
                    self.own(scene, host, say);
                    self.peer(scene, host, say);
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
    fn excuse_both(&mut self) {
        for host in HostId::ALL {
            *self.peer_excused.get_mut(host) = true;
        }
    }

    /// A node that starts again, or finds flows in its kernel, tells nobody.
    fn started(&mut self, scene: &Scene<'_>) {
        *self.starts.get_mut(scene.host) += 1;
        if *self.starts.get(scene.host) > 1 || !scene.here().kernel.is_empty() {
            self.excuse_both();
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
        self.compare(&truth, &known, &format!("internal cache of {host:?}"), say);
    }

    /// Compares a node's internal cache with its peer's external one.
    fn peer(&mut self, scene: &Scene<'_>, host: HostId, say: &mut dyn FnMut(String)) {
        let settings = &scene.scenario.node;
        let mut sent = internal(scene.hosts.get(host));
        for essence in sent.values_mut() {
            if !settings.tcp_window_tracking {
                essence.wscale = flow::PerDir::default();
            }
            essence.status = essence.status.without(Status::DYING);
        }
        let known = external(scene.hosts.get(host.peer()));
        let what = format!("external cache of {:?}", host.peer());
        self.compare(&sent, &known, &what, say);
    }

    fn compare(
        &mut self,
        truth: &BTreeMap<Key, Essence>,
        known: &BTreeMap<Key, Essence>,
        what: &str,
        say: &mut dyn FnMut(String),
    ) {
        for (key, truth) in truth {
            self.compared += 1;
            match known.get(key) {
                None => say(format!("{what}: {} is missing", name(key))),
                Some(known) if known != truth => {
                    say(format!(
                        "{what}: {}: {}",
                        name(key),
                        known.difference(truth)
                    ));
                }
                Some(_) => {}
            }
        }
        for (key, known) in known.iter().filter(|(key, _)| !truth.contains_key(key)) {
            say(format!(
                "{what}: {} v{} is too many",
                name(key),
                known.version()
            ));
        }
    }

    /// The new primary's kernel holds what the old one's held and its own could take.
    fn survived(&mut self, scene: &Scene<'_>, say: &mut dyn FnMut(String)) {
        let kept = table(scene.here(), false);
        let entries = external(scene.here());
        let excused = self.full || scene.scenario.helper_missing;
        for (key, truth) in table(scene.there(), false) {
            self.compared += 1;
            let orphan = truth
                .master
                .is_some_and(|master| !kept.contains_key(&master));
            if excused || orphan || !entries.contains_key(&key) || self.rivals.contains(&key) {
                continue;
            }
            match kept.get(&key) {
                None => say(format!("{} did not survive", name(&key))),
                Some(kept) if kept.version() != truth.version() || kept.nat != truth.nat => {
                    say(format!(
                        "{} survived with {}",
                        name(&key),
                        kept.difference(&truth)
                    ));
                }
                Some(_) => {}
            }
        }
    }
}

/// Whether another flow has the reply tuple that a flow to be created needs.
fn has_rival(scene: &Scene<'_>, operation: &Operation) -> bool {
    operation.create && scene.here().kernel.rival(&operation.flow).is_some()
}

/// What a kernel holds.
fn table(host: &Host, window_tracking: bool) -> BTreeMap<Key, Essence> {
    host.kernel
        .flows()
        .map(|(key, flow)| (*key, Essence::of(flow, window_tracking)))
        .collect()
}
