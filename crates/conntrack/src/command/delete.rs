//! `-D`: deletes the flows that match, and shows them.
//!
//! The dump and the deletions share the time: as soon as a run of requests is full it is sent,
//! so memory does not grow with the table. A deletion names the flow's id, so a younger flow with
//! the same addresses is spared (compat: cli-12). What vanished by itself is neither shown nor
//! counted.

use std::ops::Range;

use flow::filter::FlowFilter;
use flow::render::{self, Record, Show};
use linux::table::{Batch, DumpKind, Error, Request};
use linux::{Errno, clock};
use nfnetlink::conntrack::request::FlowKey;

use super::dump::Flows;
use super::{Console, Done, Failure, worded};

pub fn run(filter: &FlowFilter, show: &Show, console: &mut Console<'_>) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, DumpKind::Table);
    let mut deletion = Deletion {
        batch: Batch::open()?,
        lines: Vec::new(),
        count: 0,
    };
    loop {
        let now = clock::wall().as_secs();
        let mut outcome = Ok(());
        let out = console.out.buffer();
        let more = flows.read(|flow| {
            if outcome.is_ok() {
                outcome = deletion.add(&Record::listed(flow, now), show, out);
            }
        })?;
        outcome.map_err(failure)?;
        if !more {
            break;
        }
        console.out.flush_full()?;
    }
    deletion.flush(console.out.buffer()).map_err(failure)?;
    flows.report(console);
    Ok(Done::counted_or_failed(
        deletion.count,
        "flow entries have been deleted",
    ))
}

fn failure(error: Error) -> Failure {
    worded(error, &[(Errno::NOENT, "such conntrack doesn't exist")])
}

struct Deletion {
    /// Each request is known by its line.
    batch: Batch<Range<usize>>,
    /// The lines of the flows in the batch.
    lines: Vec<u8>,
    count: u64,
}

impl Deletion {
    /// Adds a flow to the run, and sends the run when it is full.
    fn add(&mut self, record: &Record<'_>, show: &Show, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.batch.is_full() {
            self.flush(out)?;
        }
        let start = self.lines.len();
        render::text(&mut self.lines, record, show);
        self.lines.push(b'\n');
        let key = FlowKey::exact(record.flow);
        self.batch
            .push(&Request::Delete(&key), start..self.lines.len())
    }

    /// Sends the run and shows what was deleted.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self {
            batch,
            lines,
            count,
        } = self;
        let mut failed = None;
        batch.flush(|line, outcome| match outcome {
            Ok(()) => {
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
