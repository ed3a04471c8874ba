//! `-D`: deletes the flows that match, and shows them.
//!
//! The dump and the deletions share the time: as soon as a run of requests is full it is sent,
//! so memory does not grow with the table. A deletion names the flow's id, so a younger flow with
//! the same addresses is spared (compat: cli-12). What vanished by itself is neither shown nor
//! counted.

use std::ops::Range;

use flow::filter::Selection;
use flow::render::xml::Document;
use linux::Errno;
use linux::table::{Batch, DumpKind, Error, Request};
use nfnetlink::conntrack::request::FlowKey;

use super::dump::Flows;
use super::print::{Entry, Printer};
use super::{Console, Done, Failure, worded};
use crate::cli::hiargs::Style;

pub fn run(filter: &Selection, style: &Style, console: &mut Console<'_>) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, DumpKind::Table);
    let mut deletion = Deletion {
        batch: Batch::open()?,
        printer: Printer::new(style),
        lines: Vec::new(),
        count: 0,
    };
    let result = deletion.all(&mut flows, console);
    let out = console.out.buffer();
    // What waits when reading fails is deleted all the same: it was meant.
    let result = result.and(deletion.flush(out).map_err(failure));
    deletion.printer.close_after(result, out)?;
    flows.report(console);
    Ok(Done::counted_or_failed(
        deletion.count,
        "flow entries have been deleted",
    ))
}

fn failure(error: Error) -> Failure {
    worded(error, &[(Errno::NOENT, "such conntrack doesn't exist")])
}

struct Deletion<'a> {
    /// Each request is known by its line.
    batch: Batch<Range<usize>>,
    printer: Printer<'a>,
    /// The lines of the flows in the batch.
    lines: Vec<u8>,
    count: u64,
}

impl Deletion<'_> {
    /// Deletes all flows but the last run of them.
    fn all(&mut self, flows: &mut Flows<'_>, console: &mut Console<'_>) -> Result<(), Failure> {
        loop {
            self.printer.look_at_clock();
            let mut outcome = Ok(());
            let out = console.out.buffer();
            let more = flows.read(|entry| {
                if outcome.is_ok() {
                    outcome = self.add(entry, out);
                }
            })?;
            outcome.map_err(failure)?;
            if !more {
                return Ok(());
            }
            console.out.flush_full()?;
        }
    }

    /// Adds a flow to the run, and sends the run when it is full.
    fn add(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.batch.is_full() {
            self.flush(out)?;
        }
        let start = self.lines.len();
        self.printer.flow_line(&mut self.lines, entry, None);
        let key = FlowKey::exact(entry.object);
        self.batch
            .push(&Request::Delete(&key), start..self.lines.len())
    }

    /// Sends the run and shows what was deleted.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self {
            batch,
            printer,
            lines,
            count,
        } = self;
        let mut failed = None;
        batch.flush(|line, outcome| match outcome {
            Ok(()) => {
                printer.open(out, Document::Flows);
                out.extend_from_slice(lines.get(line).unwrap_or_default());
                *count += 1;
            }
            Err(error) if error.errno == Errno::NOENT => {}
            Err(error) => failed = failed.take().or(Some(error)),
        });
        lines.clear();
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
