//! `cargo xtask bench`: ours beside stock, in one run on one machine.
//!
//! Ratios travel to other machines, absolute numbers do not; so both implementations do the same
//! work in turns, and the table shows medians and ratios. Flows are synthetic and are written by
//! stock's command line whichever implementation is looked at. Nothing here judges: a limit on
//! time would fail on a busy machine and prove nothing.

mod cli;
mod events;
mod floor;
mod options;
mod sample;
mod sync;
mod table;

use std::fs;
use std::thread;

use testbed::{
    Error, Group, Implementation, Namespace, Result, TableLimit, catch_interrupts, ensure_packages,
};

use crate::prepare;
use options::{Options, Part, Request};
use sample::Sample;

/// Flows per group: see [`Group`].
const GROUP: u32 = 50_000;

/// Runs the command.
pub fn run(args: &[String]) -> Result<()> {
    match Request::parse(args)? {
        Request::Help => {
            print!("{}", options::HELP);
            Ok(())
        }
        Request::Measure(options) => {
            catch_interrupts()?;
            measure(&options)
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    // With --json, standard output is for the numbers alone.
    let say = |line: &str| eprintln!("{line}");
    if !testbed::is_root() {
        return Err(Error::Missing {
            what: "root".into(),
            remedy: "the measurement makes network namespaces; run it as root".into(),
        });
    }
    ensure_packages(&["conntrack", "conntrackd", "iproute2", "time"], say)?;
    if options.implementations.contains(&Implementation::Ours) {
        prepare::release_programs(say)?;
    }
    let _limit = TableLimit::make_room(options.most_flows(), say)?;
    if !options.json {
        println!("{}", conditions()?);
    }
    let mut samples = Vec::new();
    if options.parts.contains(&Part::Cli) {
        samples.extend(show(options, cli::measure(options)?)?);
    }
    if options.parts.contains(&Part::Sync) {
        samples.extend(show(options, sync::measure(options)?)?);
    }
    if samples.is_empty() {
        return Err(Error::Unexpected("nothing was measured".into()));
    }
    Ok(())
}

/// What the numbers depend on; who reads them later wants to know.
fn conditions() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).map_err(Error::io(path));
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let kernel = kernel.trim_end();
    Ok(format!(
        "Linux {kernel}, {processors} processors, load {load} before the start"
    ))
}

/// Shows the samples of one part as soon as they are complete.
fn show(options: &Options, samples: Vec<Sample>) -> Result<Vec<Sample>> {
    match options.json {
        true => samples
            .iter()
            .for_each(|sample| println!("{}", sample.json())),
        false => print!("{}", table::render(&samples)),
    }
    Ok(samples)
}

/// Writes so many flows into the node's table.
fn fill(node: &Namespace, flows: u32) -> Result<()> {
    for (number, first) in (1..).zip((0..flows).step_by(GROUP as usize)) {
        let size = GROUP.min(flows - first);
        Group { number, size }.create(node)?;
    }
    Ok(())
}

/// Empties the node's table: with its namespace it would go some time later.
fn empty(node: &Namespace) -> Result<()> {
    node.run("conntrack -F").map(drop)
}
