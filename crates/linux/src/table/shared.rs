//! A dump that threads receive in turns.
//!
//! The kernel makes the next portion inside of the call that receives the one before, for one caller
//! at a time. Threads that take turns there, and each work on what they received themselves, keep the
//! kernel busy without any flow going from the cache of one processor to that of another.

use std::sync::{Mutex, PoisonError};

use nfnetlink::{Malformed, ObjectMessage};

use crate::netlink::Socket;
use crate::table::ahead::Portion;
use crate::table::dump::{Answers, OPERATION};
use crate::table::{Result, receive};

/// The rest of a dump.
#[derive(Debug)]
pub struct SharedDump {
    answers: Answers,
    /// Whoever has it may receive.
    receiving: Mutex<Receiving>,
}

#[derive(Debug)]
struct Receiving {
    socket: Socket,
    /// The next turn.
    place: u64,
    is_over: bool,
}

/// What came of a turn.
#[derive(Debug)]
pub struct Turn {
    /// Its place in the order of the dump, from 0.
    pub place: u64,
    /// Why the dump ends behind what was handed over, if it failed.
    pub result: Result<()>,
}

impl SharedDump {
    pub(super) fn new(socket: Socket, answers: Answers) -> Self {
        Self {
            answers,
            receiving: Mutex::new(Receiving {
                socket,
                place: 0,
                is_over: false,
            }),
        }
    }

    /// Receives into `portion` when it is this thread's turn, and hands each entry to `sink`; `None`
    /// when nothing follows. An entry that cannot be understood is handed over as the reason.
    pub fn read(
        &self,
        portion: &mut Portion,
        mut sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Option<Turn> {
        let (place, failure) = self.receive(portion)?;
        // Each portion is looked at as if it were the first: only its end matters.
        let mut answers = self.answers;
        let mut datagrams = portion.datagrams();
        let result = datagrams.try_for_each(|datagram| answers.take(datagram, &mut sink).map(drop));
        Some(Turn {
            place,
            result: result.and(failure),
        })
    }

    /// Has no more received: the turns that are under way are the last.
    pub fn stop(&self) {
        let receiving = self.receiving.lock();
        receiving.unwrap_or_else(PoisonError::into_inner).is_over = true;
    }

    fn receive(&self, portion: &mut Portion) -> Option<(u64, Result<()>)> {
        let receiving = self.receiving.lock();
        let mut receiving = receiving.unwrap_or_else(PoisonError::into_inner);
        if receiving.is_over {
            return None;
        }
        let (is_over, failure) = portion.fill(|place| {
            let datagram = receive(&receiving.socket, place, OPERATION)?;
            Ok(datagram.map_or(0, <[u8]>::len))
        });
        let place = receiving.place;
        receiving.place += 1;
        receiving.is_over = is_over;
        let failure = failure.map_or(Ok(()), |error| Err(error.into()));
        Some((place, failure))
    }
}
