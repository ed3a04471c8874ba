//! Calls of cargo.
//!
//! Cargo's own words go to the terminal unread; only the JSON answer that the commands here need
//! is parsed: the test programs that came out of a build.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::{Error, Result};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A call of cargo in the workspace's folder.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(words);
    command
}

/// Runs cargo with its output on the terminal; another status than 0 is an error.
pub fn run<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    finish(command(words))
}

/// Runs a prepared call to its end.
pub fn finish(mut command: Command) -> Result<()> {
    let words = words_of(&command);
    let status = command
        .status()
        .map_err(Error::io(format!("starting `{words}`")))?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Failed {
            command: words,
            status: status.to_string(),
            output: String::new(),
        }),
    }
}

/// The command line as one would type it.
fn words_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    let words = program.into_iter().chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

/// A built test program.
#[derive(Debug)]
pub struct TestProgram {
    /// The package it tests.
    pub package: String,
    /// The folder of that package: where its tests expect to run.
    pub folder: PathBuf,
    /// `flow` for the tests inside of a crate, `golden` for `tests/golden.rs`.
    pub target: String,
    /// Whether it is a file of `tests/` and not the crate itself.
    pub is_integration: bool,
    /// The executable.
    pub path: PathBuf,
}

/// Builds the tests with this call (`test --no-run …`) and says which programs came out.
pub fn build_tests(mut command: Command) -> Result<Vec<TestProgram>> {
    command.arg("--message-format=json-render-diagnostics");
    let line = words_of(&command);
    let failed = || Error::io(format!("`{line}`"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed())?;
    let mut programs = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for message in BufReader::new(stdout).lines() {
            let message = message.map_err(failed())?;
            let value: Value = serde_json::from_str(&message).map_err(|_| unreadable())?;
            programs.extend(test_program_of(&value));
        }
    }
    let status = child.wait().map_err(failed())?;
    if !status.success() {
        return Err(Error::Failed {
            command: line,
            status: status.to_string(),
            output: String::new(),
        });
    }
    programs.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    Ok(programs)
}

/// Nothing for the other messages: libraries, programs, scripts.
fn test_program_of(message: &Value) -> Option<TestProgram> {
    if message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let kind = message["target"]["kind"].as_array()?;
    Some(TestProgram {
        package: folder.file_name()?.to_str()?.into(),
        folder: folder.into(),
        target: message["target"]["name"].as_str()?.into(),
        is_integration: kind.iter().any(|kind| kind == "test"),
        path: message["executable"].as_str()?.into(),
    })
}

fn unreadable() -> Error {
    Error::Unexpected("cargo's answer cannot be read".into())
}
