//! Filters that the kernel applies: for each, a dump and a flush select what the same decision in
//! user space selects.
//!
//! The last two tests show what is not left to the kernel, since it decides otherwise.

use std::net::IpAddr;

use flow::filter::{KernelFilter, MarkMatch, PartialTuple, StatusMatch};
use flow::{Addrs, Family, Flow, L4, Mark, PerDir, Ports, Protocol, Status, Tuple, Zone};
use linux::Errno;
use linux::netlink::{self, Groups, Received, Socket};
use linux::table::{Request, Table};
use nfnetlink::conntrack::constants::{cta::*, filter::*, ip::*, msg, tuple::*};
use nfnetlink::exchange::{Pending, Reply};
use nfnetlink::nl::{self, AttrWriter, Builder, Header, Messages};
use nfnetlink::{GenHeader, ObjectMessage, Subsystem};

use crate::samples::{PORTS, flow, in_zones, protocols, tcp, translated};
use crate::{dump, inside};

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

/// Why [`PartialTuple`] has no zone: all flows come, whatever their zone.
#[test]
fn the_kernel_cannot_be_trusted_with_the_zone_of_a_direction() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let flows = [in_zones(1, Some(5), None, None), tcp(2)];
        for flow in &flows {
            table.execute(&Request::Create(flow)).unwrap();
        }
        let got = dump_by(Family::Ipv4, 1 << 2, |w| w.be16(CTA_TUPLE_ZONE, 5));
        let [asked, other] = flows.map(|flow| flow.orig);
        // The second is what a repaired kernel would say.
        assert!(got == [asked, other] || got == [asked], "{got:?}");
    });
}

/// Why [`PartialTuple`] has no IPv6 addresses: all flows come but those that were asked for.
#[test]
fn the_kernel_cannot_be_trusted_with_ipv6_addresses() {
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
        // The second is what a repaired kernel would say.
        assert!(got == others || got == [asked], "{got:?}");
    });
}
