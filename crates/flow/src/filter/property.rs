//! Laws of filters, on flows and filters of a small world in which they meet often.
//!
//! A set is compared with its filters one by one, and what the kernel is asked for with a model of what
//! the kernel does.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{
    AddrFilter, FilterSet, FlowFilter, KernelFilter, L4Filter, MarkMatch, NatFilter, NatMatch,
    PartialTuple, Selection, StatusMatch, TupleFilter,
};
use crate::flow::{Flow, Mark, Zone};
use crate::protocol::{Family, Protocol};
use crate::status::Status;
use crate::tuple::{Addrs, Icmp, Keys, L4, PerDir, Ports, Tuple};

/// One of four addresses of a family.
fn addr(v6: bool) -> impl Strategy<Value = IpAddr> {
    (0..4_u8).prop_map(move |last| match v6 {
        false => IpAddr::from([10, 0, last / 2, last]),
        true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, u16::from(last / 2), last.into()]),
    })
}

fn l4() -> impl Strategy<Value = L4> {
    (0..6, 0..3_u16, 0..3_u16).prop_map(|(kind, src, dst)| {
        let ports = Ports { src, dst };
        let icmp = Icmp {
            kind: 8,
            code: 0,
            id: src,
        };
        match kind {
            0 | 1 => L4::Udp(ports),
            2 => L4::Tcp(ports),
            3 => L4::Icmp(icmp),
            4 => L4::Gre(Keys { src, dst }),
            _ => L4::Other(Protocol(200)),
        }
    })
}

fn tuple(v6: bool) -> impl Strategy<Value = Tuple> {
    (addr(v6), addr(v6), l4(), option::weighted(0.2, 1..3_u16)).prop_map(|(src, dst, l4, zone)| {
        let addrs = Addrs::new(src, dst).expect("one family");
        Tuple {
            zone: zone.map(Zone),
            ..Tuple::new(addrs, l4)
        }
    })
}

fn flow() -> impl Strategy<Value = Flow<'static>> {
    let tuples = any::<bool>().prop_flat_map(|v6| (tuple(v6), tuple(v6), any::<bool>()));
    let values = (
        option::of(0..3_u32),
        option::of(0..3_u16),
        // The kernel tells it of each flow in its table.
        prop::sample::select(vec_of_status()).prop_map(Some),
        option::of(0..3_u32),
    );
    (tuples, values).prop_map(
        |((orig, other, is_mirror), (mark, zone, status, id))| Flow {
            // Both directions have one protocol.
            reply: if is_mirror || other.protocol() != orig.protocol() {
                orig.inverse()
            } else {
                Some(other)
            },
            mark: mark.map(Mark),
            zone: zone.map(Zone),
            status,
            id,
            timeout: id,
            ..Flow::new(orig)
        },
    )
}

fn vec_of_status() -> Vec<Status> {
    let nat = Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    Vec::from([
        Status::CONFIRMED,
        Status::SEEN_REPLY,
        nat,
        nat | Status::ASSURED,
    ])
}

fn tuple_filter(v6: bool) -> impl Strategy<Value = TupleFilter> {
    let max = if v6 { 128 } else { 32_u8 };
    let network = move || {
        let prefix = prop_oneof![3 => Just(max), 1 => max - 10..=max, 1 => Just(0)];
        let network = (addr(v6), prefix);
        let network = network.prop_map(|(addr, prefix)| AddrFilter::network(addr, prefix));
        option::weighted(
            0.3,
            network.prop_map(|network| network.expect("a prefix that fits")),
        )
    };
    let port = || option::weighted(0.2, 0..3_u16);
    (network(), network(), port(), port(), port()).prop_map(|(src, dst, sport, dport, id)| {
        TupleFilter {
            src,
            dst,
            zone: None,
            l4: L4Filter {
                src: sport,
                dst: dport,
                id,
                ..L4Filter::default()
            },
        }
    })
}

fn nat(v6: bool) -> impl Strategy<Value = Option<NatMatch>> {
    let wanted = (option::of(addr(v6)), Just(None::<u16>));
    option::weighted(0.1, wanted.prop_map(|(addr, port)| NatMatch { addr, port }))
}

fn filter() -> impl Strategy<Value = FlowFilter> {
    let of_family = |v6| {
        let tuples = (tuple_filter(v6), tuple_filter(v6));
        (tuples, nat(v6), nat(v6), nat(v6))
    };
    let rest = (
        option::weighted(0.3, prop::sample::select(Vec::from([17, 6, 1, 47, 200]))),
        option::weighted(
            0.2,
            (0..3_u32, prop::sample::select(Vec::from([u32::MAX, 1]))),
        ),
        option::weighted(0.2, 0..3_u16),
        option::weighted(0.1, prop::sample::select(vec_of_status())),
        option::weighted(0.1, 0..3_u32),
    );
    (any::<bool>().prop_flat_map(of_family), rest).prop_map(
        |(((orig, reply), src, dst, any), (protocol, mark, zone, status, id))| FlowFilter {
            protocol: protocol.map(Protocol),
            tuple: PerDir { orig, reply },
            mark: mark.map(|(value, mask)| MarkMatch {
                value: Mark(value & mask),
                mask,
            }),
            zone: zone.map(Zone),
            status: status.map(|bits| StatusMatch::ANY.with(bits)),
            id,
            nat: NatFilter { src, dst, any },
            ..FlowFilter::default()
        },
    )
}

/// What the kernel does with its part of a filter.
fn kernel_passes(filter: &KernelFilter, flow: &Flow<'_>) -> bool {
    let tuple = |wanted: &PartialTuple, tuple: &Tuple| {
        let addr = |wanted: Option<core::net::Ipv4Addr>, addr: IpAddr| {
            wanted.is_none_or(|wanted| IpAddr::V4(wanted) == addr)
        };
        let numbers = if let L4::Gre(keys) = tuple.l4 {
            Some((keys.src, keys.dst))
        } else {
            tuple.l4.ports().map(|ports| (ports.src, ports.dst))
        };
        let is_protocol = wanted
            .protocol
            .is_none_or(|protocol| protocol == tuple.protocol());
        // Numbers are looked at with their protocol only.
        let is_numbers = wanted.protocol.is_none()
            || wanted
                .src_port
                .is_none_or(|port| numbers.is_some_and(|(src, _)| src == port))
                && wanted
                    .dst_port
                    .is_none_or(|port| numbers.is_some_and(|(_, dst)| dst == port))
                && wanted
                    .icmp_id
                    .is_none_or(|id| tuple.l4.icmp().is_some_and(|icmp| icmp.id == id));
        addr(wanted.src, tuple.addrs.src())
            && addr(wanted.dst, tuple.addrs.dst())
            && is_protocol
            && is_numbers
    };
    let empty = PartialTuple::default();
    filter.family.is_none_or(|family| family == flow.family())
        && tuple(&filter.tuple.orig, &flow.orig)
        && flow
            .reply
            .as_ref()
            .map_or(filter.tuple.reply == empty, |reply| {
                tuple(&filter.tuple.reply, reply)
            })
        && filter
            .mark
            .is_none_or(|mark| mark.matches(flow.mark.unwrap_or_default()))
        && filter
            .status
            .is_none_or(|status| flow.status.is_some_and(|s| status.matches(s)))
        && filter
            .zone
            .is_none_or(|zone| flow.zone.unwrap_or_default() == zone)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_set_wants_what_one_of_its_filters_wants(
        filters in vec(filter(), 0..12),
        flows in vec(flow(), 1..20),
    ) {
        let set = FilterSet::new(filters.clone());
        for flow in &flows {
            let expected = filters.iter().any(|filter| filter.matches(flow));
            prop_assert_eq!(set.matches(flow), expected, "{:?}", flow);
        }
    }

    #[test]
    fn the_kernel_passes_what_is_wanted_exactly_once(
        all in filter(),
        is_alone in any::<bool>(),
        filters in vec(filter(), 0..4),
        flows in vec(flow(), 1..20),
    ) {
        let selection = Selection {
            all,
            any: (!is_alone).then(|| Arc::new(FilterSet::new(filters))),
        };
        let dumps = selection.kernel();
        for flow in flows.iter().filter(|flow| selection.matches(flow)) {
            let passes = dumps.iter().filter(|dump| kernel_passes(dump, flow)).count();
            prop_assert_eq!(passes, 1, "{:?} {:?}", dumps, flow);
        }
    }

    #[test]
    fn a_set_of_many_finds_what_each_of_them_finds(
        filters in vec(filter(), 60..90),
        flow in flow(),
    ) {
        let expected = filters.iter().any(|filter| filter.matches(&flow));
        prop_assert_eq!(FilterSet::new(filters).matches(&flow), expected);
    }

    #[test]
    fn families_that_differ_leave_nothing_to_read(v6 in any::<bool>()) {
        let of = |family| FlowFilter {
            family: Some(family),
            ..FlowFilter::default()
        };
        let both = [Family::Ipv4, Family::Ipv6];
        let [one, other] = if v6 { [both[1], both[0]] } else { both };
        let any = Some(Arc::new(FilterSet::new(Vec::from([of(other)]))));
        let selection = Selection { all: of(one), any };
        prop_assert_eq!(selection.kernel(), []);
    }
}
