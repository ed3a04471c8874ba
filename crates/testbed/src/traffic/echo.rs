//! A server that sends everything back, over TCP and UDP on one port.
//!
//! One thread polls all connections. It speaks with our own clients only, whose messages are
//! small; a connection whose echo does not fit the send buffer is closed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Resource, Rlimit};

use crate::{Error, Namespace, Result};

/// How long the server may take to notice that it shall stop.
const STOP_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// A running echo server; it ends when dropped, and closes its connections.
#[derive(Debug)]
pub struct EchoServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Server {
    listener: TcpListener,
    datagrams: UdpSocket,
    connections: Vec<TcpStream>,
}

impl EchoServer {
    /// Listens on `address` in the namespace.
    pub fn start(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        allow_many_files()?;
        let server = namespace
            .enter(|| Server::bind(address))?
            .map_err(Error::io(format!("echo server on {address}")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || server.run(&stopped));
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic there was printed there.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Server {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // More connections than the backlog may come in one go.
        rustix::net::listen(&listener, 4096)?;
        listener.set_nonblocking(true)?;
        let datagrams = UdpSocket::bind(address)?;
        datagrams.set_nonblocking(true)?;
        Ok(Self {
            listener,
            datagrams,
            connections: vec![],
        })
    }

    fn run(mut self, stopped: &AtomicBool) {
        while !stopped.load(Ordering::Relaxed) {
            let ready = self.wait();
            self.echo_datagrams();
            let mut ready = ready.into_iter();
            self.connections.retain_mut(|stream| match ready.next() {
                Some(true) => echo(stream).is_ok(),
                _ => true,
            });
            self.accept();
        }
    }

    /// Which of the connections have something to say.
    fn wait(&self) -> Vec<bool> {
        let mut fds = vec![
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.datagrams, PollFlags::IN),
        ];
        fds.extend(
            self.connections
                .iter()
                .map(|stream| PollFd::new(stream, PollFlags::IN)),
        );
        match rustix::event::poll(&mut fds, Some(&STOP_INTERVAL)) {
            Ok(1..) => fds
                .iter()
                .skip(2)
                .map(|fd| !fd.revents().is_empty())
                .collect(),
            _ => vec![],
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream
                .set_nonblocking(true)
                .and_then(|()| stream.set_nodelay(true))
                .is_ok()
            {
                self.connections.push(stream);
            }
        }
    }

    fn echo_datagrams(&self) {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.datagrams.recv_from(&mut buffer) {
            // A lost datagram is UDP's to lose.
            let _ = self
                .datagrams
                .send_to(buffer.get(..length).unwrap_or_default(), from);
        }
    }
}

fn echo(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => stream.write_all(buffer.get(..length).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Raises this program's limit of open files as far as it may.
pub(super) fn allow_many_files() -> Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)
        .map_err(Error::errno("raising the limit of open files"))
}
