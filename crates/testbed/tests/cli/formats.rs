//! The formats beside the default line.
//!
//! Protocols that stock shows with their names are compared whole; where ours shows more, the rows
//! say what. JSON has no counterpart: it is compared with the table it shows.

use testbed::{Command, Implementation, Namespace, Program};

use crate::rows::{Row, differs, same};
use crate::{Pair, check_rows, nat, passing, tables};

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

/// On a table with one flow of each kind. Lines of flows with marks have them behind stock's options.
pub const SAVE: &[Row] = &[
    same("-L -o save -p udplite"),
    same("-L -o save -p gre"),
    same("-L -o save -p icmp"),
    same("-L -o save -p icmpv6"),
    differs("-L -o save -p dccp", "cli-48", 0, "-p dccp --sport 0"),
    same("-L -o save -p 2"),
    same("-L -o save -p tcp --state LISTEN"),
    same("-L -o save -p tcp --state CLOSE"),
    same("-L -o save -w 5"),
    same("-L -o save -f ipv6 -p udp"),
    same("-L -o save,userspace -p udp --sport 9"),
    same("-L -o save --orig-zone 3"),
    same("-L -o save --reply-zone 4"),
    same("-L -o save -s 10.99.0.1"),
    same("-G -o save -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1002 --dport 53"),
    differs("-L -o save -p 200", "cli-48", 0, "-p 200 -m 3"),
    differs(
        "-L -o save -p sctp",
        "cli-16a",
        0,
        "--state ESTABLISHED --orig-vtag 16777216 --reply-vtag 33554432",
    ),
    differs(
        "-U -o save -f ipv4 -s 10.0.0.1 -p udp -m 9",
        "cli-48",
        0,
        "-A -t . -u UNSET -s 10.0.0.1 -d 10.0.9.1 -r 10.0.9.1 -q 10.0.0.1 -p udp --sport 1001",
    ),
    same("-D -o save -p gre"),
];

/// On a table of translated flows.
pub const SAVE_TRANSLATED: &[Row] = &[
    same("-L -o save -s 10.0.0.1 -p tcp --sport 1001"),
    same("-L -o save -s 10.0.0.2"),
    same("-L -o save -s 10.0.0.3"),
    same("-L -o save -s 10.0.0.4"),
    same("-L -o save -s 10.0.0.5"),
    same("-L -o save -f ipv6"),
    differs(
        "-L -o save -s 10.0.0.1 -p tcp --sport 1002",
        "cli-48",
        0,
        "-g 10.7.0.1:8081 -n 10.8.0.1:4000",
    ),
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

#[test]
fn saved_flows_are_alike() {
    check_rows(&Pair::new("save", tables::MIXED), SAVE);
    check_rows(&Pair::new("translated", nat::TRANSLATED), SAVE_TRANSLATED);
}

/// Lines that stock does not know are read one by one, as commands.
const RESTORED: &[&str] = &[
    "-u SEEN_REPLY -s 1.1.1.1 -d 2.2.2.2 -g 2.2.2.2:5353 -q 1.1.1.1 -p udp --sport 10 --dport 53 --reply-port-src 5353 --reply-port-dst 10",
    "-u SEEN_REPLY -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -n 1.1.1.1:78 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77",
    "-u SEEN_REPLY -s 2001:db8::1 -d 2001:db8::2 -r 2001:db8::2 -n [2001:db8::1]:4096 -p udp --sport 10 --dport 53 --reply-port-src 53 --reply-port-dst 4096",
    "-u SEEN_REPLY -s 1.1.1.1 -d 2.2.2.2 -g 3.3.3.3:80 -n 4.4.4.4:1000 -p tcp --sport 10 --dport 20 --reply-port-src 80 --reply-port-dst 1000 --state ESTABLISHED",
    "-u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.9.1 -r 10.0.9.1 -q 10.0.0.1 -p tcp --sport 40846 --dport 21 --reply-port-src 21 --reply-port-dst 40846 --state ESTABLISHED --wscale 7,9 -m 4294967295 --label-add bit:0,bit:9 --helper ftp --orig-seqadj 3735928559,0,6 --reply-seqadj 5,4294967295,4294967290 --synproxy 1,2,3",
    "-u EXPECTED,SEEN_REPLY -s 10.0.9.1 -d 10.0.0.1 -r 10.0.0.1 -q 10.0.9.1 -p tcp --sport 20 --dport 2000 --reply-port-src 2000 --reply-port-dst 20 --state ESTABLISHED --master tcp,10.0.0.1,10.0.9.1,40846,21",
    "-u FIXED_TIMEOUT --orig-zone 3 -s 10.0.0.1 -d 10.0.9.9 -r 10.0.9.9 -q 10.0.0.1 -p sctp --sport 14 --dport 20 --reply-port-src 20 --reply-port-dst 14 --state HEARTBEAT_SENT --orig-vtag 1 --reply-vtag 4294967295",
];

/// compat: cli-48
#[test]
fn what_is_saved_makes_the_same_flow() {
    let namespace = Namespace::new("restore").unwrap();
    // A kernel keeps labels and helpers where rules use them.
    let rules = "table inet t {\n chain c {\n  type filter hook output priority 0;\n  \
        ct label set 9\n }\n}\n";
    namespace
        .run(Command::from("nft -f -").stdin(rules))
        .unwrap();
    let ours = Implementation::Ours.path(Program::Conntrack).unwrap();
    let ours = ours.to_string_lossy();
    let saved = || {
        let stdout = namespace.run(format!("{ours} -L -o save")).unwrap().stdout;
        let mut lines: Vec<String> = stdout.lines().map(passing::taken_out).collect();
        lines.sort();
        lines
    };
    for line in RESTORED {
        namespace.run(format!("{ours} -A -t 20000 {line}")).unwrap();
    }
    let before = saved();
    let mut expected: Vec<String> = RESTORED
        .iter()
        .map(|line| format!("-A -t . {line}"))
        .collect();
    expected.sort();
    assert_eq!(before, expected);
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
