//! The control socket: how `conntrackd -i`, `-s`, `-c` and the like reach the running daemon.
//!
//! [`protocol`] is what can be asked, [`connection`] the life of one client without any waiting,
//! [`server`] the socket inside the daemon's loop and [`client`] the other end.

pub mod client;
pub mod connection;
pub mod protocol;
pub mod server;

pub use connection::{CHUNK_LEN, Progress};
pub use protocol::{Cache, Caches, Format, Request, Table, Topic};
pub use server::Server;
