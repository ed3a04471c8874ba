//! Replication nodes in a world made of chance.
//!
//! The nodes are the real [`ctsync::Node`]s. Kernel, network, clock, traffic and operator are
//! simulated, and everything is drawn from one seed, so that a failure can be run again, with every
//! line of what happened. While faults last, nothing wrong may happen; when they have ended, the
//! right things must. What is wrong and what is right is said by the checkers in [`check`], each in
//! its own file.
//!
//! ```
//! let report = sim::run(1);
//! assert!(report.violations.is_empty());
//! ```

#![forbid(unsafe_code)]

mod chaos;
pub mod check;
mod daemon;
pub mod essence;
pub mod fact;
pub mod history;
pub mod host;
pub mod kernel;
mod links;
pub mod network;
pub mod random;
pub mod report;
pub mod sabotage;
pub mod scenario;
pub mod schedule;
pub mod stock;
mod text;
pub mod trace;
pub mod workload;
pub mod world;

pub use report::{Report, Violation};
pub use scenario::{Scenario, Wish};

/// Runs the world that a seed makes.
pub fn run(seed: u64) -> Report {
    world::World::new(Scenario::random(seed), seed, false).run(seed)
}

/// Runs the world that a seed makes when some of it is laid down.
pub fn run_wished(seed: u64, wish: &Wish) -> Report {
    world::World::new(Scenario::wished(seed, wish), seed, false).run(seed)
}

/// Runs a named scenario with a seed; `None` if there is none of that name.
pub fn run_scenario(name: &str, seed: u64) -> Option<Report> {
    let scenario = scenario::named()
        .into_iter()
        .find(|scenario| scenario.name == name)?;
    Some(world::World::new(scenario, seed, false).run(seed))
}

/// Runs a scenario of one's own with a seed.
pub fn run_world(scenario: Scenario, seed: u64) -> Report {
    world::World::new(scenario, seed, false).run(seed)
}

/// Like [`run_wished`] or [`run_scenario`], with a text of everything that happens.
pub fn trace(name: Option<&str>, wish: &Wish, seed: u64) -> Option<Report> {
    let scenario = match name {
        Some(name) => scenario::named()
            .into_iter()
            .find(|scenario| scenario.name == name)?,
        None => Scenario::wished(seed, wish),
    };
    Some(world::World::new(scenario, seed, true).run(seed))
}
