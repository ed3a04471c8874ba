//! The demo's command line.
//!
//! What may be said is in [`HELP`]; what was said becomes a [`Request`], or an error that points
//! there.

use testbed::{Error, Implementation, Result};

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask demo [OPTIONS]

Two firewalls, a client, a server. The primary firewall loses its power twice;
all connections live on. Then the same without conntrackd. Needs root.

  --daemon ours|stock  whose conntrackd runs on the firewalls (default: ours)
  --flows N            add N synthetic flows to the table, at most 1,000,000
  --keep               leave the network behind and tell how to look around
  --clean              remove what --keep has left behind
  --help               this text

Exit status 0 means that every connection survived both failovers.
";

/// The most that the example configuration of conntrackd has room for.
const FLOWS_MAX: u32 = 1_000_000;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `--help`.
    Help,
    /// `--clean`.
    Clean,
    /// The demo.
    Play(Options),
}

/// How to play the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub daemon: Implementation,
    pub flows: u32,
    pub keep: bool,
}

impl Request {
    /// Reads the command line.
    pub fn parse(args: &[String]) -> Result<Self> {
        let mut options = Options {
            daemon: Implementation::Ours,
            flows: 0,
            keep: false,
        };
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--help" | "-h" => return Ok(Self::Help),
                "--clean" => return Ok(Self::Clean),
                "--keep" => options.keep = true,
                "--daemon" => options.daemon = daemon(args.next())?,
                "--flows" => options.flows = flows(args.next())?,
                _ => return Err(wrong(&format!("unknown option `{arg}`"))),
            }
        }
        Ok(Self::Play(options))
    }
}

fn daemon(word: Option<&str>) -> Result<Implementation> {
    match word {
        Some("ours") => Ok(Implementation::Ours),
        Some("stock") => Ok(Implementation::Stock),
        _ => Err(wrong("--daemon wants `ours` or `stock`")),
    }
}

fn flows(word: Option<&str>) -> Result<u32> {
    let number = word.and_then(|word| word.replace(['_', ','], "").parse().ok());
    number
        .filter(|flows| *flows <= FLOWS_MAX)
        .ok_or_else(|| wrong("--flows wants a number up to 1,000,000"))
}

fn wrong(what: &str) -> Error {
    Error::Unexpected(format!("{what} (see `cargo xtask demo --help`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Request> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        Request::parse(&args).ok()
    }

    #[test]
    fn options_are_read_in_any_order_and_wrong_ones_refused() {
        let ours = Options {
            daemon: Implementation::Ours,
            flows: 0,
            keep: false,
        };
        let stock = Implementation::Stock;
        for (line, expected) in [
            ("", Some(Request::Play(ours))),
            (
                "--keep --flows 200,000 --daemon stock",
                Some(Request::Play(Options {
                    daemon: stock,
                    flows: 200_000,
                    keep: true,
                })),
            ),
            ("--daemon ours --help", Some(Request::Help)),
            ("--clean", Some(Request::Clean)),
            ("--daemon theirs", None),
            ("--daemon", None),
            ("--flows many", None),
            ("--flows 1000001", None),
            ("--colour", None),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
