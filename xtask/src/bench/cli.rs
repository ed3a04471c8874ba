//! Listing the table: `conntrack -L` of all flows, and the floor below it.

use testbed::{Error, Namespace, Program, Result};

use super::options::Options;
use super::sample::{Metric, Sample, Subject, time};
use super::{empty, fill, floor};

/// A listing takes a second or less: many fit.
const RUNS: u32 = 5;

/// Measures in turns, so that whatever disturbs the machine disturbs both.
pub fn measure(options: &Options) -> Result<Vec<Sample>> {
    let node = Namespace::new("table")?;
    fill(&node, options.flows)?;
    let filled = node.flow_count()?;
    if u32::try_from(filled).ok() != Some(options.flows) {
        let what = format!("{filled} flows in the table instead of {}", options.flows);
        return Err(Error::Unexpected(what));
    }
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
        add(Subject::Floor, Metric::ListWall, floor::dump(&node)?);
        for implementation in &options.implementations {
            let program = implementation.path(Program::Conntrack)?;
            let times = time(&node, &program, &["-L"])?;
            let subject = Subject::Program(*implementation);
            add(subject, Metric::ListWall, times.wall);
            add(subject, Metric::ListUser, times.user);
            add(subject, Metric::ListSystem, times.system);
        }
    }
    empty(&node)?;
    Ok(samples)
}
