//! Traffic through a topology, from inside this program: sockets are made in the namespaces,
//! threads here use them.

mod echo;
mod held;
mod spray;
mod steady;

pub use echo::EchoServer;
pub use held::{HeldConnections, Survivors};
pub use spray::Spray;
pub use steady::{Stall, SteadyTalker};
