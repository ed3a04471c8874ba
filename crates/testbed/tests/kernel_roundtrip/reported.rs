//! What the kernel makes of a flow that is written: defaults, what follows from a translation, and
//! the status bits that it sets itself.
//!
//! Written down here in our own words, so that a test compares two whole flows.

use flow::{
    Addrs, Flow, L4, Mark, NatRange, PerDir, Ports, ProtoInfo, SctpInfo, SctpState, Status,
    Synproxy, TcpFlags, TcpInfo, TcpState, Tuple,
};

use crate::samples::TIMEOUT;

/// The flow as a dump shows it after it was created: with the kernel's defaults.
pub fn as_reported<'a>(flow: &Flow<'a>) -> Flow<'a> {
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
/// What a dump shows, without what differs from run to run.
pub fn without_chance<'a>(flow: &Flow<'a>) -> Flow<'a> {
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
