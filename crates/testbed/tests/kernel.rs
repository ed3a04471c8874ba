//! The kernel's tables through our own sockets: what `linux::table` asks is what happens.
//!
//! Each test has a network namespace of its own. The hash table behind all namespaces of a host is
//! one; its entries go away with the namespace.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helper functions of tests are tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use flow::filter::{KernelFilter, PartialTuple};
use flow::{
    Addrs, Event, EventKind, Family, Flow, Helper, Icmp, L4, Mark, Name, Object, Origin, PerDir,
    Ports, ProtoInfo, Protocol, Status, TcpInfo, TcpState, Tuple, Zone,
};
use linux::Errno;
use linux::netlink::{self, Groups, Received, Socket};
use linux::table::{
    Batch, Dump, DumpKind, Events, FilteredDump, Growth, Notice, Origins, Progress,
};
use linux::table::{Query, Request, Table, Watch};
use nfnetlink::conntrack::request::FlowKey;
use nfnetlink::nl::{self, Builder, Failure, Header, Messages};
use nfnetlink::{GenHeader, Subsystem};
use testbed::Namespace;

/// Runs a test inside a namespace of its own.
fn inside(test: impl FnOnce() + Send) {
    let namespace = Namespace::new("kernel").unwrap();
    namespace.enter(test).unwrap();
}

/// One of many flows, all different.
fn udp(number: u32) -> Flow<'static> {
    let [_, high, middle, low] = number.to_be_bytes();
    let addrs = Addrs::V4 {
        src: Ipv4Addr::new(10, high, middle, low),
        dst: Ipv4Addr::new(192, 0, 2, 1),
    };
    let ports = Ports {
        src: 1_024,
        dst: 53,
    };
    Flow {
        status: Some(Status::SEEN_REPLY | Status::CONFIRMED),
        timeout: Some(600),
        mark: Some(Mark(number)),
        ..Flow::new(Tuple::new(addrs, L4::Udp(ports)))
    }
}

fn tcp(number: u32) -> Flow<'static> {
    let udp = udp(number);
    let ports = Ports {
        src: 4_000,
        dst: 80,
    };
    Flow {
        orig: Tuple::new(udp.orig.addrs, L4::Tcp(ports)),
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            ..TcpInfo::default()
        })),
        ..udp
    }
}

/// The flows of the table by their original tuples, each with its mark.
fn marks(kind: DumpKind, filter: &KernelFilter) -> BTreeMap<Tuple, u32> {
    let mut found = BTreeMap::new();
    let mut dump = Dump::start(&Query::Flows(kind, filter)).unwrap();
    dump.read_all(|entry| {
        let flow = entry.unwrap().flow().unwrap().value;
        found.insert(flow.orig, flow.mark.map_or(0, |mark| mark.0));
    })
    .unwrap();
    found
}

fn all() -> BTreeMap<Tuple, u32> {
    marks(DumpKind::Table, &KernelFilter::default())
}

/// Creates flows and demands that all of them are taken.
fn fill(flows: impl IntoIterator<Item = Flow<'static>>) {
    let mut batch = Batch::open().unwrap();
    let demand = |batch: &mut Batch<Tuple>| {
        batch.flush(|tuple, outcome| outcome.unwrap_or_else(|error| panic!("{tuple:?}: {error}")));
    };
    for flow in flows {
        if batch.is_full() {
            demand(&mut batch);
        }
        batch.push(&Request::Create(&flow), flow.orig).unwrap();
    }
    demand(&mut batch);
}

/// A filter that the kernel does not take costs time and nothing else.
#[test]
fn a_refused_filter_is_a_dump_of_everything() {
    inside(|| {
        let mut table = Table::open().unwrap();
        for number in 1..=300 {
            table.execute(&Request::Create(&udp(number))).unwrap();
        }
        let read = |filter: &KernelFilter| {
            let mut dump = FilteredDump::start(DumpKind::Table, filter).unwrap();
            let mut found = 0;
            while dump
                .read(|message| found += u32::from(message.is_ok()))
                .unwrap()
                == Progress::More
            {}
            found
        };
        // The kernel takes only types of ICMP that have an answer (`icmp_nlattr_to_tuple`).
        let tuple = PartialTuple {
            protocol: Some(Protocol::ICMP),
            icmp_kind: Some(3),
            ..PartialTuple::default()
        };
        let refused = KernelFilter {
            family: Some(Family::Ipv4),
            tuple: PerDir {
                orig: tuple,
                reply: PartialTuple::default(),
            },
            ..KernelFilter::default()
        };
        let plain = Dump::start(&Query::Flows(DumpKind::Table, &refused));
        let error = plain.unwrap().read_all(|_| ()).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert_eq!(read(&refused), 300);
        let six = KernelFilter {
            family: Some(Family::Ipv6),
            ..KernelFilter::default()
        };
        assert_eq!(read(&six), 0);
        table
            .execute(&Request::Flush(&KernelFilter::default()))
            .unwrap();
    });
}

#[test]
fn a_flow_is_created_changed_found_and_deleted() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let flow = tcp(1);
        let key = FlowKey::original(&flow);
        let get = |table: &mut Table| {
            let mut mark = None;
            let found = |entry: nfnetlink::ObjectMessage<'_>| {
                mark = entry.flow().unwrap().value.mark;
            };
            table
                .get(&key, found)
                .map(|()| mark)
                .map_err(|error| error.errno())
        };
        assert_eq!(get(&mut table), Err(Errno::NOENT));
        table.execute(&Request::Create(&flow)).unwrap();
        assert_eq!(get(&mut table), Ok(Some(Mark(1))));
        assert_eq!(table.count().unwrap().entries, 1);
        let exists = table.execute(&Request::Create(&flow)).unwrap_err();
        assert_eq!(exists.errno(), Errno::EXIST);
        let marked = |mark| Flow {
            mark: Some(Mark(mark)),
            ..flow.clone()
        };
        table.execute(&Request::CreateOrUpdate(&marked(5))).unwrap();
        assert_eq!(get(&mut table), Ok(Some(Mark(5))));
        table.execute(&Request::Update(&marked(6))).unwrap();
        assert_eq!(all(), BTreeMap::from([(flow.orig, 6)]));
        table.execute(&Request::Delete(&key)).unwrap();
        assert_eq!(get(&mut table), Err(Errno::NOENT));
        let gone = table.execute(&Request::Delete(&key)).unwrap_err();
        assert_eq!(gone.errno(), Errno::NOENT);
        assert_eq!(table.count().unwrap().entries, 0);
    });
}

#[test]
fn a_flow_in_a_zone_is_another_flow() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let plain = udp(1);
        let zoned = Flow {
            zone: Some(Zone(7)),
            mark: Some(Mark(70)),
            ..udp(1)
        };
        table.execute(&Request::Create(&plain)).unwrap();
        table.execute(&Request::Create(&zoned)).unwrap();
        let filter = KernelFilter {
            zone: Some(Zone(7)),
            ..KernelFilter::default()
        };
        assert_eq!(
            marks(DumpKind::Table, &filter),
            BTreeMap::from([(zoned.orig, 70)])
        );
        table
            .execute(&Request::Delete(&FlowKey::original(&zoned)))
            .unwrap();
        assert_eq!(all(), BTreeMap::from([(plain.orig, 1)]));
        table
            .execute(&Request::Flush(&KernelFilter::default()))
            .unwrap();
        assert!(all().is_empty());
    });
}

#[test]
fn a_batch_tells_the_outcome_of_each_change() {
    inside(|| {
        let flows: Vec<_> = (0..250).map(udp).collect();
        // Every third one is there already.
        fill(flows.iter().step_by(3).cloned());
        let mut batch = Batch::open().unwrap();
        let mut outcomes = Vec::new();
        for (number, flow) in flows.iter().enumerate() {
            if batch.is_full() {
                batch.flush(|number, outcome| outcomes.push((number, outcome)));
            }
            batch.push(&Request::Create(flow), number).unwrap();
        }
        batch.flush(|number, outcome| outcomes.push((number, outcome)));
        assert!(batch.is_empty());
        assert_eq!(outcomes.len(), flows.len());
        for (place, (number, outcome)) in outcomes.into_iter().enumerate() {
            assert_eq!(place, number);
            let wanted = if number % 3 == 0 {
                Err(Errno::EXIST)
            } else {
                Ok(())
            };
            assert_eq!(outcome.map_err(|error| error.errno), wanted, "{number}");
        }
        assert_eq!(all().len(), flows.len());
    });
}

#[test]
fn the_errors_of_a_full_batch_fit_the_receive_buffer() {
    inside(|| {
        let mut batch = Batch::open().unwrap();
        for round in 0..20 {
            let mut missing = 0;
            while !batch.is_full() {
                let flow = udp(u32::try_from(batch.len()).unwrap());
                let key = FlowKey::original(&flow);
                batch.push(&Request::Delete(&key), ()).unwrap();
            }
            let wanted = batch.len();
            batch.flush(|(), outcome| {
                assert_eq!(outcome.unwrap_err().errno, Errno::NOENT, "round {round}");
                missing += 1;
            });
            assert_eq!(missing, wanted);
        }
    });
}

#[test]
fn a_change_that_cannot_be_expressed_leaves_the_batch_as_it_was() {
    inside(|| {
        let mut batch = Batch::open().unwrap();
        let good = udp(1);
        // An ICMP error has no reply, so the kernel tracks no such flow.
        let icmp = L4::Icmp(Icmp {
            kind: 3,
            code: 0,
            id: 0,
        });
        let bad = Flow {
            orig: Tuple::new(good.orig.addrs, icmp),
            ..udp(2)
        };
        batch.push(&Request::Create(&good), 1).unwrap();
        let error = batch.push(&Request::Create(&bad), 2).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        let mut outcomes = Vec::new();
        batch.flush(|number, outcome| outcomes.push((number, outcome.is_ok())));
        assert_eq!(outcomes, [(1, true)]);
        assert_eq!(all().len(), 1);
    });
}

/// What our own requests never contain: a timeout of two bytes. The socket options make the
/// kernel say what it thinks of it, and spare us an echo of the request.
#[test]
fn the_kernel_s_own_words_arrive() {
    inside(|| {
        let mut request = Vec::new();
        let header = Header {
            kind: Subsystem::Conntrack.message_type(2),
            flags: nl::flags::REQUEST,
            sequence: 7,
            port_id: 0,
        };
        let generic = GenHeader::of_family(2);
        Builder::new(&mut request)
            .message(header, generic, |attributes| attributes.be16(7, 1))
            .unwrap();
        let socket = Socket::open(netlink::Subsystem::Netfilter, Groups::NONE).unwrap();
        socket.send(&request).unwrap();
        let mut buffer = [0; 1_024];
        let Received::Datagram(answer) = socket.receive(&mut buffer).unwrap() else {
            panic!("no answer");
        };
        let message = Messages::new(answer).next().unwrap().unwrap();
        assert!(message.header.has(nl::flags::CAPPED));
        let failure = Failure::decode(&message).unwrap().unwrap();
        assert_eq!(failure.errno, Errno::RANGE.raw_os_error());
        let text = failure.text.unwrap().to_string();
        assert!(text.to_lowercase().contains("attribute"), "{text}");
    });
}

#[test]
fn a_helper_that_does_not_exist_is_refused() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let flow = Flow {
            helper: Some(Helper {
                name: Name::new(b"no-such-helper"),
                info: None,
            }),
            ..tcp(1)
        };
        let error = table.execute(&Request::Create(&flow)).unwrap_err();
        let wanted = "cannot create flow: Operation not supported";
        assert_eq!(error.to_string(), wanted);
    });
}

#[test]
fn a_table_of_many_flows_is_read_whole_in_small_portions() {
    const COUNT: u32 = 12_000;
    inside(|| {
        fill((0..COUNT).map(udp));
        let filter = KernelFilter::default();
        let mut dump = Dump::start(&Query::Flows(DumpKind::Table, &filter)).unwrap();
        let mut found = BTreeSet::new();
        loop {
            let mut portion = 0;
            let progress = dump
                .read(|entry| {
                    found.insert(entry.unwrap().flow().unwrap().value.orig);
                    portion += 1;
                })
                .unwrap();
            assert!(portion < 400, "{portion} flows in one read");
            if let Progress::Finished { interrupted } = progress {
                assert!(!interrupted);
                break;
            }
        }
        assert_eq!(found.len(), usize::try_from(COUNT).unwrap());
        assert_eq!(Table::open().unwrap().count().unwrap().entries, COUNT);
        // A dump that is given up does not disturb the next one.
        let mut given_up = Dump::start(&Query::Flows(DumpKind::Table, &filter)).unwrap();
        given_up.read(|_| {}).unwrap();
        drop(given_up);
        assert_eq!(all().len(), found.len());
    });
}

#[test]
fn the_kernel_filters_what_is_dumped() {
    inside(|| {
        fill((0..300).map(udp).chain((0..50).map(tcp)));
        let mut by_protocol = KernelFilter {
            family: Some(Family::Ipv4),
            ..KernelFilter::default()
        };
        by_protocol.tuple.orig.protocol = Some(Protocol::TCP);
        assert_eq!(marks(DumpKind::Table, &by_protocol).len(), 50);
        let by_mark = KernelFilter {
            mark: Some(flow::filter::MarkMatch {
                value: Mark(49),
                mask: u32::MAX,
            }),
            ..KernelFilter::default()
        };
        assert_eq!(marks(DumpKind::Table, &by_mark).len(), 2);
        assert!(marks(DumpKind::Dying, &KernelFilter::default()).is_empty());
    });
}

#[test]
fn each_cpu_has_statistics_of_both_tables() {
    inside(|| {
        let mut table = Table::open().unwrap();
        for (subsystem, name) in [
            (Subsystem::Conntrack, "insert_failed"),
            (Subsystem::Expect, "expect_new"),
        ] {
            let mut cpus = BTreeSet::new();
            table
                .cpu_stats(subsystem, |stats| {
                    assert!(stats.counters().any(|counter| counter.name == Some(name)));
                    cpus.insert(stats.cpu);
                })
                .unwrap();
            let available = std::thread::available_parallelism().unwrap().get();
            assert!(cpus.len() >= available, "{subsystem:?}: {cpus:?}");
        }
    });
}

fn watch() -> Events {
    Events::open(&Watch::FLOWS, Origins::new()).unwrap()
}

/// Kind, origin and mark of all events that are there.
fn drain(events: &mut Events) -> Vec<(EventKind, Origin, Option<Mark>)> {
    let mut seen = Vec::new();
    let drained = events
        .drain(usize::MAX, |notice| match notice {
            Notice::Event(decoded, _) => {
                let Event {
                    kind,
                    origin,
                    object: Object::Flow(flow),
                } = decoded.value
                else {
                    panic!("no expectations were asked for");
                };
                seen.push((kind, origin, flow.mark));
            }
            other => panic!("{other:?}"),
        })
        .unwrap();
    assert!(!drained.more);
    assert_eq!(drained.datagrams, seen.len());
    seen
}

#[test]
fn events_name_who_caused_them() {
    inside(|| {
        let mut events = watch();
        let mut ours = Table::open().unwrap();
        let mut stranger = Table::open().unwrap();
        events
            .origins_mut()
            .register(ours.port_id(), Origin::Commit);
        let by_stranger = Origin::Other(stranger.port_id());
        let flow = tcp(3);
        let key = FlowKey::original(&flow);
        ours.execute(&Request::Create(&flow)).unwrap();
        let changed = Flow {
            mark: Some(Mark(4)),
            ..flow
        };
        stranger.execute(&Request::Update(&changed)).unwrap();
        stranger.execute(&Request::Delete(&key)).unwrap();
        let seen = drain(&mut events);
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(seen[0], (EventKind::New, Origin::Commit, Some(Mark(3))));
        assert_eq!(seen[1], (EventKind::Update, by_stranger, Some(Mark(4))));
        assert_eq!((seen[2].0, seen[2].1), (EventKind::Destroy, by_stranger));
    });
}

#[test]
fn traffic_is_its_own_origin() {
    let namespace = Namespace::new("traffic").unwrap();
    // Nothing is tracked until a rule asks for it.
    namespace
        .nft("table ip t { chain c { type filter hook output priority 0; ct state new accept; }; }")
        .unwrap();
    namespace
        .enter(|| {
            let mut events = watch();
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            let seen = drain(&mut events);
            assert!(
                seen.iter()
                    .any(|(kind, origin, _)| (*kind, *origin) == (EventKind::New, Origin::Traffic)),
                "{seen:?}"
            );
        })
        .unwrap();
}

/// A flow is equipped for events when it is made, or never. `net.netfilter.nf_conntrack_events`
/// decides: always (1), never (0), or by default (2, since Linux 5.19) only if somebody on the
/// host listens at that moment. In the last two cases whoever starts later is told neither of
/// changes nor of the end of the flow, and has to look.
#[test]
fn a_flow_that_was_made_without_events_stays_silent() {
    let namespace = Namespace::new("silent").unwrap();
    for (setting, wanted) in [("0", 0), ("1", 2)] {
        namespace
            .sysctl("net.netfilter.nf_conntrack_events", setting)
            .unwrap();
        namespace
            .enter(|| {
                fill([tcp(1)]);
                let mut events = watch();
                let mut table = Table::open().unwrap();
                let changed = Flow {
                    mark: Some(Mark(9)),
                    ..tcp(1)
                };
                table.execute(&Request::Update(&changed)).unwrap();
                let key = FlowKey::original(&changed);
                table.execute(&Request::Delete(&key)).unwrap();
                assert_eq!(drain(&mut events).len(), wanted, "setting {setting}");
            })
            .unwrap();
    }
}

#[test]
fn an_overrun_is_seen_and_ends_with_the_drain() {
    inside(|| {
        let small = Watch {
            receive_buffer: Some(16 * 1024),
            ..Watch::FLOWS
        };
        let mut events = Events::open(&small, Origins::new()).unwrap();
        fill((0..1_000).map(udp));
        let (mut overruns, mut seen) = (0, 0);
        let mut count = |notice: Notice<'_>| match notice {
            Notice::Overrun => overruns += 1,
            Notice::Event(..) => seen += 1,
            other => panic!("{other:?}"),
        };
        assert!(!events.drain(usize::MAX, &mut count).unwrap().more);
        assert_eq!(overruns, 1);
        assert!(seen > 0 && seen < 1_000, "{seen}");
        let drops = usize::try_from(events.memory_info().unwrap().drops).unwrap();
        assert_eq!(seen + drops, 1_000);
        // What happens after the drain is heard again.
        fill([tcp(1)]);
        assert_eq!(drain(&mut events).len(), 1);
    });
}

#[test]
fn the_event_buffer_grows_to_its_limit() {
    inside(|| {
        let small = Watch {
            receive_buffer: Some(64 * 1024),
            ..Watch::FLOWS
        };
        let mut events = Events::open(&small, Origins::new()).unwrap();
        let limit = 256 * 1024;
        assert_eq!(events.grow(limit).unwrap(), Growth::Grown(128 * 1024));
        assert_eq!(events.grow(limit).unwrap(), Growth::Grown(256 * 1024));
        assert_eq!(events.grow(limit).unwrap(), Growth::AtLimit);
        assert_eq!(events.receive_buffer().unwrap(), limit);
        fill((0..150).map(udp));
        assert_eq!(drain(&mut events).len(), 150);
    });
}
