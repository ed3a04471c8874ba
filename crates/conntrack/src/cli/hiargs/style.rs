//! What of the entries is shown, and how it looks: what `-o` means.
//!
//! Which words go together was checked when they were read. A word that says nothing about a
//! command is accepted and has no effect there, as in stock.

use std::sync::Arc;

use flow::LabelMap;
use flow::render::{Format, Saved, Show};

use crate::cli::error::Error;
use crate::cli::lowargs::{LowArgs, OutputWord};
use crate::cli::options::{Id, Table, Verb};

/// How a command shows entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// The format, and what is shown beyond what it always has.
    pub show: Show,
    /// The names of labels, if labels are to be shown.
    pub labels: Option<Arc<LabelMap>>,
}

/// What `-o` asks for.
pub(super) fn style(args: &LowArgs) -> Style {
    let has = |word| args.output.contains(&word);
    let format = if has(OutputWord::Xml) {
        Format::Xml
    } else if has(OutputWord::Json) {
        Format::Json
    } else if has(OutputWord::Save) {
        Format::Save(match args.verb {
            Some(Verb::Delete) => Saved::Delete,
            _ => Saved::Add,
        })
    } else {
        Format::Text
    };
    // The listing of flows has no moment to show.
    let has_moment = args.verb == Some(Verb::Event) || args.table == Table::Expect;
    Style {
        show: Show {
            format,
            extended: has(OutputWord::Extended),
            id: has(OutputWord::Id) || format == Format::Xml,
            time: has(OutputWord::Timestamp) && has_moment,
            life: has(OutputWord::Ktimestamp),
            ..Show::TABLE
        },
        labels: args.labels.map.clone(),
    }
}

/// How numbers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CounterFormat {
    /// As stock does.
    #[default]
    Text,
    /// JSON Lines.
    Json,
    /// OpenMetrics.
    OpenMetrics,
}

/// What `-o` asks for with the commands that show numbers; stock takes no `-o` there.
pub(super) fn counter_format(args: &LowArgs) -> Result<CounterFormat, Error> {
    match *args.output {
        [] => Ok(CounterFormat::Text),
        [OutputWord::Json] => Ok(CounterFormat::Json),
        [OutputWord::OpenMetrics] => Ok(CounterFormat::OpenMetrics),
        _ => Err(Error::Illegal(Id::Output.name())),
    }
}
