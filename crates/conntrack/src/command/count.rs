//! `-C`: shows the number of flows.
//!
//! In text the number alone, since programs compare it. The other formats add the limit, which
//! kernels tell since Linux 4.18.

use std::fs;

use flow::render::bytes;
use linux::table::Table;
use nfnetlink::stats::GlobalStats;

use super::counters::{self, Kind, Metric};
use super::{Console, Done, Failure};
use crate::cli::hiargs::CounterFormat;

/// Where anybody may read the number.
const PROC: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

pub fn run(format: CounterFormat, console: &mut Console<'_>) -> Result<Done, Failure> {
    let stats = match Table::open().and_then(|mut table| table.count()) {
        Ok(stats) => stats,
        // Without rights the number can be had all the same (compat: cli-27).
        Err(error) => GlobalStats {
            entries: read_proc().ok_or(error)?,
            entries_max: None,
        },
    };
    let entries = ("entries", u64::from(stats.entries), "Flows in the table.");
    let max = stats.entries_max.map(u64::from);
    let max = max.map(|max| ("entries_max", max, "Most flows that the table takes."));
    show(format, entries, max, console.out.buffer());
    Ok(Done::SILENT)
}

/// A number by name, and what it is.
pub type Named = (&'static str, u64, &'static str);

/// Shows a number and, where the format has a place for it, its limit.
pub fn show(format: CounterFormat, count: Named, max: Option<Named>, out: &mut Vec<u8>) {
    let all = [Some(count), max].into_iter().flatten();
    match format {
        CounterFormat::Text => {
            bytes::decimal(out, count.1);
            out.push(b'\n');
        }
        CounterFormat::Json => {
            counters::json(out, all.map(|(name, value, _)| (name, value)));
            out.push(b'\n');
        }
        CounterFormat::OpenMetrics => {
            let metric = |(name, value, help): Named| Metric {
                name: name.into(),
                kind: Kind::Gauge,
                help,
                samples: vec![(None, value)],
            };
            counters::openmetrics(out, &all.map(metric).collect::<Vec<_>>());
        }
    }
}

fn read_proc() -> Option<u32> {
    fs::read_to_string(PROC).ok()?.trim().parse().ok()
}
