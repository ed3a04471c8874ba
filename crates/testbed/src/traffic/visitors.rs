//! Clients that come and go: each opens a connection, talks a little, and leaves.
//!
//! Several are there at any moment, each in another part of its visit, so that whatever happens
//! to the network happens to connections of every age. A visit is lost when its connection ends
//! with an error or falls silent; being slow is not being lost.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Namespace;

/// Questions per visit, and the pause before each.
const QUESTIONS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(25);
/// A visitor that hears nothing for so long gives up. TCP doubles its pauses: after an outage the
/// silence lasts up to twice as long.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Visits that are remembered.
const VISITS_MAX: usize = 100_000;

/// A crowd of visitors; it leaves when dropped.
#[derive(Debug)]
pub struct Visitors {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    visits: Mutex<Vec<Visit>>,
}

/// A visit that is over.
#[derive(Clone, Debug)]
pub struct Visit {
    /// When it began to connect.
    pub began: Instant,
    /// When it was connected.
    pub connected: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// Why it is lost.
    pub lost: Option<String>,
}

impl Visitors {
    /// Lets `count` visitors come to an echo server, again and again.
    pub fn start(namespace: &Namespace, server: SocketAddr, count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let visitor = |_| {
            let (shared, name) = (shared.clone(), namespace.name().to_owned());
            thread::spawn(move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    let visit = visit(&name, server);
                    shared.note(visit);
                }
            })
        };
        let threads = (0..count).map(visitor).collect();
        Self { shared, threads }
    }

    /// The visits that are over.
    pub fn visits(&self) -> Vec<Visit> {
        self.shared.visits().clone()
    }

    /// Those of them that were lost.
    pub fn lost(&self) -> Vec<Visit> {
        let visits = self.shared.visits();
        let lost = visits.iter().filter(|visit| visit.lost.is_some());
        lost.cloned().collect()
    }

    /// How many came since then and were not lost.
    pub fn done_since(&self, instant: Instant) -> usize {
        let is_done = |visit: &&Visit| visit.began >= instant && visit.lost.is_none();
        self.shared.visits().iter().filter(is_done).count()
    }

    /// Lets nobody else come, waits for those that are there, and returns all visits.
    pub fn finish(mut self) -> Vec<Visit> {
        self.leave();
        self.visits()
    }

    fn leave(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Shared {
    fn visits(&self) -> MutexGuard<'_, Vec<Visit>> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a visit; the first ones count when there are too many.
    fn note(&self, visit: Visit) {
        let mut visits = self.visits();
        if visits.len() < VISITS_MAX {
            visits.push(visit);
        }
    }
}

fn visit(namespace: &str, server: SocketAddr) -> Visit {
    let began = Instant::now();
    let connect = || TcpStream::connect_timeout(&server, SILENCE_MAX);
    let (connected, talked) = match crate::namespace::enter(namespace, connect) {
        Ok(Ok(stream)) => (Some(Instant::now()), talk(stream)),
        Ok(Err(error)) => (None, Err(error)),
        Err(error) => (None, Err(io::Error::other(error.to_string()))),
    };
    Visit {
        began,
        connected,
        ended: Instant::now(),
        lost: talked.err().map(|error| error.to_string()),
    }
}

fn talk(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    for question in 0..QUESTIONS {
        thread::sleep(PAUSE);
        let question = question.to_be_bytes();
        stream.write_all(&question)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        if answer != question {
            return Err(io::Error::other("the echo is another number than was sent"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EchoServer, PATIENCE, wait_until};

    #[test]
    fn visitors_come_and_go_and_lost_ones_are_told() {
        let host = Namespace::new("visited").unwrap();
        let address: SocketAddr = ([127, 0, 0, 1], 7).into();
        let server = EchoServer::start(&host, address).unwrap();
        let visitors = Visitors::start(&host, address, 3);
        wait_until("visits", PATIENCE, || visitors.visits().len() > 3).unwrap();
        assert!(visitors.lost().is_empty(), "{:?}", visitors.lost());
        drop(server);
        wait_until("refused visits", PATIENCE, || !visitors.lost().is_empty()).unwrap();
        assert!(
            visitors
                .finish()
                .iter()
                .any(|visit| visit.connected.is_none())
        );
    }
}
