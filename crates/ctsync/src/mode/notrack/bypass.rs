//! Messages made of events, where no internal cache is kept (`DisableInternalCache`).
//!
//! An event is a message at once, with its number, and leaves with the datagram that is filled
//! next: in the same turn, where stock lets it wait for a second. While the link is blocked the
//! messages wait here, up to [`LEN_MAX`] bytes; further events are counted and lost, since nothing
//! of them is kept.

use alloc::vec::Vec;

use crate::stats::{Counter, Stats};
use crate::wire::MESSAGE_LEN_MAX;
use crate::wire::header::HEADER_LEN;

/// Bytes that may wait: some 70,000 messages.
pub(super) const LEN_MAX: usize = 4 * 1024 * 1024;

/// Messages that wait, back to back.
#[derive(Debug, Default)]
pub(super) struct Bypass {
    bytes: Vec<u8>,
    /// Where the first one begins.
    start: usize,
}

impl Bypass {
    /// Where the next message is to be appended, if there is room for it.
    pub(super) fn room(&mut self) -> Option<&mut Vec<u8>> {
        (self.len() + MESSAGE_LEN_MAX <= LEN_MAX).then_some(&mut self.bytes)
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Puts the next message into a datagram that stays below a length; `false` if it has no room
    /// for it.
    pub(super) fn pack(&mut self, len_max: usize, stats: &mut Stats, out: &mut Vec<u8>) -> bool {
        while let Some(message) = self.front() {
            let len = message.len();
            if out.len() + len < len_max {
                out.extend_from_slice(message);
                self.pop(len);
                return true;
            }
            if !out.is_empty() {
                return false;
            }
            stats.count(Counter::MessagesTooLong);
            self.pop(len);
        }
        false
    }

    fn front(&self) -> Option<&[u8]> {
        let rest = self.bytes.get(self.start..)?;
        let [_, _, high, low, ..] = rest.first_chunk::<HEADER_LEN>()?;
        rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
    }

    fn pop(&mut self, len: usize) {
        self.start += len;
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start >= LEN_MAX / 4 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
