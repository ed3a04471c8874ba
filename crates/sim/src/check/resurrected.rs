//! Nothing resurrected: a flow whose end has arrived never comes back from that life.
//!
//! The tuple may of course be used again; the history tells its lives apart.

use std::collections::BTreeMap;

use flow::EventKind;

use super::{Checker, Progress, flows_told};
use crate::essence::Key;
use crate::fact::{Fact, Scene};
use crate::host::HostId;
use crate::text::name;

/// The ends that have arrived at each host, by who told them.
#[derive(Debug, Default)]
pub(super) struct Resurrected {
    ends: BTreeMap<(HostId, HostId, Key), usize>,
    progress: Progress,
}

impl Checker for Resurrected {
    fn name(&self) -> &'static str {
        "resurrected"
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        let Fact::Handed {
            from: peer,
            bytes: datagram,
            refused,
        } = fact
        else {
            return;
        };
        let told = flows_told(datagram);
        if self.progress.is_lost_sight_of(scene, *peer, datagram) || told.is_empty() {
            return;
        }
        let peer = *peer;
        let known = scene.known();
        for told in told {
            let rank = |version| scene.history.rank(peer, &told.key, version);
            let ended = told.kind == EventKind::Destroy && !known.contains_key(&told.key);
            // A refused message may have been this one.
            if ended && *refused == 0 {
                let end = scene
                    .history
                    .last_end(peer, &told.key, told.essence.version());
                match end {
                    Some(end) => {
                        self.ends.insert((scene.host, peer, told.key), end);
                    }
                    None => say(format!("{} was ended although it lives", name(&told.key))),
                }
            }
            let Some(known) = known.get(&told.key) else {
                continue;
            };
            let end = self.ends.get(&(scene.host, peer, told.key)).copied();
            let back = rank(known.version()).is_some_and(|rank| end.is_some_and(|end| rank < end));
            if back && !scene.history.is_overtaken(peer, known.version()) {
                let version = known.version();
                say(format!("{} is back in version {version}", name(&told.key)));
            }
        }
    }
}
