//! The kernel's own verdict on events: programs of `nfnetlink::bpf` attached to real sockets.
//!
//! That the programs judge as the filter does on any flow is shown beside them with an interpreter;
//! here the kernel runs them, on its own events.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helper functions of tests are tests"
)]

use std::net::IpAddr;

use flow::filter::{EventFilter, Network, Policy};
use flow::{
    Addrs, EventKind, Flow, Icmp, L4, Mark, NatRange, Object, PerDir, Ports, ProtoInfo, Protocol,
    SctpInfo, SctpState, Status, TcpInfo, TcpState, Tuple,
};
use linux::table::{Batch, Events, Filtering, Notice, Origins, Request, Watch};
use nfnetlink::conntrack::request::FlowKey;
use testbed::Namespace;

/// Flows of several protocols, families, states and translations, with their number as mark.
fn flows() -> Vec<Flow<'static>> {
    let ports = Ports {
        src: 4_000,
        dst: 80,
    };
    let icmp = Icmp {
        kind: 8,
        code: 0,
        id: 7,
    };
    let tcp = |state| {
        Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(state),
            ..TcpInfo::default()
        }))
    };
    let kinds = [
        (L4::Tcp(ports), tcp(TcpState::ESTABLISHED)),
        (L4::Tcp(ports), tcp(TcpState::SYN_SENT)),
        (
            L4::Sctp(ports),
            Some(ProtoInfo::Sctp(SctpInfo {
                state: Some(SctpState::ESTABLISHED),
                vtag: PerDir {
                    orig: Some(1),
                    reply: Some(2),
                },
            })),
        ),
        (L4::Udp(ports), None),
        (L4::Icmp(icmp), None),
        (L4::Other(Protocol(89)), None),
    ];
    let mut flows = Vec::new();
    for (net, (l4, protoinfo)) in (1_u8..).zip(kinds) {
        for (src, dst, dnat) in [
            ([10, net, 0, 1], [192, 0, 2, 1], None),
            ([10, net, 0, 2], [192, 0, 2, 2], Some([10, 99, 0, net])),
            ([172, 16, net, 3], [10, 1, 0, 1], None),
        ] {
            let addrs = Addrs::new(src.into(), dst.into()).unwrap();
            let mut flow = Flow::new(Tuple::new(addrs, l4));
            flow.nat_dst = dnat.map(|dnat| NatRange::exact(IpAddr::from(dnat), None));
            flow.protoinfo = protoinfo;
            flows.push(flow);
        }
        if !matches!(l4, L4::Icmp(_)) {
            let end = |low: u16| IpAddr::from([0xfd00, net.into(), 0, 0, 0, 0, 0, low]);
            let mut flow = Flow::new(Tuple::new(Addrs::new(end(1), end(2)).unwrap(), l4));
            flow.protoinfo = protoinfo;
            flows.push(flow);
        }
    }
    for (number, flow) in (1..).zip(&mut flows) {
        flow.mark = Some(Mark(number));
        flow.timeout = Some(600);
        flow.status = Some(Status::SEEN_REPLY | Status::CONFIRMED);
    }
    flows
}

/// Creates all flows and deletes them.
fn exercise(batch: &mut Batch<u32>, flows: &[Flow<'static>]) {
    for delete in [false, true] {
        for flow in flows {
            let mark = flow.mark.unwrap().0;
            let key = FlowKey::original(flow);
            let request = match delete {
                false => Request::Create(flow),
                true => Request::Delete(&key),
            };
            batch.push(&request, mark).unwrap();
        }
        batch.flush(|mark, outcome| outcome.unwrap_or_else(|error| panic!("{mark}: {error}")));
    }
}

/// The events that have come, of flows for which `wanted` holds.
fn drain(events: &mut Events, mut wanted: impl FnMut(&Flow<'_>) -> bool) -> Vec<(EventKind, u32)> {
    let mut seen = Vec::new();
    events
        .drain(1_000, |notice| match notice {
            Notice::Event(event, _) => {
                let Object::Flow(flow) = event.value.object else {
                    panic!("no expectations were asked for");
                };
                if wanted(&flow) {
                    seen.push((event.value.kind, flow.mark.map_or(0, |mark| mark.0)));
                }
            }
            other => panic!("{other:?}"),
        })
        .unwrap();
    seen
}

fn watch() -> Events {
    Events::open(&Watch::FLOWS, Origins::new()).unwrap()
}

/// Small numbers, always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn policy(&mut self) -> Policy {
        match self.below(2) {
            0 => Policy::Accept,
            _ => Policy::Ignore,
        }
    }

    fn number(&mut self, limit: u8) -> u8 {
        u8::try_from(self.below(limit.into())).unwrap()
    }

    /// One that has something to do with the flows.
    fn network(&mut self) -> Network {
        let net = self.number(7);
        let (addr, prefix) = match self.below(6) {
            0 => (IpAddr::from([10, net, 0, 1]), 32),
            1 => (IpAddr::from([10, net, 0, 0]), 8 + self.number(24)),
            2 => (IpAddr::from([10, 99, 0, net]), 24 + self.number(9)),
            3 => (IpAddr::from([172, 16, net, 0]), 24),
            4 => (IpAddr::from([0xfd00, net.into(), 0, 0, 0, 0, 0, 1]), 128),
            _ => {
                let addr = IpAddr::from([0xfd00, net.into(), 0, 0, 0, 0, 0, 0]);
                (addr, 10 + self.number(118))
            }
        };
        Network::new(addr, prefix).unwrap()
    }

    fn filter(&mut self) -> EventFilter {
        let mut filter = EventFilter::new();
        if self.below(2) == 0 {
            let protocols = [6, 17, 1, 89, 132].map(Protocol);
            let some = protocols.into_iter().filter(|_| self.below(2) == 0);
            let list: Vec<_> = some.collect();
            filter = filter.with_protocols(self.policy(), list);
        }
        if self.below(3) > 0 {
            let count = self.below(12);
            let list: Vec<_> = (0..count).map(|_| self.network()).collect();
            filter = filter.with_addresses(self.policy(), &list);
        }
        if self.below(4) == 0 {
            let state = SctpState(4 + self.number(2));
            filter = filter.with_sctp_states(self.policy(), [state]);
        }
        if self.below(3) == 0 {
            let state = TcpState(1 + self.number(4));
            filter = filter.with_states(self.policy(), [state]);
        }
        filter
    }
}

#[test]
fn the_kernel_judges_as_the_filter_does() {
    let namespace = Namespace::new("verdict").unwrap();
    namespace
        .enter(|| {
            let (mut judged, mut all) = (watch(), watch());
            let mut batch = Batch::open().unwrap();
            let flows = flows();
            let mut dice = Dice(0x2545_f491_4f6c_dd1d);
            let (mut passed, mut dropped) = (0, 0);
            for _ in 0..200 {
                let filter = dice.filter();
                let place = judged.set_filter(filter.clone()).unwrap();
                assert_eq!(place, Filtering::InKernel);
                exercise(&mut batch, &flows);
                let wanted = drain(&mut all, |flow| filter.passes(flow));
                assert_eq!(drain(&mut judged, |_| true), wanted, "{filter:?}");
                passed += wanted.len();
                dropped += 2 * flows.len() - wanted.len();
            }
            // Or the test would show little.
            assert!(passed > 1_000 && dropped > 1_000, "{passed} {dropped}");
        })
        .unwrap();
}

#[test]
fn what_ignored_sockets_cause_is_not_heard() {
    let namespace = Namespace::new("ports").unwrap();
    namespace
        .enter(|| {
            let mut events = watch();
            let (mut ours, mut others) = (Batch::open().unwrap(), Batch::open().unwrap());
            let flows = flows();
            events.ignore_ports(&[77, ours.port_id()]).unwrap();
            exercise(&mut ours, &flows);
            assert_eq!(drain(&mut events, |_| true), []);
            exercise(&mut others, &flows);
            assert_eq!(drain(&mut events, |_| true).len(), 2 * flows.len());
            // Together with a filter, and without it again.
            let no_tcp = EventFilter::new().with_protocols(Policy::Ignore, [Protocol::TCP]);
            events.set_filter(no_tcp.clone()).unwrap();
            exercise(&mut ours, &flows);
            exercise(&mut others, &flows);
            let wanted = 2 * flows
                .iter()
                .filter(|it| it.protocol() != Protocol::TCP)
                .count();
            assert_eq!(drain(&mut events, |_| true).len(), wanted);
            events.ignore_ports(&[]).unwrap();
            events.set_filter(EventFilter::new()).unwrap();
            exercise(&mut ours, &flows);
            assert_eq!(drain(&mut events, |_| true).len(), 2 * flows.len());
        })
        .unwrap();
}

#[test]
fn a_filter_that_is_too_long_is_left_to_the_reader() {
    let namespace = Namespace::new("long").unwrap();
    namespace
        .enter(|| {
            let mut events = watch();
            let hosts: Vec<_> = (0..3_000_u32)
                .map(|bits| Network::host(IpAddr::V4(bits.into())))
                .collect();
            let long = EventFilter::new().with_addresses(Policy::Accept, &hosts);
            assert_eq!(events.set_filter(long).unwrap(), Filtering::ByReader);
            let flows = flows();
            exercise(&mut Batch::open().unwrap(), &flows);
            assert_eq!(drain(&mut events, |_| true).len(), 2 * flows.len());
        })
        .unwrap();
}
