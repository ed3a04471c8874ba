//! Expectations: nothing invented, nothing resurrected, no echo, and caches converge.
//!
//! What the other checkers demand of flows, in one place, since expectations are simpler: they never
//! change, and no two have the same class. A node may keep one a little longer than the kernel: when
//! its master ends.

use std::collections::{BTreeMap, BTreeSet};

use ctsync::wire::{ExpectMessage, Kind, split};
use ctsync::{Cursor, ExpectationsView, Notice, Request};
use flow::{EventKind, Expectation, Object, Origin};

use super::Checker;
use crate::essence::Key;
use crate::fact::{Fact, Scene};
use crate::history::ExpectVersion;
use crate::host::{Host, HostId, Operation, Verb};
use crate::kernel::ExpectKey;
use crate::text::expect_name;

/// What is known of expectations, by name.
type Known = BTreeMap<ExpectKey, Expectation<'static>>;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    compared: u64,
    /// Why internal caches may lack some, until the table is read again.
    own_excused: bool,
    /// Why external caches may differ from the internal ones, until a bulk.
    peer_excused: bool,
    full: bool,
    starts: BTreeMap<HostId, u32>,
    /// Ends that have arrived: where, from whom, of what; its place in the history.
    ended: BTreeMap<(HostId, HostId, ExpectKey), usize>,
    bulk: BTreeSet<HostId>,
}

/// A message about an expectation.
struct Told {
    kind: EventKind,
    key: ExpectKey,
    class: u32,
}

impl Checker for Expectations {
    fn name(&self) -> &'static str {
        "expectations"
    }

    fn compared(&self) -> u64 {
        self.compared
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        if !scene.scenario.node.expectations {
            return;
        }
        match fact {
            Fact::Sent(_, datagram) => self.sent(scene, datagram, say),
            Fact::Handed { from, bytes, .. } => self.handed(scene, *from, bytes, say),
            Fact::Operated(operation, _) => written(scene, operation, say),
            Fact::Settled => self.settled(scene, say),
            Fact::Recovered => {
                for host in scene.everyone() {
                    if !scene.scenario.node.injects() || !self.own_excused {
                        self.own(scene, host, say);
                    }
                    self.peers(scene, host, say);
                }
            }
            _ => self.excuse(scene, fact),
        }
    }
}

impl Expectations {
    fn excuse(&mut self, scene: &Scene<'_>, fact: &Fact<'_>) {
        match fact {
            Fact::Started => {
                let starts = self.starts.entry(scene.host).or_default();
                *starts += 1;
                self.bulk.remove(&scene.host);
                self.peer_excused |= *starts > 1 || !scene.here().kernel.is_empty();
            }
            Fact::Notice(Notice::CacheFull { .. }) => self.full = true,
            Fact::Requested(Request::FlushInternal | Request::FlushCaches) => {
                self.own_excused = true;
                self.peer_excused = true;
            }
            Fact::Requested(Request::FlushExternal | Request::Commit(..))
            | Fact::KernelFlushed
            | Fact::Stopped => self.peer_excused = true,
            Fact::Requested(Request::SendBulk)
            | Fact::Notice(Notice::ResyncRequestedByPeer)
            | Fact::Overrun => {
                self.bulk.insert(scene.host);
            }
            _ => {}
        }
    }

    fn sent(&mut self, scene: &Scene<'_>, datagram: &[u8], say: &mut dyn FnMut(String)) {
        for (told, message) in told(datagram) {
            let versions = scene.history.expectations(scene.host, &told.key);
            let truth = versions.iter().find(|it| is_of(it, told.class));
            let what = || format!("{:?} of {}", told.kind, expect_name(&told.key));
            let Some(truth) = truth else {
                say(format!("{} sent in a version that never was", what()));
                continue;
            };
            // It may have got another life since it began.
            let all = versions.iter().filter(|it| is_of(it, told.class));
            let wrong = all.map(|it| difference(&message, &it.expectation)).min();
            if let Some(wrong) = wrong.flatten() {
                say(format!("{} sent with a wrong {wrong}", what()));
            }
            let node = &scene.scenario.node;
            let again = self.bulk.contains(&scene.host) || node.poll.is_some() || node.refreshes();
            let ours = matches!(truth.origin, Origin::Commit | Origin::Inject);
            if ours && !again && told.kind != EventKind::Destroy {
                say(format!("{} by {:?}", what(), truth.origin));
            }
        }
    }

    fn handed(
        &mut self,
        scene: &Scene<'_>,
        from: HostId,
        datagram: &[u8],
        say: &mut dyn FnMut(String),
    ) {
        let messages: Vec<_> = told(datagram).collect();
        if messages.is_empty() {
            return;
        }
        let known = external(scene.here());
        for (told, _) in messages {
            let versions = scene.history.expectations(from, &told.key);
            let place = (scene.host, from, told.key);
            let Some(it) = known.get(&told.key) else {
                // A commit may have brought it back since: its first end counts.
                let first = versions.iter().position(|it| is_of(it, told.class));
                let end = first.and_then(|first| {
                    let after = versions.iter().skip(first).position(|it| it.dead)?;
                    Some(first + after)
                });
                if let Some(end) = end.filter(|_| told.kind == EventKind::Destroy) {
                    self.ended.insert(place, end);
                }
                continue;
            };
            lie(scene, &told.key, it, "kept", say);
            let class = it.class.unwrap_or_default();
            let rank = versions.iter().rposition(|it| is_of(it, class));
            let end = self.ended.get(&place);
            if end.is_some_and(|end| rank.is_some_and(|rank| rank < *end)) {
                say(format!("{} is back", expect_name(&told.key)));
            }
        }
    }

    fn settled(&mut self, scene: &Scene<'_>, say: &mut dyn FnMut(String)) {
        let scenario = scene.scenario;
        for host in scene.everyone() {
            if !self.own_excused && !self.full {
                self.own(scene, host, say);
            }
            let told = scenario.node.keeps() && !scenario.loses() && !scenario.reorders();
            let repaired = scenario.node.resends() || told;
            let excused = self.full || self.peer_excused && !scenario.node.refreshes();
            if !excused && (repaired || scenario.node.refreshes()) {
                self.peers(scene, host, say);
            }
        }
    }

    /// Compares a node's internal cache with its kernel.
    fn own(&mut self, scene: &Scene<'_>, host: HostId, say: &mut dyn FnMut(String)) {
        if !scene.scenario.node.keeps() || self.full {
            return;
        }
        let it = scene.hosts.get(host);
        let mut truth = table(it);
        let known = internal(it);
        truth.retain(|key, _| known.contains_key(key) || !is_injected(scene, host, key));
        self.compare(
            scene,
            &truth,
            &known,
            &format!("internal cache of {host:?}"),
            say,
        );
    }

    /// Compares what a node knows of the others with what those have.
    fn peers(&mut self, scene: &Scene<'_>, host: HostId, say: &mut dyn FnMut(String)) {
        let node = &scene.scenario.node;
        if self.full || node.injects() {
            return;
        }
        let mut truth = Known::new();
        for other in scene.others(host) {
            let it = scene.hosts.get(other);
            truth.extend(if node.keeps() {
                internal(it)
            } else {
                table(it)
            });
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
        truth: &Known,
        known: &Known,
        what: &str,
        say: &mut dyn FnMut(String),
    ) {
        let lately = |key: &ExpectKey| ended_lately(scene, key);
        for (key, truth) in truth.iter().filter(|(key, _)| !lately(key)) {
            self.compared += 1;
            match known.get(key) {
                None => say(format!("{what}: {} is missing", expect_name(key))),
                Some(known) if known.class != truth.class => {
                    say(format!("{what}: {} is an older one", expect_name(key)));
                }
                Some(_) => {}
            }
        }
        let extra = known.keys().filter(|key| !truth.contains_key(key));
        for key in extra.filter(|key| !lately(key)) {
            say(format!("{what}: {} is too many", expect_name(key)));
        }
    }
}

/// Nothing is written that no other host had.
fn written(scene: &Scene<'_>, operation: &Operation, say: &mut dyn FnMut(String)) {
    if let Object::Expectation(it) = &operation.object {
        if operation.verb != Verb::Delete {
            lie(scene, &ExpectKey::of(it), it, "written", say);
        }
    }
}

fn lie(
    scene: &Scene<'_>,
    key: &ExpectKey,
    claim: &Expectation<'_>,
    what: &str,
    say: &mut dyn FnMut(String),
) {
    let class = claim.class.unwrap_or_default();
    let mut wrong = Some("version");
    for other in scene.others(scene.host) {
        let versions = scene.history.expectations(other, key);
        if let Some(truth) = versions.iter().find(|it| is_of(it, class)) {
            wrong = fault(claim, &truth.expectation);
            // A name that is not sent is taken from the master, which may be another one by then.
            wrong = wrong.filter(|it| *it != "helper" || scene.scenario.tells_lives_apart());
        }
    }
    if let Some(wrong) = wrong {
        say(format!("{} {what} with a wrong {wrong}", expect_name(key)));
    }
}

fn is_of(version: &ExpectVersion, class: u32) -> bool {
    !version.dead && version.expectation.class == Some(class)
}

fn fault(claim: &Expectation<'_>, truth: &Expectation<'_>) -> Option<&'static str> {
    let checks = [
        ("mask", claim.mask == truth.mask),
        ("flags", claim.flags == truth.flags),
        (
            "helper",
            claim.helper.is_none() || claim.helper == truth.helper,
        ),
        ("function", claim.function == truth.function),
        ("translation", claim.nat == truth.nat),
    ];
    checks
        .iter()
        .find(|(_, right)| !right)
        .map(|(what, _)| *what)
}

/// In what a message differs from the truth.
fn difference(message: &ExpectMessage<'_>, truth: &Expectation<'_>) -> Option<&'static str> {
    let nat = truth.nat.as_ref();
    let addrs = nat.map(|nat| nat.tuple.addrs);
    let helper = message.helper.map(|it| it.name());
    let checks = [
        ("mask", message.mask.tuple() == truth.mask),
        ("flags", message.flags == truth.flags),
        ("translation", message.nat.addrs == addrs),
        (
            "function",
            message.function.map(|it| it.name()) == truth.function,
        ),
        ("helper", helper.is_none() || helper == truth.helper),
        ("life", message.timeout <= truth.timeout.max(Some(60))),
    ];
    checks
        .iter()
        .find(|(_, right)| !right)
        .map(|(what, _)| *what)
}

fn told(datagram: &[u8]) -> impl Iterator<Item = (Told, ExpectMessage<'_>)> {
    split(datagram)
        .filter_map(Result::ok)
        .filter_map(|message| {
            let Kind::Expectation(kind) = message.header.kind else {
                return None;
            };
            let message = ExpectMessage::decode(message.body).ok()?;
            let told = Told {
                kind,
                key: ExpectKey::of_message(&message)?,
                class: message.class?,
            };
            Some((told, message))
        })
}

fn contents(view: ExpectationsView<'_>) -> Known {
    let mut known = Known::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = view.next(at, 1_000, |entry| {
            let (Object::Expectation(it), _) = crate::host::own_expectation(&entry.expectation)
            else {
                return;
            };
            known.insert(ExpectKey::of(&it), it);
        });
    }
    known
}

fn internal(host: &Host) -> Known {
    let node = host.node.as_ref();
    node.map(|node| contents(node.internal_expectations()))
        .unwrap_or_default()
}

fn external(host: &Host) -> Known {
    let node = host.node.as_ref();
    node.map(|node| contents(node.external_expectations()))
        .unwrap_or_default()
}

fn table(host: &Host) -> Known {
    let table = host.kernel.expectations();
    table.map(|(key, it)| (*key, it.clone())).collect()
}

fn is_injected(scene: &Scene<'_>, host: HostId, key: &ExpectKey) -> bool {
    let last = scene.history.expectations(host, key).last();
    last.is_some_and(|last| last.origin == Origin::Inject)
}

/// Whether it, or its master, has ended just now somewhere or is about to.
fn ended_lately(scene: &Scene<'_>, key: &ExpectKey) -> bool {
    let zones = [0, 5];
    let mut masters = zones.iter().map(|zone| Key {
        tuple: key.master,
        zone: *zone,
    });
    masters.any(|master| scene.ended_lately(&master)) || scene.expectation_ended_lately(key)
}
