//! The commands: from a job to the kernel and back to the terminal.
//!
//! One file per command. A command knows flows, filters and the kernel's table, and nothing of
//! options; what it shows goes to a [`Console`], what it did is a [`Done`].

use std::fmt;

use linux::table::Table;
use linux::{Errno, table};

use crate::cli::hiargs::NewFlow;
use crate::cli::{self, Environment, Job};

mod console;
mod count;
mod counters;
mod create;
mod delete;
mod dump;
mod event;
mod expect;
mod flush;
mod get;
mod list;
mod load;
mod print;
mod program;
mod stats;
mod update;

pub use console::{Console, Output};

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The line for standard error.
    pub summary: Option<String>,
    /// The exit status.
    pub status: u8,
}

impl Done {
    /// Nothing to say.
    pub const SILENT: Self = Self {
        summary: None,
        status: 0,
    };

    /// `N flow entries have been …`; stock never uses the singular.
    fn counted(count: u64, what: &str) -> Self {
        Self {
            summary: Some(format!("{count} {what}.")),
            status: 0,
        }
    }

    /// The same, where having done nothing is a failure.
    fn counted_or_failed(count: u64, what: &str) -> Self {
        Self {
            status: u8::from(count == 0),
            ..Self::counted(count, what)
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The kernel refused, or could not be asked.
    Kernel(table::Error),
    /// A text that stock has for this command and errno.
    Worded(&'static str),
    /// Standard output does not take what is written.
    Output(std::io::Error),
    /// Waiting or receiving failed.
    System(linux::SystemError),
    /// Events of flows could not be subscribed to.
    Subscribe(linux::SystemError),
    /// Events of expectations could not be subscribed to.
    SubscribeExpect(linux::SystemError),
    /// A file cannot be read, and why.
    Open(String, Option<String>),
    /// A line of a file is wrong.
    Line(u64, cli::Error),
    /// Lines of a file that failed, at least one.
    Lines(Vec<(u64, Failure)>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => match wording(error.errno()) {
                Some(text) => write!(f, "Operation failed: {text}"),
                None => match error {
                    table::Error::System(error) => {
                        write!(f, "Operation failed: {}", error.reason())
                    }
                    other => write!(f, "Operation failed: {other}"),
                },
            },
            Self::Worded(text) => write!(f, "Operation failed: {text}"),
            Self::Output(error) => {
                let errno = linux::SystemError::from_io("write", error);
                write!(f, "cannot write the output: {}", errno.reason())
            }
            Self::System(error) => {
                write!(f, "failed to received netlink event: {}", error.reason())
            }
            Self::Subscribe(_) => f.write_str("Can't open netlink socket"),
            Self::SubscribeExpect(_) => f.write_str("Can't open handler"),
            Self::Open(path, _) => write!(f, "Failed to open file {path} for reading"),
            Self::Line(number, error) => write!(f, "{error} (line {number})"),
            Self::Lines(lines) => match lines.first() {
                Some((number, failure)) => write!(f, "{failure} (line {number})"),
                None => Ok(()),
            },
        }
    }
}

impl Failure {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Open(..) => 2,
            Self::Line(_, error) => error.status(),
            _ => 1,
        }
    }

    /// What else failed: the lines of a file behind the first one.
    pub fn others(&self) -> impl Iterator<Item = String> {
        let lines = match self {
            Self::Lines(lines) => lines.get(1..).unwrap_or_default(),
            _ => &[],
        };
        lines
            .iter()
            .map(|(number, failure)| format!("{failure} (line {number})"))
    }

    /// What may have been meant, or what may be missing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Line(_, error) => error.hint().map(str::to_owned),
            Self::Open(_, reason) => reason.clone(),
            Self::Kernel(error) => missing_part(error.errno(), || {
                let count = Table::open().and_then(|mut table| table.count());
                count.err().map(|error| error.errno())
            }),
            Self::Subscribe(error) | Self::SubscribeExpect(error) => {
                missing_part(error.errno, || None)
            }
            Self::Worded(_) | Self::Output(_) | Self::System(_) | Self::Lines(_) => None,
        }
    }

    /// A line that stands before the diagnostic itself.
    pub fn preamble(&self) -> Option<String> {
        match self {
            Self::Subscribe(error) => Some(format!("mnl_socket_bind: {}", error.reason())),
            _ => None,
        }
    }
}

impl From<table::Error> for Failure {
    fn from(error: table::Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

/// What most commands say instead of the C library's text.
const fn wording(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::INVAL => Some("invalid parameters"),
        Errno::PERM => Some("sorry, you must be root or get CAP_NET_ADMIN capability to do this"),
        _ => None,
    }
}

/// The part that a kernel lacks which fails with this errno. One that does not know the table
/// answers every question like that, also the simplest, which `simplest` asks
/// (`nfnetlink_rcv_msg`).
fn missing_part(errno: Errno, simplest: impl FnOnce() -> Option<Errno>) -> Option<String> {
    let missing =
        |option: &str, module: &str| Some(format!("this kernel lacks {option} (module {module})"));
    match errno {
        Errno::PROTONOSUPPORT => missing("CONFIG_NETFILTER_NETLINK", "nfnetlink"),
        Errno::INVAL if simplest() == Some(Errno::INVAL) => {
            missing("CONFIG_NF_CT_NETLINK", "nf_conntrack_netlink")
        }
        _ => None,
    }
}

/// Says a failure in the words that a command has for it.
fn worded(error: table::Error, words: &[(Errno, &'static str)]) -> Failure {
    match words.iter().find(|(errno, _)| *errno == error.errno()) {
        Some((_, text)) => Failure::Worded(text),
        None => Failure::Kernel(error),
    }
}

/// Does a job other than showing help or version.
pub fn run(
    job: &Job,
    environment: &Environment<'_>,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let done = match job {
        Job::Help(_) | Job::HelpAbout(_) | Job::Version => Ok(Done::SILENT),
        Job::List {
            filter,
            kind,
            style,
        } => list::run(filter, *kind, style, console),
        Job::Count(format) => count::run(*format, console),
        Job::Follow {
            filter,
            events,
            style,
            buffer_size,
        } => event::run(
            &event::Wanted::Flows(filter, *events),
            style,
            *buffer_size,
            console,
        ),
        Job::Get(lookup) => get::run(lookup, console),
        Job::Create { flow, or_update } => {
            let flow = flow.as_deref().map(NewFlow::flow);
            create::run(flow.as_ref(), *or_update)
        }
        Job::Update {
            filter,
            change,
            style,
        } => update::run(filter, change, style, console),
        Job::Delete { filter, style } => delete::run(filter, style, console),
        Job::Flush(family) => flush::run(*family),
        Job::Stats(subsystem, format) => stats::run(*subsystem, *format, console),
        Job::Expect(job) => expect::run(job, console),
        Job::Load(path) => load::run(path, environment, console),
    };
    // What was shown before a failure is shown all the same.
    console.out.flush()?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_table_is_told_from_a_wrong_request() {
        let table = "this kernel lacks CONFIG_NF_CT_NETLINK (module nf_conntrack_netlink)";
        let netlink = "this kernel lacks CONFIG_NETFILTER_NETLINK (module nfnetlink)";
        for (errno, simplest, expected) in [
            (Errno::INVAL, Some(Errno::INVAL), Some(table)),
            (Errno::INVAL, None, None),
            (Errno::PERM, Some(Errno::INVAL), None),
            (Errno::PROTONOSUPPORT, None, Some(netlink)),
        ] {
            assert_eq!(
                missing_part(errno, || simplest).as_deref(),
                expected,
                "{errno:?}"
            );
        }
    }
}
