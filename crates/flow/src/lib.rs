//! The nouns of connection tracking.
//!
//! A [`Flow`] is one conntrack entry, a [`Tuple`] the addresses and protocol data of one of its two
//! directions, an [`Expectation`] a flow the kernel is told to wait for. Both codecs of the
//! project (the kernel's in `nfnetlink`, the peer's in `ctsync`) read into these types and write
//! from them, so that they need not know each other.
//!
//! This crate has no I/O, no clock and no allocation in its values: whatever has no fixed size
//! is borrowed from the message it was decoded from.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod event;
pub mod expectation;
pub mod filter;
pub mod flow;
pub mod label_map;
pub mod labels;
pub mod nat;
pub mod protocol;
pub mod protoinfo;
pub mod render;
pub mod status;
#[cfg(feature = "proptest")]
pub mod strategy;
pub mod tuple;

pub use event::{Event, EventKind, Object, Origin};
pub use expectation::{ExpectNat, Expectation, ExpectationFlags};
pub use flow::{Counters, Flow, Helper, Mark, Name, Timestamp, Zone};
pub use label_map::LabelMap;
pub use labels::Labels;
pub use nat::{NatRange, SeqAdj, Synproxy, Translation};
pub use protocol::{Family, Protocol};
pub use protoinfo::{
    DccpInfo, DccpRole, DccpState, ProtoInfo, SctpInfo, SctpState, TcpFlags, TcpInfo, TcpState,
};
pub use status::Status;
pub use tuple::{Addrs, Dir, Icmp, Keys, L4, PerDir, Ports, Tuple};
