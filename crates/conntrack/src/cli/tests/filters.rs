//! Files of filters: what a line may hold, and how a wrong one is told.

use std::io::Write;

use super::*;
use crate::cli::filters;
use flow::filter::FilterSet;

/// A file with this text that has no name.
fn file(text: &str) -> std::fs::File {
    let path = std::env::temp_dir().join(format!(
        "filters-{}-{:p}",
        std::process::id(),
        text.as_ptr()
    ));
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

/// The job of a line with `--filter-file some`, the file's text being this.
fn with_file(line: &str, text: &str) -> (Result<Job, Error>, Vec<String>) {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let environment = Environment {
        posix: false,
        protocol_number: &|_| None,
        labels: &|path| match path {
            Some("own") => Ok(LabelMap::parse(b"9 web").into()),
            _ => Ok(LabelMap::parse(b"1 web").into()),
        },
        open: &|path| match path {
            "some" => Ok(file(text)),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
    };
    let mut notices = Vec::new();
    (parse(&words, &environment, &mut notices), notices)
}

fn set(line: &str, text: &str) -> FilterSet {
    let filter = match with_file(line, text).0 {
        Ok(
            Job::List { filter, .. }
            | Job::Delete { filter, .. }
            | Job::Update { filter, .. }
            | Job::Follow { filter, .. },
        ) => filter,
        other => panic!("{line}: {other:?}"),
    };
    FilterSet::clone(&filter.any.expect("a set"))
}

#[test]
fn a_line_is_a_set_of_conditions() {
    let text = "\
# two of them\n\n  -s 10.0.0.1 -p tcp --dport 80\n\t\n-m \"5\" -t 7 -w 3";
    for command in ["-L", "-D", "-U -m 9", "-E", "-L dying"] {
        let line = format!("{command} --filter-file some");
        // The blank line is one that holds nothing.
        assert_eq!(set(&line, text).len(), 2, "{line}");
    }
}

/// Only the end of a line is meant: elsewhere the character is as wrong as any other.
#[test]
fn lines_may_end_as_on_other_systems() {
    let ours = set("-L --filter-file some", "-p udp\n\n-m 5\n");
    assert_eq!(set("-L --filter-file some", "-p udp\r\n\r\n-m 5\r\n"), ours);
    assert!(
        with_file("-L --filter-file some", "-p udp\r -m 5\n")
            .0
            .is_err()
    );
}

#[test]
fn a_second_file_is_refused() {
    refused(
        "-D --filter-file some --filter-file some",
        2,
        "option `--filter-file' can only be specified once",
    );
}

#[test]
fn labels_have_the_names_of_the_command_line() {
    let other = set("-L --labelmap own --filter-file some", "-l web");
    assert_eq!(other, set("-L --filter-file some", "-l bit:9"));
    assert_eq!(
        set("-L --filter-file some", "-l web"),
        set("-D --filter-file some", "-l bit:1")
    );
}

#[test]
fn an_empty_file_wants_nothing_and_says_so() {
    for text in ["", "\n", "# nothing\n"] {
        let (job, notices) = with_file("-D --filter-file some", text);
        assert_eq!(notices, ["WARNING: no filter in some, so nothing matches."]);
        let Ok(Job::Delete { filter, .. }) = job else {
            panic!("{job:?}");
        };
        assert_eq!(filter.kernel(), []);
    }
}

/// Files, our exit status, and what we say.
const WRONG: &[(&str, u8, &str)] = &[
    (
        "-s 10.0.0.1\n10.0.0.2\n",
        2,
        "`10.0.0.2' is no option and no value of one (some line 2)",
    ),
    (
        "-s 10.0.0.1 foo",
        2,
        "`foo' is no option and no value of one (some line 1)",
    ),
    (
        "-s 10.0.0.1 -- -p tcp",
        2,
        "`-p' is no option and no value of one (some line 1)",
    ),
    (
        "-D -s 10.0.0.1",
        2,
        "a line of a filter file has no command, `-D' is one (some line 1)",
    ),
    (
        "-u SRC_NAT",
        2,
        "`SRC_NAT' would have no effect (some line 1)",
    ),
    (
        "-s 1.1.1.1 -a x",
        2,
        "`-a' would have no effect (some line 1)",
    ),
    (
        "--labelmap own",
        2,
        "a line has to hold a condition (some line 1)",
    ),
    ("-o xml", 2, "`--output' is no condition (some line 1)"),
    ("-z", 2, "`--zero' is no condition (some line 1)"),
    (
        "--label-add web",
        2,
        "`--label-add' is no condition (some line 1)",
    ),
    (
        "--filter-file x",
        2,
        "`--filter-file' is no condition (some line 1)",
    ),
    (
        "-p sctp --orig-vtag 5",
        2,
        "`--orig-vtag' is no condition (some line 1)",
    ),
    (
        "-n -j",
        2,
        "cannot specify `--src-nat' or `--dst-nat' with `--any-nat' (some line 1)",
    ),
    (
        "--mask-src 255.0.0.0",
        2,
        "Can't use --mask-src without --src (some line 1)",
    ),
    (
        "\n\n-s 1.1.1.1 -d ::1",
        2,
        "mismatched address family (some line 3)",
    ),
    (
        "-m 5/3",
        2,
        "mark 0x5 has bits outside of its mask 0x3, nothing can match (some line 1)",
    ),
    (
        "-w x",
        1,
        "unexpected value 'x' with -w option (some line 1)",
    ),
    ("-Q", 2, "unknown option `-Q' (some line 1)"),
    ("   \n-R x", 2, "unknown option `-R' (some line 2)"),
];

/// What is not understood whole is refused: it would match more than it says.
#[test]
fn a_wrong_line_is_named() {
    for (text, status, expected) in WRONG {
        let error = with_file("-D --filter-file some", text).0.expect_err(text);
        assert_eq!(error.to_string(), *expected, "{text}");
        assert_eq!(error.status(), *status, "{text}");
    }
}

#[test]
fn it_goes_with_commands_that_select() {
    for line in ["-G", "-I", "-F", "-C", "-S", "-L expect", "-E expect", "-V"] {
        let line = format!("{line} --filter-file some -p 200 -t 5 -s 1.1.1.1 -d 2.2.2.2");
        let (job, _) = with_file(&line, "-p tcp");
        assert!(job.is_err(), "{line}");
    }
    let error = |line| with_file(line, "-p tcp").0.unwrap_err().to_string();
    assert_eq!(
        error("-F --filter-file some"),
        "Illegal option `--filter-file' with this command"
    );
    assert_eq!(
        error("-L -z --filter-file some"),
        "Can't use -z with filtering parameters"
    );
    assert_eq!(
        error("-L --filter-file none"),
        "Failed to open file none for reading"
    );
}

#[test]
fn a_line_alone_is_read_too() {
    let environment = Environment {
        posix: false,
        protocol_number: &|_| None,
        labels: &|_| Err(String::new()),
        open: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    let filter = |line| filters::filter(line, &environment, &mut Vec::new());
    assert_eq!(filter(" # no filter"), Ok(None));
    assert!(filter("-p tcp").unwrap().is_some());
}
