//! Attributes that have no name here: found again after decoding has counted them.
//!
//! A decoder skips what it does not know and counts it. This walks the same nests and hands out
//! what was skipped, for formats that keep everything. It is not fast and need not be: it runs
//! for messages of a kernel that is newer than this program only.

use flow::render::Unknown;

use crate::conntrack::constants::{cta::*, nat::*, protoinfo::*, tuple::*};
use crate::expect::constants::{expect::*, nat::CTA_EXPECT_NAT_TUPLE};
use crate::nl::{Attr, Attrs};
use crate::subsystem::Subsystem;

/// A message, or a nest in one: which numbers the decoders know there.
struct Level {
    /// A bit for each number.
    known: u64,
    /// The nests among them.
    nests: &'static [(u16, &'static Self)],
}

/// A level without nests, with numbers from 1 on.
const fn flat(last: u16) -> Level {
    nesting(last, &[])
}

const fn nesting(last: u16, nests: &'static [(u16, &'static Level)]) -> Level {
    Level {
        known: (1 << (last + 1)) - 2,
        nests,
    }
}

const TUPLE: Level = nesting(
    CTA_TUPLE_ZONE,
    &[(CTA_TUPLE_IP, &flat(4)), (CTA_TUPLE_PROTO, &flat(9))],
);

const PROTOINFO: Level = nesting(
    CTA_PROTOINFO_SCTP,
    &[
        (CTA_PROTOINFO_TCP, &flat(CTA_PROTOINFO_TCP_FLAGS_REPLY)),
        (CTA_PROTOINFO_DCCP, &flat(CTA_PROTOINFO_DCCP_PAD)),
        (CTA_PROTOINFO_SCTP, &flat(CTA_PROTOINFO_SCTP_VTAG_REPLY)),
    ],
);

const NAT: Level = nesting(
    CTA_NAT_V6_MAXIP,
    &[(CTA_NAT_PROTO, &flat(CTA_PROTONAT_PORT_MAX))],
);

const FLOW: Level = Level {
    // These two are of requests only.
    known: nesting(CTA_TIMESTAMP_EVENT, &[]).known & !(1 << CTA_FILTER) & !(1 << CTA_STATUS_MASK),
    nests: &[
        (CTA_TUPLE_ORIG, &TUPLE),
        (CTA_TUPLE_REPLY, &TUPLE),
        (CTA_TUPLE_MASTER, &TUPLE),
        (CTA_PROTOINFO, &PROTOINFO),
        (CTA_HELP, &flat(2)),
        (CTA_NAT_SRC, &NAT),
        (CTA_NAT_DST, &NAT),
        (CTA_COUNTERS_ORIG, &flat(5)),
        (CTA_COUNTERS_REPLY, &flat(5)),
        (CTA_SEQ_ADJ_ORIG, &flat(3)),
        (CTA_SEQ_ADJ_REPLY, &flat(3)),
        (CTA_SECCTX, &flat(1)),
        (CTA_TIMESTAMP, &flat(3)),
        (CTA_SYNPROXY, &flat(3)),
    ],
};

const EXPECTATION: Level = nesting(
    CTA_EXPECT_FN,
    &[
        (CTA_EXPECT_MASTER, &TUPLE),
        (CTA_EXPECT_TUPLE, &TUPLE),
        (CTA_EXPECT_MASK, &TUPLE),
        (
            CTA_EXPECT_NAT,
            &nesting(CTA_EXPECT_NAT_TUPLE, &[(CTA_EXPECT_NAT_TUPLE, &TUPLE)]),
        ),
    ],
);

/// The attributes of a message that decoding skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttributes<'a> {
    subsystem: Subsystem,
    attributes: Attrs<'a>,
}

impl<'a> UnknownAttributes<'a> {
    pub(crate) const fn new(subsystem: Subsystem, attributes: Attrs<'a>) -> Self {
        Self {
            subsystem,
            attributes,
        }
    }
}

impl Unknown for UnknownAttributes<'_> {
    fn each(&self, sink: &mut dyn FnMut(&[u16], &[u8])) {
        let level = match self.subsystem {
            Subsystem::Conntrack => &FLOW,
            Subsystem::Expect => &EXPECTATION,
        };
        let mut path = Path::default();
        level.walk(self.attributes, &mut path, sink);
    }
}

/// The numbers of an attribute and of the nests it is in. As deep as the tables above.
#[derive(Default)]
struct Path {
    numbers: [u16; 4],
    len: usize,
}

impl Path {
    fn with(&mut self, number: u16, inside: impl FnOnce(&mut Self)) {
        let Some(place) = self.numbers.get_mut(self.len) else {
            return;
        };
        *place = number;
        self.len += 1;
        inside(self);
        self.len -= 1;
    }

    fn numbers(&self) -> &[u16] {
        self.numbers.get(..self.len).unwrap_or_default()
    }
}

impl Level {
    fn walk(&self, attributes: Attrs<'_>, path: &mut Path, sink: &mut dyn FnMut(&[u16], &[u8])) {
        // Decoding has seen that there is nothing wrong.
        for Attr { kind, payload } in attributes.flatten() {
            let nest = self.nests.iter().find(|(number, _)| *number == kind);
            let is_known = kind < 64 && self.known >> kind & 1 == 1;
            path.with(kind, |path| match nest {
                Some((_, level)) => level.walk(Attrs::new(payload), path, sink),
                None if is_known => {}
                None => sink(path.numbers(), payload),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nl::AttrWriter;
    use std::vec;
    use std::vec::Vec;

    fn found(subsystem: Subsystem, attributes: &[u8]) -> Vec<(Vec<u16>, Vec<u8>)> {
        let mut found = Vec::new();
        UnknownAttributes::new(subsystem, Attrs::new(attributes)).each(&mut |path, payload| {
            found.push((path.to_vec(), payload.to_vec()));
        });
        found
    }

    #[test]
    fn what_is_not_known_is_found_with_its_path() {
        let mut bytes = Vec::new();
        AttrWriter::bare(&mut bytes, |w| {
            w.be32(CTA_MARK, 5);
            w.bytes(28, &[7]);
            w.nest(CTA_PROTOINFO, |w| {
                w.nest(CTA_PROTOINFO_TCP, |w| {
                    w.u8(CTA_PROTOINFO_TCP_STATE, 3);
                    w.u8(9, 1);
                });
            });
            w.be32(CTA_STATUS_MASK, 1);
            w.bytes(300, &[]);
        })
        .unwrap();
        let expected = vec![
            (vec![28], vec![7]),
            (vec![4, 1, 9], vec![1]),
            (vec![26], vec![0, 0, 0, 1]),
            (vec![300], vec![]),
        ];
        assert_eq!(found(Subsystem::Conntrack, &bytes), expected);
    }
}
