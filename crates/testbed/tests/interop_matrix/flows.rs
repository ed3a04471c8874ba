//! The flows of a cell: one of each kind that travels, on both nodes, and what happens to them.
//!
//! They are written into the kernel by stock's tool, whichever daemons are looked at. What a node
//! shows afterwards is compared without what may differ: what is left of timeouts, use counts.

use std::collections::BTreeMap;

use testbed::{Command, Namespace, Result};

/// Of a committed flow's timeout so much may be gone, in seconds.
const AGE_MAX: i64 = 1_000;

/// One flow per line, in the words of `conntrack -I`; `#` is the number of the node.
const FLOWS: &str = "\
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1001 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 7000
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1002 --dport 80 --state SYN_SENT -t 7000
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1003 --dport 80 --state CLOSE_WAIT -u SEEN_REPLY,ASSURED -t 7000 -m 3
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1004 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 7000 --src-nat 172.16.#.1
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1005 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 7000 --dst-nat 172.17.#.1
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1006 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 7000 --src-nat 172.16.#.2:4000
-p tcp -s fd10:#::1 -d 2001:db8::1 --sport 1007 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 7000
-p tcp -s fd10:#::1 -d 2001:db8::1 --sport 1008 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 7000 --src-nat fd16:#::1
-p tcp -s 10.#.0.1 -d 192.0.2.1 --sport 1009 --dport 80 --state TIME_WAIT -u SEEN_REPLY,ASSURED -t 7000 -w 5
-p udp -s 10.#.0.1 -d 192.0.2.1 --sport 2001 --dport 53 -t 7000
-p udp -s 10.#.0.1 -d 192.0.2.1 --sport 2002 --dport 53 -u SEEN_REPLY,ASSURED -t 7000 --src-nat 172.16.#.3
-p udp -s 10.#.0.1 -d 192.0.2.1 --sport 2003 --dport 53 -u SEEN_REPLY -t 7000 --dst-nat 172.17.#.3:5353
-p udp -s fd10:#::1 -d 2001:db8::1 --sport 2004 --dport 53 -t 7000 -m 7
-p udp -s fd10:#::1 -d 2001:db8::1 --sport 2005 --dport 53 -t 7000 --dst-nat fd17:#::1
-p icmp -s 10.#.0.1 -d 192.0.2.1 --icmp-type 8 --icmp-code 0 --icmp-id 301 -u SEEN_REPLY -t 7000
-p icmpv6 -s fd10:#::1 -d 2001:db8::1 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 302 -t 7000
-p sctp -s 10.#.0.1 -d 192.0.2.1 --sport 4001 --dport 36412 --state ESTABLISHED --orig-vtag 17 --reply-vtag 18 -u SEEN_REPLY,ASSURED -t 7000
-p 50 -s 10.#.0.1 -d 192.0.2.1 -t 7000
";

/// What happens to some of them then.
const CHANGES: &[&str] = &[
    "-U -p tcp -s 10.#.0.1 --sport 1001 -m 11",
    "-U -p tcp -s 10.#.0.1 --sport 1002 --state ESTABLISHED -u SEEN_REPLY,ASSURED",
    "-U -p tcp -s fd10:#::1 --sport 1008 -m 12",
    "-U -p udp -s 10.#.0.1 --sport 2001 -u SEEN_REPLY",
    "-U -p udp -s 10.#.0.1 --sport 2002 -m 13",
    "-U -p icmp -s 10.#.0.1 -m 14",
];
const ENDS: &[&str] = &[
    "-D -p tcp -s 10.#.0.1 --sport 1003",
    "-D -p tcp -s 10.#.0.1 --sport 1006",
    "-D -p tcp -s fd10:#::1 --sport 1007",
    "-D -p udp -s 10.#.0.1 --sport 2003",
    "-D -p icmpv6 -s fd10:#::1",
];

/// How many flows a node has, at first and at last.
pub const CREATED: usize = 18;
pub const LEFT: usize = CREATED - ENDS.len();

/// What is done to the flows of a node with this number.
pub type Act = fn(&Namespace, u8) -> Result<()>;

/// Creates the flows of a node.
pub fn create(node: &Namespace, number: u8) -> Result<()> {
    let script: String = FLOWS
        .lines()
        .map(|line| format!("-I {}\n", of(line, number)))
        .collect();
    let load = Command::from("/usr/sbin/conntrack -R -").stdin(script);
    node.run(load).map(drop)
}

/// Changes some of them.
pub fn change(node: &Namespace, number: u8) -> Result<()> {
    run(node, number, CHANGES)
}

/// Ends some of them.
pub fn end(node: &Namespace, number: u8) -> Result<()> {
    run(node, number, ENDS)
}

fn run(node: &Namespace, number: u8, commands: &[&str]) -> Result<()> {
    commands.iter().try_for_each(|words| {
        let words = of(words, number);
        node.run(format!("/usr/sbin/conntrack {words}")).map(drop)
    })
}

fn of(words: &str, number: u8) -> String {
    words.replace('#', &number.to_string())
}

/// A kernel's flows: all that lasts of each, and the seconds that it has left.
pub type KernelTable = BTreeMap<String, i64>;

/// Reads the kernel's table.
pub fn kernel_table(node: &Namespace) -> Result<KernelTable> {
    let listing = node.run("/usr/sbin/conntrack -L")?.stdout;
    let row = |line: &str| {
        let mut words: Vec<_> = line.split_whitespace().collect();
        let timeout = words.remove(2).parse().unwrap_or(-1);
        words.retain(|word| !word.starts_with("use="));
        (words.join(" "), timeout)
    };
    Ok(listing.lines().map(row).collect())
}

/// Those of the flows that began at the node with this number.
pub fn own(table: KernelTable, number: u8) -> KernelTable {
    let sources = ["src=10.#.0.1 ", "src=fd10:#::1 "].map(|it| of(it, number));
    // The first address is that of who began.
    let is_own = |flow: &String| {
        let start = flow.find("src=").unwrap_or(0);
        sources
            .iter()
            .any(|source| flow[start..].starts_with(source))
    };
    table.into_iter().filter(|(flow, _)| is_own(flow)).collect()
}

/// How two tables differ; nothing if they are equal but for a little age.
pub fn table_difference(wanted: &KernelTable, found: &KernelTable) -> Option<String> {
    let missing = wanted.keys().find(|flow| !found.contains_key(*flow));
    let strange = found.keys().find(|flow| !wanted.contains_key(*flow));
    let aged = wanted.iter().find_map(|(flow, left)| {
        let now = found.get(flow)?;
        ((left - now).abs() > AGE_MAX).then(|| format!("{flow}: {left} s left, then {now} s"))
    });
    let sizes = || format!("{} flows instead of {}", found.len(), wanted.len());
    match (missing, strange, aged) {
        (None, None, None) => None,
        (missing, strange, aged) => Some(format!(
            "{}; missing {missing:?}; too many {strange:?}; age {aged:?}",
            sizes()
        )),
    }
}

#[test]
fn tables_that_differ_are_told_apart() {
    let table = |rows: &[(&str, i64)]| -> KernelTable {
        rows.iter()
            .map(|(flow, left)| ((*flow).into(), *left))
            .collect()
    };
    let one = table(&[("udp 17 src=a", 100)]);
    assert_eq!(table_difference(&one, &one), None);
    assert_eq!(
        table_difference(&one, &table(&[("udp 17 src=a", 90)])),
        None
    );
    for other in [
        table(&[]),
        table(&[("udp 17 src=b", 100)]),
        table(&[("udp 17 src=a", 100), ("udp 17 src=b", 100)]),
        table(&[("udp 17 src=a", 4_000)]),
    ] {
        assert!(table_difference(&one, &other).is_some(), "{other:?}");
    }
    assert_eq!(CREATED, FLOWS.lines().count());
}
