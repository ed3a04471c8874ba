//! Which options a command needs and which it does not take.
//!
//! Violations are searched for in the order of the table, the general options first, then those
//! of the protocol, so that a line with several mistakes is answered as by stock.

use super::error::Error;
use super::hint;
use super::lowargs::LowArgs;
use super::options::{Column, Id, OPTIONS, Opt, Rule, Table, Verb};
use super::protocols::{Field, ProtoOpt, Row};

/// Checks the options against the command.
pub fn check(args: &LowArgs) -> Result<(), Error> {
    if args.has(Id::AnyNat) && (args.has(Id::SrcNat) || args.has(Id::DstNat)) {
        return Err(Error::AnyNatWithOther);
    }
    let Some(verb) = args.verb else {
        return match OPTIONS.iter().find(|option| args.has(option.id)) {
            Some(option) => Err(hint::illegal(option.names[0], option.matrix)),
            None => Ok(()),
        };
    };
    let column = Column::of(verb, args.table);
    if column.is_violated(args.given()) {
        for option in &OPTIONS {
            let rule = column.rule(option.matrix);
            check_one(rule, args.has(option.id), option.names[0], option.matrix)?;
        }
    }
    if column.rule(Id::Src.row().matrix) == Rule::Pair {
        let given = [Id::Src, Id::Dst, Id::ReplySrc, Id::ReplyDst].map(|id| args.has(id));
        check_pairs(given, [("src", "dst"), ("reply-src", "reply-dst")])?;
    }
    check_protocol(args, verb, column)
}

/// Checks that everything given is a condition, whatever the command is.
pub fn check_conditions(args: &LowArgs) -> Result<(), Error> {
    if args.has(Id::AnyNat) && (args.has(Id::SrcNat) || args.has(Id::DstNat)) {
        return Err(Error::AnyNatWithOther);
    }
    // A listing does not take the remaining life, a deletion does not take the security mark.
    let columns = [Verb::List, Verb::Delete].map(|verb| Column::of(verb, Table::Conntrack));
    let is_taken = |matrix| {
        let mut rules = columns.iter().map(|column| column.rule(matrix));
        rules.any(|rule| rule == Rule::Allowed)
    };
    let is_condition = |option: &Opt| {
        !matches!(option.id, Id::Zero | Id::Output | Id::FilterFile) && is_taken(option.matrix)
    };
    let mut given = OPTIONS.iter().filter(|option| args.has(option.id));
    if let Some(option) = given.find(|option| !is_condition(option)) {
        return Err(Error::NoCondition(option.names[0]));
    }
    if let Some(foreign) = args.foreign_option() {
        return Err(Error::Illegal(foreign));
    }
    let mut of_protocol = args
        .protocol
        .and_then(Row::of)
        .into_iter()
        .flat_map(Row::options);
    let is_wrong = |option: &&ProtoOpt| args.has_field(option.field) && !is_taken(option.matrix);
    match of_protocol.find(is_wrong) {
        Some(option) => Err(Error::NoCondition(option.names[0])),
        None => Ok(()),
    }
}

fn check_one(
    rule: Rule,
    given: bool,
    name: &'static str,
    matrix: &'static str,
) -> Result<(), Error> {
    match (rule, given) {
        (Rule::Required, false) => Err(Error::Needed(name)),
        (Rule::Rejected, true) => Err(hint::illegal(name, matrix)),
        _ => Ok(()),
    }
}

/// One of the two pairs has to be complete; what is there tells which one is asked for.
fn check_pairs(
    [a, b, c, d]: [bool; 4],
    [first, second]: [(&'static str, &'static str); 2],
) -> Result<(), Error> {
    if a && b || c && d {
        return Ok(());
    }
    let (src, dst) = if !a && !b && (c || d) { second } else { first };
    Err(Error::PairNeeded(src, dst))
}

fn check_protocol(args: &LowArgs, verb: Verb, column: Column) -> Result<(), Error> {
    // The help of a protocol is shown whatever else was typed.
    if verb == Verb::Help {
        return Ok(());
    }
    // What another protocol of the line brought and this one does not have.
    if let Some(foreign) = args.foreign_option() {
        return Err(Error::Illegal(foreign));
    }
    let Some(row) = args.protocol.and_then(Row::of) else {
        return Ok(());
    };
    for option in row.options() {
        let rule = column.rule(option.matrix);
        check_one(
            rule,
            args.has_field(option.field),
            option.names[0],
            option.matrix,
        )?;
    }
    let source = row.options().find(|option| option.field == Field::Src);
    if source.is_some_and(|option| column.rule(option.matrix) == Rule::Pair) {
        let fields = [Field::Src, Field::Dst, Field::ReplySrc, Field::ReplyDst];
        check_pairs(fields.map(|field| args.has_field(field)), row.pairs)?;
    }
    Ok(())
}
