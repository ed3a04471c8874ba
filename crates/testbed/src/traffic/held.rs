//! Connections that are opened and held, silent until somebody asks whether they still live.
//!
//! A connection is alive when what is sent on it comes back, nothing less: each one is asked with
//! a text of its own, and an echo of an earlier question does not count.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType};

use super::echo::allow_many_files;
use crate::{Error, Namespace, PATIENCE, Result, interrupted};

/// Between two looks at the clock and at Ctrl-C.
const SLICE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// How long a dead connection is listened to.
const MOMENT: Duration = Duration::from_secs(2);

/// Open connections to an echo server.
#[derive(Debug)]
pub struct HeldConnections {
    held: Vec<Held>,
    /// Makes the question of each check another one.
    checks: u32,
}

#[derive(Debug)]
struct Held {
    stream: TcpStream,
    question: Vec<u8>,
    answer: Vec<u8>,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Alive,
    Dead,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// Connections asked.
    pub total: usize,
    /// Those that answered, correctly and in time.
    pub alive: usize,
    /// Those that ended with an error, now or in an earlier check.
    pub broken: usize,
}

impl Survivors {
    /// Whether not one is missing.
    pub fn is_all(&self) -> bool {
        self.alive == self.total
    }
}

impl HeldConnections {
    /// Opens `count` connections to `server`, from inside the namespace.
    pub fn open(namespace: &Namespace, server: SocketAddr, count: usize) -> Result<Self> {
        let connect = |_| TcpStream::connect_timeout(&server, PATIENCE);
        Self::open_with(namespace, server, count, connect)
    }

    /// The same from many addresses of one client, in turn.
    pub fn open_from(
        namespace: &Namespace,
        sources: &[Ipv4Addr],
        server: SocketAddr,
        count: usize,
    ) -> Result<Self> {
        Self::open_with(namespace, server, count, |number| {
            let source = sources.get(number % sources.len().max(1));
            connect_from(*source.unwrap_or(&Ipv4Addr::UNSPECIFIED), server)
        })
    }

    fn open_with(
        namespace: &Namespace,
        server: SocketAddr,
        count: usize,
        connect: impl Fn(usize) -> io::Result<TcpStream> + Send + Sync,
    ) -> Result<Self> {
        allow_many_files()?;
        let hold = |number| -> io::Result<Held> {
            let stream = connect(number)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(Held {
                stream,
                question: vec![],
                answer: vec![],
                fate: Fate::Waiting,
            })
        };
        let held = namespace
            .enter(|| (0..count).map(hold).collect::<io::Result<Vec<_>>>())?
            .map_err(Error::io(format!(
                "opening {count} connections to {server}"
            )))?;
        Ok(Self { held, checks: 0 })
    }

    /// Sends data on every connection and waits until each has sent it back, or the time is over.
    pub fn check(&mut self, timeout: Duration) -> Result<Survivors> {
        self.ask();
        self.listen_while(timeout, |held| held.count(Fate::Waiting) > 0)
    }

    /// The same for connections of which only so many live: waits for their answers, and then a
    /// moment for those that must not come.
    pub fn check_for(&mut self, alive: usize, timeout: Duration) -> Result<Survivors> {
        self.ask();
        self.listen_while(timeout, |held| held.count(Fate::Alive) < alive)?;
        self.listen_while(MOMENT, |held| held.count(Fate::Waiting) > 0)
    }

    fn ask(&mut self) {
        self.checks += 1;
        for (number, held) in self.held.iter_mut().enumerate() {
            held.ask(format!("check {} of connection {number}\n", self.checks));
        }
    }

    fn listen_while(
        &mut self,
        timeout: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Result<Survivors> {
        let start = Instant::now();
        while condition(self) && start.elapsed() < timeout {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            self.listen();
        }
        let (alive, broken) = (self.count(Fate::Alive), self.count(Fate::Dead));
        Ok(Survivors {
            total: self.held.len(),
            alive,
            broken,
        })
    }

    fn count(&self, fate: Fate) -> usize {
        self.held.iter().filter(|held| held.fate == fate).count()
    }

    /// Reads what has arrived.
    fn listen(&mut self) {
        let (mut waiting, fds): (Vec<_>, Vec<_>) = self
            .held
            .iter_mut()
            .filter(|held| held.fate == Fate::Waiting)
            .map(
                |Held {
                     stream,
                     question,
                     answer,
                     fate,
                 }| {
                    let stream = &*stream;
                    (
                        (stream, question, answer, fate),
                        PollFd::new(stream, PollFlags::IN),
                    )
                },
            )
            .unzip();
        let mut fds = fds;
        if !matches!(rustix::event::poll(&mut fds, Some(&SLICE)), Ok(1..)) {
            return;
        }
        for ((stream, question, answer, fate), fd) in waiting.iter_mut().zip(&fds) {
            if !fd.revents().is_empty() {
                **fate = hear(stream, question, answer);
            }
        }
    }
}

impl Held {
    fn ask(&mut self, question: String) {
        // An answer that came after the end of the last check is not the answer to this one.
        let _ = hear(&self.stream, &[], &mut self.answer);
        self.answer.clear();
        self.question = question.into_bytes();
        let sent = self.fate != Fate::Dead && self.stream.write_all(&self.question).is_ok();
        self.fate = if sent { Fate::Waiting } else { Fate::Dead };
    }
}

/// Connects from an address of one's own; the library cannot.
fn connect_from(source: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::bind(&socket, &SocketAddr::from((source, 0)))?;
    rustix::net::connect(&socket, &server)?;
    set_socket_timeout(&socket, Timeout::Send, None)?;
    Ok(TcpStream::from(socket))
}

/// Reads more of the answer. A late answer to an earlier question may stand before it.
fn hear(mut stream: &TcpStream, question: &[u8], answer: &mut Vec<u8>) -> Fate {
    let mut buffer = [0; 256];
    match stream.read(&mut buffer) {
        Ok(0) => Fate::Dead,
        Ok(length) => {
            answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
            if answer.ends_with(question) {
                Fate::Alive
            } else {
                Fate::Waiting
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Fate::Waiting,
        Err(_) => Fate::Dead,
    }
}
