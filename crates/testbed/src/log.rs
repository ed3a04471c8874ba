//! What a process printed, line by line, with the time at which each line arrived.
//!
//! Lines come from a pipe or from a log file that is followed. A log holds the last
//! `LINES_MAX` lines; older ones are forgotten, their count is not, so a [`Mark`] stays valid.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Lines kept per log.
const LINES_MAX: usize = 10_000;
/// Lines of each log shown when a wait times out.
const TAIL: usize = 60;
/// Between two looks at a log file that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(4);

/// One line of a log.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it arrived.
    pub at: Instant,
    /// What it says, without the line end.
    pub text: String,
}

/// A place in a log, to search from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// A shared handle on the lines of one process.
#[derive(Clone)]
pub struct Log {
    name: Arc<str>,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<Line>,
    forgotten: usize,
}

/// A log by name that does not keep its lines alive.
type Opened = (Arc<str>, Weak<Mutex<Lines>>);

thread_local! {
    /// The logs that this thread has opened: one test is one thread.
    static OPENED: RefCell<Vec<Opened>> = const { RefCell::new(Vec::new()) };
}

impl Log {
    /// An empty log, shown by this thread's waits when they time out.
    pub fn new(name: &str) -> Self {
        let log = Self {
            name: name.into(),
            lines: Arc::default(),
        };
        OPENED.with_borrow_mut(|opened| {
            opened.retain(|(_, lines)| lines.strong_count() > 0);
            opened.push((log.name.clone(), Arc::downgrade(&log.lines)));
        });
        log
    }

    /// Adds a line as arrived now.
    pub fn push(&self, text: &str) {
        let mut lines = self.lock();
        if lines.kept.len() == LINES_MAX {
            lines.kept.pop_front();
            lines.forgotten += 1;
        }
        lines.kept.push_back(Line {
            at: Instant::now(),
            text: text.into(),
        });
    }

    /// The end as of now: a search from here sees only later lines.
    pub fn mark(&self) -> Mark {
        Mark(self.arrived())
    }

    /// How many lines have ever arrived.
    pub(crate) fn arrived(&self) -> usize {
        let lines = self.lock();
        lines.forgotten + lines.kept.len()
    }

    /// The first line from `mark` on that contains `needle`.
    pub fn find(&self, mark: Mark, needle: &str) -> Option<Line> {
        self.since(mark)
            .into_iter()
            .find(|line| line.text.contains(needle))
    }

    /// All lines from `mark` on that are still kept.
    pub fn since(&self, mark: Mark) -> Vec<Line> {
        let lines = self.lock();
        lines
            .kept
            .iter()
            .skip(mark.0.saturating_sub(lines.forgotten))
            .cloned()
            .collect()
    }

    /// The lines from `mark` on, and moves the mark behind them.
    pub fn news(&self, mark: &mut Mark) -> Vec<Line> {
        let lines = self.since(*mark);
        mark.0 += lines.len();
        lines
    }

    /// All lines that are still kept.
    pub fn lines(&self) -> Vec<Line> {
        self.since(Mark::default())
    }

    /// Reads `pipe` to its end in a thread of its own.
    pub(crate) fn read(&self, pipe: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
                log.push(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
        });
    }

    /// Follows the file at `path`, which need not exist yet, until the log is dropped elsewhere.
    pub fn follow(&self, path: PathBuf) {
        let (name, lines) = (self.name.clone(), Arc::downgrade(&self.lines));
        thread::spawn(move || {
            let mut follower = Follower {
                path,
                file: None,
                partial: String::new(),
            };
            while let Some(lines) = lines.upgrade() {
                follower.advance(&Self {
                    name: name.clone(),
                    lines,
                });
                thread::sleep(FOLLOW_INTERVAL);
            }
        });
    }

    /// Its last lines, for people.
    pub(crate) fn tail(&self) -> String {
        let lines = self.lock();
        let mut text = format!("\n  --- end of the log of {}", self.name);
        let skip = lines.kept.len().saturating_sub(TAIL);
        for line in lines.kept.iter().skip(skip) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  | {}", line.text);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic while the lock was held cannot leave half a line behind.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Follower {
    path: PathBuf,
    file: Option<File>,
    partial: String,
}

impl Follower {
    fn advance(&mut self, log: &Log) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        let mut bytes = Vec::new();
        if file.read_to_end(&mut bytes).is_err() {
            return;
        }
        self.partial.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((line, rest)) = self.partial.split_once('\n') {
            log.push(line.trim_end());
            self.partial = rest.to_owned();
        }
    }
}

/// The last lines of every log that this thread has opened and that still lives.
pub(crate) fn tails_of_this_thread() -> String {
    let mut text = String::new();
    OPENED.with_borrow(|opened| {
        for (name, lines) in opened {
            let Some(lines) = lines.upgrade() else {
                continue;
            };
            text += &Log {
                name: name.clone(),
                lines,
            }
            .tail();
        }
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, wait_until};

    #[test]
    fn a_search_from_a_mark_sees_only_later_lines() {
        let log = Log::new("a");
        log.push("ready 1");
        let mark = log.mark();
        assert!(log.find(mark, "ready").is_none());
        log.push("ready 2");
        assert_eq!(
            log.find(mark, "ready").map(|line| line.text).as_deref(),
            Some("ready 2")
        );
    }

    #[test]
    fn a_full_log_forgets_its_oldest_lines_and_marks_stay_valid() {
        let log = Log::new("a");
        (0..LINES_MAX).for_each(|n| log.push(&n.to_string()));
        let mark = log.mark();
        log.push("one more");
        assert_eq!(log.lines().len(), LINES_MAX);
        assert_eq!(log.lines()[0].text, "1");
        assert_eq!(log.since(mark).len(), 1);
    }

    #[test]
    fn a_wait_that_times_out_shows_the_logs_of_its_thread_only() {
        let mine = Log::new("mine");
        mine.push("the reason");
        let theirs = thread::spawn(|| Log::new("theirs")).join().unwrap();
        let error = wait_until("never", Duration::from_millis(5), || false).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }));
        let story = error.to_string();
        assert!(
            story.contains("for: never") && story.contains("| the reason"),
            "{story}"
        );
        assert!(!story.contains("theirs"), "{story}");
        drop(theirs);
    }
}
