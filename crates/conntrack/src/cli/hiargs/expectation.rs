//! What is to be done with expectations.
//!
//! Looked up and deleted is what is expected, so that its addresses are those of `-s` and `-d`; in
//! a new expectation these are its master's, and it has options of its own.

use std::net::IpAddr;

use flow::{Addrs, Expectation, Family, Keys, L4, Ports, Protocol, Tuple};

use super::condition::number;
use super::style::{CounterFormat, Style, counter_format, style};
use crate::cli::error::Error;
use crate::cli::lowargs::LowArgs;
use crate::cli::options::{Id, Verb};
use crate::cli::protocols::Field;

/// What is to be done with expectations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectJob {
    /// Show those of a family.
    List(Family, Style),
    /// Show the number of those of a family.
    Count(Family, CounterFormat),
    /// Show one.
    Get(Box<Tuple>, Style),
    /// Create one.
    Create(Box<Expectation<'static>>),
    /// Delete one.
    Delete(Box<Tuple>),
    /// Delete all, or those of a family.
    Flush(Option<Family>),
    /// Show changes until interrupted.
    Follow(Style),
}

/// The job of a command that goes with expectations.
pub(super) fn job(args: &LowArgs, verb: Verb) -> Result<ExpectJob, Error> {
    let family = args.family.unwrap_or(Family::Ipv4);
    Ok(match verb {
        Verb::Count => ExpectJob::Count(family, counter_format(args)?),
        Verb::Get => ExpectJob::Get(Box::new(given(args)?), style(args)),
        Verb::Create => ExpectJob::Create(Box::new(new_expectation(args)?)),
        Verb::Delete => ExpectJob::Delete(Box::new(given(args)?)),
        Verb::Flush => ExpectJob::Flush(args.family),
        Verb::Event => ExpectJob::Follow(style(args)),
        Verb::List | Verb::Add | Verb::Update | Verb::Stats | Verb::Version | Verb::Help => {
            ExpectJob::List(family, style(args))
        }
    })
}

fn new_expectation(args: &LowArgs) -> Result<Expectation<'static>, Error> {
    let (tuple_src, tuple_dst) = (args.tuple_src, args.tuple_dst);
    for (name, has_prefix) in [
        (Id::TupleSrc, tuple_src.prefix.is_some()),
        (Id::TupleDst, tuple_dst.prefix.is_some()),
    ] {
        if has_prefix {
            return Err(Error::NoCidr(name.name()));
        }
    }
    let master = given(args)?;
    let expected = tuple(
        args,
        (tuple_src.addr, tuple_dst.addr),
        (Field::TupleSrc, Field::TupleDst),
    )?;
    let mask = tuple(
        args,
        (args.src.mask, args.dst.mask),
        (Field::MaskSrc, Field::MaskDst),
    )?;
    Ok(Expectation {
        mask: Some(mask),
        timeout: args.timeout,
        ..Expectation::new(master, expected)
    })
}

/// The tuple of `-s` and `-d`.
fn given(args: &LowArgs) -> Result<Tuple, Error> {
    for (id, arg) in [(Id::Src, args.src), (Id::Dst, args.dst)] {
        if arg.prefix.is_some() {
            return Err(Error::NoCidr(id.name()));
        }
    }
    tuple(
        args,
        (args.src.addr, args.dst.addr),
        (Field::Src, Field::Dst),
    )
}

fn tuple(
    args: &LowArgs,
    (src, dst): (Option<IpAddr>, Option<IpAddr>),
    (src_field, dst_field): (Field, Field),
) -> Result<Tuple, Error> {
    // The matrix has seen to it that both are there, and the families were compared.
    let (src, dst) = src.zip(dst).ok_or(Error::PairNeeded("src", "dst"))?;
    let addrs = Addrs::new(src, dst).ok_or(Error::MixedFamilies)?;
    let protocol = args.protocol.ok_or(Error::Needed("protonum"))?;
    let ports = Ports {
        src: number(args, src_field).unwrap_or(0),
        dst: number(args, dst_field).unwrap_or(0),
    };
    let l4 = match protocol {
        Protocol::GRE => L4::Gre(Keys {
            src: ports.src,
            dst: ports.dst,
        }),
        _ => L4::with_ports(protocol, ports).unwrap_or(L4::zero(protocol)),
    };
    Ok(Tuple::new(addrs, l4))
}
