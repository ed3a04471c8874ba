//! A client that never stops talking, and so notices every interruption.
//!
//! It sends a number, waits for its echo and, after a pause, sends the next one. Over TCP the
//! time without an echo is what a user sees: the outage of the network, rounded up to the next
//! retransmission. Over UDP nothing is sent again, so it is the outage itself.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Error, Namespace, PATIENCE, Result};

/// Times of echoes that are remembered: at 100 per second more than ten minutes.
const ECHOES_MAX: usize = 100_000;
/// How long the talker may take to notice that it shall stop, and UDP's patience.
const MOMENT: Duration = Duration::from_millis(50);

/// A talking client; it ends when dropped.
#[derive(Debug)]
pub struct SteadyTalker {
    record: Arc<Record>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Record {
    stop: AtomicBool,
    story: Mutex<Story>,
}

#[derive(Debug, Default)]
struct Story {
    echoes: VecDeque<Instant>,
    end: Option<String>,
}

/// The longest time without an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How long.
    pub length: Duration,
    /// Whether an echo has ended it.
    pub is_over: bool,
}

impl SteadyTalker {
    /// Talks over a TCP connection.
    pub fn tcp(namespace: &Namespace, server: SocketAddr, pause: Duration) -> Result<Self> {
        let failed = || Error::io(format!("connecting to {server}"));
        let connect = || TcpStream::connect_timeout(&server, PATIENCE);
        let mut stream = namespace.enter(connect)?.map_err(failed())?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(MOMENT)))
            .map_err(failed())?;
        Ok(Self::start(pause, move |number, record| {
            tcp_round(&mut stream, number, record)
        }))
    }

    /// Talks over UDP.
    pub fn udp(namespace: &Namespace, server: SocketAddr, pause: Duration) -> Result<Self> {
        let failed = || Error::io(format!("a UDP socket towards {server}"));
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let connect = || UdpSocket::bind(any).and_then(|s| s.connect(server).map(|()| s));
        let socket = namespace.enter(connect)?.map_err(failed())?;
        socket.set_read_timeout(Some(MOMENT)).map_err(failed())?;
        Ok(Self::start(pause, move |number, _| {
            udp_round(&socket, number)
        }))
    }

    fn start(
        pause: Duration,
        mut round: impl FnMut(u64, &Record) -> io::Result<bool> + Send + 'static,
    ) -> Self {
        let record = Arc::new(Record::default());
        let shared = record.clone();
        let thread = thread::spawn(move || {
            for number in 0.. {
                if shared.stop.load(Ordering::Relaxed) {
                    return;
                }
                match round(number, &shared) {
                    Ok(true) => shared.story().echo(),
                    Ok(false) => {}
                    Err(error) => {
                        shared.story().end = Some(error.to_string());
                        return;
                    }
                }
                thread::sleep(pause);
            }
        });
        Self {
            record,
            thread: Some(thread),
        }
    }

    /// How many echoes came in this time.
    pub fn echoes(&self, time: Range<Instant>) -> usize {
        self.record
            .story()
            .echoes
            .iter()
            .filter(|at| time.contains(at))
            .count()
    }

    /// When the first echo came after this.
    pub fn first_echo_since(&self, instant: Instant) -> Option<Instant> {
        self.record
            .story()
            .echoes
            .iter()
            .find(|at| **at >= instant)
            .copied()
    }

    /// The longest time without an echo that was not over at `instant`; one that still lasts is
    /// as long as it lasts.
    pub fn stall_since(&self, instant: Instant) -> Stall {
        self.record.story().stall_since(instant, Instant::now())
    }

    /// Why the talker stopped talking, if the connection broke.
    pub fn end(&self) -> Option<String> {
        self.record.story().end.clone()
    }
}

impl Drop for SteadyTalker {
    fn drop(&mut self) {
        self.record.stop.store(true, Ordering::Relaxed);
        // A panic there was printed there.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Record {
    fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Story {
    fn echo(&mut self) {
        if self.echoes.len() == ECHOES_MAX {
            self.echoes.pop_front();
        }
        self.echoes.push_back(Instant::now());
    }

    fn stall_since(&self, instant: Instant, now: Instant) -> Stall {
        let mut longest = Stall {
            length: Duration::ZERO,
            is_over: true,
        };
        let (mut later, mut is_over) = (now, false);
        for echo in self.echoes.iter().rev() {
            let length = later.saturating_duration_since(*echo);
            if length > longest.length {
                longest = Stall { length, is_over };
            }
            (later, is_over) = (*echo, true);
            if later < instant {
                break;
            }
        }
        longest
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s", self.length.as_secs_f64())
    }
}

/// Sends a number and waits for it as long as it takes.
fn tcp_round(stream: &mut TcpStream, number: u64, record: &Record) -> io::Result<bool> {
    stream.write_all(&number.to_be_bytes())?;
    let mut echo = [0; 8];
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = echo.get_mut(filled..) {
        match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => filled += length,
            Err(error) if is_impatience(&error) && !record.stop.load(Ordering::Relaxed) => {}
            Err(error) => return Err(error),
        }
    }
    match u64::from_be_bytes(echo) == number {
        true => Ok(true),
        false => Err(io::Error::other("the echo is another number than was sent")),
    }
}

/// Sends a number and waits a moment; a number that does not come back is lost.
fn udp_round(socket: &UdpSocket, number: u64) -> io::Result<bool> {
    // What the network refuses now it may carry later.
    let _ = socket.send(&number.to_be_bytes());
    let mut echo = [0; 8];
    loop {
        match socket.recv(&mut echo) {
            Ok(8) if u64::from_be_bytes(echo) == number => return Ok(true),
            // The late echo of an earlier number.
            Ok(_) => {}
            Err(_) => return Ok(false),
        }
    }
}

fn is_impatience(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stall_is_the_longest_silence_that_reaches_into_the_time_asked_about() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let stall = |echoes: &[u64], since, now| {
            let echoes = echoes.iter().map(|seconds| at(*seconds)).collect();
            let stall = Story { echoes, end: None }.stall_since(at(since), at(now));
            (stall.length.as_secs(), stall.is_over)
        };
        // Silent from 2 to 7, asked about the time from 3 on.
        assert_eq!(stall(&[0, 1, 2, 7, 8], 3, 9), (5, true));
        // An earlier silence does not count.
        assert_eq!(stall(&[0, 5, 6, 7, 8], 7, 9), (1, false));
        // A silence that lasts is as long as it lasts.
        assert_eq!(stall(&[0, 1], 1, 9), (8, false));
    }
}
