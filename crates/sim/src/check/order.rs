//! Order per flow: nobody goes back to an older state of a flow.
//!
//! A node never sends an older version of a flow than it has sent, and never keeps an older one than it
//! has kept. Different flows have no order.

use std::collections::BTreeMap;

use super::{Checker, Progress, flows_told};
use crate::essence::Key;
use crate::fact::{Fact, Scene};
use crate::host::HostId;
use crate::text::name;

/// The newest versions seen.
#[derive(Debug, Default)]
pub(super) struct Order {
    sent: BTreeMap<(HostId, Key), usize>,
    /// By who keeps it, and who told it.
    kept: BTreeMap<(HostId, HostId, Key), usize>,
    progress: Progress,
}

impl Checker for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        match fact {
            Fact::Sent(_, datagram) => {
                for told in flows_told(datagram) {
                    let version = told.essence.version();
                    let Some(rank) = scene.history.rank(scene.host, &told.key, version) else {
                        continue;
                    };
                    let last = self.sent.insert((scene.host, told.key), rank);
                    let excused = scene.history.is_overtaken(scene.host, version);
                    if last.is_some_and(|last| rank < last) && !excused {
                        say(format!(
                            "{} sent again in version {version}",
                            name(&told.key)
                        ));
                    }
                }
            }
            Fact::Handed {
                from,
                bytes: datagram,
                ..
            } => self.handed(scene, *from, datagram, say),
            _ => {}
        }
    }
}

impl Order {
    fn handed(
        &mut self,
        scene: &Scene<'_>,
        from: HostId,
        datagram: &[u8],
        say: &mut dyn FnMut(String),
    ) {
        let told = flows_told(datagram);
        if self.progress.is_lost_sight_of(scene, from, datagram) || told.is_empty() {
            return;
        }
        let known = scene.known();
        for key in told.iter().map(|told| told.key) {
            let Some(version) = known.get(&key).map(crate::essence::Essence::version) else {
                continue;
            };
            let Some(rank) = scene.history.rank(from, &key, version) else {
                continue;
            };
            let last = self.kept.insert((scene.host, from, key), rank);
            let excused = scene.history.is_overtaken(from, version);
            if last.is_some_and(|last| rank < last) && !excused {
                say(format!(
                    "{} kept in the older version {version}",
                    name(&key)
                ));
            }
        }
    }
}
