//! The end that connects, with a short queue in front of it.
//!
//! There is one attempt to connect per second at most, whatever the reason why there is no
//! connection; an unreachable network is as good a reason as a peer that is away. Until then, and
//! while the socket is full, the sender is blocked, which its owner should tell whoever fills the
//! queue. A queue that is filled nevertheless drops its oldest buffer.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, SocketType, bind, connect, ipproto, recv, sendmsg,
};

use crate::channel::Traffic;
use crate::channel::socket;
use crate::channel::tcp::{Config, set_options};
use crate::error::{Errno, Result, SystemError};
use crate::poller::{Interest, Poller};
use crate::sys::option;

/// Time between two attempts to connect.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Age below which a connection was surely made to the peer that is there now.
const YOUNG: Duration = Duration::from_secs(4);

/// How long an attempt may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Buffers written per system call.
const WRITE_BATCH: usize = 32;

/// Token of the inner poller, which nobody reads.
const ANY: u64 = 0;

/// What has become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The peer has accepted it.
    Connected,
    /// It is lost, or could not be made.
    Lost(Errno),
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Whether nothing can be sent now: there is no connection, or its socket is full.
    pub blocked: bool,
    /// What has become of the connection since the last flush.
    pub change: Option<Change>,
}

/// Of a step; an error means that the connection is of no use.
type Outcome = std::result::Result<(), Errno>;

#[derive(Debug)]
enum State {
    /// No connection.
    Idle,
    /// One is being made since then.
    Connecting(OwnedFd, Duration),
    /// There is one.
    Connected(OwnedFd),
}

/// The sending half. Times are those of [`crate::clock::monotonic`].
#[derive(Debug)]
pub struct Sender {
    config: Config,
    state: State,
    retry_at: Duration,
    /// When the connection was made.
    connected_at: Duration,
    /// The socket was full when it was last written to.
    full: bool,
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the first buffer that are written already.
    written: usize,
    /// What was written whole, as far as the peer's kernel may not have it: goes back into the queue
    /// when the connection is lost. No more than what the socket's buffer holds.
    unacknowledged: VecDeque<Vec<u8>>,
    /// Its bytes.
    unacknowledged_len: usize,
    /// Waits for what the state waits for, so that the outside sees one descriptor.
    poller: Poller,
    traffic: Traffic,
    dropped: u64,
}

impl Sender {
    /// A sender without a connection yet; the first flush begins to make one.
    pub fn open(config: &Config) -> Result<Self> {
        if config.local.is_ipv4() != config.peer.is_ipv4() {
            let error =
                SystemError::new("connect from one address family to another", Errno::INVAL);
            return Err(error.on(config.peer));
        }
        Ok(Self {
            config: config.clone(),
            state: State::Idle,
            retry_at: Duration::ZERO,
            connected_at: Duration::ZERO,
            full: false,
            queue: VecDeque::new(),
            written: 0,
            unacknowledged: VecDeque::new(),
            unacknowledged_len: 0,
            poller: Poller::new()?,
            traffic: Traffic::default(),
            dropped: 0,
        })
    }

    /// Queues a buffer of whole messages. When the queue is full the oldest one that has not been
    /// begun is dropped.
    pub fn queue(&mut self, bytes: &[u8]) {
        if self.queue.len() >= self.config.queue_len_max.max(1) {
            let oldest = usize::from(self.written > 0);
            if self.queue.remove(oldest).is_some() {
                self.traffic.errors += 1;
                self.dropped += 1;
            }
        }
        self.queue.push_back(bytes.to_vec());
    }

    /// Does what can be done now: connects when it is time, notices that a connection is there or
    /// gone, and writes what is queued.
    pub fn flush(&mut self, now: Duration) -> Flushed {
        let mut change = None;
        if let Err(errno) = self.advance(now, &mut change) {
            change = Some(Change::Lost(errno));
            self.disconnect(now);
        }
        Flushed {
            blocked: self.is_blocked(),
            change,
        }
    }

    /// Looks whether the connection is still there: the peer sends nothing on it, so that there is
    /// something to read only when it ends.
    pub fn look(&mut self, now: Duration) -> Option<Change> {
        let State::Connected(socket) = &self.state else {
            return None;
        };
        let mut buffer = [0; 256];
        let errno = match recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return None,
            Err(errno) => errno,
            Ok((_, 0)) => Errno::PIPE,
            // Whoever it is, it is not a daemon.
            Ok(_) => Errno::PROTO,
        };
        self.disconnect(now);
        Some(Change::Lost(errno))
    }

    /// The peer has made a new connection to us, so that its end of ours may be gone: unless ours is
    /// young, it is given up and made again at once.
    ///
    /// A peer that has lost its power says nothing, and what is written to the old connection is
    /// lost. That the new one is young keeps two nodes from renewing for each other without end.
    pub fn renew(&mut self, now: Duration) {
        if matches!(self.state, State::Connected(_)) && now >= self.connected_at + YOUNG {
            self.close();
            self.retry_at = now;
        }
    }

    /// When [`Self::flush`] is due at the latest, even if nothing is queued.
    pub fn timeout(&self) -> Option<Duration> {
        match self.state {
            State::Idle => Some(self.retry_at),
            State::Connecting(_, since) => Some(since + CONNECT_TIME_MAX),
            State::Connected(_) => None,
        }
    }

    /// Whether nothing can be sent now.
    pub const fn is_blocked(&self) -> bool {
        self.full || !self.is_connected()
    }

    /// Whether the peer has accepted our connection.
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// Buffers that wait.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Buffers that were dropped.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What has been sent, and what was lost.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn advance(&mut self, now: Duration, change: &mut Option<Change>) -> Outcome {
        if matches!(self.state, State::Idle) && now >= self.retry_at {
            self.retry_at = now + RETRY_AFTER;
            self.connect(now)?;
        }
        if let State::Connecting(socket, since) = &self.state {
            // Asking again tells how the attempt goes.
            match connect(socket, &self.peer()) {
                Ok(()) | Err(Errno::ISCONN) => self.connected(now, change)?,
                Err(Errno::ALREADY | Errno::INPROGRESS | Errno::INTR) => {
                    if now >= *since + CONNECT_TIME_MAX {
                        return Err(Errno::TIMEDOUT);
                    }
                }
                Err(errno) => return Err(errno),
            }
        }
        self.write()?;
        self.forget_acknowledged();
        Ok(())
    }

    /// Begins to connect.
    fn connect(&mut self, now: Duration) -> Outcome {
        let (config, peer) = (&self.config, self.peer());
        let socket =
            socket::open(&peer, SocketType::STREAM, ipproto::TCP).map_err(|error| error.errno)?;
        if let Some(bytes) = config.buffers.send {
            socket::set_send_buffer(&socket, bytes).map_err(|error| error.errno)?;
        }
        set_options(&socket)?;
        // The peer knows us by our address.
        if !config.local.is_unspecified() {
            bind(&socket, &config.address(config.local, 0))?;
        }
        match connect(&socket, &peer) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        self.poller
            .add(&socket, ANY, Interest::Write)
            .map_err(|error| error.errno)?;
        self.state = State::Connecting(socket, now);
        Ok(())
    }

    fn connected(&mut self, now: Duration, change: &mut Option<Change>) -> Outcome {
        let State::Connecting(socket, _) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(());
        };
        self.poller
            .modify(&socket, ANY, Interest::Read)
            .map_err(|error| error.errno)?;
        self.state = State::Connected(socket);
        self.connected_at = now;
        *change = Some(Change::Connected);
        Ok(())
    }

    /// Writes as much of the queue as the socket takes.
    fn write(&mut self) -> Outcome {
        let State::Connected(socket) = &self.state else {
            return Ok(());
        };
        let mut full = false;
        // Each turn writes something, or ends the loop.
        while !self.queue.is_empty() {
            let mut parts = [IoSlice::new(&[]); WRITE_BATCH];
            let mut skip = self.written;
            for (part, buffer) in parts.iter_mut().zip(&self.queue) {
                *part = IoSlice::new(buffer.get(skip..).unwrap_or_default());
                skip = 0;
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags) {
                Ok(count) => {
                    self.written += count;
                    while self
                        .queue
                        .front()
                        .is_some_and(|it| it.len() <= self.written)
                    {
                        let Some(buffer) = self.queue.pop_front() else {
                            break;
                        };
                        self.written -= buffer.len();
                        self.traffic.count(buffer.len());
                        self.unacknowledged_len += buffer.len();
                        self.unacknowledged.push_back(buffer);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    full = true;
                    break;
                }
                Err(errno) => return Err(errno),
            }
        }
        if full != self.full {
            let interest = if full {
                Interest::ReadWrite
            } else {
                Interest::Read
            };
            self.poller
                .modify(socket, ANY, interest)
                .map_err(|error| error.errno)?;
            self.full = full;
        }
        Ok(())
    }

    /// Forgets what the peer's kernel has acknowledged.
    fn forget_acknowledged(&mut self) {
        let State::Connected(socket) = &self.state else {
            return;
        };
        if self.unacknowledged.is_empty() {
            return;
        }
        let Ok(waiting) = option::unacknowledged(socket.as_fd()) else {
            return;
        };
        // The last of them belong to the buffer that is written in part.
        let waiting = waiting.saturating_sub(self.written);
        while let Some(len) = self.unacknowledged.front().map(Vec::len) {
            if self.unacknowledged_len - len < waiting {
                break;
            }
            self.unacknowledged_len -= len;
            self.unacknowledged.pop_front();
        }
    }

    /// Ends the connection. What may not have arrived is sent again, a buffer that was begun as a
    /// whole; what arrives twice does no harm.
    fn close(&mut self) {
        self.forget_acknowledged();
        self.state = State::Idle;
        self.full = false;
        self.written = 0;
        self.unacknowledged_len = 0;
        while let Some(buffer) = self.unacknowledged.pop_back() {
            self.queue.push_front(buffer);
        }
    }

    /// Gives the connection up.
    fn disconnect(&mut self, now: Duration) {
        self.traffic.errors += 1;
        self.close();
        self.retry_at = self.retry_at.max(now);
    }

    fn peer(&self) -> SocketAddr {
        self.config.address(self.config.peer, self.config.port)
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Buffers;
    use crate::channel::tcp::{Incoming, Receiver};
    use crate::clock;
    use std::io::{Read, Write};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    fn config(ip: IpAddr, port: u16) -> Config {
        Config {
            local: ip,
            peer: ip,
            port,
            interface: 0,
            buffers: Buffers {
                send: Some(8 * 1024),
                receive: Some(8 * 1024),
            },
            accept_from: Vec::new(),
            queue_len_max: 128,
        }
    }

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A message with this number of 1,000 bytes.
    fn message(number: u8) -> Vec<u8> {
        let mut bytes = vec![number; 1_000];
        bytes[2..4].copy_from_slice(&1_000_u16.to_be_bytes());
        bytes
    }

    /// Flushes, waiting for what the sender waits for, until `done`.
    fn flush_until(sender: &mut Sender, mut done: impl FnMut(&mut Sender, Flushed) -> bool) {
        let mut poller = Poller::new().unwrap();
        poller.add(&*sender, 0, Interest::Read).unwrap();
        let deadline = clock::monotonic() + Duration::from_secs(300);
        loop {
            let now = clock::monotonic();
            assert!(now < deadline, "{sender:?}");
            let flushed = sender.flush(now);
            if done(sender, flushed) {
                return;
            }
            let due = sender.timeout().unwrap_or(deadline).saturating_sub(now);
            let patience = due.min(Duration::from_millis(20));
            poller.wait(Some(patience)).unwrap().for_each(drop);
            sender.look(clock::monotonic());
        }
    }

    /// Everything that arrives until `wanted` bytes are there, and what else happened.
    fn receive(receiver: &mut Receiver, sender: &mut Sender, wanted: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        flush_until(sender, |_, _| {
            receiver.drain(100_000, |incoming| {
                if let Incoming::Messages(messages) = incoming {
                    bytes.extend_from_slice(messages);
                }
            });
            bytes.len() >= wanted
        });
        bytes
    }

    #[track_caller]
    fn check_transfer(ip: IpAddr) {
        let mut config = config(ip, 0);
        let mut receiver = Receiver::open(&config).unwrap();
        config.port = receiver.local_address().unwrap().port();
        let mut sender = Sender::open(&config).unwrap();
        assert!(sender.is_blocked());
        let sent: Vec<_> = (0..100).flat_map(message).collect();
        sent.chunks(1_000).for_each(|it| sender.queue(it));
        let received = receive(&mut receiver, &mut sender, sent.len());
        assert_eq!(received, sent);
        assert!(sender.is_connected() && receiver.is_connected() && !sender.is_blocked());
        assert_eq!((sender.queued(), sender.dropped()), (0, 0));
        let traffic = sender.traffic();
        assert_eq!((traffic.packets, traffic.errors), (100, 0));
        assert_eq!(traffic.bytes, receiver.traffic().bytes);
    }

    #[test]
    fn messages_arrive_in_order() {
        check_transfer(LOCALHOST);
        check_transfer(Ipv6Addr::LOCALHOST.into());
    }

    #[test]
    fn a_peer_that_does_not_read_blocks_the_sender_only() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut sender = Sender::open(&config(LOCALHOST, port)).unwrap();
        flush_until(&mut sender, |sender, _| sender.is_connected());
        let (mut stream, _) = listener.accept().unwrap();
        // What the sockets take, then what the queue takes, then the oldest is dropped.
        let mut count = 0_u32;
        while sender.dropped() == 0 {
            sender.queue(&message(u8::try_from(count % 251).unwrap()));
            sender.flush(clock::monotonic());
            count += 1;
            assert!(count < 100_000);
        }
        assert!(sender.is_blocked());
        assert_eq!(sender.queued(), 128);
        // The stream stays one of whole messages.
        stream.set_nonblocking(true).unwrap();
        let mut bytes = Vec::new();
        flush_until(&mut sender, |sender, _| {
            let _ = stream.read_to_end(&mut bytes);
            sender.queued() == 0
        });
        let wanted = (usize::try_from(count).unwrap() - 1) * 1_000;
        flush_until(&mut sender, |_, _| {
            let _ = stream.read_to_end(&mut bytes);
            bytes.len() >= wanted
        });
        assert_eq!(bytes.len(), wanted);
        for message in bytes.chunks(1_000) {
            assert_eq!(message[2..4], [3, 232]);
            assert!(message[4..].iter().all(|byte| *byte == message[0]));
        }
    }

    #[test]
    fn a_lost_connection_is_made_again_and_goes_on_with_what_had_not_arrived() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Little room there and some here, so that something is on the way.
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4 * 1024).unwrap();
        let mut config = config(LOCALHOST, port);
        config.buffers.send = Some(64 * 1024);
        let mut sender = Sender::open(&config).unwrap();
        flush_until(&mut sender, |sender, _| sender.is_connected());
        let (stream, _) = listener.accept().unwrap();
        let mut count = 0;
        while sender.queued() < 100 {
            sender.queue(&message(u8::try_from(count % 251).unwrap()));
            sender.flush(clock::monotonic());
            count += 1;
        }
        assert!(sender.is_blocked());
        // What the other kernel has is the other program's to lose.
        let arrived = usize::try_from(rustix::io::ioctl_fionread(&stream).unwrap()).unwrap();
        let held = count - sender.queued() - arrived / 1_000;
        assert!(held > 1, "the socket held {held} of them");
        drop(stream);
        let mut was_lost = false;
        flush_until(&mut sender, |sender, flushed| {
            was_lost |= matches!(flushed.change, Some(Change::Lost(_)));
            was_lost && sender.is_connected()
        });
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let wanted: Vec<u8> = (arrived / 1_000..count)
            .flat_map(|number| message(u8::try_from(number % 251).unwrap()))
            .collect();
        // The acknowledgement of what arrived last may be missing: that comes twice.
        let mut bytes = Vec::new();
        flush_until(&mut sender, |_, _| {
            let _ = stream.read_to_end(&mut bytes);
            bytes.ends_with(&wanted)
        });
        assert_eq!(bytes.len() % 1_000, 0);
        assert!(bytes.len() < count * 1_000);
        assert!(sender.traffic().errors > 0 && sender.dropped() == 0);
    }

    #[test]
    fn an_old_connection_is_renewed_and_a_young_one_is_not() {
        let mut config = config(LOCALHOST, 0);
        let mut receiver = Receiver::open(&config).unwrap();
        config.port = receiver.local_address().unwrap().port();
        let mut sender = Sender::open(&config).unwrap();
        sender.queue(&message(1));
        receive(&mut receiver, &mut sender, 1_000);
        let now = clock::monotonic();
        sender.renew(now);
        assert!(sender.is_connected());
        sender.renew(now + YOUNG);
        assert!(sender.is_blocked());
        sender.queue(&message(2));
        flush_until(&mut sender, |sender, _| {
            sender.retry_at = Duration::ZERO;
            sender.is_connected()
        });
        assert_eq!(receive(&mut receiver, &mut sender, 1_000), message(2));
    }

    #[test]
    fn nobody_there_is_tried_once_a_second() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let mut sender = Sender::open(&config(LOCALHOST, port)).unwrap();
        let start = Duration::from_secs(100);
        // The refusal is there at once, or at the next look.
        let attempts = (0..4_000)
            .filter(|millis| {
                let flushed = sender.flush(start + Duration::from_millis(*millis));
                assert!(flushed.blocked);
                matches!(flushed.change, Some(Change::Lost(Errno::CONNREFUSED)))
            })
            .count();
        assert!((3..=4).contains(&attempts), "{attempts}");
    }

    #[test]
    fn an_address_that_is_not_there_yet_is_tried_again() {
        let elsewhere = config(Ipv4Addr::new(192, 0, 2, 1).into(), 9);
        let mut sender = Sender::open(&elsewhere).unwrap();
        let flushed = sender.flush(Duration::from_secs(1));
        assert_eq!(flushed.change, Some(Change::Lost(Errno::ADDRNOTAVAIL)));
        assert_eq!(sender.timeout(), Some(Duration::from_secs(2)));
    }

    /// What a receiver says of a stream that is written to it.
    fn judge(stream: &[u8]) -> (Vec<u8>, Vec<String>) {
        let mut receiver = Receiver::open(&config(LOCALHOST, 0)).unwrap();
        let mut peer = TcpStream::connect(receiver.local_address().unwrap()).unwrap();
        peer.write_all(stream).unwrap();
        drop(peer);
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        let mut poller = Poller::new().unwrap();
        poller.add(&receiver, 0, Interest::Read).unwrap();
        while said.len() < 2 {
            let woken = poller.wait(Some(Duration::from_secs(300))).unwrap().count();
            assert_eq!(woken, 1, "{said:?}");
            receiver.drain(100_000, |incoming| match incoming {
                Incoming::Messages(messages) => bytes.extend_from_slice(messages),
                Incoming::Connected(_) => said.push("connected".into()),
                other => said.push(format!("{other:?}")),
            });
        }
        (bytes, said)
    }

    #[test]
    fn nonsense_ends_the_connection() {
        let good = message(1);
        let wrong = [1, 2, 0, 7, 5, 6, 7, 8];
        let stream = [good.as_slice(), &wrong, &good].concat();
        let (bytes, said) = judge(&stream);
        assert_eq!(bytes, stream[..1_008]);
        assert_eq!(said, ["connected", "OutOfStep"]);
    }

    #[test]
    fn a_message_cut_off_is_an_error_and_forgotten() {
        let (bytes, said) = judge(&message(1)[..500]);
        assert!(bytes.is_empty());
        assert_eq!(said, ["connected", "Closed(None)"]);
    }

    #[test]
    fn strangers_do_not_disturb_the_peer() {
        let mut settings = config(LOCALHOST, 0);
        settings.local = Ipv4Addr::UNSPECIFIED.into();
        let mut receiver = Receiver::open(&settings).unwrap();
        settings.port = receiver.local_address().unwrap().port();
        settings.local = LOCALHOST;
        let mut sender = Sender::open(&settings).unwrap();
        sender.queue(&message(1));
        receive(&mut receiver, &mut sender, 1_000);
        // Another address of this machine.
        let stranger = config(Ipv4Addr::new(127, 0, 0, 2).into(), settings.port);
        let stranger = Config {
            peer: LOCALHOST,
            ..stranger
        };
        let mut stranger = Sender::open(&stranger).unwrap();
        stranger.queue(&message(9));
        let mut turned_away = false;
        flush_until(&mut stranger, |_, _| {
            receiver.drain(100_000, |incoming| match incoming {
                Incoming::Stranger(from) => {
                    assert_eq!(from.ip(), IpAddr::from([127, 0, 0, 2]));
                    turned_away = true;
                }
                other => panic!("{other:?}"),
            });
            turned_away
        });
        sender.queue(&message(2));
        assert_eq!(receive(&mut receiver, &mut sender, 1_000), message(2));
    }

    #[test]
    fn the_peer_may_come_again() {
        let mut settings = config(LOCALHOST, 0);
        let mut receiver = Receiver::open(&settings).unwrap();
        settings.port = receiver.local_address().unwrap().port();
        let mut before = Sender::open(&settings).unwrap();
        before.queue(&message(1));
        receive(&mut receiver, &mut before, 1_000);
        let mut after = Sender::open(&settings).unwrap();
        after.queue(&message(2));
        assert_eq!(receive(&mut receiver, &mut after, 1_000), message(2));
    }
}
