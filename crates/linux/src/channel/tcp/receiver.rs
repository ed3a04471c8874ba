//! The end that listens: one connection of the peer at a time.
//!
//! Only the configured peer and whoever else was named is served; others are turned away at once. A second connection of the
//! peer means that it has given up the first one, and takes its place as soon as that has been
//! read to its end.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::read;
use rustix::net::{
    SocketFlags, SocketType, acceptfrom_with, bind, getsockname, ipproto, listen, sockopt,
};

use crate::channel::Traffic;
use crate::channel::cutter::Cutter;
use crate::channel::socket;
use crate::channel::tcp::{Config, set_options};
use crate::error::{Context, Errno, Result};
use crate::poller::{Interest, Poller};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4;

/// Connections accepted or turned away in one turn.
const ACCEPTS_PER_TURN: usize = 16;

/// Tokens of the inner poller, which nobody reads.
const ANY: u64 = 0;

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// One or more whole messages.
    Messages(&'a [u8]),
    /// The peer has connected.
    Connected(SocketAddr),
    /// The connection has ended, by an error unless the peer has closed it.
    Closed(Option<Errno>),
    /// The peer sent what cannot be messages; its connection was closed.
    OutOfStep,
    /// Somebody else has connected and was turned away.
    Stranger(SocketAddr),
    /// There is no room for a connection now; see [`Receiver::listen_again`].
    NotAccepted(Errno),
}

/// The receiving half.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    listener: OwnedFd,
    connection: Option<Connection>,
    /// Nobody waits for connections, since none can be accepted.
    rests: bool,
    /// Waits for both of them, so that the outside sees one descriptor.
    poller: Poller,
    traffic: Traffic,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    cutter: Cutter,
}

/// What one look at the connection found.
enum Look {
    /// So many bytes.
    Read(usize),
    /// Nothing now.
    Nothing,
    /// It has ended.
    End,
}

impl Receiver {
    /// Listens.
    pub fn open(config: &Config) -> Result<Self> {
        let address = config.address(config.local, config.port);
        let listener = socket::open(&address, SocketType::STREAM, ipproto::TCP)?;
        sockopt::set_socket_reuseaddr(&listener, true).during("share address of TCP socket")?;
        // Accepted connections inherit it.
        if let Some(bytes) = config.buffers.receive {
            socket::set_receive_buffer(&listener, bytes)?;
        }
        bind(&listener, &address)
            .and_then(|()| listen(&listener, BACKLOG))
            .during("listen on")
            .map_err(|error| error.on(address))?;
        let mut poller = Poller::new()?;
        poller.add(&listener, ANY, Interest::Read)?;
        Ok(Self {
            config: config.clone(),
            listener,
            connection: None,
            rests: false,
            poller,
            traffic: Traffic::default(),
        })
    }

    /// Hands what has come to `sink`, about `bytes_max` bytes at most; whether there may be more.
    pub fn drain(&mut self, bytes_max: usize, mut sink: impl FnMut(Incoming<'_>)) -> bool {
        let mut left = bytes_max.max(1);
        while self.connection.is_some() {
            match self.read(&mut sink) {
                Look::Read(count) if count >= left => return true,
                Look::Read(count) => left -= count,
                Look::Nothing | Look::End => break,
            }
        }
        self.accept(&mut sink)
    }

    /// Waits for connections again, a while after one was [not accepted](Incoming::NotAccepted):
    /// it would wake us again and again until then.
    pub fn listen_again(&mut self) {
        if self.rests {
            self.rests = self
                .poller
                .add(&self.listener, ANY, Interest::Read)
                .is_err();
        }
    }

    /// Whether the peer is connected.
    pub const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The address it listens on.
    pub fn local_address(&self) -> Result<SocketAddr> {
        let name = getsockname(&self.listener).during("read name of TCP socket")?;
        SocketAddr::try_from(name).during("read name of TCP socket")
    }

    /// What has been received.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// One read of the connection, which is closed when it has ended or makes no sense.
    fn read(&mut self, sink: &mut impl FnMut(Incoming<'_>)) -> Look {
        let Some(connection) = &mut self.connection else {
            return Look::End;
        };
        let ended = match read(&connection.socket, connection.cutter.room()) {
            Ok(0) => Incoming::Closed(None),
            Ok(count) => {
                self.traffic.count(count);
                let filled = connection.cutter.filled(count, |messages| {
                    sink(Incoming::Messages(messages));
                });
                match filled {
                    Ok(()) => return Look::Read(count),
                    Err(_) => Incoming::OutOfStep,
                }
            }
            Err(Errno::AGAIN) => return Look::Nothing,
            Err(Errno::INTR) => return Look::Read(0),
            Err(errno) => Incoming::Closed(Some(errno)),
        };
        // A message that was cut off counts as an error, and is not glued to what comes next.
        if ended != Incoming::Closed(None) || connection.cutter.rest_len() > 0 {
            self.traffic.errors += 1;
        }
        self.connection = None;
        sink(ended);
        Look::End
    }

    /// Takes the connections that wait; whether there may be more of them.
    fn accept(&mut self, sink: &mut impl FnMut(Incoming<'_>)) -> bool {
        if self.rests {
            return false;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let (socket, name) = match acceptfrom_with(&self.listener, flags) {
                Ok((socket, name)) => (socket, name),
                Err(Errno::AGAIN) => return false,
                // Out of descriptors or of memory: the connection goes on waiting.
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.traffic.errors += 1;
                    self.rests = self.poller.remove(&self.listener).is_ok();
                    sink(Incoming::NotAccepted(errno));
                    return false;
                }
                // One that has gone before it was accepted, or the like.
                Err(_) => {
                    self.traffic.errors += 1;
                    continue;
                }
            };
            let from = name.and_then(|name| SocketAddr::try_from(name).ok());
            match from {
                Some(from) if self.config.may_connect(from.ip()) => self.serve(socket, from, sink),
                Some(from) => {
                    self.traffic.errors += 1;
                    sink(Incoming::Stranger(from));
                }
                None => self.traffic.errors += 1,
            }
        }
        true
    }

    /// Serves this connection from now on.
    fn serve(&mut self, socket: OwnedFd, from: SocketAddr, sink: &mut impl FnMut(Incoming<'_>)) {
        let ready = set_options(&socket).and_then(|()| {
            self.poller
                .add(&socket, ANY, Interest::Read)
                .map_err(|e| e.errno)
        });
        if let Err(errno) = ready {
            self.traffic.errors += 1;
            return sink(Incoming::Closed(Some(errno)));
        }
        if self.connection.take().is_some() {
            sink(Incoming::Closed(None));
        }
        self.connection = Some(Connection {
            socket,
            cutter: Cutter::new(),
        });
        sink(Incoming::Connected(from));
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}
