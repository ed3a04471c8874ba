//! What fell out of the full resend queue is sent again.
//!
//! The resend queue has a limit, and stock forgets what falls out. Here the flow is marked in the
//! cache, and when there is room again the cache is searched for such flows. Only half of the
//! queue is filled by them, so that what happens meanwhile does not push them out once more, and
//! not more often than every [`INTERVAL`]: where the queue is so short that nothing stays in it
//! until its acknowledgement comes, all would be sent without end.

use core::time::Duration;

use super::sender::{Resync, Sender};
use crate::cache::ours::{Ours, Walk};
use crate::cache::tracked::Place;
use crate::queue::Item;
use crate::time::Instant;
use crate::wire::Control;

/// Shortest time between two fillings.
const INTERVAL: Duration = Duration::from_millis(100);

/// Slots looked at per step.
const STEP: u32 = 4096;

/// Where the search stands.
#[derive(Debug)]
pub(super) struct Repair {
    /// Within the cache; a search that has met the end begins anew.
    walk: Walk,
    /// The next filling begins then at the earliest.
    at: Instant,
}

impl Repair {
    pub(super) const fn new() -> Self {
        Self {
            walk: Walk::START,
            at: Instant(0),
        }
    }
}

impl Sender {
    /// When something that fell out may be queued again, if there is something.
    pub(crate) fn repair_at(&self, ours: &Ours) -> Option<Instant> {
        let resync = matches!(self.resync, Resync::GivenUp(_));
        let wanted = (ours.given_up() > 0 || resync) && self.repair_room() > 0;
        wanted.then_some(self.repair.at)
    }

    /// Queues again what fell out, as much as there is room for. One step of a search.
    pub(crate) fn repair(&mut self, ours: &mut Ours, now: Instant) {
        if self.repair_at(ours).is_none_or(|at| at > now) {
            return;
        }
        if matches!(self.resync, Resync::GivenUp(_)) {
            self.requeue_control(Item::Control(Control::Resync));
        }
        if ours.given_up() == 0 {
            self.repair.at = now + INTERVAL;
            return;
        }
        let mut room = self.repair_room();
        let Some((names, next)) = ours.walk(self.repair.walk, STEP) else {
            self.repair.walk = Walk::START;
            self.repair.at = now + INTERVAL;
            return;
        };
        for name in names {
            if ours.place(name) != Some(Place::GivenUp) {
                continue;
            }
            if room == 0 {
                // This step is begun again when there is room.
                self.repair.at = now + INTERVAL;
                return;
            }
            self.announce(ours, name);
            room -= 1;
        }
        self.repair.walk = next;
    }

    fn repair_room(&self) -> usize {
        let half = (self.resend.len_max() / 2).max(1);
        half.saturating_sub(self.resend.entries_len() + self.outbox.queue.len())
    }
}
