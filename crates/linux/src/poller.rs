//! Waiting for the first of many descriptors, with a deadline.
//!
//! A thin layer over `epoll`, level-triggered: what is not drained is reported again. Timeouts
//! are exact to the clock's resolution, not rounded to milliseconds.
//!
//! A poller does not survive a fork (descriptors of signals stay bound to the old process): make
//! it after [`crate::process::detach`].

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Context, Errno, Result};

/// Most wake-ups that one wait reports; what is left over is reported by the next.
const WAKEUPS_MAX: usize = 64;

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or a connection to accept.
    Read,
    /// Room to write.
    Write,
    /// Either.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN,
            Self::Write => EventFlags::OUT,
            Self::ReadWrite => EventFlags::IN | EventFlags::OUT,
        }
    }
}

/// One descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// The number the descriptor was added under.
    pub token: u64,
    /// Reading will not block: there is data, an error or the end.
    pub readable: bool,
    /// Writing will not block.
    pub writable: bool,
    /// The other end is gone, or an error waits to be read.
    pub hangup: bool,
}

/// A set of descriptors to wait for.
pub struct Poller {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
}

impl Poller {
    /// A poller that waits for nothing yet.
    pub fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).during("create poller")?;
        Ok(Self {
            epoll,
            ready: Vec::with_capacity(WAKEUPS_MAX),
        })
    }

    /// Waits for one more descriptor from now on. It leaves the set when it is closed.
    pub fn add(&mut self, source: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        epoll::add(
            &self.epoll,
            source,
            EventData::new_u64(token),
            interest.flags(),
        )
        .during("add descriptor to poller")
    }

    /// Waits for something else on a descriptor that was added before.
    pub fn modify(&mut self, source: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        epoll::modify(
            &self.epoll,
            source,
            EventData::new_u64(token),
            interest.flags(),
        )
        .during("change descriptor of poller")
    }

    /// Does not wait for this descriptor any more.
    pub fn remove(&mut self, source: impl AsFd) -> Result<()> {
        epoll::delete(&self.epoll, source).during("remove descriptor from poller")
    }

    /// Waits until a descriptor is ready or `timeout` has passed (`None`: for ever), and returns
    /// the ready ones, at most 64. A signal ends the wait early with none.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<impl Iterator<Item = Wakeup>> {
        self.ready.clear();
        match self.fill(timeout) {
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => Err(errno).during("wait for descriptors")?,
        }
        Ok(self.ready.iter().map(|event| {
            let flags = event.flags;
            let hangup = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            Wakeup {
                token: event.data.u64(),
                readable: flags.contains(EventFlags::IN) || hangup,
                writable: flags.contains(EventFlags::OUT) || hangup,
                hangup,
            }
        }))
    }

    fn fill(&mut self, timeout: Option<Duration>) -> std::result::Result<(), Errno> {
        let Some(timeout) = timeout else {
            return self.collect(None);
        };
        // `epoll_wait` knows milliseconds only, and its precise variant is younger than some
        // kernels we run on; `ppoll` on the epoll descriptor is both precise and old.
        let mut descriptors = [PollFd::new(&self.epoll, PollFlags::IN)];
        let exact = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        if !timeout.is_zero() && poll(&mut descriptors, Some(&exact))? == 0 {
            return Ok(());
        }
        self.collect(Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }))
    }

    fn collect(&mut self, timeout: Option<&Timespec>) -> std::result::Result<(), Errno> {
        let room = rustix::buffer::spare_capacity(&mut self.ready);
        epoll::wait(&self.epoll, room, timeout).map(drop)
    }
}

/// A poller is a descriptor itself: ready to read when one of its own is ready.
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("epoll", &self.epoll)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn tokens(poller: &mut Poller, timeout: Option<Duration>) -> Vec<u64> {
        poller
            .wait(timeout)
            .unwrap()
            .map(|wakeup| wakeup.token)
            .collect()
    }

    #[test]
    fn the_ready_descriptor_is_named_until_it_is_drained() {
        let (mut left, right) = UnixStream::pair().unwrap();
        let (_quiet, silent) = UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&right, 7, Interest::Read).unwrap();
        poller.add(&silent, 8, Interest::Read).unwrap();
        assert!(tokens(&mut poller, Some(Duration::ZERO)).is_empty());
        left.write_all(b"x").unwrap();
        assert_eq!(tokens(&mut poller, None), [7]);
        assert_eq!(tokens(&mut poller, Some(Duration::ZERO)), [7]);
        poller.remove(&right).unwrap();
        assert!(tokens(&mut poller, Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn interest_decides_what_wakes() {
        let (left, right) = UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&right, 1, Interest::Read).unwrap();
        assert!(tokens(&mut poller, Some(Duration::ZERO)).is_empty());
        poller.modify(&right, 2, Interest::ReadWrite).unwrap();
        let wakeups: Vec<_> = poller.wait(None).unwrap().collect();
        let writable = Wakeup {
            token: 2,
            readable: false,
            writable: true,
            hangup: false,
        };
        assert_eq!(wakeups, [writable]);
        drop(left);
        assert!(poller.wait(None).unwrap().all(|wakeup| wakeup.hangup));
    }

    #[test]
    fn a_timeout_is_not_rounded_down() {
        let mut poller = Poller::new().unwrap();
        let timeout = Duration::from_micros(1_500);
        let start = clock::monotonic();
        assert!(tokens(&mut poller, Some(timeout)).is_empty());
        assert!(clock::monotonic() - start >= timeout);
    }
}
