//! All numbers that a daemon shows, by where they stand.
//!
//! A key is `REQUEST / BLOCK / LABEL / PLACE`, where the place counts the numbers of a line.

use std::collections::BTreeMap;

use testbed::{Conntrackd, Result};

/// Numbers by their keys.
pub type Snapshot = BTreeMap<String, u64>;

/// Every layout.
const REQUESTS: &[&str] = &[
    "-s",
    "-s network",
    "-s cache",
    "-s runtime",
    "-s link",
    "-s queue",
    "-s rsqueue",
    "-s expect",
    "-s process",
];

/// Asks a daemon for everything.
pub fn take(daemon: &Conntrackd) -> Result<Snapshot> {
    let mut snapshot = Snapshot::new();
    for request in REQUESTS {
        read(request, &daemon.client(request)?.stdout, &mut snapshot);
    }
    Ok(snapshot)
}

fn read(request: &str, text: &str, snapshot: &mut Snapshot) {
    let mut block = String::new();
    for line in text.lines() {
        // One line per element, of which there are as many as there are.
        let is_element = line.starts_with("object -> ") || line.starts_with("control -> ");
        // The time since the start counts nothing.
        if is_element || line.trim().is_empty() || line.starts_with("daemon uptime:") {
            continue;
        }
        let spaced = line.replace(['/', '(', ')', '='], " ");
        let (numbers, words): (Vec<_>, Vec<_>) = spaced
            .split_whitespace()
            .partition(|word| word.parse::<u64>().is_ok());
        let label = words.join(" ");
        // `cache:internal` begins its block in the line of its first number.
        if numbers.is_empty() || line.starts_with("cache:") {
            block = header(words[0], &label);
        }
        for (place, number) in numbers.iter().enumerate() {
            let label = label.trim_start_matches(&format!("{block} "));
            let key = format!("{request} / {block} / {label} / {place}");
            snapshot.insert(key, number.parse().unwrap());
        }
    }
}

/// The name of a block; of a link without its interface and its state.
fn header(first: &str, line: &str) -> String {
    match first {
        "UDP" | "multicast" | "TCP" => "link".into(),
        first if first.starts_with("cache:") => first.into(),
        _ => line.trim_end_matches(':').into(),
    }
}

#[test]
fn numbers_are_found_by_where_they_stand() {
    let mut found = Snapshot::new();
    let text = "cache:internal\tactive objects:\t\t           1\n\
                \tactive/total entries:\t\t           2/           3\n\n\
                UDP traffic (active device=eth2):\n                   4 Bytes sent        5 Bytes recv\n\n\
                resent queue (len=6)\nobject -> seq:7\n";
    read("-s x", text, &mut found);
    let found: Vec<_> = found.iter().map(|(key, value)| (&**key, *value)).collect();
    let expected = [
        ("-s x / cache:internal / active objects: / 0", 1),
        ("-s x / cache:internal / active total entries: / 0", 2),
        ("-s x / cache:internal / active total entries: / 1", 3),
        ("-s x / link / Bytes sent Bytes recv / 0", 4),
        ("-s x / link / Bytes sent Bytes recv / 1", 5),
        ("-s x / link / resent queue len / 0", 6),
    ];
    assert_eq!(found, expected);
}
