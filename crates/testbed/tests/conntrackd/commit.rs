//! A commit writes into the kernel what the peer's kernel has: every attribute that travels.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::filter::KernelFilter;
use flow::{
    Addrs, Family, Flow, Helper, Icmp, L4, Labels, Mark, Name, NatRange, PerDir, Ports, ProtoInfo,
    Protocol, SctpInfo, SctpState, SeqAdj, Status, Synproxy, TcpFlags, TcpInfo, TcpState, Tuple,
    Zone,
};
use linux::table::{Dump, DumpKind, Query, Request, Table};
use testbed::Implementation::{self, Ours, Stock};
use testbed::{Conntrackd, Namespace, Result};

use super::{Extra, Pair, wait_for_line, wait_for_number};

/// Seconds that the flows of A live; more than any limit in here.
const TIMEOUT: u32 = 3_600;

fn flow(number: u8, family: Family, l4: L4) -> Flow<'static> {
    let addrs = match family {
        Family::Ipv4 => Addrs::V4 {
            src: Ipv4Addr::new(10, 9, 9, number),
            dst: Ipv4Addr::new(192, 0, 2, 1),
        },
        Family::Ipv6 => Addrs::V6 {
            src: Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, number.into()),
            dst: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        },
    };
    Flow {
        timeout: Some(TIMEOUT),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        ..Flow::new(Tuple::new(addrs, l4))
    }
}

const PORTS: Ports = Ports {
    src: 40_000,
    dst: 443,
};

fn tcp(number: u8, family: Family) -> Flow<'static> {
    let scale = PerDir {
        orig: Some(7),
        reply: Some(14),
    };
    // The kernel heeds the scales only with these flags.
    let scaled = Some(TcpFlags {
        flags: TcpFlags::WINDOW_SCALE,
        mask: TcpFlags::WINDOW_SCALE,
    });
    Flow {
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            wscale: scale,
            flags: PerDir {
                orig: scaled,
                reply: scaled,
            },
        })),
        ..flow(number, family, L4::Tcp(PORTS))
    }
}

fn protocols() -> Vec<Flow<'static>> {
    let ping = |kind| Icmp {
        kind,
        code: 0,
        id: 77,
    };
    let sctp = SctpInfo {
        state: Some(SctpState::ESTABLISHED),
        vtag: PerDir {
            orig: Some(1),
            reply: Some(0xdead_beef),
        },
    };
    let mut flows = vec![
        flow(1, Family::Ipv4, L4::Icmp(ping(8))),
        flow(1, Family::Ipv6, L4::Icmpv6(ping(128))),
        Flow {
            protoinfo: Some(ProtoInfo::Sctp(sctp)),
            ..flow(2, Family::Ipv4, L4::Sctp(PORTS))
        },
        flow(3, Family::Ipv4, L4::Other(Protocol(200))),
        // Keys do not travel, nor do ports of UDP-Lite: such flows are one between two hosts.
        flow(6, Family::Ipv4, L4::zero(Protocol::GRE)),
        flow(7, Family::Ipv4, L4::zero(Protocol::UDPLITE)),
        // Since Linux 6.17 a flow by addresses alone, which arrives as such.
        flow(8, Family::Ipv4, L4::Dccp(PORTS)),
    ];
    for family in [Family::Ipv4, Family::Ipv6] {
        flows.push(tcp(4, family));
        flows.push(flow(5, family, L4::Udp(PORTS)));
    }
    flows
}

fn translated() -> Vec<Flow<'static>> {
    let to = |addr: IpAddr, port| Some(NatRange::exact(addr, port));
    let inside = |family| match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(172, 16, 9, 9)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfd0a, 0, 0, 0, 0, 0, 0, 9)),
    };
    let mut flows = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        flows.extend([
            Flow {
                nat_src: to(inside(family), Some(5_000)),
                ..tcp(11, family)
            },
            Flow {
                nat_dst: to(inside(family), Some(8_080)),
                ..tcp(12, family)
            },
            Flow {
                nat_src: to(inside(family), None),
                nat_dst: to(inside(family), Some(8_081)),
                ..flow(13, family, L4::Udp(PORTS))
            },
        ]);
    }
    flows
}

fn decorated() -> Vec<Flow<'static>> {
    let adjusted = |correction_pos| SeqAdj {
        correction_pos,
        offset_before: 5,
        offset_after: 0xffff_fffb,
    };
    vec![
        Flow {
            mark: Some(Mark(0xdead_beef)),
            ..tcp(21, Family::Ipv4)
        },
        Flow {
            labels: Labels::from_words(&[1, 0x8000_0000, 0, 0x10]),
            ..tcp(22, Family::Ipv4)
        },
        Flow {
            helper: Some(Helper {
                name: Name::new(b"ftp"),
                info: None,
            }),
            ..tcp(23, Family::Ipv4)
        },
        Flow {
            synproxy: Some(Synproxy {
                isn: 1,
                its: 2,
                tsoff: 0x8000_0003,
            }),
            ..tcp(24, Family::Ipv4)
        },
        Flow {
            seq_adj: PerDir {
                orig: Some(adjusted(1_000)),
                reply: Some(adjusted(2_000)),
            },
            ..tcp(25, Family::Ipv4)
        },
        Flow {
            zone: Some(Zone(5)),
            ..tcp(26, Family::Ipv4)
        },
        Flow {
            zone: Some(Zone(6)),
            mark: Some(Mark(6)),
            ..tcp(26, Family::Ipv4)
        },
        tcp(26, Family::Ipv4),
    ]
}

/// A flow and one that belongs to it.
fn related() -> Vec<Flow<'static>> {
    let master = tcp(31, Family::Ipv4);
    let expected = Ports {
        src: 41_000,
        dst: 20,
    };
    let related = Flow {
        master: Some(master.orig),
        ..flow(31, Family::Ipv4, L4::Udp(expected))
    };
    vec![master, related]
}

/// Rules that make labels usable. They also make the kernel track traffic, so that of the
/// daemons is left out.
const RULES: &str = "table inet t {
chain labels { ct label set 1; }
chain in { type filter hook prerouting priority raw; udp dport 3780 notrack; }
chain out { type filter hook output priority raw; udp dport 3780 notrack; }
}
";

/// Writes flows.
fn create(node: &Namespace, flows: &[Flow<'static>]) -> Result<()> {
    node.enter(|| {
        let mut table = Table::open().unwrap();
        for flow in flows {
            let created = table.execute(&Request::Create(flow));
            assert!(created.is_ok(), "{created:?} for {flow:?}");
        }
    })
}

/// Reads the kernel's table through `view`.
fn table<T: Ord + Send>(
    node: &Namespace,
    view: impl Fn(&Flow<'_>) -> T + Send + Sync,
) -> Result<BTreeSet<T>> {
    node.enter(|| {
        let mut found = BTreeSet::new();
        let mut dump =
            Dump::start(&Query::Flows(DumpKind::Table, &KernelFilter::default())).unwrap();
        dump.read_all(|entry| {
            found.insert(view(&entry.unwrap().flow().unwrap().value));
        })
        .unwrap();
        found
    })
}

/// What must be equal on both sides: all but what each kernel counts for itself, and what the
/// tracking of windows depends on.
fn essence(flow: &Flow<'_>) -> String {
    let protoinfo = match flow.protoinfo {
        Some(ProtoInfo::Tcp(info)) => Some(ProtoInfo::Tcp(TcpInfo {
            state: info.state,
            ..TcpInfo::default()
        })),
        other => other,
    };
    let helper = flow.helper.map(|helper| helper.name.to_string());
    let plain = Flow {
        protoinfo,
        helper: None,
        timeout: None,
        id: None,
        use_count: None,
        ..flow.clone()
    };
    format!("{plain:?} {helper:?}")
}

fn number(daemon: &Conntrackd, internal: bool) -> Result<usize> {
    let statistics = daemon.statistics()?;
    let cache = if internal {
        statistics.internal
    } else {
        statistics.external
    };
    Ok(usize::try_from(cache.active).unwrap())
}

/// Writes flows at A, waits until B knows them, and lets B commit.
fn commit(pair: &Pair, flows: &[Flow<'static>]) -> Result<()> {
    create(&pair.network.a, flows)?;
    wait_for_number("flows at B", flows.len(), || number(&pair.b, false))?;
    let since = pair.b.mark()?;
    assert_eq!(pair.b.client("-c")?.code(), 0);
    let line = format!("Committed {} new entries", flows.len());
    wait_for_line(pair.b.log(), since, &line)?;
    Ok(())
}

/// Everything arrives in the second kernel, whoever sends it and whoever commits it.
fn check(flows: &[Flow<'static>]) -> Result<()> {
    for kinds in [[Ours, Ours], [Ours, Stock], [Stock, Ours]] {
        check_between(kinds, flows)?;
    }
    Ok(())
}

fn check_between(kinds: [Implementation; 2], flows: &[Flow<'static>]) -> Result<()> {
    let pair = Pair::start(kinds, Extra::default())?;
    pair.network.a.nft(RULES)?;
    pair.network.b.nft(RULES)?;
    commit(&pair, flows)?;
    let [_, committer] = kinds;
    let view = |flow: &Flow<'_>| match (committer, flow.protoinfo) {
        // Stock commits another verification tag of the original direction than it was told.
        (Stock, Some(ProtoInfo::Sctp(mut info))) => {
            info.vtag.orig = None;
            let protoinfo = Some(ProtoInfo::Sctp(info));
            essence(&Flow {
                protoinfo,
                ..flow.clone()
            })
        }
        _ => essence(flow),
    };
    let (a, b) = (table(&pair.network.a, view)?, table(&pair.network.b, view)?);
    assert_eq!(a.len(), flows.len());
    assert_eq!(b, a, "{kinds:?}");
    // What it has written itself it knows, and does not send back.
    wait_for_number("flows of B", flows.len(), || number(&pair.b, true))?;
    assert_eq!(number(&pair.a, false)?, 0);
    Ok(())
}

#[test]
fn flows_of_every_protocol() -> Result<()> {
    check(&protocols())
}

#[test]
fn translated_flows() -> Result<()> {
    check(&translated())
}

#[test]
fn flows_with_marks_labels_helpers_zones_and_adjusted_sequences() -> Result<()> {
    check(&decorated())
}

#[test]
fn related_flows() -> Result<()> {
    check(&related())
}

#[test]
fn flows_that_exist_are_replaced() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    let ours = tcp(41, Family::Ipv4);
    let to = |last| {
        Some(NatRange::exact(
            Ipv4Addr::new(172, 16, 9, last).into(),
            None,
        ))
    };
    let flow_at_a = Flow {
        mark: Some(Mark(1)),
        nat_src: to(1),
        ..ours.clone()
    };
    let flow_at_b = Flow {
        mark: Some(Mark(2)),
        nat_src: to(2),
        ..ours
    };
    create(&pair.network.b, &[flow_at_b])?;
    commit(&pair, &[flow_at_a])?;
    let b = table(&pair.network.b, essence)?;
    assert_eq!(b, table(&pair.network.a, essence)?);
    assert_eq!(b.len(), 1);
    Ok(())
}

#[test]
fn a_flow_whose_master_is_unknown_is_committed_without_it() -> Result<()> {
    // A's filter hides the master from B, but not the flow that belongs to it.
    let extra = Extra {
        a: "General { Filter { Protocol Ignore { TCP } } }",
        ..Extra::default()
    };
    let pair = Pair::ours(extra)?;
    create(&pair.network.a, &related())?;
    wait_for_number("the related flow at B", 1, || number(&pair.b, false))?;
    let since = pair.b.mark()?;
    pair.b.client("-c")?;
    wait_for_line(pair.b.log(), since, "Committed 1 new entries")?;
    let lost = "1 of the committed entries have lost their master";
    wait_for_line(pair.b.log(), since, lost)?;
    let masters = table(&pair.network.b, |flow| flow.master.is_some())?;
    assert_eq!(masters, BTreeSet::from([false]));
    Ok(())
}

#[test]
fn a_flow_that_the_kernel_refuses_is_named() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    // Two flows of A that B would have to translate to one and the same.
    let to = Some(NatRange::exact(
        Ipv4Addr::new(172, 16, 9, 9).into(),
        Some(9),
    ));
    let taken = Flow {
        nat_src: to.clone(),
        ..tcp(51, Family::Ipv4)
    };
    let wanted = Flow {
        nat_src: to,
        ..tcp(52, Family::Ipv4)
    };
    create(&pair.network.b, &[taken])?;
    create(&pair.network.a, &[wanted])?;
    wait_for_number("the flow at B", 1, || number(&pair.b, false))?;
    let since = pair.b.mark()?;
    assert_eq!(pair.b.client("-c")?.code(), 0, "as with stock");
    wait_for_line(pair.b.log(), since, "Committed 0 new entries")?;
    wait_for_line(pair.b.log(), since, "[notice] 1 entries can't be committed")?;
    wait_for_line(pair.b.log(), since, "[ERROR] commit-create: ")?;
    let line = wait_for_line(pair.b.log(), since, "src=10.9.9.52")?;
    let (date, flow) = line.split_once('\t').unwrap();
    assert_eq!(date.len(), "Sat Nov 21 06:17:18 2026".len());
    assert!(flow.starts_with("tcp      6 "), "{flow}");
    Ok(())
}

/// How the kernel of B tracks the windows of the one flow that it has.
fn windows(pair: &Pair) -> Result<(PerDir<bool>, PerDir<Option<u8>>)> {
    let found = table(&pair.network.b, |flow| {
        let Some(ProtoInfo::Tcp(info)) = flow.protoinfo else {
            return None;
        };
        let liberal = |flags: Option<TcpFlags>| {
            flags.is_some_and(|flags| flags.flags & TcpFlags::BE_LIBERAL != 0)
        };
        Some([
            u8::from(liberal(info.flags.orig)),
            u8::from(liberal(info.flags.reply)),
            info.wscale.orig.unwrap_or(0),
            info.wscale.reply.unwrap_or(0),
        ])
    })?;
    let [Some([orig, reply, scale_orig, scale_reply])] = found.into_iter().collect::<Vec<_>>()[..]
    else {
        return Err(testbed::Error::Unexpected("not one TCP flow".into()));
    };
    let liberal = PerDir {
        orig: orig != 0,
        reply: reply != 0,
    };
    let scales = PerDir {
        orig: Some(scale_orig),
        reply: Some(scale_reply),
    };
    Ok((liberal, scales))
}

#[test]
fn windows_are_tracked_only_if_wanted() -> Result<()> {
    for (option, liberal) in [("off", true), ("on", false)] {
        let text = format!("Sync {{ Options {{ TCPWindowTracking {option} }} }}");
        let extra = Extra {
            a: &text,
            b: &text,
            ..Extra::default()
        };
        let pair = Pair::ours(extra)?;
        commit(&pair, &[tcp(61, Family::Ipv4)])?;
        let (found, scales) = windows(&pair)?;
        let both = PerDir {
            orig: liberal,
            reply: liberal,
        };
        assert_eq!(found, both, "TCPWindowTracking {option}");
        if !liberal {
            let sent = PerDir {
                orig: Some(7),
                reply: Some(14),
            };
            assert_eq!(scales, sent);
        }
    }
    Ok(())
}

#[test]
fn committed_flows_live_as_long_as_the_configuration_says() -> Result<()> {
    // Where CommitTimeout is set: at A, which then sends no times, and at B.
    let cases = [
        ("", "", 778..=TIMEOUT),
        ("", "Sync { CommitTimeout 777 }", 121..=777),
        // What the kernel gives a flow of UDP that was answered; others get 30 seconds.
        ("Sync { CommitTimeout 777 }", "", 31..=120),
    ];
    for (a, b, wanted) in cases {
        let pair = Pair::ours(Extra { mode: "", a, b })?;
        commit(&pair, &[flow(71, Family::Ipv4, L4::Udp(PORTS))])?;
        let found = table(&pair.network.b, |flow| flow.timeout)?;
        let [Some(found)] = found.into_iter().collect::<Vec<_>>()[..] else {
            return Err(testbed::Error::Unexpected("not one flow".into()));
        };
        assert!(wanted.contains(&found), "{found} with `{a}` and `{b}`");
    }
    Ok(())
}
