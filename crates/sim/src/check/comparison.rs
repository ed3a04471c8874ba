//! Two sets of flows beside each other: what should be known, and what is.
//!
//! A flow may be known in several ways, since after a takeover several hosts have it. What has just run
//! out somewhere, or is about to, some know and some do not.

use std::collections::BTreeMap;

use crate::essence::{Essence, Key};
use crate::fact::Scene;
use crate::history::Yardstick;
use crate::text::name;

/// What each flow may be known as.
pub(super) type Truth = BTreeMap<Key, Vec<Essence>>;

/// What differences count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// A flow may not be known though it is there.
    pub(super) missing: bool,
    /// A flow may not be known wrongly.
    pub(super) wrong: bool,
    /// A flow may not be known that is not there.
    pub(super) extra: bool,
    /// What is known of a flow may lack what not every event tells, or have it from an earlier life
    /// where those cannot be told apart.
    pub(super) partial: bool,
}

impl Demand {
    /// Everything.
    pub(super) const EQUAL: Self = Self {
        missing: true,
        wrong: true,
        extra: true,
        partial: false,
    };
}

/// Says what differs; gives the number of flows compared.
pub(super) fn compare(
    scene: &Scene<'_>,
    demand: Demand,
    truth: &Truth,
    known: &BTreeMap<Key, Essence>,
    what: &str,
    say: &mut dyn FnMut(String),
) -> u64 {
    let mut compared = 0;
    let lately = |key: &Key| scene.ended_lately(key);
    for (key, truth) in truth.iter().filter(|(key, _)| !lately(key)) {
        compared += 1;
        match (known.get(key), truth.first()) {
            (None, _) if demand.missing => say(format!("{what}: {} is missing", name(key))),
            (Some(known), Some(first))
                if demand.wrong && !demand.accepts(scene, key, truth, known) =>
            {
                say(format!(
                    "{what}: {}: {}",
                    name(key),
                    known.difference(first)
                ));
            }
            _ => {}
        }
    }
    let unknown = known.iter().filter(|(key, _)| !truth.contains_key(key));
    for (key, known) in unknown.filter(|(key, _)| demand.extra && !lately(key)) {
        let version = known.version();
        say(format!("{what}: {} v{version} is too many", name(key)));
    }
    compared
}

impl Demand {
    fn accepts(self, scene: &Scene<'_>, key: &Key, truth: &[Essence], known: &Essence) -> bool {
        let is_of = |truth: &&Essence| truth.version() == known.version();
        let version = truth.iter().find(is_of);
        let honest = || {
            scene
                .lie(scene.everyone(), key, known, Yardstick::STRICT)
                .is_none()
        };
        truth.contains(known) || self.partial && version.is_some() && honest()
    }
}
