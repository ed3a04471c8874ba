//! `-R`: does what the lines of a file say.
//!
//! The file is read twice: nothing is done before every line was checked ([`check`]), and no more than
//! some lines are kept in memory. While the kernel works through one run of a hundred new flows, a
//! second thread reads the lines of those that follow; they are done in the order of the lines.
//!
//! The first line that fails ends it. The kernel works through a run to its end, so the lines of
//! the same run behind it were tried as well; each that failed is named (compat: cli-61).

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;

use linux::table::{Batch, Error, Run};
use linux::{Errno, SystemError};

use super::{Console, Done, Failure, create, delete, flush, update};
use crate::cli::Environment;
use crate::cli::Job;
use crate::cli::batch::{Line, TextLines};
use crate::cli::hiargs::NewFlow;
use crate::files;

mod check;
mod source;

use check::Wrong;
use source::{Chunk, Chunks, Source};

/// Chunks of lines that are read before their turn.
const AHEAD_MAX: usize = 2;

/// Does what the lines of a file say, `-` for standard input.
pub fn run(
    path: &str,
    environment: &Environment<'_>,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let unreadable = |error: &io::Error| Failure::Open(path.into(), Some(files::reason(error)));
    let source = (environment.open)(path).and_then(Source::new);
    let mut source = source.map_err(|error| unreadable(&error))?;
    let chunks = source.chunks().map_err(|error| unreadable(&error))?;
    let total = check::check(chunks, environment, console.notice).map_err(|wrong| match wrong {
        Wrong::Unreadable => Failure::Open(path.into(), None),
        Wrong::Line(number, error) => Failure::Line(number, error),
    })?;
    let chunks = source.chunks().map_err(|error| unreadable(&error))?;
    let mut loading = Loading {
        batch: Batch::open()?,
        waiting: Vec::new(),
    };
    let (taker, taken) = sync_channel(AHEAD_MAX);
    let beside = thread::scope(|scope| {
        let read = move || read(chunks, path, environment, |steps| taker.send(steps).is_ok());
        let reader = thread::Builder::new().name("read".into());
        reader.spawn_scoped(scope, read).ok()?;
        // Dropped at the end, which ends the reader.
        let mut steps = taken.into_iter();
        Some(steps.try_for_each(|steps| loading.steps(steps?, console, total)))
    });
    let result = match beside {
        Some(result) => result,
        // Where no thread can be started, one thing is done after the other.
        None => {
            let chunks = source.chunks().map_err(|error| unreadable(&error))?;
            let mut result = Ok(());
            read(chunks, path, environment, |steps| {
                result = steps.and_then(|steps| loading.steps(steps, console, total));
                result.is_ok()
            });
            result
        }
    };
    let result = result.and_then(|()| loading.finish());
    console.end_of_progress();
    result.map(|()| Done::SILENT)
}

/// What is to be done, in this order.
enum Step {
    /// Make these flows.
    Run(Run<Item>),
    /// Do what the line of this number asks for.
    Job(u64, Box<Job>),
    /// A line that was understood and cannot be asked of the kernel.
    Refused(u64, Failure),
}

/// What the lines of a chunk ask for.
struct Steps {
    steps: Vec<Step>,
    /// The number of the last line, also of one that asks for nothing.
    last_line: u64,
}

/// Reads the lines of a text that was checked and hands on what they ask for, as long as somebody
/// takes it.
fn read(
    mut chunks: Chunks<'_>,
    path: &str,
    environment: &Environment<'_>,
    mut take: impl FnMut(Result<Steps, Failure>) -> bool,
) {
    let mut reading = Reading {
        run: Run::new(),
        steps: Vec::new(),
    };
    loop {
        let (steps, is_last) = match chunks.next_chunk() {
            Ok(Some(chunk)) => (reading.chunk(&chunk, environment), false),
            Ok(None) => (Ok(reading.rest()), true),
            Err(error) => {
                let reason = Some(files::reason(&error));
                (Err(Failure::Open(path.into(), reason)), true)
            }
        };
        let is_last = is_last || steps.is_err();
        if !take(steps) || is_last {
            return;
        }
    }
}

/// Lines on their way to the kernel.
struct Reading {
    /// New flows of which the run is not full yet.
    run: Run<Item>,
    steps: Vec<Step>,
}

impl Reading {
    fn chunk(&mut self, chunk: &Chunk, environment: &Environment<'_>) -> Result<Steps, Failure> {
        let mut last_line = chunk.first_line;
        let mut lines = TextLines::starting_at(chunk.first_line, &chunk.text);
        while let Ok(Some((number, line))) = lines.next_line() {
            // What it warns of was said when it was checked.
            let line = Line::parse(&line, environment, &mut Vec::new());
            match line.map_err(|error| Failure::Line(number, error))? {
                Some(Line {
                    job: Job::Create { flow, or_update },
                    ..
                }) => self.create(number, flow, or_update),
                Some(line) => {
                    // What was asked for before has to be there.
                    self.end_run();
                    self.steps.push(Step::Job(number, Box::new(line.job)));
                }
                None => {}
            }
            last_line = number;
        }
        Ok(Steps {
            steps: std::mem::take(&mut self.steps),
            last_line,
        })
    }

    fn create(&mut self, line: u64, flow: Option<Box<NewFlow>>, or_update: bool) {
        let Some(flow) = flow else {
            self.end_run();
            let refused = Step::Refused(line, create::without_reply(or_update));
            return self.steps.push(refused);
        };
        if self.run.is_full() {
            self.end_run();
        }
        let request = flow.flow();
        let item = Item {
            line,
            or_update,
            related: flow.rest.master.is_some().then(|| flow.clone()),
        };
        let pushed = self.run.push(&create::request(&request, or_update), item);
        if let Err(error) = pushed {
            self.end_run();
            let refused = Step::Refused(line, create::failure(error, or_update));
            self.steps.push(refused);
        }
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            let run = std::mem::replace(&mut self.run, Run::new());
            self.steps.push(Step::Run(run));
        }
    }

    fn rest(&mut self) -> Steps {
        self.end_run();
        Steps {
            steps: std::mem::take(&mut self.steps),
            last_line: 0,
        }
    }
}

/// A new flow on its way.
struct Item {
    line: u64,
    or_update: bool,
    /// The flow, if it belongs to another one that may not exist yet.
    related: Option<Box<NewFlow>>,
}

/// Lines that are being done.
struct Loading {
    batch: Batch<Item>,
    /// Flows whose master was not there; it may stand further down.
    waiting: Vec<(Item, Box<NewFlow>)>,
}

impl Loading {
    /// Does what the lines of a chunk ask for; `total` lines there are in all.
    fn steps(
        &mut self,
        steps: Steps,
        console: &mut Console<'_>,
        total: u64,
    ) -> Result<(), Failure> {
        let Steps { steps, last_line } = steps;
        for step in steps {
            self.step(step, console)?;
        }
        if last_line > 0 {
            console.progress(last_line, total);
        }
        Ok(())
    }

    fn step(&mut self, step: Step, console: &mut Console<'_>) -> Result<(), Failure> {
        match step {
            Step::Run(mut run) => self.send(&mut run),
            Step::Job(line, job) => change(&job, console).map_err(|failure| at(line, failure)),
            Step::Refused(line, failure) => Err(at(line, failure)),
        }
    }

    /// Makes the flows of a run.
    fn send(&mut self, run: &mut Run<Item>) -> Result<(), Failure> {
        let Self { batch, waiting } = self;
        let mut failed = Vec::new();
        batch.send(run, |mut item, outcome| {
            match (outcome, item.related.take()) {
                (Ok(()), _) => {}
                (Err(error), Some(flow)) if error.errno == Errno::NOENT => {
                    waiting.push((item, flow))
                }
                (Err(error), _) => failed.push((item.line, refusal(error, item.or_update))),
            }
        });
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Failure::Lines(failed))
        }
    }

    /// Makes the flows whose masters came late, as long as that helps: a master may have a master.
    fn finish(&mut self) -> Result<(), Failure> {
        let mut before = usize::MAX;
        while !self.waiting.is_empty() && self.waiting.len() < before {
            before = self.waiting.len();
            self.try_waiting()?;
        }
        let no_master = |(item, _): (Item, _)| {
            let error = SystemError::new("create flow", Errno::NOENT);
            (item.line, refusal(error, item.or_update))
        };
        let lost: Vec<_> = self.waiting.drain(..).map(no_master).collect();
        if lost.is_empty() {
            Ok(())
        } else {
            Err(Failure::Lines(lost))
        }
    }

    fn try_waiting(&mut self) -> Result<(), Failure> {
        let mut run = Run::new();
        for (
            Item {
                line, or_update, ..
            },
            flow,
        ) in std::mem::take(&mut self.waiting)
        {
            if run.is_full() {
                self.send(&mut run)?;
            }
            let item = Item {
                line,
                or_update,
                related: Some(flow.clone()),
            };
            run.push(&create::request(&flow.flow(), or_update), item)
                .map_err(|error| at(line, create::failure(error, or_update)))?;
        }
        self.send(&mut run)
    }
}

fn refusal(error: SystemError, or_update: bool) -> Failure {
    create::failure(Error::from(error), or_update)
}

fn at(line: u64, failure: Failure) -> Failure {
    Failure::Lines(vec![(line, failure)])
}

/// Does a job that is not the creation of a flow; that nothing matched is no failure here.
fn change(job: &Job, console: &mut Console<'_>) -> Result<(), Failure> {
    match job {
        Job::Update {
            filter,
            change,
            style,
        } => update::run(filter, change, style, console).map(drop),
        Job::Delete { filter, style } => delete::run(filter, style, console).map(drop),
        Job::Flush(family) => {
            let done = flush::run(*family)?;
            if let Some(summary) = done.summary {
                (console.notice)(&format!("{}{summary}", crate::PREFIX));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
