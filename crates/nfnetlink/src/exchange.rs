//! Which request a message answers, and what it means for it.
//!
//! A request ends with an acknowledgement, an error or, for a dump, the end message. A run of
//! requests in one datagram asks for one acknowledgement, with the last; the others are heard of
//! only when they fail. No I/O here: the owner of the socket feeds what it received.

use crate::malformed::Malformed;
use crate::nl::{Failure, Message, control};

/// Hands out sequence numbers, never 0: that is what events carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(u32);

impl Sequence {
    /// Begins with this number, or with 1 instead of 0.
    pub const fn starting_at(first: u32) -> Self {
        Self(if first == 0 { 1 } else { first })
    }

    /// Takes so many consecutive numbers and returns the first.
    pub const fn take(&mut self, count: u32) -> u32 {
        let first = match self.0.checked_add(count) {
            Some(_) => self.0,
            // The run would wrap around: leave the rest of the numbers out.
            None => 1,
        };
        *self = Self::starting_at(first.saturating_add(count));
        first
    }
}

/// Requests sent together whose answers are awaited: one, or a run of consecutive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    first: u32,
    count: u32,
    is_finished: bool,
    is_interrupted: bool,
}

/// What a message means for the requests that are pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Part of the answer; more follows.
    Data(Message<'a>),
    /// All is done, and the last request succeeded.
    Finished {
        /// The table changed during the dump: it may lack entries or hold some twice.
        interrupted: bool,
    },
    /// A request failed; its index in the run. If it was the last one, nothing more follows.
    Failed {
        /// Which request of the run.
        index: u32,
        /// Why.
        failure: Failure<'a>,
    },
    /// A request that is not the last of its run was acknowledged.
    Acked {
        /// Which request of the run.
        index: u32,
    },
    /// Not for these requests: an event, or the late answer to an older one.
    Foreign,
}

impl Pending {
    /// One request.
    pub const fn one(sequence: u32) -> Self {
        Self::run(sequence, 1)
    }

    /// So many requests, numbered from the first on; the last one asks for acknowledgement.
    pub const fn run(first: u32, count: u32) -> Self {
        Self {
            first,
            count,
            is_finished: count == 0,
            is_interrupted: false,
        }
    }

    /// Whether nothing more is to come.
    pub const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Takes a message in.
    pub fn accept<'a>(&mut self, message: &Message<'a>) -> Result<Reply<'a>, Malformed> {
        let index = message.header.sequence.wrapping_sub(self.first);
        if index >= self.count || self.is_finished {
            return Ok(Reply::Foreign);
        }
        self.is_interrupted |= message.header.is_interrupted();
        match message.header.kind {
            control::ERROR | control::DONE => self.close(index, message),
            control::NOOP | control::OVERRUN => Ok(Reply::Foreign),
            _ => Ok(Reply::Data(*message)),
        }
    }

    fn close<'a>(&mut self, index: u32, message: &Message<'a>) -> Result<Reply<'a>, Malformed> {
        let is_last = index == self.count - 1;
        self.is_finished |= is_last;
        Ok(match Failure::decode(message)? {
            Some(failure) => Reply::Failed { index, failure },
            None if is_last => Reply::Finished {
                interrupted: self.is_interrupted,
            },
            None => Reply::Acked { index },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nl::{Header, flags};

    fn message(kind: u16, sequence: u32, flags: u16, payload: &[u8]) -> Message<'_> {
        Message {
            header: Header {
                kind,
                flags,
                sequence,
                port_id: 0,
            },
            payload,
        }
    }

    const OK: [u8; 4] = 0_i32.to_ne_bytes();
    const EEXIST: [u8; 4] = (-17_i32).to_ne_bytes();

    #[test]
    fn numbers_are_consecutive_and_never_zero() {
        let mut sequence = Sequence::starting_at(0);
        assert_eq!(sequence.take(100), 1);
        assert_eq!(sequence.take(1), 101);
        let mut sequence = Sequence::starting_at(u32::MAX - 5);
        assert_eq!(sequence.take(5), u32::MAX - 5);
        assert_eq!(sequence.take(2), 1);
        assert_eq!(sequence.take(1), 3);
    }

    #[test]
    fn a_dump_ends_with_done_and_remembers_an_interruption() {
        let mut pending = Pending::one(7);
        let data = message(0x0100, 7, flags::MULTI | flags::DUMP_INTERRUPTED, b"x");
        assert_eq!(pending.accept(&data), Ok(Reply::Data(data)));
        let done = message(control::DONE, 7, flags::MULTI, &OK);
        let finished = Reply::Finished { interrupted: true };
        assert_eq!(pending.accept(&done), Ok(finished));
        assert!(pending.is_finished());
        assert_eq!(pending.accept(&done), Ok(Reply::Foreign));
    }

    #[test]
    fn a_run_names_the_request_that_failed_and_ends_with_the_last() {
        let mut pending = Pending::run(u32::MAX, 3);
        let failed = |index| {
            move |reply: Result<Reply<'_>, Malformed>| {
                matches!(
                    reply, Ok(Reply::Failed { index: i, failure }) if i == index && failure.errno == 17
                )
            }
        };
        let error = message(control::ERROR, 0, 0, &EEXIST);
        assert!(failed(1)(pending.accept(&error)));
        assert!(!pending.is_finished());
        let error = message(control::ERROR, 1, 0, &EEXIST);
        assert!(failed(2)(pending.accept(&error)));
        assert!(pending.is_finished());
    }

    #[test]
    fn what_answers_others_is_foreign() {
        let mut pending = Pending::run(5, 2);
        for sequence in [0, 4, 7] {
            let event = message(0x0100, sequence, 0, b"");
            assert_eq!(pending.accept(&event), Ok(Reply::Foreign));
        }
    }

    #[test]
    fn an_error_without_number_is_malformed() {
        let mut pending = Pending::one(1);
        let error = message(control::ERROR, 1, 0, b"abc");
        assert_eq!(pending.accept(&error), Err(Malformed::Truncated));
        assert!(pending.is_finished());
    }
}
