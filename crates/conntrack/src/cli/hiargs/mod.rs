//! What the options mean: a job that a command can do.
//!
//! Everything is decided here, so that the commands know flows and filters and no options:
//! `condition` says which flows are meant, `new_flow` what a new flow is, `change` what an
//! update does to one, `style` how flows are shown.

use std::sync::Arc;

use flow::filter::{FilterSet, FlowFilter, Selection};
use flow::{Family, Protocol};
use linux::table::DumpKind;
use nfnetlink::Subsystem;

use super::error::Error;
use super::lowargs::{EventMask, LowArgs, OutputWord};
use super::matrix;
use super::options::{Id, Table, Verb};
use super::topics::Topic;

mod change;
mod condition;
mod expectation;
mod new_flow;
mod style;

pub use change::Change;
pub use expectation::ExpectJob;
pub use new_flow::{Lookup, NewFlow};
pub use style::{CounterFormat, Style};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Show the help, and that of a protocol.
    Help(Option<Protocol>),
    /// Show the help about a topic.
    HelpAbout(Topic),
    /// Show the version.
    Version,
    /// Show the flows that match.
    List {
        /// Which flows.
        filter: Selection,
        /// How they are shown.
        style: Style,
        /// Which list of the kernel's, and whether its counters become zero.
        kind: DumpKind,
    },
    /// Show the number of flows.
    Count(CounterFormat),
    /// Show changes until interrupted.
    Follow {
        /// Of which flows.
        filter: Selection,
        /// Of which kind.
        events: EventMask,
        /// How they are shown.
        style: Style,
        /// Size of the receive buffer that was asked for.
        buffer_size: Option<u32>,
    },
    /// Show one flow.
    Get(Box<Lookup>),
    /// Create a flow.
    Create {
        /// The flow; `None` when its reply cannot be told.
        flow: Option<Box<NewFlow>>,
        /// Whether one that exists is updated.
        or_update: bool,
    },
    /// Change the flows that match.
    Update {
        /// Which flows.
        filter: Selection,
        /// What changes.
        change: Change,
        /// How they are shown.
        style: Style,
    },
    /// Delete the flows that match.
    Delete {
        /// Which flows.
        filter: Selection,
        /// How they are shown.
        style: Style,
    },
    /// Empty the table, perhaps of one family only.
    Flush(Option<Family>),
    /// Show what each processor has counted for a table.
    Stats(Subsystem, CounterFormat),
    /// Do what the lines of a file say, `-` for standard input.
    Load(String),
    /// Do something with expectations.
    Expect(ExpectJob),
}

impl Job {
    /// The job that a command line asks for, checked in the order of stock's checks.
    pub fn new(args: &LowArgs) -> Result<Self, Error> {
        matrix::check(args)?;
        let Some(verb) = args.verb else {
            return Ok(Self::Help(None));
        };
        if verb == Verb::Version {
            return Ok(Self::Version);
        }
        let is_counting = matches!(verb, Verb::Count | Verb::Stats);
        if !is_counting && args.output.contains(&OutputWord::OpenMetrics) {
            return Err(Error::CountersOnly);
        }
        let style = style::style(args);
        let job = match verb {
            Verb::Help => match args.topic {
                Some(topic) => Self::HelpAbout(topic),
                None => Self::Help(args.protocol),
            },
            Verb::Version => Self::Version,
            Verb::Stats => {
                let subsystem = match args.table {
                    Table::Expect => Subsystem::Expect,
                    Table::Conntrack | Table::Dying | Table::Unconfirmed => Subsystem::Conntrack,
                };
                Self::Stats(subsystem, style::counter_format(args)?)
            }
            _ if args.table == Table::Expect => Self::Expect(expectation::job(args, verb)?),
            Verb::Count => Self::Count(style::counter_format(args)?),
            Verb::Flush => Self::Flush(args.family),
            Verb::List => {
                check_zero(args)?;
                Self::List {
                    filter: condition::condition(args)?.into(),
                    style,
                    kind: list_kind(args),
                }
            }
            Verb::Event => Self::Follow {
                filter: condition::condition(args)?.into(),
                events: match args.events {
                    EventMask(0) => EventMask::ALL,
                    some => some,
                },
                style,
                buffer_size: args.buffer_size,
            },
            Verb::Delete => Self::Delete {
                filter: condition::condition(args)?.into(),
                style,
            },
            Verb::Update => Self::Update {
                filter: condition::selection(args)?.into(),
                change: change::change(args)?,
                style,
            },
            Verb::Get => Self::Get(Box::new(new_flow::lookup(args, style)?)),
            Verb::Create | Verb::Add => Self::Create {
                flow: new_flow::new_flow(args)?.map(Box::new),
                or_update: verb == Verb::Add,
            },
        };
        job.check_ignored(args)?;
        Ok(job)
    }

    /// Whether it changes or ends what is already in the table.
    pub(super) fn is_dangerous(&self) -> bool {
        match self {
            Self::Update { .. }
            | Self::Delete { .. }
            | Self::Flush(_)
            | Self::Expect(ExpectJob::Delete(_) | ExpectJob::Flush(_)) => true,
            Self::Help(_)
            | Self::HelpAbout(_)
            | Self::Version
            | Self::List { .. }
            | Self::Count(_)
            | Self::Follow { .. }
            | Self::Get(_)
            | Self::Create { .. }
            | Self::Stats(..)
            | Self::Load(_)
            | Self::Expect(
                ExpectJob::List(..)
                | ExpectJob::Count(..)
                | ExpectJob::Get(..)
                | ExpectJob::Create(_)
                | ExpectJob::Follow(_),
            ) => false,
        }
    }

    /// What deletes or changes flows is refused when a part of it would have no effect: without that
    /// part more flows might be meant (compat: cli-124).
    fn check_ignored(&self, args: &LowArgs) -> Result<(), Error> {
        match args.ignored.clone().filter(|_| self.is_dangerous()) {
            Some(word) => Err(Error::Ignored(word)),
            None => Ok(()),
        }
    }

    /// Demands in addition that one of these filters holds.
    pub(super) fn select_any_of(&mut self, set: FilterSet) {
        match self {
            Self::List { filter, .. }
            | Self::Follow { filter, .. }
            | Self::Update { filter, .. }
            | Self::Delete { filter, .. } => filter.any = Some(Arc::new(set)),
            // The table of options refuses it with these.
            Self::Help(_)
            | Self::HelpAbout(_)
            | Self::Version
            | Self::Count(_)
            | Self::Get(_)
            | Self::Create { .. }
            | Self::Flush(_)
            | Self::Stats(..)
            | Self::Load(_)
            | Self::Expect(_) => {}
        }
    }
}

/// The filter of a line that holds nothing but conditions.
pub fn filter(args: &LowArgs) -> Result<FlowFilter, Error> {
    matrix::check_conditions(args)?;
    condition::condition(args)
}

/// Which of the kernel's lists `-L` shows.
fn list_kind(args: &LowArgs) -> DumpKind {
    match args.table {
        Table::Dying => DumpKind::Dying,
        Table::Unconfirmed => DumpKind::Unconfirmed,
        Table::Conntrack | Table::Expect if args.has(Id::Zero) => DumpKind::ZeroCounters,
        Table::Conntrack | Table::Expect => DumpKind::Table,
    }
}

/// Counters are set to zero by the dump itself, before a filter in user space has a say.
fn check_zero(args: &LowArgs) -> Result<(), Error> {
    const FILTERS: [Id; 14] = [
        Id::Protonum,
        Id::Src,
        Id::Dst,
        Id::ReplySrc,
        Id::ReplyDst,
        Id::Mark,
        Id::Secmark,
        Id::Status,
        Id::Identifier,
        Id::Zone,
        Id::OrigZone,
        Id::ReplyZone,
        Id::Label,
        Id::FilterFile,
    ];
    let is_filtered = FILTERS.iter().any(|id| args.has(*id));
    if args.has(Id::Zero) && is_filtered {
        return Err(Error::ZeroWithFilter);
    }
    Ok(())
}
