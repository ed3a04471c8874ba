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
    Option(Id),
    Output(OutputWord),
}

const LATER: [(When, &str); 8] = [
    (When::Table(Table::Expect), "the expectation table"),
    (When::Command(Verb::Stats), "the command `--stats'"),
    (When::Option(Id::Label), "the option `--label'"),
    (When::Option(Id::LabelAdd), "the option `--label-add'"),
    (When::Option(Id::LabelDel), "the option `--label-del'"),
    (When::Option(Id::Labelmap), "the option `--labelmap'"),
    (When::Output(OutputWord::Labels), "the output `labels'"),
    (When::Output(OutputWord::Save), "the output `save'"),
];

/// Whether a command is in the table only so that it can be refused.
pub fn has_command(verb: Verb) -> bool {
    let is_it = |when: &When| matches!(when, When::Command(later) if *later == verb);
    LATER.iter().any(|(when, _)| is_it(when))
}

/// Whether an option is in the table only so that it can be refused.
pub fn has_option(id: Id) -> bool {
    let is_it = |when: &When| matches!(when, When::Option(later) if *later == id);
    let of_expectations = matches!(id, Id::TupleSrc | Id::TupleDst);
    of_expectations || LATER.iter().any(|(when, _)| is_it(when))
}

/// What the batch mode is called, which is looked for before any option.
pub const LOAD_FILE: &str = "the command `--load-file'";

/// Refuses what this version does not have.
pub fn refuse(args: &LowArgs) -> Result<(), Error> {
    let applies = |when: &When| match when {
        When::Command(verb) => args.verb == Some(*verb),
        When::Table(table) => args.table == *table,
        When::Option(id) => args.has(*id),
        When::Output(word) => args.output.contains(word),
    };
    match LATER.iter().find(|(when, _)| applies(when)) {
        Some((_, what)) => Err(Error::Later((*what).into())),
        None => Ok(()),
    }
}
