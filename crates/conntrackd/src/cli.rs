//! From the command line to either a finished client or a configuration to run with.
//!
//! Everything stock does before it opens its logs: usage and version, reading the configuration
//! with its warnings, and the whole of client mode. Exit statuses are stock's: 0 or 1.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use linux::SystemError;

use crate::args::{self, Args, Command};
use crate::check;
use crate::config::{self, Config, Outcome};
use crate::control::Request;
use crate::control::client::{self, ClientError};
use crate::log::{Level, Log};

/// Largest configuration file that is read.
const CONFIG_LEN_MAX: u64 = 1024 * 1024;

/// What is left to be done.
#[derive(Debug)]
pub enum Start {
    /// Nothing: exit with this status.
    Exit(u8),
    /// Run the daemon.
    Daemon {
        /// How.
        config: Box<Config>,
        /// Whether to leave the terminal (`-d`).
        background: bool,
    },
}

/// Does what the words behind the program's name ask for.
pub fn start(
    program: &str,
    words: impl IntoIterator<Item = OsString>,
    log: &mut Log,
    out: &mut impl Write,
) -> Start {
    let args = match args::parse(words) {
        Ok(args) => args,
        Err(error) => {
            log.write(Level::Error, &error);
            if error.shows_usage() {
                print(out, &args::usage(program));
            }
            return Start::Exit(1);
        }
    };
    if args.said_multicast {
        let text = "use `link' instead of `multicast' as parameter.";
        log.write(Level::Warning, text);
    }
    match args.command {
        Command::Version => {
            print(out, &args::version());
            Start::Exit(0)
        }
        Command::Help => {
            print(out, &args::usage(program));
            Start::Exit(0)
        }
        Command::Client(request) => Start::Exit(run_client(&args, request, log, out)),
        Command::Check => Start::Exit(check(&args, log, out)),
        Command::Console => daemon(&args, false, log),
        Command::Daemon => daemon(&args, true, log),
    }
}

fn daemon(args: &Args, background: bool, log: &mut Log) -> Start {
    let Some((config, _)) = read(&args.config, config::parse, log) else {
        return Start::Exit(1);
    };
    for name in config.interfaces() {
        if linux::interface::find(name).is_err() {
            log.write(
                Level::Warning,
                format_args!("{name} is an invalid interface"),
            );
        }
    }
    Start::Daemon {
        config: Box::new(config),
        background,
    }
}

/// Reads the configuration and says what is to be said of it, without running it.
fn check(args: &Args, log: &mut Log, out: &mut impl Write) -> u8 {
    let Some((config, warned)) = read(&args.config, config::parse, log) else {
        return 1;
    };
    check::report(&config, warned, log, out)
}

fn run_client(args: &Args, request: Request, log: &mut Log, out: &mut impl Write) -> u8 {
    let Some((general, _)) = read(&args.config, config::parse_general, log) else {
        return 1;
    };
    let path = general.unix_path.as_deref();
    let done = if args.strict {
        client::request_strictly(path, request, out)
    } else {
        client::request(path, request, out)
    };
    match done {
        Ok(()) => 0,
        // Whoever reads our output has seen enough.
        Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            log.write(Level::Error, &error);
            if let Some(reason) = error.reason() {
                log.write(Level::Error, reason);
            }
            1
        }
    }
}

/// Reads a configuration file and reports what is wrong with it; whether it has warned of something.
fn read<T>(path: &Path, parse: fn(&str, &[u8]) -> Outcome<T>, log: &mut Log) -> Option<(T, bool)> {
    let name = path.display().to_string();
    let bytes = match load(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            log.write(
                Level::Error,
                format_args!("can't open config file `{name}'"),
            );
            log.write(Level::Error, error);
            return None;
        }
    };
    match parse(&name, &bytes) {
        Ok((parsed, warnings)) => {
            let warned = !warnings.is_empty();
            for warning in warnings {
                log.write(Level::Warning, &warning);
            }
            Some((parsed, warned))
        }
        Err(errors) => {
            log.write(
                Level::Error,
                format_args!("cannot use config file `{name}':\n\n{errors}\n"),
            );
            None
        }
    }
}

/// The bytes of a file, or why there are none.
fn load(path: &Path) -> Result<Vec<u8>, String> {
    let reason = |error: io::Error| SystemError::from_io("open", &error).reason();
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(reason)?.take(CONFIG_LEN_MAX + 1);
    file.read_to_end(&mut bytes).map_err(reason)?;
    match u64::try_from(bytes.len()) {
        Ok(..=CONFIG_LEN_MAX) => Ok(bytes),
        _ => Err("it is larger than 1 MiB".to_owned()),
    }
}

fn print(out: &mut impl Write, text: &str) {
    // A terminal that is gone cannot be told so.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
