//! Ready-made networks.

mod failover_pair;
mod sync_pair;

pub use failover_pair::{FailoverPair, Firewall, Replication};
pub use sync_pair::SyncPair;
