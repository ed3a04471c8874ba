//! `cargo xtask sim`: more seeds than the tests run, or one seed line by line.
//!
//! Seeds run on all processors. A failing one is printed with the command that runs it again. What is
//! laid down of the worlds (`--mode`, `--peers`, …) is part of that command: with other words the same
//! seed is another world.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use ::sim::network::Transport;
use ::sim::scenario::ModeName;
use ::sim::{Report, Wish};
use testbed::{Error, Result};

/// Failing seeds shown, with their first violations.
const SHOWN_MAX: usize = 20;

/// What was asked for.
#[derive(Debug)]
struct Request {
    scenario: Option<String>,
    first: u64,
    seeds: u64,
    only: Option<u64>,
    trace: bool,
    wish: Wish,
    /// The words that made the wish.
    words: String,
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
        let reports = run_many(name.as_deref(), &request);
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
        println!("  run again: {}", replay(&request, report));
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
            replay(&request, report)
        ))),
    }
}

fn parse(args: &[String]) -> Result<Request> {
    let mut request = Request {
        scenario: None,
        first: 0,
        seeds: 200,
        only: None,
        trace: false,
        wish: Wish::ANY,
        words: String::new(),
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
            option => {
                let value = value()?;
                wish(&mut request.wish, option, value)?;
                request.words += &format!("{option} {value} ");
            }
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

/// Lays something down.
fn wish(wish: &mut Wish, option: &str, value: &str) -> Result<()> {
    match option {
        "--mode" => {
            let modes = [
                ("ftfw", ModeName::Ftfw),
                ("notrack", ModeName::Notrack),
                ("alarm", ModeName::Alarm),
            ];
            wish.mode = Some(choice(value, &modes)?);
        }
        "--peers" => wish.hosts = Some(choice(value, &[("1", 2), ("2", 3), ("3", 4)])?),
        "--links" => {
            wish.links = Some(choice(value, &[("1", 1), ("2", 2), ("3", 3), ("4", 4)])?);
        }
        "--transport" => {
            let transports = [
                ("datagrams", Transport::Datagrams),
                ("streams", Transport::Streams),
            ];
            wish.transport = Some(choice(value, &transports)?);
        }
        "--bypass" => wish.bypass = Some(choice(value, &YES_NO)?),
        "--inject" => wish.inject = Some(choice(value, &YES_NO)?),
        "--poll" => wish.poll = Some(choice(value, &YES_NO)?),
        "--expectations" => wish.expectations = Some(choice(value, &YES_NO)?),
        other => return Err(Error::Unexpected(format!("there is no option `{other}`"))),
    }
    Ok(())
}

const YES_NO: [(&str, bool); 2] = [("yes", true), ("no", false)];

fn choice<T: Copy>(word: &str, choices: &[(&str, T)]) -> Result<T> {
    let chosen = choices.iter().find(|(name, _)| *name == word);
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let unknown = || Error::Unexpected(format!("`{word}` is none of: {}", names.join(", ")));
    chosen.map(|(_, choice)| *choice).ok_or_else(unknown)
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
    let Some(report) = ::sim::trace(name, &request.wish, seed) else {
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
fn run_many(name: Option<&str>, request: &Request) -> Vec<Report> {
    let end = request.first + request.seeds;
    let next = AtomicU64::new(request.first);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return reports;
            }
            reports.push(attempt(name, &request.wish, seed));
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
fn attempt(name: Option<&str>, wish: &Wish, seed: u64) -> Report {
    let run = || match name {
        Some(name) => ::sim::run_scenario(name, seed),
        None => Some(::sim::run_wished(seed, wish)),
    };
    let outcome = panic::catch_unwind(run).ok().flatten();
    outcome.unwrap_or_else(|| Report::of_panic(name, seed))
}

/// The command that runs a report's seed again.
fn replay(request: &Request, report: &Report) -> String {
    let scenario = match report.scenario {
        "random" => request.words.clone(),
        name => format!("--scenario {name} "),
    };
    format!("cargo xtask sim {scenario}--seed {} --trace", report.seed)
}
