//! The world around the program: full disks, closed pipes, users without rights, overruns.
//!
//! Ours alone where stock does worse, which docs/compat.md then says; beside stock where both have
//! to say the same.

use rustix::process::Signal;
use testbed::{Command, Implementation, Namespace, Output, PATIENCE, Program, wait_until};

use crate::{stock::as_followed, tables};

fn ours() -> String {
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    path.to_string_lossy().into_owned()
}

fn stock() -> String {
    let path = Implementation::Stock.path(Program::Conntrack).unwrap();
    path.to_string_lossy().into_owned()
}

fn filled() -> Namespace {
    let namespace = Namespace::new("edges").unwrap();
    tables::fill(&namespace, tables::MIXED);
    namespace
}

fn shell(namespace: &Namespace, script: &str) -> Output {
    let command = Command::new("sh").args(["-c", script]);
    namespace.output(command).unwrap()
}

/// What a user without rights gets.
fn as_nobody(namespace: &Namespace, program: &str, line: &str) -> Output {
    let wrapper = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let command = Command::from(format!("{wrapper} {program} {line}"));
    namespace.output(command).unwrap()
}

/// compat: cli-38
#[test]
fn a_full_disk_is_reported() {
    let output = shell(&filled(), &format!("{} -L >/dev/full", ours()));
    assert_eq!(output.code(), 1);
    assert_eq!(
        output.stderr,
        "conntrack v1.4.9 (conntrack-tools): cannot write the output: No space left on device\n"
    );
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let namespace = Namespace::new("pipe").unwrap();
    // More than a pipe and the program's own buffer hold.
    let flows: Vec<String> = (0..2000)
        .map(|number| {
            let (high, low) = (number / 250, number % 250);
            format!("-s 10.9.{high}.{low} -d 10.9.9.9 -p udp --sport 1 --dport 2")
        })
        .collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    tables::fill(&namespace, &flows);
    let script = format!("{{ {} -L; echo status $? >&2; }} | head -n 1", ours());
    let output = shell(&namespace, &script);
    assert!(output.stdout.starts_with("udp      17 "), "{output:?}");
    // 128 + SIGPIPE, as stock ends.
    assert_eq!(output.stderr, "status 141\n");
}

#[test]
fn without_rights_the_kernel_refuses_alike() {
    let namespace = filled();
    for line in ["-L", "-D", "-U -s 10.0.0.1 -m 5", "-E"] {
        let [ours, stock] = [ours(), stock()].map(|path| as_nobody(&namespace, &path, line));
        assert_eq!(ours.code(), 1, "{line}: {ours:?}");
        assert_eq!(ours.code(), stock.code(), "{line}");
        assert_eq!(ours.stderr, as_followed(&stock.stderr), "{line}");
    }
    assert_eq!(namespace.flow_count().unwrap(), tables::MIXED.len());
}

/// compat: cli-26, cli-27
#[test]
fn without_rights_nothing_is_claimed_and_the_count_is_shown() {
    let namespace = filled();
    let flush = as_nobody(&namespace, &ours(), "-F");
    assert_eq!(flush.code(), 1);
    assert!(!flush.stderr.contains("emptied"), "{flush:?}");
    let stats = as_nobody(&namespace, &ours(), "-S");
    assert_eq!((stats.code(), &*stats.stderr), (0, ""));
    let first = stats.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("cpu=0   \tentries="), "{first}");
    let count = as_nobody(&namespace, &ours(), "-C");
    assert_eq!(
        (count.code(), &*count.stdout, &*count.stderr),
        (0, "24\n", "")
    );
}

/// compat: cli-67
#[test]
fn help_and_version_need_no_kernel() {
    let version = Command::new(ours()).arg("-V").output().unwrap();
    assert_eq!(version.code(), 0);
    assert!(
        version
            .stdout
            .starts_with("conntrack v1.4.9 (conntrack-tools-rs "),
        "{version:?}"
    );
    let help = Command::new(ours()).args(["-h", "-p", "tcp"]).output();
    let help = help.unwrap();
    assert_eq!((help.code(), &*help.stderr), (0, ""));
    assert!(help.stdout.contains("Proto `tcp' help:\n  --sport"));
}

/// compat: cli-58, cli-64
#[test]
fn a_small_buffer_loses_events_and_says_so() {
    let namespace = Namespace::new("overrun").unwrap();
    let follower = Command::new(ours()).args(["-E", "-b", "2304"]);
    let follower = namespace.spawn(follower).unwrap();
    let notice = "NOTICE: Netlink socket buffer size has been set to 4608 bytes.";
    follower.wait_for_line(notice, PATIENCE).unwrap();
    follower.signal(Signal::STOP);
    let flows: String = (1..=1000)
        .map(|port| format!("-I -t 900 -s 10.9.0.1 -d 10.9.0.2 -p udp --sport {port} --dport 2\n"))
        .collect();
    let load = Command::from("conntrack -R -").stdin(flows);
    namespace.run(load).unwrap();
    follower.signal(Signal::CONT);
    let warning = "WARNING: We have hit ENOBUFS! We are losing events.";
    follower.wait_for_line(warning, PATIENCE).unwrap();
    follower
        .wait_for_line(" gaps; see --buffer-size.", PATIENCE)
        .unwrap();
    // It goes on after that.
    namespace.run("conntrack -D -p udp --sport 1000").unwrap();
    follower.wait_for_line("[DESTROY]", PATIENCE).unwrap();
    follower.signal(Signal::TERM);
    assert_eq!(follower.wait(PATIENCE).unwrap(), 0);
    wait_until("the summary", PATIENCE, || {
        let lines = follower.log().lines();
        lines
            .iter()
            .any(|line| line.text.contains("flow events have been shown."))
    })
    .unwrap();
}

/// Twice the flows of a run of requests, and of a portion of a dump.
#[test]
fn many_flows_are_changed_and_deleted() {
    let namespace = Namespace::new("many").unwrap();
    let flows: Vec<String> = (1..=1500)
        .map(|port| format!("-s 10.9.0.1 -d 10.9.0.2 -p udp --sport {port} --dport 2"))
        .collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    tables::fill(&namespace, &flows);
    for (line, summary) in [
        ("-U -m 5", "1500 flow entries have been updated."),
        ("-U -m 5", "0 flow entries have been updated."),
        ("-L -m 5", "1500 flow entries have been shown."),
        ("-D -m 5", "1500 flow entries have been deleted."),
    ] {
        let output = namespace.output(format!("{} {line}", ours())).unwrap();
        assert!(output.stderr.contains(summary), "{line}: {}", output.stderr);
        let lines = output.stdout.lines().count();
        let count: usize = summary.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(lines, count, "{line}");
    }
    assert_eq!(namespace.flow_count().unwrap(), 0);
}
