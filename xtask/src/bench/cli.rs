//! The command line: listing all flows in every format and the floor below it, finding one,
//! loading a file.
//!
//! What is loaded is what stock saves, so both read the same lines.

use std::path::{Path, PathBuf};

use testbed::{Error, Folder, Implementation, Namespace, Program, Result};

use super::options::Options;
use super::sample::{Format, Metric, Sample, Subject, Times, time};
use super::{empty, fill, floor};

/// A command takes a few seconds at most: many fit.
const RUNS: u32 = 5;
/// The source port of one flow of each group, and of no other.
const PORT: &str = "1025";

/// Measures in turns, so that whatever disturbs the machine disturbs both.
pub fn measure(options: &Options) -> Result<Vec<Sample>> {
    let full = Namespace::new("full")?;
    fill(&full, options.flows)?;
    expect(&full, options.flows)?;
    let bare = Namespace::new("bare")?;
    let folder = Folder::new("bench", false)?;
    let saved = save(&full, &folder)?;
    let mut samples = Vec::new();
    for run in 1..=options.runs.unwrap_or(RUNS) {
        let mut add = |subject, metric, value| {
            samples.push(Sample {
                metric,
                subject,
                run,
                flows: options.flows,
                value,
            });
        };
        add(Subject::Floor, Metric::ListWall, floor::dump(&full)?);
        for implementation in &options.implementations {
            let program = implementation.path(Program::Conntrack)?;
            let subject = Subject::Program(*implementation);
            let list = time(&full, &program, &["-L"])?;
            add(subject, Metric::ListWall, list.wall);
            add(subject, Metric::ListUser, list.user);
            add(subject, Metric::ListSystem, list.system);
            for format in Format::ALL {
                let listing = list_as(&full, *implementation, format)?;
                add(subject, Metric::FormatWall(format), listing.wall);
                add(subject, Metric::FormatCpu(format), listing.cpu());
            }
            let find = time(&full, &program, &["-L", "-p", "tcp", "--sport", PORT])?;
            add(subject, Metric::FindWall, find.wall);
            add(subject, Metric::FindCpu, find.cpu());
            let load = time(&bare, &program, &["-R", &saved.to_string_lossy()])?;
            add(subject, Metric::LoadWall, load.wall);
            add(subject, Metric::LoadCpu, load.cpu());
            expect(&bare, options.flows)?;
            empty(&bare)?;
        }
    }
    empty(&full)?;
    Ok(samples)
}

/// A listing in a format, or in the one that stands for it.
fn list_as(node: &Namespace, implementation: Implementation, format: Format) -> Result<Times> {
    let word = match (implementation, format) {
        (Implementation::Stock, Format::Json) => Format::Xml.word(),
        _ => format.word(),
    };
    let program = implementation.path(Program::Conntrack)?;
    time(node, &program, &["-L", "-o", word])
}

/// A measurement of less than all flows would mislead.
fn expect(node: &Namespace, flows: u32) -> Result<()> {
    let filled = node.flow_count()?;
    match u32::try_from(filled).ok() == Some(flows) {
        true => Ok(()),
        false => Err(Error::Unexpected(format!(
            "{filled} flows in the table instead of {flows}"
        ))),
    }
}

fn save(node: &Namespace, folder: &Folder) -> Result<PathBuf> {
    let stock = Implementation::Stock.path(Program::Conntrack)?;
    let lines = node.run(command(&stock, &["-L", "-o", "save"]))?.stdout;
    folder.write("flows", &lines)
}

fn command(program: &Path, args: &[&str]) -> testbed::Command {
    testbed::Command::new(program).args(args.iter().copied())
}
