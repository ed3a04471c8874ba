//! Random values of the nouns, for property tests.
//!
//! Every value that the kernel could report or a request could hold: fields take extreme and
//! unnamed numbers too, but one flow has one address family and one protocol. Values shrink
//! towards a plain IPv4 flow with nothing besides its original tuple.
//!
//! Only with the feature `proptest`, which tests of other crates switch on.

use core::net::IpAddr;

use proptest::option::of;
use proptest::prelude::*;

use crate::{
    Addrs, Counters, DccpInfo, DccpRole, DccpState, Dir, Event, EventKind, ExpectNat, Expectation,
    ExpectationFlags, Family, Flow, Helper, Icmp, Keys, L4, Labels, Mark, Name, NatRange, Object,
    Origin, PerDir, Ports, ProtoInfo, Protocol, SctpInfo, SctpState, SeqAdj, Status, Synproxy,
    TcpFlags, TcpInfo, TcpState, Timestamp, Tuple, Zone,
};

/// An address family.
pub fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

/// A protocol, mostly one that is tracked with data of its own.
pub fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        3 => Just(Protocol::TCP),
        4 => proptest::sample::select(Protocol::KNOWN.as_slice()),
        1 => any::<u8>().prop_map(Protocol),
    ]
}

/// An address of this family.
pub fn addr(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::Ipv6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

/// Source and destination of this family.
pub fn addrs(family: Family) -> BoxedStrategy<Addrs> {
    match family {
        Family::Ipv4 => any::<([u8; 4], [u8; 4])>()
            .prop_map(|(src, dst)| Addrs::V4 {
                src: src.into(),
                dst: dst.into(),
            })
            .boxed(),
        Family::Ipv6 => any::<([u8; 16], [u8; 16])>()
            .prop_map(|(src, dst)| Addrs::V6 {
                src: src.into(),
                dst: dst.into(),
            })
            .boxed(),
    }
}

/// The layer 4 part of a tuple of this protocol.
pub fn l4(protocol: Protocol) -> impl Strategy<Value = L4> {
    any::<(u16, u16, u8, u8)>().prop_map(move |(src, dst, kind, code)| {
        let ports = Ports { src, dst };
        let icmp = Icmp {
            kind,
            code,
            id: src,
        };
        match L4::zero(protocol) {
            L4::Tcp(_) => L4::Tcp(ports),
            L4::Udp(_) => L4::Udp(ports),
            L4::UdpLite(_) => L4::UdpLite(ports),
            L4::Sctp(_) => L4::Sctp(ports),
            L4::Dccp(_) => L4::Dccp(ports),
            L4::Gre(_) => L4::Gre(Keys { src, dst }),
            L4::Icmp(_) => L4::Icmp(icmp),
            L4::Icmpv6(_) => L4::Icmpv6(icmp),
            L4::Other(protocol) => L4::Other(protocol),
        }
    })
}

/// A tuple of this family and protocol, sometimes in a zone of its own.
pub fn tuple_of(family: Family, protocol: Protocol) -> impl Strategy<Value = Tuple> {
    (addrs(family), l4(protocol), of(zone())).prop_map(|(addrs, l4, zone)| Tuple {
        addrs,
        l4,
        zone,
    })
}

/// Any tuple.
pub fn tuple() -> impl Strategy<Value = Tuple> {
    (family(), protocol()).prop_flat_map(|(family, protocol)| tuple_of(family, protocol))
}

/// Any zone.
pub fn zone() -> impl Strategy<Value = Zone> {
    any::<u16>().prop_map(Zone)
}

/// Any set of labels, of one to four words.
pub fn labels() -> impl Strategy<Value = Labels> {
    proptest::collection::vec(any::<u32>(), 1..=4)
        .prop_filter_map("one to four words", |words| Labels::from_words(&words))
}

/// A name of up to 15 bytes, among them such that are no text.
pub fn name() -> impl Strategy<Value = Name<'static>> {
    slice_of(b"ftp-20\xff\x1b[31mtftp pptp\"<&>'sane.h323", 15).prop_map(Name::new)
}

/// Private data of a helper.
pub fn helper_info() -> impl Strategy<Value = &'static [u8]> {
    slice_of(&[0, 1, 0xff, 0, 7, 0, 0, 0, 42, 0, 0, 0, 1, 2, 3, 4, 5], 16)
}

fn slice_of(bytes: &'static [u8], len_max: usize) -> impl Strategy<Value = &'static [u8]> {
    (0..bytes.len(), 0..=len_max).prop_map(move |(start, len)| {
        let end = bytes.len().min(start + len);
        bytes.get(start..end).unwrap_or_default()
    })
}

/// Protocol state that goes with this protocol, if there is any.
pub fn protoinfo(protocol: Protocol) -> BoxedStrategy<Option<ProtoInfo>> {
    match protocol {
        Protocol::TCP => of(tcp_info().prop_map(ProtoInfo::Tcp)).boxed(),
        Protocol::SCTP => of(sctp_info().prop_map(ProtoInfo::Sctp)).boxed(),
        Protocol::DCCP => of(dccp_info().prop_map(ProtoInfo::Dccp)).boxed(),
        Protocol(_) => Just(None).boxed(),
    }
}

fn per_dir<T: Clone + core::fmt::Debug>(
    value: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = PerDir<Option<T>>> {
    (of(value.clone()), of(value)).prop_map(|(orig, reply)| PerDir { orig, reply })
}

fn tcp_info() -> impl Strategy<Value = TcpInfo> {
    let flags = any::<(u8, u8)>().prop_map(|(flags, mask)| TcpFlags { flags, mask });
    (
        of((0..12_u8).prop_map(TcpState)),
        per_dir(any::<u8>()),
        per_dir(flags),
    )
        .prop_map(|(state, wscale, flags)| TcpInfo {
            state,
            wscale,
            flags,
        })
}

fn sctp_info() -> impl Strategy<Value = SctpInfo> {
    (of((0..12_u8).prop_map(SctpState)), per_dir(any::<u32>()))
        .prop_map(|(state, vtag)| SctpInfo { state, vtag })
}

fn dccp_info() -> impl Strategy<Value = DccpInfo> {
    (
        of((0..12_u8).prop_map(DccpState)),
        of((0..3_u8).prop_map(DccpRole)),
        of(any::<u64>()),
    )
        .prop_map(|(state, role, handshake_seq)| DccpInfo {
            state,
            role,
            handshake_seq,
        })
}

/// A translation to set up, of this family.
pub fn nat_range(family: Family) -> impl Strategy<Value = NatRange> {
    let addrs = (addr(family), of(addr(family)));
    let ports = any::<(u16, Option<u16>)>();
    (of(addrs), of(ports)).prop_map(|(addr, port)| NatRange {
        addr: addr.map(|(min, max)| min..=max.unwrap_or(min)),
        port: port.map(|(min, max)| min..=max.unwrap_or(min)),
    })
}

fn seq_adj() -> impl Strategy<Value = SeqAdj> + Clone {
    any::<(u32, u32, u32)>().prop_map(|(correction_pos, offset_before, offset_after)| SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    })
}

fn synproxy() -> impl Strategy<Value = Synproxy> {
    any::<(u32, u32, u32)>().prop_map(|(isn, its, tsoff)| Synproxy { isn, its, tsoff })
}

fn helper() -> impl Strategy<Value = Helper<'static>> {
    (name(), of(helper_info())).prop_map(|(name, info)| Helper { name, info })
}

fn counters() -> impl Strategy<Value = Counters> + Clone {
    any::<(u64, u64)>().prop_map(|(packets, bytes)| Counters { packets, bytes })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<(u64, Option<u64>)>().prop_map(|(start, stop)| Timestamp { start, stop })
}

/// Any flow.
pub fn flow() -> BoxedStrategy<Flow<'static>> {
    (family(), protocol())
        .prop_flat_map(|(family, protocol)| flow_of(family, protocol))
        .boxed()
}

/// A flow of this family and protocol.
pub fn flow_of(family: Family, protocol: Protocol) -> BoxedStrategy<Flow<'static>> {
    let tuples = (
        tuple_of(family, protocol),
        of(tuple_of(family, protocol)),
        of(tuple_of(family, Protocol::TCP)),
    )
        .boxed();
    let marks = (
        of(any::<u32>().prop_map(Mark)),
        of(any::<u32>()),
        of(zone()),
        of(labels()),
        of(labels()),
    )
        .boxed();
    let state = (
        of(any::<u32>().prop_map(Status)),
        of(any::<u32>()),
        protoinfo(protocol),
        of(helper()),
    )
        .boxed();
    let nat = (
        of(nat_range(family)),
        of(nat_range(family)),
        per_dir(seq_adj()),
        of(synproxy()),
    )
        .boxed();
    // Boxed, since the trees of values would overflow the stack of a test's thread.
    (tuples, marks, state, nat, reported().boxed())
        .prop_map(|(tuples, marks, state, nat, reported)| {
            let (orig, reply, master) = tuples;
            let (mark, mark_mask, zone, labels, labels_mask) = marks;
            let (status, timeout, protoinfo, helper) = state;
            let (nat_src, nat_dst, seq_adj, synproxy) = nat;
            let (counters, timestamp, event_time, secmark, secctx, id, use_count) = reported;
            Flow {
                orig,
                reply,
                status,
                timeout,
                protoinfo,
                mark,
                mark_mask,
                zone,
                labels,
                labels_mask,
                nat_src,
                nat_dst,
                seq_adj,
                synproxy,
                helper,
                master,
                counters,
                timestamp,
                event_time,
                secmark,
                secctx,
                id,
                use_count,
            }
        })
        .boxed()
}

type Reported = (
    PerDir<Option<Counters>>,
    Option<Timestamp>,
    Option<u64>,
    Option<u32>,
    Option<Name<'static>>,
    Option<u32>,
    Option<u32>,
);

/// What only the kernel says about a flow.
fn reported() -> impl Strategy<Value = Reported> {
    (
        per_dir(counters()),
        of(timestamp()),
        of(any::<u64>()),
        of(any::<u32>()),
        of(name()),
        of(any::<u32>()),
        of(any::<u32>()),
    )
}

/// Any expectation.
pub fn expectation() -> impl Strategy<Value = Expectation<'static>> {
    (family(), protocol()).prop_flat_map(|(family, protocol)| {
        let tuples = (
            tuple_of(family, Protocol::TCP),
            tuple_of(family, protocol),
            of(tuple_of(family, protocol)),
            of((any::<bool>(), tuple_of(family, protocol))),
        )
            .boxed();
        let rest = (
            of(any::<u32>()),
            of(any::<u32>()),
            of(name()),
            of(zone()),
            of(any::<u32>().prop_map(ExpectationFlags)),
            of(any::<u32>()),
            of(name()),
        )
            .boxed();
        (tuples, rest).prop_map(|(tuples, rest)| {
            let (master, tuple, mask, nat) = tuples;
            let (timeout, id, helper, zone, flags, class, function) = rest;
            let dir = |reply| if reply { Dir::Reply } else { Dir::Original };
            Expectation {
                master,
                tuple,
                mask,
                timeout,
                id,
                helper,
                zone,
                flags,
                class,
                nat: nat.map(|(reply, tuple)| ExpectNat {
                    dir: dir(reply),
                    tuple,
                }),
                function,
            }
        })
    })
}

/// Any event, by traffic or another program.
pub fn event() -> impl Strategy<Value = Event<'static>> {
    let kind = proptest::sample::select(
        [EventKind::New, EventKind::Update, EventKind::Destroy].as_slice(),
    );
    let origin = prop_oneof![
        Just(Origin::Traffic),
        (1..=u32::MAX).prop_map(Origin::Other)
    ];
    let object = prop_oneof![
        flow().prop_map(Object::Flow),
        expectation().prop_map(Object::Expectation)
    ];
    (kind, origin, object).prop_map(|(kind, origin, object)| Event {
        kind,
        origin,
        object,
    })
}
