//! Reading a table.
//!
//! The kernel makes the next portion of a dump when the one before has been read, so each read is
//! bounded work (about 130 flows in 32 KiB) and data is there without waiting. A dump can therefore
//! be read in one go or in steps between other things.
//!
//! While the table changes, a dump may miss entries or show some twice. The kernel notes what it
//! knows of that (`NLM_F_DUMP_INTR`); the flow table, being a hash table that is walked without a
//! lock, rarely does. Whoever needs certainty compares with the events.

use std::thread;

use flow::filter::KernelFilter;
use flow::{Family, Tuple, Zone};
use nfnetlink::conntrack::request as flows;
use nfnetlink::exchange::{Pending, Reply};
use nfnetlink::expect::request as expectations;
use nfnetlink::nl::{Builder, Messages};
use nfnetlink::{EncodeError, Malformed, ObjectMessage};

use crate::error::{Errno, SystemError};
use crate::netlink::{self, Groups, RECEIVE_LEN, Socket};
use crate::table::ahead::ReadAhead;
use crate::table::shared::SharedDump;
use crate::table::{DumpKind, Error, Result, error, receive};

/// The sequence number of a dump: each has a socket of its own.
const SEQUENCE: u32 = 1;

pub(super) const OPERATION: &str = "dump table";

/// Portions of a dump that are not worth a thread.
const ALONE_MAX: u32 = 8;

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
    answers: Answers,
    buffer: Box<[u8]>,
}

/// How far the answer to the request is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    pending: Pending,
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
            answers: Answers {
                pending: Pending::one(SEQUENCE),
                interrupted: false,
            },
            buffer: vec![0; RECEIVE_LEN].into_boxed_slice(),
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
        self.answers.take(datagram.unwrap_or_default(), &mut sink)
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

impl Answers {
    /// Hands each entry of a datagram to `sink`.
    pub(super) fn take(
        &mut self,
        datagram: &[u8],
        mut sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Result<Progress> {
        for message in Messages::new(datagram) {
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
}

/// A dump of the flows that a filter lets through. A kernel that refuses the filter is asked for all
/// flows of its family, so whoever reads has to test again what comes.
///
/// It is for programs that do nothing else meanwhile: what is more than some portions is received by a
/// thread, so that the kernel does not wait for the reader, or by several in turns.
#[derive(Debug)]
pub struct FilteredDump {
    /// Where the answer comes from, unless it has ended badly.
    source: Option<Source>,
    kind: DumpKind,
    /// What to ask for when the first answer is a refusal.
    fallback: Option<KernelFilter>,
}

#[derive(Debug)]
enum Source {
    /// Received as it is read: the first portions, of which so many have been read.
    Own(Dump, u32),
    /// Received by a thread.
    Ahead(ReadAhead, Answers),
    /// The same, where there can be no thread.
    Alone(Dump),
}

impl FilteredDump {
    /// Asks for the dump.
    pub fn start(kind: DumpKind, filter: &KernelFilter) -> Result<Self> {
        let plain = KernelFilter {
            family: filter.family,
            ..KernelFilter::default()
        };
        Ok(Self {
            source: Some(Source::Own(Dump::start(&Query::Flows(kind, filter))?, 0)),
            kind,
            fallback: (*filter != plain).then_some(plain),
        })
    }

    /// Reads the next portion; see [`Dump::read`].
    pub fn read(
        &mut self,
        sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Result<Progress> {
        let gone = || SystemError::new(OPERATION, Errno::PIPE);
        let (source, progress) = match self.source.take().ok_or_else(gone)? {
            Source::Own(mut dump, read) => match (dump.read(sink), self.fallback.take()) {
                (Err(error), Some(plain)) if is_unsupported(&error) => {
                    let dump = Dump::start(&Query::Flows(self.kind, &plain))?;
                    (Source::Own(dump, 0), Progress::More)
                }
                (Ok(Progress::More), _) if read >= ALONE_MAX => (dump.ahead(), Progress::More),
                (result, _) => (Source::Own(dump, read + 1), result?),
            },
            Source::Ahead(ahead, mut answers) => {
                let progress = answers.take_next(&ahead, sink)?;
                (Source::Ahead(ahead, answers), progress)
            }
            Source::Alone(mut dump) => {
                let progress = dump.read(sink)?;
                (Source::Alone(dump), progress)
            }
        };
        self.source = Some(source);
        Ok(progress)
    }

    /// The rest, for threads that receive in turns; nothing is left to be read here then. `None` while the
    /// dump may be short, or where threads are of no use.
    pub fn share(&mut self) -> Option<SharedDump> {
        let is_long = matches!(self.source, Some(Source::Own(_, ALONE_MAX..)));
        if !is_long || thread::available_parallelism().map_or(1, usize::from) < 2 {
            return None;
        }
        match self.source.take()? {
            Source::Own(
                Dump {
                    socket, answers, ..
                },
                _,
            ) => Some(SharedDump::new(socket, answers)),
            other @ (Source::Ahead(..) | Source::Alone(_)) => {
                self.source = Some(other);
                None
            }
        }
    }
}

impl Dump {
    /// Has the rest received by a thread, if there can be one.
    fn ahead(self) -> Source {
        let Self {
            socket,
            answers,
            buffer,
        } = self;
        match ReadAhead::start(socket, OPERATION) {
            Ok(ahead) => Source::Ahead(ahead, answers),
            Err(socket) => Source::Alone(Self {
                socket,
                answers,
                buffer,
            }),
        }
    }
}

impl Answers {
    /// Hands each entry of the next portion to `sink`.
    fn take_next(
        &mut self,
        ahead: &ReadAhead,
        mut sink: impl FnMut(std::result::Result<ObjectMessage<'_>, Malformed>),
    ) -> Result<Progress> {
        let portion = ahead.next_portion()?;
        let mut progress = Progress::More;
        for datagram in portion.datagrams() {
            progress = self.take(datagram, &mut sink)?;
        }
        ahead.give_back(portion);
        Ok(progress)
    }
}

/// Whether a kernel says that it does not know such a filter.
fn is_unsupported(error: &Error) -> bool {
    matches!(error.errno(), Errno::OPNOTSUPP | Errno::INVAL)
}
