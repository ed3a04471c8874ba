//! What the configuration language has and this version of the daemon does not.
//!
//! Such a keyword is refused at start, by name and line: a firewall that believes it replicates
//! what it does not is worse than one that does not start. The table is the whole list; a feature
//! that comes loses its row.

use super::ast::{Item, Value};
use super::error::{ErrorKind, Fault};
use super::grammar::{Key, Section};

/// When a keyword asks for what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Whatever follows it.
    Always,
    /// When it is switched on, or has a block.
    On,
    /// From the second one on.
    Repeated,
}

/// A keyword of a section, and what it would need.
struct Missing {
    section: Section,
    key: Key,
    when: When,
    feature: &'static str,
}

const fn missing(section: Section, key: Key, when: When, feature: &'static str) -> Missing {
    Missing {
        section,
        key,
        when,
        feature,
    }
}

static MISSING: [Missing; 6] = [
    missing(
        Section::File,
        Key::Helper,
        When::Always,
        "user-space helpers",
    ),
    missing(
        Section::Sync,
        Key::Multicast,
        When::Repeated,
        "redundant links",
    ),
    missing(Section::Sync, Key::Tcp, When::Repeated, "redundant links"),
    missing(Section::Sync, Key::Udp, When::Repeated, "redundant links"),
    missing(
        Section::ModeFtfw,
        Key::DisableExternalCache,
        When::On,
        "injection without an external cache",
    ),
    missing(
        Section::ModeNotrack,
        Key::DisableExternalCache,
        When::On,
        "injection without an external cache",
    ),
];

/// One fault for each item that asks for a missing feature.
pub fn refusals(items: &[Item<'_>]) -> Vec<Fault> {
    let mut seen = Vec::new();
    let mut faults = Vec::new();
    visit(Section::File, items, &mut seen, &mut faults);
    faults
}

/// Visits a section and the blocks in it; the grammar limits the depth.
fn visit(section: Section, items: &[Item<'_>], seen: &mut Vec<Key>, faults: &mut Vec<Fault>) {
    for item in items {
        let repeated = seen.contains(&item.key);
        let row = MISSING.iter().find(|row| {
            row.section == section
                && row.key == item.key
                && match row.when {
                    When::Always => true,
                    When::On => item.is_on() || item.block().is_some(),
                    When::Repeated => repeated,
                }
        });
        if let Some(row) = row {
            let kind = ErrorKind::Later {
                keyword: spelling(item),
                feature: row.feature,
            };
            faults.push(Fault::new(item.keyword.span, kind));
        }
        if !repeated {
            seen.push(item.key);
        }
        if let Some(block) = item.block() {
            visit(block.section, &block.items, seen, faults);
        }
    }
}

/// The keyword with what makes it special.
fn spelling(item: &Item<'_>) -> String {
    let keyword = item.keyword.text;
    match &item.value {
        Value::Bool(true) => format!("{keyword} on"),
        Value::Block(block) => match block.head {
            super::ast::Head::Mode(mode) => format!("{keyword} {}", mode.text),
            _ => keyword.to_owned(),
        },
        Value::Bool(false) | Value::Number(_) | Value::Text(_) => keyword.to_owned(),
    }
}
