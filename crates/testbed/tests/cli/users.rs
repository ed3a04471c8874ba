//! The calls of the programs that run `conntrack`, on stock and on ours, and what these programs look
//! at in the answers.
//!
//! Taken from the public sources of kube-proxy, OpenStack Neutron, VyOS and Calico's Felix, and from what
//! monitoring scripts do. Docker speaks netlink itself and calls nothing.

use testbed::{Command, Implementation, Namespace, Output, Program};

use crate::rows::{Row, differs, same};
use crate::{Pair, check_rows, normal, words};

/// What their machines have in their tables: services, translated to what is behind them, and zones.
const FLOWS: &[&str] = &[
    "-s 10.0.0.1 -d 10.96.0.10 -p udp --sport 1001 --dport 53 -g 10.244.1.5:53",
    "-s 10.0.0.2 -d 10.96.0.10 -p udp --sport 1002 --dport 53 -g 10.244.1.6:53 -u SEEN_REPLY",
    "-s 10.0.0.3 -d 10.96.0.11 -p udp --sport 1003 --dport 5353",
    "-s 10.0.0.4 -d 10.96.0.12 -p sctp --sport 14 --dport 20 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2",
    "-s 10.0.0.4 -d 10.96.0.10 -p tcp --sport 1001 --dport 53 --state ESTABLISHED -u SEEN_REPLY,ASSURED",
    "-s 10.0.0.5 -d 192.0.2.1 -p udp --sport 7 --dport 30000",
    "-s 10.5.0.3 -d 10.5.0.9 -p tcp --sport 4001 --dport 22 --state ESTABLISHED -u SEEN_REPLY,ASSURED -w 4097",
    "-s 10.5.0.4 -d 10.5.0.9 -p udp --sport 4001 --dport 69 -w 4097",
    "-s 10.5.0.4 -d 10.5.0.9 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 9 -w 4098",
    "-s 10.65.0.2 -d 192.0.2.7 -p tcp --sport 5001 --dport 443 --state ESTABLISHED -u SEEN_REPLY,ASSURED -m 3",
    "-s 192.0.2.7 -d 10.65.0.2 -p udp --sport 5001 --dport 123",
    "-s 2001:db8::1 -d 2001:db8::10 -p udp --sport 1001 --dport 53",
    "-s 2001:db8::2 -d 2001:db8::11 -p udp --sport 1001 --dport 53",
    "-s 2001:db8::3 -d 2001:db8::12 -p tcp --sport 1 --dport 2 --state SYN_SENT -w 4097",
];

/// What is looked at in any answer must be there before anything is deleted.
pub const READERS: &[Row] = &[
    // VyOS, `show conntrack table ipv4` and its IPv6 twin.
    // Also with the fields of a ping, which stock leaves out.
    differs(
        "--dump --family ipv4 --output xml",
        "cli-49",
        0,
        "<type>8</type><code>0</code><id>9</id>",
    ),
    same("--dump --family ipv6 --output xml"),
    // Monitoring and people.
    same("-L"),
    same("-L -p udp"),
    same("-L -o extended"),
    same("-L -o id"),
    same("-L -p tcp --state ESTABLISHED"),
    same("-L -f ipv6"),
    same("-L -s 10.0.0.1 -p udp --dport 53"),
    same("-L --src-nat"),
    same("-L --dst-nat -p udp"),
    same("-L -n"),
    same("-L -g 10.244.1.5"),
    same("-C"),
    same("-L expect"),
];

pub const WRITERS: &[Row] = &[
    // kube-proxy: ClearEntriesForIP, -ForPort, -ForNAT, -ForPortNAT; each twice, since the second has
    // nothing left to delete.
    same("-D --orig-dst 10.96.0.11 -p udp"),
    same("-D --orig-dst 10.96.0.11 -p udp"),
    same("-D --orig-dst 2001:db8::10 -p udp -f ipv6"),
    same("-D --orig-dst 2001:db8::10 -p udp -f ipv6"),
    same("-D --orig-dst 10.96.0.12 -p sctp"),
    same("-D -p udp --dport 30000"),
    same("-D -p udp --dport 30000"),
    same("-D -p udp --dport 53 -f ipv6"),
    same("-D --orig-dst 10.96.0.10 --dst-nat 10.244.1.5 -p udp"),
    same("-D --orig-dst 10.96.0.10 --dst-nat 10.244.1.5 -p udp"),
    same("-D -p udp --dport 53 --dst-nat 10.244.1.6"),
    same("-D -p udp --dport 53 --dst-nat 10.244.1.6"),
    // Neutron, by rule and by remote address; a status of 1 is no error.
    same("-D -p tcp -f ipv4 -d 10.5.0.9 -w 4097"),
    same("-D -p tcp -f ipv4 -d 10.5.0.9 -w 4097"),
    same("-D -f ipv4 -d 10.5.0.9 -w 4097 -s 10.5.0.4"),
    same("-D -f ipv4 -d 10.5.0.9 -w 4098 -s 10.5.0.0/24"),
    same("-D -p 17 -f ipv4 -s 10.5.0.4 -w 4097"),
    same("-D -p icmp -f ipv4 -s 10.5.0.4 -w 4098"),
    same("-D -p ipv6-icmp -f ipv6 -s 2001:db8::1 -w 4098"),
    same("-D -f ipv6 -d 2001:db8::12 -w 4097"),
    // Calico's Felix, each way round.
    same("--family ipv4 --delete --orig-src 10.65.0.2"),
    same("--family ipv4 --delete --orig-src 10.65.0.2"),
    same("--family ipv4 --delete --orig-dst 10.65.0.2"),
    same("--family ipv4 --delete --reply-src 10.65.0.2"),
    same("--family ipv4 --delete --reply-dst 10.65.0.2"),
    same("--family ipv6 --delete --orig-src 2001:db8::9"),
    // Fail-over scripts, VyOS' reset.
    same("-D -s 10.0.0.4"),
    same("-D -d 192.0.2.200"),
    same("-F"),
    same("-F expect"),
    differs("-V", "cli-110", 0, "conntrack v1.4.9 ("),
];

#[test]
fn what_others_call_is_answered_alike() {
    let pair = Pair::new("users", FLOWS);
    check_rows(&pair, READERS);
    check_rows(&pair, WRITERS);
}

fn ours(namespace: &Namespace, line: &str) -> Output {
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let command = Command::new(path).args(words(line));
    namespace.output(command).unwrap()
}

/// kube-proxy reads both streams together and takes a failure with this sentence for success; so does
/// Felix with the first half of it, on standard error.
#[test]
fn nothing_to_delete_is_told_from_a_failure() {
    let namespace = Namespace::new("users-none").unwrap();
    crate::tables::fill(&namespace, FLOWS);
    for (line, found) in [
        ("-D --orig-dst 10.96.0.11 -p udp", true),
        ("-D --orig-dst 10.96.0.11 -p udp", false),
        ("--family ipv4 --delete --orig-src 10.65.0.2", true),
        ("--family ipv4 --delete --orig-src 10.65.0.2", false),
    ] {
        let output = ours(&namespace, line);
        let says_none = output.stderr.contains("0 flow entries have been deleted");
        assert_eq!((output.code() == 0, says_none), (found, !found), "{line}");
    }
    let wrong = ours(&namespace, "-D --orig-dst nonsense -p udp");
    assert!(
        wrong.code() != 0 && !wrong.stderr.contains("0 flow entries"),
        "{wrong:?}"
    );
}

/// VyOS takes empty output for an empty table, and makes a list of one when there is one flow.
#[test]
fn xml_is_what_vyos_reads() {
    let namespace = Namespace::new("users-xml").unwrap();
    let dump = "--dump --family ipv4 --output xml";
    assert_eq!(ours(&namespace, dump).stdout, "");
    crate::tables::fill(&namespace, FLOWS);
    let text = ours(&namespace, dump).stdout;
    let flows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("<flow>"))
        .collect();
    assert_eq!(
        flows.len(),
        FLOWS.iter().filter(|flow| !flow.contains("2001:")).count()
    );
    assert_eq!(text.lines().count(), flows.len() + 3);
    for flow in flows {
        for part in [
            "<meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>",
            "<meta direction=\"reply\"><layer3 ",
            "<layer4 protonum=\"",
            " protoname=\"",
            "<meta direction=\"independent\">",
            "<timeout>",
            "<id>",
        ] {
            assert!(flow.contains(part), "{part}: {flow}");
        }
    }
    let count = |part: &str| text.matches(part).count();
    assert_eq!(
        (count("<zone>4097</zone>"), count("<mark>3</mark>")),
        (2, 1)
    );
    assert_eq!(count("<state>ESTABLISHED</state>"), 4);
}

/// VyOS removes two blanks and the TAB and takes the columns by their place; others look for a name and
/// its value.
#[test]
fn statistics_have_their_columns() {
    let pair = Pair::new("users-stats", FLOWS);
    let (stock, ours) = pair.run("-S");
    let columns = |output: &Output| -> Vec<Vec<String>> {
        let text = output.stdout.replace("  \t", "");
        let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
        let lines = text
            .lines()
            .map(|line| line.split_whitespace().map(name).collect());
        lines.collect()
    };
    assert_eq!(columns(&ours), columns(&stock));
    let first = &columns(&ours)[0];
    assert_eq!(first[..4], ["cpu", "found", "invalid", "insert"]);
    for word in ["insert_failed=", "drop=", "early_drop="] {
        let value = ours
            .stdout
            .split(word)
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        assert!(
            value.is_some_and(|value| value.parse::<u64>().is_ok()),
            "{word}"
        );
    }
}

/// Line parsers skip the summary when both streams are one, and take the columns before the tuples by
/// their place.
#[test]
fn lines_are_what_parsers_read() {
    let namespace = Namespace::new("users-lines").unwrap();
    crate::tables::fill(&namespace, FLOWS);
    let output = ours(&namespace, "-L");
    assert!(
        output
            .stderr
            .starts_with("conntrack v1.4.9 (conntrack-tools): ")
    );
    assert_eq!(output.stderr.lines().count(), 1);
    for line in output.stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(
            words[1].parse::<u8>().is_ok() && words[2].parse::<u32>().is_ok(),
            "{line}"
        );
        let has_state = matches!(words[0], "tcp" | "sctp");
        assert_eq!(has_state, !words[3].starts_with("src="), "{line}");
        assert_eq!(line.matches("src=").count(), 2, "{line}");
        assert_eq!(line, line.trim_end());
    }
    let lines = normal::stdout(&output.stdout).lines().count();
    assert_eq!(lines, FLOWS.len());
    // The sentence of tests that compare the number.
    let deleted = ours(&namespace, "-D -p tcp");
    assert!(
        deleted
            .stderr
            .ends_with("conntrack v1.4.9 (conntrack-tools): 4 flow entries have been deleted.\n"),
        "{deleted:?}"
    );
}
