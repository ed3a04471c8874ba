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
pub use warning::{Level, Warning, WarningKind};

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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parses in all ways, and checks what holds for any input.
    fn check(bytes: &[u8]) {
        let general = parse_general("x", bytes);
        let daemon = parse("x", bytes);
        match parse_language("x", bytes) {
            Ok((config, _)) => {
                assert!(general.is_ok());
                let printed = config.to_string();
                let (again, _) = parse_language("x", printed.as_bytes()).unwrap();
                assert_eq!(again, config, "{printed}");
                assert_eq!(again.to_string(), printed);
            }
            Err(errors) => {
                assert!(daemon.is_err());
                assert!(!errors.errors().is_empty());
                for line in errors.to_string().lines() {
                    assert!(line.chars().count() < 700, "{line}");
                }
            }
        }
    }

    /// Words of the language and of the world, so that random files reach every branch.
    fn any_token() -> impl Strategy<Value = String> {
        let mut words: Vec<&str> = Section::ALL
            .iter()
            .flat_map(|section| section.rules())
            .map(|rule| rule.word)
            .collect();
        words.extend(grammar::MODES.map(|(name, _)| name));
        words.extend([
            "on",
            "OFF",
            "0",
            "1",
            "3780",
            "4294967296",
            "-1",
            "/run/x",
            "\"/a b\"",
            "\"",
            "\"\"",
            "eth0",
            "ace",
            "192.0.2.1",
            "2001:db8::/32",
            "10.0.0.0/8",
            "1.2.3.4/40",
            "TCP",
            "47",
            "ESTABLISHED",
            "for",
            "Accept",
            "Ignore",
            "From",
            "Userspace",
            "Kernelspace",
            "Default",
            "local3",
            "rr",
            "ftp",
            "inet",
            "tcp",
            "sip",
            "#",
            "\n",
            "\r",
            "\t",
            "é",
        ]);
        let braces = prop_oneof![Just("{"), Just("}")];
        prop_oneof![
            3 => prop::sample::select(words).prop_map(str::to_owned),
            2 => braces.prop_map(str::to_owned),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_config_or_errors(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }

        #[test]
        fn any_words_are_a_config_or_errors(
            words in prop::collection::vec(any_token(), 0..60),
            glue in prop::sample::select(vec![" ", "\n", ""]),
        ) {
            check(words.join(glue).as_bytes());
        }

        #[test]
        fn any_items_of_a_filter_survive_printing(
            items in prop::collection::vec(
                (0..4_u8, prop::collection::vec(any::<(u32, u8)>(), 0..4)),
                0..5,
            ),
        ) {
            let mut text = String::from("General { Filter { ");
            for (kind, list) in items {
                let policy = if list.len() % 2 == 0 { "Accept" } else { "Ignore" };
                let blocks = ["Protocol", "Address", "State", "Address"];
                text.push_str(&format!("{} {policy} {{ ", blocks[usize::from(kind)]));
                for (bits, small) in list {
                    let word = match kind {
                        0 => ["TCP", "udp", "gre", "foo"][usize::from(small % 4)].to_owned(),
                        1 => format!("IPv4_address {}/{}", std::net::Ipv4Addr::from(bits), small % 40),
                        2 => format!("{} for TCP", lower::STATES[usize::from(small % 10)].0),
                        _ => format!(
                            "IPv6_address {}/{}",
                            std::net::Ipv6Addr::from(u128::from(bits) << 64),
                            small % 140
                        ),
                    };
                    text.push_str(&word);
                    text.push(' ');
                }
                text.push('}');
            }
            text.push_str("} }");
            let (config, _) = parse("x", text.as_bytes()).unwrap();
            prop_assert!(config.general.filter.is_some());
            check(text.as_bytes());
        }
    }

    #[test]
    fn a_client_reads_files_that_the_daemon_refuses() {
        let file = b"General { UNIX { Path /run/x } } Stats { } Sync { Mode ALARM { } }";
        let (general, _) = parse_general("x", file).unwrap();
        assert_eq!(general.unix_path.unwrap().to_str(), Some("/run/x"));
        assert!(parse("x", file).is_err());
    }
}
