//! The log of ended flows: a line each, in the log file of `Stats` and in the system's log.
//!
//! ```text
//! Sat Nov 21 06:32:57 2026<TAB>tcp      6 ESTABLISHED src=192.0.2.1 dst=…     (LogFormat text)
//! {"event":"destroy","time":"2026-11-21T06:32:57.000000000Z","family":"ipv4",…}   (LogFormat json)
//! ```
//!
//! Lines are collected and written once per turn of the loop. A file that takes nothing, since the disk is
//! full, keeps nobody waiting: up to a mebibyte of lines waits for it, and is tried again once a
//! second; further ones are counted. That they are lost is said once, and how many when writing works
//! again.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctsync::Instant;
use flow::render::{self, Format, Record, Show};
use flow::{EventKind, Flow};
use linux::SystemError;
use linux::clock;
use linux::syslog::{Severity, Syslog};

use crate::config::model::{LogFormat, Stats};
use crate::daemon::report::{Report, Reports};
use crate::daemon::stats_mode::RecordingReport;
use crate::log;

/// Most bytes that wait for the file; a line may exceed it.
const WAITING_MAX: usize = 1024 * 1024;

/// How soon a file that took nothing is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where lines about ended flows go.
pub struct Journal {
    file: Option<LogFile>,
    format: LogFormat,
    syslog: Option<Syslog>,
    /// The second of `date`.
    second: u64,
    /// That second as lines have it.
    date: String,
}

/// A log file and what waits for it.
struct LogFile {
    path: PathBuf,
    file: File,
    /// Whole lines.
    waiting: Vec<u8>,
    /// How much of the first one the file has taken already.
    begun: usize,
    /// Lines that found no room, since the file last took something.
    lost: u64,
    /// Why the file took nothing, and when it is tried again.
    failing: Option<Instant>,
}

impl Journal {
    /// Opens what the configuration names.
    pub fn open(stats: &Stats) -> Result<Self, log::OpenError> {
        let file = match &stats.log_file {
            Some(path) => Some(LogFile::open(path)?),
            None => None,
        };
        Ok(Self {
            file,
            format: stats.log_format,
            syslog: stats.syslog.map(log::syslog),
            second: 0,
            date: String::new(),
        })
    }

    /// Notes the end of a flow.
    pub fn write(&mut self, flow: &Flow<'_>) {
        let wall = clock::wall();
        if let Some(file) = &mut self.file {
            if self.second != wall.as_secs() {
                self.second = wall.as_secs();
                self.date = log::date(wall);
            }
            file.add(|out| match self.format {
                LogFormat::Text => {
                    out.extend_from_slice(self.date.as_bytes());
                    out.push(b'\t');
                    text(out, flow);
                }
                LogFormat::Json => json(out, flow, wall),
            });
        }
        if let Some(syslog) = &mut self.syslog {
            let mut line = Vec::new();
            text(&mut line, flow);
            syslog.write(Severity::Info, &String::from_utf8_lossy(&line));
        }
    }

    /// Hands the lines of this turn to the file.
    pub fn flush(&mut self, now: Instant, reports: &mut Reports) {
        if let Some(file) = &mut self.file {
            file.flush(now, reports);
        }
    }

    /// Opens the file again under its name, after it was rotated. The old one stays in use if that
    /// fails.
    pub fn reopen(&mut self, now: Instant, reports: &mut Reports) {
        let Some(file) = &mut self.file else { return };
        // What waits belongs to the old file, if that takes it; else to the new one, at once.
        file.flush(now, reports);
        match log::open(&file.path) {
            Ok(opened) => {
                file.file = opened;
                // A line of which the old file has a part is whole in the new one.
                file.begun = 0;
                file.failing = file.failing.map(|_| now);
            }
            Err(error) => reports.push(Report::Recording(RecordingReport::NotOpened(
                error.to_string(),
            ))),
        }
    }

    /// When a file that took nothing is tried again.
    pub fn timeout(&self) -> Option<Instant> {
        self.file.as_ref()?.failing
    }
}

impl LogFile {
    fn open(path: &Path) -> Result<Self, log::OpenError> {
        Ok(Self {
            path: path.to_owned(),
            file: log::open(path)?,
            waiting: Vec::new(),
            begun: 0,
            lost: 0,
            failing: None,
        })
    }

    fn add(&mut self, line: impl FnOnce(&mut Vec<u8>)) {
        if self.waiting.len() >= WAITING_MAX {
            self.lost += 1;
            return;
        }
        line(&mut self.waiting);
        self.waiting.push(b'\n');
    }

    fn flush(&mut self, now: Instant, reports: &mut Reports) {
        if self.waiting.is_empty() || self.failing.is_some_and(|until| now < until) {
            return;
        }
        let mut taken = self.begun;
        let error = loop {
            let rest = self.waiting.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                break None;
            }
            match self.file.write(rest) {
                Ok(0) => break Some(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(len) => taken += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        let written = self.waiting.get(..taken).unwrap_or_default();
        let end_of_line = written.iter().rposition(|byte| *byte == b'\n');
        let whole = end_of_line.map_or(0, |at| at + 1);
        self.begun = taken.saturating_sub(whole);
        self.waiting.drain(..whole);
        match error {
            Some(error) => self.fail(&error, now, reports),
            None => self.recover(reports),
        }
    }

    fn fail(&mut self, error: &io::Error, now: Instant, reports: &mut Reports) {
        let is_news = self.failing.replace(now + RETRY_AFTER).is_none();
        if is_news {
            let error = SystemError::from_io("write to", error);
            reports.push(Report::Recording(RecordingReport::Fails(
                error.on(self.path.display()),
            )));
        }
    }

    fn recover(&mut self, reports: &mut Reports) {
        if self.failing.take().is_some() {
            let path = self.path.display().to_string();
            let lost = std::mem::take(&mut self.lost);
            reports.push(Report::Recording(RecordingReport::Works { path, lost }));
        }
    }
}

fn text(out: &mut Vec<u8>, flow: &Flow<'_>) {
    render::text(out, &Record::listed(flow, 0), &Show::CACHE);
}

fn json(out: &mut Vec<u8>, flow: &Flow<'_>, wall: Duration) {
    let record = Record {
        event: Some(EventKind::Destroy),
        time: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
        ..Record::listed(flow, wall.as_secs())
    };
    Format::Json.flow(out, &record, &Show::CACHE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::Command;

    const LINE: [u8; 1000] = [b'x'; 1000];

    fn add(file: &mut LogFile, count: usize) {
        for _ in 0..count {
            file.add(|out| out.extend_from_slice(&LINE));
        }
    }

    fn is_whole(text: &[u8]) -> bool {
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.all(|line| line.strip_suffix(b"\n") == Some(&LINE))
    }

    /// The rest of a line of which the old file had a part was the first line of the new one.
    #[test]
    fn a_new_file_begins_with_a_whole_line() {
        let path = std::env::temp_dir().join(format!("conntrackd-journal-{}", std::process::id()));
        // A pipe is a file that takes a part, and then nothing.
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        // Opened for both, since opening for reading alone would wait for a writer.
        let mut reader = File::options().read(true).write(true).open(&path).unwrap();
        let file = LogFile::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut journal = Journal {
            file: Some(file),
            format: LogFormat::Text,
            syslog: None,
            second: 0,
            date: String::new(),
        };
        let mut reports = Reports::new();
        add(journal.file.as_mut().unwrap(), 100);
        journal.flush(Instant(0), &mut reports);
        let begun = journal.file.as_ref().unwrap().begun;
        assert!(begun > 0, "the pipe holds whole lines");
        journal.reopen(Instant(0), &mut reports);
        journal.flush(Instant(0), &mut reports);
        let new = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut old = vec![0; 100 * (LINE.len() + 1) - new.len()];
        reader.read_exact(&mut old).unwrap();
        assert!(is_whole(&old) && is_whole(&new));
    }
}
