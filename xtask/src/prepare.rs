//! What a command needs before it can begin: our programs as users get them.
//!
//! The demo and the measurement share this; the tests run the programs as `cargo test` builds
//! them.

use std::path::PathBuf;

use testbed::{Error, Result, set_program_folder};

use crate::cargo;

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
