//! What each kernel truly held, version by version.
//!
//! Every change that traffic makes gives the flow a mark that no other version of any flow has. So a
//! mark that turns up anywhere tells which version it is, and the checkers can say whether it is right,
//! and whether it is old.

use std::collections::BTreeMap;

use flow::{EventKind, Status};

use crate::essence::{Essence, Key};
use crate::host::HostId;
use crate::kernel::Change;

/// One state of a flow, or its end.
#[derive(Clone, Debug)]
pub struct Version {
    /// What it carried, window scales included.
    pub essence: Essence,
    /// The timeout it was reported with.
    pub timeout: Option<u32>,
    /// Counts the lives of the flow's tuple at this host.
    pub life: u32,
    /// Who made this version.
    pub origin: flow::Origin,
    /// Whether this is the flow's end.
    pub dead: bool,
}

/// All versions of all flows at both hosts.
#[derive(Debug, Default)]
pub struct History {
    flows: BTreeMap<(HostId, Key), Vec<Version>>,
}

impl History {
    /// Notes a change.
    pub fn record(&mut self, host: HostId, change: &Change) {
        let versions = self.flows.entry((host, change.key)).or_default();
        let life = versions.last().map_or(0, |last| last.life);
        versions.push(Version {
            essence: Essence::of(&change.flow, true),
            timeout: change.flow.timeout,
            life: life + u32::from(change.kind == EventKind::New),
            origin: change.origin,
            dead: change.kind == EventKind::Destroy,
        });
    }

    /// All versions of a flow, oldest first.
    pub fn versions(&self, host: HostId, key: &Key) -> &[Version] {
        self.flows.get(&(host, *key)).map_or(&[], Vec::as_slice)
    }

    /// Place of a version among those of its flow: greater is newer.
    pub fn rank(&self, host: HostId, key: &Key, version: u32) -> Option<usize> {
        self.versions(host, key)
            .iter()
            .rposition(|it| !it.dead && it.essence.version() == version)
    }

    /// The end of the life that the version at `rank` belongs to, if it has ended.
    pub fn end(&self, host: HostId, key: &Key, rank: usize) -> Option<usize> {
        let versions = self.versions(host, key);
        versions
            .iter()
            .skip(rank)
            .position(|it| it.dead)
            .map(|after| rank + after)
    }

    /// Why something cannot have been learnt about a flow of this host, `None` if it can.
    ///
    /// State, status and translation are in every event, so they have to be those of the version.
    /// The rest is not: it may be missing, or be older, but never that of another life.
    pub fn lie(&self, host: HostId, key: &Key, claim: &Essence) -> Option<String> {
        let Some(rank) = self.rank(host, key, claim.version()) else {
            return Some(format!(
                "version {} never existed at {host:?}",
                claim.version()
            ));
        };
        let versions = self.versions(host, key).get(..=rank).unwrap_or(&[]);
        let Some(truth) = versions.last() else {
            return Some("no version".into());
        };
        let life = || {
            versions
                .iter()
                .filter(|it| it.life == truth.life)
                .map(|it| &it.essence)
        };
        let status = |essence: &Essence| essence.status.without(Status::DYING);
        if status(claim) != status(&truth.essence) {
            return Some(format!(
                "{:?} instead of {:?}",
                claim.status, truth.essence.status
            ));
        }
        let faults = [
            ("state", claim.state != truth.essence.state),
            ("translation", claim.nat != truth.essence.nat),
            (
                "labels",
                claim.labels.is_some() && life().all(|it| it.labels != claim.labels),
            ),
            (
                "helper",
                claim.helper.is_some() && life().all(|it| it.helper != claim.helper),
            ),
            (
                "master",
                claim.master.is_some() && life().all(|it| it.master != claim.master),
            ),
            (
                "seq adj",
                claim.seq_adj.is_some() && life().all(|it| it.seq_adj != claim.seq_adj),
            ),
            (
                "synproxy",
                claim.synproxy.is_some() && life().all(|it| it.synproxy != claim.synproxy),
            ),
            (
                "window scales",
                claim.wscale.both().is_some() && life().all(|it| it.wscale != claim.wscale),
            ),
            (
                "vtags",
                claim.vtag.both().is_some() && life().all(|it| it.vtag != claim.vtag),
            ),
        ];
        let (what, _) = faults.into_iter().find(|(_, wrong)| *wrong)?;
        Some(format!(
            "{what} wrong: {}",
            claim.difference(&truth.essence)
        ))
    }
}
