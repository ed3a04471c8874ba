//! Our conntrackd among enemies: everything that someone on the dedicated link or on the control
//! socket can send, while a real peer goes on replicating.
//!
//! Two of our daemons talk; the attacker stands in the first one's namespace, which is where a
//! forged datagram would come from, and B is the victim. Each case is a list of datagrams and what
//! must have been counted afterwards, and one function judges all of them: the process lives, both
//! directions replicate (see `arena` for when), the statistics are answered in time, memory and
//! log have not grown beyond a stated bound.
//!
//! Malformed netlink cannot be sent to a daemon without being the kernel: the codec's property
//! tests and the fuzz targets `netlink` and `attributes` do that.

mod arena;
mod clients;
mod flood;
mod message;
mod peer;
