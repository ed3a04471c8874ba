//! The tables of stock's weaknesses in `docs/compat.md` are whole: each row is there once, in
//! order, says what we do, and names tests that exist.
//!
//! A test is named in backquotes by its function, or by its module where a macro makes the
//! functions of all pairs (`place: check;` in the interop tests).

use super::{Complaints, File, Tree};

const PAGE: &str = "docs/compat.md";
/// The heading of each table, what its rows are called, and how many there are.
const TABLES: &[(&str, &[(&str, u32)])] = &[
    ("### Command line", &[("", 68)]),
    ("### Command line", &[("", 68)]),
    ("### Daemon", &[("", 53)]),
    (
        "### Link",
        &[
            ("1.4-", 7),
            ("9.1-", 8),
            ("9.2-", 6),
            ("9.3-", 4),
            ("9.4-", 3),
            ("10.2-", 8),
        ],
    ),
];

/// The rule.
pub fn tables(tree: &Tree) -> Complaints {
    let Some(page) = tree.file(PAGE) else {
        return vec![format!("{PAGE}:1: is missing")];
    };
    let tables = TABLES.iter();
    tables
        .flat_map(|(heading, sections)| table(tree, page, heading, sections))
        .collect()
}

fn table(tree: &Tree, page: &File, heading: &str, sections: &[(&str, u32)]) -> Complaints {
    let mut complaints = Vec::new();
    let mut expected = sections
        .iter()
        .flat_map(|(prefix, count)| (1..=*count).map(move |number| format!("{prefix}{number}")));
    let lines = page
        .lines()
        .skip_while(|(_, line)| *line != heading)
        .skip(1);
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with('#')) {
        let Some(cells) = cells(line) else { continue };
        let wanted = expected.next().unwrap_or_else(|| "no further row".into());
        if cells[0] != wanted {
            complaints.push(page.complaint(number, &format!("row `{}`, not `{wanted}`", cells[0])));
            return complaints;
        }
        complaints.extend(row(tree, &cells).map(|what| page.complaint(number, &what)));
    }
    let missing = expected.next();
    complaints.extend(missing.map(|row| format!("{PAGE}:1: `{heading}` has no row `{row}`")));
    complaints
}

/// The four cells of a row that is not the head of its table.
fn cells(line: &str) -> Option<[&str; 4]> {
    let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
    let found = [cells.next()?, cells.next()?, cells.next()?, cells.next()?];
    (found[0] != "row").then_some(found)
}

/// What is wrong in a row.
fn row(tree: &Tree, cells: &[&str; 4]) -> impl Iterator<Item = String> {
    let [name, stock, ours, tests] = cells;
    let mut wrong = Vec::new();
    if stock.is_empty() || ours.is_empty() {
        wrong.push(format!("row `{name}` does not say what is done"));
    }
    let mut tests = tests.split('`').skip(1).step_by(2).peekable();
    if tests.peek().is_none() {
        wrong.push(format!("row `{name}` has no test"));
    }
    let unknown = tests.filter(|test| !tree.sources().any(|file| has_test(file, test)));
    wrong.extend(unknown.map(|test| format!("row `{name}` names `{test}`, which is no test")));
    wrong.into_iter()
}

fn has_test(file: &File, test: &str) -> bool {
    let function = format!("fn {test}(");
    let place = format!("{test}: ");
    file.lines().any(|(_, line)| {
        let line = line.trim_start();
        line.starts_with(&function) || file.path.contains("/interop") && line.starts_with(&place)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    const SECTIONS: &[(&str, u32)] = &[("", 2)];

    fn complaints(rows: &str) -> Complaints {
        let page =
            format!("# T\n\n### H\n\n| row | a | b | test |\n|---|---|---|---|\n{rows}\n### I\n");
        let tree = tree(&[
            (PAGE, &page),
            ("a.rs", "    fn one() {\n"),
            ("crates/testbed/tests/interop.rs", "    two_udp: x;\n"),
        ]);
        let page = tree.file(PAGE).unwrap();
        table(&tree, page, "### H", SECTIONS)
    }

    #[test]
    fn a_whole_table_is_fine() {
        let rows = "| 1 | a | b | `one` |\n| 2 | a | b | `two_udp`, `one` |\n";
        assert_eq!(complaints(rows), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_told() {
        let cases = [
            ("| 1 | a | b | `one` |\n", "has no row `2`"),
            ("| 2 | a | b | `one` |\n", "row `2`, not `1`"),
            (
                "| 1 | a | b | `one` |\n| 2 | a | | `one` |\n",
                "does not say",
            ),
            (
                "| 1 | a | b | `one` |\n| 2 | a | b | none |\n",
                "row `2` has no test",
            ),
            (
                "| 1 | a | b | `one` |\n| 2 | a | b | `three` |\n",
                "`three`, which is no test",
            ),
            (
                "| 1 | a | b | `one` |\n| 2 | a | b | `one` |\n| 3 | a | b | `one` |\n",
                "row `3`, not `no further row`",
            ),
        ];
        for (rows, complaint) in cases {
            let found = complaints(rows);
            assert!(
                found.len() == 1 && found[0].contains(complaint),
                "{found:?}"
            );
        }
    }
}
