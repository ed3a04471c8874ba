//! What the user of `cargo xtask bench` may say.
//!
//! Words may stand in any order; of what is said twice the last counts.

use std::path::PathBuf;

use testbed::{Error, Implementation, Program, Result};

/// Shown for `--help`.
pub const HELP: &str = "\
cargo xtask bench [cli|sync|all] [--flows N] [--runs N] [--only ours|stock] [--json]

  cli      list the table in each format, find flows, delete some (conntrack -L, -D); load a file (-R)
           and follow events (-E), of 200000 flows at most
  sync     replicate it with FT-FW over UDP, and commit it
  --flows  flows in the table (500000 of cli, 200000 of sync)
  --runs   repetitions, of which the median is shown (5 of cli, 3 of sync)
  --only   measure one implementation
  --json   one line per measurement instead of tables
";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The command-line tool.
    Cli,
    /// Two daemons.
    Sync,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// The help.
    Help,
    /// Numbers.
    Measure(Options),
}

/// How to measure.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// What.
    pub parts: Vec<Part>,
    /// Whose.
    pub implementations: Vec<Implementation>,
    /// Flows in the table, if their number was chosen.
    pub flows: Option<u32>,
    /// Repetitions, if they were chosen.
    pub runs: Option<u32>,
    /// Machine-readable.
    pub json: bool,
}

impl Options {
    /// The program that stands for the others when it is idle: ours, if it is looked at.
    pub fn program(&self) -> Result<PathBuf> {
        let is_ours = self.implementations.contains(&Implementation::Ours);
        let implementation = match is_ours {
            true => Implementation::Ours,
            false => Implementation::Stock,
        };
        implementation.path(Program::Conntrack)
    }

    /// Flows that are listed.
    pub fn flows_of_cli(&self) -> u32 {
        self.flows.unwrap_or(500_000)
    }

    /// Flows that are loaded and followed.
    pub fn flows_to_load(&self) -> u32 {
        self.flows_of_cli().min(200_000)
    }

    /// Flows that are replicated.
    pub fn flows_of_sync(&self) -> u32 {
        self.flows.unwrap_or(200_000)
    }

    /// Most flows that are in tables at a time: those listed, those deleted, those loaded.
    pub fn most_flows(&self) -> u32 {
        self.flows_of_cli() / 100 * 101 + self.flows_to_load()
    }
}

impl Request {
    /// Reads the arguments.
    pub fn parse(args: &[String]) -> Result<Self> {
        let mut options = Options {
            parts: vec![Part::Cli, Part::Sync],
            implementations: vec![Implementation::Stock, Implementation::Ours],
            flows: None,
            runs: None,
            json: false,
        };
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "-h" | "--help" => return Ok(Self::Help),
                "cli" => options.parts = vec![Part::Cli],
                "sync" => options.parts = vec![Part::Sync],
                "all" => options.parts = vec![Part::Cli, Part::Sync],
                "--json" => options.json = true,
                "--flows" => options.flows = Some(number(word, words.next())?),
                "--runs" => options.runs = Some(number(word, words.next())?),
                "--only" => options.implementations = vec![implementation(words.next())?],
                other => return Err(wrong(&format!("`{other}` is no option or part"))),
            }
        }
        Ok(Self::Measure(options))
    }
}

fn number(option: &str, word: Option<&str>) -> Result<u32> {
    let number = word.and_then(|word| word.parse().ok());
    number
        .filter(|number| *number > 0)
        .ok_or_else(|| wrong(&format!("{option} needs a number above 0")))
}

fn implementation(word: Option<&str>) -> Result<Implementation> {
    match word {
        Some("ours") => Ok(Implementation::Ours),
        Some("stock") => Ok(Implementation::Stock),
        _ => Err(wrong("--only needs `ours` or `stock`")),
    }
}

fn wrong(what: &str) -> Error {
    Error::Unexpected(format!("{what}\n{HELP}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request> {
        let words: Vec<_> = line.split_whitespace().map(String::from).collect();
        Request::parse(&words)
    }

    #[test]
    fn arguments_are_read_in_any_order() {
        let expected = Options {
            parts: vec![Part::Sync],
            implementations: vec![Implementation::Ours],
            flows: Some(1000),
            runs: Some(1),
            json: true,
        };
        let line = "--runs 1 sync --json --only ours --flows 1000";
        assert_eq!(parse(line).unwrap(), Request::Measure(expected));
        assert_eq!(parse("cli --help").unwrap(), Request::Help);
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, what) in [
            ("--flows", "--flows needs"),
            ("--flows 0", "--flows needs"),
            ("--runs x", "--runs needs"),
            ("--only both", "--only needs"),
            ("fast", "`fast`"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(what), "{line}: {error}");
        }
    }
}
