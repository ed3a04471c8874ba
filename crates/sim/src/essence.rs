//! What of a flow has to reach the peer: the yardstick of the checkers.
//!
//! Written against the protocol's description (docs/wire.md), not against the code that is tested:
//! a [`Key`] names a flow as far as messages can name it, an [`Essence`] is everything else that
//! they carry, save the timeout, which ages.

use std::net::IpAddr;

use ctsync::wire::FlowMessage;
use flow::{
    Flow, Keys, L4, Labels, Mark, PerDir, Ports, ProtoInfo, SeqAdj, Status, Synproxy, Tuple, Zone,
};

/// A flow's identity on the wire: the original tuple and the zone of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The original tuple, without what messages do not carry.
    pub tuple: Tuple,
    /// The zone, 0 for none.
    pub zone: u16,
}

impl Key {
    /// The key of an original tuple.
    pub fn new(tuple: &Tuple, zone: Option<Zone>) -> Self {
        let l4 = match tuple.l4 {
            L4::UdpLite(_) => L4::UdpLite(Ports::default()),
            L4::Gre(_) => L4::Gre(Keys::default()),
            l4 @ (L4::Tcp(_)
            | L4::Udp(_)
            | L4::Sctp(_)
            | L4::Dccp(_)
            | L4::Icmp(_)
            | L4::Icmpv6(_)
            | L4::Other(_)) => l4,
        };
        Self {
            tuple: Tuple::new(tuple.addrs, l4),
            zone: zone.map_or(0, |zone| zone.0),
        }
    }

    /// The key of a flow.
    pub fn of(flow: &Flow<'_>) -> Self {
        Self::new(&flow.orig, flow.zone)
    }

    /// The key of a message.
    pub fn of_message(message: &FlowMessage<'_>) -> Self {
        Self::new(&Tuple::new(message.addrs, message.l4()), message.zone)
    }
}

/// The ends of a flow that are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// New source.
    pub src: Option<IpAddr>,
    /// New destination.
    pub dst: Option<IpAddr>,
    /// New source port, TCP and UDP only.
    pub src_port: Option<u16>,
    /// New destination port, TCP and UDP only.
    pub dst_port: Option<u16>,
}

/// What messages carry of a flow beside its key and its timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Essence {
    /// Status bits.
    pub status: Status,
    /// State number of TCP, SCTP or DCCP.
    pub state: Option<u8>,
    /// Window scales, if they are synchronised.
    pub wscale: PerDir<Option<u8>>,
    /// Verification tags.
    pub vtag: PerDir<Option<u32>>,
    /// The mark; in this world the version of the flow.
    pub mark: Option<Mark>,
    /// Labels, if any is set.
    pub labels: Option<Labels>,
    /// The helper's name, if it fits a message.
    pub helper: Option<Vec<u8>>,
    /// Original tuple of the master.
    pub master: Option<Key>,
    /// Translation.
    pub nat: Translation,
    /// Adjustment of sequence numbers.
    pub seq_adj: Option<PerDir<SeqAdj>>,
    /// SYN proxy data.
    pub synproxy: Option<Synproxy>,
}

/// Longest helper name that a message carries.
const HELPER_NAME_LEN_MAX: usize = 11;

impl Essence {
    /// The essence of a flow, as its holder would send it.
    pub fn of(flow: &Flow<'_>, window_tracking: bool) -> Self {
        let helper = flow.helper.map(|helper| helper.name.as_bytes().to_vec());
        let (state, wscale, vtag) = states(flow.protoinfo.as_ref());
        Self {
            status: flow.status.unwrap_or_default(),
            state,
            wscale: if window_tracking {
                wscale
            } else {
                PerDir::default()
            },
            vtag,
            mark: flow.mark,
            labels: flow.labels.filter(|labels| !labels.is_empty()),
            helper: helper.filter(|name| name.len() <= HELPER_NAME_LEN_MAX),
            master: flow.master.map(|master| Key::new(&master, None)),
            nat: translation(flow),
            seq_adj: flow.seq_adj.both().map(|(orig, reply)| PerDir {
                orig: *orig,
                reply: *reply,
            }),
            synproxy: flow.synproxy,
        }
    }

    /// The essence of a message.
    pub fn of_message(message: &FlowMessage<'_>) -> Self {
        let state = message.tcp_state.map(|state| state.0);
        let ports = matches!(message.l4(), L4::Tcp(_) | L4::Udp(_));
        Self {
            status: message.status.unwrap_or_default(),
            state: state
                .or(message.sctp_state.map(|state| state.0))
                .or(message.dccp_state.map(|state| state.0)),
            wscale: message.tcp_wscale,
            vtag: message.sctp_vtag,
            mark: message.mark,
            labels: message.labels,
            helper: message
                .helper
                .map(|helper| helper.name().as_bytes().to_vec()),
            master: message.master.tuple().map(|master| Key::new(&master, None)),
            nat: Translation {
                src: message.nat.src,
                dst: message.nat.dst,
                src_port: message.nat.src_port.filter(|_| ports),
                dst_port: message.nat.dst_port.filter(|_| ports),
            },
            seq_adj: message.seq_adj,
            synproxy: message.synproxy,
        }
    }

    /// In what two essences differ, in words.
    pub fn difference(&self, truth: &Self) -> String {
        let mut words = Vec::new();
        let mut field = |name: &str, ours: &dyn std::fmt::Debug, truth: &dyn std::fmt::Debug| {
            let (ours, truth) = (format!("{ours:?}"), format!("{truth:?}"));
            if ours != truth {
                words.push(format!("{name} {ours} instead of {truth}"));
            }
        };
        field("status", &self.status, &truth.status);
        field("state", &self.state, &truth.state);
        field("window scales", &self.wscale, &truth.wscale);
        field("tags", &self.vtag, &truth.vtag);
        field("mark", &self.mark, &truth.mark);
        field("labels", &self.labels, &truth.labels);
        field("helper", &self.helper, &truth.helper);
        field("master", &self.master, &truth.master);
        field("translation", &self.nat, &truth.nat);
        field("adjustment", &self.seq_adj, &truth.seq_adj);
        field("SYN proxy", &self.synproxy, &truth.synproxy);
        words.join(", ")
    }

    /// The version of the flow, 0 if it has none.
    pub fn version(&self) -> u32 {
        self.mark.map_or(0, |mark| mark.0)
    }
}

type States = (Option<u8>, PerDir<Option<u8>>, PerDir<Option<u32>>);

fn states(info: Option<&ProtoInfo>) -> States {
    match info {
        Some(ProtoInfo::Tcp(tcp)) => (tcp.state.map(|it| it.0), tcp.wscale, PerDir::default()),
        Some(ProtoInfo::Sctp(sctp)) => (sctp.state.map(|it| it.0), PerDir::default(), sctp.vtag),
        Some(ProtoInfo::Dccp(dccp)) => (
            dccp.state.map(|it| it.0),
            PerDir::default(),
            PerDir::default(),
        ),
        None => (None, PerDir::default(), PerDir::default()),
    }
}

/// The translated ends, from the reply tuple or from a request to translate.
fn translation(flow: &Flow<'_>) -> Translation {
    let single = |range: &flow::NatRange| range.addr.as_ref().map(|addr| *addr.start());
    let port = |range: &flow::NatRange| range.port.as_ref().map(|port| *port.start());
    let asked = Translation {
        src: flow.nat_src.as_ref().and_then(single),
        dst: flow.nat_dst.as_ref().and_then(single),
        src_port: flow.nat_src.as_ref().and_then(port),
        dst_port: flow.nat_dst.as_ref().and_then(port),
    };
    let (Some(reply), Some(mirrored)) = (flow.reply, flow.orig.inverse()) else {
        return asked;
    };
    if !flow.has_status(Status::SRC_NAT_DONE | Status::DST_NAT_DONE) {
        return asked;
    }
    let differs = |a: IpAddr, b: IpAddr| (a != b).then_some(a);
    let ports = match flow.orig.l4 {
        L4::Tcp(_) | L4::Udp(_) => reply.l4.ports().zip(mirrored.l4.ports()),
        _ => None,
    };
    let port = |end: fn(Ports) -> u16| {
        ports
            .filter(|(a, b)| end(*a) != end(*b))
            .map(|(reply, _)| end(reply))
    };
    Translation {
        src: differs(reply.addrs.dst(), mirrored.addrs.dst()).or(asked.src),
        dst: differs(reply.addrs.src(), mirrored.addrs.src()).or(asked.dst),
        src_port: port(|ports| ports.dst).or(asked.src_port),
        dst_port: port(|ports| ports.src).or(asked.dst_port),
    }
}
