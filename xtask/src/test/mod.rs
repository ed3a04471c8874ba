//! `cargo xtask test`: every test of the project, and how many there are of each kind.
//!
//! Installs what Debian has and the machine lacks, builds, runs the test programs one after
//! another (each with as many threads as its timing allows), then the documentation's examples
//! and the short fuzz run. A test that was ignored or filtered out, a kind without tests, or a
//! namespace left behind is a failure like any other.
//!
//! With kinds as arguments only the programs with tests of these kinds run.

mod kind;
mod matrix;
mod report;
mod runner;

use std::os::linux::fs::MetadataExt;
use std::process::Command;

use testbed::{Error, Result, ensure_packages};

use crate::cargo::{self, TestProgram};
use kind::Kind;
use report::Report;

/// What the namespace tests and the stock peer need.
const PACKAGES: &[&str] = &[
    "conntrack",
    "conntrackd",
    "iproute2",
    "keepalived",
    "nftables",
    "tnftp",
    "vsftpd",
];

/// Runs the command.
pub fn run(args: &[String]) -> Result<()> {
    let wanted = kind::parse(args)?;
    prepare()?;
    let mut report = Report::default();
    let programs = build()?;
    println!();
    for program in programs.iter().filter(|p| kind::may_hold(p, &wanted)) {
        report.add(&runner::run(program)?);
    }
    if wanted.contains(&Kind::Doc) {
        report.add(&runner::run_examples()?);
    }
    if wanted.contains(&Kind::Fuzz) {
        for program in build_fuzz()? {
            report.add(&runner::run(&program)?);
        }
    }
    report.finish(&wanted)
}

/// The manifest of the fuzz targets, a workspace of its own. Nothing if there is none.
pub fn fuzz_manifest() -> Option<String> {
    let manifest = cargo::root().join("fuzz/Cargo.toml");
    manifest
        .exists()
        .then(|| manifest.to_string_lossy().into_owned())
}

/// A call of cargo in the fuzz targets' workspace, which shares our target folder.
pub fn in_fuzz<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = cargo::command(words);
    command.env("CARGO_TARGET_DIR", cargo::root().join("target"));
    command
}

fn prepare() -> Result<()> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|itself| itself.st_uid() == 0);
    if !is_root {
        return Err(Error::Missing {
            what: "root".into(),
            remedy: "the tests make network namespaces; run this as root".into(),
        });
    }
    ensure_packages(PACKAGES, |line| println!("{line}")).map(drop)
}

fn build() -> Result<Vec<TestProgram>> {
    println!("building");
    cargo::run(["build", "--quiet", "--workspace", "--bins"])?;
    cargo::build_tests(cargo::command([
        "test",
        "--quiet",
        "--workspace",
        "--no-run",
    ]))
}

fn build_fuzz() -> Result<Vec<TestProgram>> {
    match fuzz_manifest() {
        None => Ok(vec![]),
        Some(manifest) => cargo::build_tests(in_fuzz([
            "test",
            "--quiet",
            "--release",
            "--no-run",
            "--manifest-path",
            &manifest,
        ])),
    }
}
