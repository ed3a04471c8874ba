//! Files of command lines: `-R` and `--load-file`.
//!
//! Each case starts with the same flows in two namespaces; both programs load the same file. Ours
//! names the line of a failure, which is taken out before the answers are compared.

use std::fmt::Write;

use testbed::{Command, Folder, Implementation, Namespace, Output, Program};

use crate::{Pair, normal};

const FLOWS: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53",
    "-s 10.0.0.2 -d 10.0.9.1 -p udp --sport 2 --dport 53",
    "-s 10.0.0.3 -d 10.0.9.1 -p tcp --sport 3 --dport 80 --state ESTABLISHED -m 7",
    "-s 2001:db8::1 -d 2001:db8::9 -p udp --sport 1 --dport 53 -w 5",
];

/// A file, and the line that ours names if it fails.
pub struct Case {
    text: &'static str,
    line: Option<u32>,
    /// Why answers or tables differ, if they do, with our status and number of flows afterwards.
    differs: Option<(&'static str, i32, usize)>,
}

const fn same(text: &'static str) -> Case {
    Case {
        text,
        line: None,
        differs: None,
    }
}

const fn fails(text: &'static str, line: u32) -> Case {
    Case {
        text,
        line: Some(line),
        differs: None,
    }
}

const fn differs(text: &'static str, why: &'static str, status: i32, flows: usize) -> Case {
    Case {
        text,
        line: None,
        differs: Some((why, status, flows)),
    }
}

const A: &str = "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 9000\n";

pub const CASES: &[Case] = &[
    same(""),
    same("\n\n# a comment\n   \t# another\n\n"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 9000\n"),
    same("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 9000"),
    same("  -I\t-s 1.1.1.1  -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 9000 \n"),
    same("-I -s \"1.1.1.1\" -d 2.2.2.2 -p \"u\\dp\" --sport 1 --dport 1 -t 9000\n"),
    same("-A -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 9000 -m 5\n-D -m 5\n"),
    same("-D -w 77\n"),
    same("-D -s 10.0.0.1\n-D -s 10.0.0.2\n"),
    same("-F\n-I -s 1.1.1.1 -d 2.2.2.2 -p 200 -t 9000\n"),
    same("-U -s 10.0.0.1 -p udp -u ASSURED\n"),
    same("-U -s 10.9.9.9 -p udp -u ASSURED\n"),
    same("-D\n-I -s ::1 -d ::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 -t 9000 -w 3\n"),
    fails("-F\n-Q\n", 2),
    fails("-F\n\n-F -s 1.1.1.1\n", 3),
    fails("-I\n", 1),
    fails("-F # x\n", 1),
    fails("-F\n-L\n", 2),
    fails("-L expect\n", 1),
    fails("-G -s 1.1.1.1 -d 2.2.2.2 -p 200\n", 1),
    fails("-E\n", 1),
    fails("-V\n", 1),
    fails("-h\n", 1),
    fails("-C\n", 1),
    fails("-C expect\n", 1),
    fails("-S\n", 1),
    fails("-S expect\n", 1),
    fails("-F expect\n", 1),
    fails("-E expect\n", 1),
    fails("-D expect -s 1.1.1.1 -d 2.2.2.2 -p 200\n", 1),
    fails("foo\n", 1),
    fails("-L\n-Q\n", 2),
    fails("-R x\n", 1),
    fails(
        "-I -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -t 9000\n",
        1,
    ),
    fails(
        "-D -s 10.0.0.1\n-I -s 10.0.0.2 -d 10.0.9.1 -p udp --sport 2 --dport 53 -t 9000\n",
        2,
    ),
    fails(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p icmp --icmp-type 3 --icmp-code 0 -t 9000\n-F\n",
        1,
    ),
    fails(
        "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 1 -t 9000 -u EXPECTED\n-F\n",
        1,
    ),
    // Each line its own mark; stock sets that of the last line everywhere.
    differs(
        "-U -s 10.0.0.1 -p udp -m 1\n-U -s 10.0.0.2 -p udp -m 2\n-U -s 10.0.0.3 -p tcp -m 3\n",
        "cli-15",
        0,
        4,
    ),
    // Stock shows both in the format of the last line.
    differs(
        "-D -s 10.0.0.1\n-D -s 10.0.0.2 -o extended\n",
        "cli-15",
        0,
        2,
    ),
    // Stock crashes.
    differs("-D -l bit:3\n-D -w 99\n", "cli-19", 0, 4),
    // A line of blanks at the end is a line like others.
    differs("-D -w 77\n   ", "cli-114", 0, 4),
];

/// Why cases differ, of those that do.
pub fn differences() -> impl Iterator<Item = &'static str> {
    let whys = CASES.iter().filter_map(|case| case.differs);
    whys.map(|(why, ..)| why)
}

/// The answer, and the number of the line that it names.
fn without_line(answer: &normal::Answer) -> (String, Option<u32>) {
    let Some(start) = answer.stderr.find(" (line ") else {
        return (answer.stderr.clone(), None);
    };
    let (before, rest) = answer.stderr.split_at(start);
    let (number, after) = rest[" (line ".len()..].split_once(')').unwrap();
    (format!("{before}{after}"), Some(number.parse().unwrap()))
}

/// What is wrong with a case, if anything.
fn check(case: &Case) -> Option<String> {
    let pair = Pair::new("load", FLOWS);
    let folder = Folder::new("load", false).unwrap();
    let path = folder.write("lines", case.text).unwrap();
    let (stock, ours) = pair.run(&format!("-R {}", path.display()));
    let (stock, ours) = (normal::Answer::new(&stock), normal::Answer::new(&ours));
    let (stderr, line) = without_line(&ours);
    let tables = pair.tables();
    let context = format!("{:?}\nstock: {stock:#?}\nours: {ours:#?}", case.text);
    let is_right = match case.differs {
        Some((_, status, flows)) => {
            let count = pair.ours.flow_count().unwrap();
            (ours.status, count) == (status, flows) && (ours != stock || tables.0 != tables.1)
        }
        None => {
            let ours = normal::Answer { stderr, ..ours };
            line == case.line && ours == stock && tables.0 == tables.1
        }
    };
    (!is_right).then_some(context)
}

#[test]
fn files_are_alike() {
    let complaints: Vec<String> = CASES.iter().filter_map(check).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
}

fn ours() -> String {
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    path.to_string_lossy().into_owned()
}

fn load(namespace: &Namespace, text: impl Into<Vec<u8>>) -> Output {
    let command = Command::new(ours()).args(["--load-file", "-"]);
    namespace.output(command.stdin(text)).unwrap()
}

/// compat: cli-15
#[test]
fn each_line_has_its_own_values() {
    let namespace = Namespace::new("load-marks").unwrap();
    let lines = "-U -s 10.0.0.1 -p udp -m 1\n-U -s 10.0.0.2 -p udp -m 2\n-D -s 10.0.0.3\n";
    crate::tables::fill(&namespace, FLOWS);
    assert_eq!(load(&namespace, lines).code(), 0);
    let list = namespace.run("conntrack -L").unwrap().stdout;
    assert!(
        list.contains(" mark=1 ") && list.contains(" mark=2 "),
        "{list}"
    );
    assert_eq!(namespace.flow_count().unwrap(), 3);
}

/// compat: cli-37
#[test]
fn what_is_no_file_is_refused() {
    let namespace = Namespace::new("load-none").unwrap();
    for (path, reason) in [
        ("/", "is a directory"),
        ("/nonexistent", "No such file or directory"),
        ("/dev/null/x", "Not a directory"),
    ] {
        for option in ["-R", "-D --filter-file"] {
            let command = format!("{} {option} {path}", ours());
            let output = namespace.output(command).unwrap();
            assert_eq!(output.code(), 2, "{path}");
            let text = format!("Failed to open file {path} for reading\nTry ");
            assert!(output.stderr.contains(&text), "{output:?}");
            let hint = format!("Hint: {reason}\n");
            assert!(output.stderr.ends_with(&hint), "{output:?}");
        }
    }
}

/// In a container with a limit, say. Lines are read beside the kernel's work only where that can be.
#[test]
fn files_are_loaded_where_no_thread_can_be_started() {
    let namespace = Namespace::new("load-one").unwrap();
    // Nobody else is this user.
    let limited = "setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps=+net_admin \
        --ambient-caps=+net_admin prlimit --nproc=1";
    let load = |lines: String| {
        let command = Command::from(format!("{limited} {} -R -", ours()));
        namespace.output(command.stdin(lines)).unwrap()
    };
    let line = |port| format!("-A -s 1.1.1.1 -d 2.2.2.2 -p udp --sport {port} --dport 1 -t 9000\n");
    let lines: String = (1..=3000).map(line).collect();
    let output = load(lines.clone());
    assert_eq!((output.code(), &*output.stderr), (0, ""));
    assert_eq!(namespace.flow_count().unwrap(), 3000);
    let wrong = load(format!("-F\n{lines}-Q\n{lines}-X\n"));
    assert!(
        wrong.stderr.contains("unknown option `-Q' (line 3002)\n"),
        "{wrong:?}"
    );
    assert_eq!(namespace.flow_count().unwrap(), 3000);
    let twice = load(format!(
        "-D -p udp --sport 7\n{}",
        lines.replace("-A", "-I")
    ));
    assert!(
        twice.stderr.contains("-U to update (line 2)\n"),
        "{:?}",
        twice.stderr
    );
    namespace.run("conntrack -F").unwrap();
}

/// What comes through a pipe is read once and needed twice.
#[test]
fn a_long_text_without_room_for_its_copy_is_not_loaded() {
    let namespace = Namespace::new("load-room").unwrap();
    let script = format!("cat | TMPDIR=/nonexistent {} -R -", ours());
    let command = Command::new("sh").args(["-c", &script]);
    let line = "-I -s 1.1.1.1 -d 2.2.2.2 -p 200 -t 9000\n";
    let lines = line.to_owned() + &"# what is long\n".repeat(100_000);
    let output = namespace.output(command.stdin(lines)).unwrap();
    assert_eq!(output.code(), 2, "{output:?}");
    let hint = "its copy cannot be kept in /nonexistent: No such file or directory\n";
    assert!(output.stderr.ends_with(hint), "{output:?}");
    assert_eq!(namespace.flow_count().unwrap(), 0);
}

/// compat: cli-35, cli-61
#[test]
fn every_line_of_a_run_that_failed_is_named() {
    let namespace = Namespace::new("load-fail").unwrap();
    let output = load(&namespace, format!("{A}{A}\n{A}"));
    assert_eq!(output.code(), 1);
    let reason = "Operation failed: Such conntrack exists, try -U to update";
    let line = |number| format!("conntrack v1.4.9 (conntrack-tools): {reason} (line {number})\n");
    assert_eq!(output.stderr, line(2) + &line(4));
    assert_eq!(namespace.flow_count().unwrap(), 1);
    // What is further down is not tried.
    let mut text = format!("{A}{A}");
    for port in 2..400 {
        let port = format!("-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport {port} --dport 1 -t 9000\n");
        text += &port;
    }
    assert_eq!(load(&namespace, text).code(), 1);
    assert!(namespace.flow_count().unwrap() < 200);
}

/// From a pipe, which cannot be read twice, and more than one run.
#[test]
fn many_lines_are_loaded() {
    let namespace = Namespace::new("load-many").unwrap();
    let mut text = String::new();
    for port in 1..=3000 {
        writeln!(
            text,
            "-A -s 1.1.1.1 -d 2.2.2.2 -p udp --sport {port} --dport 1 -t 9000"
        )
        .unwrap();
    }
    let output = load(&namespace, text);
    assert_eq!((output.code(), &*output.stderr), (0, ""));
    assert_eq!(namespace.flow_count().unwrap(), 3000);
    namespace.run("conntrack -F").unwrap();
}

/// Progress is for people: on a terminal it shows, and is gone at the end.
#[test]
fn progress_is_shown_on_a_terminal_only() {
    let namespace = Namespace::new("load-terminal").unwrap();
    let folder = Folder::new("load-terminal", false).unwrap();
    let lines = "# nothing to do\n".repeat(5000);
    let path = folder.write("lines", &lines).unwrap();
    let command = format!("{} -R {}", ours(), path.display());
    let silent = namespace.output(&*command).unwrap();
    assert_eq!((silent.code(), &*silent.stderr), (0, ""));
    let watched = Command::new("script").args(["-qec", &command, "/dev/null"]);
    let watched = namespace.output(watched).unwrap();
    assert!(watched.stdout.contains(" of 5000 lines"), "{watched:?}");
    assert!(watched.stdout.ends_with("\r\x1b[K"), "{watched:?}");
}
