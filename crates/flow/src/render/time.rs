//! Moments as people and programs read them.
//!
//! The calendar is computed here; which offset from UTC holds at a moment is the caller's
//! knowledge ([`Record::utc_offset`](super::Record::utc_offset)), since it needs files.

use alloc::vec::Vec;

use super::bytes::{self, NANOS_PER_SECOND};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The place of a moment in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Year, 1970 to 2554.
    pub year: u64,
    /// Month, 1 to 12.
    pub month: u64,
    /// Day of the month, 1 to 31.
    pub day: u64,
    /// Hour, 0 to 23.
    pub hour: u64,
    /// Minute, 0 to 59.
    pub minute: u64,
    /// Second, 0 to 59.
    pub second: u64,
    /// Day of the week, 0 for Sunday.
    pub weekday: u64,
    /// Nanoseconds of the second.
    pub nanos: u64,
}

impl Calendar {
    /// A moment, in nanoseconds since 1970, where clocks are this many seconds ahead of UTC.
    pub fn new(nanos: u64, utc_offset: i32) -> Self {
        let seconds = (nanos / NANOS_PER_SECOND).saturating_add_signed(utc_offset.into());
        let days = seconds / SECONDS_PER_DAY;
        let (year, month, day) = date(days);
        let second = seconds % SECONDS_PER_DAY;
        Self {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            // The first day of 1970 was a Thursday.
            weekday: (days + 4) % 7,
            nanos: nanos % NANOS_PER_SECOND,
        }
    }

    /// `07:01:39`
    fn clock(&self, out: &mut Vec<u8>) {
        bytes::decimal_padded(out, self.hour, 2);
        out.push(b':');
        bytes::decimal_padded(out, self.minute, 2);
        out.push(b':');
        bytes::decimal_padded(out, self.second, 2);
    }
}

/// Year, month and day of a number of days since 1970.
///
/// Counted in eras of 400 years and in years that begin in March, so that the day that is not
/// always there is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    // From the first of March of the year 0.
    let days = days + 719_468;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on; five of them have 153 days, again and again.
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

fn name(names: &'static [&'static str], index: u64) -> &'static str {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or("???")
}

/// Appends a moment in the layout of C's `ctime`: `Sat Nov 21 07:01:39 2026`.
pub fn ctime(out: &mut Vec<u8>, time: &Calendar) {
    bytes::left(out, name(&WEEKDAYS, time.weekday), 4);
    bytes::left(out, name(&MONTHS, time.month.saturating_sub(1)), 4);
    if time.day < 10 {
        out.push(b' ');
    }
    bytes::decimal(out, time.day);
    out.push(b' ');
    time.clock(out);
    out.push(b' ');
    bytes::decimal(out, time.year);
}

/// Appends a moment, in nanoseconds since 1970, as RFC 3339 wants it: in UTC, to the nanosecond.
pub fn rfc3339(out: &mut Vec<u8>, nanos: u64) {
    let time = Calendar::new(nanos, 0);
    bytes::decimal_padded(out, time.year, 4);
    out.push(b'-');
    bytes::decimal_padded(out, time.month, 2);
    out.push(b'-');
    bytes::decimal_padded(out, time.day, 2);
    out.push(b'T');
    time.clock(out);
    out.push(b'.');
    bytes::decimal_padded(out, time.nanos, 9);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::bytes::text;
    use super::*;

    /// The right-hand side was written by `date -u -d @SECONDS`.
    #[test]
    fn moments_have_the_dates_of_the_calendar() {
        let cases = [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_399, "Mon Feb 28 23:59:59 2000"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (951_868_800, "Wed Mar  1 00:00:00 2000"),
            (1_795_244_499, "Sat Nov 21 07:01:39 2026"),
            (1_798_761_599, "Thu Dec 31 23:59:59 2026"),
            (4_107_542_399, "Sun Feb 28 23:59:59 2100"),
            (4_107_542_400, "Mon Mar  1 00:00:00 2100"),
            (18_446_744_073, "Sun Jul 21 23:34:33 2554"),
        ];
        for (seconds, expected) in cases {
            let time = Calendar::new(seconds * NANOS_PER_SECOND, 0);
            assert_eq!(text(|out| ctime(out, &time)), expected, "{seconds}");
        }
    }

    #[test]
    fn offsets_shift_the_clock() {
        let noon = 1_795_262_400 * NANOS_PER_SECOND;
        for (offset, expected) in [
            (3600, "Sat Nov 21 13:00:00 2026"),
            (-13 * 3600, "Fri Nov 20 23:00:00 2026"),
            (20_700, "Sat Nov 21 17:45:00 2026"),
        ] {
            let time = Calendar::new(noon, offset);
            assert_eq!(text(|out| ctime(out, &time)), expected);
        }
        assert_eq!(Calendar::new(0, -3600), Calendar::new(0, 0));
    }

    #[test]
    fn programs_read_utc_to_the_nanosecond() {
        assert_eq!(
            text(|out| rfc3339(out, 1_795_244_499_024_021_969)),
            "2026-11-21T07:01:39.024021969Z"
        );
        assert_eq!(
            text(|out| rfc3339(out, u64::MAX)),
            "2554-07-21T23:34:33.709551615Z"
        );
    }
}
