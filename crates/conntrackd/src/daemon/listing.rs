//! The kernel's table as a listing: what `-i` shows where no internal cache is kept.
//!
//! As in stock it has the remaining life and the counters of each flow, and is text also when XML
//! was asked for.

use flow::filter::EventFilter;
use flow::render::{self, Record, Show};
use linux::table::{self, Dump};

use crate::control::connection::{CHUNK_LEN, Progress};
use crate::daemon::kernel::dump_whole_table;

/// A listing under way.
#[derive(Debug)]
pub struct Listing {
    dump: Dump,
    filter: EventFilter,
}

impl Listing {
    /// Begins to list the flows that pass the filter.
    pub fn start(filter: EventFilter) -> table::Result<Self> {
        let dump = dump_whole_table()?;
        Ok(Self { dump, filter })
    }

    /// Appends the next piece. A table that cannot be read on ends the listing.
    pub fn produce(&mut self, out: &mut Vec<u8>) -> Progress {
        while out.len() < CHUNK_LEN {
            let filter = &self.filter;
            let progress = self.dump.read(|entry| {
                let Ok(flow) = entry.and_then(|message| message.flow()) else {
                    return;
                };
                if filter.passes(&flow.value) {
                    render::text(out, &Record::listed(&flow.value, 0), &Show::TABLE);
                    out.push(b'\n');
                }
            });
            match progress {
                Ok(table::Progress::More) => {}
                Ok(table::Progress::Finished { .. }) | Err(_) => return Progress::Done,
            }
        }
        Progress::More
    }
}
