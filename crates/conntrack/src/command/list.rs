//! `-L`: shows the flows that match.

use flow::filter::FlowFilter;
use flow::render::{self, Record, Show};
use linux::clock;
use linux::table::DumpKind;

use super::dump::Flows;
use super::{Console, Done, Failure};

pub fn run(
    filter: &FlowFilter,
    kind: DumpKind,
    show: &Show,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, kind);
    let mut count = 0;
    loop {
        let now = clock::wall().as_secs();
        let out = console.out.buffer();
        let more = flows.read(|flow| {
            render::text(out, &Record::listed(flow, now), show);
            out.push(b'\n');
            count += 1;
        })?;
        if !more {
            break;
        }
        console.out.flush_full()?;
    }
    flows.report(console);
    Ok(Done::counted(count, "flow entries have been shown"))
}
