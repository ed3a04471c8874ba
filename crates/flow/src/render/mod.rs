//! Flows and expectations as text for people and programs.
//!
//! There is one walk over a flow. It decides what is known and wanted (`item`) and hands each
//! thing as an [`Item`] to a sink, which decides how it looks. A format is therefore an order of
//! [`Field`]s and one `match` over [`Item`]; a new attribute is one variant of each, and the
//! compiler names every format that has to learn it. The two formats that must not lose anything,
//! `save` and `json`, take a flow apart without a rest instead, to the same effect.
//!
//! Rendering appends to the caller's buffer and allocates nothing itself, so that a listing of a
//! million flows costs a few hundred nanoseconds each.

use alloc::vec::Vec;
use core::fmt;

use crate::event::EventKind;
use crate::expectation::Expectation;
use crate::flow::{Counters, Flow, Mark, Name, Timestamp, Zone};
use crate::label_map::LabelMap;
use crate::protocol::{Family, Protocol};
use crate::status::Status;
use crate::tuple::{Dir, Tuple};

pub mod bytes;
pub mod json;
pub mod labels;
pub mod save;
pub mod text;
pub mod time;
pub mod xml;

mod expectation;

use labels::LabelSet;
pub use save::Saved;

/// How things look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of fields.
    #[default]
    Text,
    /// One XML element per line.
    Xml,
    /// One command line that makes the flow again.
    Save(Saved),
    /// One JSON object per line.
    Json,
}

impl Format {
    /// Renders a flow, without the line's end.
    pub fn flow(self, out: &mut Vec<u8>, record: &Record<'_>, show: &Show) {
        match self {
            Self::Text => text(out, record, show),
            Self::Xml => xml(out, record, show),
            Self::Save(saved) => save::render(out, record, saved),
            Self::Json => json::flow(out, record),
        }
    }

    /// Renders an expectation, without the line's end. There is no command line that makes the
    /// same expectation again; as in stock, it is a line of text then.
    pub fn expectation(self, out: &mut Vec<u8>, record: &Expected<'_>, show: &Show) {
        match self {
            Self::Text | Self::Save(_) => expectation::text(out, record, show),
            Self::Xml => expectation::xml(out, record, show),
            Self::Json => json::expectation(out, record),
        }
    }
}

/// What is to be shown beyond what every line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// How it looks (`-o xml`).
    pub format: Format,
    /// The layer 3 protocol in front (`-o extended`).
    pub extended: bool,
    /// The kernel's id (`-o id`).
    pub id: bool,
    /// When an event happened (`-o timestamp`).
    pub time: bool,
    /// When the flow began and ended (`-o ktimestamp`).
    pub life: bool,
    /// The remaining life. The daemon's cache dumps leave it out.
    pub timeout: bool,
}

impl Show {
    /// What `conntrack` shows without options.
    pub const TABLE: Self = Self {
        format: Format::Text,
        extended: false,
        id: false,
        time: false,
        life: false,
        timeout: true,
    };

    /// What `conntrackd -i`, `conntrackd -e` and the log of ended flows show.
    pub const CACHE: Self = Self {
        timeout: false,
        ..Self::TABLE
    };
}

impl Default for Show {
    fn default() -> Self {
        Self::TABLE
    }
}

/// The program whose request caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender<'a> {
    /// Netlink port id of its socket.
    pub port: u32,
    /// Name of the program, when it could be found.
    pub program: Option<Name<'a>>,
}

/// Attributes that the kernel sent and that have no name here.
pub trait Unknown: fmt::Debug {
    /// Hands each of them to `sink`: its number and those of the nests that it is in, outermost
    /// first, and its bytes.
    fn each(&self, sink: &mut dyn FnMut(&[u16], &[u8]));
}

/// A flow or an expectation, and what is known beside it.
#[derive(Debug)]
pub struct Record<'a, T = Flow<'a>> {
    /// The flow or expectation; a flow of the external cache has no reply tuple.
    pub object: &'a T,
    /// What happened to it, `None` in a listing.
    pub event: Option<EventKind>,
    /// Seconds since 1970: the end of a life span that has none yet.
    pub now: u64,
    /// When it happened, nanoseconds since 1970; used when the kernel does not say so itself.
    pub time: u64,
    /// Who asked for it, `None` for traffic.
    pub sender: Option<Sender<'a>>,
    /// What was sent and not understood, if there was anything.
    pub unknown: Option<&'a dyn Unknown>,
    /// The names of labels, if labels are to be shown.
    pub labels: Option<&'a LabelMap>,
    /// By how many seconds local time is ahead of UTC at a moment, in seconds since 1970.
    pub utc_offset: fn(u64) -> i32,
}

/// An expectation, and what is known beside it.
pub type Expected<'a> = Record<'a, Expectation<'a>>;

impl<'a, T> Record<'a, T> {
    /// A flow or expectation of a listing made at `now`, seconds since 1970; in UTC.
    pub const fn listed(object: &'a T, now: u64) -> Self {
        Self {
            object,
            event: None,
            now,
            time: 0,
            sender: None,
            unknown: None,
            labels: None,
            utc_offset: |_| 0,
        }
    }

    /// A moment, in nanoseconds since 1970, on the local calendar.
    fn local(&self, nanos: u64) -> time::Calendar {
        let offset = (self.utc_offset)(nanos / bytes::NANOS_PER_SECOND);
        time::Calendar::new(nanos, offset)
    }
}

/// A place in the order of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When the event happened.
    Time,
    /// New, update or destroy.
    Event,
    /// Layer 3 protocol.
    Family,
    /// Layer 4 protocol.
    Protocol,
    /// Remaining life.
    Timeout,
    /// State of the protocol.
    State,
    /// Tuple of a direction.
    Tuple(Dir),
    /// Zone of a direction.
    DirZone(Dir),
    /// Counters of a direction.
    Counters(Dir),
    /// No answer was seen.
    Unreplied,
    /// Offloaded or assured.
    Assurance,
    /// Packet mark.
    Mark,
    /// Security mark.
    Secmark,
    /// Security context.
    Secctx,
    /// Zone of both directions.
    Zone,
    /// Age, or length of life.
    Age,
    /// When the flow began.
    Start,
    /// When the flow ended.
    Stop,
    /// Helper.
    Helper,
    /// Reference count.
    Use,
    /// The kernel's id.
    Id,
    /// Labels.
    Labels,
    /// Program that caused the event.
    Sender,
}

/// How well a flow is protected from early removal; the strongest that applies is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assurance {
    /// Handled by hardware.
    HwOffload,
    /// In a flow table.
    Offload,
    /// Never dropped early.
    Assured,
}

impl Assurance {
    fn of(status: Status) -> Option<Self> {
        if status.contains(Status::HW_OFFLOAD) {
            Some(Self::HwOffload)
        } else if status.contains(Status::OFFLOAD) {
            Some(Self::Offload)
        } else if status.contains(Status::ASSURED) {
            Some(Self::Assured)
        } else {
            None
        }
    }
}

/// One thing to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// When the event happened, nanoseconds since 1970.
    Time(u64),
    /// New, update or destroy.
    Event(EventKind),
    /// Layer 3 protocol.
    Family(Family),
    /// Layer 4 protocol.
    Protocol(Protocol),
    /// Remaining life in seconds.
    Timeout(u32),
    /// State of the protocol.
    State(&'static str),
    /// Tuple of a direction, without its zone.
    Tuple(Dir, &'a Tuple),
    /// Zone of a direction.
    DirZone(Dir, Zone),
    /// Counters of a direction.
    Counters(Dir, Counters),
    /// No answer was seen.
    Unreplied,
    /// Offloaded or assured.
    Assurance(Assurance),
    /// Packet mark.
    Mark(Mark),
    /// Security mark.
    Secmark(u32),
    /// Security context.
    Secctx(Name<'a>),
    /// Zone of both directions.
    Zone(Zone),
    /// Age, or length of life, in whole seconds.
    Age(u64),
    /// When the flow began, in nanoseconds since 1970 and in local time.
    Start(u64, time::Calendar),
    /// When the flow ended, likewise.
    Stop(u64, time::Calendar),
    /// Helper.
    Helper(Name<'a>),
    /// Reference count.
    Use(u32),
    /// The kernel's id.
    Id(u32),
    /// Labels, at least one.
    Labels(LabelSet<'a>),
    /// Program that caused the event.
    Sender(Sender<'a>),
}

/// A format: how each item looks.
pub trait Sink {
    /// Writes one item.
    fn item(&mut self, item: Item<'_>);
}

/// Hands what is known and wanted of a record to a sink, in the given order.
///
/// A macro, so that the compiler sees which field each step is about: then nothing is left of the
/// two questions which one it is, and an absent one costs a look at the flow.
macro_rules! walk {
    ($record:expr, $show:expr, $sink:expr, [$($field:expr),* $(,)?]) => {{
        $($crate::render::step($record, $show, $sink, $field);)*
    }};
}
use walk;

/// Hands one field to a sink, if it is known and wanted.
#[inline(always)]
fn step(record: &Record<'_>, show: &Show, sink: &mut impl Sink, field: Field) {
    if let Some(item) = item(record, show, field) {
        sink.item(item);
    }
}

/// What stands at one place; `None` when it is unknown or not wanted.
#[inline(always)]
fn item<'a>(record: &Record<'a>, show: &Show, field: Field) -> Option<Item<'a>> {
    let flow = record.object;
    match field {
        Field::Time => show
            .time
            .then(|| Item::Time(flow.event_time.unwrap_or(record.time))),
        Field::Event => record.event.map(Item::Event),
        Field::Family => show.extended.then(|| Item::Family(flow.family())),
        Field::Protocol => Some(Item::Protocol(flow.protocol())),
        Field::Timeout => flow.timeout.filter(|_| show.timeout).map(Item::Timeout),
        Field::State => flow.protoinfo?.state_name().map(Item::State),
        Field::Tuple(dir) => flow.tuple(dir).map(|tuple| Item::Tuple(dir, tuple)),
        Field::DirZone(dir) => flow.tuple(dir)?.zone.map(|zone| Item::DirZone(dir, zone)),
        Field::Counters(dir) => flow
            .counters
            .get(dir)
            .map(|counters| Item::Counters(dir, counters)),
        Field::Unreplied => (!flow.status?.contains(Status::SEEN_REPLY)).then_some(Item::Unreplied),
        Field::Assurance => Assurance::of(flow.status?).map(Item::Assurance),
        Field::Mark => flow.mark.map(Item::Mark),
        Field::Secmark => flow.secmark.map(Item::Secmark),
        Field::Secctx => flow.secctx.map(Item::Secctx),
        Field::Zone => flow.zone.map(Item::Zone),
        Field::Age => age(record).map(Item::Age),
        Field::Start => life(record, show, |life| Some(life.start))
            .map(|(nanos, local)| Item::Start(nanos, local)),
        Field::Stop => {
            life(record, show, |life| life.stop).map(|(nanos, local)| Item::Stop(nanos, local))
        }
        Field::Helper => flow.helper.map(|helper| Item::Helper(helper.name)),
        Field::Use => flow.use_count.map(Item::Use),
        Field::Id => flow.id.filter(|_| show.id).map(Item::Id),
        Field::Labels => LabelSet::new(flow.labels.as_ref()?, record.labels?).map(Item::Labels),
        Field::Sender => record.sender.map(Item::Sender),
    }
}

/// Whole seconds from start to stop, or to now; each is cut to seconds first, as stock does.
fn age(record: &Record<'_>) -> Option<u64> {
    let life = record.object.timestamp?;
    let stop = life
        .stop
        .map_or(record.now, |stop| stop / bytes::NANOS_PER_SECOND);
    Some(stop.saturating_sub(life.start / bytes::NANOS_PER_SECOND))
}

/// A moment of a flow's life, if it is wanted, and what the calendar says of it.
fn life(
    record: &Record<'_>,
    show: &Show,
    moment: impl Fn(Timestamp) -> Option<u64>,
) -> Option<(u64, time::Calendar)> {
    let life = record.object.timestamp.filter(|_| show.life)?;
    moment(life).map(|nanos| (nanos, record.local(nanos)))
}

/// Renders a record as one line of text, without the line's end.
pub fn text(out: &mut Vec<u8>, record: &Record<'_>, show: &Show) {
    text::render(out, record, show);
}

/// Renders a record as one XML element, without the line's end.
pub fn xml(out: &mut Vec<u8>, record: &Record<'_>, show: &Show) {
    xml::render(out, record, show);
}
