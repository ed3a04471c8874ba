//! What the options mean: a job that a command can do.
//!
//! Everything is decided here, so that the commands know flows and filters and no options. The
//! rules by which a new flow is completed, and which options are conditions with one command and
//! values with another, stand in the functions named after them.

use flow::filter::{AddrFilter, FlowFilter, L4Filter, MarkMatch, State, StatusMatch, TupleFilter};
use flow::render::Show;
use flow::{
    Addrs, DccpInfo, Dir, Family, Flow, Icmp, Keys, L4, Mark, NatRange, PerDir, Ports, ProtoInfo,
    Protocol, SctpInfo, Status, TcpFlags, TcpInfo, TcpState, Tuple, Zone,
};
use linux::table::DumpKind;
use std::net::IpAddr;

use super::error::Error;
use super::lowargs::{AddrArg, EventMask, LowArgs, NatArg, OutputWord, StatusWord};
use super::options::{Id, Table, Verb};
use super::protocols::Field;
use super::{later, matrix};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Show the help, and that of a protocol.
    Help(Option<Protocol>),
    /// Show the version.
    Version,
    /// Show the flows that match.
    List {
        /// Which flows.
        filter: FlowFilter,
        /// What of them.
        show: Show,
        /// Which list of the kernel's, and whether its counters become zero.
        kind: DumpKind,
    },
    /// Show the number of flows.
    Count,
    /// Show changes until interrupted.
    Follow {
        /// Of which flows.
        filter: FlowFilter,
        /// Of which kind.
        events: EventMask,
        /// What of them.
        show: Show,
        /// Size of the receive buffer that was asked for.
        buffer_size: Option<u32>,
    },
    /// Show one flow.
    Get(Box<Lookup>),
    /// Create a flow.
    Create {
        /// The flow; `None` when its reply cannot be told.
        flow: Option<Box<Flow<'static>>>,
        /// Whether one that exists is updated.
        or_update: bool,
    },
    /// Change the flows that match.
    Update {
        /// Which flows.
        filter: FlowFilter,
        /// What changes.
        change: Change,
        /// What is shown of them.
        show: Show,
    },
    /// Delete the flows that match.
    Delete {
        /// Which flows.
        filter: FlowFilter,
        /// What is shown of them.
        show: Show,
    },
    /// Empty the table, perhaps of one family only.
    Flush(Option<Family>),
}

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
    /// What is shown of it.
    pub show: Show,
}

/// What an update changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// New remaining life.
    pub timeout: Option<u32>,
    /// New mark, and which of its bits are replaced.
    pub mark: Option<(u32, Option<u32>)>,
    /// Status bits to set.
    pub status: Option<Status>,
    /// New state of the protocol.
    pub state: Option<State>,
    /// New verification tags of SCTP.
    pub vtag: PerDir<Option<u32>>,
}

impl Job {
    /// The job that a command line asks for, checked in the order of stock's checks.
    pub fn new(args: &LowArgs) -> Result<Self, Error> {
        matrix::check(args)?;
        let Some(verb) = args.verb else {
            return Ok(Self::Help(None));
        };
        if verb == Verb::Version {
            return Ok(Self::Version);
        }
        later::refuse(args)?;
        let show = show(args);
        Ok(match verb {
            Verb::Help => Self::Help(args.protocol),
            Verb::Version => Self::Version,
            Verb::Stats => return Err(Error::Later("the command `--stats'".into())),
            Verb::Count => Self::Count,
            Verb::Flush => Self::Flush(args.family),
            Verb::List => {
                check_zero(args)?;
                Self::List {
                    filter: condition(args)?,
                    show,
                    kind: list_kind(args),
                }
            }
            Verb::Event => Self::Follow {
                filter: condition(args)?,
                events: match args.events {
                    EventMask(0) => EventMask::ALL,
                    some => some,
                },
                show,
                buffer_size: args.buffer_size,
            },
            Verb::Delete => Self::Delete {
                filter: condition(args)?,
                show,
            },
            Verb::Update => Self::Update {
                filter: selection(args)?,
                change: change(args)?,
                show,
            },
            Verb::Get => Self::Get(Box::new(lookup(args)?)),
            Verb::Create | Verb::Add => Self::Create {
                flow: new_flow(args)?.map(Box::new),
                or_update: verb == Verb::Add,
            },
        })
    }
}

/// What `-o` asks to be shown.
fn show(args: &LowArgs) -> Show {
    let has = |word| args.output.contains(&word);
    Show {
        extended: has(OutputWord::Extended),
        id: has(OutputWord::Id),
        time: has(OutputWord::Timestamp) && args.verb == Some(Verb::Event),
        ..Show::TABLE
    }
}

/// Which of the kernel's lists `-L` shows.
fn list_kind(args: &LowArgs) -> DumpKind {
    match args.table {
        Table::Dying => DumpKind::Dying,
        Table::Unconfirmed => DumpKind::Unconfirmed,
        Table::Conntrack | Table::Expect if args.has(Id::Zero) => DumpKind::ZeroCounters,
        Table::Conntrack | Table::Expect => DumpKind::Table,
    }
}

/// Counters are set to zero by the dump itself, before a filter in user space has a say.
fn check_zero(args: &LowArgs) -> Result<(), Error> {
    const FILTERS: [Id; 12] = [
        Id::Protonum,
        Id::Src,
        Id::Dst,
        Id::ReplySrc,
        Id::ReplyDst,
        Id::Mark,
        Id::Secmark,
        Id::Status,
        Id::Identifier,
        Id::Zone,
        Id::OrigZone,
        Id::ReplyZone,
    ];
    let is_filtered = FILTERS.iter().any(|id| args.has(*id)) || args.has(Id::Label);
    if args.has(Id::Zero) && is_filtered {
        return Err(Error::ZeroWithFilter);
    }
    Ok(())
}

/// The filter of `-L`, `-D` and `-E`: everything given is a condition.
fn condition(args: &LowArgs) -> Result<FlowFilter, Error> {
    Ok(FlowFilter {
        mark: args.mark.map(mark_condition).transpose()?,
        status: status_condition(args)?,
        state: args.state,
        secmark: args.secmark,
        timeout: args.timeout,
        ..selection(args)?
    })
}

/// The filter of `-U`: what names flows. The rest are values to be set.
fn selection(args: &LowArgs) -> Result<FlowFilter, Error> {
    let tuple = PerDir {
        orig: TupleFilter {
            src: addr_condition(args.src, "mask-src", "src")?,
            dst: addr_condition(args.dst, "mask-dst", "dst")?,
            zone: args.orig_zone.map(Zone),
            l4: L4Filter {
                src: number(args, Field::Src),
                dst: number(args, Field::Dst),
                kind: number(args, Field::Kind),
                code: number(args, Field::Code),
                id: number(args, Field::IcmpId),
            },
        },
        reply: TupleFilter {
            src: args.reply_src.map(AddrFilter::exact),
            dst: args.reply_dst.map(AddrFilter::exact),
            zone: args.reply_zone.map(Zone),
            l4: L4Filter {
                src: number(args, Field::ReplySrc),
                dst: number(args, Field::ReplyDst),
                ..L4Filter::default()
            },
        },
    };
    Ok(FlowFilter {
        family: args.family,
        protocol: args.protocol,
        tuple,
        zone: args.zone.map(Zone),
        id: args.id,
        ..FlowFilter::default()
    })
}

/// A number of the protocol; its width was checked when it was read.
fn number<T: TryFrom<u32>>(args: &LowArgs, field: Field) -> Option<T> {
    args.number(field)
        .and_then(|number| T::try_from(number).ok())
}

fn addr_condition(
    arg: AddrArg,
    mask_name: &'static str,
    name: &'static str,
) -> Result<Option<AddrFilter>, Error> {
    match (arg.addr, arg.prefix, arg.mask) {
        (None, _, Some(_)) => Err(Error::MaskWithout(mask_name, name)),
        (None, _, None) => Ok(None),
        (Some(addr), Some(prefix), _) => AddrFilter::network(addr, prefix)
            .map(Some)
            .ok_or(Error::BadNetmask),
        (Some(addr), None, Some(mask)) => AddrFilter::masked(addr, mask)
            .map(Some)
            .ok_or(Error::MixedFamilies),
        (Some(addr), None, None) => Ok(Some(AddrFilter::exact(addr))),
    }
}

fn mark_condition((value, mask): (u32, Option<u32>)) -> Result<MarkMatch, Error> {
    let mask = mask.unwrap_or(u32::MAX);
    if value & !mask != 0 {
        return Err(Error::MarkOutsideMask(value, mask));
    }
    Ok(MarkMatch {
        value: Mark(value),
        mask,
    })
}

/// The bits that `-u UNSET` says are clear: those that `-u` can set and a saved flow lists.
const SETTABLE: Status =
    Status(Status::EXPECTED.0 | Status::SEEN_REPLY.0 | Status::ASSURED.0 | Status::FIXED_TIMEOUT.0);

fn status_condition(args: &LowArgs) -> Result<Option<StatusMatch>, Error> {
    let mut condition = StatusMatch::ANY;
    for word in &args.status {
        condition = match (word.value, word.negated) {
            (StatusWord::Bits(Status(0)), false) => condition.without(SETTABLE),
            (StatusWord::Bits(Status(0)), true) => {
                return Err(Error::BadParameter("!UNSET".into()));
            }
            (StatusWord::Bits(bits), false) => condition.with(bits),
            (StatusWord::Bits(bits), true) => condition.without(bits),
            (StatusWord::Unreplied, _) => condition.without(Status::SEEN_REPLY),
        };
    }
    Ok((condition != StatusMatch::ANY).then_some(condition))
}

/// The status bits that a new or changed flow gets.
fn status_value(args: &LowArgs) -> Result<Option<Status>, Error> {
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

fn change(args: &LowArgs) -> Result<Change, Error> {
    Ok(Change {
        timeout: args.timeout,
        mark: args.mark,
        status: status_value(args)?,
        state: args.state,
        vtag: PerDir {
            orig: args.number(Field::OrigVtag),
            reply: args.number(Field::ReplyVtag),
        },
    })
}

impl Change {
    /// What to ask of the kernel so that a flow is changed; `None` if it already is as wanted.
    pub fn request(&self, flow: &Flow<'_>) -> Option<Flow<'static>> {
        let mut request = Flow::new(flow.orig);
        request.zone = flow.zone;
        let old_mark = flow.mark.unwrap_or_default().0;
        let mark = self.mark.map(|(value, mask)| match mask {
            // What the kernel does with a masked mark, so that bits beside the mask toggle.
            Some(mask) => old_mark & !mask ^ value,
            None => value,
        });
        request.mark = mark.filter(|mark| *mark != old_mark).map(Mark);
        let old_status = flow.status.unwrap_or_default();
        let status = self.status.map(|bits| old_status | bits);
        request.status = status.filter(|status| *status != old_status);
        request.timeout = self.timeout.filter(|new| flow.timeout != Some(*new));
        let info = self.protoinfo(flow);
        request.protoinfo = info.filter(|_| !self.has_state_of(flow));
        let changes = request.mark.is_some()
            || request.status.is_some()
            || request.timeout.is_some()
            || request.protoinfo.is_some();
        changes.then_some(request)
    }

    /// Whether a flow has the wanted state and tags already.
    fn has_state_of(&self, flow: &Flow<'_>) -> bool {
        match (self.state, flow.protoinfo) {
            (Some(State::Tcp(state)), Some(ProtoInfo::Tcp(tcp))) => tcp.state == Some(state),
            (Some(State::Dccp(state)), Some(ProtoInfo::Dccp(dccp))) => dccp.state == Some(state),
            (_, Some(info)) => self.protoinfo(flow) == Some(info),
            (_, None) => false,
        }
    }

    fn protoinfo(&self, flow: &Flow<'_>) -> Option<ProtoInfo> {
        match (self.state, flow.protoinfo) {
            (Some(State::Tcp(state)), _) => Some(ProtoInfo::Tcp(tcp_info(state))),
            (Some(State::Dccp(state)), _) => Some(ProtoInfo::Dccp(DccpInfo {
                state: Some(state),
                ..DccpInfo::default()
            })),
            // The kernel wants state and tags together.
            (state, Some(ProtoInfo::Sctp(old))) => {
                let state = match state {
                    Some(State::Sctp(state)) => Some(state),
                    _ => old.state,
                };
                let vtag = PerDir {
                    orig: self.vtag.orig.or(old.vtag.orig),
                    reply: self.vtag.reply.or(old.vtag.reply),
                };
                Some(ProtoInfo::Sctp(SctpInfo { state, vtag }))
            }
            _ => None,
        }
    }
}

/// A state that was not observed: the windows are unknown, so the kernel is told to accept
/// packets outside of what it would expect.
fn tcp_info(state: TcpState) -> TcpInfo {
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

/// The tuple by which `-G` finds a flow, and what else has to hold.
fn lookup(args: &LowArgs) -> Result<Lookup, Error> {
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
        show: show(args),
    })
}

/// The flow of `-I` and `-A`; `None` when an ICMP type has no reply.
fn new_flow(args: &LowArgs) -> Result<Option<Flow<'static>>, Error> {
    let PerDir { orig, reply } = tuples(args)?;
    let (Some(orig), Some(reply)) = (orig, reply) else {
        return Ok(None);
    };
    let mut flow = Flow::new(orig);
    flow.reply = Some(reply);
    flow.timeout = args.timeout;
    flow.status = status_value(args)?;
    flow.mark = args.mark.map(|(value, _)| Mark(value));
    flow.zone = args.zone.map(Zone);
    flow.nat_src = args.src_nat.map(nat_target);
    flow.nat_dst = args.dst_nat.map(nat_target);
    flow.protoinfo = new_protoinfo(args);
    Ok(Some(flow))
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

/// The layer 4 part of a direction.
fn l4(args: &LowArgs, protocol: Protocol, dir: Dir) -> Option<L4> {
    let own = |field| number::<u16>(args, field);
    let orig = Ports {
        src: own(Field::Src).or(own(Field::ReplyDst)).unwrap_or(0),
        dst: own(Field::Dst).or(own(Field::ReplySrc)).unwrap_or(0),
    };
    let reply = Ports {
        src: own(Field::ReplySrc).or(own(Field::Dst)).unwrap_or(0),
        dst: own(Field::ReplyDst).or(own(Field::Src)).unwrap_or(0),
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
