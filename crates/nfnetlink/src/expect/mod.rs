//! Expectations in the kernel's messages: everything below `NFNL_SUBSYS_CTNETLINK_EXP`.
//!
//! [`decode`] and [`encode`] turn the attributes of one message into a [`flow::Expectation`] and
//! back; [`request`] appends whole messages to a [`Builder`](crate::nl::Builder).

pub mod constants;
pub mod request;

use flow::{Dir, ExpectNat, Expectation, ExpectationFlags, Zone};

use crate::conntrack::{decode_tuple, encode_tuple};
use crate::malformed::{Decoded, Malformed};
use crate::nl::{Attr, AttrWriter, Attrs};
use constants::{expect::*, nat::*};

/// Reads the attributes of an expectation, as they follow the generic header of a message.
///
/// Its tuple and its master's must be there.
pub fn decode(attributes: &[u8]) -> Result<Decoded<Expectation<'_>>, Malformed> {
    let mut unknown = 0;
    let mut master = None;
    let mut tuple = None;
    let mut mask = None;
    let mut timeout = None;
    let mut id = None;
    let mut helper = None;
    let mut zone = None;
    let mut flags = None;
    let mut class = None;
    let mut nat = None;
    let mut function = None;
    let mut attrs = Attrs::new(attributes);
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_EXPECT_MASTER => master = Some(decode_tuple(attr, &mut unknown)?),
            CTA_EXPECT_TUPLE => tuple = Some(decode_tuple(attr, &mut unknown)?),
            CTA_EXPECT_MASK => mask = Some(decode_tuple(attr, &mut unknown)?),
            CTA_EXPECT_TIMEOUT => timeout = Some(attr.be32()?),
            CTA_EXPECT_ID => id = Some(attr.be32()?),
            CTA_EXPECT_HELP_NAME => helper = Some(attr.name()),
            CTA_EXPECT_ZONE => zone = Some(Zone(attr.be16()?)),
            CTA_EXPECT_FLAGS => flags = Some(ExpectationFlags(attr.be32()?)),
            CTA_EXPECT_CLASS => class = Some(attr.be32()?),
            CTA_EXPECT_NAT => nat = decode_nat(attr, &mut unknown)?,
            CTA_EXPECT_FN => function = Some(attr.name()),
            _ => unknown += 1,
        }
    }
    let value = Expectation {
        master: master.ok_or(Malformed::MissingTuple)?,
        tuple: tuple.ok_or(Malformed::MissingTuple)?,
        mask,
        timeout,
        id,
        helper,
        zone,
        flags,
        class,
        nat,
        function,
    };
    Ok(Decoded { value, unknown })
}

fn decode_nat(nest: Attr<'_>, unknown: &mut u32) -> Result<Option<ExpectNat>, Malformed> {
    let mut dir = None;
    let mut tuple = None;
    let mut attrs = nest.nested();
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            CTA_EXPECT_NAT_DIR => dir = Some(decode_dir(attr)?),
            CTA_EXPECT_NAT_TUPLE => tuple = Some(decode_tuple(attr, unknown)?),
            _ => *unknown += 1,
        }
    }
    match (dir, tuple) {
        (None, None) => Ok(None),
        (Some(dir), Some(tuple)) => Ok(Some(ExpectNat { dir, tuple })),
        (None, Some(_)) => Err(Malformed::Direction),
        (Some(_), None) => Err(Malformed::MissingTuple),
    }
}

fn decode_dir(attr: Attr<'_>) -> Result<Dir, Malformed> {
    match attr.be32()? {
        0 => Ok(Dir::Original),
        1 => Ok(Dir::Reply),
        _ => Err(Malformed::Direction),
    }
}

/// Writes every attribute that the expectation has.
pub fn encode(w: &mut AttrWriter<'_>, expectation: &Expectation<'_>) {
    encode_settable(w, expectation);
    if let Some(id) = expectation.id {
        w.be32(CTA_EXPECT_ID, id);
    }
}

/// Writes what the kernel takes from a request.
fn encode_settable(w: &mut AttrWriter<'_>, expectation: &Expectation<'_>) {
    encode_tuple(w, CTA_EXPECT_TUPLE, &expectation.tuple);
    encode_tuple(w, CTA_EXPECT_MASTER, &expectation.master);
    if let Some(mask) = &expectation.mask {
        encode_tuple(w, CTA_EXPECT_MASK, mask);
    }
    if let Some(timeout) = expectation.timeout {
        w.be32(CTA_EXPECT_TIMEOUT, timeout);
    }
    if let Some(helper) = &expectation.helper {
        w.name(CTA_EXPECT_HELP_NAME, helper.as_bytes());
    }
    if let Some(Zone(zone)) = expectation.zone {
        w.be16(CTA_EXPECT_ZONE, zone);
    }
    if let Some(ExpectationFlags(flags)) = expectation.flags {
        w.be32(CTA_EXPECT_FLAGS, flags);
    }
    if let Some(class) = expectation.class {
        w.be32(CTA_EXPECT_CLASS, class);
    }
    if let Some(nat) = &expectation.nat {
        w.nest(CTA_EXPECT_NAT, |w| encode_nat(w, nat));
    }
    if let Some(function) = &expectation.function {
        w.name(CTA_EXPECT_FN, function.as_bytes());
    }
}

fn encode_nat(w: &mut AttrWriter<'_>, nat: &ExpectNat) {
    let dir = match nat.dir {
        Dir::Original => 0,
        Dir::Reply => 1,
    };
    w.be32(CTA_EXPECT_NAT_DIR, dir);
    encode_tuple(w, CTA_EXPECT_NAT_TUPLE, &nat.tuple);
}
