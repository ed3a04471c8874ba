//! One client of the control socket, from its first byte to the end of its reply.
//!
//! ```text
//! Request ──4 bytes──▶ Waiting ──reply()──▶ Reply ──everything written──▶ closed
//!    │ fewer, unknown, too late              │ client gone or too slow
//!    └──────────────▶ closed ◀───────────────┘
//! ```
//!
//! Nothing blocks and nothing is kept without bound: a reply is produced piece by piece, the next
//! one only when the last one has been written. Works on any byte stream; waiting for one is the
//! business of `server`.

use std::io::{self, Read, Write};
use std::time::Duration;

use ctsync::Instant;

use super::protocol::{DONE, END, REQUEST_LEN, Request};

/// How long a client may take to send its four bytes.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a client may read nothing of its reply.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);
/// Where a producer should stop; it may exceed it by one entry.
pub const CHUNK_LEN: usize = 64 * 1024;

/// What a producer of a reply says after a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more.
    More,
    /// That was all.
    Done,
}

/// What came of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to be done until the next wake-up.
    Idle,
    /// The client asks for this; it waits for `reply`.
    Request(Request),
    /// The connection is over.
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The whole reply was written.
    Answered,
    /// The client went away, before its request was complete or during the reply.
    Gone,
    /// The client sent nothing, or less than a request, and closed.
    NoRequest,
    /// A number that stands for no request.
    Unknown(i32),
    /// The client took too long.
    TooSlow,
}

#[derive(Debug)]
enum Phase<J> {
    /// Collecting the request.
    Request {
        bytes: [u8; REQUEST_LEN],
        len: usize,
    },
    /// The daemon works on it.
    Waiting,
    /// `job` is asked for the next piece when the buffer has been written.
    Reply {
        job: Option<J>,
        buffer: Vec<u8>,
        sent: usize,
        /// What comes behind everything.
        end: Vec<u8>,
    },
}

/// A client on the stream `S`, whose reply is produced by jobs of type `J`.
#[derive(Debug)]
pub struct Connection<S, J> {
    stream: S,
    phase: Phase<J>,
    /// It wants to know how its request has ended.
    is_strict: bool,
    /// When it last did something; `None` while the daemon works for it.
    idle_since: Option<Instant>,
}

impl<S: Read + Write, J> Connection<S, J> {
    /// A client that has just connected. Reading and writing must not block.
    pub fn new(stream: S, now: Instant) -> Self {
        Self {
            stream,
            phase: Phase::Request {
                bytes: [0; REQUEST_LEN],
                len: 0,
            },
            is_strict: false,
            idle_since: Some(now),
        }
    }

    /// Begins the reply: `text` first, then what `job` produces.
    pub fn reply(&mut self, text: Vec<u8>, job: Option<J>, now: Instant) {
        self.begin(text, job, DONE, now);
    }

    /// Begins the reply to a request that was not done, for this reason: nothing, unless the
    /// client wants to know.
    pub fn refuse(&mut self, reason: &str, now: Instant) {
        self.begin(Vec::new(), None, reason, now);
    }

    /// Tells a client that wants to know that its request is done, and leaves the connection open:
    /// it ends with the daemon. So few bytes always have room.
    pub fn announce(&mut self) {
        if self.is_strict {
            let _ = self.stream.write(&outcome_bytes(DONE));
        }
    }

    fn begin(&mut self, mut buffer: Vec<u8>, job: Option<J>, outcome: &str, now: Instant) {
        let mut end = match self.is_strict {
            true => outcome_bytes(outcome),
            false => Vec::new(),
        };
        if job.is_none() {
            buffer.append(&mut end);
        }
        self.phase = Phase::Reply {
            job,
            buffer,
            sent: 0,
            end,
        };
        self.idle_since = Some(now);
    }

    /// The stream can be read or written: goes on as far as it is possible without blocking, but
    /// by no more than one piece of the reply.
    pub fn ready(
        &mut self,
        now: Instant,
        produce: &mut impl FnMut(&mut J, &mut Vec<u8>) -> Progress,
    ) -> Step {
        match &mut self.phase {
            Phase::Request { .. } => self.read_request(),
            Phase::Waiting => Step::Idle,
            Phase::Reply {
                job,
                buffer,
                sent,
                end,
            } => {
                if *sent == buffer.len() {
                    buffer.clear();
                    *sent = 0;
                    let progress = job.as_mut().map(|job| produce(job, buffer));
                    if progress != Some(Progress::More) {
                        *job = None;
                        buffer.append(end);
                    }
                }
                self.write_reply(now)
            }
        }
    }

    /// When the client has taken too long; `None` while the daemon works.
    pub fn deadline(&self) -> Option<Instant> {
        let patience = match self.phase {
            Phase::Request { .. } => REQUEST_TIME_MAX,
            Phase::Waiting | Phase::Reply { .. } => STALL_TIME_MAX,
        };
        self.idle_since.map(|since| since + patience)
    }

    /// Since when the daemon waits for the client; `None` while it is the other way round.
    pub const fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    /// Whether the daemon owes the next step.
    pub const fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting)
    }

    /// The stream.
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    fn read_request(&mut self) -> Step {
        let Phase::Request { bytes, len } = &mut self.phase else {
            return Step::Idle;
        };
        loop {
            let room = bytes.get_mut(*len..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Step::Closed(Closed::NoRequest),
                Ok(read) => *len += read,
                Err(error) => return blocked(&error, Closed::NoRequest),
            }
            if *len >= REQUEST_LEN {
                break;
            }
        }
        let code = *bytes;
        let Some((request, is_strict)) = Request::decode_telling(code) else {
            return Step::Closed(Closed::Unknown(i32::from_ne_bytes(code)));
        };
        self.is_strict = is_strict;
        self.phase = Phase::Waiting;
        self.idle_since = None;
        Step::Request(request)
    }

    fn write_reply(&mut self, now: Instant) -> Step {
        let Phase::Reply {
            job, buffer, sent, ..
        } = &mut self.phase
        else {
            return Step::Idle;
        };
        loop {
            let rest = buffer.get(*sent..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.stream.write(rest) {
                Ok(0) => return Step::Closed(Closed::Gone),
                Ok(written) => {
                    *sent += written;
                    self.idle_since = Some(now);
                }
                Err(error) => return blocked(&error, Closed::Gone),
            }
        }
        match job {
            Some(_) => Step::Idle,
            None => Step::Closed(Closed::Answered),
        }
    }
}

/// What stands behind the reply of a strict client.
fn outcome_bytes(outcome: &str) -> Vec<u8> {
    [&[END], outcome.as_bytes()].concat()
}

/// What an error of the stream means: wait for the next wake-up, or give up.
fn blocked(error: &io::Error, otherwise: Closed) -> Step {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Step::Idle,
        _ => Step::Closed(otherwise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    type Numbers = std::ops::Range<u32>;

    /// A connection whose replies count, one number per piece.
    fn pair() -> (UnixStream, Connection<UnixStream, Numbers>) {
        let (client, server) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, Connection::new(server, Instant(0)))
    }

    fn count(job: &mut Numbers, out: &mut Vec<u8>) -> Progress {
        match job.next() {
            Some(number) => {
                out.extend_from_slice(format!("{number}\n").as_bytes());
                Progress::More
            }
            None => Progress::Done,
        }
    }

    fn ready(connection: &mut Connection<UnixStream, Numbers>) -> Step {
        connection.ready(Instant(0), &mut count)
    }

    #[test]
    fn a_request_may_come_in_pieces() {
        let (mut client, mut connection) = pair();
        let code = 21_i32.to_ne_bytes();
        assert_eq!(ready(&mut connection), Step::Idle);
        for byte in &code[..3] {
            client.write_all(&[*byte]).unwrap();
            assert_eq!(ready(&mut connection), Step::Idle);
            assert!(!connection.is_waiting());
        }
        client.write_all(&code[3..]).unwrap();
        let expected = super::super::protocol::Topic::Flows;
        assert_eq!(
            ready(&mut connection),
            Step::Request(Request::Stats(expected))
        );
        assert!(connection.is_waiting());
        assert_eq!(connection.deadline(), None);
    }

    fn check_refused(bytes: &[u8], expected: Closed) {
        let (mut client, mut connection) = pair();
        client.write_all(bytes).unwrap();
        drop(client);
        assert_eq!(ready(&mut connection), Step::Closed(expected), "{bytes:?}");
    }

    #[test]
    fn short_and_unknown_requests_are_refused() {
        check_refused(b"", Closed::NoRequest);
        check_refused(b"\x15", Closed::NoRequest);
        check_refused(b"\x15\0\0", Closed::NoRequest);
        check_refused(&27_i32.to_ne_bytes(), Closed::Unknown(27));
        check_refused(b"\xff\xff\xff\xffjunk", Closed::Unknown(-1));
    }

    #[test]
    fn a_reply_is_produced_piece_by_piece() {
        let (mut client, mut connection) = pair();
        connection.reply(b"head\n".to_vec(), Some(0..2), Instant(0));
        let steps: Vec<_> = (0..4).map(|_| ready(&mut connection)).collect();
        assert_eq!(
            steps,
            [
                Step::Idle,
                Step::Idle,
                Step::Idle,
                Step::Closed(Closed::Answered)
            ]
        );
        drop(connection);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "head\n0\n1\n");
    }

    #[test]
    fn a_reply_without_a_job_is_over_when_it_is_written() {
        let (mut client, mut connection) = pair();
        connection.reply(b"text".to_vec(), None, Instant(0));
        assert_eq!(ready(&mut connection), Step::Closed(Closed::Answered));
        connection.reply(Vec::new(), None, Instant(0));
        assert_eq!(ready(&mut connection), Step::Closed(Closed::Answered));
        drop(connection);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }

    #[test]
    fn a_client_that_does_not_read_stops_the_producer() {
        let (client, mut connection) = pair();
        let produced = std::cell::Cell::new(0);
        let mut endless = |_: &mut Numbers, out: &mut Vec<u8>| {
            produced.set(produced.get() + 1);
            out.resize(CHUNK_LEN, b'x');
            Progress::More
        };
        connection.reply(Vec::new(), Some(0..1), Instant(0));
        for _ in 0..1000 {
            assert_eq!(connection.ready(Instant(5), &mut endless), Step::Idle);
        }
        assert!(produced.get() < 100, "{produced:?} pieces for nobody");
        assert_eq!(connection.deadline(), Some(Instant(5) + STALL_TIME_MAX));
        // It goes on where it stopped once there is room.
        let mut piece = vec![0; CHUNK_LEN];
        let mut client = client;
        client.read_exact(&mut piece).unwrap();
        assert_eq!(connection.ready(Instant(9), &mut endless), Step::Idle);
        assert_eq!(connection.deadline(), Some(Instant(9) + STALL_TIME_MAX));
    }

    #[test]
    fn a_client_that_goes_away_ends_its_reply() {
        let (client, mut connection) = pair();
        drop(client);
        connection.reply(b"text".to_vec(), Some(0..1), Instant(0));
        assert_eq!(ready(&mut connection), Step::Closed(Closed::Gone));
    }
}
