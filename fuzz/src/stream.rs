//! The peer's stream over TCP, which is cut into messages.
//!
//! The first byte says how long the pieces are in which the rest arrives. However it is cut, the same
//! messages come out, each of them whole, until the stream is out of step.

use ctsync::wire::header::HEADER_LEN;
use linux::channel::cutter::{Cutter, MESSAGE_LEN_MAX, OutOfStep};

/// Cuts a stream twice.
pub fn run(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else {
        return;
    };
    let (whole, ended) = cut(stream, stream.len().max(1));
    assert_eq!(cut(stream, usize::from(*piece) + 1), (whole.clone(), ended));
    // What it is worth is judged where datagrams are; here it has to be whole messages.
    let mut rest = whole.as_slice();
    while let Some([_, _, high, low, ..]) = rest.first_chunk::<HEADER_LEN>() {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match rest.get(len..).filter(|_| len >= HEADER_LEN) {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    let out_of_step = if ended.is_err() { HEADER_LEN } else { 0 };
    assert_eq!(rest.len(), out_of_step, "half a message");
}

/// What comes out of a stream that arrives in pieces, and whether it is understood to its end.
fn cut(stream: &[u8], piece: usize) -> (Vec<u8>, Result<(), OutOfStep>) {
    let mut cutter = Cutter::new();
    let mut out = Vec::new();
    for piece in stream.chunks(piece) {
        cutter.room()[..piece.len()].copy_from_slice(piece);
        let result = cutter.filled(piece.len(), |bytes| out.extend_from_slice(bytes));
        if result.is_err() {
            return (out, result);
        }
        assert!(
            cutter.rest_len() < MESSAGE_LEN_MAX,
            "more than one message is kept"
        );
    }
    (out, Ok(()))
}
