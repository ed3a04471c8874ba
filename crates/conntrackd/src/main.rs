//! `conntrackd`: the daemon, and the client that talks to it.

use std::io;
use std::process::ExitCode;

use conntrackd::cli::{self, Start};
use conntrackd::daemon::{self, Stay};
use conntrackd::log::{Log, Terminal};
use linux::file::WhenReady;

fn main() -> ExitCode {
    let mut log = Log::new(Terminal {
        out: Box::new(io::stdout()),
        err: Box::new(io::stderr()),
    });
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| "conntrackd".into());
    let program = program.to_string_lossy().into_owned();
    match cli::start(&program, words, &mut log, &mut io::stdout()) {
        Start::Exit(status) => ExitCode::from(status),
        Start::Daemon { config, background } => {
            // Replication is not to wait for whoever reads the log.
            log.show_on(Terminal {
                out: Box::new(WhenReady(io::stdout())),
                err: Box::new(WhenReady(io::stderr())),
            });
            let stay = if background {
                Stay::Background
            } else {
                Stay::Foreground
            };
            ExitCode::from(daemon::run(*config, stay, log))
        }
    }
}
