//! After a loss, everything is asked for.
//!
//! NOTRACK sends nothing twice, so a message that is lost is missing until its flow changes again.
//! A request for a bulk brings it, and stock answers one as ours does. But a bulk is large, goes out
//! in one go where the sender is stock, and may cause the next loss. So it is asked for once a
//! minute at most, and less and less often as long as each one is followed by another loss.
//!
//! What a bulk cannot repair is the end of a flow; see docs/adr/0008.

use core::time::Duration;

use crate::time::Instant;

/// From a loss to the request, so that a burst of losses is over.
const DELAY: Duration = Duration::from_secs(1);

/// Shortest time between two requests.
const INTERVAL_MIN: Duration = Duration::from_secs(60);

/// Longest time between two requests while messages are being lost.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// Shortest time between two requests to a sender that has begun a new life: no bulk has caused that.
const INTERVAL_OF_LIVES: Duration = Duration::from_secs(10);

/// When everything is to be asked for.
#[derive(Debug)]
pub(crate) struct Repair {
    due: Option<Instant>,
    asked_at: Option<Instant>,
    interval: Duration,
    /// Messages lost since the last request.
    lost: u64,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            due: None,
            asked_at: None,
            interval: INTERVAL_MIN,
            lost: 0,
        }
    }
}

impl Repair {
    /// Messages were lost.
    pub(crate) fn on_loss(&mut self, now: Instant, lost: u64) {
        self.lost = self.lost.saturating_add(lost);
        if self.due.is_some() {
            return;
        }
        let soon = now + DELAY;
        let Some(asked_at) = self.asked_at else {
            self.due = Some(soon);
            return;
        };
        // A loss soon after the last bulk may be due to that one.
        self.interval = if now.since(asked_at) < self.interval * 2 {
            (self.interval * 2).min(INTERVAL_MAX)
        } else {
            INTERVAL_MIN
        };
        self.due = Some(soon.max(asked_at + self.interval));
    }

    /// The sender has started anew, and messages of its new life were taken for those of the old one.
    pub(crate) fn on_new_life(&mut self, now: Instant, refused: u64) {
        self.lost = self.lost.saturating_add(refused);
        let soon = now + DELAY;
        let due = self
            .asked_at
            .map_or(soon, |asked_at| soon.max(asked_at + INTERVAL_OF_LIVES));
        self.due = Some(self.due.map_or(due, |already| already.min(due)));
    }

    /// When the request is due.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Everything is asked for; gives the number of lost messages.
    pub(crate) fn on_asked(&mut self, now: Instant) -> u64 {
        self.due = None;
        self.asked_at = Some(now);
        core::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    #[test]
    fn requests_become_rare_while_losses_go_on() {
        let mut repair = Repair::default();
        let mut now = seconds(100);
        let mut asked = std::vec::Vec::new();
        for _ in 0..6 {
            repair.on_loss(now, 2);
            repair.on_loss(now, 1);
            now = repair.due().unwrap();
            assert_eq!(repair.on_asked(now), 3);
            asked.push(now.seconds());
        }
        assert_eq!(asked, [101, 221, 461, 941, 1901, 3821]);
        // Then hourly; and after a good time as in the beginning.
        repair.on_loss(now, 1);
        assert_eq!(repair.due(), Some(seconds(3821 + 3600)));
        repair.on_asked(seconds(3821 + 3600));
        repair.on_loss(seconds(20_000), 1);
        assert_eq!(repair.due(), Some(seconds(20_001)));
    }

    #[test]
    fn a_new_life_is_asked_soon_whatever_was_lost_before() {
        let mut repair = Repair::default();
        repair.on_new_life(seconds(100), 1);
        assert_eq!(repair.due(), Some(seconds(101)));
        repair.on_asked(seconds(101));
        repair.on_loss(seconds(102), 1);
        assert_eq!(repair.due(), Some(seconds(221)));
        repair.on_new_life(seconds(103), 1);
        assert_eq!(repair.due(), Some(seconds(111)));
        repair.on_loss(seconds(104), 1);
        assert_eq!(repair.on_asked(seconds(111)), 3);
    }
}
