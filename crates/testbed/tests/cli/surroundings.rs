//! What happens to it from outside: a table that changes under it, a kernel that fails in the middle,
//! rights that are missing or just enough, names of files that are no text.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::thread;

use rustix::process::Signal;
use testbed::{
    Command, Folder, Implementation, Namespace, Output, PATIENCE, Program, ensure_packages,
    wait_until,
};

use crate::{normal, tables, words};

fn path(implementation: Implementation) -> String {
    let path = implementation.path(Program::Conntrack).unwrap();
    path.to_string_lossy().into_owned()
}

fn ours(namespace: &Namespace, line: &str) -> Output {
    let command = Command::new(path(Implementation::Ours)).args(words(line));
    namespace.output(command).unwrap()
}

/// Behind other words, such as those that take rights away.
fn behind(namespace: &Namespace, wrapper: &str, program: &str, line: &str) -> Output {
    let mut all = words(wrapper);
    all.push(program.to_owned());
    all.extend(words(line));
    namespace
        .output(Command::new(&all[0]).args(&all[1..]))
        .unwrap()
}

/// Flows of a client that nobody touches.
fn lasting() -> Vec<String> {
    let line = |port| format!("-s 10.1.0.1 -d 10.9.9.9 -p udp --sport {port} --dport 2 -m 7");
    (1..=500).map(line).collect()
}

/// Others come and go while it lists: each listing has every lasting flow and only whole lines.
#[test]
fn a_table_that_changes_is_listed_and_searched() {
    let namespace = Namespace::new("changing").unwrap();
    let flows = lasting();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    tables::fill(&namespace, &flows);
    let changes: String = (0..40)
        .map(|round: u32| {
            let made = (1..=200).map(|port| {
                format!("-A -t 900 -s 10.2.{round}.1 -d 10.9.9.9 -p udp --sport {port} --dport 3\n")
            });
            made.collect::<String>() + &format!("-D -s 10.2.{round}.1\n")
        })
        .collect();
    let stock = path(Implementation::Stock);
    thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let command = Command::new(&stock).args(["-R", "-"]).stdin(changes);
            namespace.output(command).unwrap()
        });
        let mut listings = 0;
        while !changing.is_finished() || listings == 0 {
            listings += 1;
            let all = ours(&namespace, "-L");
            assert_eq!(
                (all.code(), all.stderr.lines().count()),
                (0, 1),
                "{}",
                all.stderr
            );
            assert!(
                all.stdout
                    .lines()
                    .all(|line| line.starts_with("udp      17 "))
            );
            for line in ["-L -m 7", "-L -s 10.1.0.1 -p udp --dport 2 -o json"] {
                let found = ours(&namespace, line);
                assert_eq!(found.stdout.lines().count(), flows.len(), "{line}");
            }
        }
        assert_eq!(changing.join().unwrap().code(), 0);
    });
    let deleted = ours(&namespace, "-D -m 7");
    assert_eq!(deleted.stdout.lines().count(), flows.len());
    namespace.run("conntrack -F").unwrap();
}

/// compat: cli-122
#[test]
fn a_listing_that_fails_on_the_way_is_closed_and_says_so() {
    ensure_packages(&["strace"], |_| ()).unwrap();
    let namespace = Namespace::new("failing").unwrap();
    let flows = lasting();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    tables::fill(&namespace, &flows);
    let fail = "strace -o /dev/null -e trace=recvfrom,recvmsg -e inject=recvfrom,recvmsg:error=ENOBUFS:when=3";
    let prefix = "conntrack v1.4.9 (conntrack-tools): Operation failed: ";
    for (line, has_document) in [("-L -o xml", true), ("-L", false), ("-L -o json", false)] {
        let output = behind(&namespace, fail, &path(Implementation::Ours), line);
        assert_eq!(output.code(), 1, "{output:?}");
        assert_eq!(
            output.stderr,
            format!("{prefix}No buffer space available\n")
        );
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(lines.len() > 100, "what came before is shown");
        let end = ["<!-- not whole: an error ended it -->", "</conntrack>"];
        assert_eq!(lines.ends_with(&end), has_document, "{line}");
    }
    let stock = behind(&namespace, fail, &path(Implementation::Stock), "-L");
    assert_eq!(stock.code(), 1);
    assert_eq!(
        normal::stderr(&stock.stderr),
        format!("{prefix}No buffer space available\n")
    );
    // A failure before the first flow leaves nothing.
    let at_once = fail.replace("when=3", "when=1");
    let output = behind(
        &namespace,
        &at_once,
        &path(Implementation::Ours),
        "-L -o xml",
    );
    assert_eq!((output.code(), &*output.stdout), (1, ""));
}

const REFUSED: &[&str] = &[
    "-L",
    "-L expect",
    "-L dying",
    "-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53",
    "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 10",
    "-A -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 10",
    "-D -s 10.0.0.1",
    "-G expect -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1",
    "-E",
    "-E expect",
    "-L -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -w 5",
];

/// Root without the capability is refused like everybody; the capability alone is enough.
#[test]
fn the_capability_counts_and_not_the_user() {
    let namespace = Namespace::new("rights").unwrap();
    tables::fill(&namespace, tables::MIXED);
    let without = "setpriv --bounding-set=-net_admin --inh-caps=-net_admin";
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    for wrapper in [without, nobody] {
        for line in REFUSED {
            let [ours, stock] = [Implementation::Ours, Implementation::Stock]
                .map(|who| behind(&namespace, wrapper, &path(who), line));
            assert_eq!((ours.code(), &*ours.stdout), (1, ""), "{line}: {ours:?}");
            assert_eq!(ours.code(), stock.code(), "{line}");
            assert_eq!(ours.stderr, normal::stderr(&stock.stderr), "{line}");
        }
        let file = behind(
            &namespace,
            wrapper,
            "sh",
            &format!("-c 'echo -F | {} -R -'", path(Implementation::Ours)),
        );
        assert_eq!(file.code(), 1, "{file:?}");
        assert!(file.stderr.contains("CAP_NET_ADMIN") && !file.stderr.contains("emptied"));
    }
    assert_eq!(namespace.flow_count().unwrap(), tables::MIXED.len());
    let with = format!("{nobody} --inh-caps=+net_admin --ambient-caps=+net_admin");
    let deleted = behind(
        &namespace,
        &with,
        &path(Implementation::Ours),
        "-D -p tcp -f ipv4",
    );
    assert_eq!(
        (deleted.code(), deleted.stdout.lines().count()),
        (0, 5),
        "{deleted:?}"
    );
}

/// Names of files need not be text.
#[test]
fn files_have_any_name() {
    let namespace = Namespace::new("names").unwrap();
    tables::fill(&namespace, tables::MIXED);
    let folder = Folder::new("names", false).unwrap();
    let write = |name: &[u8], text: &str| -> PathBuf {
        let path = folder
            .file("x")
            .with_file_name(OsString::from_vec(name.to_vec()));
        std::fs::write(&path, text).unwrap();
        path
    };
    let run = |words: &[OsString]| {
        let command = Command::new(path(Implementation::Ours)).args(words.iter().cloned());
        namespace.output(command).unwrap()
    };
    let filters = write(b"f\xff\xfe", "-p icmp\n");
    let listed = run(&["-L".into(), "--filter-file".into(), filters.into()]);
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:?}");
    let mut attached = OsString::from("--labelmap=");
    attached.push(write(b"l\xff", "3 three\n"));
    let labels = run(&["-L".into(), attached, "-l".into(), "three".into()]);
    assert_eq!(labels.code(), 0, "{labels:?}");
    let load = run(&["-R".into(), write(b"r\xff", "-D -p icmp\n").into()]);
    assert_eq!(
        (load.code(), load.stdout.lines().count()),
        (0, 2),
        "{load:?}"
    );
    let missing = run(&["-R".into(), OsString::from_vec(b"/none\xff".to_vec())]);
    assert_eq!(missing.code(), 2);
}

/// compat: cli-38
#[test]
fn a_full_disk_is_reported_by_every_command() {
    let namespace = Namespace::new("full").unwrap();
    tables::fill(&namespace, tables::MIXED);
    for line in [
        "-L -o xml",
        "-L -o json",
        "-C",
        "-S",
        "-V",
        "-h",
        "-D -p icmp",
        "-U -p gre -m 9",
    ] {
        let script = format!("{} {line} >/dev/full", path(Implementation::Ours));
        let output = namespace
            .output(Command::new("sh").args(["-c", &script]))
            .unwrap();
        assert_eq!(output.code(), 1, "{line}: {output:?}");
        assert!(
            output
                .stderr
                .contains("cannot write the output: No space left"),
            "{output:?}"
        );
    }
}

/// What follows events ends when nobody reads them any more, and with its summary when it is told to.
#[test]
fn following_ends_with_its_reader_and_with_a_signal() {
    let namespace = Namespace::new("ends").unwrap();
    let program = path(Implementation::Ours);
    let script = format!("{program} -E | head -n 1");
    let piped = namespace
        .spawn(Command::new("sh").args(["-c", &script]))
        .unwrap();
    let followers = [Signal::INT, Signal::TERM].map(|signal| {
        let follower = namespace.spawn(Command::new(&program).arg("-E")).unwrap();
        (follower, signal)
    });
    let sockets = || {
        let list = namespace.run("cat /proc/net/netlink").unwrap().stdout;
        let has_groups = |line: &&str| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            columns.get(1) == Some(&"12")
                && columns.get(3).is_some_and(|groups| *groups != "00000000")
        };
        list.lines().filter(has_groups).count()
    };
    wait_until("three subscriptions", PATIENCE, || sockets() == 3).unwrap();
    let change = |port: u32| {
        let line = format!("-I -s 10.3.0.1 -d 10.3.0.2 -p udp --sport {port} --dport 6 -t 900");
        namespace
            .run(Command::new("conntrack").args(words(&line)))
            .unwrap();
    };
    change(1);
    piped.wait_for_line("sport=1 ", PATIENCE).unwrap();
    // The second one finds nobody who reads.
    change(2);
    assert_eq!(piped.wait(PATIENCE).unwrap(), 0);
    for (follower, signal) in &followers {
        follower.wait_for_line("sport=2 ", PATIENCE).unwrap();
        follower.signal(*signal);
        assert_eq!(follower.wait(PATIENCE).unwrap(), 0);
        // Its last line may arrive after its end.
        wait_until("the summary", PATIENCE, || {
            let lines = follower.log().lines();
            let summary = "2 flow events have been shown.";
            lines.iter().any(|line| line.text.ends_with(summary))
        })
        .unwrap();
    }
    namespace.run("conntrack -F").unwrap();
}
