//! Running one test program and reading what it says.
//!
//! The harness of the standard library prints a line per test and a line of totals. The totals
//! are what counts; the lines only tell the kinds apart. A program that prints no totals, or ends
//! badly without a failed test, has failed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{Error, Result};

use super::kind::{self, Kind};
use super::matrix;
use crate::cargo::{self, TestProgram};

/// Programs whose tests measure time or fill the machine: one test at a time.
/// Named by how their names begin.
const ALONE: &[&str] = &["failover", "rolling_upgrade"];
/// Programs whose tests wait most of the time, for daemons of their own: so many tests at a time,
/// also on a machine with few processors.
const TOGETHER: &[(&str, &str)] = &[
    ("conntrackd", "4"),
    ("counters", "4"),
    ("expectations", "4"),
    ("interop_matrix", "12"),
    ("links", "4"),
    ("weaknesses", "4"),
];

/// What came of one program.
#[derive(Debug)]
pub struct Outcome {
    /// Crate and target.
    pub name: String,
    /// Tests that passed, by kind.
    pub passed: BTreeMap<Kind, u32>,
    /// Tests that failed; at least one if the program itself did.
    pub failed: u32,
    /// Their names, as far as the program got to tell them.
    pub failures: Vec<String>,
    /// Tests that did not run: ignored or filtered out.
    pub skipped: u32,
    /// What the program left behind.
    pub litter: Vec<String>,
    /// What its tests say that they count, in lines of their own that begin with [`COUNT`].
    pub counts: Vec<String>,
}

/// Begins a line in which a test says how much it has looked at.
const COUNT: &str = "count: ";

/// Runs a program and shows one line about it, and its output if anything failed.
pub fn run(program: &TestProgram) -> Result<Outcome> {
    let kind = kind::of_program(&program.package, &program.target, program.is_integration);
    let mut command = Command::new(&program.path);
    command
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder);
    if ALONE.iter().any(|name| program.target.starts_with(name)) {
        command.arg("--test-threads=1");
    }
    let together = TOGETHER.iter().find(|(name, _)| *name == program.target);
    if let Some((_, threads)) =
        together.filter(|_| kind == Kind::Namespaces || kind == Kind::Interop)
    {
        command.args(["--test-threads", threads]);
    }
    // What passing tests say is read for what they count.
    command.arg("--show-output");
    let name = match program.is_integration {
        true => format!("{}/{}", program.package, program.target),
        false => program.package.clone(),
    };
    watch(command, name, kind)
}

/// Runs the examples of the documentation.
pub fn run_examples() -> Result<Outcome> {
    let command = cargo::command([
        "test",
        "--quiet",
        "--workspace",
        "--doc",
        "--",
        "--no-capture",
    ]);
    watch(command, "examples".into(), Kind::Doc)
}

fn watch(mut command: Command, name: String, kind: Kind) -> Result<Outcome> {
    print!("{:<10} {name:<24} ", kind.name());
    // A line that cannot be shown early is shown late.
    let _ = std::io::stdout().flush();
    let start = Instant::now();
    let child = command.stdout(std::process::Stdio::piped());
    let child = child.stderr(std::process::Stdio::piped()).spawn();
    let child = child.map_err(Error::io(format!("starting the tests of {name}")))?;
    let pid = child.id();
    let output = child
        .wait_with_output()
        .map_err(Error::io(format!("running the tests of {name}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut outcome = read(name, &text, kind);
    if !output.status.success() && outcome.failed == 0 {
        outcome.failed = 1;
    }
    outcome.litter = litter_of(pid);
    show(&outcome, start.elapsed());
    if let Some(table) = matrix::table(&text) {
        println!("\n{table}\n");
    }
    if outcome.failed > 0 {
        println!("\n{text}{}", String::from_utf8_lossy(&output.stderr));
        println!(
            "the tests of {} ended with {}\n",
            outcome.name, output.status
        );
    }
    Ok(outcome)
}

fn show(outcome: &Outcome, took: Duration) {
    let passed: u32 = outcome.passed.values().sum();
    let mut line = format!("{passed:>5} passed");
    for (count, what) in [(outcome.failed, "FAILED"), (outcome.skipped, "SKIPPED")] {
        if count > 0 {
            line += &format!(", {count} {what}");
        }
    }
    println!("{line}  {:>6.1} s", took.as_secs_f64());
    for count in &outcome.counts {
        println!("           {count}");
    }
    for name in &outcome.litter {
        println!("           left behind: {name}");
    }
}

/// Reads the harness's words. Examples come as several runs, each with totals of its own.
fn read(name: String, text: &str, program: Kind) -> Outcome {
    let mut outcome = Outcome {
        name,
        passed: BTreeMap::new(),
        failed: 0,
        failures: failures(text),
        skipped: 0,
        litter: vec![],
        counts: text
            .lines()
            .filter_map(|line| line.strip_prefix(COUNT))
            .map(str::to_owned)
            .collect(),
    };
    let mut has_totals = false;
    for line in text.lines() {
        if let Some(totals) = line.strip_prefix("test result: ") {
            has_totals = true;
            *outcome.passed.entry(program).or_default() += number_before(totals, "passed");
            outcome.failed += number_before(totals, "failed");
            outcome.skipped += number_before(totals, "ignored");
            outcome.skipped += number_before(totals, "filtered out");
        }
    }
    outcome.failed += u32::from(!has_totals);
    tell_apart(&mut outcome.passed, text, program);
    outcome
}

/// The names in the list that ends the harness's report, each once.
fn failures(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for list in text.split("\nfailures:\n").skip(1) {
        let lines = list.lines().map_while(|line| line.strip_prefix("    "));
        names.extend(lines.map(str::to_owned));
    }
    names
}

/// Moves the tests of another kind than their program's to where they belong.
fn tell_apart(passed: &mut BTreeMap<Kind, u32>, text: &str, program: Kind) {
    for line in text.lines() {
        let words = line
            .strip_prefix("test ")
            .and_then(|l| l.strip_suffix(" ... ok"));
        let kind = words.map(|path| kind::of_test(program, path));
        let Some(kind) = kind.filter(|kind| *kind != program) else {
            continue;
        };
        if let Some(rest) = passed.get_mut(&program).filter(|count| **count > 0) {
            *rest -= 1;
            *passed.entry(kind).or_default() += 1;
        }
    }
    passed.retain(|_, count| *count > 0);
}

/// The 12 of "ok. 12 passed; 0 failed", 0 if the word is missing.
fn number_before(totals: &str, word: &str) -> u32 {
    let part = totals
        .split(';')
        .find_map(|part| part.trim().strip_suffix(word));
    let number = part.and_then(|part| part.split_whitespace().next_back());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Namespaces that carry the program's pid.
fn litter_of(pid: u32) -> Vec<String> {
    let prefix = format!("ctrs-{pid}-");
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> (Vec<(Kind, u32)>, u32, u32) {
        let outcome = read("x".into(), text, Kind::Unit);
        let passed = outcome.passed.into_iter().collect();
        (passed, outcome.failed, outcome.skipped)
    }

    #[test]
    fn totals_are_read_and_kinds_told_apart() {
        let text = "\
running 3 tests
test tuple::tests::one ... ok
test tuple::property::two ... ok
test golden::three ... ok

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let kinds = vec![(Kind::Unit, 1), (Kind::Property, 1), (Kind::Golden, 1)];
        assert_eq!(counts(text), (kinds, 0, 0));
    }

    #[test]
    fn what_a_test_counts_is_shown() {
        let text = "\
test rows ... ok

successes:

---- rows stdout ----
count: 7 lines, 2 differ

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        assert_eq!(
            read("x".into(), text, Kind::Unit).counts,
            ["7 lines, 2 differ"]
        );
    }

    #[test]
    fn a_line_torn_by_other_output_still_counts() {
        let text = "\
test one ... noise of a child
ok

test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured; 4 filtered out; finished in 1s
";
        assert_eq!(counts(text), (vec![(Kind::Unit, 1)], 2, 7));
    }

    #[test]
    fn several_totals_add_up() {
        let text = "\
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s
";
        assert_eq!(counts(text), (vec![(Kind::Unit, 3)], 0, 1));
    }

    #[test]
    fn failed_tests_are_named() {
        let text = "\
test a::one ... ok
test a::two ... FAILED

failures:

---- a::two stdout ----
Error: what happened

failures:
    a::two

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
";
        assert_eq!(read("x".into(), text, Kind::Unit).failures, ["a::two"]);
    }

    #[test]
    fn a_program_without_totals_has_failed() {
        assert_eq!(counts("Segmentation fault\n"), (vec![], 1, 0));
    }
}
