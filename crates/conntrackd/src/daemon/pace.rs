//! When to read at once, and when to let work gather.
//!
//! Under load the wake-up is what an event costs: read one by one it is four times as dear as
//! read in drains a millisecond apart. A quiet daemon, on the other hand, must not add delay. So
//! there is a small stock of wake-ups that are served at once, refilled by one each millisecond:
//! a lone connection never waits, a flood is read a thousand times a second.

use core::time::Duration;

use ctsync::Instant;

/// Wake-ups served at once before work is left to gather.
const STOCK_MAX: u32 = 16;

/// Time for one wake-up more, and so the longest delay.
const INTERVAL: Duration = Duration::from_millis(1);

/// The stock of wake-ups.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    stock: u32,
    refilled: Instant,
}

impl Pace {
    /// A full stock.
    pub const fn new(now: Instant) -> Self {
        Self {
            stock: STOCK_MAX,
            refilled: now,
        }
    }

    /// Takes one wake-up; how long to wait first when the stock is used up.
    pub fn take(&mut self, now: Instant) -> Option<Duration> {
        let passed = now.since(self.refilled);
        let gained = passed.as_nanos() / INTERVAL.as_nanos();
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(u32::MAX);
            self.stock = self.stock.saturating_add(gained).min(STOCK_MAX);
            self.refilled = now;
        }
        if self.stock == 0 {
            return Some(INTERVAL.saturating_sub(now.since(self.refilled)));
        }
        self.stock -= 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant(micros * 1000)
    }

    #[test]
    fn a_short_burst_is_served_at_once() {
        let mut pace = Pace::new(at(0));
        assert!((0..16).all(|n| pace.take(at(n)).is_none()));
        assert_eq!(pace.take(at(100)), Some(Duration::from_micros(900)));
    }

    #[test]
    fn a_flood_is_read_once_per_millisecond() {
        let mut pace = Pace::new(at(0));
        let mut now = 0;
        let mut wakeups = 0;
        while now < 100_000 {
            if let Some(wait) = pace.take(at(now)) {
                now += u64::try_from(wait.as_micros()).unwrap();
            }
            wakeups += 1;
            now += 10;
        }
        assert!(wakeups < 2 * (100 + 16), "{wakeups}");
    }

    #[test]
    fn quiet_times_refill_the_stock() {
        let mut pace = Pace::new(at(0));
        while pace.take(at(0)).is_none() {}
        assert!(pace.take(at(5_000)).is_none());
        assert!((0..4).all(|_| pace.take(at(5_000)).is_none()));
        assert!(pace.take(at(5_000)).is_some());
    }
}
