//! Laws of conditions, on the kernel itself: several together mean what each of them means alone, a
//! file of filters means what its lines mean, and what is deleted is what would be listed.
//!
//! What a condition means alone is compared with stock elsewhere. Here it does not matter which part of a
//! line the kernel tests, and whether a flow is looked up or looked for.

use std::collections::{BTreeMap, BTreeSet};

use testbed::{Command, Implementation, Namespace, Output, Program};

use crate::generated::Random;
use crate::{tables, words};

/// Beside the mixed ones: translated flows, and one tuple in several zones.
const FLOWS: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -w 5",
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53 --orig-zone 3 -r 10.0.9.3 -q 10.0.0.1 --reply-port-src 53 --reply-port-dst 1001",
    "-s 10.0.0.2 -d 10.0.9.1 -p udp --sport 1001 --dport 53 --reply-zone 4",
    "-s 10.0.0.7 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -n 10.0.9.9:5353",
    "-s 10.0.0.8 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -n 10.0.9.9 -u SEEN_REPLY",
    "-s 10.0.0.7 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -g 10.0.9.2:8080 -u ASSURED",
    "-s 10.0.0.8 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state CLOSE -g 10.0.9.2 -n 10.0.9.9 -w 5",
    "-s 2001:db8::7 -d 2001:db8::9 -p udp --sport 1001 --dport 53 -g 2001:db8::99",
    "-s 2001:db8::8 -d 2001:db8::9 -p tcp --sport 1001 --dport 80 --state CLOSE -n [2001:db8::99]:7",
    "-s 10.0.0.7 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7 -n 10.0.9.9",
    "-s 10.0.0.2 -d 10.0.9.1 -p gre --srckey 0x10 --dstkey 0xdef -u SEEN_REPLY",
    "-s 10.0.0.2 -d 10.0.9.1 -p gre --srckey 0x11 --dstkey 0xabc -w 5",
];

/// All of a tuple: with a zone the flow is looked up.
const WHOLE: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53",
    "-r 10.0.9.1 -q 10.0.0.1 -p udp --reply-port-src 53 --reply-port-dst 1001",
    "-s 10.0.0.1 -d 10.0.9.1 -p gre --srckey 0x10 --dstkey 0xabc",
    "-s 10.0.0.8 -d 10.0.9.1 -p tcp --sport 1001 --dport 80",
];

/// The first lists are about what a whole tuple has.
const OF_TUPLES: usize = 6;

/// Conditions of which a line has at most one of each list.
const CONDITIONS: &[&[&str]] = &[
    &[
        "-s 10.0.0.1",
        "-s 10.0.0.0/24",
        "-s 10.0.0.7",
        "-s 2001:db8::/64",
        "-s 10.0.1.1 --mask-src 255.255.0.255",
        "-s 2001:db8::7 --mask-src ::ffff",
        "-s 0.0.0.0/0",
    ],
    &[
        "-d 10.0.9.1",
        "-d 2001:db8::9",
        "-d 10.0.9.3 --mask-dst 0.0.0.255",
    ],
    &["-r 10.0.9.1", "-r 10.0.9.2", "-r 2001:db8::99"],
    &["-q 10.0.0.1", "-q 10.0.9.9", "-q 2001:db8::99"],
    &["-f ipv4", "-f ipv6"],
    &[
        "-p tcp",
        "-p tcp --dport 80",
        "-p tcp --state CLOSE",
        "-p udp --sport 1001 --dport 53",
        "-p udp --dport 53",
        "-p 17 --reply-port-src 53",
        "-p udp --reply-port-dst 5353",
        "-p icmp",
        "-p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7",
        "-p icmpv6 --icmpv6-type 128",
        "-p gre --srckey 0x10",
        "-p gre --srckey 0x10 --dstkey 0xabc",
        "-p gre --reply-key-src 0xabc",
        "-p 200",
    ],
    &["-m 0/1", "-m 1/3", "-m 4/0xc", "-m 0/0"],
    &[
        "-u SEEN_REPLY",
        "-u ASSURED",
        "-u !ASSURED",
        "-u UNREPLIED",
        "-u SEEN_REPLY,!ASSURED",
        "-u UNSET",
        "-u !FIXED_TIMEOUT",
    ],
    &["-w 0", "-w 5", "-w 77"],
    &["--orig-zone 0", "--orig-zone 3", "--orig-zone 5"],
    &["--reply-zone 0", "--reply-zone 4"],
    &[
        "-n",
        "-g",
        "-j",
        "-n 10.0.9.9",
        "-g 10.0.9.2:8080",
        "-j 2001:db8::99",
        "-n 10.0.9.9:5353",
    ],
];

/// Flows by their mark, which each has for itself.
type Flows = BTreeSet<u32>;

struct Table(Namespace);

impl Table {
    fn new(label: &str) -> (Self, Flows) {
        let table = Self(Namespace::new(label).unwrap());
        table.fill();
        let all = table.found("-L").unwrap();
        assert_eq!(all.len(), tables::MIXED.len() + FLOWS.len());
        (table, all)
    }

    fn fill(&self) {
        let flows = tables::MIXED.iter().chain(FLOWS).zip(1..);
        // The last mark counts.
        let flows: Vec<String> = flows
            .map(|(flow, mark)| format!("{flow} -m {mark}"))
            .collect();
        let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
        tables::fill(&self.0, &flows);
    }

    fn run(&self, line: &str, input: &str) -> Output {
        let path = Implementation::Ours.path(Program::Conntrack).unwrap();
        let command = Command::new(path).args(words(line));
        self.0.output(command.stdin(input)).unwrap()
    }

    /// The flows that a line shows, `None` when it contradicts itself.
    fn found(&self, line: &str) -> Option<Flows> {
        let output = self.run(line, "");
        (output.code() < 2).then(|| marks(&output.stdout))
    }
}

fn marks(text: &str) -> Flows {
    let mark = |line: &str| {
        let mut fields = line.split(' ');
        fields.find_map(|field| field.strip_prefix("mark=")?.parse().ok())
    };
    text.lines().map(|line| mark(line).unwrap()).collect()
}

/// Lines of several conditions, each with the flows that all of its conditions mean alone.
fn lines(table: &Table, all: &Flows, seed: u64, count: usize) -> Vec<(String, Flows)> {
    let conditions = CONDITIONS.iter().copied().flatten().chain(WHOLE);
    let alone: BTreeMap<&str, Flows> = conditions
        .map(|condition| (*condition, table.found(&format!("-L {condition}")).unwrap()))
        .collect();
    for (condition, flows) in &alone {
        // One that shows nothing tells nothing.
        assert!(
            !flows.is_empty() || condition.contains("--orig-zone 5"),
            "{condition}"
        );
    }
    let mut random = Random(seed);
    let mut lines = Vec::new();
    while lines.len() < count {
        let mut words = Vec::new();
        let mut lists = CONDITIONS;
        if random.below(3) == 0 {
            words.push(WHOLE[random.below(WHOLE.len())]);
            lists = &CONDITIONS[OF_TUPLES..];
        }
        for list in lists {
            if random.below(4) == 0 {
                words.push(list[random.below(list.len())]);
            }
        }
        let expected = words
            .iter()
            .fold(all.clone(), |flows, condition| &flows & &alone[condition]);
        let line = words.join(" ");
        let has = |letters: &str| line.contains(letters);
        let is_mixed = (has(".") || has("ipv4")) && (has("::") || has("ipv6 "));
        if !words.is_empty() && !is_mixed && !line.ends_with("ipv6") {
            lines.push((line, expected));
        }
    }
    lines
}

#[test]
fn conditions_mean_together_what_each_means() {
    let (table, all) = Table::new("laws-all");
    let mut complaints = Vec::new();
    let mut found = 0;
    for (line, expected) in lines(&table, &all, 1, 120) {
        let shown = table.found(&format!("-L {line}"));
        if shown.as_ref() != Some(&expected) {
            complaints.push(format!("{line}\nexpected {expected:?}\nfound {shown:?}"));
        }
        found += usize::from(!expected.is_empty());
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(found > 30, "{found}");
}

#[test]
fn a_file_means_what_its_lines_mean() {
    let (table, all) = Table::new("laws-any");
    let lines = lines(&table, &all, 2, 90);
    for some in lines.chunks(6) {
        let text: String = some.iter().map(|(line, _)| line.clone() + "\n").collect();
        let expected: Flows = some.iter().flat_map(|(_, flows)| flows).copied().collect();
        let output = table.run("-L --filter-file -", &text);
        assert_eq!(marks(&output.stdout), expected, "\n{text}{}", output.stderr);
    }
}

#[test]
fn what_is_deleted_is_what_was_listed() {
    let (table, all) = Table::new("laws-gone");
    let lines = lines(&table, &all, 3, 100);
    let lines = lines.into_iter().filter(|(_, flows)| !flows.is_empty());
    let mut is_full = true;
    for (line, expected) in lines.take(15) {
        if !is_full {
            table.fill();
        }
        is_full = false;
        assert_eq!(
            table.found(&format!("-D {line}")).as_ref(),
            Some(&expected),
            "{line}"
        );
        assert_eq!(table.found("-L"), Some(&all - &expected), "{line}");
    }
}
