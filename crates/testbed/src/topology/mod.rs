//! Ready-made networks.

mod sync_pair;

pub use sync_pair::{IpVersion, SyncPair};
