//! Our `conntrack` beside stock's: the same command on the same table, and nothing may differ.
//!
//! Each group of rows starts with the same flows in two namespaces; then every row runs in both,
//! and what is printed, the exit status and the table afterwards are compared. What cannot be
//! equal is taken out first ([`normal`]). A row that is known to differ says why and what we do
//! instead, and fails once it no longer differs.
//!
//! We follow stock 1.4.9. Where the installed one answers otherwise the row says so ([`stock`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test"
)]

mod completions;
mod edges;
mod events;
mod expect;
mod filter_files;
mod formats;
mod generated;
mod known;
mod labels;
mod laws;
mod load;
mod nat;
mod normal;
mod passing;
mod roundtrip;
mod rows;
mod spelling;
mod stock;
mod surroundings;
mod tables;
mod turns;
mod users;

use std::collections::BTreeSet;

use rows::{Differs, Row};
use testbed::{Command, Implementation, Namespace, Output, Program};

/// Two namespaces with equal tables.
struct Pair {
    stock: Namespace,
    ours: Namespace,
    /// What stands before the program, to run it in another surrounding.
    wrapper: Vec<String>,
}

impl Pair {
    fn new(label: &str, flows: &[&str]) -> Self {
        let pair = Self {
            stock: Namespace::new(&format!("{label}-stock")).unwrap(),
            ours: Namespace::new(&format!("{label}-ours")).unwrap(),
            wrapper: Vec::new(),
        };
        for namespace in [&pair.stock, &pair.ours] {
            tables::fill(namespace, flows);
        }
        pair
    }

    /// Two namespaces that count traffic and note times.
    fn accounting(label: &str) -> Self {
        let pair = Self::new(label, &[]);
        for namespace in [&pair.stock, &pair.ours] {
            for setting in ["acct", "timestamp"] {
                let name = format!("net.netfilter.nf_conntrack_{setting}");
                namespace.sysctl(&name, 1).unwrap();
            }
            tables::fill(namespace, tables::MIXED);
        }
        pair
    }

    /// What both print, ours second.
    fn run(&self, line: &str) -> (Output, Output) {
        let run = |implementation: Implementation, namespace: &Namespace| {
            let path = implementation.path(Program::Conntrack).unwrap();
            let mut all = self.wrapper.clone();
            all.push(path.to_string_lossy().into_owned());
            all.extend(words(line));
            let command = Command::new(&all[0]).args(&all[1..]);
            namespace.output(command).unwrap()
        };
        (
            run(Implementation::Stock, &self.stock),
            run(Implementation::Ours, &self.ours),
        )
    }

    /// Both tables, as stock lists them.
    fn tables(&self) -> (String, String) {
        let list = |namespace: &Namespace| {
            let output = namespace.run("conntrack -L").unwrap();
            normal::stdout(&output.stdout)
        };
        (list(&self.stock), list(&self.ours))
    }

    /// What is wrong with a row, if anything.
    fn check(&self, row: &Row) -> Option<String> {
        let (stock, ours) = self.run(row.line);
        let (stock, ours) = (normal::Answer::new(&stock), normal::Answer::new(&ours));
        if let Some(differs) = row.difference() {
            return check_difference(differs, &ours, &stock);
        }
        if ours != stock {
            return Some(format!("stock: {stock:#?}\nours: {ours:#?}"));
        }
        let (stock, ours) = self.tables();
        (ours != stock).then(|| format!("table of stock:\n{stock}\nours:\n{ours}"))
    }
}

/// What is wrong with an answer that has to differ.
fn check_difference(
    differs: &Differs,
    ours: &normal::Answer,
    stock: &normal::Answer,
) -> Option<String> {
    let Differs {
        why, status, says, ..
    } = differs;
    if ours == stock {
        return Some(format!("no longer differs ({why})"));
    }
    let said = format!("{}{}", ours.stdout, ours.stderr);
    if ours.status != *status || !said.contains(says) {
        return Some(format!(
            "expected ({why}): {status}, {says}\nours: {ours:#?}"
        ));
    }
    None
}

/// Words separated by blanks; between single quotes blanks count.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn check(label: &str, flows: &[&str], rows: &[Row]) {
    check_rows(&Pair::new(label, flows), rows);
}

/// Runs all rows, so that one look shows everything that differs.
fn check_rows(pair: &Pair, rows: &[Row]) {
    let complaints: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let complaint = pair.check(row)?;
            Some(format!("conntrack {}\n{complaint}", row.line))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
}

#[test]
fn wrong_lines_are_answered_alike() {
    check("wrong", &[], rows::WRONG);
}

#[test]
fn wrong_values_are_answered_alike() {
    check("values", &[], rows::VALUES);
}

#[test]
fn listings_are_alike() {
    check("list", tables::MIXED, rows::LIST);
}

#[test]
fn new_flows_are_alike() {
    check("create", &[], rows::CREATE);
}

#[test]
fn single_flows_are_alike() {
    check("get", tables::MIXED, rows::GET);
}

#[test]
fn changes_are_alike() {
    check("update", tables::MIXED, rows::UPDATE);
}

#[test]
fn deletions_are_alike() {
    check("delete", tables::MIXED, rows::DELETE);
}

#[test]
fn what_was_not_meant_stays() {
    for row in rows::DANGEROUS {
        check("danger", tables::MIXED, std::slice::from_ref(row));
    }
}

/// compat: cli-13
#[test]
fn a_flush_keeps_the_other_family() {
    let pair = Pair::new("flush", tables::MIXED);
    pair.run("-F -f ipv6");
    assert_eq!(pair.stock.flow_count().unwrap(), 0);
    assert_eq!(pair.ours.flow_count().unwrap(), 20);
}

#[test]
fn counters_and_times_are_alike() {
    check_rows(&Pair::accounting("acct"), rows::ACCOUNTS);
}

/// The line that the whole test run shows: how much is compared, and what is known to differ.
#[test]
fn the_rows_are_counted() {
    let all = [
        rows::WRONG,
        rows::VALUES,
        rows::LIST,
        rows::CREATE,
        rows::GET,
        rows::UPDATE,
        rows::DELETE,
        rows::ACCOUNTS,
        rows::DANGEROUS,
        formats::XML,
        formats::TIMES,
        formats::SAVE,
        formats::SAVE_TRANSLATED,
        expect::EXPECT,
        expect::DELETE,
        expect::FLUSH,
        labels::LABELS,
        labels::NO_ROOM,
        nat::LIST,
        nat::CHANGE,
        nat::DANGEROUS,
        known::ROWS,
        users::READERS,
        users::WRITERS,
        spelling::SPELLING,
    ];
    let rows: usize = all.iter().map(|rows| rows.len()).sum();
    let differing = all.iter().flat_map(|rows| rows.iter());
    let differing = differing.filter_map(|row| Some(row.difference()?.why));
    let differing: Vec<&str> = differing.chain(load::differences()).collect();
    let count = rows + load::CASES.len() + known::LOOKUPS + events::FOLLOWED + generated::LINES;
    let entries: BTreeSet<&str> = differing
        .iter()
        .copied()
        .filter(|why| *why != rows::OLD)
        .collect();
    let old = differing.iter().filter(|why| **why == rows::OLD).count();
    assert!(count >= 400, "{count}");
    let (major, minor, patch) = *stock::VERSION;
    println!(
        "count: {count} command lines beside stock; {} differ as docs/compat.md says: {}; \
         {old} since the installed stock is {major}.{minor}.{patch} and older than the one we follow",
        differing.len() - old,
        entries.into_iter().collect::<Vec<_>>().join(" "),
    );
}

#[test]
fn quotes_make_one_word() {
    assert_eq!(words("-s ' 1' '' x"), ["-s", " 1", "", "x"]);
}
