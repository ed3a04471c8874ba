//! The demo's command line.
//!
//! What may be said is in [`HELP`]; what was said becomes a [`Request`], or an error that points
//! there. Combinations that cannot be are refused here, with the reason.

use std::fmt;

use testbed::{Error, Implementation, Mode, Result, Transport};

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask demo [OPTIONS]

Two firewalls, a client, a server. The primary firewall loses its power twice;
all connections live on. Then the same without conntrackd. Needs root.

  --daemon ours|stock  whose conntrackd runs on the firewalls (default: ours)
  --mode ftfw|notrack|alarm
                       how it replicates (default: ftfw; multi-primary: notrack)
  --transport udp|multicast|tcp
                       over what (default: udp; multi-primary: multicast)
  --topology active-backup|active-active|multi-primary
                       one primary and one backup (default); two firewalls, each
                       primary of a group of clients; three firewalls that share
                       the clients by a hash
  --flows N            add N synthetic flows to the table, at most 1,000,000
                       (active-backup only)
  --keep               leave the network behind and tell how to look around
                       (active-backup only)
  --clean              remove what --keep has left behind
  --help               this text

Exit status 0 means that every connection survived all failovers.
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
    pub mode: Mode,
    pub transport: Transport,
    pub topology: Topology,
    pub flows: u32,
    pub keep: bool,
}

/// Which firewalls there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    ActiveBackup,
    ActiveActive,
    MultiPrimary,
}

/// What was said, before it is known what it means.
#[derive(Default)]
struct Said {
    daemon: Option<Implementation>,
    mode: Option<Mode>,
    transport: Option<Transport>,
    topology: Option<Topology>,
    flows: u32,
    keep: bool,
}

impl Request {
    /// Reads the command line.
    pub fn parse(args: &[String]) -> Result<Self> {
        let mut said = Said::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--help" | "-h" => return Ok(Self::Help),
                "--clean" => return Ok(Self::Clean),
                "--keep" => said.keep = true,
                "--daemon" => said.daemon = Some(one_of(arg, DAEMONS, args.next())?),
                "--mode" => said.mode = Some(one_of(arg, MODES, args.next())?),
                "--transport" => said.transport = Some(one_of(arg, TRANSPORTS, args.next())?),
                "--topology" => said.topology = Some(one_of(arg, TOPOLOGIES, args.next())?),
                "--flows" => said.flows = flows(args.next())?,
                _ => return Err(wrong(&format!("unknown option `{arg}`"))),
            }
        }
        said.mean().map(Self::Play)
    }
}

impl Said {
    /// Fills in what was left out, and refuses what cannot be.
    fn mean(self) -> Result<Options> {
        let topology = self.topology.unwrap_or(Topology::ActiveBackup);
        let (mode, transport) = match topology {
            Topology::ActiveBackup | Topology::ActiveActive => (Mode::Ftfw, Transport::Udp),
            Topology::MultiPrimary => (Mode::Notrack, Transport::Multicast),
        };
        let options = Options {
            daemon: self.daemon.unwrap_or(Implementation::Ours),
            mode: self.mode.unwrap_or(mode),
            transport: self.transport.unwrap_or(transport),
            topology,
            flows: self.flows,
            keep: self.keep,
        };
        match options.objection() {
            Some(reason) => Err(wrong(reason)),
            None => Ok(options),
        }
    }
}

impl Options {
    /// Why this cannot be, if it cannot.
    fn objection(&self) -> Option<&'static str> {
        if self.topology != Topology::ActiveBackup && self.flows > 0 {
            return Some("--flows fills the table of one primary: only with active-backup");
        }
        if self.topology != Topology::ActiveBackup && self.keep {
            return Some(
                "--keep knows how to show a primary and a backup: only with active-backup",
            );
        }
        if self.topology != Topology::MultiPrimary {
            return None;
        }
        match (self.mode, self.transport) {
            (Mode::Ftfw, _) => Some(
                "multi-primary has three nodes and FT-FW is between two: its numbers and \
                 acknowledgements belong to one peer; use --mode notrack",
            ),
            (Mode::Alarm, _) => Some(
                "multi-primary writes what the others tell into the kernel at once, and ALARM \
                 cannot: it has to keep an external cache; use --mode notrack",
            ),
            (Mode::Notrack, Transport::Udp | Transport::Tcp) => Some(
                "multi-primary has three nodes, and UDP and TCP have one peer; \
                 use --transport multicast",
            ),
            (Mode::Notrack, Transport::Multicast) => None,
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |known: Option<&'static str>| known.unwrap_or_default();
        write!(
            f,
            "{}, {}, {}, {}",
            name(word(DAEMONS, self.daemon)),
            name(word(MODES, self.mode)),
            name(word(TRANSPORTS, self.transport)),
            name(word(TOPOLOGIES, self.topology)),
        )
    }
}

/// Words and what they mean.
type Words<T> = &'static [(&'static str, T)];

const DAEMONS: Words<Implementation> = &[
    ("ours", Implementation::Ours),
    ("stock", Implementation::Stock),
];
const MODES: Words<Mode> = &[
    ("ftfw", Mode::Ftfw),
    ("notrack", Mode::Notrack),
    ("alarm", Mode::Alarm),
];
const TRANSPORTS: Words<Transport> = &[
    ("udp", Transport::Udp),
    ("multicast", Transport::Multicast),
    ("tcp", Transport::Tcp),
];
const TOPOLOGIES: Words<Topology> = &[
    ("active-backup", Topology::ActiveBackup),
    ("active-active", Topology::ActiveActive),
    ("multi-primary", Topology::MultiPrimary),
];

fn one_of<T: Copy>(option: &str, words: Words<T>, said: Option<&str>) -> Result<T> {
    let found = words.iter().find(|(word, _)| Some(*word) == said);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        wrong(&format!("{option} wants {}", words.join(" or ")))
    })
}

fn word<T: Copy + PartialEq>(words: Words<T>, meaning: T) -> Option<&'static str> {
    words
        .iter()
        .find(|(_, known)| *known == meaning)
        .map(|(word, _)| *word)
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

    fn parse(line: &str) -> Result<Request> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        Request::parse(&args)
    }

    fn check(line: &str, expected: Option<Request>) {
        assert_eq!(parse(line).ok(), expected, "{line}");
    }

    const PLAIN: Options = Options {
        daemon: Implementation::Ours,
        mode: Mode::Ftfw,
        transport: Transport::Udp,
        topology: Topology::ActiveBackup,
        flows: 0,
        keep: false,
    };

    #[test]
    fn options_are_read_in_any_order_and_wrong_ones_refused() {
        let stock = Options {
            daemon: Implementation::Stock,
            flows: 200_000,
            keep: true,
            ..PLAIN
        };
        let line = "--keep --flows 200,000 --daemon stock";
        check("", Some(Request::Play(PLAIN)));
        check(line, Some(Request::Play(stock)));
        check("--daemon ours --help", Some(Request::Help));
        check("--clean", Some(Request::Clean));
        for line in [
            "--daemon theirs",
            "--daemon",
            "--mode udp",
            "--transport ftfw",
            "--topology",
            "--flows many",
            "--flows 1000001",
            "--colour",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn every_mode_and_transport_goes_with_two_firewalls() {
        for (mode, mode_meant) in MODES {
            for (transport, transport_meant) in TRANSPORTS {
                for (topology, topology_meant) in &TOPOLOGIES[..2] {
                    let said =
                        format!("--mode {mode} --transport {transport} --topology {topology}");
                    let meant = Options {
                        mode: *mode_meant,
                        transport: *transport_meant,
                        topology: *topology_meant,
                        ..PLAIN
                    };
                    check(&said, Some(Request::Play(meant)));
                    assert_eq!(
                        meant.to_string(),
                        format!("ours, {mode}, {transport}, {topology}")
                    );
                }
            }
        }
    }

    #[test]
    fn three_firewalls_want_notrack_over_multicast_and_the_reason_is_told() {
        let meant = Options {
            mode: Mode::Notrack,
            transport: Transport::Multicast,
            topology: Topology::MultiPrimary,
            ..PLAIN
        };
        check("--topology multi-primary", Some(Request::Play(meant)));
        let said = "--topology multi-primary --mode notrack --transport multicast";
        check(said, Some(Request::Play(meant)));
        for (more, reason) in [
            ("--mode ftfw", "between two"),
            ("--mode alarm", "external cache"),
            ("--transport udp", "one peer"),
            ("--transport tcp", "one peer"),
            ("--flows 10", "only with active-backup"),
            ("--keep", "only with active-backup"),
        ] {
            let error = parse(&format!("--topology multi-primary {more}")).unwrap_err();
            assert!(error.to_string().contains(reason), "{more}: {error}");
        }
        for more in ["--flows 10", "--keep"] {
            let error = parse(&format!("--topology active-active {more}")).unwrap_err();
            assert!(
                error.to_string().contains("only with active-backup"),
                "{more}: {error}"
            );
        }
    }
}
