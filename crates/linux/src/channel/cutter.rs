//! A stream of bytes, cut into whole messages.
//!
//! Over TCP the messages of the peer follow each other without any framing but their own: each
//! says its length in its third and fourth byte (docs/wire.md, "Header"). The cutter keeps what is
//! not whole yet; that is less than one message, so it never grows. A length that no message has
//! means that the two ends are out of step, and what follows cannot be understood any more.
//!
//! No I/O here: who reads asks for [`Cutter::room`] and tells how much of it was filled.

use std::fmt;

/// Bytes of a message's header, and so its least length.
const HEADER_LEN: usize = 8;

/// The longest message taken. The longest that stock makes has some 310 bytes.
pub const MESSAGE_LEN_MAX: usize = 4096;

/// Bytes offered for reading at least.
const ROOM_LEN: usize = 60 * 1024;

/// The stream says a length that no message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStep;

/// The part of a stream that has come and is not used up.
pub struct Cutter {
    buffer: Box<[u8]>,
    /// How much of it is filled: less than one message between two calls.
    len: usize,
}

impl Cutter {
    /// The beginning of a stream.
    pub fn new() -> Self {
        Self {
            buffer: vec![0; MESSAGE_LEN_MAX + ROOM_LEN].into_boxed_slice(),
            len: 0,
        }
    }

    /// Where the next bytes of the stream are to be put; never empty.
    pub fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.len..).unwrap_or_default()
    }

    /// Takes note that `count` bytes have been put into the room, and hands all messages that are
    /// whole now to `sink`, in one piece.
    ///
    /// A header with an impossible length is handed over behind them, so that it is judged where
    /// all messages are; the stream is of no use then.
    pub fn filled(&mut self, count: usize, sink: impl FnOnce(&[u8])) -> Result<(), OutOfStep> {
        self.len = self.len.saturating_add(count).min(self.buffer.len());
        let bytes = self.buffer.get(..self.len).unwrap_or_default();
        let (whole, result) = whole_len(bytes);
        if whole > 0 {
            sink(bytes.get(..whole).unwrap_or_default());
            self.buffer.copy_within(whole..self.len, 0);
            self.len -= whole;
        }
        result
    }

    /// Bytes of a message that has not come whole.
    pub const fn rest_len(&self) -> usize {
        self.len
    }
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cutter").field("len", &self.len).finish()
    }
}

/// How many of these bytes are whole messages, or a header that cannot be.
fn whole_len(bytes: &[u8]) -> (usize, Result<(), OutOfStep>) {
    let mut whole = 0;
    while let Some(rest) = bytes.get(whole..) {
        let Some([_, _, high, low, ..]) = rest.first_chunk::<HEADER_LEN>() else {
            break;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if !(HEADER_LEN..=MESSAGE_LEN_MAX).contains(&len) {
            return (whole + HEADER_LEN, Err(OutOfStep));
        }
        if rest.len() < len {
            break;
        }
        whole += len;
    }
    (whole, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u16, fill: u8) -> Vec<u8> {
        let mut bytes = vec![fill; usize::from(len).max(HEADER_LEN)];
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        bytes
    }

    /// Feeds a stream in pieces of this length; what comes out, in one.
    fn cut(stream: &[u8], piece: usize) -> (Vec<u8>, usize, Result<(), OutOfStep>) {
        let mut cutter = Cutter::new();
        let mut out = Vec::new();
        for piece in stream.chunks(piece) {
            cutter.room()[..piece.len()].copy_from_slice(piece);
            let result = cutter.filled(piece.len(), |bytes| out.extend_from_slice(bytes));
            if result.is_err() {
                return (out, cutter.rest_len(), result);
            }
        }
        (out, cutter.rest_len(), Ok(()))
    }

    #[test]
    fn messages_come_whole_however_the_stream_is_cut() {
        let stream = [
            message(8, 1),
            message(16, 2),
            message(4096, 3),
            message(9, 4),
        ]
        .concat();
        for piece in [1, 2, 7, 8, 9, 1500, 5000] {
            assert_eq!(cut(&stream, piece), (stream.clone(), 0, Ok(())));
        }
    }

    #[test]
    fn what_is_not_whole_waits() {
        let mut stream = message(16, 1);
        let whole = stream.clone();
        stream.extend_from_slice(&message(100, 2)[..60]);
        for piece in [3, 1000] {
            assert_eq!(cut(&stream, piece), (whole.clone(), 60, Ok(())));
        }
    }

    #[test]
    fn an_impossible_length_ends_the_stream_behind_its_header() {
        for len in [0, 7, 4097, 60_000] {
            let wrong = &message(len, 5)[..HEADER_LEN];
            let stream = [&message(16, 1), wrong, &message(16, 2)].concat();
            for piece in [5, 1000] {
                let (out, _, result) = cut(&stream, piece);
                assert_eq!(result, Err(OutOfStep));
                assert_eq!(out, stream[..24], "{len}");
            }
        }
    }

    #[test]
    fn there_is_always_room() {
        let mut cutter = Cutter::new();
        for byte in message(4096, 1).into_iter().take(4095) {
            cutter.room()[0] = byte;
            cutter.filled(1, |_| panic!("not whole")).unwrap();
        }
        assert!(cutter.room().len() > ROOM_LEN);
    }
}

#[cfg(test)]
mod property {
    use super::*;
    use proptest::prelude::*;

    /// Messages, mostly; now and then bytes of no meaning.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let message = (8..200_u16, any::<u8>()).prop_map(|(len, fill)| {
            let mut bytes = vec![fill; usize::from(len)];
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes
        });
        let nonsense = prop::collection::vec(any::<u8>(), 0..30);
        let piece = prop_oneof![20 => message, 1 => nonsense];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    /// What comes out, and whether the stream ended: message by message, from the definition.
    fn naive(mut stream: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        loop {
            let Some(header) = stream.get(..8) else {
                return (out, false);
            };
            let len = usize::from(header[2]) * 256 + usize::from(header[3]);
            if !(8..=4096).contains(&len) {
                out.extend_from_slice(header);
                return (out, true);
            }
            let Some(message) = stream.get(..len) else {
                return (out, false);
            };
            out.extend_from_slice(message);
            stream = &stream[len..];
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_give_the_messages_of_the_stream(
            stream in stream(),
            lens in prop::collection::vec(1..3_000_usize, 1..20),
        ) {
            let mut cutter = Cutter::new();
            let (mut out, mut ended) = (Vec::new(), false);
            let mut rest = stream.as_slice();
            for len in lens.iter().cycle() {
                if rest.is_empty() || ended {
                    break;
                }
                let (piece, later) = rest.split_at((*len).min(rest.len()));
                rest = later;
                cutter.room()[..piece.len()].copy_from_slice(piece);
                let filled = cutter.filled(piece.len(), |bytes| out.extend_from_slice(bytes));
                ended = filled.is_err();
                prop_assert!(ended || cutter.rest_len() < MESSAGE_LEN_MAX);
            }
            prop_assert_eq!((out, ended), naive(&stream));
        }
    }
}
