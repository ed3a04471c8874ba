//! Many flows by real packets: one UDP datagram each, to an address that nobody answers for.
//!
//! Unlike [`Group`](crate::Group) these go through the whole firewall, with translation, and need
//! no tool. The last router on the way must drop packets to [`Spray::NETWORK`] silently.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use crate::{Error, Namespace, Result};

/// Source ports below those that the kernel gives to others. Many flows from one port to many
/// destinations would cost the kernel's address translation a long search for each.
const PORTS: std::ops::Range<u32> = 2_000..32_000;
/// The discard port.
const DISCARD: u16 = 9;
/// Flows in one go.
const STEP: u32 = 1_000;

/// A source of new flows.
#[derive(Debug)]
pub struct Spray<'a> {
    namespace: &'a Namespace,
    sent: u32,
}

impl<'a> Spray<'a> {
    /// The destinations: the network reserved for benchmarks.
    pub const NETWORK: &'static str = "198.18.0.0/15";

    /// Flows that begin in this namespace.
    pub fn new(namespace: &'a Namespace) -> Self {
        Self { namespace, sent: 0 }
    }

    /// Begins up to `count` more flows, at most a thousand, and returns how many there are in all.
    pub fn more(&mut self, count: u32) -> Result<u32> {
        let end = self.sent + count.min(STEP);
        self.namespace
            .enter(|| (self.sent..end).try_for_each(begin))?
            .map_err(Error::io("sending datagrams"))?;
        self.sent = end;
        Ok(end)
    }
}

/// Begins flow number so-and-so.
fn begin(flow: u32) -> io::Result<()> {
    let ports = PORTS.end - PORTS.start;
    let port = u16::try_from(PORTS.start + flow % ports).map_err(io::Error::other)?;
    let destination = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + flow / ports;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    socket
        .send_to(&[], (Ipv4Addr::from(destination), DISCARD))
        .map(drop)
}
