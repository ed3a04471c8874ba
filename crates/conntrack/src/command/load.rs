//! `-R`: does what the lines of a file say.
//!
//! The file is read twice: nothing is done before every line was checked, and no more than a run of
//! requests is kept. What cannot be read twice, such as a pipe, is kept whole. New flows go to the
//! kernel a hundred at a time, in the order of the lines.
//!
//! The first line that fails ends it. The kernel works through a run to its end, so the lines of
//! the same run behind it were tried as well; each that failed is named (compat: cli-61).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};

use linux::table::{Batch, Error};
use linux::{Errno, SystemError};

use super::{Console, Done, Failure, create, delete, flush, update};
use crate::cli::Environment;
use crate::cli::batch::{Line, Lines, Unreadable};
use crate::cli::hiargs::NewFlow;
use crate::cli::{self, Job};

/// Longest text that is kept.
const TEXT_MAX: u64 = 1024 * 1024 * 1024;

/// Lines between two signs of life.
const PROGRESS_STEP: u64 = 4096;

/// Does what the lines of a file say, `-` for standard input.
pub fn run(
    path: &str,
    environment: &Environment<'_>,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let mut source = (environment.open)(path)
        .and_then(Source::new)
        .map_err(|_| Failure::Open(path.into()))?;
    let total = check(&mut source, path, environment, console)?;
    let mut loading = Loading {
        batch: Batch::open()?,
        waiting: Vec::new(),
    };
    let result = each_line(&mut source, path, |number, line| {
        console.progress(number, total, PROGRESS_STEP);
        // What it warns of was said when it was checked.
        let line = Line::parse(line, environment, &mut Vec::new());
        match line.map_err(|error| Failure::Line(number, error))? {
            Some(line) => loading.line(number, &line.job, console),
            None => Ok(()),
        }
    });
    let result = result.and_then(|_| loading.finish());
    console.end_of_progress();
    result.map(|()| Done::SILENT)
}

/// Checks all lines; their number. What may not stand in a file is told after what is wrong.
fn check(
    source: &mut Source,
    path: &str,
    environment: &Environment<'_>,
    console: &mut Console<'_>,
) -> Result<u64, Failure> {
    let mut refused = None;
    let mut notices = Vec::new();
    let total = each_line(source, path, |number, line| {
        let line = Line::parse(line, environment, &mut notices);
        for notice in notices.drain(..) {
            (console.notice)(&notice);
        }
        let line = line.map_err(|error| Failure::Line(number, error))?;
        if let (None, Some(Err(error))) = (&refused, line.map(|line| line.check())) {
            refused = Some(Failure::Line(number, error));
        }
        Ok(())
    })?;
    refused.map_or(Ok(total), Err)
}

/// Hands each line and its number to `each`; the number of lines.
fn each_line(
    source: &mut Source,
    path: &str,
    mut each: impl FnMut(u64, &str) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let unreadable = || Failure::Open(path.into());
    let mut lines = Lines::new(source.rewound().map_err(|_| unreadable())?);
    let mut count = 0;
    loop {
        match lines.next_line() {
            Ok(Some((number, line))) => {
                each(number, &line)?;
                count = number;
            }
            Ok(None) => return Ok(count),
            Err(Unreadable::Input) => return Err(unreadable()),
            Err(Unreadable::TooLong(number)) => {
                return Err(Failure::Line(number, cli::Error::TooManyWords));
            }
        }
    }
}

/// A text that can be read twice.
enum Source {
    /// A file, and where its text starts.
    File(File, u64),
    /// The text itself.
    Text(Vec<u8>),
}

impl Source {
    fn new(mut file: File) -> io::Result<Self> {
        if let (true, Ok(start)) = (file.metadata()?.is_file(), file.stream_position()) {
            return Ok(Self::File(file, start));
        }
        let mut text = Vec::new();
        let read = file.take(TEXT_MAX + 1).read_to_end(&mut text)?;
        if u64::try_from(read).is_ok_and(|read| read > TEXT_MAX) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Self::Text(text))
    }

    fn rewound(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Self::File(file, start) => {
                file.seek(SeekFrom::Start(*start))?;
                Box::new(BufReader::with_capacity(64 * 1024, &*file))
            }
            Self::Text(text) => Box::new(Cursor::new(text)),
        })
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
