//! Flows named by their whole tuple and zone, which are looked up instead of dumped: the answers are
//! those of a dump, also where zones of one direction make one tuple stand for several flows.

use testbed::{Command, Implementation, Namespace, Program, ensure_packages};

use crate::normal;
use crate::rows::{Row, same};
use crate::{Pair, check_rows, tables, words};

/// The same tuple in several zones, a tuple that is another flow's reply, and each protocol.
const FLOWS: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53",
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -w 5 -m 5",
    "-s 10.0.0.1 -d 10.0.9.1 -p udp -r 10.0.9.3 -q 10.0.0.1 --sport 1 --dport 53 --reply-port-src 53 --reply-port-dst 1 --orig-zone 6 -m 6",
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -r 10.0.9.2 -q 10.0.0.1 --reply-port-src 53 --reply-port-dst 1 --orig-zone 7 -m 7",
    "-s 10.0.9.1 -d 10.0.0.1 -p udp --sport 53 --dport 1 -w 9 -m 9",
    "-s 10.0.0.3 -d 10.0.9.1 -p udp --sport 1 --dport 53 --reply-zone 4 -m 4",
    "-s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1 --dport 80 --state ESTABLISHED -w 5",
    "-s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7 -w 5",
    "-s 10.0.0.1 -d 10.0.9.1 -p gre --srckey 1 --dstkey 2 -w 5",
    "-s 10.0.0.1 -d 10.0.9.1 -p 200 -w 5",
    "-s 2001:db8::1 -d 2001:db8::9 -p udp --sport 1 --dport 53 -w 5",
];

const UDP: &str = "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53";
const REPLY: &str = "-r 10.0.9.1 -q 10.0.0.1 -p udp --reply-port-src 53 --reply-port-dst 1";

/// What is given besides the tuple.
const ZONES: &[&str] = &[
    "",
    "-w 5",
    "-w 0",
    "-w 6",
    "-w 9",
    "-w 99",
    "-w 0 --orig-zone 0",
    "-w 0 --reply-zone 0",
    "-w 5 --orig-zone 0",
    "-w 5 --orig-zone 5",
    "--orig-zone 6",
    "--orig-zone 7",
    "--orig-zone 5",
    "--orig-zone 0",
    "--reply-zone 4",
    "--reply-zone 8",
    "-w 5 -m 5",
    "-w 5 -m 6",
    "-w 5 -u SEEN_REPLY",
];

/// How many lookups are compared with stock's dumps.
pub const LOOKUPS: usize = 2 * ZONES.len();

#[test]
fn lookups_answer_as_dumps() {
    let pair = Pair::new("known", FLOWS);
    let mut complaints = Vec::new();
    for tuple in [UDP, REPLY] {
        for zone in ZONES {
            let line = format!("-L {tuple} {zone}");
            let (stock, ours) = pair.run(&line);
            let [stock, ours] = [stock, ours].map(|output| normal::Answer::new(&output));
            if stock != ours {
                complaints.push(format!("{line}\nstock: {stock:#?}\nours: {ours:#?}"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

pub const ROWS: &[Row] = &[
    same("-L -s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7 -w 5"),
    same("-L -s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 8 -w 5 -o xml"),
    same("-L -s 10.0.0.1 -d 10.0.9.1 -p gre --srckey 1 --dstkey 2 -w 5"),
    same("-L -s 10.0.0.1 -d 10.0.9.1 -p 200 -w 5 -o xml"),
    same("-L -s 2001:db8::1 -d 2001:db8::9 -p udp --sport 1 --dport 53 -w 5 -o extended,id"),
    same("-L -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1 --dport 80 -w 5 --state CLOSE"),
    same("-L dying -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1 --dport 80 -w 5"),
    same("-D -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -w 99"),
    same("-D -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -w 5 -m 7"),
    same("-D -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -w 5"),
    same("-D -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -w 5"),
    same("-D -s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1 --dport 80 -w 5 -o xml -m 3"),
    same("-D -r 10.0.9.1 -q 10.0.0.1 -p udp --reply-port-src 53 --reply-port-dst 1 --orig-zone 6"),
];

#[test]
fn known_flows_are_shown_and_deleted_alike() {
    check_rows(&Pair::new("known-d", FLOWS), ROWS);
}

/// No dump happens, and the flow looks as in one: the reference of the lookup is not counted.
#[test]
fn a_known_flow_is_asked_for_and_not_looked_for() {
    ensure_packages(&["strace"], |_| ()).unwrap();
    let namespace = Namespace::new("known-s").unwrap();
    tables::fill(&namespace, FLOWS);
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let ours = |line: &str| {
        let command = Command::new(&path).args(words(line));
        namespace.output(command).unwrap()
    };
    let listed = ours(&format!("-L {UDP} -m 5"));
    let known = ours(&format!("-L {UDP} -w 5"));
    // A second may pass between the two.
    assert_eq!(
        normal::stdout(&known.stdout),
        normal::stdout(&listed.stdout)
    );
    assert!(known.stdout.contains(" use=1\n"), "{known:?}");
    let updated = ours(&format!("-U {UDP} -w 5 -m 55"));
    assert!(updated.stdout.contains(" mark=55 zone=5 "), "{updated:?}");
    // The kernel walks the table in order, and notes with each message that it belongs to a dump.
    let trace = |line: &str| {
        let program = path.to_string_lossy();
        let words = ["-e", "trace=sendto,sendmsg", &program];
        let command = Command::new("strace").args(words).args(self::words(line));
        namespace.output(command).unwrap().stderr
    };
    assert!(trace(&format!("-L {UDP}")).contains("NLM_F_DUMP"));
    let lookup = trace(&format!("-D {UDP} -w 5"));
    assert!(
        lookup.contains("1 flow entries have been deleted."),
        "{lookup}"
    );
    assert!(!lookup.contains("NLM_F_DUMP"), "{lookup}");
}
