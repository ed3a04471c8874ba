//! Which zones have been met.
//!
//! Neither the kernel's reports of expectations nor the messages about them name the zone of the
//! master. There are few zones on a firewall, so the master is looked for in each of them.
//!
//! Bound: [`ZONES_MAX`]. Expectations of flows in further zones are not replicated.

use alloc::collections::BTreeSet;

use flow::Zone;

/// Zones remembered at most: as many look-ups one expectation may cost.
const ZONES_MAX: usize = 64;

/// The zones that have been met; the default zone is not noted.
#[derive(Debug, Default)]
pub(crate) struct Zones(BTreeSet<u16>);

impl Zones {
    /// A flow of this zone has been met.
    pub(crate) fn note(&mut self, zone: Option<Zone>) {
        if let Some(Zone(zone)) = zone {
            if zone != 0 && self.0.len() < ZONES_MAX {
                self.0.insert(zone);
            }
        }
    }

    /// The zone of a flow: the named one, else the first in which `has_helper` knows the flow,
    /// preferably with a helper.
    pub(crate) fn find(
        &self,
        named: Option<Zone>,
        has_helper: impl Fn(Zone) -> Option<bool>,
    ) -> Option<Zone> {
        if let Some(zone) = named {
            return has_helper(zone).map(|_| zone);
        }
        let mut without_helper = None;
        for zone in core::iter::once(0).chain(self.0.iter().copied()).map(Zone) {
            match has_helper(zone) {
                Some(true) => return Some(zone),
                Some(false) => without_helper = without_helper.or(Some(zone)),
                None => {}
            }
        }
        without_helper
    }
}
