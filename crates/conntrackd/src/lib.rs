//! The daemon that replicates the connection tracking table between firewalls, and its client.
//!
//! A library only so that tests and fuzzing reach its parts; the program is `main.rs`.

pub mod args;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dump_text;
pub mod log;
pub mod stats_text;
