//! Which flows a command is about: the selection that `conntrack`'s options describe.
//!
//! Every condition is absent or must hold, and a condition on something the flow does not carry
//! fails. Two attributes have a value when the kernel does not report them: a flow without a zone
//! is in zone 0, one without a mark has mark 0 (compat: cli-45).
//!
//! This is the whole truth about a selection. What the kernel can test before it copies an entry
//! is only ever a part of it, so that a kernel that ignores the part changes the speed and not
//! the result.

use core::net::IpAddr;

use super::kernel::{KernelFilter, MarkMatch, PartialTuple, StatusMatch};
use super::nat::NatFilter;
use super::set::bits;
use crate::flow::{Flow, Zone};
use crate::labels::Labels;
use crate::protocol::{Family, Protocol};
use crate::protoinfo::{DccpState, ProtoInfo, SctpState, TcpState};
use crate::status::Status;
use crate::tuple::{L4, PerDir, Tuple};

/// The conditions a flow has to fulfil; without any, every flow does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// Address family.
    pub family: Option<Family>,
    /// Layer 4 protocol.
    pub protocol: Option<Protocol>,
    /// Conditions on the two tuples.
    pub tuple: PerDir<TupleFilter>,
    /// State of the protocol.
    pub state: Option<State>,
    /// Status bits.
    pub status: Option<StatusMatch>,
    /// Mark.
    pub mark: Option<MarkMatch>,
    /// Security mark.
    pub secmark: Option<u32>,
    /// Zone of both directions.
    pub zone: Option<Zone>,
    /// The kernel's id.
    pub id: Option<u32>,
    /// Remaining life in seconds, exactly.
    pub timeout: Option<u32>,
    /// Translations.
    pub nat: NatFilter,
    /// Labels of which all are set.
    pub labels: Option<Labels>,
}

/// Conditions on one tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleFilter {
    /// Source address.
    pub src: Option<AddrFilter>,
    /// Destination address.
    pub dst: Option<AddrFilter>,
    /// Zone of this direction alone.
    pub zone: Option<Zone>,
    /// The protocol's own numbers.
    pub l4: L4Filter,
}

/// Conditions on ports, keys and ICMP fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L4Filter {
    /// Source port, or source key of GRE.
    pub src: Option<u16>,
    /// Destination port, or destination key of GRE.
    pub dst: Option<u16>,
    /// ICMP type.
    pub kind: Option<u8>,
    /// ICMP code.
    pub code: Option<u8>,
    /// ICMP identifier.
    pub id: Option<u16>,
}

/// An address and which of its bits count; the mask need not be contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddrFilter {
    addr: IpAddr,
    mask: IpAddr,
}

/// A state of one of the protocols that have states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Of TCP.
    Tcp(TcpState),
    /// Of SCTP.
    Sctp(SctpState),
    /// Of DCCP.
    Dccp(DccpState),
}

impl FlowFilter {
    /// Whether a flow fulfils every condition.
    pub fn matches(&self, flow: &Flow<'_>) -> bool {
        // The cheap and selective tests first: most flows of a dump fail one of them.
        holds(self.protocol, |protocol| flow.protocol() == protocol)
            && holds(self.family, |family| flow.family() == family)
            && self.tuple.orig.matches(&flow.orig)
            && self.matches_reply(flow)
            && holds(self.mark, |mark| {
                mark.matches(flow.mark.unwrap_or_default())
            })
            && holds(self.status, |status| {
                flow.status.is_some_and(|s| status.matches(s))
            })
            && holds(self.zone, |zone| flow.zone.unwrap_or_default() == zone)
            && holds(self.state, |state| state.is_of(flow.protoinfo))
            && holds(self.id, |id| flow.id == Some(id))
            && holds(self.timeout, |timeout| flow.timeout == Some(timeout))
            && holds(self.secmark, |secmark| flow.secmark == Some(secmark))
            && self.nat.matches(flow)
            && holds(self.labels, |wanted| {
                flow.labels
                    .is_some_and(|labels| labels.contains_all(&wanted))
            })
    }

    /// What the kernel may test before it copies an entry: every flow that [`matches`] passes it.
    ///
    /// Tuples can only be tested within a family. Without one, two dumps are worth their price
    /// where the tuple is selective; the protocol alone is not, and one dump keeps the order of
    /// the table.
    ///
    /// [`matches`]: Self::matches
    pub fn kernel(&self) -> impl Iterator<Item = KernelFilter> {
        let family = self.family.or_else(|| self.address_family());
        let is_selective =
            self.tuple.orig.l4 != L4Filter::default() || self.tuple.reply.l4 != L4Filter::default();
        let families = match family {
            None if is_selective => [Some(Some(Family::Ipv4)), Some(Some(Family::Ipv6))],
            known => [Some(known), None],
        };
        let orig = self.tuple.orig.kernel(self.protocol);
        let reply = self.nat.restrict(self.tuple.reply.kernel(self.protocol));
        let base = KernelFilter {
            mark: self.mark,
            status: self.kernel_status(),
            // The kernel compares the number alone: a flow whose zone is of one direction only
            // is in zone 0 for us, and not for the kernel.
            zone: self.zone.filter(|zone| *zone != Zone(0)),
            ..KernelFilter::default()
        };
        families
            .into_iter()
            .flatten()
            .map(move |family| match family {
                Some(_) => KernelFilter {
                    family,
                    tuple: PerDir { orig, reply },
                    ..base
                },
                None => base,
            })
    }

    /// A condition without bits is one that the kernel refuses.
    fn kernel_status(&self) -> Option<StatusMatch> {
        let nat = self.nat.status();
        let status = self.status.unwrap_or(StatusMatch::ANY);
        let both = StatusMatch {
            value: status.value | nat.value,
            mask: status.mask | nat.mask,
        };
        (both.mask != Status(0)).then_some(both)
    }

    fn address_family(&self) -> Option<Family> {
        let PerDir { orig, reply } = self.tuple;
        let mut addresses = [orig.src, orig.dst, reply.src, reply.dst].into_iter();
        addresses.find_map(|address| address.map(|address| address.family()))
    }

    fn matches_reply(&self, flow: &Flow<'_>) -> bool {
        match &flow.reply {
            Some(reply) => self.tuple.reply.matches(reply),
            None => self.tuple.reply == TupleFilter::default(),
        }
    }
}

/// Whether an absent condition, or this one, holds.
fn holds<T>(condition: Option<T>, test: impl FnOnce(T) -> bool) -> bool {
    condition.is_none_or(test)
}

impl TupleFilter {
    /// What the kernel may test; it compares whole IPv4 addresses only.
    fn kernel(&self, protocol: Option<Protocol>) -> PartialTuple {
        let ipv4 = |filter: Option<AddrFilter>| match filter?.single()? {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        };
        PartialTuple {
            src: ipv4(self.src),
            dst: ipv4(self.dst),
            protocol,
            src_port: self.l4.src,
            dst_port: self.l4.dst,
            icmp_kind: self.l4.kind,
            icmp_code: self.l4.code,
            icmp_id: self.l4.id,
        }
    }

    fn matches(&self, tuple: &Tuple) -> bool {
        holds(self.src, |src| src.matches(tuple.addrs.src()))
            && holds(self.dst, |dst| dst.matches(tuple.addrs.dst()))
            && holds(self.zone, |zone| tuple.zone.unwrap_or_default() == zone)
            && self.l4.matches(&tuple.l4)
    }
}

impl L4Filter {
    fn matches(&self, l4: &L4) -> bool {
        let (src, dst) = match *l4 {
            L4::Gre(keys) => (Some(keys.src), Some(keys.dst)),
            L4::Tcp(_)
            | L4::Udp(_)
            | L4::UdpLite(_)
            | L4::Sctp(_)
            | L4::Dccp(_)
            | L4::Icmp(_)
            | L4::Icmpv6(_)
            | L4::Other(_) => match l4.ports() {
                Some(ports) => (Some(ports.src), Some(ports.dst)),
                None => (None, None),
            },
        };
        let icmp = l4.icmp();
        holds(self.src, |wanted| src == Some(wanted))
            && holds(self.dst, |wanted| dst == Some(wanted))
            && holds(self.kind, |kind| icmp.is_some_and(|icmp| icmp.kind == kind))
            && holds(self.code, |code| icmp.is_some_and(|icmp| icmp.code == code))
            && holds(self.id, |id| icmp.is_some_and(|icmp| icmp.id == id))
    }
}

impl AddrFilter {
    /// Exactly this address.
    pub const fn exact(addr: IpAddr) -> Self {
        let mask = match addr {
            IpAddr::V4(_) => IpAddr::V4(core::net::Ipv4Addr::BROADCAST),
            IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::from_bits(u128::MAX)),
        };
        Self { addr, mask }
    }

    /// An address of which the bits of `mask` count; `None` when the families differ.
    pub const fn masked(addr: IpAddr, mask: IpAddr) -> Option<Self> {
        match (addr, mask) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                Some(Self { addr, mask })
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// A network; `None` if the prefix is longer than the address.
    pub fn network(addr: IpAddr, prefix: u8) -> Option<Self> {
        let mask = match addr {
            IpAddr::V4(_) => {
                let host_bits = 32_u32.checked_sub(prefix.into())?;
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V4(mask.into())
            }
            IpAddr::V6(_) => {
                let host_bits = 128_u32.checked_sub(prefix.into())?;
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6(mask.into())
            }
        };
        Some(Self { addr, mask })
    }

    /// The address, when every bit of it counts.
    pub fn single(&self) -> Option<IpAddr> {
        (*self == Self::exact(self.addr)).then_some(self.addr)
    }

    /// The bits of the address, and which of them count.
    pub(super) fn parts(&self) -> (u128, u128) {
        (bits(self.addr), bits(self.mask))
    }

    /// The family of the address.
    pub const fn family(&self) -> Family {
        match self.addr {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    fn matches(&self, addr: IpAddr) -> bool {
        match (self.addr, self.mask, addr) {
            (IpAddr::V4(wanted), IpAddr::V4(mask), IpAddr::V4(addr)) => {
                (wanted.to_bits() ^ addr.to_bits()) & mask.to_bits() == 0
            }
            (IpAddr::V6(wanted), IpAddr::V6(mask), IpAddr::V6(addr)) => {
                (wanted.to_bits() ^ addr.to_bits()) & mask.to_bits() == 0
            }
            _ => false,
        }
    }
}

impl State {
    /// Whether it is the state of this protocol data.
    fn is_of(self, protoinfo: Option<ProtoInfo>) -> bool {
        match (self, protoinfo) {
            (Self::Tcp(state), Some(ProtoInfo::Tcp(tcp))) => tcp.state == Some(state),
            (Self::Sctp(state), Some(ProtoInfo::Sctp(sctp))) => sctp.state == Some(state),
            (Self::Dccp(state), Some(ProtoInfo::Dccp(dccp))) => dccp.state == Some(state),
            (Self::Tcp(_) | Self::Sctp(_) | Self::Dccp(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Mark;
    use crate::protoinfo::TcpInfo;
    use crate::tuple::Addrs;
    use crate::tuple::{Icmp, Keys, Ports};
    use alloc::vec::Vec;

    fn flow(l4: L4) -> Flow<'static> {
        let addrs = Addrs::V4 {
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 9, 2].into(),
        };
        let orig = Tuple::new(addrs, l4);
        Flow {
            reply: orig.inverse(),
            status: Some(Status::CONFIRMED | Status::SEEN_REPLY),
            ..Flow::new(orig)
        }
    }

    fn tcp() -> Flow<'static> {
        let info = TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            ..TcpInfo::default()
        };
        Flow {
            protoinfo: Some(ProtoInfo::Tcp(info)),
            ..flow(L4::Tcp(Ports { src: 5, dst: 22 }))
        }
    }

    fn ping() -> Flow<'static> {
        flow(L4::Icmp(Icmp {
            kind: 8,
            code: 0,
            id: 7,
        }))
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn orig(change: impl FnOnce(&mut TupleFilter)) -> FlowFilter {
        let mut filter = FlowFilter::default();
        change(&mut filter.tuple.orig);
        filter
    }

    fn check(filter: &FlowFilter, flow: &Flow<'_>, expected: bool) {
        assert_eq!(filter.matches(flow), expected, "{filter:?}");
    }

    #[test]
    fn without_conditions_every_flow_is_wanted() {
        check(&FlowFilter::default(), &tcp(), true);
        let external = Flow::new(tcp().orig);
        check(&FlowFilter::default(), &external, true);
    }

    #[test]
    fn addresses_match_by_network_or_mask() {
        let network =
            |text: &str, prefix| orig(|t| t.dst = AddrFilter::network(addr(text), prefix));
        check(&network("10.0.8.0", 23), &tcp(), true);
        check(&network("10.0.8.0", 24), &tcp(), false);
        check(&network("10.0.9.2", 32), &tcp(), true);
        check(&network("10.0.9.3", 32), &tcp(), false);
        check(&network("1.1.1.1", 0), &tcp(), true);
        // The empty prefix still names a family.
        check(&network("::", 0), &tcp(), false);
        let mask = AddrFilter::masked(addr("9.9.9.2"), addr("0.0.0.255"));
        check(&orig(|t| t.dst = mask), &tcp(), true);
        assert_eq!(AddrFilter::network(addr("1.1.1.1"), 33), None);
        assert_eq!(AddrFilter::network(addr("::"), 129), None);
        assert_eq!(AddrFilter::masked(addr("::"), addr("0.0.0.0")), None);
    }

    #[test]
    fn only_a_full_mask_is_a_single_address() {
        let host = addr("10.0.0.1");
        assert_eq!(AddrFilter::exact(host).single(), Some(host));
        assert_eq!(AddrFilter::network(host, 32).unwrap().single(), Some(host));
        assert_eq!(AddrFilter::network(host, 31).unwrap().single(), None);
    }

    #[test]
    fn numbers_of_the_protocol_match_only_that_protocol() {
        check(&orig(|t| t.l4.dst = Some(22)), &tcp(), true);
        check(&orig(|t| t.l4.src = Some(22)), &tcp(), false);
        check(&orig(|t| t.l4.dst = Some(22)), &ping(), false);
        check(&orig(|t| t.l4.kind = Some(8)), &ping(), true);
        check(&orig(|t| t.l4.code = Some(1)), &ping(), false);
        check(&orig(|t| t.l4.id = Some(7)), &ping(), true);
        check(&orig(|t| t.l4.id = Some(7)), &tcp(), false);
    }

    /// Stock never compared GRE keys and deleted all GRE flows (compat: cli-8).
    #[test]
    fn gre_keys_are_compared() {
        let gre = flow(L4::Gre(Keys { src: 1, dst: 2 }));
        check(&orig(|t| t.l4.src = Some(1)), &gre, true);
        check(&orig(|t| t.l4.src = Some(0x99)), &gre, false);
    }

    #[test]
    fn the_reply_side_is_its_own() {
        let mut filter = FlowFilter::default();
        filter.tuple.reply.l4.src = Some(22);
        check(&filter, &tcp(), true);
        filter.tuple.reply.l4.src = Some(5);
        check(&filter, &tcp(), false);
        let external = Flow::new(tcp().orig);
        check(&filter, &external, false);
    }

    #[test]
    fn zone_zero_is_every_flow_without_a_zone() {
        let zone = |number| FlowFilter {
            zone: Some(Zone(number)),
            ..FlowFilter::default()
        };
        check(&zone(0), &tcp(), true);
        check(&zone(3), &tcp(), false);
        let mut one_way = tcp();
        one_way.orig.zone = Some(Zone(3));
        check(&zone(0), &one_way, true);
        check(&zone(3), &one_way, false);
        check(&orig(|t| t.zone = Some(Zone(3))), &one_way, true);
        check(&orig(|t| t.zone = Some(Zone(0))), &one_way, false);
    }

    /// In stock a mask of negated bits alone deleted everything, and one of both kinds matched
    /// nothing (compat: cli-1, cli-2).
    #[test]
    fn status_bits_can_be_demanded_and_forbidden() {
        let status = |status| FlowFilter {
            status: Some(status),
            ..FlowFilter::default()
        };
        let none = StatusMatch::ANY;
        check(&status(none.with(Status::SEEN_REPLY)), &tcp(), true);
        check(&status(none.with(Status::ASSURED)), &tcp(), false);
        check(&status(none.without(Status::ASSURED)), &tcp(), true);
        check(&status(none.without(Status::SEEN_REPLY)), &tcp(), false);
        let both = none.with(Status::SEEN_REPLY).without(Status::ASSURED);
        check(&status(both), &tcp(), true);
    }

    /// Stock never matched an event without a mark (compat: cli-45).
    #[test]
    fn a_flow_without_a_mark_has_mark_zero() {
        let mark = |value, mask| FlowFilter {
            mark: Some(MarkMatch {
                value: Mark(value),
                mask,
            }),
            ..FlowFilter::default()
        };
        check(&mark(0, u32::MAX), &tcp(), true);
        let marked = Flow {
            mark: Some(Mark(0x1234)),
            ..tcp()
        };
        check(&mark(0x34, 0xff), &marked, true);
        check(&mark(0x1234, u32::MAX), &marked, true);
        check(&mark(0, u32::MAX), &marked, false);
    }

    #[test]
    fn a_state_belongs_to_its_protocol() {
        let state = |state| FlowFilter {
            state: Some(state),
            ..FlowFilter::default()
        };
        check(&state(State::Tcp(TcpState::ESTABLISHED)), &tcp(), true);
        check(&state(State::Tcp(TcpState::CLOSE)), &tcp(), false);
        check(&state(State::Sctp(SctpState(3))), &tcp(), false);
    }

    #[test]
    fn the_kernel_tests_whole_addresses_within_a_family() {
        let kernel = |filter: &FlowFilter| filter.kernel().collect::<Vec<_>>();
        assert_eq!(kernel(&FlowFilter::default()), [KernelFilter::default()]);

        let host = orig(|t| t.src = Some(AddrFilter::exact(addr("10.0.0.1"))));
        let [filter] = kernel(&host)[..] else {
            panic!("one dump");
        };
        assert_eq!(filter.family, Some(Family::Ipv4));
        assert_eq!(
            filter.tuple.orig.src.map(IpAddr::V4),
            Some(addr("10.0.0.1"))
        );

        // The kernel's comparison of IPv6 addresses is the wrong way round.
        let host = orig(|t| t.src = Some(AddrFilter::exact(addr("::1"))));
        let [filter] = kernel(&host)[..] else {
            panic!("one dump");
        };
        assert_eq!(filter.family, Some(Family::Ipv6));
        assert!(filter.tuple.orig.is_empty());

        let network = orig(|t| t.src = AddrFilter::network(addr("::1"), 64));
        let [filter] = kernel(&network)[..] else {
            panic!("one dump");
        };
        assert_eq!(filter.family, Some(Family::Ipv6));
        assert!(filter.tuple.orig.is_empty());
    }

    #[test]
    fn a_port_without_a_family_takes_two_dumps() {
        let mut filter = orig(|t| t.l4.dst = Some(53));
        filter.protocol = Some(Protocol::UDP);
        let dumps: Vec<_> = filter.kernel().collect();
        let families: Vec<_> = dumps.iter().map(|dump| dump.family).collect();
        assert_eq!(families, [Some(Family::Ipv4), Some(Family::Ipv6)]);
        let ports: Vec<_> = dumps.iter().map(|dump| dump.tuple.orig.dst_port).collect();
        assert_eq!(ports, [Some(53), Some(53)]);
        // The protocol alone is not worth a second walk.
        filter.tuple.orig.l4.dst = None;
        assert_eq!(
            filter.kernel().collect::<Vec<_>>(),
            [KernelFilter::default()]
        );
    }

    #[test]
    fn the_kernel_is_not_asked_for_what_it_sees_otherwise() {
        let filter = FlowFilter {
            zone: Some(Zone(0)),
            status: Some(StatusMatch::ANY),
            ..FlowFilter::default()
        };
        let dumps: Vec<_> = filter.kernel().collect();
        assert_eq!(dumps, [KernelFilter::default()]);
        let zone = FlowFilter {
            zone: Some(Zone(7)),
            ..FlowFilter::default()
        };
        assert!(zone.kernel().all(|dump| dump.zone == Some(Zone(7))));
    }

    #[test]
    fn id_timeout_and_secmark_must_be_known_and_equal() {
        let known = Flow {
            id: Some(1),
            timeout: Some(2),
            secmark: Some(3),
            ..tcp()
        };
        let filter = |id, timeout, secmark| FlowFilter {
            id,
            timeout,
            secmark,
            ..FlowFilter::default()
        };
        check(&filter(Some(1), Some(2), Some(3)), &known, true);
        check(&filter(Some(2), None, None), &known, false);
        check(&filter(None, Some(1), None), &known, false);
        check(&filter(None, None, Some(1)), &known, false);
        check(&filter(Some(1), None, None), &tcp(), false);
    }
}
