//! A tuple in pieces: addresses, protocol and ports are attributes of their own.

use flow::{Addrs, L4, Ports, Protocol, Tuple};

/// A tuple as messages carry it; each piece may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleParts {
    /// The addresses.
    pub addrs: Option<Addrs>,
    /// The layer 4 protocol.
    pub protocol: Option<Protocol>,
    /// The ports; sent for TCP, UDP, SCTP and DCCP only.
    pub ports: Option<Ports>,
}

impl TupleParts {
    /// The pieces of a tuple that travel.
    pub fn new(tuple: &Tuple) -> Self {
        Self {
            addrs: Some(tuple.addrs),
            protocol: Some(tuple.protocol()),
            ports: sent_ports(&tuple.l4),
        }
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.addrs.is_none() && self.protocol.is_none() && self.ports.is_none()
    }

    /// The tuple, if addresses and protocol are there; missing ports are zero.
    pub fn tuple(&self) -> Option<Tuple> {
        Some(Tuple::new(
            self.addrs?,
            l4_with_ports(self.protocol?, self.ports),
        ))
    }
}

/// The ports, if the protocol's ports travel: those of UDP-Lite do not.
pub(super) const fn sent_ports(l4: &L4) -> Option<Ports> {
    match *l4 {
        L4::Tcp(ports) | L4::Udp(ports) | L4::Sctp(ports) | L4::Dccp(ports) => Some(ports),
        L4::UdpLite(_) | L4::Icmp(_) | L4::Icmpv6(_) | L4::Gre(_) | L4::Other(_) => None,
    }
}

/// The layer 4 part of a protocol, with these ports if it has any.
pub(super) fn l4_with_ports(protocol: Protocol, ports: Option<Ports>) -> L4 {
    ports
        .and_then(|ports| L4::with_ports(protocol, ports))
        .unwrap_or_else(|| L4::zero(protocol))
}
