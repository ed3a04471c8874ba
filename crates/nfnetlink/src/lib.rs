//! Codec between the kernel's ctnetlink messages and the nouns of [`flow`].
//!
//! Three layers, none of which does I/O:
//! - [`nl`]: framing. Netlink messages and attributes, read from slices that cannot be left and
//!   written into a caller's vector.
//! - [`conntrack`], [`expect`], [`stats`]: one module per family of messages, decoder beside
//!   encoder, and a `request` function for each thing the kernel can be asked.
//! - [`exchange`]: which pending request an incoming message belongs to and what it means for it;
//!   [`event`]: what a message says has happened.
//! - [`bpf`]: programs by which the kernel drops events that nobody wants.
//!
//! Decoding borrows from the buffer and allocates nothing. Bytes that are wrong give a
//! [`Malformed`] with its reason, attributes without a name here are skipped and counted
//! ([`Decoded::unknown`]). Timeout policies, user-space helpers and queues are not spoken yet.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bpf;
pub mod conntrack;
pub mod event;
pub mod exchange;
pub mod expect;
pub mod nl;
pub mod stats;
pub mod subsystem;

mod malformed;
mod unknown;

pub use event::{ObjectMessage, decode_event};
pub use malformed::{Decoded, EncodeError, Malformed};
pub use subsystem::{GenHeader, Subsystem};
pub use unknown::UnknownAttributes;
