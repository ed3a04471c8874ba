//! What a command needs before it can begin: our programs as users get them, and room in the
//! kernel's table.
//!
//! Both are shared by the demo and the measurement; the tests run the programs as `cargo test`
//! builds them.

use std::fs;
use std::path::PathBuf;

use testbed::{Error, Result, set_program_folder};

use crate::cargo;

/// The kernel's limit of flows, one for all namespaces; it is set in the first one.
const TABLE_LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
/// Flows of others that share the limit.
const OTHERS: u64 = 10_000;

/// Builds our programs optimised, and has the testbed take them from there.
pub fn release_programs(say: impl Fn(&str)) -> Result<()> {
    say("building conntrack and conntrackd: cargo build --release");
    let packages = ["--package", "conntrack", "--package", "conntrackd"];
    cargo::run(
        ["build", "--quiet", "--release"]
            .into_iter()
            .chain(packages),
    )?;
    set_program_folder(release_folder()?);
    Ok(())
}

/// Beside the folder from which this program runs.
fn release_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(Error::io("the path of this program"))?;
    let target = own.ancestors().nth(2).unwrap_or(cargo::root());
    Ok(target.join("release"))
}

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
