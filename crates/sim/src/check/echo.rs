//! No echo: what a node wrote into its kernel itself is not announced to the peer.
//!
//! Commits and flushes cause events like traffic does; their origin tells them apart. A bulk, and
//! what follows an overrun, contains everything and is no echo; nor is what ALARM sends again.

use std::collections::BTreeSet;

use ctsync::{Notice, Request};
use flow::{EventKind, Origin};

use super::{Checker, FlowTold, flows_told};
use crate::essence::Key;
use crate::fact::{Fact, Scene};
use crate::host::{HostId, PerHost};
use crate::text::name;

/// Why a node may send what it wrote.
#[derive(Debug, Default)]
pub(super) struct Echo {
    bulk: PerHost<bool>,
    overrun: PerHost<bool>,
    /// Flows that a host has told of. What is written under such a tuple may be told instead of
    /// what was under way.
    told: BTreeSet<(HostId, Key)>,
}

impl Checker for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        match fact {
            Fact::Started => {
                self.told.retain(|(host, _)| *host != scene.host);
                *self.bulk.get_mut(scene.host) = false;
                *self.overrun.get_mut(scene.host) = false;
            }
            Fact::Requested(Request::SendBulk) | Fact::Notice(Notice::ResyncRequestedByPeer) => {
                *self.bulk.get_mut(scene.host) = true;
            }
            // The event that told who did it may be among the lost ones.
            Fact::Overrun => {
                *self.bulk.get_mut(scene.host) = true;
                *self.overrun.get_mut(scene.host) = true;
            }
            Fact::Sent(_, datagram) => {
                for told in flows_told(datagram) {
                    let first = self.told.insert((scene.host, told.key));
                    let excused = !first && told.kind != EventKind::Destroy;
                    if let Some(origin) = self.echoed(scene, &told).filter(|_| !excused) {
                        say(format!(
                            "{:?} of {} by {origin:?}",
                            told.kind,
                            name(&told.key)
                        ));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Echo {
    /// Who of us caused what is told, if that is no reason to tell it.
    fn echoed(&self, scene: &Scene<'_>, told: &FlowTold) -> Option<Origin> {
        let node = &scene.scenario.node;
        // A poll does not show who did it, and ALARM tells of all flows again and again.
        if node.poll.is_some() || node.refreshes() && told.kind != EventKind::Destroy {
            return None;
        }
        let excused = match told.kind {
            EventKind::Destroy => self.overrun.get(scene.host),
            EventKind::New | EventKind::Update => self.bulk.get(scene.host),
        };
        if *excused {
            return None;
        }
        let versions = scene.history.versions(scene.host, &told.key);
        let rank = scene
            .history
            .rank(scene.host, &told.key, told.essence.version())?;
        let cause = match told.kind {
            EventKind::Destroy => scene.history.end(scene.host, &told.key, rank)?,
            EventKind::New | EventKind::Update => rank,
        };
        let origin = versions.get(cause)?.origin;
        (!matches!(origin, Origin::Traffic | Origin::Other(_))).then_some(origin)
    }
}
