//! Expectations and statistics.
//!
//! The kernel takes expectations only beside a flow with a helper, which commands cannot give it.

use flow::{Addrs, Flow, Helper, L4, Name, Ports, ProtoInfo, TcpInfo, TcpState, Tuple};
use linux::table::{Request, Table};
use rustix::process::Signal;
use testbed::{Command, Implementation, Namespace, Output, PATIENCE, Program, wait_until};

use serde_json::Value;

use crate::rows::{Row, differs, same};
use crate::{Pair, check, check_rows, tables};

/// The same validator that the golden cases of `flow` meet.
#[path = "../../../flow/tests/golden/schema.rs"]
mod schema;

const SCHEMA: &str = include_str!("../../../../docs/json.schema.json");

pub const EXPECT: &[Row] = &[
    same("-L expect"),
    same("-C expect"),
    same("-L expect"),
    same("-L expect -f ipv4"),
    same("-L expect -f ipv6"),
    same("-L e"),
    same("-C expect"),
    same("-L expect -o id,extended"),
    same("-L expect -o xml"),
    same(
        "-G expect -s 10.0.9.1 -d 10.0.0.1 -p tcp --sport 0 --dport 5001 --reply-port-src 1 --reply-port-dst 2",
    ),
    same(
        "-G expect -s 10.0.9.1 -d 10.0.0.1 -p tcp --sport 0 --dport 5009 --reply-port-src 1 --reply-port-dst 2",
    ),
    same(
        "-G expect -s 10.0.9.1 -d 10.0.0.1 -p tcp --sport 0 --dport 5002 --reply-port-src 1 --reply-port-dst 2",
    ),
    same(
        "-D expect -s 10.0.9.1 -d 10.0.0.1 -p tcp --sport 0 --dport 5009 --reply-port-src 1 --reply-port-dst 2",
    ),
    same(
        "-D expect -s 10.0.9.1 -d 10.0.0.1 -p tcp --sport 0 --dport 5001 --reply-port-src 1 --reply-port-dst 2",
    ),
    same("-C expect"),
    same("-I expect"),
    same("-I expect -s 1.1.1.1 -d 2.2.2.2"),
    same("-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp"),
    same("-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp -t 5"),
    same("-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp -t 5 --tuple-src 1.1.1.1 --tuple-dst ::1"),
    same("-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp -t 5 --tuple-src 1.1.1.1 --tuple-dst 2.2.2.2"),
    same(
        "-I expect -s 1.1.1.1 -d 2.2.2.2 -p udp -t 5 --tuple-src 1.1.1.1 --tuple-dst 2.2.2.2 --mask-src 1.1.1.1 --mask-dst 1.1.1.1",
    ),
    same("-G expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 1 --dport 2"),
    same("-D expect -s 1.1.1.1 -d 2.2.2.2"),
    same("-D expect -m 5"),
    same("-L expect -s 1.1.1.1"),
    same("-L expect -p tcp"),
    same("-E expect -e NEW"),
    same("-C expect -z"),
    same("-S expect -z"),
    same("-S -p tcp"),
    same("-S -o xml"),
    same("-C -o extended"),
    same("-C expect -o save"),
    differs(
        "-C -o json",
        "cli-115",
        0,
        "{\"entries\":1,\"entries_max\":",
    ),
    differs("-C expect -o json", "cli-115", 0, "{\"expectations\":"),
    differs(
        "-L -o openmetrics",
        "cli-115",
        2,
        "openmetrics output is for",
    ),
    same("-U expect"),
    differs(
        "-F expect -f ipv6",
        "cli-43",
        0,
        "expectation table has been emptied.",
    ),
    same("-L"),
];

/// With an expectation of its own: all versions of stock delete it and say that there was none.
pub const DELETE: &[Row] = &[
    differs(
        "-D expect -s 10.0.9.1 -d 10.0.0.1 -p tcp --sport 0 --dport 5002 --reply-port-src 1 --reply-port-dst 2",
        "cli-25",
        0,
        "1 expectations have been deleted.",
    ),
    same("-C expect"),
    same("-L expect"),
];

/// What both tables are told to hold, and it is the second one that stays: the helper allows one at a time.
/// Stock before 1.4.9 makes an expectation of protocol 19 of it (compat: cli-113).
const EXPECTATIONS: [&str; 2] = [
    "-I expect -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 4000 --dport 21 --tuple-src 10.0.9.1 --tuple-dst 10.0.0.1 --tuple-port-src 0 --tuple-port-dst 5001 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535 -t 100",
    "-I expect -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 4000 --dport 21 --tuple-src 10.0.9.1 --tuple-dst 10.0.0.1 --tuple-port-src 0 --tuple-port-dst 5002 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535 -t 100 -u ASSURED -r 1.1.1.1",
];

/// Each begins with one expectation.
pub const FLUSH: &[Row] = &[
    same("-F expect"),
    same("-L expect"),
    same("-F e"),
    same("-C e"),
];

/// Makes a flow with a helper.
fn master(namespace: &Namespace) {
    let addrs = Addrs::V4 {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 9, 1].into(),
    };
    let ports = Ports { src: 4000, dst: 21 };
    let info = TcpInfo {
        state: Some(TcpState::ESTABLISHED),
        ..TcpInfo::default()
    };
    let flow = Flow {
        timeout: Some(20_000),
        protoinfo: Some(ProtoInfo::Tcp(info)),
        helper: Some(Helper {
            name: Name::new(b"ftp"),
            info: None,
        }),
        ..Flow::new(Tuple::new(addrs, L4::Tcp(ports)))
    };
    let create = || {
        Table::open()
            .unwrap()
            .execute(&Request::Create(&flow))
            .unwrap()
    };
    namespace.enter(create).unwrap();
}

fn ours(namespace: &Namespace, line: &str) -> Output {
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let command = Command::new(path).args(crate::words(line));
    namespace.output(command).unwrap()
}

/// compat: cli-113
#[test]
fn an_expectation_is_made_as_described() {
    let namespace = Namespace::new("expect-new").unwrap();
    let orphan = ours(&namespace, EXPECTATIONS[0]);
    assert_eq!(orphan.code(), 1);
    assert!(
        orphan.stderr.ends_with("master conntrack not found\n"),
        "{orphan:?}"
    );
    master(&namespace);
    let made = ours(&namespace, EXPECTATIONS[0]);
    assert_eq!((made.code(), &*made.stderr), (0, ""));
    let listed = ours(&namespace, "-L expect");
    let line = " proto=6 src=10.0.9.1 dst=10.0.0.1 sport=0 dport=5001 mask-src=255.255.255.255 \
                mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.0.0.1 \
                master-dst=10.0.9.1 sport=4000 dport=21 class=0 helper=ftp\n";
    assert!(listed.stdout.ends_with(line), "{listed:?}");
}

#[test]
fn events_of_expectations_are_followed() {
    let namespace = Namespace::new("expect-events").unwrap();
    // The master is made before anybody listens; by default it would stay silent then.
    namespace
        .sysctl("net.netfilter.nf_conntrack_events", 1)
        .unwrap();
    master(&namespace);
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let follower = Command::new(path).args(["-E", "expect"]);
    let follower = namespace.spawn(follower).unwrap();
    // Whether it listens is seen when it hears.
    wait_until("an event", PATIENCE, || {
        ours(&namespace, EXPECTATIONS[0]);
        ours(&namespace, "-F expect");
        let lines = follower.log().lines();
        lines.iter().any(|line| line.text.starts_with("    [NEW] "))
    })
    .unwrap();
    follower.wait_for_line("[DESTROY] ", PATIENCE).unwrap();
    follower.signal(Signal::TERM);
    assert_eq!(follower.wait(PATIENCE).unwrap(), 0);
    wait_until("the summary", PATIENCE, || {
        let lines = follower.log().lines();
        lines
            .iter()
            .any(|line| line.text.ends_with(" expectation events have been shown."))
    })
    .unwrap();
}

#[test]
fn expectations_are_alike() {
    let pair = Pair::new("expect", &[]);
    let namespaces = [&pair.stock, &pair.ours];
    namespaces.into_iter().for_each(master);
    for rows in [EXPECT, DELETE, FLUSH] {
        for namespace in namespaces {
            for line in EXPECTATIONS {
                assert_eq!(ours(namespace, line).code(), 0, "{line}");
            }
        }
        check_rows(&pair, rows);
    }
}

/// The counters themselves are each namespace's own.
#[test]
fn statistics_have_the_same_form() {
    let pair = Pair::new("stats", &[]);
    for line in ["-S", "-S expect", "--stats"] {
        let (stock, ours) = pair.run(line);
        assert_eq!((ours.code(), &*ours.stderr), (0, ""), "{line}");
        assert_eq!(
            without_values(&ours.stdout),
            without_values(&stock.stdout),
            "{line}"
        );
    }
}

/// compat: cli-115
#[test]
fn numbers_for_programs_have_names() {
    let namespace = Namespace::new("metrics").unwrap();
    for (line, begin) in [
        (
            "-C -o openmetrics",
            "# TYPE conntrack_entries gauge\n# HELP ",
        ),
        (
            "-S -o openmetrics",
            "# TYPE conntrack_found counter\n# HELP ",
        ),
    ] {
        let output = ours(&namespace, line);
        assert_eq!((output.code(), &*output.stderr), (0, ""), "{line}");
        assert!(output.stdout.starts_with(begin), "{output:?}");
        assert!(output.stdout.ends_with("\n# EOF\n"), "{output:?}");
        assert_eq!(output.stdout.matches("# EOF").count(), 1);
    }
    let stats = ours(&namespace, "-S -o openmetrics").stdout;
    assert!(
        stats.contains("\nconntrack_drop_total{cpu=\"0\"} "),
        "{stats}"
    );
    let json = ours(&namespace, "-S -o json").stdout;
    assert!(json.starts_with("{\"cpu\":0,\"found\":"), "{json}");
    assert!(json.lines().all(|line| line.ends_with('}')), "{json}");
}

/// Numbers as JSON are what the schema says.
#[test]
fn numbers_are_in_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let namespace = Namespace::new("schema").unwrap();
    tables::fill(&namespace, tables::MIXED);
    for (line, least) in [
        ("-C -o json", 1),
        ("-C expect -o json", 1),
        ("-S -o json", 1),
        ("-S expect -o json", 1),
        ("-L -o json", tables::MIXED.len()),
        ("-L expect -o json", 0),
        (
            "-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -o json",
            1,
        ),
        ("-U -p icmp -m 3 -o json", 2),
        ("-D -p icmp -o json", 2),
    ] {
        let output = ours(&namespace, line);
        assert_eq!(output.code(), 0, "{line}");
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(lines.len() >= least, "{line}: {output:?}");
        for text in lines {
            let value = serde_json::from_str(text).unwrap();
            schema::check(&value, &schema).unwrap_or_else(|what| panic!("{line}: {what}"));
        }
    }
}

/// Everything but the digits behind a `=` that is not a processor's.
fn without_values(text: &str) -> String {
    let mut shape = String::new();
    for line in text.lines() {
        let (cpu, counters) = line.split_once('\t').unwrap();
        shape += cpu;
        for counter in counters.split(' ') {
            shape += counter.split('=').next().unwrap();
            shape.push(' ');
        }
    }
    assert!(!shape.is_empty());
    shape
}

#[test]
fn wrong_expectations_are_answered_alike() {
    check(
        "expect-wrong",
        &[],
        &[same("-L expect"), same("-C e"), same("-F expect")],
    );
}
