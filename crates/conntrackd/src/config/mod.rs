//! The configuration file: stock's language, with errors that say what to do.
//!
//! ```text
//! bytes ─▶ lexer ─▶ parser ─▶ ast ─▶ lower ─▶ model::Config ─▶ print
//!                     ▲        └───▶ later (what this version does not have)
//!                  grammar
//! ```
//!
//! Everything here is a function from bytes to values. Whether an interface exists or a path can
//! be opened is for the daemon to find out.
//!
//! The language is a superset of stock's: quotes are possible, a path ends at a brace, a TAB or
//! `#`, a comment may end the file, and an interface may be called `ace`.

mod ast;
mod error;
mod grammar;
mod later;
mod lexer;
mod lower;
pub mod model;
mod parser;
mod print;
mod protocols;
mod suggest;
mod warning;

pub use error::{Error, ErrorKind, Errors, Wanted};
pub use grammar::{Body, Key, Rule, Section, Shape};
pub use model::*;
pub use warning::{Warning, WarningKind};

use ast::Item;
use error::Fault;
use lower::Notes;

/// Where the configuration is when the command line does not say.
pub const DEFAULT_PATH: &str = "/etc/conntrackd/conntrackd.conf";

/// What was read, with what is only suspicious, or why the file is refused.
pub type Outcome<T> = Result<(T, Vec<Warning>), Errors>;

/// Reads a configuration that this daemon is to run with.
///
/// `name` is the file's name for messages. What the language has and this version does not is
/// refused like an error.
pub fn parse(name: &str, bytes: &[u8]) -> Outcome<Config> {
    read(name, bytes, later::refusals, lower::config)
}

/// Reads a configuration as far as the language goes, whether or not this version could run it.
pub fn parse_language(name: &str, bytes: &[u8]) -> Outcome<Config> {
    read(name, bytes, |_| Vec::new(), lower::config)
}

/// Reads what a client needs: the section `General`.
///
/// The daemon it talks to may have features that this version lacks, so none is refused.
pub fn parse_general(name: &str, bytes: &[u8]) -> Outcome<General> {
    let lower = |items: &[Item<'_>], notes: &mut Notes| Some(lower::general(items, notes));
    read(name, bytes, |_| Vec::new(), lower)
}

fn read<T>(
    name: &str,
    bytes: &[u8],
    refusals: impl FnOnce(&[Item<'_>]) -> Vec<Fault>,
    lower: impl FnOnce(&[Item<'_>], &mut Notes) -> Option<T>,
) -> Outcome<T> {
    let parsed = parser::parse(bytes);
    let mut faults = parsed.faults;
    let mut warnings = parsed.warnings;
    let mut lowered = None;
    // Items that were lost to an error would be missed, and reported as missing, below.
    if faults.is_empty() {
        let mut notes = Notes::default();
        lowered = lower(&parsed.items, &mut notes);
        faults = notes.faults;
        warnings.extend(notes.warnings);
    }
    faults.extend(refusals(&parsed.items));
    match lowered {
        Some(lowered) if faults.is_empty() => {
            warnings.sort_by_key(|warning| warning.line);
            Ok((lowered, warnings))
        }
        _ => Err(Errors::new(name, bytes, faults)),
    }
}

#[cfg(test)]
mod property;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_files_that_the_daemon_refuses() {
        let file = b"General { UNIX { Path /run/x } } Helper { }";
        let (general, _) = parse_general("x", file).unwrap();
        assert_eq!(general.unix_path.unwrap().to_str(), Some("/run/x"));
        assert!(parse("x", file).is_err());
    }
}
