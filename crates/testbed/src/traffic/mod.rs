//! Traffic through a topology, from inside this program: sockets are made in the namespaces,
//! threads here use them.

mod echo;
mod held;
mod steady;

pub use echo::EchoServer;
pub use held::{HeldConnections, Survivors};
pub use steady::{Stall, SteadyTalker};
