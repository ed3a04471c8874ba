//! `cargo xtask golden`: writes the golden files anew from what the code produces today.
//!
//! Each golden test rewrites its files when `GOLDEN_WRITE` is set. What changed is for the
//! reviewer of the diff to judge; the tests themselves never write.

use testbed::Result;

use crate::cargo;

/// The packages with golden cases.
const PACKAGES: &[&str] = &["conntrackd", "flow", "nfnetlink"];

/// Runs the command.
pub fn run(_: &[String]) -> Result<()> {
    for package in PACKAGES {
        let mut command = cargo::command(["test", "--quiet", "--test", "golden", "--package"]);
        command.arg(package).env("GOLDEN_WRITE", "1");
        cargo::finish(command)?;
    }
    println!("Written. Look at `git diff`.");
    Ok(())
}
