//! What the kernel can be asked about expectations: one function per request.
//!
//! [`Call`] is the flow table's; see there how requests are numbered and acknowledged.

use flow::{Expectation, Family, Tuple, Zone};

use crate::conntrack::encode_tuple;
use crate::conntrack::request::Call;
use crate::expect::constants::{expect::*, msg};
use crate::expect::encode_settable;
use crate::malformed::EncodeError;
use crate::nl::{AttrWriter, Builder, Header, flags};
use crate::subsystem::{GenHeader, Subsystem};

/// What names one expectation to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectationKey {
    /// The tuple waited for.
    pub tuple: Tuple,
    /// Its zone.
    pub zone: Option<Zone>,
    /// The kernel's id: a deletion then spares a younger one with the same tuple.
    pub id: Option<u32>,
}

impl ExpectationKey {
    /// The expectation's tuple and zone, without its id.
    pub const fn of(expectation: &Expectation<'_>) -> Self {
        Self {
            tuple: expectation.tuple,
            zone: expectation.zone,
            id: None,
        }
    }

    /// This very expectation: its tuple, zone and id.
    pub const fn exact(expectation: &Expectation<'_>) -> Self {
        Self {
            id: expectation.id,
            ..Self::of(expectation)
        }
    }

    fn encode(&self, w: &mut AttrWriter<'_>, kind: u16) {
        encode_tuple(w, kind, &self.tuple);
        if let Some(Zone(zone)) = self.zone {
            w.be16(CTA_EXPECT_ZONE, zone);
        }
        if let Some(id) = self.id {
            w.be32(CTA_EXPECT_ID, id);
        }
    }
}

/// Creates an expectation; fails if it exists. The kernel wants tuple, mask and master.
pub fn create(
    b: &mut Builder<'_>,
    call: Call,
    expectation: &Expectation<'_>,
) -> Result<(), EncodeError> {
    put(b, call, flags::CREATE | flags::EXCL, expectation)
}

/// Creates an expectation, or refreshes the one that exists.
pub fn create_or_update(
    b: &mut Builder<'_>,
    call: Call,
    expectation: &Expectation<'_>,
) -> Result<(), EncodeError> {
    put(b, call, flags::CREATE, expectation)
}

fn put(
    b: &mut Builder<'_>,
    call: Call,
    extra: u16,
    expectation: &Expectation<'_>,
) -> Result<(), EncodeError> {
    b.message(
        header(call, msg::NEW, extra),
        GenHeader::of_family(expectation.tuple.family().number()),
        |w| encode_settable(w, expectation),
    )
}

/// Removes one expectation.
pub fn delete(b: &mut Builder<'_>, call: Call, key: &ExpectationKey) -> Result<(), EncodeError> {
    b.message(
        header(call, msg::DELETE, 0),
        GenHeader::of_family(key.tuple.family().number()),
        |w| key.encode(w, CTA_EXPECT_TUPLE),
    )
}

/// Asks for one expectation; always acknowledged.
pub fn get(b: &mut Builder<'_>, sequence: u32, key: &ExpectationKey) -> Result<(), EncodeError> {
    b.message(
        header(Call::acked(sequence), msg::GET, 0),
        GenHeader::of_family(key.tuple.family().number()),
        |w| key.encode(w, CTA_EXPECT_TUPLE),
    )
}

/// Asks for all expectations, or those of a family.
pub fn dump(b: &mut Builder<'_>, sequence: u32, family: Option<Family>) -> Result<(), EncodeError> {
    b.message(
        header(Call::quiet(sequence), msg::GET, flags::DUMP),
        GenHeader::of_family(family.map_or(0, Family::number)),
        |_| {},
    )
}

/// Asks for the expectations of one flow, named by its original tuple.
pub fn dump_of_master(
    b: &mut Builder<'_>,
    sequence: u32,
    master: &Tuple,
    zone: Option<Zone>,
) -> Result<(), EncodeError> {
    b.message(
        header(Call::quiet(sequence), msg::GET, flags::DUMP),
        GenHeader::of_family(master.family().number()),
        |w| {
            encode_tuple(w, CTA_EXPECT_MASTER, master);
            if let Some(Zone(zone)) = zone {
                w.be16(CTA_EXPECT_ZONE, zone);
            }
        },
    )
}

/// Removes all expectations, of both families.
pub fn flush(b: &mut Builder<'_>, call: Call) -> Result<(), EncodeError> {
    b.message(header(call, msg::DELETE, 0), GenHeader::default(), |_| {})
}

/// Asks for the statistics of each CPU.
pub fn cpu_stats(b: &mut Builder<'_>, sequence: u32) -> Result<(), EncodeError> {
    let header = header(Call::quiet(sequence), msg::GET_STATS_CPU, flags::DUMP);
    b.message(header, GenHeader::default(), |_| {})
}

const fn header(call: Call, message: u8, extra: u16) -> Header {
    call.header(Subsystem::Expect, message, extra)
}
