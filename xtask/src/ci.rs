//! `cargo xtask ci`: the gate. What it says decides about a change, here and on the server.
//!
//! The quick judges stand first, so that a slip is told within a minute. Advisories of
//! dependencies are not looked up: that needs a network and changes without our doing.

use std::time::Instant;

use testbed::Result;

use crate::{cargo, deny, test, tidy};

/// One judge: a heading and what it runs.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        run: || cargo::run(["fmt", "--all", "--check"]),
    },
    Step {
        name: "tidy",
        run: || tidy::run(&[]),
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "docs",
        run: docs,
    },
    Step {
        name: "deny",
        run: deny::check,
    },
    Step {
        name: "test",
        run: || test::run(&[]),
    },
];

/// Runs the command: every step, until the first that fails.
pub fn run(_: &[String]) -> Result<()> {
    let start = Instant::now();
    for step in STEPS {
        let begun = Instant::now();
        println!("── {}", step.name);
        (step.run)()?;
        println!(
            "── {}: good, {:.0} s\n",
            step.name,
            begun.elapsed().as_secs_f64()
        );
    }
    println!("The gate is open: {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

fn clippy() -> Result<()> {
    let strict = ["--", "--deny", "warnings"];
    let workspace = ["clippy", "--quiet", "--workspace", "--all-targets"];
    cargo::run(workspace.into_iter().chain(strict))?;
    match test::fuzz_manifest() {
        None => Ok(()),
        Some(manifest) => {
            cargo::run(["fmt", "--check", "--manifest-path", &manifest])?;
            let fuzz = [
                "clippy",
                "--quiet",
                "--all-targets",
                "--manifest-path",
                &manifest,
            ];
            cargo::finish(test::in_fuzz(fuzz.into_iter().chain(strict)))
        }
    }
}

fn docs() -> Result<()> {
    let mut command = cargo::command(["doc", "--quiet", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    cargo::finish(command)
}
