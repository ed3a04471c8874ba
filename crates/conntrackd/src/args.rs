//! The command line of conntrackd: what was typed, and what it means.
//!
//! Stock's rules: words are read from left to right, options have one letter and are not bundled,
//! and of several client actions the last one counts. The optional word behind an option may be
//! cut to any prefix of what it stands for, and the first match in the table wins. Unlike stock
//! only `-` and one letter is an option (compat: ctl-1), besides `--check` (compat:
//! ctl-8) and `--strict` (compat: ctl-9).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::iter::Peekable;
use std::path::PathBuf;

use crate::config::DEFAULT_PATH;
use crate::control::{Cache, Caches, Format, Request, Table, Topic};

/// What conntrackd is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the daemon in the foreground, with its log on the terminal too.
    Console,
    /// Run the daemon in the background (`-d`).
    Daemon,
    /// Send a request to the running daemon.
    Client(Request),
    /// Show the version (`-v`).
    Version,
    /// Show the usage (`-h`).
    Help,
    /// Check a configuration (`--check`).
    Check,
}

/// A command line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    /// What to do.
    pub command: Command,
    /// The configuration file (`-C`).
    pub config: PathBuf,
    /// Whether the client wants to know how its request has ended (`--strict`).
    pub strict: bool,
    /// Whether an old word was used: `-s multicast`.
    pub said_multicast: bool,
}

/// A command line that was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgsError {
    /// Not an option.
    UnknownOption(String),
    /// Options that do not go together.
    InvalidParameters,
    /// `-C` without a path.
    MissingConfig,
    /// A word behind an option that it does not know.
    UnknownParameter {
        /// The word.
        word: String,
        /// The option's letter.
        option: char,
    },
}

impl ArgsError {
    /// Whether the usage is shown before the message.
    pub const fn shows_usage(&self) -> bool {
        !matches!(self, Self::UnknownParameter { .. })
    }
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption(word) => write!(f, "Unknown option: {word}"),
            Self::InvalidParameters => f.write_str("Invalid parameters"),
            Self::MissingConfig => f.write_str("Missing config filename"),
            Self::UnknownParameter { word, option } => {
                write!(f, "unknown parameter `{word}' for option `-{option}'")
            }
        }
    }
}

impl std::error::Error for ArgsError {}

/// The long options.
const CHECK: &str = "--check";
const STRICT: &str = "--strict";

/// Understands the words behind the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, ArgsError> {
    let mut words = words.into_iter().peekable();
    let mut args = Args {
        command: Command::Console,
        config: DEFAULT_PATH.into(),
        strict: false,
        said_multicast: false,
    };
    while let Some(word) = words.next() {
        if word == CHECK {
            if args.command != Command::Console {
                return Err(ArgsError::InvalidParameters);
            }
            args.command = Command::Check;
            continue;
        }
        if word == STRICT {
            args.strict = true;
            continue;
        }
        let Some(letter) = letter(&word) else {
            return Err(unknown(&word));
        };
        let request = match letter {
            'v' => return Ok(with(args, Command::Version)),
            'h' => return Ok(with(args, Command::Help)),
            'C' => {
                let path = words.next().ok_or(ArgsError::MissingConfig)?;
                // Nothing is what an unset variable of a script leaves: the default, as in stock.
                args.config = match path.is_empty() {
                    true => DEFAULT_PATH.into(),
                    false => path.into(),
                };
                continue;
            }
            'd' => {
                if let Command::Client(_) | Command::Check = args.command {
                    return Err(ArgsError::InvalidParameters);
                }
                args.command = Command::Daemon;
                continue;
            }
            'x' => as_xml(args.command)?,
            's' => Request::Stats(topic(&mut words, &mut args.said_multicast)?),
            _ => action(letter, &mut words)?.ok_or_else(|| unknown(&word))?,
        };
        if let Command::Daemon | Command::Check = args.command {
            return Err(ArgsError::InvalidParameters);
        }
        args.command = Command::Client(request);
    }
    if args.strict && !matches!(args.command, Command::Client(_)) {
        return Err(ArgsError::InvalidParameters);
    }
    Ok(args)
}

fn with(args: Args, command: Command) -> Args {
    Args { command, ..args }
}

fn unknown(word: &OsStr) -> ArgsError {
    ArgsError::UnknownOption(word.to_string_lossy().into_owned())
}

/// The letter of an option: `-` and exactly one more character.
fn letter(word: &OsStr) -> Option<char> {
    let mut chars = word.to_str()?.strip_prefix('-')?.chars();
    let letter = chars.next()?;
    chars.next().is_none().then_some(letter)
}

/// The requests that take a word for a table or for caches, or none; `None` for a letter that is
/// no option.
fn action(
    letter: char,
    words: &mut Peekable<impl Iterator<Item = OsString>>,
) -> Result<Option<Request>, ArgsError> {
    const FLOWS: (&str, Table) = ("ct", Table::Flows);
    const EXPECT: (&str, Table) = ("expect", Table::Expectations);
    let mut table = || take(words, &[FLOWS, EXPECT]).ok();
    Ok(Some(match letter {
        'c' => Request::Commit(table().unwrap_or(Table::Both)),
        'F' => Request::FlushKernel(table().unwrap_or(Table::Both)),
        'R' => Request::ResyncKernel(table().unwrap_or(Table::Both)),
        'i' => dump(Cache::Internal, table()),
        'e' => dump(Cache::External, table()),
        'f' => {
            let known = [
                ("internal", Caches::Internal),
                ("external", Caches::External),
            ];
            match take(words, &known) {
                Ok(caches) => Request::FlushCaches(caches),
                Err(None) => Request::FlushCaches(Caches::All),
                Err(Some(word)) => return Err(ArgsError::UnknownParameter { word, option: 'f' }),
            }
        }
        'B' => Request::SendBulk,
        'n' => Request::RequestBulk,
        't' => Request::SchedulePurge,
        'k' => Request::Kill,
        _ => return Ok(None),
    }))
}

fn dump(cache: Cache, table: Option<Table>) -> Request {
    Request::Dump(cache, table.unwrap_or(Table::Flows), Format::Text)
}

fn topic(
    words: &mut Peekable<impl Iterator<Item = OsString>>,
    said_multicast: &mut bool,
) -> Result<Topic, ArgsError> {
    const TOPICS: [(&str, (Topic, bool)); 10] = [
        ("network", (Topic::Network, false)),
        ("cache", (Topic::Cache, false)),
        ("runtime", (Topic::Runtime, false)),
        ("multicast", (Topic::Link, true)),
        ("link", (Topic::Link, false)),
        ("rsqueue", (Topic::ResendQueue, false)),
        ("process", (Topic::Process, false)),
        ("queue", (Topic::Queue, false)),
        ("ct", (Topic::Flows, false)),
        ("expect", (Topic::Expectations, false)),
    ];
    match take(words, &TOPICS) {
        Ok((topic, multicast)) => {
            *said_multicast |= multicast;
            Ok(topic)
        }
        Err(None) => Ok(Topic::Flows),
        Err(Some(word)) => Err(ArgsError::UnknownParameter { word, option: 's' }),
    }
}

/// Takes the next word if it is the beginning of one in the table. Otherwise it stays where it is
/// and comes back as the error; a word with `-` in front, or none, is no word.
fn take<T: Copy>(
    words: &mut Peekable<impl Iterator<Item = OsString>>,
    table: &[(&str, T)],
) -> Result<T, Option<String>> {
    let Some(word) = words.peek().map(|word| word.to_string_lossy().into_owned()) else {
        return Err(None);
    };
    if word.starts_with('-') {
        return Err(None);
    }
    match table.iter().find(|(known, _)| known.starts_with(&word)) {
        Some((_, value)) => {
            words.next();
            Ok(*value)
        }
        None => Err(Some(word)),
    }
}

/// `-x`: the dump asked for before it, in XML.
fn as_xml(command: Command) -> Result<Request, ArgsError> {
    match command {
        Command::Client(Request::Dump(cache, table, Format::Text)) => {
            Ok(Request::Dump(cache, table, Format::Xml))
        }
        _ => Err(ArgsError::InvalidParameters),
    }
}

/// What `-v` prints: the version of stock that this is compatible with, since programs compare
/// it, then our own.
pub fn version() -> String {
    format!("{}. Licensed under MIT OR Apache-2.0.\n", headline())
}

fn headline() -> String {
    format!(
        "Connection tracking userspace daemon v1.4.9 (conntrack-tools-rs {})",
        env!("CARGO_PKG_VERSION")
    )
}

/// What `-h` prints.
pub fn usage(program: &str) -> String {
    format!(
        "{}\nUsage: {program} [commands] [options]\n{USAGE}",
        headline()
    )
}

const USAGE: &str = "
General commands:
  -d, run in the background
  -C [configfile], use this configuration file
  --check, check the configuration and show what is in effect
  -v, show the version
  -h, show this text

Client mode commands:
  -c [ct|expect], commit the external cache to the kernel table
  -f [internal|external], empty the internal and the external cache
  -F [ct|expect], empty the kernel table
  -i [ct|expect], show the internal cache
  -e [ct|expect], show the external cache
  -k, stop the daemon
  -s [network|cache|runtime|link|rsqueue|queue|ct|expect], show statistics
  -R [ct|expect], read the kernel table into the internal cache
  -n, ask the other node for its internal cache
  -B, send the internal cache to the other nodes
  -x, show the cache as XML (behind -i or -e)
  -t, empty the kernel table later (see PurgeTimeout)
  --strict, exit with 1 also if the daemon has not done what was asked

";

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Args, ArgsError> {
        parse(line.split(' ').filter(|word| !word.is_empty()).map(|word| {
            // `''` stands for an empty word.
            OsString::from(if word == "''" { "" } else { word })
        }))
    }

    /// The request that a line leads to, by its number.
    fn check(line: &str, code: i32) {
        let Ok(Args {
            command: Command::Client(request),
            ..
        }) = run(line)
        else {
            panic!("{line}: {:?}", run(line));
        };
        assert_eq!(request.encode(), Some(code.to_ne_bytes()), "{line}");
    }

    #[test]
    fn each_action_has_the_number_of_stock() {
        for (line, code) in [
            ("-c ct", 18),
            ("-c expect", 42),
            ("-c", 46),
            ("-i ct", 16),
            ("-i expect", 40),
            ("-i", 16),
            ("-e ct", 17),
            ("-e expect", 41),
            ("-e", 17),
            ("-i -x", 24),
            ("-e -x", 25),
            ("-i expect -x", 47),
            ("-e e -x", 48),
            ("-f internal", 33),
            ("-f external", 34),
            ("-f", 45),
            ("-F ct", 0),
            ("-F expect", 38),
            ("-F", 43),
            ("-R ct", 1),
            ("-R expect", 39),
            ("-R", 44),
            ("-B", 22),
            ("-n", 23),
            ("-t", 26),
            ("-k", 20),
            ("-s", 21),
            ("-s network", 28),
            ("-s cache", 29),
            ("-s runtime", 30),
            ("-s multicast", 31),
            ("-s link", 31),
            ("-s rsqueue", 32),
            ("-s process", 35),
            ("-s queue", 36),
            ("-s ct", 21),
            ("-s expect", 37),
        ] {
            check(line, code);
        }
    }

    #[test]
    fn words_may_be_cut_and_the_last_action_counts() {
        for (line, code) in [
            ("-s c", 29),
            ("-s r", 30),
            ("-s rs", 32),
            ("-s m", 31),
            ("-s ''", 28),
            ("-c ''", 18),
            ("-f e", 34),
            ("-i -c", 46),
            ("-c -i -x", 24),
            ("-s -C /x -i e", 40),
        ] {
            check(line, code);
        }
        assert_eq!(run("-k -C /x -v").unwrap().command, Command::Version);
        assert_eq!(run("-h -bogus").unwrap().command, Command::Help);
    }

    #[test]
    fn the_configuration_may_stand_anywhere() {
        for line in ["-C /x -d", "-d -C /x"] {
            let args = run(line).unwrap();
            assert_eq!(args.config, PathBuf::from("/x"), "{line}");
            assert_eq!(args.command, Command::Daemon);
        }
        let args = run("").unwrap();
        assert_eq!(args.command, Command::Console);
        assert_eq!(args.config, PathBuf::from(DEFAULT_PATH));
        assert_eq!(run("-C ''").unwrap().config, PathBuf::from(DEFAULT_PATH));
    }

    #[test]
    fn an_old_word_is_noticed() {
        assert!(run("-s multi").unwrap().said_multicast);
        assert!(!run("-s link").unwrap().said_multicast);
    }

    #[test]
    fn a_client_may_be_strict() {
        for line in ["--strict -c", "-c --strict"] {
            assert!(run(line).unwrap().strict, "{line}");
            check(line, 46);
        }
        assert!(!run("-c").unwrap().strict);
    }

    #[test]
    fn a_check_runs_nothing() {
        for line in ["--check", "--check -C /x", "-C /x --check"] {
            assert_eq!(run(line).unwrap().command, Command::Check, "{line}");
        }
    }

    fn check_error(line: &str, text: &str, usage: bool) {
        let error = run(line).unwrap_err();
        assert_eq!(error.to_string(), text, "{line}");
        assert_eq!(error.shows_usage(), usage, "{line}");
    }

    #[test]
    fn errors_have_the_words_of_stock() {
        check_error(
            "-s networks",
            "unknown parameter `networks' for option `-s'",
            false,
        );
        check_error("-f ct", "unknown parameter `ct' for option `-f'", false);
        check_error("-C", "Missing config filename", true);
        for line in [
            "-d -i",
            "-i -d",
            "-x",
            "-c -x",
            "-i -x -x",
            "-d -x",
            "--check -d",
            "-d --check",
            "--check -k",
            "-s --check",
            "--strict",
            "--strict -d",
            "--check --strict",
        ] {
            check_error(line, "Invalid parameters", true);
        }
        for word in ["-q", "--help", "x", "-sfoo", "xs", "-", "''", "-é"] {
            let shown = if word == "''" { "" } else { word };
            check_error(word, &format!("Unknown option: {shown}"), true);
        }
        check_error("-i foo", "Unknown option: foo", true);
    }
}
