//! Many filters at once: a flow is wanted when one of them wants it.
//!
//! Filters that compare the same fields under the same masks have a shape in common. A flow is
//! looked up once per shape, by a hash of its values, however many filters there are; what is found
//! is then tested whole, so the index changes the speed and never the result. Filters without a
//! field that can be looked up, and those of shapes beyond [`SHAPES_MAX`], are tried one after the
//! other.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::flow::{AddrFilter, FlowFilter};
use super::kernel::{KernelFilter, PartialTuple};
use super::nat::NatMatch;
use crate::flow::Flow;
use crate::protocol::Family;
use crate::tuple::{L4, PerDir, Tuple};

/// Most shapes that are indexed: a lookup costs one search for each.
pub const SHAPES_MAX: usize = 64;

/// Fields that a lookup can compare.
const FIELDS: usize = 17;

/// The first four are addresses, in the order of [`values_of`].
const ADDRS: usize = 4;

/// A value of each field, as bits; `None` when there is none.
type Values = [Option<u128>; FIELDS];

/// Which bits of each field are compared, and in which family the addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    family: Option<Family>,
    masks: Values,
}

/// Filters of one shape, sorted by hash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    shape: Shape,
    places: Vec<(u64, u32)>,
}

/// A set of filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterSet {
    filters: Box<[FlowFilter]>,
    groups: Vec<Group>,
    /// Those that are tried one after the other.
    rest: Vec<u32>,
}

impl FilterSet {
    /// The set of these filters; without any, no flow is wanted.
    pub fn new(filters: Vec<FlowFilter>) -> Self {
        let (mut groups, mut rest) = (Vec::new(), Vec::new());
        for (filter, place) in filters.iter().zip(0..) {
            for (shape, values) in facts(filter).into_iter().flatten() {
                match group(&mut groups, shape) {
                    Some(group) => {
                        let hash = hash(shape.family, &shape.masks, &values);
                        group.places.push((hash, place));
                    }
                    None => rest.push(place),
                }
            }
        }
        let filter = |place: u32| filters.get(usize::try_from(place).ok()?);
        let is_same = |a: u32, b: u32| filter(a) == filter(b);
        for group in &mut groups {
            group.places.sort_unstable();
            group
                .places
                .dedup_by(|(hash, a), (other, b)| hash == other && is_same(*a, *b));
        }
        rest.dedup_by(|a, b| is_same(*a, *b));
        Self {
            filters: filters.into_boxed_slice(),
            groups,
            rest,
        }
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether one of the filters wants the flow.
    pub fn matches(&self, flow: &Flow<'_>) -> bool {
        let is_wanted = |place: &u32| {
            let filter = usize::try_from(*place)
                .ok()
                .and_then(|at| self.filters.get(at));
            filter.is_some_and(|filter| filter.matches(flow))
        };
        let values = values_of(flow);
        let found = |group: &Group| {
            let mut places = group.find(flow.family(), &values).iter();
            places.any(|(_, place)| is_wanted(place))
        };
        self.groups.iter().any(found) || self.rest.iter().any(is_wanted)
    }

    /// What the kernel may test before it copies an entry: what all filters have in common, for
    /// each family that some of them are about.
    pub fn kernel(&self) -> Vec<KernelFilter> {
        let mut common: [Option<KernelFilter>; 2] = [None, None];
        let mut has_family = true;
        for part in self.filters.iter().flat_map(FlowFilter::kernel) {
            has_family &= part.family.is_some();
            for (family, common) in [Family::Ipv4, Family::Ipv6].into_iter().zip(&mut common) {
                if part.family.is_none_or(|of| of == family) {
                    let part = KernelFilter {
                        family: Some(family),
                        ..part
                    };
                    *common = Some(match common {
                        Some(common) => both_have(common, &part),
                        None => part,
                    });
                }
            }
        }
        match common {
            // A second walk is worth its price only where it leaves something out.
            [Some(v4), Some(v6)] if !(has_family && is_selective(&v4) && is_selective(&v6)) => {
                let whole = both_have(&v4, &v6);
                Vec::from([KernelFilter {
                    family: None,
                    tuple: PerDir::default(),
                    ..whole
                }])
            }
            some => some.into_iter().flatten().collect(),
        }
    }
}

impl Group {
    /// The filters that a flow with these values may fulfil.
    fn find(&self, family: Family, values: &Values) -> &[(u64, u32)] {
        let Shape {
            family: wanted,
            masks,
        } = &self.shape;
        let lacks =
            |(mask, value): (&Option<u128>, &Option<u128>)| mask.is_some() && value.is_none();
        if wanted.is_some_and(|wanted| wanted != family) || masks.iter().zip(values).any(lacks) {
            return &[];
        }
        let hash = hash(*wanted, masks, values);
        let start = self.places.partition_point(|(other, _)| *other < hash);
        let rest = self.places.get(start..).unwrap_or_default();
        let len = rest.partition_point(|(other, _)| *other == hash);
        rest.get(..len).unwrap_or_default()
    }
}

/// The group of a shape; `None` for one that is not indexed.
fn group(groups: &mut Vec<Group>, shape: Shape) -> Option<&mut Group> {
    if shape.masks.iter().all(Option::is_none) {
        return None;
    }
    match groups.iter().position(|group| group.shape == shape) {
        Some(at) => groups.get_mut(at),
        None if groups.len() >= SHAPES_MAX => None,
        None => {
            groups.push(Group {
                shape,
                places: Vec::new(),
            });
            groups.last_mut()
        }
    }
}

/// What a filter compares, and with which values. One of two tells apart where either will do.
fn facts(filter: &FlowFilter) -> [Option<(Shape, Values)>; 2] {
    let PerDir { reply, .. } = filter.tuple;
    // A translation to an address says what the reply tuple has.
    let addr = |wanted: Option<NatMatch>| wanted?.addr.map(AddrFilter::exact);
    let nat = filter.nat;
    let reply = [reply.src.or(addr(nat.dst)), reply.dst.or(addr(nat.src))];
    match (reply, addr(nat.any)) {
        ([None, None], Some(any)) => {
            [[Some(any), None], [None, Some(any)]].map(|reply| Some(facts_with(filter, reply)))
        }
        _ => [Some(facts_with(filter, reply)), None],
    }
}

/// The same, with these addresses of the reply tuple.
fn facts_with(
    filter: &FlowFilter,
    [reply_src, reply_dst]: [Option<AddrFilter>; 2],
) -> (Shape, Values) {
    let PerDir { orig, reply } = filter.tuple;
    let addrs = [orig.src, orig.dst, reply_src, reply_dst];
    let whole = |value: Option<u128>| value.map(|value| (value, u128::MAX));
    let number = |value: Option<u32>| whole(value.map(u128::from));
    let short = |value: Option<u16>| whole(value.map(u128::from));
    let byte = |value: Option<u8>| whole(value.map(u128::from));
    let [src, dst, reply_src, reply_dst] = addrs.map(|addr| addr.map(|addr| addr.parts()));
    let all: [Option<(u128, u128)>; FIELDS] = [
        src,
        dst,
        reply_src,
        reply_dst,
        byte(filter.protocol.map(|protocol| protocol.0)),
        short(orig.l4.src),
        short(orig.l4.dst),
        short(reply.l4.src),
        short(reply.l4.dst),
        byte(orig.l4.kind),
        byte(orig.l4.code),
        short(orig.l4.id),
        short(filter.zone.map(|zone| zone.0)),
        filter
            .mark
            .map(|mark| (mark.value.0.into(), mark.mask.into())),
        number(filter.id),
        number(filter.timeout),
        number(filter.secmark),
    ];
    let shape = Shape {
        family: addrs.into_iter().flatten().next().map(|addr| addr.family()),
        masks: all.map(|fact| fact.map(|(_, mask)| mask)),
    };
    (shape, all.map(|fact| fact.map(|(value, _)| value)))
}

/// The values of a flow, each as its filter sees it.
fn values_of(flow: &Flow<'_>) -> Values {
    let reply = flow.reply.as_ref();
    let [src, dst] = addrs_of(&flow.orig);
    let [reply_src, reply_dst] = match reply {
        Some(reply) => addrs_of(reply).map(Some),
        None => [None, None],
    };
    let (sport, dport) = numbers_of(&flow.orig);
    let (reply_sport, reply_dport) = reply.map_or((None, None), numbers_of);
    let icmp = flow.orig.l4.icmp();
    [
        Some(src),
        Some(dst),
        reply_src,
        reply_dst,
        Some(flow.protocol().0.into()),
        sport,
        dport,
        reply_sport,
        reply_dport,
        icmp.map(|icmp| icmp.kind.into()),
        icmp.map(|icmp| icmp.code.into()),
        icmp.map(|icmp| icmp.id.into()),
        Some(flow.zone.unwrap_or_default().0.into()),
        Some(flow.mark.unwrap_or_default().0.into()),
        flow.id.map(u128::from),
        flow.timeout.map(u128::from),
        flow.secmark.map(u128::from),
    ]
}

fn addrs_of(tuple: &Tuple) -> [u128; 2] {
    [tuple.addrs.src(), tuple.addrs.dst()].map(bits)
}

/// The bits of an address. The shape tells the families apart.
pub(super) fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

/// Ports, or what stands in their place.
fn numbers_of(tuple: &Tuple) -> (Option<u128>, Option<u128>) {
    let pair = match tuple.l4 {
        L4::Gre(keys) => Some((keys.src, keys.dst)),
        L4::Tcp(_)
        | L4::Udp(_)
        | L4::UdpLite(_)
        | L4::Sctp(_)
        | L4::Dccp(_)
        | L4::Icmp(_)
        | L4::Icmpv6(_)
        | L4::Other(_) => tuple.l4.ports().map(|ports| (ports.src, ports.dst)),
    };
    pair.map(|(src, dst)| (src.into(), dst.into())).unzip()
}

/// A hash of what the masks leave of the values. It decides where is looked and nothing else, and
/// only the writer of the filters chooses what meets there, so it needs no key.
fn hash(family: Option<Family>, masks: &Values, values: &Values) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut hash = family.map_or(0, |family| u64::from(family.number()));
    for (at, (mask, value)) in masks.iter().zip(values).enumerate() {
        let (Some(mask), Some(value)) = (mask, value) else {
            continue;
        };
        let bits = value & mask;
        let [low, high] = halves(bits);
        hash = mix(hash, low);
        if at < ADDRS {
            hash = mix(hash, high);
        }
    }
    hash
}

fn halves(bits: u128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    [half(bits), half(bits >> 64)]
}

/// What two filters of a family have in common.
fn both_have(a: &KernelFilter, b: &KernelFilter) -> KernelFilter {
    KernelFilter {
        family: same(a.family, b.family),
        tuple: PerDir {
            orig: same_parts(&a.tuple.orig, &b.tuple.orig),
            reply: same_parts(&a.tuple.reply, &b.tuple.reply),
        },
        mark: same(a.mark, b.mark),
        status: same(a.status, b.status),
        zone: same(a.zone, b.zone),
    }
}

fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<T> {
    if a == b { a } else { None }
}

fn same_parts(a: &PartialTuple, b: &PartialTuple) -> PartialTuple {
    let protocol = same(a.protocol, b.protocol);
    let common = PartialTuple {
        src: same(a.src, b.src),
        dst: same(a.dst, b.dst),
        protocol,
        ..PartialTuple::default()
    };
    if protocol.is_none() {
        // The kernel tests numbers only together with their protocol.
        return common;
    }
    PartialTuple {
        src_port: same(a.src_port, b.src_port),
        dst_port: same(a.dst_port, b.dst_port),
        icmp_kind: same(a.icmp_kind, b.icmp_kind),
        icmp_code: same(a.icmp_code, b.icmp_code),
        icmp_id: same(a.icmp_id, b.icmp_id),
        ..common
    }
}

/// Whether more than the family and the protocol is asked of the tuples.
fn is_selective(filter: &KernelFilter) -> bool {
    let more = |tuple: &PartialTuple| {
        *tuple
            != PartialTuple {
                protocol: tuple.protocol,
                ..PartialTuple::default()
            }
    };
    more(&filter.tuple.orig) || more(&filter.tuple.reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{MarkMatch, NatFilter};
    use crate::flow::{Mark, Zone};
    use crate::protocol::Protocol;
    use crate::tuple::{Addrs, Ports};

    fn from(src: &str) -> FlowFilter {
        let mut filter = FlowFilter::default();
        let (addr, prefix) = src.split_once('/').unwrap_or((src, "32"));
        let (addr, prefix) = (addr.parse().unwrap(), prefix.parse().unwrap());
        filter.tuple.orig.src = AddrFilter::network(addr, prefix);
        filter
    }

    fn udp(src: [u8; 4], sport: u16) -> Flow<'static> {
        let addrs = Addrs::V4 {
            src: src.into(),
            dst: [192, 0, 2, 1].into(),
        };
        let ports = Ports {
            src: sport,
            dst: 53,
        };
        let orig = Tuple::new(addrs, L4::Udp(ports));
        Flow {
            reply: orig.inverse(),
            ..Flow::new(orig)
        }
    }

    #[test]
    fn an_empty_set_wants_nothing() {
        let set = FilterSet::new(Vec::new());
        assert!(!set.matches(&udp([10, 0, 0, 1], 1)));
        assert_eq!(set.kernel(), []);
    }

    #[test]
    fn one_that_wants_it_is_enough() {
        let set = FilterSet::new(Vec::from([
            from("10.0.0.1"),
            from("10.0.0.2"),
            from("10.1.0.0/16"),
            FlowFilter {
                zone: Some(Zone(7)),
                ..from("10.2.0.0/16")
            },
        ]));
        for (src, expected) in [
            ([10, 0, 0, 1], true),
            ([10, 0, 0, 3], false),
            ([10, 1, 9, 9], true),
            ([10, 2, 9, 9], false),
        ] {
            assert_eq!(set.matches(&udp(src, 1)), expected, "{src:?}");
        }
        // Three shapes: whole addresses, networks, networks in a zone.
        assert_eq!((set.groups.len(), set.rest.len()), (3, 0));
    }

    #[test]
    fn either_side_of_a_translation_is_looked_up() {
        let any = NatMatch {
            addr: Some([10, 0, 0, 1].into()),
            port: None,
        };
        let filter = FlowFilter {
            nat: NatFilter {
                any: Some(any),
                ..NatFilter::default()
            },
            ..FlowFilter::default()
        };
        let set = FilterSet::new(Vec::from([filter]));
        assert_eq!((set.groups.len(), set.rest.len()), (2, 0));
    }

    #[test]
    fn too_many_shapes_are_tried_one_after_the_other() {
        let masked = |bit: u32| FlowFilter {
            mark: Some(MarkMatch {
                value: Mark(1 << (bit % 32)),
                mask: 1 << (bit % 32),
            }),
            ..from(if bit < 32 { "10.0.0.0/8" } else { "10.0.0.0/9" })
        };
        let mut filters: Vec<_> = (0..64).map(masked).collect();
        filters.push(from("10.0.0.0/10"));
        let set = FilterSet::new(filters);
        assert_eq!((set.groups.len(), set.rest.len()), (SHAPES_MAX, 1));
        assert!(set.matches(&udp([10, 0, 0, 1], 1)));
    }

    #[test]
    fn the_kernel_tests_what_all_have_in_common() {
        let port = |filter: FlowFilter, port| {
            let mut filter = FlowFilter {
                protocol: Some(Protocol::UDP),
                ..filter
            };
            filter.tuple.orig.l4.dst = Some(port);
            filter
        };
        let kernel = |filters: &[FlowFilter]| FilterSet::new(filters.to_vec()).kernel();
        let [one] = kernel(&[port(from("10.0.0.1"), 53), port(from("10.0.0.2"), 53)])[..] else {
            panic!("one dump");
        };
        assert_eq!(one.family, Some(Family::Ipv4));
        assert_eq!(
            (one.tuple.orig.src, one.tuple.orig.dst_port),
            (None, Some(53))
        );
        // Ports of different protocols have nothing in common.
        let tcp = FlowFilter {
            protocol: Some(Protocol::TCP),
            ..port(from("10.0.0.2"), 53)
        };
        let [one] = kernel(&[port(from("10.0.0.1"), 53), tcp])[..] else {
            panic!("one dump");
        };
        assert_eq!(one.tuple.orig, PartialTuple::default());
        // Both families, and a port: two dumps. Without it one, which names no family.
        let six = |prefix| FlowFilter {
            family: Some(Family::Ipv6),
            ..prefix
        };
        let v6 = six(FlowFilter::default());
        let families = |filters: &[FlowFilter]| -> Vec<_> {
            kernel(filters).iter().map(|dump| dump.family).collect()
        };
        let both = [Some(Family::Ipv4), Some(Family::Ipv6)];
        assert_eq!(
            families(&[port(from("10.0.0.1"), 53), port(v6.clone(), 53)]),
            both
        );
        assert_eq!(families(&[from("10.0.0.1"), v6]), [None]);
        assert_eq!(families(&[FlowFilter::default(), from("10.0.0.1")]), [None]);
        assert_eq!(families(&[from("10.0.0.1")]), [both[0]]);
    }
}
