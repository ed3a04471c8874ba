//! What the user of `cargo xtask bench` may say.
//!
//! Words may stand in any order; of what is said twice the last counts.

use testbed::{Error, Implementation, Result};

/// Shown for `--help`.
pub const HELP: &str = "\
cargo xtask bench [cli|sync|all] [--flows N] [--runs N] [--only ours|stock] [--json]

  cli      list the table, find one flow, load a file (conntrack -L, -R)
  sync     replicate it with FT-FW over UDP, and commit it
  --flows  flows in the table (200000)
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
    /// Flows in the table.
    pub flows: u32,
    /// Repetitions, if they were chosen.
    pub runs: Option<u32>,
    /// Machine-readable.
    pub json: bool,
}

impl Request {
    /// Reads the arguments.
    pub fn parse(args: &[String]) -> Result<Self> {
        let mut options = Options {
            parts: vec![Part::Cli, Part::Sync],
            implementations: vec![Implementation::Stock, Implementation::Ours],
            flows: 200_000,
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
                "--flows" => options.flows = number(word, words.next())?,
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
            flows: 1000,
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
