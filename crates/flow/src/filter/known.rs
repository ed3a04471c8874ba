//! A selection that at most one flow can fulfil, and by which tuple the kernel finds it.
//!
//! Addresses, protocol and its numbers do not name a flow: each zone may have one with the same tuple.
//! So the zone of the direction has to be given too. `-w 0` alone does not give it: it also stands for
//! flows that have a zone in one direction only.

use core::net::IpAddr;

use super::flow::{AddrFilter, FlowFilter, TupleFilter};
use crate::flow::Zone;
use crate::protocol::Protocol;
use crate::tuple::{Addrs, Dir, Icmp, Keys, L4, Ports, Tuple};

/// How the kernel finds the only flow that can be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which of the flow's tuples is given.
    pub dir: Dir,
    /// That tuple, with the zone of its direction if it has one alone.
    pub tuple: Tuple,
    /// Zone of both directions.
    pub zone: Option<Zone>,
}

impl FlowFilter {
    /// The tuple of the only flow that can match, if the conditions say it.
    pub fn known(&self) -> Option<Known> {
        self.known_by(Dir::Original, &self.tuple.orig)
            .or_else(|| self.known_by(Dir::Reply, &self.tuple.reply))
    }

    fn known_by(&self, dir: Dir, wanted: &TupleFilter) -> Option<Known> {
        let (zone, own_zone) = match (self.zone, wanted.zone) {
            (Some(Zone(0)), Some(Zone(0))) => (None, None),
            (Some(Zone(0)), _) | (None, None | Some(Zone(0))) => return None,
            (Some(zone), _) => (Some(zone), None),
            (None, Some(zone)) => (None, Some(zone)),
        };
        let whole = |addr: Option<AddrFilter>| -> Option<IpAddr> { addr?.single() };
        let addrs = Addrs::new(whole(wanted.src)?, whole(wanted.dst)?)?;
        let l4 = self.known_l4(wanted)?;
        Some(Known {
            dir,
            tuple: Tuple {
                zone: own_zone,
                ..Tuple::new(addrs, l4)
            },
            zone,
        })
    }

    fn known_l4(&self, wanted: &TupleFilter) -> Option<L4> {
        let protocol = self.protocol?;
        let numbers = || wanted.l4.src.zip(wanted.l4.dst);
        let icmp = || {
            Some(Icmp {
                kind: wanted.l4.kind?,
                code: wanted.l4.code?,
                id: wanted.l4.id?,
            })
        };
        match protocol {
            Protocol::ICMP => icmp().map(L4::Icmp),
            Protocol::ICMPV6 => icmp().map(L4::Icmpv6),
            Protocol::GRE => numbers().map(|(src, dst)| L4::Gre(Keys { src, dst })),
            _ if protocol.name().is_none() => Some(L4::Other(protocol)),
            _ => {
                let (src, dst) = numbers()?;
                L4::with_ports(protocol, Ports { src, dst })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::L4Filter;
    use crate::tuple::PerDir;

    fn wanted(prefix: u8) -> TupleFilter {
        TupleFilter {
            src: AddrFilter::network([10, 0, 0, 1].into(), 32),
            dst: AddrFilter::network([10, 0, 0, 2].into(), prefix),
            l4: L4Filter {
                src: Some(1),
                dst: Some(2),
                ..L4Filter::default()
            },
            ..TupleFilter::default()
        }
    }

    fn udp(orig: TupleFilter, reply: TupleFilter, zone: Option<u16>) -> FlowFilter {
        FlowFilter {
            protocol: Some(Protocol::UDP),
            tuple: PerDir { orig, reply },
            zone: zone.map(Zone),
            ..FlowFilter::default()
        }
    }

    #[test]
    fn a_whole_tuple_and_its_zone_name_a_flow() {
        let none = TupleFilter::default();
        let known = udp(wanted(32), none, Some(5)).known().unwrap();
        assert_eq!((known.dir, known.zone), (Dir::Original, Some(Zone(5))));
        let ports = Ports { src: 1, dst: 2 };
        assert_eq!((known.tuple.l4, known.tuple.zone), (L4::Udp(ports), None));
        let known = udp(none, wanted(32), Some(5)).known().unwrap();
        assert_eq!(known.dir, Dir::Reply);
        let own = |zone| TupleFilter {
            zone: Some(Zone(zone)),
            ..wanted(32)
        };
        let known = udp(own(3), none, None).known().unwrap();
        assert_eq!((known.tuple.zone, known.zone), (Some(Zone(3)), None));
        let known = udp(own(0), none, Some(0)).known().unwrap();
        assert_eq!((known.tuple.zone, known.zone), (None, None));
    }

    #[test]
    fn less_does_not() {
        let none = TupleFilter::default();
        let own = TupleFilter {
            zone: Some(Zone(0)),
            ..wanted(32)
        };
        for filter in [
            udp(wanted(32), none, None),
            udp(wanted(32), none, Some(0)),
            udp(own, none, None),
            udp(wanted(24), none, Some(5)),
            FlowFilter {
                protocol: None,
                ..udp(wanted(32), none, Some(5))
            },
            FlowFilter {
                protocol: Some(Protocol::ICMP),
                ..udp(wanted(32), none, Some(5))
            },
        ] {
            assert_eq!(filter.known(), None, "{filter:?}");
        }
    }

    #[test]
    fn a_protocol_without_numbers_needs_none() {
        let bare = TupleFilter {
            l4: L4Filter::default(),
            ..wanted(32)
        };
        let filter = FlowFilter {
            protocol: Some(Protocol(200)),
            ..udp(bare, TupleFilter::default(), Some(5))
        };
        let known = filter.known().unwrap();
        assert_eq!(known.tuple.l4, L4::Other(Protocol(200)));
    }
}
