//! Tests that are cells of a table: who with whom, in which circumstances.
//!
//! A test `place::ours_to_stock` is the cell in the row of its module and in the column of its
//! pair. It shows `ok`, or the step at which it failed, which stands in its message between
//! backquotes: ``at step `bulk`: …``. The output of the harness is all that is needed.

use std::collections::BTreeMap;

/// The columns: the names of the tests, and how they are shown.
const PAIRS: [(&str, &str); 4] = [
    ("ours_to_ours", "ours→ours"),
    ("ours_to_stock", "ours→stock"),
    ("stock_to_ours", "stock→ours"),
    ("stock_to_stock", "stock→stock"),
];
/// Comes before the name of the step in a cell's message.
const STEP: &str = "at step `";

/// The table of the cells in a program's output; nothing if it has none.
pub fn table(text: &str) -> Option<String> {
    let cells = cells(text);
    let places: Vec<_> = {
        let mut places: Vec<_> = cells.keys().map(|(place, _)| *place).collect();
        places.dedup();
        places
    };
    if places.is_empty() {
        return None;
    }
    let width = places.iter().map(|place| place.len()).max().unwrap_or(0);
    let mut lines = vec![row(width, "", PAIRS.map(|(_, shown)| shown))];
    for place in places {
        let verdicts = PAIRS.map(|(pair, _)| cells.get(&(place, pair)).copied().unwrap_or("-"));
        lines.push(row(width, &place.replace('_', " "), verdicts));
    }
    Some(lines.join("\n"))
}

fn row(width: usize, place: &str, cells: [&str; 4]) -> String {
    let cells = cells.map(|cell| format!("{cell:<12}")).concat();
    format!("  {place:<width$}  {}", cells.trim_end())
}

/// The verdict of each cell, by place and pair.
fn cells(text: &str) -> BTreeMap<(&str, &str), &str> {
    let mut cells = BTreeMap::new();
    for line in text.lines() {
        let Some((path, verdict)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "))
        else {
            continue;
        };
        let Some((place, pair)) = path.rsplit_once("::") else {
            continue;
        };
        if PAIRS.iter().any(|(name, _)| *name == pair) {
            let verdict = if verdict == "ok" {
                "ok"
            } else {
                failed_step(text, path)
            };
            let place = place.rsplit("::").next().unwrap_or(place);
            cells.insert((place, pair), verdict);
        }
    }
    cells
}

/// The step named in the message of a failed test.
fn failed_step<'a>(text: &'a str, path: &str) -> &'a str {
    let message = text
        .split_once(&format!("---- {path} stdout ----\n"))
        .map(|(_, rest)| rest.split("\n---- ").next().unwrap_or(rest));
    message
        .and_then(|message| message.split_once(STEP)?.1.split('`').next())
        .unwrap_or("FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_shown_with_the_step_at_which_they_failed() {
        let text = "\
test a_tcp::ours_to_ours ... ok
test deep::a_tcp::stock_to_ours ... FAILED
test b_udp::ours_to_stock ... FAILED
test other::thing ... ok

---- deep::a_tcp::stock_to_ours stdout ----
Error: at step `bulk`: waited

---- b_udp::ours_to_stock stdout ----
panicked
";
        let expected = "         ours→ours   ours→stock  stock→ours  stock→stock\n  \
                        a tcp  ok          -           bulk        -\n  \
                        b udp  -           FAILED      -           -";
        assert_eq!(table(text).as_deref(), Some(expected));
        assert_eq!(table("test other::thing ... ok\n"), None);
    }
}
