//! Many flows by real packets: one UDP datagram each, to an address that nobody answers for.
//!
//! Unlike [`Group`](crate::Group) these go through the whole firewall, with translation, and need
//! no tool. The last router on the way must drop packets to [`Spray::NETWORK`] silently.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use crate::{Error, Namespace, Result};

/// Destinations of each source port.
const DESTINATIONS: u32 = 1000;
/// The source port of the first flows.
const FIRST_SOURCE: u32 = 1024;
/// The discard port.
const PORT: u16 = 9;

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
        // A source port for each thousand: a tuple that comes twice is no new flow.
        let source = FIRST_SOURCE + self.sent.div_ceil(DESTINATIONS);
        let source = u16::try_from(source)
            .map_err(|_| Error::Unexpected("no source port is left for more flows".into()))?;
        let count = count.min(DESTINATIONS);
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0));
        self.namespace
            .enter(|| -> io::Result<()> {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, source))?;
                (0..count).try_for_each(|host| {
                    socket
                        .send_to(&[], (Ipv4Addr::from(first + host), PORT))
                        .map(drop)
                })
            })?
            .map_err(Error::io("sending datagrams"))?;
        self.sent += count;
        Ok(self.sent)
    }
}
