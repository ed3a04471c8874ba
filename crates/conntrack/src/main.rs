//! `conntrack`: lists, changes and watches the kernel's connection tracking table.
//!
//! Texts for people, exit status and the world outside meet here: standard output carries flows,
//! standard error everything else.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use conntrack::cli::{self, Environment, Job};
use conntrack::command::{self, Console, Done, Output};
use conntrack::files::Files;
use conntrack::label_file::LabelFiles;
use conntrack::{PREFIX, printable, protocols};

/// The compatible version of stock, for the help.
const COMPATIBLE: &str = "1.4.9";

/// The second line of a diagnostic about the command line.
const TRY: &str = "Try `conntrack -h' or 'conntrack --help' for more information.";

fn main() -> ExitCode {
    // A reader that goes away ends the program silently, as in `conntrack -L | head`.
    let _ = linux::process::end_on_broken_pipe();
    let mut typed = env::args_os();
    let program = typed.next().unwrap_or_else(|| "conntrack".into());
    let program = program.to_string_lossy();
    let typed: Vec<_> = typed.collect();
    let shown = typed.iter().map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = shown.collect();
    let files = Files::new(typed);
    let label_files = LabelFiles::new(&files);
    let environment = Environment {
        posix: env::var_os("POSIXLY_CORRECT").is_some(),
        protocol_number: &protocols::number,
        labels: &|path| label_files.names(path),
        open: &|path| files.open_or_stdin(path),
    };
    let mut notices = Vec::new();
    let job = cli::parse(&words, &environment, &mut notices);
    for notice in notices {
        say(&notice);
    }
    match job {
        Ok(job) => ExitCode::from(run(&job, &environment, &program)),
        Err(error) => {
            say(&format!("{PREFIX}{error}"));
            say_more(error.status(), error.hint());
            ExitCode::from(error.status())
        }
    }
}

/// Does a job and says how it went; the exit status.
fn run(job: &Job, environment: &Environment<'_>, program: &str) -> u8 {
    let mut status = io::stderr().is_terminal().then_some(show_status);
    let result = Output::new(io::stdout())
        .map_err(command::Failure::Output)
        .and_then(|out| {
            let mut console = Console {
                out,
                notice: &mut |line| say(line),
                status: status.as_mut().map(|show| show as _),
            };
            show_text(job, program, console.out.buffer());
            command::run(job, environment, &mut console)
        });
    match result {
        Ok(Done { summary, status }) => {
            if let Some(summary) = summary {
                say(&format!("{PREFIX}{summary}"));
            }
            status
        }
        Err(failure) => {
            if let Some(line) = failure.preamble() {
                say(&line);
            }
            say(&format!("{PREFIX}{failure}"));
            for other in failure.others() {
                say(&format!("{PREFIX}{other}"));
            }
            say_more(failure.status(), failure.hint().as_deref());
            failure.status()
        }
    }
}

/// Writes the help or the version, for jobs that are nothing else.
fn show_text(job: &Job, program: &str, out: &mut Vec<u8>) {
    match job {
        Job::Version => {
            let own = env!("CARGO_PKG_VERSION");
            let line = format!("conntrack v{COMPATIBLE} (conntrack-tools-rs {own})\n");
            out.extend_from_slice(line.as_bytes());
        }
        Job::Help(protocol) => {
            let named = protocol.map(|protocol| {
                let name = match protocol.name() {
                    Some(name) => name.to_owned(),
                    None => protocols::name(protocol.0).unwrap_or_else(|| "unknown".into()),
                };
                (protocol, name)
            });
            let named = named.as_ref().map(|(protocol, name)| (*protocol, &**name));
            out.extend_from_slice(cli::help::text(program, COMPATIBLE, named).as_bytes());
        }
        Job::HelpAbout(topic) => {
            out.extend_from_slice(cli::help::topic(program, *topic).as_bytes());
        }
        Job::List { .. }
        | Job::Count(_)
        | Job::Follow { .. }
        | Job::Get(_)
        | Job::Create { .. }
        | Job::Update { .. }
        | Job::Delete { .. }
        | Job::Flush(_)
        | Job::Stats(..)
        | Job::Load(_)
        | Job::Expect(_) => {}
    }
}

/// What stands behind a diagnostic.
fn say_more(status: u8, hint: Option<&str>) {
    if status == 2 {
        say(TRY);
    }
    if let Some(hint) = hint {
        say(&format!("Hint: {hint}"));
    }
}

/// A line on standard error. Where that is closed, nobody wants to know.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// Replaces the last line of the terminal.
fn show_status(text: &str) {
    let mut terminal = io::stderr();
    let _ = write!(terminal, "\r{text}\x1b[K").and_then(|()| terminal.flush());
}
