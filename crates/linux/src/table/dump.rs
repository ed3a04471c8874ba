//! Reading a table.
//!
//! The kernel makes the next portion of a dump when the one before has been read, so each read is
//! bounded work (about 130 flows in 32 KiB) and data is there without waiting. A dump can therefore
//! be read in one go or in steps between other things.
//!
//! While the table changes, a dump may miss entries or show some twice. The kernel notes what it
//! knows of that (`NLM_F_DUMP_INTR`); the flow table, being a hash table that is walked without a
//! lock, rarely does. Whoever needs certainty compares with the events.

use flow::filter::KernelFilter;
use flow::{Family, Tuple, Zone};
use nfnetlink::conntrack::request as flows;
use nfnetlink::exchange::{Pending, Reply};
use nfnetlink::expect::request as expectations;
use nfnetlink::nl::{Builder, Messages};
use nfnetlink::{EncodeError, Malformed, ObjectMessage};

use crate::error::Errno;
use crate::netlink::{self, Groups, RECEIVE_LEN, Socket};
use crate::table::{DumpKind, Error, Result, error, receive};

/// The sequence number of a dump: each has a socket of its own.
const SEQUENCE: u32 = 1;

const OPERATION: &str = "dump table";

/// What to read.
#[derive(Clone, Copy, Debug)]
pub enum Query<'a> {
    /// Flows of one of the kernel's lists.
    Flows(DumpKind, &'a KernelFilter),
    /// All expectations, or those of a family.
    Expectations(Option<Family>),
    /// The expectations of one flow, by its original tuple and zone.
    ExpectationsOf(&'a Tuple, Option<Zone>),
}

impl Query<'_> {
    fn encode(&self, b: &mut Builder<'_>) -> std::result::Result<(), EncodeError> {
        match *self {
            Self::Flows(kind, filter) => flows::dump(b, SEQUENCE, kind, filter),
            Self::Expectations(family) => expectations::dump(b, SEQUENCE, family),
            Self::ExpectationsOf(master, zone) => {
                expectations::dump_of_master(b, SEQUENCE, master, zone)
            }
        }
    }
}

/// How far a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to read.
    More,
    /// All has been read.
    Finished {
        /// The table changed so that entries may be missing or doubled.
        interrupted: bool,
    },
}

/// A dump under way. Dropping it ends the dump.
#[derive(Debug)]
pub struct Dump {
    socket: Socket,
    pending: Pending,
    buffer: Box<[u8]>,
    interrupted: bool,
}

impl Dump {
    /// Asks for the dump.
    pub fn start(query: &Query<'_>) -> Result<Self> {
        let mut request = Vec::new();
        query.encode(&mut Builder::new(&mut request))?;
        let socket = Socket::open(netlink::Subsystem::Netfilter, Groups::NONE)?;
        socket.send(&request)?;
        Ok(Self {
            socket,
            pending: Pending::one(SEQUENCE),
            buffer: vec![0; RECEIVE_LEN].into_boxed_slice(),
            interrupted: false,
        })
    }

    /// Reads the next portion, at most 32 KiB, and hands each entry in it to `sink`.
    ///
    /// An entry that cannot be understood is handed over as the reason, and the dump goes on.
    pub fn read(
        &mut self,
        mut sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Result<Progress> {
        let datagram = receive(&self.socket, &mut self.buffer, OPERATION)?;
        for message in Messages::new(datagram.unwrap_or_default()) {
            let message = match message {
                Ok(message) => message,
                Err(reason) => {
                    sink(Err(reason));
                    break;
                }
            };
            match self.pending.accept(&message)? {
                Reply::Data(message) => sink(ObjectMessage::decode(&message)),
                Reply::Failed { failure, .. } => {
                    return Err(error::refused(OPERATION, &failure).into());
                }
                Reply::Finished { interrupted } => self.interrupted = interrupted,
                Reply::Acked { .. } | Reply::Foreign => {}
            }
        }
        Ok(if self.pending.is_finished() {
            Progress::Finished {
                interrupted: self.interrupted,
            }
        } else {
            Progress::More
        })
    }

    /// Reads to the end; whether the table changed so that entries may be missing or doubled.
    pub fn read_all(
        &mut self,
        mut sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Result<bool> {
        loop {
            if let Progress::Finished { interrupted } = self.read(&mut sink)? {
                return Ok(interrupted);
            }
        }
    }
}

/// A dump of the flows that a filter lets through. A kernel that refuses the filter is asked for all
/// flows of its family, so whoever reads has to test again what comes.
#[derive(Debug)]
pub struct FilteredDump {
    dump: Dump,
    kind: DumpKind,
    /// What to ask for when the first answer is a refusal.
    fallback: Option<KernelFilter>,
}

impl FilteredDump {
    /// Asks for the dump.
    pub fn start(kind: DumpKind, filter: &KernelFilter) -> Result<Self> {
        let plain = KernelFilter {
            family: filter.family,
            ..KernelFilter::default()
        };
        Ok(Self {
            dump: Dump::start(&Query::Flows(kind, filter))?,
            kind,
            fallback: (*filter != plain).then_some(plain),
        })
    }

    /// Reads the next portion; see [`Dump::read`].
    pub fn read(
        &mut self,
        sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Result<Progress> {
        match (self.dump.read(sink), self.fallback.take()) {
            (Err(error), Some(plain)) if is_unsupported(&error) => {
                self.dump = Dump::start(&Query::Flows(self.kind, &plain))?;
                Ok(Progress::More)
            }
            (result, _) => result,
        }
    }
}

/// Whether a kernel says that it does not know such a filter.
fn is_unsupported(error: &Error) -> bool {
    matches!(error.errno(), Errno::OPNOTSUPP | Errno::INVAL)
}
