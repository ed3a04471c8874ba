//! Many changes with few system calls.
//!
//! A run of requests goes out as one datagram. Only its last request asks for an acknowledgement;
//! the others are heard of when they fail, under their sequence numbers. The kernel works through
//! the datagram before the call that sends it returns, so a flush is bounded work (a hundred
//! changes take about 0.3 ms), and its answers are there at once.
//!
//! At most [`RUN_MAX`] answers are ever outstanding; without an echo of the request they fit the
//! smallest receive buffer that systems have.

use nfnetlink::conntrack::request::Call;
use nfnetlink::exchange::{Pending, Reply, Sequence};
use nfnetlink::nl::{Builder, Messages, flags};

use crate::error::{Errno, SystemError};
use crate::netlink::{self, Groups, RECEIVE_LEN, Received, Socket};
use crate::table::{Request, Result, error};

/// Most requests in one datagram.
pub const RUN_MAX: usize = 100;

/// Bytes after which a datagram is full. It stays below the smallest send buffer that systems
/// have, also with one more request of the longest kind.
const RUN_BYTES_MAX: usize = 32 * 1024;

/// Where the flags stand in a netlink header.
const FLAGS_AT: usize = 6;

/// Where the sequence number stands in a netlink header.
const SEQUENCE_AT: usize = 8;

/// A queue of changes, each under a name of the caller's.
#[derive(Debug)]
pub struct Batch<I> {
    socket: Socket,
    sequence: Sequence,
    buffer: Box<[u8]>,
    run: Run<I>,
    /// Failures of the run that is being flushed, by index.
    failures: Vec<(usize, SystemError)>,
}

/// Changes that go to the kernel together. Another thread may collect them than sends them.
#[derive(Debug)]
pub struct Run<I> {
    /// The encoded requests, numbered from 0 on until they are sent.
    bytes: Vec<u8>,
    items: Vec<Item<I>>,
}

#[derive(Debug)]
struct Item<I> {
    id: I,
    operation: &'static str,
    /// Where its message starts in the run.
    start: usize,
}

impl<I> Default for Run<I> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            items: Vec::new(),
        }
    }
}

impl<I> Run<I> {
    /// An empty run with room for a full one.
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(RUN_BYTES_MAX),
            items: Vec::with_capacity(RUN_MAX),
        }
    }

    /// Adds a change. One that cannot be expressed is refused, and the run is as before.
    ///
    /// This panics when the run is full.
    pub fn push(&mut self, request: &Request<'_, '_>, id: I) -> Result<()> {
        assert!(!self.is_full(), "a full run has to be flushed first");
        let start = self.bytes.len();
        request.encode(&mut Builder::new(&mut self.bytes), Call::quiet(0))?;
        self.items.push(Item {
            id,
            operation: request.operation(),
            start,
        });
        Ok(())
    }

    /// Whether nothing more can be added.
    pub fn is_full(&self) -> bool {
        self.items.len() >= RUN_MAX || self.bytes.len() >= RUN_BYTES_MAX
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<I> Batch<I> {
    /// Opens a connection.
    pub fn open() -> Result<Self> {
        let socket = Socket::open(netlink::Subsystem::Netfilter, Groups::NONE)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            sequence: Sequence::starting_at(1),
            buffer: vec![0; RECEIVE_LEN].into_boxed_slice(),
            run: Run::new(),
            failures: Vec::new(),
        })
    }

    /// Adds a change to the run. One that cannot be expressed is refused, and the run is as before.
    ///
    /// Flush a full run before adding to it; this panics otherwise.
    pub fn push(&mut self, request: &Request<'_, '_>, id: I) -> Result<()> {
        self.run.push(request, id)
    }

    /// Makes the changes of the run and hands the outcome of each to `sink`, in the order in which
    /// they were added.
    ///
    /// A change of which the kernel said nothing, for want of memory, has the errno `ENOBUFS`:
    /// it may have been made or not. When the run cannot be sent at all, that is the outcome of
    /// each of its changes.
    pub fn flush(&mut self, sink: impl FnMut(I, std::result::Result<(), SystemError>)) {
        let mut run = std::mem::take(&mut self.run);
        self.send(&mut run, sink);
        self.run = run;
    }

    /// The same with a run that was collected elsewhere, which is empty afterwards.
    pub fn send(
        &mut self,
        run: &mut Run<I>,
        mut sink: impl FnMut(I, std::result::Result<(), SystemError>),
    ) {
        self.failures.clear();
        let heard = self.exchange(run);
        let mut failures = self.failures.drain(..).peekable();
        for (index, item) in run.items.drain(..).enumerate() {
            let failure = failures.next_if(|(failed, _)| *failed == index);
            let outcome = match (failure, &heard) {
                (Some((_, error)), _) => Err(error),
                (None, Ok(())) => Ok(()),
                (None, Err(errno)) => Err(SystemError::new(item.operation, *errno)),
            };
            sink(item.id, outcome);
        }
        run.bytes.clear();
    }

    /// Sends the run and reads its answers; the errno when not all of them were heard.
    fn exchange(&mut self, run: &mut Run<I>) -> std::result::Result<(), Errno> {
        let Run { bytes, items } = run;
        let Some(last) = items.last() else {
            return Ok(());
        };
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let first = self.sequence.take(count);
        ask_for_acknowledgement(bytes, last.start);
        for (number, item) in (first..).zip(&*items) {
            set_sequence(bytes, item.start, number);
        }
        self.socket.send(bytes).map_err(|error| error.errno)?;
        self.hear(Pending::run(first, count), items)
    }

    /// Reads answers until the last request of the run has been answered.
    fn hear(&mut self, mut pending: Pending, items: &[Item<I>]) -> std::result::Result<(), Errno> {
        let mut is_complete = true;
        while !pending.is_finished() {
            match self
                .socket
                .receive(&mut self.buffer)
                .map_err(|error| error.errno)?
            {
                Received::Datagram(datagram) => {
                    is_complete &= note(datagram, &mut pending, items, &mut self.failures);
                }
                // Dropped for want of memory; what was kept is read all the same.
                Received::Overrun | Received::Truncated(_) => is_complete = false,
                Received::Nothing => return Err(self.silence()),
            }
        }
        if is_complete {
            Ok(())
        } else {
            Err(Errno::NOBUFS)
        }
    }

    /// Why the kernel has nothing more to say before the last request was answered.
    fn silence(&self) -> Errno {
        match self.failures.as_slice() {
            // `nfnetlink_rcv` answers the first request and drops the rest of the datagram.
            [(0, error)] if error.errno == Errno::PERM => Errno::PERM,
            // The answers were dropped.
            _ => Errno::NOBUFS,
        }
    }

    /// Whether the run has to be flushed before more is added.
    pub fn is_full(&self) -> bool {
        self.run.is_full()
    }

    /// Changes that wait for the next flush.
    pub fn len(&self) -> usize {
        self.run.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.run.is_empty()
    }

    /// The port id: the origin of what is changed through this connection.
    pub const fn port_id(&self) -> u32 {
        self.socket.port_id()
    }
}

/// Sets the flag that makes the kernel acknowledge the message that starts here.
fn ask_for_acknowledgement(run: &mut [u8], start: usize) {
    if let Some(field) = field(run, start + FLAGS_AT) {
        *field = (u16::from_ne_bytes(*field) | flags::ACK).to_ne_bytes();
    }
}

/// Numbers the message that starts here.
fn set_sequence(run: &mut [u8], start: usize, number: u32) {
    if let Some(field) = field(run, start + SEQUENCE_AT) {
        *field = number.to_ne_bytes();
    }
}

fn field<const N: usize>(run: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    run.get_mut(at..)?.first_chunk_mut()
}

/// Notes the failures that a datagram of answers tells of; whether all of it was understood.
fn note<I>(
    datagram: &[u8],
    pending: &mut Pending,
    items: &[Item<I>],
    failures: &mut Vec<(usize, SystemError)>,
) -> bool {
    let mut is_understood = true;
    for message in Messages::new(datagram) {
        match message.and_then(|message| pending.accept(&message)) {
            Ok(Reply::Failed { index, failure }) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                if let Some(item) = items.get(index) {
                    failures.push((index, error::refused(item.operation, &failure)));
                }
            }
            Ok(Reply::Data(_) | Reply::Finished { .. } | Reply::Acked { .. } | Reply::Foreign) => {}
            Err(_) => is_understood = false,
        }
    }
    is_understood
}
