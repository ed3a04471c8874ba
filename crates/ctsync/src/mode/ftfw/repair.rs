//! What fell out of the full resend queue is sent again.
//!
//! The resend queue has a limit, and stock forgets what falls out. Here the flow is marked in the
//! cache, and when there is room again the cache is searched for such flows. Only half of the
//! queue is filled by them, so that what happens meanwhile does not push them out once more, and
//! not more often than every [`INTERVAL`]: where the queue is so short that nothing stays in it
//! until its acknowledgement comes, all would be sent without end.

use core::time::Duration;

use super::sender::{Resync, Sender};
use crate::cache::Cursor;
use crate::cache::internal::Internal;
use crate::cache::tracked::{Place, Tracked};
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
    cursor: Cursor,
    /// The next filling begins then at the earliest.
    at: Instant,
}

impl Repair {
    pub(super) const fn new() -> Self {
        Self {
            cursor: Cursor::START,
            at: Instant(0),
        }
    }
}

impl Sender {
    /// When something that fell out may be queued again, if there is something.
    pub(crate) fn repair_at(&self, cache: &Internal) -> Option<Instant> {
        let resync = matches!(self.resync, Resync::GivenUp(_));
        let wanted = (cache.given_up > 0 || resync) && self.repair_room() > 0;
        wanted.then_some(self.repair.at)
    }

    /// Queues again what fell out, as much as there is room for. One step of a search.
    pub(crate) fn repair(&mut self, cache: &mut Internal, now: Instant) {
        if self.repair_at(cache).is_none_or(|at| at > now) {
            return;
        }
        if matches!(self.resync, Resync::GivenUp(_)) {
            self.requeue_control(Item::Control(Control::Resync));
        }
        if cache.given_up == 0 {
            self.repair.at = now + INTERVAL;
            return;
        }
        let mut room = self.repair_room();
        let cursor = self.repair.cursor;
        let Some((slots, next)) = cache.walk(cursor, STEP) else {
            self.repair.cursor = Cursor::START;
            self.repair.at = now + INTERVAL;
            return;
        };
        for slot in slots {
            let given_up = |tracked: &Tracked| tracked.place == Place::GivenUp;
            if !cache.table.get(slot).is_some_and(given_up) {
                continue;
            }
            if room == 0 {
                // This step is begun again when there is room.
                self.repair.at = now + INTERVAL;
                return;
            }
            self.announce(cache, slot);
            room -= 1;
        }
        self.repair.cursor = next;
    }

    fn repair_room(&self) -> usize {
        let half = (self.resend.len_max() / 2).max(1);
        half.saturating_sub(self.resend.flows_len() + self.queue.len())
    }
}
