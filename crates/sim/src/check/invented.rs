//! Nothing invented: whatever a node says, keeps or writes was once true.
//!
//! Every message, every flow of the external cache and every flow written into a kernel is a state
//! that the flow was in at the host it comes from, and not a mixture of two of its lives.

use super::{Checker, FlowTold, flows_told};
use crate::essence::{Essence, Key};
use crate::fact::{Fact, Scene};
use crate::history::Yardstick;
use crate::host::{Operation, Verb};
use crate::text::{name, thing};

/// The checker.
#[derive(Debug)]
pub(super) struct Invented;

impl Checker for Invented {
    fn name(&self) -> &'static str {
        "invented"
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        match fact {
            Fact::Sent(_, datagram) => {
                for told in flows_told(datagram) {
                    lifetime(scene, &told, say);
                    if let Some(lie) =
                        scene
                            .history
                            .lie(scene.host, &told.key, &told.essence, Yardstick::STRICT)
                    {
                        say(format!(
                            "{:?} of {} sent: {lie}",
                            told.kind,
                            name(&told.key)
                        ));
                    }
                }
            }
            Fact::Handed {
                bytes: datagram, ..
            } => {
                let told = flows_told(datagram);
                if told.is_empty() {
                    return;
                }
                let known = scene.known();
                for key in told.iter().map(|told| told.key) {
                    let lie = known.get(&key).and_then(|known| {
                        scene.lie(scene.others(scene.host), &key, known, Yardstick::STRICT)
                    });
                    if let Some(lie) = lie {
                        say(format!("{} in the external cache: {lie}", name(&key)));
                    }
                }
            }
            Fact::Operated(operation, _) => written(scene, operation, say),
            _ => {}
        }
    }
}

/// A message gives a flow no longer life than the kernel did, and none if the operator does.
fn lifetime(scene: &Scene<'_>, told: &FlowTold, say: &mut dyn FnMut(String)) {
    let Some(timeout) = told.timeout else { return };
    let version = told.essence.version();
    let versions = scene.history.versions(scene.host, &told.key);
    let of_version = versions.iter().filter(|it| it.essence.version() == version);
    let longest = of_version.filter_map(|it| it.timeout).max().unwrap_or(0);
    if timeout > longest || scene.scenario.node.commit_timeout.is_some() {
        say(format!(
            "{} sent with a life of {timeout} s",
            name(&told.key)
        ));
    }
}

fn written(scene: &Scene<'_>, operation: &Operation, say: &mut dyn FnMut(String)) {
    if operation.unheard_of_helper {
        say(format!(
            "{}: a helper that nobody has",
            thing(&operation.object)
        ));
    }
    let Some(flow) = operation.written() else {
        return;
    };
    let key = Key::of(flow);
    let essence = Essence::of(flow, true);
    let yardstick = Yardstick {
        status: false,
        translation: operation.verb == Verb::Create,
        ..Yardstick::STRICT
    };
    if let Some(lie) = scene.lie(scene.others(scene.host), &key, &essence, yardstick) {
        say(format!("{} written: {lie}", name(&key)));
    }
}
