//! The documents keep up with the code: what the tables of options and keywords have stands in
//! the manual pages, and the differences from stock that the code cites are entries of
//! `docs/compat.md`.
//!
//! Names are taken from the source of the tables, by the calls that make their rows.

use std::collections::BTreeSet;

use super::{Complaints, File, Tree};

/// The wanted differences from stock.
const COMPAT: &str = "docs/compat.md";
/// How code and tests cite an entry.
const CITATION: &str = concat!("comp", "at: ");

/// A table in the source and the page that describes its rows.
struct Table {
    source: &'static str,
    /// What begins a row; the names are the string literals up to the end of the list or the
    /// first comma after a single one.
    row: &'static str,
    page: &'static str,
}

const OPTIONS: &[Table] = &[
    Table {
        source: "crates/conntrack/src/cli/options.rs",
        row: "option(Id::",
        page: "docs/man/conntrack.8",
    },
    Table {
        source: "crates/conntrack/src/cli/options.rs",
        row: "command(Verb::",
        page: "docs/man/conntrack.8",
    },
    Table {
        source: "crates/conntrack/src/cli/protocols.rs",
        row: "option(Field::",
        page: "docs/man/conntrack.8",
    },
];

const KEYWORDS: &[Table] = &[Table {
    source: "crates/conntrackd/src/config/grammar.rs",
    row: "rule(",
    page: "docs/man/conntrackd.conf.5",
}];

/// Every option of the command line is in its manual page, as `--name`.
pub fn options(tree: &Tree) -> Complaints {
    described(tree, OPTIONS, |name| format!("--{name}"))
}

/// Every keyword of the configuration is in its manual page.
pub fn keywords(tree: &Tree) -> Complaints {
    described(tree, KEYWORDS, str::to_owned)
}

fn described(tree: &Tree, tables: &[Table], show: impl Fn(&str) -> String) -> Complaints {
    let mut complaints = Vec::new();
    for table in tables {
        let names = tree.file(table.source).map(|file| names(file, table.row));
        let names = names.unwrap_or_default();
        if names.is_empty() {
            complaints.push(format!(
                "{}:1: no rows `{}…` found",
                table.source, table.row
            ));
        }
        let page = tree.file(table.page).map(plain).unwrap_or_default();
        let missing = names
            .iter()
            .map(|name| show(name))
            .filter(|name| !has(&page, name));
        complaints.extend(missing.map(|name| format!("{}:1: `{name}` is missing", table.page)));
    }
    complaints
}

/// The names in the rows of a table.
fn names(source: &File, row: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, line) in source.lines() {
        let Some((_, arguments)) = line.trim_start().split_once(row) else {
            continue;
        };
        // A row with a list has several names, another one has one.
        let list = arguments
            .split_once("&[")
            .and_then(|(_, rest)| rest.split_once(']'));
        let literals = list
            .map_or(arguments, |(list, _)| list)
            .split('"')
            .skip(1)
            .step_by(2);
        let count = if list.is_some() { usize::MAX } else { 1 };
        names.extend(literals.take(count).map(str::to_owned));
    }
    names
}

/// A page without the escapes of its hyphens and without its macros.
fn plain(page: &File) -> String {
    page.text.replace("\\-", "-").replace("Fl -", "--")
}

/// Whether the page has this word, not only a longer one.
fn has(page: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    page.match_indices(word).any(|(at, _)| {
        let before = page[..at].chars().next_back();
        let after = page[at + word.len()..].chars().next();
        !before.is_some_and(goes_on) && !after.is_some_and(goes_on)
    })
}

/// Entries have ids of their own, and what is cited exists.
pub fn compat(tree: &Tree) -> Complaints {
    let mut complaints = Vec::new();
    let mut ids = BTreeSet::new();
    if let Some(file) = tree.file(COMPAT) {
        let entries = file
            .lines()
            .filter_map(|(number, line)| Some((number, id_of(line)?)));
        for (number, id) in entries {
            if !ids.insert(id) {
                complaints.push(file.complaint(number, &format!("`{id}` is there twice")));
            }
        }
    }
    for file in tree.sources() {
        for (number, line) in file.lines() {
            let cited = line.split(CITATION).skip(1).flat_map(citations);
            let unknown = cited.filter(|id| !ids.contains(id));
            complaints.extend(
                unknown.map(|id| file.complaint(number, &format!("{COMPAT} has no entry `{id}`"))),
            );
        }
    }
    complaints
}

/// The id of an entry's heading.
fn id_of(heading: &str) -> Option<&str> {
    heading.strip_prefix("### ")?.split(' ').next()
}

/// The ids after the words of a citation: `cli-7, cli-8)`.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    let id = |word: &str| {
        let (area, number) = word.split_once('-')?;
        let is_area = !area.is_empty() && area.chars().all(|c| c.is_ascii_lowercase());
        let is_number = number.starts_with(|c: char| c.is_ascii_digit());
        (is_area && is_number).then_some(())
    };
    text.split(", ")
        .map(|part| {
            part.split(|c: char| !c.is_alphanumeric() && c != '-')
                .next()
        })
        .map_while(move |word| word.filter(|word| id(word).is_some()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    const SOURCE: &str = "\
const fn option(id: Id, names: &'static [&'static str]) -> Opt {
    option(Id::Src, b's', &[\"src\", \"orig-src\"], Arg::Required, \"oPP\",
        (\"ADDR\", \"Source\")),
";

    #[test]
    fn an_option_that_the_page_lacks_is_found() {
        let check = |page: &str, missing: &[&str]| {
            let tree = tree(&[(OPTIONS[0].source, SOURCE), (OPTIONS[0].page, page)]);
            let found = described(&tree, &OPTIONS[..1], |name| format!("--{name}"));
            let expected = missing
                .iter()
                .map(|name| format!("docs/man/conntrack.8:1: `{name}` is missing"));
            assert_eq!(found, expected.collect::<Vec<_>>(), "{page}");
        };
        check("\\-\\-src, \\-\\-orig\\-src", &[]);
        check(".Fl -src , Fl -orig-src", &[]);
        check("\\-\\-src\\-nat \\-\\-orig-src", &["--src"]);
        check("", &["--orig-src", "--src"]);
    }

    #[test]
    fn a_table_that_is_not_found_is_told() {
        let found = described(&tree(&[]), KEYWORDS, str::to_owned);
        assert_eq!(found.len(), 1, "{found:?}");
        let source = "    rule(\"HashSize\", Key::HashSize, NUMBER),\n";
        let files = [
            (KEYWORDS[0].source, source),
            (KEYWORDS[0].page, ".It Cm HashSize"),
        ];
        assert!(keywords(&tree(&files)).is_empty());
    }

    #[test]
    fn compat_ids_are_unique_and_cited_ones_exist() {
        let page = "# Differences\n### cli-7 Zones\ntext\n### cli-7 Zones again\n### ctl-1 x\n";
        let code = format!("// {CITATION}cli-7, ctl-1).\n// {CITATION}cli-9)\n");
        let found = compat(&tree(&[(COMPAT, page), ("a.rs", &code)]));
        let expected = [
            "docs/compat.md:4: `cli-7` is there twice",
            "a.rs:2: docs/compat.md has no entry `cli-9`",
        ];
        assert_eq!(found, expected);
    }
}
