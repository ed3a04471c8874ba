//! What changes in the tables.
//!
//! [`Events`] subscribes to the kernel's broadcasts and hands them over decoded, each with its
//! origin. What was missed is part of the stream: an overrun, a datagram that was too long, a
//! message that cannot be understood.
//!
//! By default (`net.netfilter.nf_conntrack_events` is 2) the kernel never tells of flows that were
//! made while nobody on the host listened: they have to be looked at to see them end.
//!
//! Under load the wake-up is what an event costs: let half a millisecond pass, then drain
//! hundreds at once. One event occupies about 1,280 bytes of the receive buffer.

use std::os::fd::{AsFd, BorrowedFd};

use flow::Event;
use flow::filter::EventFilter;
use nfnetlink::nl::Messages;
use nfnetlink::{Decoded, Malformed, ObjectMessage, UnknownAttributes, bpf, decode_event};

use crate::drain::Drained;
use crate::error::{Errno, Result, SystemError};
use crate::netlink::{EventSocket, Groups, Incoming, MemoryInfo, Subsystem};
use crate::table::Origins;

/// `NFNLGRP_CONNTRACK_NEW`
const FLOWS_NEW: u32 = 1;

/// What to subscribe to, and how much room to give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// New flows.
    pub flows_new: bool,
    /// Changed flows.
    pub flows_update: bool,
    /// Ended flows.
    pub flows_destroy: bool,
    /// New expectations.
    pub expectations_new: bool,
    /// Changed expectations.
    pub expectations_update: bool,
    /// Ended expectations.
    pub expectations_destroy: bool,
    /// Bytes of the receive buffer at the start, the system's default if absent.
    pub receive_buffer: Option<usize>,
    /// Whether the kernel shall deliver again what did not fit, instead of reporting an overrun.
    /// It then slows down what changes the table.
    pub reliable: bool,
}

impl Watch {
    /// All changes of flows.
    pub const FLOWS: Self = Self {
        flows_new: true,
        flows_update: true,
        flows_destroy: true,
        expectations_new: false,
        expectations_update: false,
        expectations_destroy: false,
        receive_buffer: None,
        reliable: false,
    };

    /// Numbers of [`FLOWS_NEW`] and those that follow it (`enum nfnetlink_groups`).
    fn groups(&self) -> impl Iterator<Item = u32> {
        let wanted = [
            self.flows_new,
            self.flows_update,
            self.flows_destroy,
            self.expectations_new,
            self.expectations_update,
            self.expectations_destroy,
        ];
        let numbers = (FLOWS_NEW..).zip(wanted);
        numbers.filter_map(|(number, wanted)| wanted.then_some(number))
    }
}

/// One thing that an [`Events`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is used in place, boxing would allocate"
)]
pub enum Notice<'a> {
    /// Something changed; and the attributes that the count of unknown ones is about.
    Event(Decoded<Event<'a>>, UnknownAttributes<'a>),
    /// The receive buffer was full: events are lost, up to the moment when it is drained.
    Overrun,
    /// A datagram was longer than the longest that is received; its event is lost.
    Truncated,
    /// A message that cannot be understood.
    Malformed(Malformed),
}

/// Where events are filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// By the kernel: what does not pass is never queued.
    InKernel,
    /// Not by the kernel, for which the filter is too long: whoever reads the events has to.
    ByReader,
}

/// What came of the wish for a larger receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It has this many bytes now.
    Grown(usize),
    /// Twice its size would be beyond the limit; it stays as it is.
    AtLimit,
}

/// A subscription.
#[derive(Debug)]
pub struct Events {
    socket: EventSocket,
    origins: Origins,
    filter: EventFilter,
    ignored_ports: Vec<u32>,
}

impl Events {
    /// Subscribes. The origins of sockets that are opened later can be added later.
    pub fn open(watch: &Watch, origins: Origins) -> Result<Self> {
        let socket = EventSocket::open(Subsystem::Netfilter, Groups::NONE)?;
        if let Some(bytes) = watch.receive_buffer {
            socket.socket().set_receive_buffer(bytes)?;
        }
        if watch.reliable {
            socket.socket().set_reliable(true)?;
        }
        // Last, so that not even the first event meets the small buffer of the beginning.
        for group in watch.groups() {
            socket.socket().join(group)?;
        }
        Ok(Self {
            socket,
            origins,
            filter: EventFilter::new(),
            ignored_ports: Vec::new(),
        })
    }

    /// Hands what has happened to `sink`: at most `limit` datagrams, each of which is one event.
    pub fn drain(&mut self, limit: usize, mut sink: impl FnMut(Notice<'_>)) -> Result<Drained> {
        let origins = &self.origins;
        self.socket.drain(limit, |incoming| match incoming {
            Incoming::Datagram(bytes) => {
                for message in Messages::new(bytes) {
                    sink(
                        match message.and_then(|message| decode(&message, origins)) {
                            Ok((event, unknown)) => Notice::Event(event, unknown),
                            Err(reason) => Notice::Malformed(reason),
                        },
                    );
                }
            }
            Incoming::Overrun => sink(Notice::Overrun),
            Incoming::Truncated => sink(Notice::Truncated),
        })
    }

    /// Does without new flows from now on, or has them told again. When nobody on the host listens to
    /// them the kernel does not even make these events.
    pub fn hear_new_flows(&self, heard: bool) -> Result<()> {
        let socket = self.socket.socket();
        if heard {
            socket.join(FLOWS_NEW)
        } else {
            socket.leave(FLOWS_NEW)
        }
    }

    /// Has the kernel drop events of flows that do not pass; those that are queued already still
    /// come. Its verdict is that of the filter, whoever asks it again loses nothing but time.
    pub fn set_filter(&mut self, filter: EventFilter) -> Result<Filtering> {
        self.filter = filter;
        self.attach()
    }

    /// Has the kernel drop the events that these sockets cause, instead of what was ignored before.
    /// Whoever changes the table through them then has to know by itself what has changed.
    pub fn ignore_ports(&mut self, port_ids: &[u32]) -> Result<Filtering> {
        self.ignored_ports = port_ids.to_vec();
        self.attach()
    }

    fn attach(&self) -> Result<Filtering> {
        let socket = self.socket.socket();
        if self.filter == EventFilter::new() && self.ignored_ports.is_empty() {
            socket.detach_filter()?;
            return Ok(Filtering::InKernel);
        }
        let Ok(program) = bpf::compile(&self.filter, &self.ignored_ports) else {
            socket.detach_filter()?;
            return Ok(Filtering::ByReader);
        };
        match socket.attach_filter(&program) {
            // More than the system lets a socket have (`net.core.optmem_max`).
            Err(error) if error.errno == Errno::NOMEM => {
                socket.detach_filter()?;
                Ok(Filtering::ByReader)
            }
            result => result.map(|()| Filtering::InKernel),
        }
    }

    /// Doubles the receive buffer unless it would exceed `limit` bytes.
    pub fn grow(&mut self, limit: usize) -> Result<Growth> {
        let socket = self.socket.socket();
        let before = socket.receive_buffer()?;
        let wanted = before.saturating_mul(2);
        if wanted > limit {
            return Ok(Growth::AtLimit);
        }
        let after = socket.set_receive_buffer(wanted)?;
        // Without rights the system's own limit comes first.
        Ok(if after > before {
            Growth::Grown(after)
        } else {
            Growth::AtLimit
        })
    }

    /// The origins that events are matched against.
    pub const fn origins_mut(&mut self) -> &mut Origins {
        &mut self.origins
    }

    /// Size of the receive buffer in bytes.
    pub fn receive_buffer(&self) -> Result<usize> {
        self.socket.socket().receive_buffer()
    }

    /// How full the receive buffer is, and how many events were dropped.
    pub fn memory_info(&self) -> std::result::Result<MemoryInfo, SystemError> {
        self.socket.socket().memory_info()
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn decode<'a>(
    message: &nfnetlink::nl::Message<'a>,
    origins: &Origins,
) -> std::result::Result<(Decoded<Event<'a>>, UnknownAttributes<'a>), Malformed> {
    let decoded = decode_event(message)?;
    let event = decoded.map(|event| Event {
        origin: origins.of(message.header.port_id),
        ..event
    });
    Ok((event, ObjectMessage::decode(message)?.unknown()))
}
