//! Each request as the kernel sees it: type, flags, family, version and the order of attributes.
//!
//! The order and the flags are those of stock, where stock has the request.

#![allow(clippy::unwrap_used, reason = "a test")]

use flow::filter::{KernelFilter, MarkMatch, StatusMatch};
use flow::{
    Addrs, Dir, Expectation, Family, Flow, Helper, Icmp, L4, Labels, Mark, Name, NatRange, PerDir,
    Ports, ProtoInfo, SeqAdj, Status, Synproxy, TcpInfo, Tuple, Zone,
};
use nfnetlink::conntrack::request::{self, Call, DumpKind, FlowKey};
use nfnetlink::expect::request::{self as expectations, ExpectationKey};
use nfnetlink::nl::{Attrs, Builder, Messages};
use nfnetlink::{EncodeError, GenHeader};

const SEQUENCE: u32 = 0x0a0b_0c0d;

/// Checks the only message that `request` appends: its type, its flags, family and version, and
/// the types of its attributes.
fn check(
    request: impl FnOnce(&mut Builder<'_>) -> Result<(), EncodeError>,
    header: (u16, u16),
    generic: (u8, u8),
    attributes: &[u16],
) {
    let mut out = Vec::new();
    request(&mut Builder::new(&mut out)).unwrap();
    let mut messages = Messages::new(&out);
    let message = messages.next().unwrap().unwrap();
    assert_eq!(messages.next(), None);
    assert_eq!((message.header.kind, message.header.flags), header);
    assert_eq!(message.header.sequence, SEQUENCE);
    assert_eq!(message.header.port_id, 0);
    let (head, rest) = GenHeader::decode(message.payload).unwrap();
    assert_eq!((head.family, head.version), generic);
    assert_eq!(head.res_id, 0);
    let kinds: Vec<_> = Attrs::new(rest).map(|attr| attr.unwrap().kind).collect();
    assert_eq!(kinds, attributes);
}

fn orig() -> Tuple {
    let addrs = Addrs::V4 {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
    };
    Tuple::new(addrs, L4::Tcp(Ports { src: 1, dst: 2 }))
}

/// A flow with everything that a request may hold, and some of what only the kernel reports.
fn full() -> Flow<'static> {
    let labels = Labels::from_words(&[1]);
    Flow {
        reply: orig().inverse(),
        status: Some(Status::ASSURED),
        timeout: Some(1),
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo::default())),
        mark: Some(Mark(1)),
        mark_mask: Some(1),
        zone: Some(Zone(1)),
        labels,
        labels_mask: labels,
        nat_src: Some(NatRange::exact([10, 0, 0, 3].into(), None)),
        nat_dst: Some(NatRange::exact([10, 0, 0, 4].into(), Some(5))),
        seq_adj: PerDir {
            orig: Some(SeqAdj::default()),
            reply: Some(SeqAdj::default()),
        },
        synproxy: Some(Synproxy::default()),
        helper: Some(Helper {
            name: Name::new(b"ftp"),
            info: None,
        }),
        master: Some(orig()),
        id: Some(7),
        use_count: Some(1),
        event_time: Some(1),
        ..Flow::new(orig())
    }
}

/// Status, timeout, mark, protocol, NAT, adjustment, helper, zone, labels, proxy, master.
const CHANGES: [u16; 15] = [3, 7, 8, 21, 4, 6, 13, 15, 16, 5, 18, 22, 23, 24, 14];

const QUIET: Call = Call::quiet(SEQUENCE);

const ACKED: Call = Call::acked(SEQUENCE);

#[test]
fn changes_of_flows() {
    let flow = full();
    let whole = [&[1, 2], CHANGES.as_slice()].concat();
    let create = |b: &mut Builder<'_>| request::create(b, QUIET, &flow);
    check(create, (0x0100, 0x601), (2, 0), &whole);
    let put = |b: &mut Builder<'_>| request::create_or_update(b, ACKED, &flow);
    check(put, (0x0100, 0x405), (2, 0), &whole);
    let update = |b: &mut Builder<'_>| request::update(b, ACKED, &flow);
    let changes = [&[1], CHANGES.as_slice()].concat();
    check(update, (0x0100, 0x005), (2, 0), &changes);
}

#[test]
fn a_flow_without_reply_gets_its_mirror_image() {
    let flow = Flow::new(orig());
    let create = |b: &mut Builder<'_>| request::create(b, QUIET, &flow);
    check(create, (0x0100, 0x601), (2, 0), &[1, 2]);
    let unreachable = L4::Icmp(Icmp {
        kind: 3,
        code: 0,
        id: 0,
    });
    let flow = Flow::new(Tuple::new(orig().addrs, unreachable));
    let mut out = Vec::new();
    let result = request::create(&mut Builder::new(&mut out), QUIET, &flow);
    assert_eq!(result, Err(EncodeError::MissingReply));
    assert!(out.is_empty());
}

#[test]
fn an_address_range_of_two_families_is_refused() {
    let range = NatRange {
        addr: Some([10, 0, 0, 1].into()..=[1_u16; 8].into()),
        port: None,
    };
    let flow = Flow {
        nat_src: Some(range),
        ..Flow::new(orig())
    };
    let mut out = Vec::new();
    let result = request::create(&mut Builder::new(&mut out), QUIET, &flow);
    assert_eq!(result, Err(EncodeError::MixedFamilies));
    assert!(out.is_empty());
}

#[test]
fn one_flow_by_its_names() {
    let flow = full();
    let exact = FlowKey::exact(&flow);
    let original = FlowKey::original(&flow);
    let reply = FlowKey {
        dir: Dir::Reply,
        zone: None,
        ..original
    };
    let delete = |key| move |b: &mut Builder<'_>| request::delete(b, QUIET, &key);
    check(delete(exact), (0x0102, 0x001), (2, 0), &[1, 18, 12]);
    check(delete(original), (0x0102, 0x001), (2, 0), &[1, 18]);
    check(delete(reply), (0x0102, 0x001), (2, 0), &[2]);
    let get = |b: &mut Builder<'_>| request::get(b, SEQUENCE, &original);
    check(get, (0x0101, 0x005), (2, 0), &[1, 18]);
}

fn filter() -> KernelFilter {
    KernelFilter {
        family: Some(Family::Ipv6),
        mark: Some(MarkMatch {
            value: Mark(1),
            mask: 1,
        }),
        status: Some(StatusMatch {
            value: Status(4),
            mask: Status(4),
        }),
        zone: Some(Zone(0)),
        ..KernelFilter::default()
    }
}

#[test]
fn many_flows() {
    let all = KernelFilter::default();
    let kinds = [
        (DumpKind::Table, 0x0101),
        (DumpKind::ZeroCounters, 0x0103),
        (DumpKind::Dying, 0x0106),
        (DumpKind::Unconfirmed, 0x0107),
    ];
    for (kind, number) in kinds {
        let dump = |b: &mut Builder<'_>| request::dump(b, SEQUENCE, kind, &all);
        check(dump, (number, 0x301), (0, 0), &[]);
    }
    let dump = |b: &mut Builder<'_>| request::dump(b, SEQUENCE, DumpKind::Table, &filter());
    check(dump, (0x0101, 0x301), (10, 0), &[8, 21, 3, 26, 18]);
    let flush = |filter| move |b: &mut Builder<'_>| request::flush(b, ACKED, &filter);
    check(flush(all), (0x0102, 0x005), (0, 0), &[]);
    check(
        flush(filter()),
        (0x0102, 0x005),
        (10, 1),
        &[8, 21, 3, 26, 18],
    );
}

#[test]
fn numbers() {
    let count = |b: &mut Builder<'_>| request::count(b, SEQUENCE);
    check(count, (0x0105, 0x005), (0, 0), &[]);
    let stats = |b: &mut Builder<'_>| request::cpu_stats(b, SEQUENCE);
    check(stats, (0x0104, 0x301), (0, 0), &[]);
    let stats = |b: &mut Builder<'_>| expectations::cpu_stats(b, SEQUENCE);
    check(stats, (0x0203, 0x301), (0, 0), &[]);
}

#[test]
fn expectations_one_and_all() {
    let expectation = Expectation {
        mask: Some(orig()),
        timeout: Some(1),
        id: Some(7),
        helper: Some(Name::new(b"ftp")),
        zone: Some(Zone(1)),
        class: Some(0),
        ..Expectation::new(orig(), orig())
    };
    let create = |b: &mut Builder<'_>| expectations::create(b, QUIET, &expectation);
    check(create, (0x0200, 0x601), (2, 0), &[2, 1, 3, 4, 6, 7, 9]);
    let put = |b: &mut Builder<'_>| expectations::create_or_update(b, QUIET, &expectation);
    check(put, (0x0200, 0x401), (2, 0), &[2, 1, 3, 4, 6, 7, 9]);
    let exact = ExpectationKey::exact(&expectation);
    let delete = |b: &mut Builder<'_>| expectations::delete(b, ACKED, &exact);
    check(delete, (0x0202, 0x005), (2, 0), &[2, 7, 5]);
    let plain = ExpectationKey::of(&expectation);
    let get = |b: &mut Builder<'_>| expectations::get(b, SEQUENCE, &plain);
    check(get, (0x0201, 0x005), (2, 0), &[2, 7]);
    let dump = |b: &mut Builder<'_>| expectations::dump(b, SEQUENCE, Some(Family::Ipv6));
    check(dump, (0x0201, 0x301), (10, 0), &[]);
    let master = orig();
    let of_master =
        |b: &mut Builder<'_>| expectations::dump_of_master(b, SEQUENCE, &master, Some(Zone(1)));
    check(of_master, (0x0201, 0x301), (2, 0), &[1, 7]);
    let flush = |b: &mut Builder<'_>| expectations::flush(b, ACKED);
    check(flush, (0x0202, 0x005), (0, 0), &[]);
}
