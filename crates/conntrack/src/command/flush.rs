//! `-F`: empties the table.
//!
//! With a family only that family's flows go (compat: cli-13), and success is claimed only when
//! it happened (compat: cli-26).

use flow::Family;
use flow::filter::KernelFilter;
use linux::table::{Request, Table};

use super::{Done, Failure};

pub fn run(family: Option<Family>) -> Result<Done, Failure> {
    let filter = KernelFilter {
        family,
        ..KernelFilter::default()
    };
    Table::open()?.execute(&Request::Flush(&filter))?;
    Ok(Done {
        summary: Some("connection tracking table has been emptied.".into()),
        status: 0,
    })
}
