//! Why the kernel refuses a change: between its numbers, the node's reasons, and words.
//!
//! When its table is full that is told apart, since each refused flow looks like a problem of its
//! own then.

use std::time::Duration;

use ctsync::{Instant, Refusal};
use linux::{Errno, SystemError};

use crate::daemon::report::Report;

/// A full table is told of at this interval at most; each flow that it refuses is named anyway.
const FULL_INTERVAL: Duration = Duration::from_secs(60);

/// When a full table was last told of.
#[derive(Debug, Default)]
pub struct Fullness {
    quiet_until: Instant,
}

impl Fullness {
    /// The kernel has refused a flow for lack of room.
    pub fn tell(&mut self, now: Instant) -> Option<Report> {
        if now < self.quiet_until {
            return None;
        }
        self.quiet_until = now + FULL_INTERVAL;
        let read = |name: &str| {
            let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        Some(Report::KernelTableFull {
            count: read("count"),
            max: read("max"),
        })
    }
}

/// What an errno means for a change that the node asked for.
pub fn refusal(errno: Errno) -> Refusal {
    match errno {
        Errno::EXIST => Refusal::Exists,
        Errno::NOENT => Refusal::NotFound,
        Errno::NOMEM | Errno::NOSPC | Errno::NOBUFS => Refusal::Full,
        Errno::OPNOTSUPP => Refusal::Unsupported,
        Errno::INVAL | Errno::RANGE => Refusal::Invalid,
        other => Refusal::Other(other.raw_os_error()),
    }
}

/// The errno as people read it, for a refusal.
pub fn reason(refusal: Refusal) -> String {
    let errno = match refusal {
        Refusal::Exists => Errno::EXIST,
        Refusal::NotFound => Errno::NOENT,
        Refusal::Full => Errno::NOMEM,
        Refusal::Unsupported => Errno::OPNOTSUPP,
        Refusal::Invalid => Errno::INVAL,
        Refusal::Other(raw) => Errno::from_raw_os_error(raw),
    };
    SystemError::new("", errno).reason()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_is_told_of_once_a_minute() {
        let mut fullness = Fullness::default();
        let told: Vec<u64> = (0..150)
            .filter(|second| fullness.tell(Instant(second * 1_000_000_000)).is_some())
            .collect();
        assert_eq!(told, [0, 60, 120]);
    }

    #[test]
    fn lack_of_room_has_three_numbers() {
        for errno in [Errno::NOMEM, Errno::NOSPC, Errno::NOBUFS] {
            assert_eq!(refusal(errno), Refusal::Full);
        }
        let report = Report::KernelTableFull {
            count: Some(7),
            max: Some(8),
        };
        let text =
            "the kernel has no room for further flows: 7 of 8 (net.netfilter.nf_conntrack_max)";
        assert!(report.text().starts_with(text), "{}", report.text());
    }
}
