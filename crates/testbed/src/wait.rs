//! Waiting for conditions.
//!
//! A wait looks every few milliseconds, so that a test is as fast as the thing it waits for, and
//! ends after a stated time with an error that shows the last state seen and the ends of the
//! logs of all processes that the waiting thread has started.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Result, interrupted, log};

/// Between two looks at a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// How long a test waits for what must come, unless it says otherwise. Waiting costs nothing when it
/// comes, and a machine may be busy, slow, or stopped for a while by its host.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// What one look at a condition found.
pub enum Progress<T> {
    /// It holds; this is what the waiter wanted to have.
    Done(T),
    /// Not yet; the text describes the state, for the error message.
    Waiting(String),
}

/// Waits until `condition` is true.
pub fn wait_until(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    wait_for(what, timeout, || {
        Ok(if condition() {
            Progress::Done(())
        } else {
            Progress::Waiting(String::new())
        })
    })
}

/// Waits until `number` gives exactly `wanted`.
pub fn wait_for_number(
    what: &str,
    timeout: Duration,
    wanted: usize,
    mut number: impl FnMut() -> Result<usize>,
) -> Result<()> {
    wait_for(what, timeout, || {
        Ok(match number()? {
            found if found == wanted => Progress::Done(()),
            found => Progress::Waiting(format!("{found} instead of {wanted}")),
        })
    })
}

/// Waits until `probe` is done and returns what it found. An error of the probe ends the wait.
pub fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut probe: impl FnMut() -> Result<Progress<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match probe()? {
            Progress::Done(found) => return Ok(found),
            Progress::Waiting(state) => state,
        };
        if interrupted() {
            return Err(Error::Interrupted);
        }
        if start.elapsed() >= timeout {
            let logs = log::tails_of_this_thread();
            return Err(Error::TimedOut {
                what: what.into(),
                after: timeout,
                last,
                logs,
            });
        }
        thread::sleep(POLL_INTERVAL);
    }
}
