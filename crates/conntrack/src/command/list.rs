//! `-L`: shows the flows that match.

use flow::filter::Selection;
use linux::table::DumpKind;

use super::dump::Flows;
use super::print::Printer;
use super::{Console, Done, Failure};
use crate::cli::hiargs::Style;

pub fn run(
    filter: &Selection,
    kind: DumpKind,
    style: &Style,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, kind);
    let mut printer = Printer::new(style);
    let mut count = 0;
    loop {
        printer.look_at_clock();
        let out = console.out.buffer();
        let more = flows.read(|entry| {
            printer.flow(out, entry);
            count += 1;
        })?;
        if !more {
            break;
        }
        console.out.flush_full()?;
    }
    printer.close(console.out.buffer());
    flows.report(console);
    Ok(Done::counted(count, "flow entries have been shown"))
}
