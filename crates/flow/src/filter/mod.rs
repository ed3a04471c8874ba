//! Which flows are wanted.
//!
//! One file per kind of filter: the command line's selection of flows, alone or with a whole set of
//! them, and the daemon's choice of what is replicated.

pub mod event;
pub mod flow;
pub mod kernel;
pub mod known;
pub mod nat;
#[cfg(test)]
mod property;
pub mod selection;
pub mod set;

pub use event::{EventFilter, Network, Policy};
pub use flow::{AddrFilter, FlowFilter, L4Filter, State, TupleFilter};
pub use kernel::{KernelFilter, MarkMatch, PartialTuple, StatusMatch};
pub use known::Known;
pub use nat::{NatFilter, NatMatch};
pub use selection::Selection;
pub use set::FilterSet;
