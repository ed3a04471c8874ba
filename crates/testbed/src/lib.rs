//! The testbed: real programs on a real kernel, in network namespaces of their own.
//!
//! A test makes [`Namespace`]s, joins them with [`veth`] links or takes a ready topology, runs
//! commands in them, starts daemons ([`Process`], [`Conntrackd`]) and waits for conditions
//! ([`wait_until`]); it never sleeps and hopes. Whatever it made goes away when the values are
//! dropped, also when the test panics; what a killed test left behind, the next one sweeps up.
//!
//! ```no_run
//! # fn main() -> testbed::Result<()> {
//! let host = testbed::Namespace::new("host")?;
//! host.run("ip address add 192.0.2.1/24 dev lo")?;
//! let listing = host.run("ip -brief address")?;
//! assert!(listing.stdout.contains("192.0.2.1/24"));
//! # Ok(())
//! # }
//! ```
//!
//! Everything here needs root and iproute2. It is test tooling: no product crate depends on it,
//! and it knows the programs only as processes.

mod command;
mod conntrackd;
mod dump;
mod error;
mod folder;
mod interrupt;
mod keepalived;
mod link;
mod load;
mod log;
mod namespace;
mod packages;
mod process;
mod program;
mod setup;
mod spawner;
mod statistics;
mod sweep;
mod table_limit;
mod topology;
mod traffic;
mod wait;

pub use command::{Command, Output};
pub use conntrackd::Conntrackd;
pub use dump::{FlowLine, difference};
pub use error::{Error, Result};
pub use folder::Folder;
pub use interrupt::{catch_interrupts, interrupted};
pub use keepalived::Keepalived;
pub use link::veth;
pub use load::Group;
pub use log::{Line, Log, Mark};
pub use namespace::{Namespace, is_root};
pub use packages::ensure_packages;
pub use process::Process;
pub use program::{Implementation, Program, set_program_folder};
pub use setup::{IpVersion, Mode, Setup, Transport};
pub use statistics::{CacheStatistics, Statistics};
pub use sweep::{remove_kept, sweep};
pub use table_limit::TableLimit;
pub use topology::{
    Cluster, ClusterNode, FailoverPair, Firewall, Plan, Replication, Roles, Rules, SyncPair,
};
pub use traffic::{
    Downloads, EchoServer, HeldConnections, Spray, Stall, SteadyTalker, Survivors, Tally, Visit,
    Visitors,
};
pub use wait::{PATIENCE, Progress, wait_for, wait_for_number, wait_until};
