//! The formats beside the default line.
//!
//! Protocols that stock shows with their names are compared whole; where ours shows more, the rows
//! say what. JSON has no counterpart: it is compared with the table it shows.

use testbed::{Implementation, Namespace, Program};

use crate::rows::{Row, differs, same};
use crate::{Pair, check_rows, tables};

/// On a table with one flow of each kind.
pub const XML: &[Row] = &[
    same("-L -o xml -p tcp"),
    same("-L -o xml -p udp"),
    same("-L -o xml -p udplite"),
    same("-L -o xml -p gre"),
    same("-L -o xml -p 2"),
    same("-L -o xml -f ipv6 -p tcp"),
    same("-L -o xml -w 5"),
    same("-L -o xml,extended,id -p udp"),
    same("-L -o xml,timestamp -p udp"),
    same("-L -o xml,ktimestamp -p udp"),
    same("-L -o xml -s 10.99.0.1"),
    same("-L dying -o xml"),
    same("-G -o xml -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 9999 --dport 53"),
    differs(
        "-L -o xml -p icmp",
        "cli-49",
        0,
        "<layer4 protonum=\"1\" protoname=\"icmp\"><type>8</type><code>0</code><id>77</id></layer4>",
    ),
    differs("-L -o xml -p icmpv6", "cli-49", 0, "<type>128</type>"),
    differs(
        "-L -o xml -p sctp",
        "cli-49",
        0,
        "<state>ESTABLISHED</state>",
    ),
    differs(
        "-G -o xml -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53",
        "cli-49",
        0,
        "</conntrack>",
    ),
    differs(
        "-U -o xml -f ipv4 -s 10.0.0.1 -p udp -m 9",
        "cli-49",
        0,
        "</conntrack>",
    ),
    differs("-D -o xml -p udp -w 77", "cli-49", 0, "</conntrack>"),
    same("-D -o xml -p udp -w 77"),
];

/// On a table with traffic counted and times noted.
pub const TIMES: &[Row] = &[
    same("-L -o ktimestamp"),
    same("-L -o ktimestamp,extended,id"),
    same("-L -o xml -p tcp"),
    same("-L -o xml,ktimestamp -p tcp"),
    same("-G -o ktimestamp -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53"),
    differs("-D -o ktimestamp -p udplite", "cli-53", 0, " [start="),
    differs(
        "-L -o json -p udp",
        "cli-57",
        0,
        "\"timestamp\":{\"start\":\"20",
    ),
];

#[test]
fn xml_is_alike() {
    check_rows(&Pair::new("xml", tables::MIXED), XML);
}

#[test]
fn times_are_alike() {
    check_rows(&Pair::accounting("times"), TIMES);
}

/// compat: cli-57
#[test]
fn json_shows_what_the_table_holds() {
    let namespace = Namespace::new("json").unwrap();
    tables::fill(&namespace, tables::MIXED);
    let ours = Implementation::Ours.path(Program::Conntrack).unwrap();
    let ours = ours.to_string_lossy();
    let text = namespace.run(format!("{ours} -L -o id")).unwrap().stdout;
    let json = namespace.run(format!("{ours} -L -o json")).unwrap().stdout;
    let numbers = |line: &str| -> Vec<String> {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && !".:".contains(c));
        words.map(str::to_owned).collect()
    };
    assert_eq!(json.lines().count(), tables::MIXED.len());
    for (text, json) in text.lines().zip(json.lines()) {
        let known = numbers(json);
        for field in text.split(' ') {
            let Some((key, value)) = field.split_once('=') else {
                continue;
            };
            let value = match value.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).unwrap().to_string(),
                None => value.to_owned(),
            };
            let is_there = key == "use"
                || known
                    .iter()
                    .any(|word| word.trim_matches(':') == value.trim_matches(':'));
            assert!(is_there, "{field} of\n{text}\nis not in\n{json}");
        }
    }
}
