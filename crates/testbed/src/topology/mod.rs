//! Ready-made networks.

mod cluster;
mod example;
mod failover_pair;
mod firewall;
mod plan;
mod power;
mod sync_pair;

pub use cluster::{Cluster, ClusterNode};
pub use failover_pair::FailoverPair;
pub use firewall::Firewall;
pub use plan::{Plan, Replication, Roles, Rules};
pub use sync_pair::SyncPair;
