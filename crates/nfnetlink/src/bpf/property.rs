//! The program and the filter it was made from judge alike.
//!
//! Flows and filters are drawn from few addresses, so that they meet often; the events are the
//! bytes that our own encoder makes of the flows. The kernel's events are met in `testbed`.

use std::net::IpAddr;
use std::vec::Vec;

use flow::filter::{EventFilter, Network, Policy};
use flow::{
    Addrs, DccpInfo, DccpState, Flow, ProtoInfo, Protocol, SctpInfo, SctpState, TcpInfo, TcpState,
    strategy,
};
use proptest::prelude::*;

use super::interpreter::run;
use super::{LEN_MAX, TooLong, compile};
use crate::conntrack;
use crate::nl::{Builder, Header, flags};
use crate::{GenHeader, Subsystem};

/// An event about a flow, caused through the socket with this port id.
fn event(flow: &Flow<'_>, port_id: u32) -> Vec<u8> {
    let header = Header {
        kind: Subsystem::Conntrack.message_type(0),
        flags: flags::CREATE,
        sequence: 0,
        port_id,
    };
    let mut bytes = Vec::new();
    Builder::new(&mut bytes)
        .message(header, GenHeader::of_family(2), |w| {
            conntrack::encode(w, flow);
        })
        .unwrap();
    bytes
}

/// Addresses of few distinct bits, so that networks and flows meet often.
fn address() -> impl Strategy<Value = IpAddr> {
    let high = prop_oneof![
        Just(0_u32),
        Just(1),
        Just(0x8000_0000),
        0..40_u32,
        any::<u32>()
    ];
    (high, 0..3_u32, any::<bool>()).prop_map(|(high, low, v6)| match v6 {
        true => IpAddr::V6((u128::from(high) << 96 | u128::from(low)).into()),
        false => IpAddr::V4(high.into()),
    })
}

fn network() -> impl Strategy<Value = Network> {
    let prefix = prop_oneof![0..=128_u8, 24..=32_u8, Just(128)];
    (address(), prefix)
        .prop_map(|(addr, prefix)| Network::new(addr, prefix).unwrap_or(Network::host(addr)))
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Accept), Just(Policy::Ignore)]
}

fn filter() -> impl Strategy<Value = EventFilter> {
    let protocols = (policy(), prop::collection::vec(strategy::protocol(), 0..12));
    let networks = (policy(), prop::collection::vec(network(), 0..24));
    let states = || prop::option::of((policy(), prop::collection::vec(0..12_u8, 0..6)));
    (
        prop::option::of(protocols),
        prop::option::of(networks),
        [states(), states(), states()],
    )
        .prop_map(|(protocols, networks, [tcp, sctp, dccp])| {
            let mut filter = EventFilter::new();
            if let Some((policy, list)) = protocols {
                filter = filter.with_protocols(policy, list);
            }
            if let Some((policy, list)) = networks {
                filter = filter.with_addresses(policy, &list);
            }
            if let Some((policy, list)) = tcp {
                filter = filter.with_states(policy, list.into_iter().map(TcpState));
            }
            if let Some((policy, list)) = sctp {
                filter = filter.with_sctp_states(policy, list.into_iter().map(SctpState));
            }
            if let Some((policy, list)) = dccp {
                filter = filter.with_dccp_states(policy, list.into_iter().map(DccpState));
            }
            filter
        })
}

/// The same flow between these two ends, if they are of one family.
fn between(mut flow: Flow<'static>, ends: (IpAddr, IpAddr), state: u8) -> Flow<'static> {
    let (Some(there), Some(back)) = (Addrs::new(ends.0, ends.1), Addrs::new(ends.1, ends.0)) else {
        return flow;
    };
    flow.orig.addrs = there;
    if let Some(reply) = &mut flow.reply {
        reply.addrs = back;
    }
    if state < 10 {
        flow.protoinfo = match flow.protocol() {
            Protocol::TCP => Some(ProtoInfo::Tcp(TcpInfo {
                state: Some(TcpState(state)),
                ..TcpInfo::default()
            })),
            Protocol::SCTP => Some(ProtoInfo::Sctp(SctpInfo {
                state: Some(SctpState(state)),
                ..SctpInfo::default()
            })),
            Protocol::DCCP => Some(ProtoInfo::Dccp(DccpInfo {
                state: Some(DccpState(state)),
                ..DccpInfo::default()
            })),
            _ => flow.protoinfo,
        };
    }
    flow
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_program_judges_as_the_filter(
        filter in filter(),
        flow in strategy::flow(),
        ends in (address(), address()),
        state in 0..12_u8,
        ports in prop::collection::vec(0..4_u32, 0..3),
        port in 0..4_u32,
    ) {
        let program = compile(&filter, &ports).unwrap();
        let flow = between(flow, ends, state);
        let passes = filter.passes(&flow) && !ports.contains(&port);
        let verdict = run(&program, &event(&flow, port));
        prop_assert_eq!(verdict, if passes { u32::MAX } else { 0 });
    }

    #[test]
    fn no_bytes_make_a_program_fail(
        filter in filter(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let program = compile(&filter, &[1]).unwrap();
        run(&program, &bytes);
    }
}

#[test]
fn events_of_expectations_are_let_through() {
    let nothing = EventFilter::new().with_protocols(Policy::Accept, []);
    let program = compile(&nothing, &[7]).unwrap();
    let mut bytes = Vec::new();
    let header = |port_id| Header {
        kind: Subsystem::Expect.message_type(0),
        flags: 0,
        sequence: 0,
        port_id,
    };
    for (port_id, verdict) in [(0, u32::MAX), (7, 0)] {
        bytes.clear();
        Builder::new(&mut bytes)
            .message(header(port_id), GenHeader::of_family(2), |_| {})
            .unwrap();
        assert_eq!(run(&program, &bytes), verdict);
    }
}

#[test]
fn a_filter_may_be_too_long() {
    let hosts = |count: u32| -> Vec<Network> {
        (0..count)
            .map(|bits| Network::host(IpAddr::V4(bits.into())))
            .collect()
    };
    let with = |count| EventFilter::new().with_addresses(Policy::Ignore, &hosts(count));
    let program = compile(&with(500), &[]).unwrap();
    assert!(program.instructions().len() <= LEN_MAX);
    assert_eq!(compile(&with(2_000), &[]), Err(TooLong));
}
