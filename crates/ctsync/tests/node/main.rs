//! A node, or two of them, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panic"
)]

mod alarm;
#[path = "../basics/mod.rs"]
mod basics;
mod captures;
mod channels;
mod commit;
mod common;
mod convergence;
mod counters;
mod exchange;
mod expectations;
mod ftfw_traces;
mod injection;
mod kernel_resync;
mod messages;
mod node_vectors;
mod notrack;
#[path = "../pcap/mod.rs"]
mod pcap;
mod polling;
mod property;
mod recovery;
mod startup;
mod traffic;
mod unheard;
