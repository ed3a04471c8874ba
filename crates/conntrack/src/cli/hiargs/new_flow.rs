//! The flow that `-I`, `-A` and `-G` describe.
//!
//! Either direction completes the other, each address and port for itself, whatever the order of
//! the options (compat: cli-47).

use std::net::IpAddr;

use flow::filter::{FlowFilter, State};
use flow::{
    Addrs, DccpInfo, Dir, Flow, Helper, Icmp, Keys, L4, Mark, Name, NatRange, PerDir, Ports,
    ProtoInfo, Protocol, SctpInfo, Status, TcpFlags, TcpInfo, TcpState, Tuple, Zone,
};

use super::condition::{number, selection};
use super::style::Style;
use crate::cli::error::Error;
use crate::cli::lowargs::{LowArgs, NatArg, StatusWord};
use crate::cli::protocols::Field;
use crate::cli::restored::Restored;

/// A flow that is looked up by one of its tuples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Which of its tuples.
    pub dir: Dir,
    /// That tuple.
    pub tuple: Tuple,
    /// Its zone.
    pub zone: Option<Zone>,
    /// What else has to hold.
    pub filter: FlowFilter,
    /// How it is shown.
    pub style: Style,
}

/// The tuple by which `-G` finds a flow, and what else has to hold.
pub(super) fn lookup(args: &LowArgs, style: Style) -> Result<Lookup, Error> {
    let has_orig = args.src.addr.is_some() && args.dst.addr.is_some();
    let dir = if has_orig { Dir::Original } else { Dir::Reply };
    let tuples = tuples(args)?;
    let tuple = match dir {
        Dir::Original => tuples.orig,
        Dir::Reply => tuples.reply,
    };
    // A reply that was not given follows from the original and the other way round; the matrix
    // has seen to it that one of them is complete.
    let tuple = tuple.ok_or(Error::PairNeeded("src", "dst"))?;
    Ok(Lookup {
        dir,
        tuple,
        zone: args.zone.map(Zone),
        filter: FlowFilter {
            state: args.state,
            ..selection(args)?
        },
        style,
    })
}

/// A flow to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFlow {
    /// Everything but its helper.
    pub rest: Flow<'static>,
    /// The name of its helper.
    pub helper: Option<String>,
}

impl NewFlow {
    /// All of it.
    pub fn flow(&self) -> Flow<'_> {
        let name = self.helper.as_ref().map(|name| Name::new(name.as_bytes()));
        Flow {
            helper: name.map(|name| Helper { name, info: None }),
            ..self.rest.clone()
        }
    }
}

/// The flow of `-I` and `-A`; `None` when an ICMP type has no reply in this family.
pub(super) fn new_flow(args: &LowArgs) -> Result<Option<NewFlow>, Error> {
    let PerDir { orig, reply } = tuples(args)?;
    let (Some(orig), Some(reply)) = (orig, reply) else {
        return Ok(None);
    };
    if has_foreign_icmp(&orig) {
        return Ok(None);
    }
    let mut flow = Flow::new(orig);
    flow.reply = Some(reply);
    flow.timeout = args.timeout;
    flow.status = status_value(args)?;
    flow.mark = args.mark.map(|(value, _)| Mark(value));
    flow.zone = args.zone.map(Zone);
    flow.nat_src = args.src_nat.map(nat_target);
    flow.nat_dst = args.dst_nat.map(nat_target);
    flow.protoinfo = new_protoinfo(args);
    // With a mask, what exists keeps its other labels.
    flow.labels = args.labels.add;
    flow.labels_mask = args.labels.add;
    restore(&mut flow, &args.restored);
    Ok(Some(NewFlow {
        rest: flow,
        helper: args.restored.helper.clone(),
    }))
}

/// Adds what only our own options say.
fn restore(flow: &mut Flow<'static>, restored: &Restored) {
    flow.seq_adj = restored.seq_adj;
    flow.synproxy = restored.synproxy;
    flow.master = restored.master;
    if flow.master.is_some() {
        // The kernel sets the bit itself and refuses a request that does.
        flow.status = flow.status.map(|status| status.without(Status::EXPECTED));
    }
    if let (Some(ProtoInfo::Tcp(tcp)), Some(wscale)) = (&mut flow.protoinfo, restored.wscale) {
        // The kernel takes the scales only if both ends offered one (`nlattr_to_tcp`).
        for flags in [&mut tcp.flags.orig, &mut tcp.flags.reply] {
            let TcpFlags { flags, mask } = flags.get_or_insert_default();
            *flags |= TcpFlags::WINDOW_SCALE;
            *mask |= TcpFlags::WINDOW_SCALE;
        }
        tcp.wscale.orig = Some(wscale.orig);
        tcp.wscale.reply = Some(wscale.reply);
    }
}

fn nat_target(arg: NatArg) -> NatRange {
    NatRange::exact(arg.addr, arg.port)
}

fn new_protoinfo(args: &LowArgs) -> Option<ProtoInfo> {
    Some(match args.state? {
        State::Tcp(state) => ProtoInfo::Tcp(tcp_info(state)),
        State::Sctp(state) => ProtoInfo::Sctp(SctpInfo {
            state: Some(state),
            vtag: PerDir {
                orig: args.number(Field::OrigVtag),
                reply: args.number(Field::ReplyVtag),
            },
        }),
        State::Dccp(state) => ProtoInfo::Dccp(DccpInfo {
            state: Some(state),
            role: args.role,
            ..DccpInfo::default()
        }),
    })
}

/// Both tuples of a flow. What one side lacks is the mirror image of the other, each address and
/// port for itself (compat: cli-47); `None` for a side that cannot be told.
fn tuples(args: &LowArgs) -> Result<PerDir<Option<Tuple>>, Error> {
    if args.src.prefix.is_some() {
        return Err(Error::NoCidr("src"));
    }
    if args.dst.prefix.is_some() {
        return Err(Error::NoCidr("dst"));
    }
    let addrs = |src: Option<IpAddr>, dst: Option<IpAddr>| src.zip(dst);
    let orig = addrs(
        args.src.addr.or(args.reply_dst),
        args.dst.addr.or(args.reply_src),
    );
    let reply = addrs(
        args.reply_src.or(args.dst.addr),
        args.reply_dst.or(args.src.addr),
    );
    let protocol = args.protocol.ok_or(Error::Needed("protonum"))?;
    let orig_l4 = l4(args, protocol, Dir::Original);
    let reply_l4 = l4(args, protocol, Dir::Reply);
    let tuple = |pair: Option<(IpAddr, IpAddr)>, l4: Option<L4>, zone: Option<u16>| {
        let (src, dst) = pair?;
        Some(Tuple {
            zone: zone.map(Zone),
            ..Tuple::new(Addrs::new(src, dst)?, l4?)
        })
    };
    Ok(PerDir {
        orig: tuple(orig, orig_l4, args.orig_zone),
        reply: tuple(reply, reply_l4, args.reply_zone),
    })
}

/// Whether it is the other family's ICMP, of which the kernel would make an entry that no packet finds.
const fn has_foreign_icmp(tuple: &Tuple) -> bool {
    matches!(
        (tuple.addrs, tuple.l4),
        (Addrs::V4 { .. }, L4::Icmpv6(_)) | (Addrs::V6 { .. }, L4::Icmp(_))
    )
}

/// The layer 4 part of a direction.
fn l4(args: &LowArgs, protocol: Protocol, dir: Dir) -> Option<L4> {
    let own = |field| number::<u16>(args, field);
    let orig = Ports {
        src: own(Field::Src).or(own(Field::ReplyDst)).unwrap_or(0),
        dst: own(Field::Dst).or(own(Field::ReplySrc)).unwrap_or(0),
    };
    // A port that is to be translated must not be so already: the kernel would see nothing to do.
    let own_reply = |field, nat: Option<NatArg>| match nat {
        Some(NatArg { port: Some(_), .. }) => None,
        _ => own(field),
    };
    let reply_src = own_reply(Field::ReplySrc, args.dst_nat);
    let reply_dst = own_reply(Field::ReplyDst, args.src_nat);
    let reply = Ports {
        src: reply_src.or(own(Field::Dst)).unwrap_or(0),
        dst: reply_dst.or(own(Field::Src)).unwrap_or(0),
    };
    let ports = match dir {
        Dir::Original => orig,
        Dir::Reply => reply,
    };
    let icmp = Icmp {
        kind: number(args, Field::Kind).unwrap_or(0),
        code: number(args, Field::Code).unwrap_or(0),
        id: number(args, Field::IcmpId).unwrap_or(0),
    };
    let orig = match protocol {
        Protocol::ICMP => L4::Icmp(icmp),
        Protocol::ICMPV6 => L4::Icmpv6(icmp),
        Protocol::GRE => {
            let Ports { src, dst } = ports;
            return Some(L4::Gre(Keys { src, dst }));
        }
        _ => return Some(L4::with_ports(protocol, ports).unwrap_or(L4::Other(protocol))),
    };
    match dir {
        Dir::Original => Some(orig),
        Dir::Reply => orig.inverse(),
    }
}

/// The status bits that a new or changed flow gets.
pub(super) fn status_value(args: &LowArgs) -> Result<Option<Status>, Error> {
    let mut bits = Status::default();
    for word in &args.status {
        match (word.value, word.negated) {
            (_, true) => return Err(Error::NegatedValue),
            (StatusWord::Bits(some), false) => bits = bits | some,
            (StatusWord::Unreplied, false) => {}
        }
    }
    Ok((!args.status.is_empty()).then_some(bits))
}

/// A state that was not observed: the windows are unknown, so the kernel is told to accept
/// packets outside of what it would expect.
pub(super) fn tcp_info(state: TcpState) -> TcpInfo {
    let close = if state >= TcpState::TIME_WAIT {
        TcpFlags::CLOSE_INIT
    } else {
        0
    };
    let bits = TcpFlags::BE_LIBERAL | TcpFlags::SACK_PERM | close;
    let flags = Some(TcpFlags {
        flags: bits,
        mask: bits,
    });
    TcpInfo {
        state: Some(state),
        flags: PerDir {
            orig: flags,
            reply: flags,
        },
        ..TcpInfo::default()
    }
}
