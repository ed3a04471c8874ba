//! Syntax tree to [`Config`]: what the words mean, defaults, and whether they go together.
//!
//! Sections may be repeated: their contents add up, and of a value that is given twice the last
//! one counts. Zero for a value that has another default means the default. All that is as stock
//! does it; what stock would only notice when it opens sockets is refused here already.

mod filter;
mod general;
mod helper;
mod links;
mod sync;

pub use filter::STATES;

use std::time::Duration;

use super::ast::{Item, Value};
use super::error::{ErrorKind, Fault, Wanted};
use super::grammar::Key;
use super::lexer::Span;
use super::model::{Config, Facility, General, LogFormat, Operation, Stats};
use super::warning::{Warning, WarningKind};

/// What was found on the way.
#[derive(Debug, Default)]
pub struct Notes {
    /// What has to be repaired.
    pub faults: Vec<Fault>,
    /// What is only suspicious.
    pub warnings: Vec<Warning>,
}

impl Notes {
    fn fault(&mut self, span: Span, kind: ErrorKind) {
        self.faults.push(Fault::new(span, kind));
    }

    /// The item's word is no address.
    fn no_address(&mut self, item: &Item<'_>) {
        let word = item.word();
        let kind = ErrorKind::WrongArgument {
            keyword: item.keyword.text.to_owned(),
            wanted: Wanted::Address,
            found: word.text.to_owned(),
        };
        self.fault(word.span, kind);
    }

    fn warn(&mut self, span: Span, kind: WarningKind) {
        self.warnings.push(Warning {
            line: span.line,
            kind,
        });
    }
}

/// The section `General` alone: what a client needs to find its daemon.
pub fn general(items: &[Item<'_>], notes: &mut Notes) -> General {
    let mut general = General::default();
    for block in blocks(items, Key::General) {
        general::lower(&block.items, &mut general, None, notes);
    }
    general
}

/// The whole file; `None` if a fault was noted that leaves nothing to run.
pub fn config(items: &[Item<'_>], notes: &mut Notes) -> Option<Config> {
    let (general, stats) = general_and_stats(items, notes);
    let sync_at = items.iter().find(|item| item.key == Key::Sync);
    let stats_at = items.iter().find(|item| item.key == Key::Stats);
    let operation = match (sync_at, stats_at) {
        (None, None) => Operation::Idle,
        (None, Some(_)) => Operation::Stats(stats),
        (Some(sync), None) => {
            let blocks: Vec<_> = blocks(items, Key::Sync).collect();
            let sync = sync::lower(&blocks, sync.keyword.span, general.poll, notes)?;
            Operation::Sync(Box::new(sync))
        }
        (Some(sync), Some(stats)) => {
            let later = sync.keyword.span.start.max(stats.keyword.span.start);
            let span = [sync, stats].map(|item| item.keyword.span);
            let span = span.into_iter().find(|span| span.start == later)?;
            notes.fault(span, ErrorKind::SyncAndStats);
            return None;
        }
    };
    Some(Config {
        general,
        operation,
        helpers: helper::lower(items, notes),
    })
}

/// Both sections that know a syslog facility, in the order of the file, since the warning about
/// a conflict depends on which one comes second.
fn general_and_stats(items: &[Item<'_>], notes: &mut Notes) -> (General, Stats) {
    let mut general = General::default();
    let mut stats = Stats::default();
    for item in items {
        let Some(block) = item.block() else { continue };
        match item.key {
            Key::General => general::lower(&block.items, &mut general, stats.syslog, notes),
            Key::Stats => lower_stats(&block.items, &mut stats, general.syslog, notes),
            _ => {}
        }
    }
    if general.syslog.is_some() && stats.syslog.is_some() {
        stats.syslog = general.syslog;
    }
    (general, stats)
}

fn lower_stats(items: &[Item<'_>], stats: &mut Stats, other: Option<Facility>, notes: &mut Notes) {
    for item in items {
        match item.key {
            Key::LogFile => match &item.value {
                Value::Bool(true) => stats.log_file = Some("/var/log/conntrackd-stats.log".into()),
                Value::Text(path) => stats.log_file = Some(path.text.into()),
                Value::Bool(false) | Value::Number(_) | Value::Block(_) => {}
            },
            Key::LogFormat => stats.log_format = log_format(item, stats.log_format, notes),
            Key::Syslog => {
                stats.syslog = facility(
                    item,
                    stats.syslog,
                    other,
                    WarningKind::UnknownStatsFacility,
                    notes,
                )
            }
            _ => {}
        }
    }
}

/// The formats of the log of ended flows, in any case.
static LOG_FORMATS: [&str; 2] = ["text", "json"];

fn log_format(item: &Item<'_>, before: LogFormat, notes: &mut Notes) -> LogFormat {
    let word = item.word();
    match word.text.to_ascii_lowercase().as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => {
            let kind = ErrorKind::UnknownWord {
                what: "format",
                word: word.text.to_owned(),
                allowed: &LOG_FORMATS,
            };
            notes.fault(word.span, kind);
            before
        }
    }
}

/// The value of `Syslog`; `before` stays when the name is unknown.
fn facility(
    item: &Item<'_>,
    before: Option<Facility>,
    other: Option<Facility>,
    unknown: fn(String) -> WarningKind,
    notes: &mut Notes,
) -> Option<Facility> {
    if let Value::Bool(on) = item.value {
        return on.then_some(Facility::Daemon);
    }
    let word = item.word();
    let Some(found) = Facility::from_name(word.text) else {
        notes.warn(word.span, unknown(word.text.to_owned()));
        return before;
    };
    if other.is_some_and(|other| other != found) {
        notes.warn(word.span, WarningKind::ConflictingFacilities);
    }
    Some(found)
}

fn blocks<'b, 'a>(
    items: &'b [Item<'a>],
    key: Key,
) -> impl Iterator<Item = &'b super::ast::Block<'a>> {
    items
        .iter()
        .filter(move |item| item.key == key)
        .filter_map(Item::block)
}

const fn or_default(number: u32, default: u32) -> u32 {
    if number == 0 { default } else { number }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}

/// A duration in seconds, `None` for zero.
fn seconds_or_unset(number: u32) -> Option<Duration> {
    (number != 0).then(|| seconds(number))
}
