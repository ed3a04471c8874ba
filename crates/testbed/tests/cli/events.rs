//! Both programs follow the same namespace and show the same lines.
//!
//! The lines end with the port id of the program that caused the change; its name is left out,
//! since short-lived programs are found by chance.

use rustix::process::Signal;
use testbed::{Command, Implementation, Namespace, PATIENCE, Process, Program, wait_until};

use crate::{normal, tables, words};

/// What happens while both follow, in order.
const CHANGES: [&str; 9] = [
    "-I -s 10.3.0.1 -d 10.3.0.2 -p tcp --sport 5 --dport 6 --state SYN_SENT -t 900 -m 4",
    "-I -s 10.3.0.1 -d 10.3.0.2 -p udp --sport 5 --dport 6 -t 900",
    "-I -s 2001:db8::1 -d 2001:db8::2 -p udp --sport 5 --dport 6 -t 900",
    "-U -s 10.3.0.1 -p tcp --state ESTABLISHED -u SEEN_REPLY,ASSURED",
    "-U -s 10.3.0.1 -p udp -m 7",
    "-D -s 10.3.0.1 -p tcp",
    "-D -s 10.3.0.1 -p udp",
    // What a follower has seen when it has seen everything.
    "-I -s 10.3.0.99 -d 10.3.0.2 -p udp --sport 1 --dport 9999 -t 900",
    "-D -s 10.3.0.99",
];

/// Follows with these options while the changes happen, and compares what both showed.
fn check(options: &str) {
    let namespace = Namespace::new("events").unwrap();
    tables::fill(&namespace, &[]);
    let followers = [Implementation::Stock, Implementation::Ours].map(|implementation| {
        let path = implementation.path(Program::Conntrack).unwrap();
        let command = Command::new(path).args(words(options));
        namespace.spawn(command).unwrap()
    });
    wait_until("two subscriptions", PATIENCE, || {
        subscriptions(&followers[0]) == 2
    })
    .unwrap();
    let stock = Implementation::Stock.path(Program::Conntrack).unwrap();
    for change in CHANGES {
        let command = Command::new(&stock).args(words(change));
        namespace.run(command).unwrap();
    }
    let [stock, ours] = followers.each_ref().map(finish);
    assert!(ours.len() > 1, "{ours:#?}");
    assert_eq!(ours, stock, "conntrack {options} (left: ours)");
    let summary = format!("{} flow events have been shown.", ours.len());
    wait_for_lines(&followers[1], &summary, 1);
}

/// Netfilter sockets with groups in the namespace of a process.
fn subscriptions(process: &Process) -> usize {
    let path = format!("/proc/{}/net/netlink", process.pid());
    let sockets = std::fs::read_to_string(path).unwrap_or_default();
    let has_groups = |line: &&str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        columns.get(1) == Some(&"12") && columns.get(3).is_some_and(|groups| *groups != "00000000")
    };
    sockets.lines().filter(has_groups).count()
}

/// Waits for the last change, ends the follower, and returns the flows that it showed.
///
/// What it showed is taken before the signal: stock prints from within its handler, which may
/// repeat the last line and miss it in the count.
fn finish(follower: &Process) -> Vec<String> {
    wait_until("the last change", PATIENCE, || {
        let lines = follower.log().lines();
        let of_last = lines.iter().filter(|line| {
            let text = &line.text;
            text.contains("dport=9999 [")
                || text.contains("--dport 9999")
                || text.contains("<dport>9999</dport>")
        });
        of_last.count() == 2
    })
    .unwrap();
    let lines = follower.log().lines();
    let is_flow = |text: &str| text.contains("src") || text.contains(" -s ");
    let flows = lines.iter().filter(|line| is_flow(&line.text));
    let flows = flows.map(|line| comparable(&line.text)).collect();
    follower.signal(Signal::INT);
    assert_eq!(follower.wait(PATIENCE).unwrap(), 0);
    wait_for_lines(follower, "flow events have been shown.", 1);
    flows
}

/// Its last lines may arrive after its end.
fn wait_for_lines(follower: &Process, needle: &str, count: usize) {
    wait_until(needle, PATIENCE, || {
        let lines = follower.log().lines();
        let found = lines.iter().filter(|line| line.text.contains(needle));
        found.count() == count
    })
    .unwrap();
}

fn comparable(line: &str) -> String {
    let line = normal::stderr(line);
    let line = line.split(" progname=").next().unwrap_or_default();
    // The installed stock names the sender behind XML too, later ones do not.
    let line = line.split("</flow> [").next().unwrap_or_default();
    let line = line.trim_end_matches("</flow>");
    // Stock names the sender behind saved flows, and leaves out marks (compat: cli-48).
    let is_saved = ["-A ", "-U ", "-D "]
        .iter()
        .any(|command| line.starts_with(command));
    let line = match is_saved {
        true => line.split(" [").next().unwrap_or_default(),
        false => line,
    };
    let line = match is_saved {
        true => line.split(" -m ").next().unwrap_or_default(),
        false => line,
    };
    // The installed stock shows the time at which it read, not at which it happened.
    match line.split_once('\t') {
        Some((time, rest)) => {
            assert_eq!(time.len(), "[1795244499.424020]".len(), "{line}");
            format!("[TIME]\t{}", normal::line(rest))
        }
        None => normal::line(line),
    }
}

/// Ways to follow that are compared, one for each test below.
pub const FOLLOWED: usize = 6;

#[test]
fn all_events_are_alike() {
    check("-E");
}

#[test]
fn events_with_all_columns_are_alike() {
    check("-E -o extended,id,timestamp");
}

#[test]
fn chosen_kinds_of_events_are_alike() {
    check("-E -e NEW,DESTROY -p udp");
}

#[test]
fn events_of_a_family_are_alike() {
    check("-E -f ipv4 -b 1000000");
}

#[test]
fn events_as_xml_are_alike() {
    check("-E -o xml,timestamp");
}

#[test]
fn events_as_commands_are_alike() {
    check("-E -o save");
}

/// The document is opened by the first event and closed at the end.
#[test]
fn events_make_a_whole_document() {
    let namespace = Namespace::new("document").unwrap();
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let command = Command::new(&path).args(["-E", "-o", "xml"]);
    let follower = namespace.spawn(command).unwrap();
    wait_until("a subscription", PATIENCE, || subscriptions(&follower) == 1).unwrap();
    let command = Command::new(path).args(words(CHANGES[0]));
    namespace.run(command).unwrap();
    wait_for_lines(&follower, "</flow>", 1);
    follower.signal(Signal::TERM);
    assert_eq!(follower.wait(PATIENCE).unwrap(), 0);
    wait_for_lines(&follower, "</conntrack>", 1);
    let lines = follower.log().lines();
    let starts: Vec<&str> = lines
        .iter()
        .map(|line| line.text.split(' ').next().unwrap_or_default())
        .filter(|word| word.starts_with('<'))
        .collect();
    assert_eq!(starts, ["<?xml", "<conntrack>", "<flow", "</conntrack>"]);
}

/// Stock cuts what is longer than 1023 bytes (compat: cli-23).
#[test]
fn a_long_event_is_whole() {
    let namespace = Namespace::new("long-event").unwrap();
    for setting in ["acct", "timestamp"] {
        let name = format!("net.netfilter.nf_conntrack_{setting}");
        namespace.sysctl(&name, 1).unwrap();
    }
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let options = ["-E", "-e", "DESTROY", "-o", "xml,timestamp,ktimestamp"];
    let follower = Command::new(path).args(options);
    let follower = namespace.spawn(follower).unwrap();
    wait_until("a subscription", PATIENCE, || subscriptions(&follower) == 1).unwrap();
    let address = |last: u32| format!("2001:db8:1111:2222:3333:4444:5555:{last}");
    let (src, dst) = (address(6666), address(7777));
    for change in [
        format!(
            "-I -s {src} -d {dst} -p tcp --sport 50001 --dport 50002 --state ESTABLISHED -t 900 -m 4294967295 -w 65535"
        ),
        format!("-D -s {src}"),
    ] {
        let command = Command::new("conntrack").args(words(&change));
        namespace.run(command).unwrap();
    }
    wait_for_lines(&follower, "</flow>", 1);
    let lines = follower.log().lines();
    let line = lines
        .iter()
        .find(|line| line.text.starts_with("<flow "))
        .unwrap();
    assert!(line.text.len() > 1023, "{}", line.text.len());
    assert!(line.text.ends_with("</when></flow>"), "{}", line.text);
    follower.signal(Signal::TERM);
    assert_eq!(follower.wait(PATIENCE).unwrap(), 0);
}
