//! One direction of a flow: addresses, protocol and the protocol's ports, keys or ICMP fields.
//!
//! What a protocol does not have cannot be expressed: an ICMP tuple has no ports.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::Zone;
use crate::protocol::{Family, Protocol};

/// The two directions of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dir {
    /// The direction of the packet that created the flow (`IP_CT_DIR_ORIGINAL`).
    Original,
    /// The answers (`IP_CT_DIR_REPLY`).
    Reply,
}

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PerDir<T> {
    /// Value of the original direction.
    pub orig: T,
    /// Value of the reply direction.
    pub reply: T,
}

impl<T> PerDir<T> {
    /// The value of one direction.
    pub const fn get(&self, dir: Dir) -> &T {
        match dir {
            Dir::Original => &self.orig,
            Dir::Reply => &self.reply,
        }
    }

    /// The value of one direction, to change it.
    pub const fn get_mut(&mut self, dir: Dir) -> &mut T {
        match dir {
            Dir::Original => &mut self.orig,
            Dir::Reply => &mut self.reply,
        }
    }
}

impl<T> PerDir<Option<T>> {
    /// Both values, if both are known.
    pub const fn both(&self) -> Option<(&T, &T)> {
        match (&self.orig, &self.reply) {
            (Some(orig), Some(reply)) => Some((orig, reply)),
            _ => None,
        }
    }
}

/// Source and destination address, always of one family (`CTA_TUPLE_IP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Addrs {
    /// IPv4.
    V4 {
        /// Source.
        src: Ipv4Addr,
        /// Destination.
        dst: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Source.
        src: Ipv6Addr,
        /// Destination.
        dst: Ipv6Addr,
    },
}

impl Addrs {
    /// Pairs two addresses; `None` when their families differ.
    pub const fn new(src: IpAddr, dst: IpAddr) -> Option<Self> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Self::V4 { src, dst }),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Self::V6 { src, dst }),
            _ => None,
        }
    }

    /// The family of both addresses.
    pub const fn family(&self) -> Family {
        match self {
            Self::V4 { .. } => Family::Ipv4,
            Self::V6 { .. } => Family::Ipv6,
        }
    }

    /// The source address.
    pub const fn src(&self) -> IpAddr {
        match *self {
            Self::V4 { src, .. } => IpAddr::V4(src),
            Self::V6 { src, .. } => IpAddr::V6(src),
        }
    }

    /// The destination address.
    pub const fn dst(&self) -> IpAddr {
        match *self {
            Self::V4 { dst, .. } => IpAddr::V4(dst),
            Self::V6 { dst, .. } => IpAddr::V6(dst),
        }
    }

    /// Source and destination exchanged.
    #[must_use]
    pub const fn inverse(&self) -> Self {
        match *self {
            Self::V4 { src, dst } => Self::V4 { src: dst, dst: src },
            Self::V6 { src, dst } => Self::V6 { src: dst, dst: src },
        }
    }
}

/// Source and destination port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
}

impl Ports {
    /// Source and destination exchanged.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
        }
    }
}

/// Source and destination key of a GRE flow (call ids of PPTP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keys {
    /// Source key.
    pub src: u16,
    /// Destination key.
    pub dst: u16,
}

impl Keys {
    /// Source and destination exchanged.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
        }
    }
}

/// Type, code and identifier of an ICMP or ICMPv6 flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Icmp {
    /// Message type.
    pub kind: u8,
    /// Message code.
    pub code: u8,
    /// Identifier of an echo or of another query.
    pub id: u16,
}

/// The layer 4 part of a tuple (`CTA_TUPLE_PROTO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum L4 {
    /// TCP, protocol 6.
    Tcp(Ports),
    /// UDP, protocol 17.
    Udp(Ports),
    /// UDP-Lite, protocol 136.
    UdpLite(Ports),
    /// SCTP, protocol 132.
    Sctp(Ports),
    /// DCCP, protocol 33.
    Dccp(Ports),
    /// ICMP, protocol 1.
    Icmp(Icmp),
    /// ICMPv6, protocol 58.
    Icmpv6(Icmp),
    /// GRE, protocol 47.
    Gre(Keys),
    /// Any other protocol: the kernel tracks it by addresses alone.
    ///
    /// Never holds the number of one of the variants above; [`L4::zero`] sees to it.
    Other(Protocol),
}

impl L4 {
    /// The layer 4 part of a protocol with all its fields zero.
    pub const fn zero(protocol: Protocol) -> Self {
        let ports = Ports { src: 0, dst: 0 };
        let icmp = Icmp {
            kind: 0,
            code: 0,
            id: 0,
        };
        match protocol {
            Protocol::TCP => Self::Tcp(ports),
            Protocol::UDP => Self::Udp(ports),
            Protocol::UDPLITE => Self::UdpLite(ports),
            Protocol::SCTP => Self::Sctp(ports),
            Protocol::DCCP => Self::Dccp(ports),
            Protocol::ICMP => Self::Icmp(icmp),
            Protocol::ICMPV6 => Self::Icmpv6(icmp),
            Protocol::GRE => Self::Gre(Keys { src: 0, dst: 0 }),
            other @ Protocol(_) => Self::Other(other),
        }
    }

    /// The layer 4 part of a protocol with ports, `None` for a protocol without.
    pub const fn with_ports(protocol: Protocol, ports: Ports) -> Option<Self> {
        Some(match protocol {
            Protocol::TCP => Self::Tcp(ports),
            Protocol::UDP => Self::Udp(ports),
            Protocol::UDPLITE => Self::UdpLite(ports),
            Protocol::SCTP => Self::Sctp(ports),
            Protocol::DCCP => Self::Dccp(ports),
            Protocol(_) => return None,
        })
    }

    /// The protocol's number.
    pub const fn protocol(&self) -> Protocol {
        match *self {
            Self::Tcp(_) => Protocol::TCP,
            Self::Udp(_) => Protocol::UDP,
            Self::UdpLite(_) => Protocol::UDPLITE,
            Self::Sctp(_) => Protocol::SCTP,
            Self::Dccp(_) => Protocol::DCCP,
            Self::Icmp(_) => Protocol::ICMP,
            Self::Icmpv6(_) => Protocol::ICMPV6,
            Self::Gre(_) => Protocol::GRE,
            Self::Other(protocol) => protocol,
        }
    }

    /// The ports of a protocol that has some.
    pub const fn ports(&self) -> Option<Ports> {
        match *self {
            Self::Tcp(p) | Self::Udp(p) | Self::UdpLite(p) | Self::Sctp(p) | Self::Dccp(p) => {
                Some(p)
            }
            Self::Icmp(_) | Self::Icmpv6(_) | Self::Gre(_) | Self::Other(_) => None,
        }
    }

    /// The ICMP or ICMPv6 fields.
    pub const fn icmp(&self) -> Option<Icmp> {
        match *self {
            Self::Icmp(icmp) | Self::Icmpv6(icmp) => Some(icmp),
            Self::Tcp(_)
            | Self::Udp(_)
            | Self::UdpLite(_)
            | Self::Sctp(_)
            | Self::Dccp(_)
            | Self::Gre(_)
            | Self::Other(_) => None,
        }
    }

    /// What the answers carry: ports or keys exchanged, the ICMP query type replaced by its reply.
    ///
    /// `None` for an ICMP type that the kernel does not track (`nf_ct_invert_icmp_tuple`).
    pub fn inverse(&self) -> Option<Self> {
        Some(match *self {
            Self::Tcp(p) => Self::Tcp(p.inverse()),
            Self::Udp(p) => Self::Udp(p.inverse()),
            Self::UdpLite(p) => Self::UdpLite(p.inverse()),
            Self::Sctp(p) => Self::Sctp(p.inverse()),
            Self::Dccp(p) => Self::Dccp(p.inverse()),
            Self::Gre(k) => Self::Gre(k.inverse()),
            Self::Icmp(icmp) => Self::Icmp(Icmp {
                kind: icmp_reply_kind(icmp.kind)?,
                ..icmp
            }),
            Self::Icmpv6(icmp) => Self::Icmpv6(Icmp {
                kind: icmpv6_reply_kind(icmp.kind)?,
                ..icmp
            }),
            Self::Other(protocol) => Self::Other(protocol),
        })
    }
}

/// Query and reply types of ICMP (`invmap` of `nf_conntrack_proto_icmp.c`).
const fn icmp_reply_kind(kind: u8) -> Option<u8> {
    Some(match kind {
        8 => 0,   // echo
        0 => 8,   // echo reply
        13 => 14, // timestamp
        14 => 13, // timestamp reply
        15 => 16, // information request
        16 => 15, // information reply
        17 => 18, // address mask request
        18 => 17, // address mask reply
        _ => return None,
    })
}

/// Query and reply types of ICMPv6 (`invmap` of `nf_conntrack_proto_icmpv6.c`).
const fn icmpv6_reply_kind(kind: u8) -> Option<u8> {
    Some(match kind {
        128 => 129, // echo request
        129 => 128, // echo reply
        139 => 140, // node information query
        140 => 139, // node information reply
        _ => return None,
    })
}

/// One direction of a flow (`CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// The addresses.
    pub addrs: Addrs,
    /// The protocol with its ports, keys or ICMP fields.
    pub l4: L4,
    /// Zone of this direction alone (`CTA_TUPLE_ZONE`); the flow's zone stands in
    /// [`Flow::zone`](crate::Flow::zone).
    pub zone: Option<Zone>,
}

impl Tuple {
    /// A tuple in no zone of its own.
    pub const fn new(addrs: Addrs, l4: L4) -> Self {
        Self {
            addrs,
            l4,
            zone: None,
        }
    }

    /// The tuple of the answers when nothing is translated, without a zone.
    ///
    /// `None` for an ICMP type that the kernel does not track.
    pub fn inverse(&self) -> Option<Self> {
        Some(Self {
            addrs: self.addrs.inverse(),
            l4: self.l4.inverse()?,
            zone: None,
        })
    }

    /// The address family.
    pub const fn family(&self) -> Family {
        self.addrs.family()
    }

    /// The protocol number.
    pub const fn protocol(&self) -> Protocol {
        self.l4.protocol()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_of_inverse_is_the_tuple() {
        let addrs = Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 0, 2),
        };
        let ports = Ports { src: 1, dst: 2 };
        let cases = [
            L4::Tcp(ports),
            L4::Udp(ports),
            L4::UdpLite(ports),
            L4::Sctp(ports),
            L4::Dccp(ports),
            L4::Gre(Keys { src: 3, dst: 4 }),
            L4::Icmp(Icmp {
                kind: 8,
                code: 0,
                id: 7,
            }),
            L4::Icmpv6(Icmp {
                kind: 128,
                code: 0,
                id: 7,
            }),
            L4::Other(Protocol(200)),
        ];
        for l4 in cases {
            let tuple = Tuple::new(addrs, l4);
            let back = tuple.inverse().and_then(|reply| reply.inverse());
            assert_eq!(back, Some(tuple));
        }
    }

    #[test]
    fn an_untracked_icmp_type_has_no_reply() {
        let l4 = L4::Icmp(Icmp {
            kind: 3,
            code: 1,
            id: 0,
        });
        assert_eq!(l4.inverse(), None);
    }

    #[test]
    fn zero_never_hides_a_known_protocol_in_other() {
        for number in 0..=u8::MAX {
            let l4 = L4::zero(Protocol(number));
            assert_eq!(l4.protocol(), Protocol(number));
            assert_eq!(
                matches!(l4, L4::Other(_)),
                Protocol(number).name().is_none()
            );
        }
    }
}
