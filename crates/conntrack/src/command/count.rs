//! `-C`: shows the number of flows.

use std::fs;

use flow::render::bytes;
use linux::table::Table;

use super::{Console, Done, Failure};

/// Where anybody may read the number.
const PROC: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

pub fn run(console: &mut Console<'_>) -> Result<Done, Failure> {
    let count = match Table::open().and_then(|mut table| table.count()) {
        Ok(stats) => stats.entries,
        // Without rights the number can be had all the same (compat: cli-27).
        Err(error) => read_proc().ok_or(error)?,
    };
    bytes::decimal(console.out.buffer(), count);
    console.out.buffer().push(b'\n');
    Ok(Done::SILENT)
}

fn read_proc() -> Option<u32> {
    fs::read_to_string(PROC).ok()?.trim().parse().ok()
}
