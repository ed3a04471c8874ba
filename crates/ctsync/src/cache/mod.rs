//! The flows of our kernel and of the peer's.
//!
//! Both caches are one [`table`] of entries with an index. The
//! [`internal`] cache adds to each entry where it stands on its way to the peer; the
//! [`external`] one is what a commit writes into the kernel. [`view`] shows either to the outside.

pub(crate) mod entry;
pub(crate) mod external;
mod extra;
pub(crate) mod hash;
pub(crate) mod internal;
pub(crate) mod key;
#[cfg(test)]
mod property;
pub(crate) mod table;
pub(crate) mod tracked;
mod view;

pub(crate) use external::External;
pub(crate) use hash::HashKey;
pub(crate) use internal::Internal;
pub(crate) use key::Key;
pub use table::{Cursor, Slot};
pub use view::{EntryState, FlowView, View};
