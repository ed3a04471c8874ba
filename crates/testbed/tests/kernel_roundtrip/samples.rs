//! The flows that are written.
//!
//! Between them they hold every attribute that the kernel takes from a request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::{
    Addrs, Family, Flow, Helper, Icmp, Keys, L4, Labels, Mark, Name, NatRange, PerDir, Ports,
    ProtoInfo, Protocol, SctpInfo, SctpState, SeqAdj, Status, Synproxy, TcpFlags, TcpInfo,
    TcpState, Tuple, Zone,
};

pub const TIMEOUT: u32 = 600;

pub fn addrs(family: Family, number: u8) -> Addrs {
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

pub fn flow(family: Family, number: u8, l4: L4) -> Flow<'static> {
    Flow {
        timeout: Some(TIMEOUT),
        ..Flow::new(Tuple::new(addrs(family, number), l4))
    }
}

pub const PORTS: Ports = Ports {
    src: 40_001,
    dst: 443,
};

const PING: Icmp = Icmp {
    kind: 8,
    code: 0,
    id: 0x1234,
};

const PING6: Icmp = Icmp { kind: 128, ..PING };

pub fn tcp(number: u8) -> Flow<'static> {
    Flow {
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            ..TcpInfo::default()
        })),
        ..flow(Family::Ipv4, number, L4::Tcp(PORTS))
    }
}

/// One flow of each protocol and family.
pub fn protocols() -> Vec<Flow<'static>> {
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

pub fn tcp_states() -> Vec<Flow<'static>> {
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

pub fn sctp_states() -> Vec<Flow<'static>> {
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

pub fn translated() -> Vec<Flow<'static>> {
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

pub fn in_zones(
    number: u8,
    orig: Option<u16>,
    reply: Option<u16>,
    both: Option<u16>,
) -> Flow<'static> {
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

pub fn decorated() -> Vec<Flow<'static>> {
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
