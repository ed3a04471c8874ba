//! Receiving an answer while what came before is worked on.
//!
//! A long dump costs the kernel more time than its reader, and both can work at once: a thread receives,
//! a few portions ahead and no more. It ends with the answer, or when nobody takes what it receives.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use nfnetlink::nl::{Messages, control};

use crate::error::{Errno, SystemError};
use crate::netlink::{RECEIVE_LEN, Socket};
use crate::table::receive;

/// Portions that wait for the reader.
const AHEAD_MAX: usize = 4;

/// Datagrams in a portion: waking the reader costs as much as a few flows.
const PORTION_MAX: usize = 4;

/// Some datagrams, each at a place of its own.
#[derive(Debug)]
pub struct Portion {
    buffer: Box<[u8]>,
    /// Their lengths.
    lens: Vec<usize>,
}

impl Default for Portion {
    fn default() -> Self {
        Self {
            buffer: vec![0; PORTION_MAX * RECEIVE_LEN].into_boxed_slice(),
            lens: Vec::with_capacity(PORTION_MAX),
        }
    }
}

impl Portion {
    /// The datagrams in their order.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let places = self.buffer.chunks(RECEIVE_LEN);
        places
            .zip(&self.lens)
            .filter_map(|(place, len)| place.get(..*len))
    }

    /// Fills the free places; whether nothing follows, and why if that is a failure.
    pub(super) fn fill(
        &mut self,
        mut next: impl FnMut(&mut [u8]) -> Result<usize, SystemError>,
    ) -> (bool, Option<SystemError>) {
        self.lens.clear();
        for place in self.buffer.chunks_mut(RECEIVE_LEN) {
            match next(place) {
                Ok(len) => {
                    self.lens.push(len);
                    if ends(place.get(..len).unwrap_or_default()) {
                        return (true, None);
                    }
                }
                Err(error) => return (true, Some(error)),
            }
        }
        (false, None)
    }
}

type Answer = Result<Portion, SystemError>;

/// An answer that a thread receives.
#[derive(Debug)]
pub struct ReadAhead {
    portions: Receiver<Answer>,
    /// Takes back what has been read.
    used: SyncSender<Portion>,
    operation: &'static str,
}

impl ReadAhead {
    /// Receives the rest of an answer; the socket comes back when there can be no thread.
    pub fn start(socket: Socket, operation: &'static str) -> Result<Self, Socket> {
        if thread::available_parallelism().map_or(1, usize::from) < 2 {
            return Err(socket);
        }
        let (sender, portions) = sync_channel(AHEAD_MAX);
        let (used, free) = sync_channel(AHEAD_MAX + 2);
        // The thread gets the socket when it runs, so that it is not lost when it cannot.
        let (give, take) = sync_channel(1);
        let name = thread::Builder::new().name("dump".into());
        let spawned = name.spawn(move || {
            if let Ok(socket) = take.recv() {
                receive_all(&socket, operation, &sender, &free);
            }
        });
        match spawned {
            Ok(_) => {
                // The thread waits for it.
                give.send(socket).map_err(|refused| refused.0)?;
                Ok(Self {
                    portions,
                    used,
                    operation,
                })
            }
            Err(_) => Err(socket),
        }
    }

    /// The next portion.
    pub fn next_portion(&self) -> Answer {
        let gone = || SystemError::new(self.operation, Errno::PIPE);
        self.portions.recv().map_err(|_| gone())?
    }

    /// Gives a portion back whose datagrams are done with.
    pub fn give_back(&self, portion: Portion) {
        // Without room it is dropped.
        let _ = self.used.try_send(portion);
    }
}

fn receive_all(
    socket: &Socket,
    operation: &'static str,
    reader: &SyncSender<Answer>,
    free: &Receiver<Portion>,
) {
    let mut is_over = false;
    while !is_over {
        let mut portion = match free.try_recv() {
            Ok(portion) => portion,
            Err(TryRecvError::Empty) => Portion::default(),
            Err(TryRecvError::Disconnected) => return,
        };
        let failure;
        (is_over, failure) = portion.fill(|place| {
            let datagram = receive(socket, place, operation)?;
            Ok(datagram.map_or(0, <[u8]>::len))
        });
        // What came before a failure is part of the answer.
        let answers = [Some(Ok(portion)), failure.map(Err)];
        for answer in answers.into_iter().flatten() {
            if reader.send(answer).is_err() {
                return;
            }
        }
    }
}

/// Whether nothing follows this datagram: its last message says so, or cannot be understood.
fn ends(datagram: &[u8]) -> bool {
    let ends = |kind| matches!(kind, control::DONE | control::ERROR);
    Messages::new(datagram).any(|message| message.is_ok_and(|message| ends(message.header.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_keeps_its_datagrams_apart() {
        let mut portion = Portion::default();
        let datagrams = [&b"abc"[..], b"", b"de"];
        let mut next = datagrams.iter();
        let refusal = || SystemError::new("receive", Errno::NOBUFS);
        let (is_over, failure) = portion.fill(|place| {
            let datagram = next.next().ok_or_else(refusal)?;
            place[..datagram.len()].copy_from_slice(datagram);
            Ok(datagram.len())
        });
        assert!(is_over && failure.is_some());
        assert_eq!(portion.datagrams().collect::<Vec<_>>(), datagrams);
        let (is_over, failure) = portion.fill(|_| Ok(0));
        assert!(!is_over && failure.is_none());
        assert_eq!(portion.datagrams().count(), PORTION_MAX);
    }
}
