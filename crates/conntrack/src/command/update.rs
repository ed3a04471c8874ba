//! `-U`: changes the flows that match, and shows them as they are then.
//!
//! A change goes to the very flow that was found: its zone is part of the request (compat:
//! cli-11). Flows that already are as wanted are left alone and not counted. A flow that is gone
//! before it can be shown was changed all the same: a timeout of 0 ends it (compat: cli-28).

use flow::filter::Selection;
use linux::table::{Batch, DumpKind, Error, Request, Table};
use linux::{Errno, SystemError};
use nfnetlink::conntrack::request::FlowKey;

use super::dump::Flows;
use super::print::{Entry, Printer};
use super::{Console, Done, Failure};
use crate::cli::hiargs::{Change, Style};

pub fn run(
    filter: &Selection,
    change: &Change,
    style: &Style,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, DumpKind::Table);
    let mut updating = Updating {
        batch: Batch::open()?,
        table: Table::open()?,
        printer: Printer::new(style),
        count: 0,
    };
    let result = updating.all(&mut flows, change, console);
    let out = console.out.buffer();
    // What waits when reading fails is changed all the same: it was meant.
    let result = result.and(updating.flush(out).map_err(Failure::from));
    updating.printer.close_after(result, out)?;
    flows.report(console);
    Ok(Done::counted_or_failed(
        updating.count,
        "flow entries have been updated",
    ))
}

struct Updating<'a> {
    batch: Batch<FlowKey>,
    table: Table,
    printer: Printer<'a>,
    count: u64,
}

impl Updating<'_> {
    /// Changes all flows but the last run of them.
    fn all(
        &mut self,
        flows: &mut Flows<'_>,
        change: &Change,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        loop {
            let mut outcome = Ok(());
            let out = console.out.buffer();
            let more = flows.read(|entry| {
                let flow = entry.object;
                if let (Ok(()), Some(request)) = (&outcome, change.request(flow)) {
                    outcome = self.add(&Request::Update(&request), FlowKey::exact(flow), out);
                }
            })?;
            outcome?;
            if !more {
                return Ok(());
            }
            console.out.flush_full()?;
        }
    }

    /// Adds a change to the run, and sends the run when it is full.
    fn add(
        &mut self,
        request: &Request<'_, '_>,
        key: FlowKey,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.batch.is_full() {
            self.flush(out)?;
        }
        self.batch.push(request, key)
    }

    /// Sends the run and shows the flows that were changed.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        // A run is at most a hundred changes.
        let mut changed = Vec::with_capacity(self.batch.len());
        let mut failed: Option<SystemError> = None;
        self.batch.flush(|key, outcome| match outcome {
            Ok(()) => changed.push(key),
            // Gone, or made when nobody asked for labels and therefore without room for them.
            Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOSPC) => {}
            Err(error) => failed = failed.take().or(Some(error)),
        });
        self.printer.look_at_clock();
        for key in changed {
            self.count += 1;
            self.show_flow(&key, out)?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn show_flow(&mut self, key: &FlowKey, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { table, printer, .. } = self;
        let found = table.get(key, |message| {
            if let Ok(flow) = message.flow() {
                printer.flow(out, &Entry::new(&flow, &message.unknown()));
            }
        });
        match found {
            Err(error) if error.errno() == Errno::NOENT => Ok(()),
            result => result,
        }
    }
}
