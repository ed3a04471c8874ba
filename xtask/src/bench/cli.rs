//! The command line: listing all flows in every format, finding and deleting some, loading a file,
//! following events; and the floor below each.
//!
//! What is loaded is what stock saves, so both read the same lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use testbed::{Error, Folder, Implementation, Namespace, Program, Result};

use super::options::Options;
use super::sample::{Job, Metric, Quantity, Sample, Subject, peak_memory, time};
use super::{empty, events, fill, floor};

/// A command takes a few seconds at most: many fit.
const RUNS: u32 = 5;
/// The source port of one flow of each group, and of no other.
const PORT: u16 = 1025;
/// The destination port of the flows that are deleted, and of no other.
const DOOMED: u16 = 53;

/// What is measured on.
struct Bench<'a> {
    options: &'a Options,
    /// With all flows.
    full: Namespace,
    /// With none.
    bare: Namespace,
    /// Flows as stock saves them.
    saved: PathBuf,
    /// Commands that make the flows that are deleted.
    doomed: PathBuf,
    samples: Vec<Sample>,
}

/// Measures in turns, so that whatever disturbs the machine disturbs both.
pub fn measure(options: &Options) -> Result<Vec<Sample>> {
    let folder = Folder::new("bench", false)?;
    let mut bench = Bench {
        options,
        full: Namespace::new("full")?,
        bare: Namespace::new("bare")?,
        saved: folder.file("flows"),
        doomed: folder.file("doomed"),
        samples: Vec::new(),
    };
    bench.prepare(&folder)?;
    for run in 1..=options.runs.unwrap_or(RUNS) {
        bench.floors(run)?;
        for implementation in &options.implementations {
            for job in Job::ALL {
                bench.job(run, *implementation, job)?;
            }
            bench.events(run, *implementation)?;
        }
    }
    empty(&bench.full)?;
    Ok(bench.samples)
}

impl Bench<'_> {
    fn prepare(&mut self, folder: &Folder) -> Result<()> {
        let flows = self.options.flows_to_load();
        fill(&self.bare, flows)?;
        expect(&self.bare, flows)?;
        let stock = Implementation::Stock.path(Program::Conntrack)?;
        let lines = self
            .bare
            .run(command(&stock, &["-L", "-o", "save"]))?
            .stdout;
        folder.write("flows", &lines)?;
        empty(&self.bare)?;
        let flows = self.options.flows_of_cli();
        fill(&self.full, flows)?;
        expect(&self.full, flows)?;
        let mut lines = String::new();
        for number in 0..self.doomed_count() {
            let [_, _, high, low] = number.to_be_bytes();
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "-I -t 3600 -s 10.255.{high}.{low} -d 192.0.2.9 -p udp --sport 1 --dport {DOOMED}"
            );
        }
        folder.write("doomed", &lines).map(drop)
    }

    fn doomed_count(&self) -> u32 {
        self.options.flows_of_cli() / 100
    }

    fn add(&mut self, run: u32, subject: Subject, metric: Metric, value: f64) {
        let flows = match metric {
            Metric::Command(Job::Load, _)
            | Metric::EventCpu
            | Metric::EventsLost
            | Metric::EventMemory => self.options.flows_to_load(),
            _ => self.options.flows_of_cli(),
        };
        self.samples.push(Sample {
            metric,
            subject,
            run,
            flows,
            value,
        });
    }

    /// The least that each command costs.
    fn floors(&mut self, run: u32) -> Result<()> {
        let list = floor::dump(&self.full)?;
        let find = floor::find(&self.full, PORT)?;
        self.make_doomed()?;
        let delete = floor::delete(&self.full, DOOMED)?;
        expect(&self.full, self.options.flows_of_cli())?;
        let load = floor::load(&self.bare, self.options.flows_to_load())?;
        empty(&self.bare)?;
        for (job, seconds) in [
            (Job::List, list),
            (Job::Extended, list),
            (Job::Xml, list),
            (Job::Save, list),
            (Job::Json, list),
            (Job::Find, find),
            (Job::Delete, delete),
            (Job::Load, load),
        ] {
            self.add(
                run,
                Subject::Floor,
                Metric::Command(job, Quantity::Wall),
                seconds,
            );
        }
        if run == 1 {
            let program = self.options.program()?;
            let idle = peak_memory(&self.bare, &program, &["-V"])?;
            for job in Job::ALL {
                self.add(
                    run,
                    Subject::Floor,
                    Metric::Command(job, Quantity::Memory),
                    idle,
                );
            }
            self.add(run, Subject::Floor, Metric::EventMemory, idle);
        }
        Ok(())
    }

    /// One command, timed; in the first run once more, for its memory.
    fn job(&mut self, run: u32, implementation: Implementation, job: Job) -> Result<()> {
        let program = implementation.path(Program::Conntrack)?;
        let saved = self.saved.to_string_lossy().into_owned();
        let (port, doomed) = (PORT.to_string(), DOOMED.to_string());
        let args: Vec<&str> = match (job, implementation) {
            (Job::List, _) => vec!["-L"],
            (Job::Extended, _) => vec!["-L", "-o", "extended"],
            (Job::Xml, _) | (Job::Json, Implementation::Stock) => vec!["-L", "-o", "xml"],
            (Job::Save, _) => vec!["-L", "-o", "save"],
            (Job::Json, Implementation::Ours) => vec!["-L", "-o", "json"],
            (Job::Find, _) => vec!["-L", "-p", "tcp", "--sport", &port],
            (Job::Delete, _) => vec!["-D", "-p", "udp", "--dport", &doomed],
            (Job::Load, _) => vec!["-R", &saved],
        };
        let subject = Subject::Program(implementation);
        self.before(job)?;
        let times = time(self.node(job), &program, &args)?;
        self.after(job)?;
        for (quantity, value) in [
            (Quantity::Wall, times.wall),
            (Quantity::User, times.user),
            (Quantity::System, times.system),
            (Quantity::Cpu, times.cpu()),
        ] {
            self.add(run, subject, Metric::Command(job, quantity), value);
        }
        if run == 1 {
            self.before(job)?;
            let memory = peak_memory(self.node(job), &program, &args)?;
            self.after(job)?;
            self.add(run, subject, Metric::Command(job, Quantity::Memory), memory);
        }
        Ok(())
    }

    fn node(&self, job: Job) -> &Namespace {
        match job {
            Job::Load => &self.bare,
            _ => &self.full,
        }
    }

    fn before(&self, job: Job) -> Result<()> {
        match job {
            Job::Delete => self.make_doomed(),
            _ => Ok(()),
        }
    }

    /// A measurement of less than all flows would mislead.
    fn after(&self, job: Job) -> Result<()> {
        match job {
            Job::Delete => expect(&self.full, self.options.flows_of_cli()),
            Job::Load => {
                expect(&self.bare, self.options.flows_to_load())?;
                empty(&self.bare)
            }
            _ => Ok(()),
        }
    }

    fn make_doomed(&self) -> Result<()> {
        let stock = Implementation::Stock.path(Program::Conntrack)?;
        let args = ["-R", &*self.doomed.to_string_lossy()];
        self.full.run(command(&stock, &args))?;
        expect(
            &self.full,
            self.options.flows_of_cli() + self.doomed_count(),
        )
    }

    fn events(&mut self, run: u32, implementation: Implementation) -> Result<()> {
        let flows = self.options.flows_to_load();
        let seen = events::follow(&self.bare, implementation, flows)?;
        empty(&self.bare)?;
        let subject = Subject::Program(implementation);
        for (metric, value) in [
            (Metric::EventCpu, seen.cpu_per_event),
            (Metric::EventsLost, seen.lost),
            (Metric::EventMemory, seen.memory),
        ] {
            self.add(run, subject, metric, value);
        }
        Ok(())
    }
}

fn expect(node: &Namespace, flows: u32) -> Result<()> {
    let filled = node.flow_count()?;
    match u32::try_from(filled).ok() == Some(flows) {
        true => Ok(()),
        false => Err(Error::Unexpected(format!(
            "{filled} flows in the table instead of {flows}"
        ))),
    }
}

fn command(program: &Path, args: &[&str]) -> testbed::Command {
    testbed::Command::new(program).args(args.iter().copied())
}
