//! Room in the kernel's table for those who need many flows.

use std::fs;

use crate::{Error, Result};

/// The kernel's limit of flows, one for all namespaces; it is set in the first one.
const TABLE_LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
/// Flows of others that share the limit.
const OTHERS: u64 = 10_000;

/// A larger limit of the kernel's table, until dropped.
#[derive(Debug)]
pub struct TableLimit {
    before: Option<String>,
}

impl TableLimit {
    /// Raises the limit if so many flows would not fit into one namespace.
    pub fn make_room(flows: u32, say: impl Fn(&str)) -> Result<Self> {
        let failed = || Error::io(TABLE_LIMIT);
        let before = fs::read_to_string(TABLE_LIMIT).map_err(failed())?;
        let needed = u64::from(flows) + OTHERS;
        if before
            .trim()
            .parse()
            .is_ok_and(|limit: u64| limit >= needed)
        {
            return Ok(Self { before: None });
        }
        say(&format!(
            "nf_conntrack_max is {needed} for the time of this run"
        ));
        fs::write(TABLE_LIMIT, needed.to_string()).map_err(failed())?;
        Ok(Self {
            before: Some(before),
        })
    }
}

impl Drop for TableLimit {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Who cannot write it back could not have changed it.
            let _ = fs::write(TABLE_LIMIT, before);
        }
    }
}
