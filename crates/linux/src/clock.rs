//! The clocks: one that never goes back, one that people read.
//!
//! Programs read them here and hand the result to the pure crates, which have no clock. Timers
//! and time spans use [`monotonic`]; [`wall`] is for what is shown and for numbers that must grow
//! across restarts.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::sys;

/// Time since an arbitrary start that never goes back (`CLOCK_MONOTONIC`).
pub fn monotonic() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

/// Time since 1970 (`CLOCK_REALTIME`), zero for a clock set before that.
pub fn wall() -> Duration {
    duration(clock_gettime(ClockId::Realtime))
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

/// By how many seconds local time is ahead of UTC at a moment since 1970; 0 where no calendar
/// holds it.
pub fn utc_offset(since_1970: Duration) -> i32 {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    // A zone is less than a day from UTC.
    sys::time::local(seconds).map_or(0, |parts| i32::try_from(parts.tm_gmtoff).unwrap_or(0))
}

/// A moment as people in the machine's time zone read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, 2026.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Second, 60 for a leap second.
    pub second: u8,
    /// Day of the week, 0 for Sunday.
    pub weekday: u8,
}

impl LocalTime {
    /// Local time of a moment since 1970; 1970 itself for one that no calendar holds.
    pub fn new(since_1970: Duration) -> Self {
        let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(0);
        let Some(parts) = sys::time::local(seconds) else {
            return Self::EPOCH;
        };
        // The C library keeps each of these within a few dozen.
        let small = |value: libc::c_int| u8::try_from(value).unwrap_or(0);
        Self {
            year: i64::from(parts.tm_year) + 1900,
            month: small(parts.tm_mon) + 1,
            day: small(parts.tm_mday),
            hour: small(parts.tm_hour),
            minute: small(parts.tm_min),
            second: small(parts.tm_sec),
            weekday: small(parts.tm_wday),
        }
    }

    const EPOCH: Self = Self {
        year: 1970,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        weekday: 4,
    };

    /// Three letters of the month: `Nov`.
    pub fn month_name(&self) -> &'static str {
        const NAMES: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let index = usize::from(self.month.saturating_sub(1));
        NAMES.get(index).copied().unwrap_or("???")
    }

    /// Three letters of the day: `Sat`.
    pub fn weekday_name(&self) -> &'static str {
        const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let index = usize::from(self.weekday);
        NAMES.get(index).copied().unwrap_or("???")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let first = monotonic();
        let second = monotonic();
        assert!(second >= first);
        assert!(wall() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn local_time_is_utc_and_its_offset() {
        let moment = Duration::from_secs(1_794_744_000);
        let local = LocalTime::new(moment);
        let of_day = [local.hour, local.minute, local.second].map(i64::from);
        let seconds = of_day[0] * 3600 + of_day[1] * 60 + of_day[2];
        // Noon in UTC.
        let utc = 12 * 3600 + i64::from(utc_offset(moment));
        assert_eq!(seconds, utc.rem_euclid(24 * 3600));
        assert_eq!(utc_offset(Duration::MAX), 0);
    }

    /// Zones differ by less than a day from UTC, so noon of the 15th stays within its month.
    #[test]
    fn a_moment_has_its_date() {
        let time = LocalTime::new(Duration::from_secs(1_794_744_000));
        assert_eq!((time.year, time.month), (2026, 11));
        assert!((14..=16).contains(&time.day));
        assert_eq!(time.month_name(), "Nov");
        let sunday_the_15th = i32::from(time.day) - 15;
        assert_eq!(i32::from(time.weekday), sunday_the_15th.rem_euclid(7));
    }
}
