//! What we write into a real kernel is what we read back: every kind of flow and expectation that
//! a request can express, and every filter that the kernel applies itself.
//!
//! The kernel adds defaults and counts timeouts down; [`as_reported`] says which.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::filter::{KernelFilter, MarkMatch, PartialTuple, StatusMatch};
use flow::{
    Addrs, Dir, ExpectNat, Expectation, ExpectationFlags, Family, Flow, Helper, Icmp, Keys, L4,
    Labels, Mark, Name, NatRange, PerDir, Ports, ProtoInfo, Protocol, SctpInfo, SctpState, SeqAdj,
    Status, Synproxy, TcpFlags, TcpInfo, TcpState, Tuple, Zone,
};
use linux::Errno;
use linux::netlink::{self, Groups, Received, Socket};
use linux::table::{Dump, DumpKind, Query, Request, Table};
use nfnetlink::conntrack::constants::{cta::*, filter::*, ip::*, msg, tuple::*};
use nfnetlink::conntrack::request::FlowKey;
use nfnetlink::exchange::{Pending, Reply};
use nfnetlink::expect::request::ExpectationKey;
use nfnetlink::nl::{self, AttrWriter, Builder, Header, Messages};
use nfnetlink::{GenHeader, ObjectMessage, Subsystem};
use testbed::Namespace;

const TIMEOUT: u32 = 600;

/// Runs a test inside a namespace of its own, in which labels are in use.
fn inside(test: impl FnOnce() + Send) {
    let namespace = Namespace::new("roundtrip").unwrap();
    namespace
        .nft("table inet t {\nchain c {\nct label set 1\n}\n}\n")
        .unwrap();
    namespace.enter(test).unwrap();
}

fn addrs(family: Family, number: u8) -> Addrs {
    match family {
        Family::Ipv4 => Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 0, number),
            dst: Ipv4Addr::new(192, 0, 2, 1),
        },
        Family::Ipv6 => Addrs::V6 {
            src: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()),
            dst: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        },
    }
}

fn flow(family: Family, number: u8, l4: L4) -> Flow<'static> {
    Flow {
        timeout: Some(TIMEOUT),
        ..Flow::new(Tuple::new(addrs(family, number), l4))
    }
}

const PORTS: Ports = Ports {
    src: 40_001,
    dst: 443,
};

const PING: Icmp = Icmp {
    kind: 8,
    code: 0,
    id: 0x1234,
};

const PING6: Icmp = Icmp { kind: 128, ..PING };

fn tcp(number: u8) -> Flow<'static> {
    Flow {
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            ..TcpInfo::default()
        })),
        ..flow(Family::Ipv4, number, L4::Tcp(PORTS))
    }
}

/// One flow of each protocol and family.
fn protocols() -> Vec<Flow<'static>> {
    let keys = Keys { src: 7, dst: 9 };
    let anywhere = [
        L4::Tcp(PORTS),
        L4::Udp(PORTS),
        L4::UdpLite(PORTS),
        L4::Sctp(PORTS),
        L4::Gre(keys),
        L4::Other(Protocol(200)),
    ];
    let mut flows = vec![
        flow(Family::Ipv4, 90, L4::Icmp(PING)),
        flow(Family::Ipv6, 90, L4::Icmpv6(PING6)),
    ];
    for (number, l4) in (1..).zip(anywhere) {
        flows.extend([Family::Ipv4, Family::Ipv6].map(|family| flow(family, number, l4)));
    }
    flows
}

fn tcp_states() -> Vec<Flow<'static>> {
    let flags = |flags| Some(TcpFlags { flags, mask: 0xff });
    let info = |state| TcpInfo {
        state: Some(TcpState(state)),
        wscale: PerDir {
            orig: Some(7),
            reply: Some(14),
        },
        flags: PerDir {
            orig: flags(TcpFlags::BE_LIBERAL | TcpFlags::SACK_PERM | TcpFlags::WINDOW_SCALE),
            reply: flags(TcpFlags::WINDOW_SCALE | TcpFlags::CLOSE_INIT),
        },
    };
    (1..=9)
        .map(|state| Flow {
            protoinfo: Some(ProtoInfo::Tcp(info(state))),
            ..tcp(state)
        })
        .collect()
}

fn sctp_states() -> Vec<Flow<'static>> {
    let info = |state| SctpInfo {
        state: Some(SctpState(state)),
        vtag: PerDir {
            orig: Some(1),
            reply: Some(0xdead_beef),
        },
    };
    (1..=8)
        .map(|state| Flow {
            protoinfo: Some(ProtoInfo::Sctp(info(state))),
            ..flow(Family::Ipv4, state, L4::Sctp(PORTS))
        })
        .collect()
}

fn translated() -> Vec<Flow<'static>> {
    let to = |addr: IpAddr, port| Some(NatRange::exact(addr, port));
    let inside = |family| addrs(family, 200).src();
    let mut flows = Vec::new();
    for (number, family) in (1..).zip([Family::Ipv4, Family::Ipv6]) {
        let plain = Flow {
            timeout: Some(TIMEOUT),
            ..flow(family, number, L4::Tcp(PORTS))
        };
        let with_number = |number| Flow {
            orig: Tuple::new(addrs(family, number), plain.orig.l4),
            ..plain.clone()
        };
        flows.extend([
            Flow {
                nat_src: to(inside(family), Some(5_000)),
                ..with_number(11)
            },
            Flow {
                nat_dst: to(inside(family), Some(8_080)),
                ..with_number(12)
            },
            Flow {
                nat_src: to(inside(family), None),
                nat_dst: to(inside(family), Some(8_081)),
                ..with_number(13)
            },
        ]);
    }
    flows
}

fn in_zones(number: u8, orig: Option<u16>, reply: Option<u16>, both: Option<u16>) -> Flow<'static> {
    let flow = tcp(number);
    let mirrored = flow.orig.inverse().unwrap();
    Flow {
        orig: Tuple {
            zone: orig.map(Zone),
            ..flow.orig
        },
        reply: Some(Tuple {
            zone: reply.map(Zone),
            ..mirrored
        }),
        zone: both.map(Zone),
        ..flow
    }
}

fn decorated() -> Vec<Flow<'static>> {
    let labels = Labels::from_words(&[1, 0x8000_0000, 0, 0x10]).unwrap();
    let adjusted = |correction_pos| SeqAdj {
        correction_pos,
        offset_before: 5,
        offset_after: 0xffff_fffb,
    };
    vec![
        Flow {
            status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT),
            mark: Some(Mark(0xdead_beef)),
            ..tcp(1)
        },
        Flow {
            labels: Some(labels),
            ..tcp(2)
        },
        Flow {
            helper: Some(Helper {
                name: Name::new(b"ftp"),
                info: None,
            }),
            ..tcp(3)
        },
        Flow {
            synproxy: Some(Synproxy {
                isn: 1,
                its: 2,
                tsoff: 0x8000_0003,
            }),
            ..tcp(4)
        },
        Flow {
            seq_adj: PerDir {
                orig: Some(adjusted(1_000)),
                reply: Some(adjusted(2_000)),
            },
            ..tcp(5)
        },
        in_zones(20, None, None, Some(5)),
        in_zones(20, Some(6), None, None),
        in_zones(20, None, Some(7), None),
    ]
}

/// The flow as a dump shows it after it was created: with the kernel's defaults.
fn as_reported<'a>(flow: &Flow<'a>) -> Flow<'a> {
    let mut reported = flow.clone();
    let reply = flow.reply.or(flow.orig.inverse()).unwrap();
    let mut status = flow.status.unwrap_or_default() | Status::CONFIRMED;
    if flow.helper.is_some() {
        status = status | Status::HELPER;
    }
    if flow.seq_adj.orig.is_some() {
        status = status | Status::SEQ_ADJUST;
    }
    if flow.master.is_some() {
        status = status | Status::EXPECTED;
    }
    reported.reply = Some(translate(flow, reply));
    for (range, bit) in [
        (&flow.nat_src, Status::SRC_NAT),
        (&flow.nat_dst, Status::DST_NAT),
    ] {
        if range.is_some() {
            status = status | bit | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        }
    }
    reported.nat_src = None;
    reported.nat_dst = None;
    reported.status = Some(status);
    reported.mark = reported.mark.or(Some(Mark(0)));
    reported.synproxy = reported.synproxy.or(Some(Synproxy::default()));
    reported.protoinfo = protoinfo_as_reported(flow);
    reported
}

/// The reply tuple that a translation leads to.
fn translate(flow: &Flow<'_>, mirrored: Tuple) -> Tuple {
    let exact = |range: &Option<NatRange>| {
        let range = range.as_ref();
        let addr = range.and_then(|range| range.addr.as_ref().map(|addr| *addr.start()));
        let port = range.and_then(|range| range.port.as_ref().map(|port| *port.start()));
        (addr, port)
    };
    let (src_addr, src_port) = exact(&flow.nat_src);
    let (dst_addr, dst_port) = exact(&flow.nat_dst);
    let addrs = Addrs::new(
        dst_addr.unwrap_or(mirrored.addrs.src()),
        src_addr.unwrap_or(mirrored.addrs.dst()),
    );
    let l4 = match mirrored.l4 {
        L4::Tcp(ports) => L4::Tcp(Ports {
            src: dst_port.unwrap_or(ports.src),
            dst: src_port.unwrap_or(ports.dst),
        }),
        other => other,
    };
    Tuple {
        addrs: addrs.unwrap(),
        l4,
        ..mirrored
    }
}

fn protoinfo_as_reported(flow: &Flow<'_>) -> Option<ProtoInfo> {
    match (flow.orig.l4, flow.protoinfo) {
        (L4::Tcp(_), info) => {
            let tcp = match info {
                Some(ProtoInfo::Tcp(tcp)) => tcp,
                _ => TcpInfo::default(),
            };
            let known = |flags: Option<TcpFlags>| {
                Some(TcpFlags {
                    flags: flags.map_or(0, |flags| flags.flags & flags.mask),
                    mask: 0,
                })
            };
            Some(ProtoInfo::Tcp(TcpInfo {
                state: tcp.state.or(Some(TcpState::NONE)),
                wscale: PerDir {
                    orig: tcp.wscale.orig.or(Some(0)),
                    reply: tcp.wscale.reply.or(Some(0)),
                },
                flags: PerDir {
                    orig: known(tcp.flags.orig),
                    reply: known(tcp.flags.reply),
                },
            }))
        }
        (L4::Sctp(_), None) => Some(ProtoInfo::Sctp(SctpInfo {
            state: Some(SctpState::NONE),
            vtag: PerDir {
                orig: Some(0),
                reply: Some(0),
            },
        })),
        (_, info) => info,
    }
}

/// Runs `sink` with each flow of the table that the filter lets through.
fn dump(filter: &KernelFilter, mut sink: impl FnMut(Flow<'_>)) {
    let mut dump = Dump::start(&Query::Flows(DumpKind::Table, filter)).unwrap();
    dump.read_all(|entry| {
        let decoded = entry.unwrap().flow().unwrap();
        assert_eq!(decoded.unknown, 0, "{:?}", decoded.value);
        sink(decoded.value);
    })
    .unwrap();
}

/// What a dump shows, without what differs from run to run.
fn without_chance<'a>(flow: &Flow<'a>) -> Flow<'a> {
    assert!(flow.id.is_some() && flow.use_count.is_some());
    let timeout = flow.timeout.unwrap();
    assert!((TIMEOUT - 20..=TIMEOUT).contains(&timeout), "{timeout}");
    Flow {
        id: None,
        use_count: None,
        timeout: Some(TIMEOUT),
        ..flow.clone()
    }
}

/// Creates the flow, finds it by all its names, and removes it by its id.
fn check(table: &mut Table, written: &Flow<'_>) {
    table
        .execute(&Request::Create(written))
        .unwrap_or_else(|error| panic!("{error}: {written:?}"));
    let mut found = 0;
    let mut key = FlowKey::original(written);
    dump(&KernelFilter::default(), |flow| {
        assert_eq!(without_chance(&flow), as_reported(written));
        key = FlowKey::exact(&flow);
        found += 1;
    });
    assert_eq!(found, 1, "{written:?}");
    let by_reply = FlowKey {
        dir: Dir::Reply,
        tuple: as_reported(written).reply.unwrap(),
        id: None,
        ..key
    };
    for key in [key, by_reply] {
        let mut found = 0;
        let found_one = |entry: ObjectMessage<'_>| {
            let flow = entry.flow().unwrap().value;
            assert_eq!(without_chance(&flow), as_reported(written));
            found += 1;
        };
        table.get(&key, found_one).unwrap();
        assert_eq!(found, 1, "{written:?}");
    }
    let other_id = FlowKey {
        id: key.id.map(|id| id ^ 1),
        ..key
    };
    let spared = table.execute(&Request::Delete(&other_id)).unwrap_err();
    assert_eq!(spared.errno(), Errno::NOENT);
    table.execute(&Request::Delete(&key)).unwrap();
}

fn check_all(flows: Vec<Flow<'static>>) {
    inside(move || {
        let mut table = Table::open().unwrap();
        for flow in flows {
            check(&mut table, &flow);
        }
    });
}

#[test]
fn flows_of_every_protocol() {
    check_all(protocols());
}

#[test]
fn every_state_of_tcp() {
    check_all(tcp_states());
}

#[test]
fn every_state_of_sctp() {
    check_all(sctp_states());
}

#[test]
fn translations() {
    check_all(translated());
}

#[test]
fn status_labels_helper_synproxy_adjustment_and_zones() {
    check_all(decorated());
}

/// Linux 6.17 removed DCCP tracking: such a flow is one by addresses alone, and its ports read as
/// zero. Older kernels keep them.
#[test]
fn dccp_with_or_without_ports() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let written = flow(Family::Ipv4, 1, L4::Dccp(PORTS));
        table.execute(&Request::Create(&written)).unwrap();
        dump(&KernelFilter::default(), |flow| {
            let ports = flow.orig.l4.ports().unwrap();
            assert!([PORTS, Ports::default()].contains(&ports), "{ports:?}");
        });
    });
}

#[test]
fn a_flow_with_a_master() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let master = tcp(1);
        let child = Flow {
            master: Some(master.orig),
            ..tcp(2)
        };
        table.execute(&Request::Create(&master)).unwrap();
        table.execute(&Request::Create(&child)).unwrap();
        let mut found = 0;
        dump(&KernelFilter::default(), |flow| {
            if flow.orig == child.orig {
                assert_eq!(without_chance(&flow), as_reported(&child));
                found += 1;
            }
        });
        assert_eq!(found, 1);
    });
}

/// Labels: new = (old and not mask) xor value; mark: the same.
#[test]
fn updates_change_what_their_masks_say() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let labels = |word| Labels::from_words(&[word, 0, 0, 0]);
        let written = Flow {
            labels: labels(0b1100),
            mark: Some(Mark(0xff00)),
            ..tcp(1)
        };
        let change = Flow {
            labels: labels(0b0001),
            labels_mask: labels(0b0101),
            mark: Some(Mark(0x0001)),
            mark_mask: Some(0x0f0f),
            status: Some(Status::ASSURED | Status::SEEN_REPLY),
            ..Flow::new(written.orig)
        };
        table.execute(&Request::Create(&written)).unwrap();
        table.execute(&Request::Update(&change)).unwrap();
        let expected = Flow {
            labels: labels(0b1001),
            mark: Some(Mark(0xf001)),
            status: change.status,
            ..written
        };
        let mut found = 0;
        dump(&KernelFilter::default(), |flow| {
            assert_eq!(without_chance(&flow), as_reported(&expected));
            found += 1;
        });
        assert_eq!(found, 1);
    });
}

fn expectation(master: &Flow<'_>, l4: L4, mask: L4) -> Expectation<'static> {
    let ones = Addrs::V4 {
        src: Ipv4Addr::BROADCAST,
        dst: Ipv4Addr::BROADCAST,
    };
    Expectation {
        mask: Some(Tuple::new(ones, mask)),
        helper: Some(Name::new(b"ftp")),
        class: Some(0),
        flags: Some(ExpectationFlags(0)),
        timeout: Some(TIMEOUT),
        ..Expectation::new(master.orig, Tuple::new(addrs(Family::Ipv4, 99), l4))
    }
}

fn expectations(master: &Flow<'_>) -> Vec<Expectation<'static>> {
    let to = |dst| L4::Tcp(Ports { src: 0, dst });
    let plain = expectation(master, to(5_000), to(0xffff));
    let saved = Addrs::V4 {
        src: Ipv4Addr::new(10, 9, 9, 9),
        dst: Ipv4Addr::UNSPECIFIED,
    };
    let from = L4::Tcp(Ports { src: 4_711, dst: 0 });
    vec![
        plain.clone(),
        Expectation {
            flags: Some(ExpectationFlags::PERMANENT),
            ..plain.clone()
        },
        Expectation {
            nat: Some(ExpectNat {
                dir: Dir::Reply,
                tuple: Tuple::new(saved, from),
            }),
            function: Some(Name::new(b"nat-follow-master")),
            ..plain
        },
    ]
}

#[test]
fn expectations_with_flags_translation_and_function() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let master = Flow {
            helper: Some(Helper {
                name: Name::new(b"ftp"),
                info: None,
            }),
            ..tcp(1)
        };
        table.execute(&Request::Create(&master)).unwrap();
        for written in expectations(&master) {
            table
                .execute(&Request::CreateExpectation(&written))
                .unwrap_or_else(|error| panic!("{error}: {written:?}"));
            let queries = [
                Query::Expectations(None),
                Query::Expectations(Some(Family::Ipv4)),
                Query::ExpectationsOf(&master.orig, None),
            ];
            for query in &queries {
                check_expectation(query, &written);
            }
            let key = ExpectationKey::of(&written);
            let mut found = 0;
            table.get_expectation(&key, |_| found += 1).unwrap();
            assert_eq!(found, 1);
            table.execute(&Request::DeleteExpectation(&key)).unwrap();
        }
    });
}

fn check_expectation(query: &Query<'_>, written: &Expectation<'_>) {
    let mut found = 0;
    let mut dump = Dump::start(query).unwrap();
    dump.read_all(|entry| {
        let decoded = entry.unwrap().expectation().unwrap();
        assert_eq!(decoded.unknown, 0);
        let got = Expectation {
            id: None,
            // The helper's policy decides how long, whatever was asked for.
            timeout: written.timeout,
            ..decoded.value
        };
        assert_eq!(&got, written);
        found += 1;
    })
    .unwrap();
    assert_eq!(found, 1);
}

/// The flows against which filters are tried: all protocols, with marks, zones and states.
fn varied() -> Vec<Flow<'static>> {
    let mut flows = protocols();
    let marks = (0_u32..).map(|number| Some(Mark(number % 4)));
    for (flow, mark) in flows.iter_mut().zip(marks) {
        flow.mark = mark;
        if mark == Some(Mark(3)) {
            flow.status = Some(Status::SEEN_REPLY | Status::ASSURED);
        }
    }
    flows.extend(translated());
    let in_zone = |(number, zone): (u8, u16)| Flow {
        zone: Some(Zone(zone)),
        ..tcp(number)
    };
    flows.extend([(30, 5), (31, 5), (32, 6)].map(in_zone));
    flows
}

/// The same decision in user space.
fn wanted(filter: &KernelFilter, flow: &Flow<'_>) -> bool {
    let reply = flow.reply.unwrap();
    let mark = flow.mark.unwrap().0;
    let status = flow.status.unwrap();
    filter.family.is_none_or(|family| family == flow.family())
        && has_parts(&filter.tuple.orig, &flow.orig)
        && has_parts(&filter.tuple.reply, &reply)
        && filter.mark.is_none_or(|m| mark & m.mask == m.value.0)
        && filter.status.is_none_or(|s| status & s.mask == s.value)
        && filter
            .zone
            .is_none_or(|zone| zone == flow.zone.unwrap_or_default())
}

fn has_parts(wanted: &PartialTuple, tuple: &Tuple) -> bool {
    fn same<T: PartialEq>(wanted: Option<T>, value: Option<T>) -> bool {
        wanted.is_none() || wanted == value
    }
    let ports = match tuple.l4 {
        L4::Gre(keys) => Some(Ports {
            src: keys.src,
            dst: keys.dst,
        }),
        l4 => l4.ports(),
    };
    let icmp = tuple.l4.icmp();
    same(wanted.src.map(IpAddr::V4), Some(tuple.addrs.src()))
        && same(wanted.dst.map(IpAddr::V4), Some(tuple.addrs.dst()))
        && same(wanted.protocol, Some(tuple.protocol()))
        && same(wanted.src_port, ports.map(|ports| ports.src))
        && same(wanted.dst_port, ports.map(|ports| ports.dst))
        && same(wanted.icmp_kind, icmp.map(|icmp| icmp.kind))
        && same(wanted.icmp_code, icmp.map(|icmp| icmp.code))
        && same(wanted.icmp_id, icmp.map(|icmp| icmp.id))
}

/// Every part of every tuple in the table, alone and together with the others.
fn partial_tuples(tuple: &Tuple) -> Vec<PartialTuple> {
    let none = PartialTuple::default();
    let protocol = Some(tuple.protocol());
    let (src, dst) = match tuple.addrs {
        Addrs::V4 { src, dst } => (Some(src), Some(dst)),
        Addrs::V6 { .. } => (None, None),
    };
    let mut whole = PartialTuple {
        src,
        dst,
        protocol,
        ..none
    };
    let mut parts = vec![
        PartialTuple { src, ..none },
        PartialTuple { dst, ..none },
        PartialTuple { protocol, ..none },
    ];
    if let Some(ports) = tuple.l4.ports() {
        whole.src_port = Some(ports.src);
        whole.dst_port = Some(ports.dst);
        parts.push(PartialTuple {
            protocol,
            dst_port: whole.dst_port,
            ..none
        });
    }
    if let Some(icmp) = tuple.l4.icmp() {
        whole.icmp_kind = Some(icmp.kind);
        whole.icmp_code = Some(icmp.code);
        whole.icmp_id = Some(icmp.id);
        parts.push(PartialTuple {
            protocol,
            icmp_id: whole.icmp_id,
            ..none
        });
    }
    parts.push(whole);
    parts
}

fn tuple_filters(flow: &Flow<'_>) -> Vec<KernelFilter> {
    let base = KernelFilter {
        family: Some(flow.family()),
        ..KernelFilter::default()
    };
    let none = PartialTuple::default();
    let orig = partial_tuples(&flow.orig)
        .into_iter()
        .map(|orig| PerDir { orig, reply: none });
    let reply = partial_tuples(&flow.reply.unwrap())
        .into_iter()
        .map(|reply| PerDir { orig: none, reply });
    orig.chain(reply)
        .map(|tuple| KernelFilter { tuple, ..base })
        .collect()
}

fn other_filters() -> Vec<KernelFilter> {
    let all = KernelFilter::default();
    let mark = |value, mask| KernelFilter {
        mark: Some(MarkMatch {
            value: Mark(value),
            mask,
        }),
        ..all
    };
    let status = |value, mask| KernelFilter {
        status: Some(StatusMatch { value, mask }),
        ..all
    };
    let zone = |zone| KernelFilter {
        zone: Some(Zone(zone)),
        ..all
    };
    let family = |family| KernelFilter {
        family: Some(family),
        ..all
    };
    vec![
        all,
        family(Family::Ipv4),
        family(Family::Ipv6),
        mark(2, u32::MAX),
        mark(1, 1),
        mark(0, u32::MAX),
        status(Status::ASSURED, Status::ASSURED),
        status(Status::default(), Status::ASSURED | Status::SRC_NAT),
        zone(0),
        zone(5),
        KernelFilter {
            mark: mark(3, 3).mark,
            ..family(Family::Ipv6)
        },
    ]
}

#[test]
fn the_kernel_dumps_what_the_filter_says() {
    inside(|| {
        let mut table = Table::open().unwrap();
        for flow in varied() {
            table.execute(&Request::Create(&flow)).unwrap();
        }
        let mut filters = other_filters();
        let all = KernelFilter::default();
        dump(&all, |flow| filters.extend(tuple_filters(&flow)));
        assert!(filters.len() > 200);
        for filter in &filters {
            let mut expected = Vec::new();
            dump(&all, |flow| {
                if wanted(filter, &flow) {
                    expected.push(flow.orig);
                }
            });
            let mut got = Vec::new();
            dump(filter, |flow| got.push(flow.orig));
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "{filter:?}");
        }
    });
}

#[test]
fn the_kernel_flushes_what_the_filter_says() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let all = KernelFilter::default();
        for filter in &other_filters() {
            for flow in varied() {
                table.execute(&Request::Create(&flow)).unwrap();
            }
            let mut expected = Vec::new();
            dump(&all, |flow| {
                if !wanted(filter, &flow) {
                    expected.push(flow.orig);
                }
            });
            table.execute(&Request::Flush(filter)).unwrap();
            let mut left = Vec::new();
            dump(&all, |flow| left.push(flow.orig));
            expected.sort();
            left.sort();
            assert_eq!(left, expected, "{filter:?}");
            table.execute(&Request::Flush(&all)).unwrap();
        }
    });
}

/// Kernels that cannot flush by tuple refuse, and must not take the request for a flush of all.
#[test]
fn a_flush_by_tuple_removes_what_it_says_or_nothing() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let mut filter = KernelFilter {
            family: Some(Family::Ipv4),
            ..KernelFilter::default()
        };
        filter.tuple.orig.protocol = Some(Protocol::TCP);
        for flow in varied() {
            table.execute(&Request::Create(&flow)).unwrap();
        }
        let mut before = Vec::new();
        dump(&KernelFilter::default(), |flow| {
            before.push((wanted(&filter, &flow), flow.orig));
        });
        let flushed = match table.execute(&Request::Flush(&filter)) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.errno(), Errno::OPNOTSUPP);
                false
            }
        };
        before.retain(|(wanted, _)| !(flushed && *wanted));
        let mut expected: Vec<_> = before.into_iter().map(|(_, tuple)| tuple).collect();
        let mut left = Vec::new();
        dump(&KernelFilter::default(), |flow| left.push(flow.orig));
        expected.sort();
        left.sort();
        assert_eq!(left, expected, "flushed: {flushed}");
    });
}

/// The original tuples of a dump by parts of the original tuple, as our own filter cannot say it.
fn dump_by(family: Family, flags: u32, parts: impl FnOnce(&mut AttrWriter<'_>)) -> Vec<Tuple> {
    let header = Header {
        kind: Subsystem::Conntrack.message_type(msg::GET),
        flags: nl::flags::REQUEST | nl::flags::DUMP,
        sequence: 1,
        port_id: 0,
    };
    let mut request = Vec::new();
    Builder::new(&mut request)
        .message(header, GenHeader::of_family(family.number()), |w| {
            w.nest(CTA_TUPLE_ORIG, parts);
            w.nest(CTA_FILTER, |w| {
                w.host32(CTA_FILTER_ORIG_FLAGS, flags);
                w.host32(CTA_FILTER_REPLY_FLAGS, 0);
            });
        })
        .unwrap();
    let socket = Socket::open(netlink::Subsystem::Netfilter, Groups::NONE).unwrap();
    socket.send(&request).unwrap();
    let mut buffer = [0; 32 * 1024];
    let mut tuples = Vec::new();
    let mut pending = Pending::one(1);
    while !pending.is_finished() {
        let Received::Datagram(bytes) = socket.receive(&mut buffer).unwrap() else {
            panic!("no answer");
        };
        for message in Messages::new(bytes) {
            if let Reply::Data(message) = pending.accept(&message.unwrap()).unwrap() {
                let flow = ObjectMessage::decode(&message).unwrap().flow().unwrap();
                tuples.push(flow.value.orig);
            }
        }
    }
    tuples.sort();
    tuples
}

/// Why [`PartialTuple`] has no zone. When this fails, the kernel looks at it.
#[test]
fn the_kernel_ignores_the_zone_of_a_direction_in_a_filter() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let flows = [in_zones(1, Some(5), None, None), tcp(2)];
        for flow in &flows {
            table.execute(&Request::Create(flow)).unwrap();
        }
        let got = dump_by(Family::Ipv4, 1 << 2, |w| w.be16(CTA_TUPLE_ZONE, 5));
        assert_eq!(got, flows.map(|flow| flow.orig));
    });
}

/// Why [`PartialTuple`] has no IPv6 addresses. When this fails, the kernel has been repaired, and
/// they can be filtered by where [`Query`] knows that it has.
#[test]
fn the_kernel_selects_all_but_the_ipv6_address_asked_for() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let flows = [1, 2, 3].map(|number| flow(Family::Ipv6, number, L4::Udp(PORTS)));
        for flow in &flows {
            table.execute(&Request::Create(flow)).unwrap();
        }
        let [asked, others @ ..] = flows.map(|flow| flow.orig);
        let Addrs::V6 { src, .. } = asked.addrs else {
            panic!("{asked:?}");
        };
        let got = dump_by(Family::Ipv6, 1, |w| {
            w.nest(CTA_TUPLE_IP, |w| w.bytes(CTA_IP_V6_SRC, &src.octets()));
        });
        assert_eq!(got, others);
    });
}
