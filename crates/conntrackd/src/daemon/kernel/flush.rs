//! Emptying the kernel's table: a dump whose flows are deleted as they come, one portion at a time.
//!
//! Only what the filter of the configuration lets pass goes. The events of the deletions are read
//! afterwards, as fast as they come.

use ctsync::Tables;
use flow::filter::EventFilter;
use linux::Errno;
use linux::table::{self, Batch, Dump, Progress, Request};
use nfnetlink::conntrack::request::FlowKey;

use super::{Kernel, dump_whole_table};
use crate::daemon::report::{Report, Reports};

/// A flush under way.
pub(super) struct Flush {
    /// A dump whose flows are deleted as they come.
    flows: Option<Dump>,
    /// The expectations go at last.
    expectations: bool,
}

impl Kernel {
    /// Begins to delete all flows that pass the filter, or all expectations, or both; goes on with
    /// a flush under way.
    pub fn start_flush(&mut self, tables: Tables, reports: &mut Reports) {
        self.counters.flushes += 1;
        let flush = self.flush.get_or_insert(Flush {
            flows: None,
            expectations: false,
        });
        flush.expectations |= tables.expectations();
        if tables.flows() && flush.flows.is_none() {
            match dump_whole_table() {
                Ok(dump) => flush.flows = Some(dump),
                Err(error) => reports.push(Report::KernelRefused("flush the table", error)),
            }
        }
    }

    /// Leaves the rest of the table as it is.
    pub fn stop_flush(&mut self) {
        self.flush = None;
    }

    /// Deletes one portion of the table.
    pub fn step_flush(&mut self, reports: &mut Reports) {
        let Some(flush) = &mut self.flush else { return };
        if let Some(dump) = &mut flush.flows {
            match delete_next(dump, &mut self.deletions, &self.filter, &mut self.echoes) {
                Ok(Progress::More) => return,
                Ok(Progress::Finished { .. }) => {}
                Err(error) => reports.push(Report::KernelRefused("flush the table", error)),
            }
        }
        if flush.expectations {
            if let Err(error) = delete_expectations(&mut self.deletions) {
                reports.push(Report::KernelRefused("flush the expectations", error));
            }
        }
        self.flush = None;
    }
}

/// Reads one portion of the table and deletes what passes the filter; counts that into `echoes`.
fn delete_next(
    dump: &mut Dump,
    deletions: &mut Batch<()>,
    filter: &EventFilter,
    echoes: &mut usize,
) -> table::Result<Progress> {
    let mut failed = None;
    let progress = dump.read(|entry| {
        let Ok(flow) = entry.and_then(|message| message.flow()) else {
            return;
        };
        let flow = flow.value;
        if !filter.passes(&flow) {
            return;
        }
        if deletions.is_full() {
            delete(deletions, &mut failed);
        }
        *echoes += 1;
        if let Err(error) = deletions.push(&Request::Delete(&FlowKey::exact(&flow)), ()) {
            failed = failed.take().or(Some(error));
        }
    });
    // Also when the reading failed: nothing is left for the next flush.
    delete(deletions, &mut failed);
    failed.map_or(progress, Err)
}

/// Carries out a run of deletions. Flows that ended by themselves meanwhile are no failure.
fn delete(deletions: &mut Batch<()>, failed: &mut Option<table::Error>) {
    deletions.flush(|(), outcome| {
        if let Err(error) = outcome {
            if error.errno != Errno::NOENT {
                *failed = failed.take().or(Some(error.into()));
            }
        }
    });
}

/// Deletes all expectations: they are few, and the kernel does it in one go.
fn delete_expectations(deletions: &mut Batch<()>) -> table::Result<()> {
    let mut failed = None;
    deletions.push(&Request::FlushExpectations, ())?;
    delete(deletions, &mut failed);
    failed.map_or(Ok(()), Err)
}
