//! Conditions on translations: the options `-n`, `-g` and `-j` of `conntrack`.
//!
//! A flow is translated when the kernel decided so and the reply differs from the mirror image of
//! the original tuple. An address asks for a translation of the address to it, a port for one of
//! address and port, in either family (compat: cli-4).

use core::net::IpAddr;

use super::kernel::{PartialTuple, StatusMatch};
use crate::flow::Flow;
use crate::nat::Translation;
use crate::status::Status;

/// Conditions on the translations of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatFilter {
    /// The source is translated like this.
    pub src: Option<NatMatch>,
    /// The destination is translated like this.
    pub dst: Option<NatMatch>,
    /// Source or destination is translated like this.
    pub any: Option<NatMatch>,
}

/// A translation that is asked for; without address and port, any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatMatch {
    /// To this address.
    pub addr: Option<IpAddr>,
    /// To this port; only ports are meant, not keys or identifiers.
    pub port: Option<u16>,
}

impl NatMatch {
    fn matches(self, translation: Translation, addr: IpAddr, port: Option<u16>) -> bool {
        match (self.addr, self.port) {
            (None, None) => translation.is_any(),
            (wanted, None) => translation.addr && wanted == Some(addr),
            (wanted, wanted_port) => {
                translation.addr
                    && translation.port
                    && wanted.is_none_or(|wanted| wanted == addr)
                    && wanted_port == port
            }
        }
    }
}

impl NatFilter {
    /// Whether a flow is translated as wanted; one without a known reply is not translated.
    pub(super) fn matches(&self, flow: &Flow<'_>) -> bool {
        if *self == Self::default() {
            return true;
        }
        let Some(reply) = &flow.reply else {
            return false;
        };
        let ports = reply.l4.ports();
        let (src, dst) = (flow.src_translation(), flow.dst_translation());
        let by_src =
            |wanted: NatMatch| wanted.matches(src, reply.addrs.dst(), ports.map(|ports| ports.dst));
        let by_dst =
            |wanted: NatMatch| wanted.matches(dst, reply.addrs.src(), ports.map(|ports| ports.src));
        self.src.is_none_or(by_src)
            && self.dst.is_none_or(by_dst)
            && self
                .any
                .is_none_or(|wanted| by_src(wanted) || by_dst(wanted))
    }

    /// The status bits that every wanted flow has.
    pub(super) fn status(&self) -> StatusMatch {
        let mut status = StatusMatch::ANY;
        if self.src.is_some() {
            status = status.with(Status::SRC_NAT_DONE);
        }
        if self.dst.is_some() {
            status = status.with(Status::DST_NAT_DONE);
        }
        status
    }

    /// What the reply tuple of every wanted flow has, in addition to `reply`.
    pub(super) fn restrict(&self, reply: PartialTuple) -> PartialTuple {
        let ipv4 = |wanted: Option<NatMatch>| match wanted?.addr? {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        };
        let port = |wanted: Option<NatMatch>| {
            // The kernel tests ports only together with their protocol.
            reply.protocol.and(wanted?.port)
        };
        PartialTuple {
            src: reply.src.or(ipv4(self.dst)),
            dst: reply.dst.or(ipv4(self.src)),
            src_port: reply.src_port.or(port(self.dst)),
            dst_port: reply.dst_port.or(port(self.src)),
            ..reply
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FlowFilter, MarkMatch};
    use super::*;
    use crate::flow::Mark;
    use crate::protocol::{Family, Protocol};
    use crate::tuple::{Addrs, L4, PerDir, Ports, Tuple};
    use alloc::vec::Vec;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A flow from `client` to `server` port 80, shown to the server as `shown`, really answered
    /// by `real` port 8080.
    fn flow(client: &str, shown: &str, server: &str, real: &str) -> Flow<'static> {
        let tuple = |src, dst, sport, dport| {
            let ports = Ports {
                src: sport,
                dst: dport,
            };
            Tuple::new(Addrs::new(addr(src), addr(dst)).unwrap(), L4::Tcp(ports))
        };
        Flow {
            reply: Some(tuple(real, shown, 8080, 6000)),
            status: Some(Status::SRC_NAT_DONE | Status::DST_NAT_DONE),
            ..Flow::new(tuple(client, server, 5000, 80))
        }
    }

    fn wanted(text: &str, port: Option<u16>) -> Option<NatMatch> {
        let addr = (!text.is_empty()).then(|| addr(text));
        Some(NatMatch { addr, port })
    }

    fn check(nat: NatFilter, flow: &Flow<'_>, expected: bool) {
        assert_eq!(nat.matches(flow), expected, "{nat:?}");
    }

    /// In stock the address does not count in IPv6 (compat: cli-4).
    #[test]
    fn addresses_and_ports_count_in_both_families() {
        let cases = [
            (
                flow("10.0.0.1", "1.2.3.4", "5.5.5.5", "10.9.9.9"),
                "1.2.3.4",
                "10.9.9.9",
            ),
            (
                flow("fd00::1", "2001::4", "2001::5", "fd00::9"),
                "2001::4",
                "fd00::9",
            ),
        ];
        for (flow, shown, real) in cases {
            let src = |text: &str, port| NatFilter {
                src: wanted(text, port),
                ..NatFilter::default()
            };
            let dst = |text: &str, port| NatFilter {
                dst: wanted(text, port),
                ..NatFilter::default()
            };
            check(src("", None), &flow, true);
            check(src(shown, None), &flow, true);
            check(src(real, None), &flow, false);
            check(src(shown, Some(6000)), &flow, true);
            check(src(shown, Some(6001)), &flow, false);
            check(dst(real, Some(8080)), &flow, true);
            check(dst(shown, None), &flow, false);
        }
    }

    #[test]
    fn either_end_will_do_for_any() {
        let any = |text: &str| NatFilter {
            any: wanted(text, None),
            ..NatFilter::default()
        };
        let both = flow("10.0.0.1", "1.2.3.4", "5.5.5.5", "10.9.9.9");
        check(any(""), &both, true);
        check(any("1.2.3.4"), &both, true);
        check(any("10.9.9.9"), &both, true);
        check(any("5.5.5.5"), &both, false);
        let plain = Flow {
            status: Some(Status::CONFIRMED),
            ..both.clone()
        };
        check(any(""), &plain, false);
        check(any(""), &Flow::new(both.orig), false);
    }

    #[test]
    fn the_kernel_is_asked_for_the_reply() {
        let filter = FlowFilter {
            family: Some(Family::Ipv4),
            protocol: Some(Protocol::TCP),
            nat: NatFilter {
                src: wanted("1.2.3.4", Some(6000)),
                ..NatFilter::default()
            },
            mark: Some(MarkMatch {
                value: Mark(1),
                mask: 1,
            }),
            ..FlowFilter::default()
        };
        let kernel: Vec<_> = filter.kernel().collect();
        let reply = PartialTuple {
            dst: Some([1, 2, 3, 4].into()),
            dst_port: Some(6000),
            protocol: Some(Protocol::TCP),
            ..PartialTuple::default()
        };
        assert_eq!(kernel.len(), 1);
        let PerDir { orig, reply: asked } = kernel[0].tuple;
        assert_eq!((asked, orig.dst), (reply, None));
        let status = StatusMatch::ANY.with(Status::SRC_NAT_DONE);
        assert_eq!(kernel[0].status, Some(status));
    }

    /// A flow that contradicts itself is still asked for, and nothing is found.
    #[test]
    fn a_condition_on_the_reply_goes_first() {
        let nat = NatFilter {
            src: wanted("1.2.3.4", None),
            ..NatFilter::default()
        };
        let reply = PartialTuple {
            dst: Some([7, 7, 7, 7].into()),
            ..PartialTuple::default()
        };
        assert_eq!(nat.restrict(reply), reply);
    }
}
