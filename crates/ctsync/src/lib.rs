//! Replication of the connection tracking table between two firewalls, without I/O.
//!
//! A [`Node`] is one daemon's replication core. Its caller tells it what happened by
//! [`Node::handle`], takes what it wants done from [`Node::poll`] until that returns `None`, and
//! calls again at [`Node::timeout`] at the latest. Time, randomness and bytes come in as arguments
//! and every effect comes out as a value, so the daemon, the simulator and a recorded trace run the
//! same code.
//!
//! The wire format is stock conntrackd's; `docs/wire.md` describes it.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cache;
pub mod collector;
mod commit;
pub mod config;
mod convert;
mod inject;
pub mod input;
mod lifetime;
mod mode;
mod node;
pub mod output;
mod queue;
pub mod seq;
mod stats;
pub mod time;
mod wheel;
pub mod wire;

pub use cache::{
    Cursor, EntryState, ExpectationView, ExpectationsView, FlowView, Name, Slot, View,
};
pub use config::{ChannelConfig, Config, ExternalCache, InternalCache, ModeConfig};
pub use input::{ChannelId, ClientId, DumpReason, Input, OpId, PeerId, Refusal, Request, Tables};
pub use node::{Node, QueuedMessage};
pub use output::{CommitReport, Injection, KernelOp, NewFlows, Notice, Output, Tally};
pub use queue::Item;
pub use seq::Seq;
pub use stats::{Counter, Gauges, Stats};
pub use time::Instant;
