//! The daemon's end of the control socket.
//!
//! Accepts clients, hands their requests to the daemon and writes the replies, all without
//! blocking and inside the daemon's own poller. Limits: so many clients at a time, a time for each
//! to send its request and to read its reply, and one piece of one reply per wake-up. While there
//! is no place, further clients wait in the kernel's backlog, and whoever has kept us waiting for
//! more than a second loses its place: clients that hang must not hold up one that does not.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ctsync::{ClientId, Instant};
use linux::Result;
use linux::poller::{Interest, Poller};
use linux::unix::Listener;

use super::connection::{Closed, Connection, Progress, Step};
use super::protocol::Request;

/// Clients served at a time.
const CLIENTS_MAX: usize = 100;

/// How long a client may keep us waiting while others want its place, and how long we wait before
/// we try again to accept.
const CROWD_PATIENCE: Duration = Duration::from_secs(1);

/// What has gone wrong with clients so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clients that sent no request, or not a whole one.
    pub read_failed: u64,
    /// Numbers that stand for no request.
    pub unknown_request: u64,
    /// Clients that took too long.
    pub too_slow: u64,
    /// Connections that could not be accepted.
    pub accept_failed: u64,
}

/// The control socket and its clients. Replies are produced by jobs of type `J`.
#[derive(Debug)]
pub struct Server<J> {
    listener: Listener,
    /// When the poller is to wait for new clients again: not while there are too many.
    paused_until: Option<Instant>,
    clients: BTreeMap<u64, Connection<UnixStream, J>>,
    next: u64,
    first_token: u64,
    counters: Counters,
}

impl<J> Server<J> {
    /// Binds the socket. Tokens of the poller from `first_token` on belong to the server.
    pub fn bind(path: &Path, poller: &mut Poller, first_token: u64) -> Result<Self> {
        let listener = Listener::bind(path)?;
        poller.add(&listener, first_token, Interest::Read)?;
        Ok(Self {
            listener,
            paused_until: None,
            clients: BTreeMap::new(),
            next: 0,
            first_token,
            counters: Counters::default(),
        })
    }

    /// Handles a wake-up of one of the server's tokens, and returns the request that is complete
    /// with it. The client waits until [`reply`](Self::reply) or [`close`](Self::close).
    ///
    /// `produce` appends the next piece of a reply to the buffer, up to about
    /// [`CHUNK_LEN`](super::connection::CHUNK_LEN).
    pub fn ready(
        &mut self,
        token: u64,
        now: Instant,
        poller: &mut Poller,
        mut produce: impl FnMut(&mut J, &mut Vec<u8>) -> Progress,
    ) -> Option<(ClientId, Request)> {
        let Some(id) = token.checked_sub(self.first_token + 1) else {
            self.accept(now, poller);
            return None;
        };
        // A wake-up may have been collected before its client was closed.
        let client = self.clients.get_mut(&id)?;
        match client.ready(now, &mut produce) {
            Step::Idle => None,
            Step::Request(request) => {
                // Whatever else it sends is not read; leaving it in the poller would spin.
                if poller.remove(client.stream()).is_err() {
                    self.drop_client(id, poller);
                    return None;
                }
                Some((ClientId(id), request))
            }
            Step::Closed(reason) => {
                self.count(reason);
                self.drop_client(id, poller);
                None
            }
        }
    }

    /// Begins the reply of a waiting client: `text`, then what `job` produces. Does nothing for a
    /// client that is gone.
    pub fn reply(
        &mut self,
        client: ClientId,
        text: Vec<u8>,
        job: Option<J>,
        now: Instant,
        poller: &mut Poller,
    ) {
        self.answer(client, poller, |connection| {
            connection.reply(text, job, now);
        });
    }

    fn answer(
        &mut self,
        client: ClientId,
        poller: &mut Poller,
        begin: impl FnOnce(&mut Connection<UnixStream, J>),
    ) {
        let token = self.token(client);
        let Some(connection) = self.clients.get_mut(&client.0) else {
            return;
        };
        if !connection.is_waiting() {
            return;
        }
        begin(connection);
        let added = poller.add(connection.stream(), token, Interest::Write);
        if added.is_err() {
            self.drop_client(client.0, poller);
        }
    }

    /// Ends the connection of a waiting client whose request was not done, for this reason.
    pub fn refuse(&mut self, client: ClientId, reason: &str, now: Instant, poller: &mut Poller) {
        self.answer(client, poller, |connection| {
            connection.refuse(reason, now);
        });
    }

    /// Tells a waiting client that its request is done; its connection ends with the daemon.
    pub fn announce(&mut self, client: ClientId) {
        if let Some(connection) = self.clients.get_mut(&client.0) {
            connection.announce();
        }
    }

    /// Ends a connection without a (further) reply.
    pub fn close(&mut self, client: ClientId, poller: &mut Poller) {
        self.drop_client(client.0, poller);
    }

    /// When [`expire`](Self::expire) is to be called at the latest.
    pub fn timeout(&self) -> Option<Instant> {
        let deadlines = self.clients.values().filter_map(Connection::deadline);
        deadlines.chain(self.paused_until).min()
    }

    /// Gives up clients that took too long.
    pub fn expire(&mut self, now: Instant, poller: &mut Poller) {
        let is_crowded = self.paused_until.is_some_and(|until| until <= now);
        if is_crowded {
            self.paused_until = Some(now + CROWD_PATIENCE);
            self.resume(poller);
        }
        let late = |client: &Connection<_, _>| {
            let idle = |since: Instant| is_crowded && since + CROWD_PATIENCE <= now;
            client.deadline().is_some_and(|end| end <= now) || client.idle_since().is_some_and(idle)
        };
        let ids: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| late(client))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.count(Closed::TooSlow);
            self.drop_client(id, poller);
        }
    }

    /// Whether a token of the poller belongs to the server.
    pub const fn owns(&self, token: u64) -> bool {
        token >= self.first_token
    }

    /// What has gone wrong with clients so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn token(&self, client: ClientId) -> u64 {
        self.first_token + 1 + client.0
    }

    fn accept(&mut self, now: Instant, poller: &mut Poller) {
        while self.clients.len() < CLIENTS_MAX {
            let stream = match self.listener.accept() {
                Ok(Some(stream)) => stream,
                Ok(None) => return,
                Err(_) => {
                    // Out of descriptors, most likely: the client goes on waiting.
                    self.counters.accept_failed += 1;
                    break;
                }
            };
            let id = self.next;
            self.next += 1;
            let token = self.token(ClientId(id));
            if poller.add(&stream, token, Interest::Read).is_ok() {
                self.clients.insert(id, Connection::new(stream, now));
            } else {
                self.counters.accept_failed += 1;
            }
        }
        // Not to be woken again and again for clients there is no place for.
        if poller.remove(&self.listener).is_ok() {
            self.paused_until = Some(now + CROWD_PATIENCE);
        }
    }

    /// Waits for new clients again.
    fn resume(&mut self, poller: &mut Poller) {
        let added = poller.add(&self.listener, self.first_token, Interest::Read);
        if added.is_ok() {
            self.paused_until = None;
        }
    }

    fn drop_client(&mut self, id: u64, poller: &mut Poller) {
        // Closing the stream takes it out of the poller.
        self.clients.remove(&id);
        if self.paused_until.is_some() {
            self.resume(poller);
        }
    }

    fn count(&mut self, reason: Closed) {
        match reason {
            Closed::Answered | Closed::Gone => {}
            Closed::NoRequest => self.counters.read_failed += 1,
            Closed::Unknown(_) => self.counters.unknown_request += 1,
            Closed::TooSlow => self.counters.too_slow += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::CHUNK_LEN;
    use super::super::protocol::Topic;
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::time::Duration;

    const FIRST_TOKEN: u64 = 1000;

    /// A server whose replies to dumps are endless and to others the request's name.
    struct World {
        server: Server<()>,
        poller: Poller,
        path: std::path::PathBuf,
        now: Instant,
        produced: usize,
    }

    impl World {
        fn new(name: &str) -> Self {
            let file = format!("conntrackd-test-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(file);
            let mut poller = Poller::new().unwrap();
            Self {
                server: Server::bind(&path, &mut poller, FIRST_TOKEN).unwrap(),
                poller,
                path,
                now: Instant(0),
                produced: 0,
            }
        }

        /// Serves until nothing is ready.
        fn serve(&mut self) {
            for _ in 0..10_000 {
                let wakeups: Vec<_> = self.poller.wait(Some(Duration::ZERO)).unwrap().collect();
                if wakeups.is_empty() {
                    return;
                }
                for wakeup in wakeups {
                    self.wake(wakeup.token);
                }
            }
            panic!("the server never comes to rest");
        }

        fn wake(&mut self, token: u64) {
            assert!(self.server.owns(token));
            let produced = &mut self.produced;
            let request = self
                .server
                .ready(token, self.now, &mut self.poller, |(), out| {
                    *produced += 1;
                    out.resize(CHUNK_LEN, b'.');
                    Progress::More
                });
            match request {
                Some((client, Request::Dump(..))) => {
                    let (now, poller) = (self.now, &mut self.poller);
                    self.server.reply(client, Vec::new(), Some(()), now, poller);
                }
                Some((_, Request::Commit(_))) | None => {}
                Some((client, request)) => {
                    let text = format!("{request:?}").into_bytes();
                    let (now, poller) = (self.now, &mut self.poller);
                    self.server.reply(client, text, None, now, poller);
                }
            }
        }

        fn client(&mut self, code: i32) -> UnixStream {
            let mut client = linux::unix::connect(&self.path).unwrap();
            client.write_all(&code.to_ne_bytes()).unwrap();
            self.serve();
            client
        }
    }

    fn read(mut client: UnixStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_request_is_answered_and_the_connection_closed() {
        let mut world = World::new("answer");
        let client = world.client(21);
        assert_eq!(read(client), format!("{:?}", Request::Stats(Topic::Flows)));
        assert!(world.server.clients.is_empty());
    }

    #[test]
    fn a_client_that_never_reads_is_given_up_and_others_are_served() {
        let mut world = World::new("stall");
        let greedy = world.client(16);
        let pieces = world.produced;
        assert!(pieces < 100, "{pieces} pieces for nobody");
        let other = world.client(30);
        assert_eq!(read(other), format!("{:?}", Request::Stats(Topic::Runtime)));
        assert_eq!(world.produced, pieces);
        let deadline = world.server.timeout().unwrap();
        world.server.expire(deadline, &mut world.poller);
        assert!(world.server.clients.is_empty());
        assert_eq!(world.server.counters().too_slow, 1);
        drop(greedy);
    }

    #[test]
    fn a_client_that_sends_nothing_is_given_up() {
        let mut world = World::new("silent");
        let mut silent = linux::unix::connect(&world.path).unwrap();
        world.serve();
        let deadline = world.server.timeout().unwrap();
        let before = Instant(deadline.0 - 1);
        world.server.expire(before, &mut world.poller);
        assert_eq!(world.server.clients.len(), 1);
        world.server.expire(deadline, &mut world.poller);
        assert!(world.server.clients.is_empty());
        assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn garbage_is_counted_and_gets_no_answer() {
        let mut world = World::new("garbage");
        let client = world.client(0x1234_5678);
        assert_eq!(read(client), "");
        assert_eq!(world.server.counters().unknown_request, 1);
        let mut short = linux::unix::connect(&world.path).unwrap();
        short.write_all(b"ab").unwrap();
        drop(short);
        world.serve();
        assert_eq!(world.server.counters().read_failed, 1);
        assert!(world.server.clients.is_empty());
    }

    #[test]
    fn a_client_that_waits_and_sends_more_does_not_spin() {
        let mut world = World::new("waiting");
        let mut client = world.client(18);
        client.write_all(b"more").unwrap();
        world.serve();
        assert_eq!(world.server.timeout(), None);
        let (now, poller) = (world.now, &mut world.poller);
        world
            .server
            .reply(ClientId(0), Vec::new(), None, now, poller);
        world.serve();
        // Closing with unread bytes is a reset on a UNIX socket.
        let error = client.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(error, Ok(0) | Err(ErrorKind::ConnectionReset)));
        assert!(world.server.clients.is_empty());
    }

    #[test]
    fn clients_beyond_the_limit_wait_for_a_place() {
        let mut world = World::new("crowd");
        let connect = |world: &World| linux::unix::connect(&world.path).unwrap();
        let mut crowd: Vec<_> = (0..CLIENTS_MAX).map(|_| connect(&world)).collect();
        world.serve();
        assert_eq!(world.server.clients.len(), CLIENTS_MAX);
        let late = world.client(21);
        assert_eq!(world.server.clients.len(), CLIENTS_MAX);
        drop(crowd.pop());
        world.serve();
        assert!(read(late).contains("Flows"));
    }

    /// Silent clients, and such that do not read, held up everybody else for half a minute.
    #[test]
    fn who_hangs_loses_its_place_to_who_waits() {
        let mut world = World::new("hang");
        let connect = |world: &World| linux::unix::connect(&world.path).unwrap();
        let crowd: Vec<_> = (0..CLIENTS_MAX).map(|_| connect(&world)).collect();
        world.serve();
        let late = world.client(21);
        assert_eq!(world.server.clients.len(), CLIENTS_MAX);
        let due = world.server.timeout().unwrap();
        assert_eq!(due, world.now + CROWD_PATIENCE);
        world.now = due;
        world.server.expire(due, &mut world.poller);
        world.serve();
        assert!(read(late).contains("Flows"));
        assert_eq!(world.server.counters().too_slow, 100);
        drop(crowd);
    }

    #[test]
    fn replies_to_clients_that_are_gone_are_ignored() {
        let mut world = World::new("gone");
        drop(world.client(18));
        let (now, poller) = (world.now, &mut world.poller);
        world.server.close(ClientId(0), poller);
        world.server.reply(ClientId(0), vec![1], None, now, poller);
        world.server.reply(ClientId(77), vec![1], None, now, poller);
        world.wake(FIRST_TOKEN + 1);
        assert!(world.server.clients.is_empty());
    }
}
