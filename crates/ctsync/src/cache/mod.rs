//! The flows and expectations of our kernel and of the peer's.
//!
//! Each cache is one [`table`] of entries with an index, of flows ([`entry`]) or of expectations
//! ([`expectation`]): [`kept`] is what the two have in common. The [`internal`] cache adds to each
//! entry where it stands on its way to the peer; the [`external`] one is what a commit writes into
//! the kernel. [`ours`] and [`theirs`] hold both tables of a kernel; [`view`] shows them to the
//! outside.

pub(crate) mod entry;
pub(crate) mod expectation;
pub(crate) mod expiry;
pub(crate) mod external;
mod extra;
pub(crate) mod foreign;
pub(crate) mod hash;
pub(crate) mod internal;
pub(crate) mod kept;
pub(crate) mod key;
mod masters;
pub(crate) mod ours;
#[cfg(test)]
mod property;
pub(crate) mod table;
pub(crate) mod theirs;
pub(crate) mod tracked;
mod view;
pub(crate) mod zones;

pub(crate) use hash::HashKey;
pub(crate) use internal::Internal;
pub(crate) use key::Key;
pub use ours::Name;
pub use table::{Cursor, Slot};
pub use view::{EntryState, ExpectationView, ExpectationsView, FlowView, View};
