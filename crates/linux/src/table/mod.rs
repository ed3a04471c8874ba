//! The kernel's tables of flows and expectations: where its codec meets a socket.
//!
//! - [`Table`]: one question, one answer; blocking.
//! - [`Dump`]: reading a table in portions of at most 32 KiB.
//! - [`Batch`]: many changes, about a hundred per system call.
//! - [`Events`]: what changes, who caused it, and what was missed.
//!
//! Each of them owns its socket, so they do not disturb each other, and the port id of a socket
//! names the origin of what was changed through it ([`Origins`]).

mod ahead;
mod batch;
mod dump;
mod error;
mod events;
mod origins;
mod request;
mod shared;

use nfnetlink::conntrack::request::{self as flows, FlowKey};
use nfnetlink::exchange::{Pending, Reply, Sequence};
use nfnetlink::expect::request::{self as expectations, ExpectationKey};
use nfnetlink::nl::{Builder, Message, Messages};
use nfnetlink::stats::{CpuStats, GlobalStats, decode_global};
use nfnetlink::{EncodeError, Malformed, ObjectMessage, Subsystem};

use crate::error::{Errno, SystemError};
use crate::netlink::{self, Groups, RECEIVE_LEN, Received, Socket};

pub use ahead::Portion;
pub use batch::{Batch, Run};
pub use dump::{Dump, FilteredDump, Progress, Query};
pub use error::Error;
pub use events::{Events, Filtering, Growth, Notice, Watch};
pub use nfnetlink::conntrack::request::DumpKind;
pub use origins::Origins;
pub use request::Request;
pub use shared::{SharedDump, Turn};

/// Result of a request.
pub type Result<T> = std::result::Result<T, Error>;

/// A connection for single questions; it waits for each answer.
#[derive(Debug)]
pub struct Table {
    socket: Socket,
    sequence: Sequence,
    request: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Table {
    /// Opens a connection.
    pub fn open() -> Result<Self> {
        Ok(Self {
            socket: Socket::open(netlink::Subsystem::Netfilter, Groups::NONE)?,
            sequence: Sequence::starting_at(1),
            request: Vec::new(),
            buffer: vec![0; RECEIVE_LEN].into_boxed_slice(),
        })
    }

    /// Makes one change and waits until it is done or refused.
    pub fn execute(&mut self, request: &Request<'_, '_>) -> Result<()> {
        self.ask(
            request.operation(),
            |b, sequence| request.encode(b, flows::Call::acked(sequence)),
            |_| Ok(()),
        )
    }

    /// Looks one flow up and hands it to `found`; an absent one is the errno `ENOENT`.
    pub fn get(&mut self, key: &FlowKey, found: impl FnMut(ObjectMessage<'_>)) -> Result<()> {
        self.ask_object(
            "get flow",
            |b, sequence| flows::get(b, sequence, key),
            found,
        )
    }

    /// Looks one expectation up and hands it to `found`; an absent one is the errno `ENOENT`.
    pub fn get_expectation(
        &mut self,
        key: &ExpectationKey,
        found: impl FnMut(ObjectMessage<'_>),
    ) -> Result<()> {
        let request = |b: &mut Builder<'_>, sequence| expectations::get(b, sequence, key);
        self.ask_object("get expectation", request, found)
    }

    /// The number of flows.
    pub fn count(&mut self) -> Result<GlobalStats> {
        let mut stats = None;
        self.ask("count flows", flows::count, |message| {
            stats = Some(decode_global(message)?);
            Ok(())
        })?;
        stats.ok_or(Error::Malformed(Malformed::MessageType))
    }

    /// Hands what each CPU has counted for a table to `sink`.
    pub fn cpu_stats(
        &mut self,
        subsystem: Subsystem,
        mut sink: impl FnMut(CpuStats<'_>),
    ) -> Result<()> {
        let request = match subsystem {
            Subsystem::Conntrack => flows::cpu_stats,
            Subsystem::Expect => expectations::cpu_stats,
        };
        self.ask("read statistics", request, |message| {
            sink(CpuStats::decode(message)?);
            Ok(())
        })
    }

    /// The port id: the origin of what is changed through this connection.
    pub const fn port_id(&self) -> u32 {
        self.socket.port_id()
    }

    fn ask_object(
        &mut self,
        operation: &'static str,
        encode: impl FnOnce(&mut Builder<'_>, u32) -> std::result::Result<(), EncodeError>,
        mut found: impl FnMut(ObjectMessage<'_>),
    ) -> Result<()> {
        self.ask(operation, encode, |message| {
            found(ObjectMessage::decode(message)?);
            Ok(())
        })
    }

    /// Sends one request and hands the messages of its answer to `sink`, until all are there.
    fn ask(
        &mut self,
        operation: &'static str,
        encode: impl FnOnce(&mut Builder<'_>, u32) -> std::result::Result<(), EncodeError>,
        mut sink: impl FnMut(&Message<'_>) -> std::result::Result<(), Malformed>,
    ) -> Result<()> {
        let sequence = self.sequence.take(1);
        self.request.clear();
        encode(&mut Builder::new(&mut self.request), sequence)?;
        self.socket.send(&self.request)?;
        let mut pending = Pending::one(sequence);
        let mut malformed = None;
        while !pending.is_finished() {
            let datagram = receive(&self.socket, &mut self.buffer, operation)?;
            for message in Messages::new(datagram.unwrap_or_default()) {
                match pending.accept(&message?)? {
                    // Goes on after an error, to leave no rest of the answer behind.
                    Reply::Data(message) => malformed = malformed.or(sink(&message).err()),
                    Reply::Failed { failure, .. } => {
                        return Err(error::refused(operation, &failure).into());
                    }
                    Reply::Finished { .. } | Reply::Acked { .. } | Reply::Foreign => {}
                }
            }
        }
        malformed.map_or(Ok(()), |reason| Err(reason.into()))
    }
}

/// One datagram of an answer; `None` when there is none yet.
fn receive<'a>(
    socket: &Socket,
    buffer: &'a mut [u8],
    operation: &'static str,
) -> std::result::Result<Option<&'a [u8]>, SystemError> {
    match socket.receive(buffer)? {
        Received::Datagram(bytes) => Ok(Some(bytes)),
        Received::Nothing => Ok(None),
        // Answers are awaited before more is asked, so either means that the kernel ran out of
        // memory or sends more in one piece than it ever did.
        Received::Overrun => Err(SystemError::new(operation, Errno::NOBUFS)),
        Received::Truncated(_) => Err(SystemError::new(operation, Errno::MSGSIZE)),
    }
}
