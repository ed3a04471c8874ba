//! A commit ends, says so once, and accounts for each entry.
//!
//! What it reports is what the kernel answered; an entry that stayed in the external cache all the
//! while was tried; what it wrote lives no longer than the peer said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ctsync::{ClientId, CommitReport, Instant, Request};
use flow::Flow;

use super::{Checker, external};
use crate::essence::Key;
use crate::fact::{Fact, Scene};
use crate::host::PerHost;
use crate::text::name;

/// Time in which a commit has to end.
const LENGTH_MAX: Duration = Duration::from_secs(5);

/// Time that a message may be under way, during which it does not age.
const SLACK: Duration = Duration::from_secs(3);

/// Life of a flow whose own has run out, or was not told.
const TIMEOUT_FALLBACK: u32 = 60;

/// A commit that runs.
#[derive(Debug)]
struct Running {
    client: ClientId,
    since: Instant,
    /// What the external cache held at its start, in which versions.
    entries: BTreeMap<Key, u32>,
    /// Flows that it tried to write, and whether the last attempt succeeded.
    tried: BTreeMap<Key, bool>,
    /// Attempts that succeeded. A flow may have its turn twice, if it ends and begins meanwhile.
    written: u64,
    /// Attempts that were refused; a flow may have several before it is given up.
    refused: u64,
}

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Commit {
    running: PerHost<Option<Running>>,
    /// Commits that were asked for while another ran.
    refused: BTreeSet<u64>,
}

impl Checker for Commit {
    fn name(&self) -> &'static str {
        "commit"
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        let running = self.running.get_mut(scene.host);
        match fact {
            Fact::Stopped => *running = None,
            Fact::Requested(Request::Commit(client, _)) if running.is_some() => {
                self.refused.insert(client.0);
            }
            Fact::Requested(Request::Commit(client, _)) => {
                *running = Some(Running {
                    client: *client,
                    since: scene.now,
                    entries: external(scene.here())
                        .iter()
                        .map(|(key, essence)| (*key, essence.version()))
                        .collect(),
                    tried: BTreeMap::new(),
                    written: 0,
                    refused: 0,
                });
            }
            Fact::Operated(operation, result) => {
                let Some(flow) = operation.written() else {
                    return;
                };
                let key = Key::of(flow);
                lifetime(scene, flow, &key, say);
                match running {
                    Some(running) if !scene.scenario.node.injects() => {
                        running.tried.insert(key, result.is_ok());
                        running.written += u64::from(result.is_ok());
                        running.refused += u64::from(result.is_err());
                    }
                    _ if scene.scenario.node.injects() => {}
                    _ => say(format!("{} written without a commit", name(&key))),
                }
            }
            Fact::CommitDone(client, _) if self.refused.remove(&client.0) => {}
            Fact::CommitDone(client, report) => match running.take() {
                Some(ended) if ended.client == *client => ended.account(scene, report, say),
                other => say(format!("{client:?} is told of the end of {other:?}")),
            },
            Fact::Drained(_) if running.as_ref().is_some_and(|it| it.lasts_too_long(scene)) => {
                *running = None;
                say("a commit does not end".into());
            }
            _ => {}
        }
    }
}

impl Running {
    fn lasts_too_long(&self, scene: &Scene<'_>) -> bool {
        scene.now.since(self.since) > LENGTH_MAX
    }

    fn account(self, scene: &Scene<'_>, report: &CommitReport, say: &mut dyn FnMut(String)) {
        let given_up = self.tried.values().filter(|written| !**written).count();
        let given_up = u64::try_from(given_up).unwrap_or(u64::MAX);
        let without = report.flows.failed + report.flows.vanished;
        if report.flows.committed != self.written || !(given_up..=self.refused).contains(&without) {
            let Self {
                written, refused, ..
            } = self;
            say(format!(
                "{written} written, {refused} refused, {given_up} given up: {report:?}"
            ));
        }
        let still = external(scene.here());
        let stayed = |(key, version): &(&Key, &u32)| {
            still.get(key).is_some_and(|it| it.version() == **version)
        };
        for (key, _) in self.entries.iter().filter(stayed) {
            if !self.tried.contains_key(key) {
                say(format!("{} was not written", name(key)));
            }
        }
    }
}

/// A written flow must not live longer than it did at the peer.
fn lifetime(scene: &Scene<'_>, flow: &Flow<'_>, key: &Key, say: &mut dyn FnMut(String)) {
    let Some(timeout) = flow.timeout else {
        return;
    };
    let limit = match scene.scenario.node.commit_timeout {
        Some(limit) => u32::try_from(limit.as_secs()).unwrap_or(u32::MAX),
        None => {
            let version = flow.mark.map_or(0, |mark| mark.0);
            let truth = scene.others(scene.host).filter_map(|other| {
                let versions = scene.history.versions(other, key).iter();
                let of_version = versions.filter(|it| it.essence.version() == version);
                of_version.filter_map(|it| it.left_at(scene.now)).max()
            });
            let slack = SLACK.as_secs() + scene.scenario.link.delay_max().as_secs() + 1;
            let slack = u32::try_from(slack).unwrap_or(u32::MAX);
            (truth.max().unwrap_or(0) + slack).max(TIMEOUT_FALLBACK)
        }
    };
    if timeout > limit || timeout == 0 {
        say(format!(
            "{} written for {timeout} s instead of {limit} s",
            name(key)
        ));
    }
}
