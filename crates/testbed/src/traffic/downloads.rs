//! Connections on which the server talks and the client listens.
//!
//! During a failover it is the server's packets that meet a firewall which does not know them:
//! they are addressed to the firewall itself. A connection that waits for its client would never
//! notice. Whatever ends a connection, at either end, is remembered.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::echo::allow_many_files;
use crate::{Error, Namespace, PATIENCE, Result};

/// Running downloads; they end when dropped.
#[derive(Debug)]
pub struct Downloads {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    state: Mutex<Vec<State>>,
}

/// What is known about one download.
#[derive(Clone, Copy, Debug)]
struct State {
    /// When the client heard last.
    heard: Instant,
    /// Why it ended, at the client or at the server.
    end: Option<io::ErrorKind>,
}

/// How downloads are doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub total: usize,
    /// Those on which something has arrived since the moment asked about.
    pub running: usize,
    /// Those that ended with a reset.
    pub reset: usize,
    /// Those that ended in any other way.
    pub ended: usize,
}

struct Download {
    client: TcpStream,
    server: TcpStream,
}

impl Downloads {
    /// Opens `count` connections from `client` to `address`, which is in `server`, and has the
    /// server say something on each of them between two pauses.
    pub fn start(
        client: &Namespace,
        server: &Namespace,
        address: SocketAddr,
        count: usize,
        pause: Duration,
    ) -> Result<Self> {
        allow_many_files()?;
        let failed = || Error::io(format!("{count} downloads from {address}"));
        let listener = server
            .enter(|| TcpListener::bind(address))?
            .map_err(failed())?;
        let downloads = client
            .enter(|| {
                let open = |_| Download::open(&listener);
                (0..count).map(open).collect::<io::Result<Vec<_>>>()
            })?
            .map_err(failed())?;
        let shared = Arc::new(Shared::default());
        let start = State {
            heard: Instant::now(),
            end: None,
        };
        *shared.state() = vec![start; count];
        let theirs = shared.clone();
        let thread = thread::spawn(move || run(downloads, &theirs, pause));
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// How they are doing, and on how many something has arrived since then.
    pub fn since(&self, instant: Instant) -> Tally {
        let state = self.shared.state();
        let count = |which: &dyn Fn(&State) -> bool| state.iter().filter(|s| which(s)).count();
        let reset = count(&|s| s.end == Some(io::ErrorKind::ConnectionReset));
        Tally {
            total: state.len(),
            running: count(&|s| s.end.is_none() && s.heard >= instant),
            reset,
            ended: count(&|s| s.end.is_some()) - reset,
        }
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // A panic there was printed there.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, Vec<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Download {
    fn open(listener: &TcpListener) -> io::Result<Self> {
        let client = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
        let (server, _) = listener.accept()?;
        for stream in [&client, &server] {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
        }
        Ok(Self { client, server })
    }

    /// The server speaks, the client listens; whether it heard something.
    fn step(&mut self) -> io::Result<bool> {
        match self.server.write(&[b'.'; 16]) {
            Ok(_) => {}
            // Nobody listens at the moment.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let mut buffer = [0; 4096];
        match self.client.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Tally {
    /// Whether not one is missing.
    pub fn is_all(&self) -> bool {
        self.running == self.total
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            total,
            running,
            reset,
            ended,
        } = self;
        write!(
            f,
            "{running} of {total} downloads run, {reset} were reset, {ended} ended otherwise"
        )
    }
}

fn run(mut downloads: Vec<Download>, shared: &Shared, pause: Duration) {
    while !shared.stop.load(Ordering::Relaxed) {
        for (number, download) in downloads.iter_mut().enumerate() {
            let outcome = download.step();
            if let Some(state) = shared.state().get_mut(number) {
                match outcome {
                    Ok(true) => state.heard = Instant::now(),
                    Ok(false) => {}
                    // The first error says why; what follows only says that it is over.
                    Err(error) => state.end = state.end.or(Some(error.kind())),
                }
            }
        }
        thread::sleep(pause);
    }
}
