//! Checking all lines before the first one is done.
//!
//! Several threads check, as many as there are processors but no more than a few: the kernel cannot
//! be kept busy meanwhile. What is wrong is told as if the lines were checked in their order.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::source::{Chunk, Chunks};
use crate::cli::batch::{Line, TextLines, Unreadable};
use crate::cli::{self, Environment};

/// Most threads.
const THREADS_MAX: usize = 4;

/// Chunks that wait for each thread.
const WAITING_MAX: usize = 2;

/// Why the lines are not to be done.
#[derive(Debug)]
pub enum Wrong {
    /// The text could not be read.
    Unreadable,
    /// What is wrong with the line of this number.
    Line(u64, cli::Error),
}

/// What came of some lines.
#[derive(Debug, Default)]
struct Outcome {
    /// Where they stand in the text.
    place: usize,
    /// Warnings, up to a wrong line.
    notices: Vec<String>,
    lines: u64,
    wrong: Option<(u64, cli::Error)>,
    /// The first line that may not stand in a file.
    refused: Option<(u64, cli::Error)>,
}

/// Checks all lines; their number. What may not stand in a file is told after what is wrong.
pub fn check(
    mut chunks: Chunks<'_>,
    environment: &Environment<'_>,
    notice: &mut dyn FnMut(&str),
) -> Result<u64, Wrong> {
    let unreadable = |_| Wrong::Unreadable;
    let Some(first) = chunks.next_chunk().map_err(unreadable)? else {
        return Ok(0);
    };
    let outcomes = match chunks.next_chunk().map_err(unreadable)? {
        None => vec![check_chunk(0, &first, environment)],
        Some(second) => check_all([first, second], chunks, environment)?,
    };
    let mut refused = None;
    let mut total = 0;
    for outcome in outcomes {
        outcome.notices.iter().for_each(|text| notice(text));
        if let Some((number, error)) = outcome.wrong {
            return Err(Wrong::Line(number, error));
        }
        refused = refused.or(outcome.refused);
        total += outcome.lines;
    }
    match refused {
        Some((number, error)) => Err(Wrong::Line(number, error)),
        None => Ok(total),
    }
}

/// The outcomes in the order of the text, up to the first that is wrong.
fn check_all(
    first: [Chunk; 2],
    mut rest: Chunks<'_>,
    environment: &Environment<'_>,
) -> Result<Vec<Outcome>, Wrong> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(THREADS_MAX);
    let (sender, receiver) = sync_channel(threads * WAITING_MAX);
    let receiver = Mutex::new(receiver);
    thread::scope(|scope| {
        let worker = |_| {
            let name = thread::Builder::new().name("check".into());
            name.spawn_scoped(scope, || work(&receiver, environment))
                .ok()
        };
        let workers: Vec<_> = (0..threads).filter_map(worker).collect();
        let mut outcomes = Vec::new();
        let next = in_order(first, &mut rest);
        let read = match workers.is_empty() {
            false => hand_out(next, &sender),
            true => check_here(next, environment, &mut outcomes),
        };
        // Ends the workers when they are done.
        drop(sender);
        for worker in workers {
            match worker.join() {
                Ok(some) => outcomes.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcomes.sort_unstable_by_key(|outcome: &Outcome| outcome.place);
        let wrong = outcomes.iter().position(|outcome| outcome.wrong.is_some());
        match (wrong, read) {
            (Some(place), _) => outcomes.truncate(place + 1),
            (None, Err(())) => return Err(Wrong::Unreadable),
            (None, Ok(())) => {}
        }
        Ok(outcomes)
    })
}

/// The chunks of a text, each with its place.
fn in_order<'a>(
    first: [Chunk; 2],
    rest: &'a mut Chunks<'_>,
) -> impl Iterator<Item = Result<(usize, Chunk), ()>> + 'a {
    let rest = std::iter::from_fn(|| rest.next_chunk().map_err(|_| ()).transpose());
    let chunks = first.into_iter().map(Ok).chain(rest);
    let placed = chunks.enumerate();
    placed.map(|(place, chunk)| chunk.map(|chunk| (place, chunk)))
}

/// Hands out the chunks of a text, as long as somebody takes them.
fn hand_out(
    chunks: impl Iterator<Item = Result<(usize, Chunk), ()>>,
    workers: &SyncSender<(usize, Chunk)>,
) -> Result<(), ()> {
    for chunk in chunks {
        if workers.send(chunk?).is_err() {
            break;
        }
    }
    Ok(())
}

/// Checks the chunks up to one that is wrong, where no thread can be started for it.
fn check_here(
    chunks: impl Iterator<Item = Result<(usize, Chunk), ()>>,
    environment: &Environment<'_>,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), ()> {
    for chunk in chunks {
        let (place, chunk) = chunk?;
        add(outcomes, check_chunk(place, &chunk, environment));
        if outcomes.last().is_some_and(|last| last.wrong.is_some()) {
            break;
        }
    }
    Ok(())
}

/// Checks chunks until there are no more, or one is wrong.
fn work(chunks: &Mutex<Receiver<(usize, Chunk)>>, environment: &Environment<'_>) -> Vec<Outcome> {
    let next = || {
        let chunks = chunks.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.recv().ok()
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    while let Some((place, chunk)) = next() {
        // Chunks are handed out in order: none that is still to come can hold an earlier line.
        let is_over = outcomes.last().is_some_and(|last| last.wrong.is_some());
        if !is_over {
            add(&mut outcomes, check_chunk(place, &chunk, environment));
        }
    }
    outcomes
}

/// Adds an outcome; one about which there is nothing to say joins that before it.
fn add(outcomes: &mut Vec<Outcome>, outcome: Outcome) {
    let is_silent = |outcome: &Outcome| {
        outcome.notices.is_empty() && outcome.wrong.is_none() && outcome.refused.is_none()
    };
    match outcomes.last_mut() {
        Some(last) if is_silent(last) && is_silent(&outcome) => last.lines += outcome.lines,
        _ => outcomes.push(outcome),
    }
}

fn check_chunk(place: usize, chunk: &Chunk, environment: &Environment<'_>) -> Outcome {
    let mut outcome = Outcome {
        place,
        ..Outcome::default()
    };
    let mut lines = TextLines::starting_at(chunk.first_line, &chunk.text);
    loop {
        let (number, line) = match lines.next_line() {
            Ok(Some(line)) => line,
            // Memory can be read.
            Ok(None) | Err(Unreadable::Input) => return outcome,
            Err(Unreadable::TooLong(number)) => {
                outcome.wrong = Some((number, cli::Error::TooManyWords));
                return outcome;
            }
        };
        outcome.lines += 1;
        match Line::parse(&line, environment, &mut outcome.notices) {
            Err(error) => {
                outcome.wrong = Some((number, error));
                return outcome;
            }
            Ok(Some(line)) if outcome.refused.is_none() => {
                outcome.refused = line.check().err().map(|error| (number, error));
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::load::source::Source;

    fn checked(text: &str) -> (Result<u64, Wrong>, Vec<String>) {
        let environment = Environment {
            posix: false,
            protocol_number: &|_| None,
            labels: &|_| Err("no file".into()),
            open: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let mut source = Source::Text(text.as_bytes().to_vec());
        let mut notices = Vec::new();
        let result = check(source.chunks().unwrap(), &environment, &mut |notice| {
            notices.push(notice.to_owned());
        });
        (result, notices)
    }

    /// Many chunks, so that threads take part.
    fn text(lines: usize, special: &[(usize, &str)]) -> String {
        let line = |number: usize| {
            let special = special.iter().find(|(at, _)| *at == number);
            let line = special.map_or("-D -s 10.0.0.1 -p udp --sport 5", |(_, line)| *line);
            format!("{line}\n")
        };
        (1..=lines).map(line).collect()
    }

    #[test]
    fn all_lines_are_checked() {
        for lines in [0, 1, 10, 20_000] {
            assert!(matches!(checked(&text(lines, &[])).0, Ok(count) if count == lines as u64));
        }
    }

    #[test]
    fn the_first_wrong_line_is_told_whoever_finds_it() {
        let wrong = [
            (8_000, "-Q"),
            (8_001, "-L"),
            (12_000, "-X"),
            (19_999, "-D -s x"),
        ];
        for _ in 0..10 {
            let (result, _) = checked(&text(20_000, &wrong));
            let Err(Wrong::Line(8_000, error)) = result else {
                panic!("{result:?}");
            };
            assert_eq!(error.to_string(), "unknown option `-Q'");
        }
        // What may not stand in a file is told after what is wrong.
        let (result, _) = checked(&text(20_000, &[(5, "-L"), (19_000, "-Q")]));
        assert!(matches!(result, Err(Wrong::Line(19_000, _))), "{result:?}");
        let (result, _) = checked(&text(20_000, &[(5, "-L"), (18_000, "-E")]));
        assert!(matches!(result, Err(Wrong::Line(5, _))), "{result:?}");
    }

    #[test]
    fn warnings_come_in_order_and_end_with_the_first_wrong_line() {
        let warned = |number| (number, "-D -o s -w 7");
        let special = [warned(3), warned(10_000), (14_000, "-Q"), warned(18_000)];
        let (_, notices) = checked(&text(20_000, &special));
        assert_eq!(
            notices,
            ["WARNING: ignoring SRC_NAT, use --src-nat instead"; 2]
        );
    }
}
