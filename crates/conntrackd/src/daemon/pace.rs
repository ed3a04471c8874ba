//! When to read at once, and when to let work gather.
//!
//! Under load the wake-up is what an event costs: read one by one it is four times as dear as
//! read in drains a millisecond apart. A quiet daemon, on the other hand, must not add delay. So
//! there is a small stock of wake-ups that are served at once, refilled by one each millisecond:
//! a lone connection never waits, a flood is read a thousand times a second.
//!
//! A long job, finally, must not take the processor for itself. The daemon runs with real-time
//! priority, and where others starve for a second the kernel takes 50 ms in one piece from it. A
//! millisecond now and then, given freely, prevents that.

use core::time::Duration;

use ctsync::Instant;

/// Wake-ups served at once before work is left to gather.
const STOCK_MAX: u32 = 16;

/// Time for one wake-up more, and so the longest delay.
const INTERVAL: Duration = Duration::from_millis(1);

/// Of each such time a working daemon rests for [`REST`]: more than the 5 % that the kernel would
/// take (`fair_server` and `sched_rt_runtime_us`).
const BREATH: Duration = Duration::from_millis(16);

/// See [`BREATH`].
const REST: Duration = Duration::from_millis(1);

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

/// The rests of a daemon that works.
#[derive(Clone, Copy, Debug)]
pub struct Breath {
    since: Instant,
    rested: Duration,
}

impl Breath {
    /// A daemon that has rested.
    pub const fn new(now: Instant) -> Self {
        Self {
            since: now,
            rested: Duration::ZERO,
        }
    }

    /// Notes that nothing was done for a while.
    pub fn rested(&mut self, time: Duration) {
        self.rested = self.rested.saturating_add(time);
    }

    /// How long to rest now.
    pub fn rest(&mut self, now: Instant) -> Option<Duration> {
        if now.since(self.since) < BREATH {
            return None;
        }
        let owed = REST.saturating_sub(self.rested);
        *self = Self::new(now);
        (!owed.is_zero()).then_some(owed)
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

    #[test]
    fn a_job_leaves_the_processor_to_others_at_times() {
        let mut breath = Breath::new(at(0));
        assert_eq!(breath.rest(at(15_999)), None);
        assert_eq!(breath.rest(at(16_000)), Some(REST));
        assert_eq!(breath.rest(at(31_999)), None);
        assert_eq!(breath.rest(at(32_000)), Some(REST));
        // Time in which there was nothing to do counts.
        breath.rested(REST);
        assert_eq!(breath.rest(at(48_000)), None);
        breath.rested(Duration::from_micros(400));
        assert_eq!(breath.rest(at(64_000)), Some(Duration::from_micros(600)));
    }
}
