//! Traffic through a topology, from inside this program: sockets are made in the namespaces,
//! threads here use them.

mod downloads;
mod echo;
mod held;
mod spray;
mod steady;
mod visitors;

pub use downloads::{Downloads, Tally};
pub use echo::EchoServer;
pub use held::{HeldConnections, Survivors};
pub use spray::Spray;
pub use steady::{Stall, SteadyTalker};
pub use visitors::{Visit, Visitors};
