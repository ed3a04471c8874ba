//! The command line of the connection tracking system.
//!
//! A library only so that tests, fuzzing and the completions of shells reach its parts; the program
//! is `main.rs`. [`cli`] makes a job of the words that were typed, [`command`] does it.

pub mod cli;
pub mod command;
pub mod files;
pub mod label_file;
pub mod protocols;

/// What diagnostics start with. Programs compare it, so it names the version of stock that this
/// one behaves like.
pub const PREFIX: &str = "conntrack v1.4.9 (conntrack-tools): ";
