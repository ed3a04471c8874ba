//! Translation and what it does to TCP sequence numbers.
//!
//! A translation is asked for with a [`NatRange`]; what became of it is seen in the tuples of the
//! flow, as a [`Translation`] of either end.

use core::net::IpAddr;
use core::ops::RangeInclusive;

use crate::flow::Flow;
use crate::status::Status;
use crate::tuple::{Dir, L4, Tuple};

/// A translation to be set up when a flow is created (`CTA_NAT_SRC`, `CTA_NAT_DST`).
///
/// The kernel never reports this attribute: what a translation did is read off the two tuples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatRange {
    /// Addresses to choose from, `CTA_NAT_V4_MINIP` to `CTA_NAT_V4_MAXIP` or the IPv6 ones.
    pub addr: Option<RangeInclusive<IpAddr>>,
    /// Ports to choose from, `CTA_PROTONAT_PORT_MIN` to `CTA_PROTONAT_PORT_MAX`.
    pub port: Option<RangeInclusive<u16>>,
}

impl NatRange {
    /// Translation to exactly this address, and to this port if there is one.
    pub const fn exact(addr: IpAddr, port: Option<u16>) -> Self {
        Self {
            addr: Some(RangeInclusive::new(addr, addr)),
            port: match port {
                Some(port) => Some(RangeInclusive::new(port, port)),
                None => None,
            },
        }
    }
}

/// What a translation changed at one end of a flow, read off the two tuples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// The address is another one.
    pub addr: bool,
    /// The port, key or ICMP identifier is another one.
    pub port: bool,
}

impl Translation {
    /// Whether anything is another one.
    pub const fn is_any(self) -> bool {
        self.addr || self.port
    }
}

impl Flow<'_> {
    /// What became of the end that opened the flow.
    ///
    /// The tuples may differ without a translation, so the kernel's word that it decided about one
    /// counts too, where the status is known.
    pub fn src_translation(&self) -> Translation {
        self.translation(Status::SRC_NAT_DONE, |tuple, dir| match dir {
            Dir::Original => (tuple.addrs.src(), numbers(&tuple.l4).0),
            // An ICMP identifier belongs to who asks.
            Dir::Reply => match tuple.l4.icmp() {
                Some(icmp) => (tuple.addrs.dst(), Some(icmp.id)),
                None => (tuple.addrs.dst(), numbers(&tuple.l4).1),
            },
        })
    }

    /// What became of the end that answers; see [`src_translation`](Self::src_translation).
    pub fn dst_translation(&self) -> Translation {
        self.translation(Status::DST_NAT_DONE, |tuple, dir| match dir {
            Dir::Original => (tuple.addrs.dst(), numbers(&tuple.l4).1),
            Dir::Reply => match tuple.l4.icmp() {
                Some(_) => (tuple.addrs.src(), None),
                None => (tuple.addrs.src(), numbers(&tuple.l4).0),
            },
        })
    }

    fn translation(
        &self,
        done: Status,
        end: impl Fn(&Tuple, Dir) -> (IpAddr, Option<u16>),
    ) -> Translation {
        let is_done = self.status.is_none_or(|status| status.contains(done));
        match &self.reply {
            Some(reply) if is_done => {
                let (orig, reply) = (end(&self.orig, Dir::Original), end(reply, Dir::Reply));
                Translation {
                    addr: orig.0 != reply.0,
                    port: orig.1 != reply.1,
                }
            }
            _ => Translation::default(),
        }
    }
}

/// The numbers that tell flows of the same addresses apart, of source and destination.
fn numbers(l4: &L4) -> (Option<u16>, Option<u16>) {
    match *l4 {
        L4::Tcp(p) | L4::Udp(p) | L4::UdpLite(p) | L4::Sctp(p) | L4::Dccp(p) => {
            (Some(p.src), Some(p.dst))
        }
        L4::Gre(keys) => (Some(keys.src), Some(keys.dst)),
        L4::Icmp(icmp) | L4::Icmpv6(icmp) => (Some(icmp.id), None),
        L4::Other(_) => (None, None),
    }
}

/// Adjustment of TCP sequence numbers in one direction (`CTA_SEQ_ADJ_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqAdj {
    /// Sequence number of the last change, `CTA_SEQADJ_CORRECTION_POS`.
    pub correction_pos: u32,
    /// Offset before that number, `CTA_SEQADJ_OFFSET_BEFORE` (a signed value in its raw bits).
    pub offset_before: u32,
    /// Offset after that number, `CTA_SEQADJ_OFFSET_AFTER` (a signed value in its raw bits).
    pub offset_after: u32,
}

/// Data of a flow behind a SYN proxy (`CTA_SYNPROXY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synproxy {
    /// Initial sequence number, `CTA_SYNPROXY_ISN`.
    pub isn: u32,
    /// Initial time stamp, `CTA_SYNPROXY_ITS`.
    pub its: u32,
    /// Time stamp offset, `CTA_SYNPROXY_TSOFF`.
    pub tsoff: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuple::{Addrs, Icmp, Ports};

    fn flow(l4: L4, reply: L4, translator: [u8; 4]) -> Flow<'static> {
        let addrs = |src: [u8; 4], dst: [u8; 4]| Addrs::V4 {
            src: src.into(),
            dst: dst.into(),
        };
        Flow {
            reply: Some(Tuple::new(addrs([9, 9, 9, 9], translator), reply)),
            status: Some(Status::SRC_NAT_DONE | Status::DST_NAT_DONE),
            ..Flow::new(Tuple::new(addrs([1, 1, 1, 1], [9, 9, 9, 9]), l4))
        }
    }

    fn check(flow: &Flow<'_>, src: (bool, bool), dst: (bool, bool)) {
        let translation = |(addr, port)| Translation { addr, port };
        assert_eq!(flow.src_translation(), translation(src), "{flow:?}");
        assert_eq!(flow.dst_translation(), translation(dst), "{flow:?}");
    }

    #[test]
    fn a_translation_is_seen_at_its_end() {
        let udp = |src, dst| L4::Udp(Ports { src, dst });
        let no = (false, false);
        check(&flow(udp(5, 53), udp(53, 5), [1, 1, 1, 1]), no, no);
        check(
            &flow(udp(5, 53), udp(53, 5), [2, 2, 2, 2]),
            (true, false),
            no,
        );
        check(
            &flow(udp(5, 53), udp(53, 6), [1, 1, 1, 1]),
            (false, true),
            no,
        );
        check(
            &flow(udp(5, 53), udp(99, 5), [1, 1, 1, 1]),
            no,
            (false, true),
        );
        let undecided = Flow {
            status: Some(Status::SRC_NAT),
            ..flow(udp(5, 53), udp(99, 6), [2, 2, 2, 2])
        };
        check(&undecided, no, no);
        let unknown = Flow {
            status: None,
            ..undecided
        };
        check(&unknown, (true, true), (false, true));
    }

    /// Stock compares type and code with the identifier and calls every ping translated
    /// (compat: cli-7).
    #[test]
    fn a_ping_is_translated_by_its_identifier() {
        let ping = |kind, id| L4::Icmp(Icmp { kind, code: 0, id });
        let no = (false, false);
        check(&flow(ping(8, 7), ping(0, 7), [1, 1, 1, 1]), no, no);
        check(
            &flow(ping(8, 7), ping(0, 8), [1, 1, 1, 1]),
            (false, true),
            no,
        );
    }
}
