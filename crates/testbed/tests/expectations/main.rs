//! Expectations: announced on one firewall, met on the other one.
//!
//! Real sessions of FTP and SIP pass a firewall that translates addresses; the kernel's own
//! helpers read them and expect what they announce. What is expected travels to the other
//! firewall, and after a failover the announced connection passes there.

mod exchange;
mod failover;
mod ftp;
mod modes;
mod network;
mod requests;
mod sip;
