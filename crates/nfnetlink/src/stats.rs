//! Statistics: the number of flows, and what each CPU has counted for either table.
//!
//! Kernels add and drop counters, so the counters of a CPU stay a list by number: one without a
//! name here is shown by its number instead of being lost.

use crate::conntrack::constants::attributes;
use crate::conntrack::constants::msg;
use crate::expect::constants::msg as expect_msg;
use crate::malformed::Malformed;
use crate::nl::{Attrs, Message};
use crate::subsystem::{GenHeader, Subsystem};

attributes! {
    /// Statistics of the whole table (`enum ctattr_stats_global`).
    global {
        CTA_STATS_GLOBAL_ENTRIES = 1,
        CTA_STATS_GLOBAL_MAX_ENTRIES = 2,
    }
}

/// Names of the flow table's counters, from attribute number 1 on (`enum ctattr_stats_cpu`).
const CONNTRACK_NAMES: [&str; 15] = [
    "searched",
    "found",
    "new",
    "invalid",
    "ignore",
    "delete",
    "delete_list",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "error",
    "search_restart",
    "clash_resolve",
    "chaintoolong",
];

/// Names of the expectation table's counters (`enum ctattr_expect_stats`).
const EXPECT_NAMES: [&str; 3] = ["expect_new", "expect_create", "expect_delete"];

/// Size of the flow table (`IPCTNL_MSG_CT_GET_STATS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalStats {
    /// Number of flows, `CTA_STATS_GLOBAL_ENTRIES`.
    pub entries: u32,
    /// Limit of that number, `CTA_STATS_GLOBAL_MAX_ENTRIES` (since Linux 4.18).
    pub entries_max: Option<u32>,
}

/// Reads the answer to [`count`](crate::conntrack::request::count).
pub fn decode_global(message: &Message<'_>) -> Result<GlobalStats, Malformed> {
    if message.header.kind != Subsystem::Conntrack.message_type(msg::GET_STATS) {
        return Err(Malformed::MessageType);
    }
    let (_, attributes) = GenHeader::decode(message.payload)?;
    let mut stats = GlobalStats::default();
    let mut attrs = Attrs::new(attributes);
    while let Some(attr) = attrs.try_next()? {
        match attr.kind {
            global::CTA_STATS_GLOBAL_ENTRIES => stats.entries = attr.be32()?,
            global::CTA_STATS_GLOBAL_MAX_ENTRIES => stats.entries_max = Some(attr.be32()?),
            _ => {}
        }
    }
    Ok(stats)
}

/// What one CPU has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuStats<'a> {
    /// Which table the counters are about.
    pub subsystem: Subsystem,
    /// Number of the CPU.
    pub cpu: u16,
    attributes: &'a [u8],
}

/// One counter of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The attribute's number.
    pub number: u16,
    /// Its name, `None` for one that is younger than this program.
    pub name: Option<&'static str>,
    /// Its value.
    pub value: u32,
}

impl<'a> CpuStats<'a> {
    /// Reads one message of the answer to a request for the statistics of each CPU.
    ///
    /// All counters are checked here, so that reading them cannot fail.
    pub fn decode(message: &Message<'a>) -> Result<Self, Malformed> {
        const CONNTRACK: u16 = Subsystem::Conntrack.message_type(msg::GET_STATS_CPU);
        const EXPECT: u16 = Subsystem::Expect.message_type(expect_msg::GET_STATS_CPU);
        // What the kernel really answers (`ctnetlink_exp_stat_fill_info` names the wrong
        // subsystem); no message of the flow table comes with this number.
        const EXPECT_MISNAMED: u16 = Subsystem::Conntrack.message_type(expect_msg::GET_STATS_CPU);
        let subsystem = match message.header.kind {
            CONNTRACK => Subsystem::Conntrack,
            EXPECT | EXPECT_MISNAMED => Subsystem::Expect,
            _ => return Err(Malformed::MessageType),
        };
        let (generic, attributes) = GenHeader::decode(message.payload)?;
        let mut attrs = Attrs::new(attributes);
        while let Some(attr) = attrs.try_next()? {
            attr.be32()?;
        }
        Ok(Self {
            subsystem,
            cpu: generic.res_id,
            attributes,
        })
    }

    /// The counters in the order in which the kernel sent them.
    pub fn counters(&self) -> impl Iterator<Item = Counter> + use<'a> {
        let names: &[&str] = match self.subsystem {
            Subsystem::Conntrack => &CONNTRACK_NAMES,
            Subsystem::Expect => &EXPECT_NAMES,
        };
        Attrs::new(self.attributes).filter_map(move |attr| {
            let attr = attr.ok()?;
            let index = usize::from(attr.kind).checked_sub(1);
            Some(Counter {
                number: attr.kind,
                name: index.and_then(|index| names.get(index)).copied(),
                value: attr.be32().ok()?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nl::{AttrWriter, Header};
    use std::vec::Vec;

    fn payload(res_id: u16, attributes: &[(u16, u32)]) -> Vec<u8> {
        let header = GenHeader {
            res_id,
            ..GenHeader::default()
        };
        let mut out = header.encode().to_vec();
        AttrWriter::bare(&mut out, |w| {
            for (kind, value) in attributes {
                w.be32(*kind, *value);
            }
        })
        .unwrap();
        out
    }

    fn message(kind: u16, payload: &[u8]) -> Message<'_> {
        Message {
            header: Header {
                kind,
                ..Header::default()
            },
            payload,
        }
    }

    #[test]
    fn unknown_counters_are_kept_by_number() {
        let payload = payload(3, &[(2, 7), (15, 8), (16, 9)]);
        let stats = CpuStats::decode(&message(0x0104, &payload)).unwrap();
        let counters: Vec<_> = stats
            .counters()
            .map(|c| (c.number, c.name, c.value))
            .collect();
        assert_eq!(stats.cpu, 3);
        assert_eq!(
            counters,
            [
                (2, Some("found"), 7),
                (15, Some("chaintoolong"), 8),
                (16, None, 9)
            ]
        );
    }

    #[test]
    fn the_tables_have_names_of_their_own() {
        let payload = payload(0, &[(1, 1)]);
        let name = |kind| {
            let message = message(kind, &payload);
            let stats = CpuStats::decode(&message).unwrap();
            stats.counters().next().unwrap().name
        };
        assert_eq!(name(0x0104), Some("searched"));
        assert_eq!(name(0x0203), Some("expect_new"));
        assert_eq!(name(0x0103), Some("expect_new"));
        assert_eq!(name(0x0103), Some("expect_new"));
    }

    #[test]
    fn the_size_of_the_table() {
        let payload = payload(0, &[(1, 5), (2, 100), (3, 1)]);
        let stats = decode_global(&message(0x0105, &payload)).unwrap();
        assert_eq!(stats.entries, 5);
        assert_eq!(stats.entries_max, Some(100));
    }

    #[test]
    fn another_message_is_no_statistics() {
        for kind in [0x0100, 0x0102, 0x0105, 0x0204, 0x0804] {
            let error = CpuStats::decode(&message(kind, &[0; 4])).unwrap_err();
            assert_eq!(error, Malformed::MessageType);
        }
    }
}
