//! What foreign bytes meet: one function per decoder, and the list of them.
//!
//! A target takes any bytes and returns. It panics if the code under it does, or if a law is
//! broken that must hold for whatever was understood. The same functions are run by libFuzzer
//! (`fuzz_targets/`) and, for a fixed number of mutations of the seeds, by `cargo test`.

pub mod attributes;
pub mod command;
pub mod config;
pub mod netlink;
pub mod node;
pub mod peer;
pub mod stream;

#[cfg(test)]
mod short;

/// A target and what its short run needs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its module, its file in `fuzz_targets/` and its folder in `seeds/`.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// How many mutated inputs the short run tries: a few seconds at most.
    pub short_runs: u32,
}

macro_rules! targets {
    ($($name:ident: $short_runs:literal,)*) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $name::run, short_runs: $short_runs },)*
        ];

        #[cfg(test)]
        mod targets {
            $(
                #[test]
                fn $name() {
                    crate::short::check(stringify!($name));
                }
            )*
        }
    };
}

targets! {
    netlink: 1_000_000,
    attributes: 1_000_000,
    config: 60_000,
    command: 100_000,
    peer: 1_000_000,
    stream: 100_000,
    node: 100_000,
}
