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

/// Some datagrams.
#[derive(Debug, Default)]
pub struct Portion {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Portion {
    /// The datagrams in their order.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .filter_map(|(start, end)| self.bytes.get(start..*end))
    }

    fn add(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
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
    let mut buffer = vec![0; RECEIVE_LEN];
    let mut is_over = false;
    while !is_over {
        let mut portion = match free.try_recv() {
            Ok(portion) => portion,
            Err(TryRecvError::Empty) => Portion::default(),
            Err(TryRecvError::Disconnected) => return,
        };
        portion.clear();
        let mut failure = None;
        while !is_over && portion.ends.len() < PORTION_MAX {
            match receive(socket, &mut buffer, operation) {
                Ok(datagram) => {
                    let datagram = datagram.unwrap_or_default();
                    is_over = ends(datagram);
                    portion.add(datagram);
                }
                Err(error) => {
                    is_over = true;
                    failure = Some(error);
                }
            }
        }
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
        for datagram in [&b"abc"[..], b"", b"de"] {
            portion.add(datagram);
        }
        let datagrams: Vec<_> = portion.datagrams().collect();
        assert_eq!(datagrams, [&b"abc"[..], b"", b"de"]);
        portion.clear();
        assert_eq!(portion.datagrams().count(), 0);
    }
}
