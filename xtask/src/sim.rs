//! `cargo xtask sim`: more seeds than the tests run, or one seed line by line.
//!
//! Seeds run on all processors. A failing one is printed with the command that runs it again.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use ::sim::Report;
use testbed::{Error, Result};

/// Failing seeds shown, with their first violations.
const SHOWN_MAX: usize = 20;

/// What was asked for.
#[derive(Debug, Default)]
struct Request {
    scenario: Option<String>,
    first: u64,
    seeds: u64,
    only: Option<u64>,
    trace: bool,
}

/// Runs seeds.
pub fn run(args: &[String]) -> Result<()> {
    let request = parse(args)?;
    if let Some(seed) = request.only {
        return run_one(&request, seed);
    }
    let names = scenario_names(&request);
    let started = Instant::now();
    let mut failed = Vec::new();
    let mut changes = 0;
    for name in &names {
        let reports = run_many(name.as_deref(), request.first, request.seeds);
        changes += reports
            .iter()
            .map(|report| report.counts.changes)
            .sum::<u64>();
        failed.extend(
            reports
                .into_iter()
                .filter(|report| !report.violations.is_empty()),
        );
    }
    for report in failed.iter().take(SHOWN_MAX) {
        println!("seed {} of {}:", report.seed, report.scenario);
        for violation in report.violations.iter().take(3) {
            println!("  {violation}");
        }
        println!("  run again: {}", replay(report));
    }
    let runs = u64::try_from(names.len()).unwrap_or(1) * request.seeds;
    println!(
        "{runs} runs, {changes} changes of flows, {} with violations, {:.1} s",
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    match failed.first() {
        None => Ok(()),
        Some(report) => Err(Error::Unexpected(format!(
            "first of them: {}",
            replay(report)
        ))),
    }
}

fn parse(args: &[String]) -> Result<Request> {
    let mut request = Request {
        seeds: 200,
        ..Request::default()
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| Error::Unexpected(format!("{word} needs a value")))
        };
        match word.as_str() {
            "--seeds" => request.seeds = number(value()?)?,
            "--from" => request.first = number(value()?)?,
            "--seed" => request.only = Some(number(value()?)?),
            "--scenario" => request.scenario = Some(value()?.clone()),
            "--trace" => request.trace = true,
            other => return Err(Error::Unexpected(format!("there is no option `{other}`"))),
        }
    }
    if let Some(name) = request.scenario.as_deref().filter(|name| *name != "all") {
        let known: Vec<_> = ::sim::scenario::named().iter().map(|it| it.name).collect();
        if !known.contains(&name) {
            let list = known.join(", ");
            return Err(Error::Unexpected(format!(
                "no scenario `{name}`, but: all, {list}"
            )));
        }
    }
    Ok(request)
}

fn number(word: &str) -> Result<u64> {
    word.parse()
        .map_err(|_| Error::Unexpected(format!("`{word}` is no number")))
}

/// The scenarios to run; `None` is the one that each seed draws.
fn scenario_names(request: &Request) -> Vec<Option<String>> {
    match request.scenario.as_deref() {
        None => vec![None],
        Some("all") => ::sim::scenario::named()
            .iter()
            .map(|it| Some(it.name.to_owned()))
            .collect(),
        Some(name) => vec![Some(name.to_owned())],
    }
}

fn run_one(request: &Request, seed: u64) -> Result<()> {
    let name = request.scenario.as_deref();
    let Some(report) = ::sim::trace(name, seed) else {
        return Err(Error::Unexpected("no such scenario".into()));
    };
    if request.trace {
        for line in &report.trace {
            println!("{line}");
        }
    }
    println!(
        "{:?}\nfingerprint {:016x}",
        report.counts, report.fingerprint
    );
    for violation in &report.violations {
        println!("{violation}");
    }
    if report.violations.is_empty() {
        return Ok(());
    }
    Err(Error::Unexpected(format!("seed {seed} has violations")))
}

/// Runs seeds on all processors; the reports are in the order of the seeds.
fn run_many(name: Option<&str>, first: u64, seeds: u64) -> Vec<Report> {
    let next = AtomicU64::new(first);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return reports;
            }
            reports.push(attempt(name, seed));
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut reports: Vec<Report> = thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().ok())
            .flatten()
            .collect()
    });
    reports.sort_by_key(|report| report.seed);
    reports
}

/// Runs a seed; a panic of a node is a violation like others.
fn attempt(name: Option<&str>, seed: u64) -> Report {
    let run = || match name {
        Some(name) => ::sim::run_scenario(name, seed),
        None => Some(::sim::run(seed)),
    };
    let outcome = panic::catch_unwind(run).ok().flatten();
    outcome.unwrap_or_else(|| Report::of_panic(name, seed))
}

/// The command that runs a report's seed again.
fn replay(report: &Report) -> String {
    let scenario = match report.scenario {
        "random" => String::new(),
        name => format!("--scenario {name} "),
    };
    format!("cargo xtask sim {scenario}--seed {} --trace", report.seed)
}
