//! What stock has and this version does not have yet.
//!
//! Everything here is recognised and checked as stock does it, and then refused with a message
//! that names it: an option that is silently ignored could delete the wrong flows. A feature
//! arrives by deleting its row.

use super::error::Error;
use super::lowargs::{LowArgs, OutputWord};
use super::options::{Id, Table, Verb};

/// When a row applies.
enum When {
    Command(Verb),
    Table(Table),
    Output(OutputWord),
}

const LATER: &[(When, &str)] = &[
    (When::Table(Table::Expect), "the expectation table"),
    (When::Command(Verb::Stats), "the command `--stats'"),
    (When::Output(OutputWord::Save), "the output `save'"),
];

/// Whether a command is in the table only so that it can be refused.
pub fn has_command(verb: Verb) -> bool {
    let is_it = |when: &When| matches!(when, When::Command(later) if *later == verb);
    LATER.iter().any(|(when, _)| is_it(when))
}

/// Whether an option is in the table only so that it can be refused.
pub fn has_option(id: Id) -> bool {
    matches!(id, Id::TupleSrc | Id::TupleDst)
}

/// What the batch mode is called, which is looked for before any option.
pub const LOAD_FILE: &str = "the command `--load-file'";

/// Refuses what this version does not have.
pub fn refuse(args: &LowArgs) -> Result<(), Error> {
    let applies = |when: &When| match when {
        When::Command(verb) => args.verb == Some(*verb),
        When::Table(table) => args.table == *table,
        When::Output(word) => args.output.contains(word),
    };
    match LATER.iter().find(|(when, _)| applies(when)) {
        Some((_, what)) => Err(Error::Later((*what).into())),
        None => Ok(()),
    }
}
