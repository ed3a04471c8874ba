//! What the kernel says has happened to a flow or an expectation, and who caused it.

use crate::expectation::Expectation;
use crate::flow::Flow;

/// Kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The object is new in the table.
    New,
    /// The object changed.
    Update,
    /// The object left the table.
    Destroy,
}

/// Who caused a change.
///
/// Requests carry the netlink port id of the socket they came from, so the daemon recognises its
/// own changes and never sends them back to its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A packet, or a timer of the kernel.
    Traffic,
    /// Another program, by its netlink port id.
    Other(u32),
    /// Our own commit of the external cache.
    Commit,
    /// Our own direct injection of a peer's message.
    Inject,
    /// Our own flush or purge of the kernel table.
    Flush,
    /// Our own reading of the kernel table.
    Resync,
}

/// What a kernel message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a flow is decoded in place, boxing it would allocate"
)]
pub enum Object<'a> {
    /// A flow.
    Flow(Flow<'a>),
    /// An expectation.
    Expectation(Expectation<'a>),
}

/// One change in the kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// New, update or destroy.
    pub kind: EventKind,
    /// Who caused it.
    pub origin: Origin,
    /// The flow or expectation after the change.
    pub object: Object<'a>,
}
