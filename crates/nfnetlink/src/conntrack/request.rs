//! What the kernel can be asked about flows: one function per request.
//!
//! Each appends one message. Success is acknowledged only where [`Call::ack`] asks for it; errors
//! come back in any case, under the request's sequence number. The kernel answers [`get`] and
//! [`count`] with a message that claims to be one of several but no end follows, so these always
//! ask for the acknowledgement that ends them.

use flow::filter::KernelFilter;
use flow::{Dir, Family, Flow, Status, Tuple, Zone};

use crate::conntrack::constants::{cta::*, msg};
use crate::conntrack::flow::encode_changes;
use crate::conntrack::{filter, tuple};
use crate::malformed::EncodeError;
use crate::nl::{AttrWriter, Builder, Header, flags};
use crate::subsystem::{GenHeader, Subsystem};

/// How a request is numbered and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Sequence number, repeated in every answer.
    pub sequence: u32,
    /// Whether success is acknowledged.
    pub ack: bool,
}

impl Call {
    /// A request whose success is acknowledged.
    pub const fn acked(sequence: u32) -> Self {
        Self {
            sequence,
            ack: true,
        }
    }

    /// A request of which only an error is heard.
    pub const fn quiet(sequence: u32) -> Self {
        Self {
            sequence,
            ack: false,
        }
    }

    pub(crate) const fn header(self, subsystem: Subsystem, message: u8, extra: u16) -> Header {
        let ack = if self.ack { flags::ACK } else { 0 };
        Header {
            kind: subsystem.message_type(message),
            flags: flags::REQUEST | ack | extra,
            sequence: self.sequence,
            port_id: 0,
        }
    }

    const fn conntrack(self, message: u8, extra: u16) -> Header {
        self.header(Subsystem::Conntrack, message, extra)
    }
}

/// What names one flow to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// Which of the flow's tuples is given.
    pub dir: Dir,
    /// That tuple.
    pub tuple: Tuple,
    /// Zone of both directions.
    pub zone: Option<Zone>,
    /// The kernel's id: a deletion then spares a younger flow with the same tuple.
    /// Queries ignore it.
    pub id: Option<u32>,
}

impl FlowKey {
    /// The flow's original tuple and zone, without its id.
    pub const fn original(flow: &Flow<'_>) -> Self {
        Self {
            dir: Dir::Original,
            tuple: flow.orig,
            zone: flow.zone,
            id: None,
        }
    }

    /// This very flow: its original tuple, zone and id.
    pub const fn exact(flow: &Flow<'_>) -> Self {
        Self {
            id: flow.id,
            ..Self::original(flow)
        }
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let kind = match self.dir {
            Dir::Original => CTA_TUPLE_ORIG,
            Dir::Reply => CTA_TUPLE_REPLY,
        };
        tuple::encode(w, kind, &self.tuple);
        if let Some(Zone(zone)) = self.zone {
            w.be16(CTA_ZONE, zone);
        }
        if let Some(id) = self.id {
            w.be32(CTA_ID, id);
        }
    }
}

/// Which list of flows to dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DumpKind {
    /// The table.
    Table,
    /// The table, setting all counters to zero.
    ZeroCounters,
    /// Flows that left the table while their destroy event could not be delivered.
    Dying,
    /// Flows not yet in the table.
    Unconfirmed,
}

/// Creates a flow; fails if it exists.
///
/// The kernel wants a timeout. A flow without reply tuple gets the mirror image of its original
/// one: so it has to be when [`Flow::nat_src`] or [`Flow::nat_dst`] is given, since the kernel
/// derives the translated tuple itself. `IPS_CONFIRMED` is added to the status, as the kernel
/// insists on it; `IPS_EXPECTED` it refuses, also beside [`Flow::master`], which sets it.
pub fn create(b: &mut Builder<'_>, call: Call, flow: &Flow<'_>) -> Result<(), EncodeError> {
    put(b, call, flags::CREATE | flags::EXCL, flow)
}

/// Creates a flow, or updates the one that exists; for the details see [`create`].
///
/// A translation makes the kernel refuse the update of a flow that exists.
pub fn create_or_update(
    b: &mut Builder<'_>,
    call: Call,
    flow: &Flow<'_>,
) -> Result<(), EncodeError> {
    put(b, call, flags::CREATE, flow)
}

fn put(b: &mut Builder<'_>, call: Call, extra: u16, flow: &Flow<'_>) -> Result<(), EncodeError> {
    let reply = match flow.reply {
        Some(reply) => reply,
        None => flow.orig.inverse().ok_or(EncodeError::MissingReply)?,
    };
    b.message(
        call.conntrack(msg::NEW, extra),
        GenHeader::of_family(flow.family().number()),
        |w| {
            tuple::encode(w, CTA_TUPLE_ORIG, &flow.orig);
            tuple::encode(w, CTA_TUPLE_REPLY, &reply);
            encode_changes(w, flow, confirmed(flow));
        },
    )
}

/// Changes a flow that exists: everything the given one has besides its tuples.
///
/// Status bits can only be added. It is found by its original tuple and zone alone.
pub fn update(b: &mut Builder<'_>, call: Call, flow: &Flow<'_>) -> Result<(), EncodeError> {
    b.message(
        call.conntrack(msg::NEW, 0),
        GenHeader::of_family(flow.family().number()),
        |w| {
            tuple::encode(w, CTA_TUPLE_ORIG, &flow.orig);
            encode_changes(w, flow, confirmed(flow));
        },
    )
}

/// `ctnetlink_change_status` takes a missing confirmed bit for the wish to clear it.
fn confirmed(flow: &Flow<'_>) -> Option<Status> {
    flow.status.map(|status| status | Status::CONFIRMED)
}

/// Removes one flow.
pub fn delete(b: &mut Builder<'_>, call: Call, key: &FlowKey) -> Result<(), EncodeError> {
    b.message(
        call.conntrack(msg::DELETE, 0),
        GenHeader::of_family(key.tuple.family().number()),
        |w| key.encode(w),
    )
}

/// Asks for one flow; always acknowledged.
pub fn get(b: &mut Builder<'_>, sequence: u32, key: &FlowKey) -> Result<(), EncodeError> {
    b.message(
        Call::acked(sequence).conntrack(msg::GET, 0),
        GenHeader::of_family(key.tuple.family().number()),
        |w| key.encode(w),
    )
}

/// Asks for all flows that a filter lets through.
///
/// The kernel applies the filter to [`DumpKind::Table`] and [`DumpKind::ZeroCounters`] only, and
/// one without tuple filters (before Linux 5.8) ignores what it does not know.
pub fn dump(
    b: &mut Builder<'_>,
    sequence: u32,
    kind: DumpKind,
    filter: &KernelFilter,
) -> Result<(), EncodeError> {
    let message = match kind {
        DumpKind::Table => msg::GET,
        DumpKind::ZeroCounters => msg::GET_CTRZERO,
        DumpKind::Dying => msg::GET_DYING,
        DumpKind::Unconfirmed => msg::GET_UNCONFIRMED,
    };
    b.message(
        Call::quiet(sequence).conntrack(message, flags::DUMP),
        GenHeader::of_family(filter.family.map_or(0, Family::number)),
        |w| filter::encode(w, filter),
    )
}

/// Removes all flows that a filter lets through.
///
/// The family counts only in version 1 of the request (`ctnetlink_del_conntrack`). Kernels that
/// cannot flush by tuple refuse that (`EOPNOTSUPP`).
pub fn flush(b: &mut Builder<'_>, call: Call, filter: &KernelFilter) -> Result<(), EncodeError> {
    let generic = match filter.family {
        Some(family) => GenHeader {
            version: 1,
            ..GenHeader::of_family(family.number())
        },
        None => GenHeader::default(),
    };
    b.message(call.conntrack(msg::DELETE, 0), generic, |w| {
        filter::encode(w, filter);
    })
}

/// Asks for the number of flows; always acknowledged.
pub fn count(b: &mut Builder<'_>, sequence: u32) -> Result<(), EncodeError> {
    let header = Call::acked(sequence).conntrack(msg::GET_STATS, 0);
    b.message(header, GenHeader::default(), |_| {})
}

/// Asks for the statistics of each CPU.
pub fn cpu_stats(b: &mut Builder<'_>, sequence: u32) -> Result<(), EncodeError> {
    let header = Call::quiet(sequence).conntrack(msg::GET_STATS_CPU, flags::DUMP);
    b.message(header, GenHeader::default(), |_| {})
}
