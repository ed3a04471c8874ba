//! `-R`: does what the lines of a file say.
//!
//! The file is read twice: nothing is done before every line was checked ([`check`]), and no more than
//! some lines are kept in memory. While the kernel works through one run of a hundred new flows, a
//! second thread reads the lines of those that follow; they are done in the order of the lines.
//!
//! The first line that fails ends it. The kernel works through a run to its end, so the lines of
//! the same run behind it were tried as well; each that failed is named (compat: cli-61).

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use linux::table::{Batch, Error};
use linux::{Errno, SystemError};

use super::{Console, Done, Failure, create, delete, flush, update};
use crate::cli::Environment;
use crate::cli::Job;
use crate::cli::batch::{Line, Lines};
use crate::cli::hiargs::NewFlow;

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
    let unreadable = || Failure::Open(path.into());
    let source = (environment.open)(path).and_then(Source::new);
    let mut source = source.map_err(|_| unreadable())?;
    let chunks = source.chunks().map_err(|_| unreadable())?;
    let total = check::check(chunks, environment, console.notice).map_err(|wrong| match wrong {
        Wrong::Unreadable => unreadable(),
        Wrong::Line(number, error) => Failure::Line(number, error),
    })?;
    let chunks = source.chunks().map_err(|_| unreadable())?;
    let mut loading = Loading {
        batch: Batch::open()?,
        waiting: Vec::new(),
    };
    let (taker, lines) = sync_channel(AHEAD_MAX);
    let result = thread::scope(|scope| {
        scope.spawn(move || read(chunks, path, environment, &taker));
        // Dropped at the end, which ends the reader.
        for jobs in lines {
            let Jobs { jobs, last_line } = jobs?;
            for (number, job) in jobs {
                loading.line(number, &job, console)?;
            }
            console.progress(last_line, total);
        }
        loading.finish()
    });
    console.end_of_progress();
    result.map(|()| Done::SILENT)
}

/// Lines that were understood, with their numbers.
struct Jobs {
    jobs: Vec<(u64, Job)>,
    /// The number of the last line, also of one that asks for nothing.
    last_line: u64,
}

/// Reads the lines of a text that was checked and hands them on, as long as somebody takes them.
fn read(
    mut chunks: Chunks<'_>,
    path: &str,
    environment: &Environment<'_>,
    taker: &SyncSender<Result<Jobs, Failure>>,
) {
    loop {
        let jobs = match chunks.next_chunk() {
            Ok(Some(chunk)) => jobs(&chunk, environment),
            Ok(None) => return,
            Err(_) => Err(Failure::Open(path.into())),
        };
        let is_last = jobs.is_err();
        if taker.send(jobs).is_err() || is_last {
            return;
        }
    }
}

fn jobs(chunk: &Chunk, environment: &Environment<'_>) -> Result<Jobs, Failure> {
    let mut jobs = Vec::with_capacity(512);
    let mut last_line = chunk.first_line;
    let mut lines = Lines::starting_at(chunk.first_line, &*chunk.text);
    while let Ok(Some((number, line))) = lines.next_line() {
        // What it warns of was said when it was checked.
        let line = Line::parse(&line, environment, &mut Vec::new());
        let line = line.map_err(|error| Failure::Line(number, error))?;
        jobs.extend(line.map(|line| (number, line.job)));
        last_line = number;
    }
    Ok(Jobs { jobs, last_line })
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
    fn line(&mut self, number: u64, job: &Job, console: &mut Console<'_>) -> Result<(), Failure> {
        if let Job::Create { flow, or_update } = job {
            let item = Item {
                line: number,
                or_update: *or_update,
                related: flow
                    .as_ref()
                    .filter(|flow| flow.rest.master.is_some())
                    .cloned(),
            };
            return match flow.as_deref() {
                Some(flow) => self.create(item, flow),
                None => {
                    self.flush()?;
                    Err(at(number, create::without_reply(*or_update)))
                }
            };
        }
        // What was asked for before has to be there.
        self.flush()?;
        change(job, console).map_err(|failure| at(number, failure))
    }

    fn create(&mut self, item: Item, flow: &NewFlow) -> Result<(), Failure> {
        if self.batch.is_full() {
            self.flush()?;
        }
        let (line, or_update) = (item.line, item.or_update);
        let flow = flow.flow();
        self.batch
            .push(&create::request(&flow, or_update), item)
            .map_err(|error| at(line, create::failure(error, or_update)))
    }

    /// Sends the run.
    fn flush(&mut self) -> Result<(), Failure> {
        let Self { batch, waiting } = self;
        let mut failed = Vec::new();
        batch.flush(|mut item, outcome| match (outcome, item.related.take()) {
            (Ok(()), _) => {}
            (Err(error), Some(flow)) if error.errno == Errno::NOENT => waiting.push((item, flow)),
            (Err(error), _) => failed.push((item.line, refusal(error, item.or_update))),
        });
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Failure::Lines(failed))
        }
    }

    /// Sends what is left, and then the flows whose masters came late, as long as that helps: a
    /// master may have a master.
    fn finish(&mut self) -> Result<(), Failure> {
        self.flush()?;
        let mut before = usize::MAX;
        while !self.waiting.is_empty() && self.waiting.len() < before {
            before = self.waiting.len();
            for (item, flow) in std::mem::take(&mut self.waiting) {
                let item = Item {
                    related: Some(flow.clone()),
                    ..item
                };
                self.create(item, &flow)?;
            }
            self.flush()?;
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
