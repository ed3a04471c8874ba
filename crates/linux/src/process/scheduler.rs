//! Real-time scheduling of the daemon.

use crate::error::{Context, Result};
use crate::sys;

/// The highest real-time priority (`sched_get_priority_max` on Linux).
pub const PRIORITY_MAX: u8 = 99;

/// A scheduling policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `SCHED_OTHER`: the system's default, without a priority.
    Normal,
    /// `SCHED_RR`: time slices among equals.
    RoundRobin,
    /// `SCHED_FIFO`: runs until it waits.
    Fifo,
}

impl Policy {
    const fn number(self) -> libc::c_int {
        match self {
            Self::Normal => libc::SCHED_OTHER,
            Self::RoundRobin => libc::SCHED_RR,
            Self::Fifo => libc::SCHED_FIFO,
        }
    }
}

/// Sets policy and priority of this process; its children start with the normal policy.
///
/// Needs `CAP_SYS_NICE`. Whoever cannot have it goes on with the default: that is a warning.
pub fn set_scheduler(policy: Policy, priority: u8) -> Result<()> {
    sys::process::set_scheduler(policy.number(), priority.into()).during("set scheduler")
}

/// The policy and priority of this process, `None` for a policy not named here.
pub fn scheduler() -> Result<Option<(Policy, u8)>> {
    let (number, priority) = sys::process::scheduler().during("read scheduler")?;
    let policies = [Policy::Normal, Policy::RoundRobin, Policy::Fifo];
    let policy = policies
        .into_iter()
        .find(|policy| policy.number() == number);
    Ok(policy.zip(u8::try_from(priority).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;

    /// The policy belongs to a thread, so only this test's thread changes.
    #[test]
    fn the_policy_is_what_was_set() {
        assert_eq!(scheduler().unwrap(), Some((Policy::Normal, 0)));
        for policy in [Policy::RoundRobin, Policy::Fifo] {
            match set_scheduler(policy, 1) {
                Ok(()) => assert_eq!(scheduler().unwrap(), Some((policy, 1))),
                // Allowed to fail, but only for want of rights.
                Err(error) => assert_eq!(error.errno, Errno::PERM),
            }
        }
        let error = set_scheduler(Policy::RoundRobin, 0).unwrap_err();
        assert_eq!(error.errno, Errno::INVAL);
    }
}
