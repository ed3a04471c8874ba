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
    let result = show(&mut flows, &mut printer, console);
    let count = printer.close_after(result, console.out.buffer())?;
    flows.report(console);
    Ok(Done::counted(count, "flow entries have been shown"))
}

/// Shows all flows; their number.
fn show(
    flows: &mut Flows<'_>,
    printer: &mut Printer<'_>,
    console: &mut Console<'_>,
) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        printer.look_at_clock();
        let out = console.out.buffer();
        let more = flows.read(|entry| {
            printer.flow(out, entry);
            count += 1;
        })?;
        if !more {
            return Ok(count);
        }
        console.out.flush_full()?;
    }
}
