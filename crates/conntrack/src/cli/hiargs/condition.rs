//! Which flows are meant.
//!
//! With `-L`, `-D` and `-E` everything given is a condition; with `-U` only what names flows is,
//! the rest are values.

use flow::filter::{
    AddrFilter, FlowFilter, L4Filter, MarkMatch, NatFilter, NatMatch, StatusMatch, TupleFilter,
};
use flow::{Mark, PerDir, Status, Zone};

use crate::cli::error::Error;
use crate::cli::lowargs::{AddrArg, LowArgs, NatArg, STATUS_WORDS, StatusWord};
use crate::cli::options::Id;
use crate::cli::protocols::Field;

/// The filter of `-L`, `-D` and `-E`: everything given is a condition.
pub(super) fn condition(args: &LowArgs) -> Result<FlowFilter, Error> {
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
pub(super) fn selection(args: &LowArgs) -> Result<FlowFilter, Error> {
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
        labels: args.labels.wanted,
        nat: NatFilter {
            src: nat_condition(args, Id::SrcNat, args.src_nat),
            dst: nat_condition(args, Id::DstNat, args.dst_nat),
            any: nat_condition(args, Id::AnyNat, args.any_nat),
        },
        ..FlowFilter::default()
    })
}

/// An option without an argument asks for any translation of its kind.
fn nat_condition(args: &LowArgs, id: Id, arg: Option<NatArg>) -> Option<NatMatch> {
    let exact = arg.map(|NatArg { addr, port }| NatMatch {
        addr: Some(addr),
        port,
    });
    args.has(id).then(|| exact.unwrap_or_default())
}

/// A number of the protocol; its width was checked when it was read.
pub(super) fn number<T: TryFrom<u32>>(args: &LowArgs, field: Field) -> Option<T> {
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

/// Every word holds; two that contradict each other are refused (compat: cli-2).
fn status_condition(args: &LowArgs) -> Result<Option<StatusMatch>, Error> {
    let mut wanted = Status::default();
    let mut unwanted = Status::default();
    for word in &args.status {
        match (word.value, word.negated) {
            (StatusWord::Bits(Status(0)), false) => unwanted = unwanted | SETTABLE,
            (StatusWord::Bits(Status(0)), true) => {
                return Err(Error::BadParameter("!UNSET".into()));
            }
            (StatusWord::Bits(bits), false) => wanted = wanted | bits,
            (StatusWord::Bits(bits), true) => unwanted = unwanted | bits,
            (StatusWord::Unreplied, _) => unwanted = unwanted | Status::SEEN_REPLY,
        }
    }
    let both = wanted & unwanted;
    let named = |(_, word): &&(&str, StatusWord)| match word {
        StatusWord::Bits(bits) => *bits & both != Status(0),
        StatusWord::Unreplied => false,
    };
    if let Some((name, _)) = STATUS_WORDS.iter().find(named) {
        return Err(Error::StatusContradicted(name));
    }
    let condition = StatusMatch::ANY.with(wanted).without(unwanted);
    Ok((condition != StatusMatch::ANY).then_some(condition))
}
