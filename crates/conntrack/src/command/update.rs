//! `-U`: changes the flows that match, and shows them as they are then.
//!
//! A change goes to the very flow that was found: its zone is part of the request (compat:
//! cli-11). Flows that already are as wanted are left alone and not counted. A flow that is gone
//! before it can be shown was changed all the same: a timeout of 0 ends it (compat: cli-28).

use flow::filter::FlowFilter;
use flow::render::{self, Record, Show};
use linux::table::{Batch, DumpKind, Error, Request, Table};
use linux::{Errno, SystemError, clock};
use nfnetlink::conntrack::request::FlowKey;

use super::dump::Flows;
use super::{Console, Done, Failure};
use crate::cli::hiargs::Change;

pub fn run(
    filter: &FlowFilter,
    change: &Change,
    show: &Show,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut flows = Flows::new(filter, DumpKind::Table);
    let mut updating = Updating {
        batch: Batch::open()?,
        table: Table::open()?,
        show: *show,
        count: 0,
    };
    loop {
        let mut outcome = Ok(());
        let out = console.out.buffer();
        let more = flows.read(|flow| {
            if let (Ok(()), Some(request)) = (&outcome, change.request(flow)) {
                outcome = updating.add(&Request::Update(&request), FlowKey::exact(flow), out);
            }
        })?;
        outcome?;
        if !more {
            break;
        }
        console.out.flush_full()?;
    }
    updating.flush(console.out.buffer())?;
    flows.report(console);
    Ok(Done::counted_or_failed(
        updating.count,
        "flow entries have been updated",
    ))
}

struct Updating {
    batch: Batch<FlowKey>,
    table: Table,
    show: Show,
    count: u64,
}

impl Updating {
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
            Err(error) if error.errno == Errno::NOENT => {}
            Err(error) => failed = failed.take().or(Some(error)),
        });
        let now = clock::wall().as_secs();
        for key in changed {
            self.count += 1;
            self.show_flow(&key, now, out)?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn show_flow(&mut self, key: &FlowKey, now: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        let show = self.show;
        let found = self.table.get(key, |message| {
            if let Ok(flow) = message.flow() {
                render::text(out, &Record::listed(&flow.value, now), &show);
                out.push(b'\n');
            }
        });
        match found {
            Err(error) if error.errno() == Errno::NOENT => Ok(()),
            result => result,
        }
    }
}
