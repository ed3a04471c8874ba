//! Licences, sources and banned crates: `cargo deny` after the rules of `deny.toml`.
//!
//! It is built once, into the target folder, and only for the gate: the README's test command
//! does without. Its database of advisories is not asked; that would need a network.

use std::path::PathBuf;

use testbed::Result;

use crate::cargo;

/// The version that the gate uses: another one may judge otherwise.
const VERSION: &str = "0.20.2";

/// Checks the dependencies.
pub fn check() -> Result<()> {
    let program = folder().join("bin/cargo-deny");
    if !program.exists() {
        println!("building cargo-deny {VERSION}, once (minutes)");
        install()?;
    }
    let mut command = std::process::Command::new(program);
    command.current_dir(cargo::root()).args([
        "--log-level",
        "error",
        "--workspace",
        "check",
        "bans",
        "licenses",
        "sources",
    ]);
    cargo::finish(command)
}

fn install() -> Result<()> {
    let mut command = cargo::command(["install", "--locked", "--quiet", "cargo-deny"]);
    command.args(["--version", VERSION, "--root"]).arg(folder());
    cargo::finish(command)
}

fn folder() -> PathBuf {
    cargo::root().join("target/tools")
}
