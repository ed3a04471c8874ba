//! Emptying a datagram socket in bounded portions.
//!
//! The loop that event sockets and channels share: as many datagrams per system call as the ring
//! has slots, until the socket is empty or the caller's limit is reached.

use std::os::fd::BorrowedFd;

use crate::error::Errno;
use crate::sys::mmsg::{Datagram, Ring};

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Datagrams received.
    pub datagrams: usize,
    /// Whether the socket may hold more: the limit stopped the drain.
    pub more: bool,
}

/// Hands datagrams and errors of a non-blocking socket to `sink`, at most `limit` of both (and at least one
/// is tried). An error that the sink returns ends the drain.
pub(crate) fn drain(
    ring: &mut Ring,
    socket: BorrowedFd<'_>,
    limit: usize,
    mut sink: impl FnMut(Result<Datagram<'_>, Errno>) -> Result<(), Errno>,
) -> Result<Drained, Errno> {
    let limit = limit.max(1);
    let mut datagrams = 0;
    let mut spent = 0;
    let more = loop {
        let wanted = ring.slots().min(limit - spent);
        if wanted == 0 {
            break true;
        }
        match ring.receive(socket, wanted) {
            Ok(count) => {
                for datagram in ring.datagrams() {
                    sink(Ok(datagram))?;
                }
                datagrams += count;
                spent += count;
                if count < wanted {
                    break false;
                }
            }
            Err(Errno::AGAIN) => break false,
            Err(Errno::INTR) => spent += 1,
            Err(errno) => {
                spent += 1;
                sink(Err(errno))?;
            }
        }
    };
    Ok(Drained { datagrams, more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[track_caller]
    fn check(sent: u8, limit: usize, wanted: Drained) {
        let (left, right) = UnixDatagram::pair().unwrap();
        right.set_nonblocking(true).unwrap();
        for number in 0..sent {
            left.send(&[number]).unwrap();
        }
        let mut seen = Vec::new();
        let mut ring = Ring::new(4, 8);
        let drained = drain(&mut ring, right.as_fd(), limit, |datagram| {
            seen.extend_from_slice(datagram?.bytes);
            Ok(())
        });
        assert_eq!(drained, Ok(wanted));
        assert_eq!(seen, (0..sent).take(wanted.datagrams).collect::<Vec<_>>());
    }

    #[test]
    fn a_drain_ends_at_its_limit_or_when_nothing_is_left() {
        let drained = |datagrams, more| Drained { datagrams, more };
        check(0, 9, drained(0, false));
        check(3, 9, drained(3, false));
        check(9, 100, drained(9, false));
        check(9, 6, drained(6, true));
        check(9, 4, drained(4, true));
        check(9, 0, drained(1, true));
    }

    #[test]
    fn an_error_of_the_sink_ends_it() {
        let (left, right) = UnixDatagram::pair().unwrap();
        right.set_nonblocking(true).unwrap();
        left.send(b"x").unwrap();
        let mut ring = Ring::new(4, 8);
        let drained = drain(&mut ring, right.as_fd(), 9, |_| Err(Errno::PROTO));
        assert_eq!(drained, Err(Errno::PROTO));
    }
}
