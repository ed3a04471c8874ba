//! What each kernel truly held, version by version.
//!
//! Every change that traffic makes gives the flow a mark that no other version of any flow has. So a
//! mark that turns up anywhere tells which version it is, and the checkers can say whether it is right,
//! and whether it is old.

use std::collections::BTreeMap;

use ctsync::Instant;
use flow::{EventKind, Expectation, PerDir, Status};

use crate::essence::{Essence, Key};
use crate::host::{HostId, PerHost};
use crate::kernel::{Change, ExpectChange, ExpectKey};

/// One state of a flow, or its end.
#[derive(Clone, Debug)]
pub struct Version {
    /// What it carried, window scales included.
    pub essence: Essence,
    /// The timeout it was reported with.
    pub timeout: Option<u32>,
    /// When that was.
    pub at: Instant,
    /// Counts the lives of the flow's tuple at this host.
    pub life: u32,
    /// Who made this version.
    pub origin: flow::Origin,
    /// Whether this is the flow's end.
    pub dead: bool,
}

impl Version {
    /// What is left of its timeout, in seconds rounded up.
    pub fn left_at(&self, now: Instant) -> Option<u32> {
        let passed = u32::try_from(now.since(self.at).as_secs()).unwrap_or(u32::MAX);
        self.timeout.map(|timeout| timeout.saturating_sub(passed))
    }
}

/// An expectation or its end.
#[derive(Clone, Debug)]
pub struct ExpectVersion {
    /// The expectation; its class is its version.
    pub expectation: Expectation<'static>,
    /// When it came or went.
    pub at: Instant,
    /// Who did it.
    pub origin: flow::Origin,
    /// Whether this is the end.
    pub dead: bool,
}

/// All versions of all flows at all hosts.
#[derive(Debug, Default)]
pub struct History {
    flows: BTreeMap<(HostId, Key), Vec<Version>>,
    expectations: BTreeMap<(HostId, ExpectKey), Vec<ExpectVersion>>,
    newest: u32,
    overtaken: PerHost<u32>,
}

impl History {
    /// Notes a change.
    pub fn record(&mut self, now: Instant, host: HostId, change: &Change) {
        self.newest = self.newest.max(change.flow.mark.map_or(0, |mark| mark.0));
        let versions = self.flows.entry((host, change.key)).or_default();
        let life = versions.last().map_or(0, |last| last.life);
        versions.push(Version {
            essence: Essence::of(&change.flow, true),
            timeout: change.flow.timeout,
            at: now,
            life: life + u32::from(change.kind == EventKind::New),
            origin: change.origin,
            dead: change.kind == EventKind::Destroy,
        });
    }

    /// Notes a change of an expectation.
    pub fn record_expectation(&mut self, now: Instant, host: HostId, change: &ExpectChange) {
        let versions = self.expectations.entry((host, change.key)).or_default();
        versions.push(ExpectVersion {
            expectation: change.expectation.clone(),
            at: now,
            origin: change.origin,
            dead: change.kind == EventKind::Destroy,
        });
    }

    /// Notes that an expectation has got another life, of which no event tells.
    pub fn note_prolonged(
        &mut self,
        now: Instant,
        host: HostId,
        key: ExpectKey,
        expectation: Expectation<'static>,
        origin: flow::Origin,
    ) {
        let versions = self.expectations.entry((host, key)).or_default();
        versions.push(ExpectVersion {
            expectation,
            at: now,
            origin,
            dead: false,
        });
    }

    /// All versions of an expectation, oldest first.
    pub fn expectations(&self, host: HostId, key: &ExpectKey) -> &[ExpectVersion] {
        self.expectations
            .get(&(host, *key))
            .map_or(&[], Vec::as_slice)
    }

    /// All versions of a flow, oldest first.
    pub fn versions(&self, host: HostId, key: &Key) -> &[Version] {
        self.flows.get(&(host, *key)).map_or(&[], Vec::as_slice)
    }

    /// A host's daemon begins or ends to read the table. What it reads overtakes events that wait.
    pub const fn note_dump(&mut self, host: HostId, ended: bool) {
        *self.overtaken.get_mut(host) = if ended { self.newest } else { u32::MAX };
    }

    /// A host's daemon knows what it has written, while events wait that are older.
    pub fn note_commit(&mut self, host: HostId) {
        let overtaken = self.overtaken.get_mut(host);
        *overtaken = self.newest.max(*overtaken);
    }

    /// Whether an event that tells of this version may be read after a dump or commit that
    /// shows a newer one: then the daemon goes back for a moment, and cannot know better.
    pub const fn is_overtaken(&self, host: HostId, version: u32) -> bool {
        version <= *self.overtaken.get(host)
    }

    /// Whether the present life of a flow is only known from injections.
    pub fn is_injected(&self, host: HostId, key: &Key) -> bool {
        let versions = self.versions(host, key);
        let life = versions.last().map(|last| last.life);
        let mut of_life = versions.iter().filter(|it| Some(it.life) == life);
        life.is_some() && of_life.all(|it| it.origin == flow::Origin::Inject)
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

    /// The last end of a life that had this version. A commit may have brought it back since.
    pub fn last_end(&self, host: HostId, key: &Key, version: u32) -> Option<usize> {
        let versions = self.versions(host, key).iter().enumerate();
        let places = versions.filter(|(_, it)| !it.dead && it.essence.version() == version);
        places
            .filter_map(|(rank, _)| self.end(host, key, rank))
            .max()
    }

    /// What may complete a claim about a life of a flow.
    fn pool(&self, host: HostId, key: &Key, life: u32, yardstick: Yardstick) -> Vec<&Essence> {
        let elsewhere = HostId::ALL.into_iter().filter(|other| *other != host);
        let elsewhere = elsewhere.filter(|_| !yardstick.one_life);
        let here = self.versions(host, key).iter();
        here.filter(|it| !yardstick.one_life || it.life == life)
            .chain(elsewhere.flat_map(|other| self.versions(other, key)))
            .filter(|it| !it.dead)
            .map(|it| &it.essence)
            .collect()
    }

    /// Why something cannot have been learnt about a flow of this host, `None` if it can.
    ///
    /// A version may have been in the table several times: a commit brings it back, with other
    /// status bits.
    pub fn lie(
        &self,
        host: HostId,
        key: &Key,
        claim: &Essence,
        yardstick: Yardstick,
    ) -> Option<String> {
        let versions = self.versions(host, key);
        let mut lie = None;
        for truth in versions.iter().rev() {
            if truth.dead || truth.essence.version() != claim.version() {
                continue;
            }
            let life = self.pool(host, key, truth.life, yardstick);
            let mut claim = claim.clone();
            if !yardstick.status {
                claim.status = truth.essence.status;
            }
            if !yardstick.translation {
                claim.nat = truth.essence.nat;
            }
            let wrong = fault(&claim, &truth.essence, &life)?;
            let difference = claim.difference(&truth.essence);
            lie.get_or_insert_with(|| format!("{wrong} wrong: {difference}"));
        }
        let unknown = || format!("version {} never existed at {host:?}", claim.version());
        Some(lie.unwrap_or_else(unknown))
    }
}

/// How close to the truth a claim has to be.
#[derive(Clone, Copy, Debug)]
pub struct Yardstick {
    /// The status counts. A kernel decides most bits itself.
    pub status: bool,
    /// The translation counts. It is not named where a flow is only changed.
    pub translation: bool,
    /// What not every message tells has to be of the same life. Where messages get lost for good, or
    /// several hosts tell of a flow, what one message leaves out may be completed by another one.
    pub one_life: bool,
}

impl Yardstick {
    /// Everything counts.
    pub const STRICT: Self = Self {
        status: true,
        translation: true,
        one_life: true,
    };
}

/// What is wrong with a claim about a version of a flow, given all versions of that life.
///
/// State, status and translation are in every event, so they have to be those of the version. The
/// rest is not: it may be missing, or that of another version, but never that of another life.
fn fault(claim: &Essence, truth: &Essence, life: &[&Essence]) -> Option<&'static str> {
    let status = |essence: &Essence| essence.status.without(Status::DYING);
    let was = |field: &dyn Fn(&Essence) -> bool| life.iter().any(|it| field(it));
    let checks = [
        ("status", status(claim) == status(truth)),
        ("state", claim.state == truth.state),
        ("translation", claim.nat == truth.nat),
        (
            "labels",
            claim.labels.is_none() || was(&|it| it.labels == claim.labels),
        ),
        (
            "helper",
            claim.helper.is_none() || was(&|it| it.helper == claim.helper),
        ),
        (
            "master",
            claim.master.is_none() || was(&|it| it.master == claim.master),
        ),
        (
            "adjustment",
            claim.seq_adj.is_none() || was(&|it| it.seq_adj == claim.seq_adj),
        ),
        (
            "SYN proxy",
            claim.synproxy.is_none() || was(&|it| it.synproxy == claim.synproxy),
        ),
        (
            "window scales",
            claim.wscale == PerDir::default() || was(&|it| it.wscale == claim.wscale),
        ),
        (
            "tags",
            claim.vtag == PerDir::default() || was(&|it| it.vtag == claim.vtag),
        ),
    ];
    checks
        .into_iter()
        .find(|(_, right)| !right)
        .map(|(what, _)| what)
}
