//! Many filters at once: `--filter-file` (compat: cli-119). Ours alone, since stock has nothing like it.

use std::collections::BTreeSet;

use testbed::{Command, Implementation, Namespace, Output, Program};

use crate::{normal, tables, words};

fn ours(namespace: &Namespace, line: &str, filters: &str) -> Output {
    let path = Implementation::Ours.path(Program::Conntrack).unwrap();
    let command = Command::new(path).args(words(line));
    namespace.output(command.stdin(filters)).unwrap()
}

fn listed(namespace: &Namespace, line: &str) -> BTreeSet<String> {
    let output = ours(namespace, line, "");
    let text = normal::stdout(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

const FILTERS: &[&str] = &[
    "-s 10.0.0.1 -p tcp --dport 80",
    "-d 10.0.9.3",
    "-p icmp",
    "-f ipv6 -p udp",
    "-s 10.0.1.0/24 -u SEEN_REPLY",
    "-w 77",
    "-w 5",
    "-m 3",
    "-p gre --srckey 0x10",
    "-j",
];

/// The table, and what a file finds in it: exactly what its lines find one by one.
#[test]
fn a_file_finds_what_its_lines_find() {
    let namespace = Namespace::new("filters").unwrap();
    tables::fill(&namespace, tables::MIXED);
    for lines in [&FILTERS[..1], &FILTERS[..4], FILTERS] {
        let expected: BTreeSet<String> = lines
            .iter()
            .flat_map(|line| listed(&namespace, &format!("-L {line}")))
            .collect();
        assert!(!expected.is_empty() && expected.len() < tables::MIXED.len());
        let file = lines.join("\n");
        let found = ours(&namespace, "-L --filter-file -", &file);
        let text = normal::stdout(&found.stdout);
        let found: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(found, expected, "{file}");
        // What the command line demands holds besides.
        let tcp = ours(&namespace, "-L -p tcp --filter-file -", &file);
        assert!(tcp.stdout.lines().all(|line| line.starts_with("tcp ")));
    }
}

#[test]
fn what_a_file_describes_is_changed_and_deleted_and_nothing_else() {
    let namespace = Namespace::new("filters-d").unwrap();
    tables::fill(&namespace, tables::MIXED);
    let file = "# servers\n-d 10.0.9.3 -p udp --dport 53\n\n-p tcp --state CLOSE\n";
    let updated = ours(&namespace, "-U -m 99 --filter-file -", file);
    assert_eq!(updated.code(), 0, "{updated:?}");
    assert_eq!(listed(&namespace, "-L -m 99").len(), 4);
    let deleted = ours(&namespace, "-D --filter-file -", file);
    assert_eq!(deleted.code(), 0);
    assert!(
        deleted
            .stderr
            .ends_with("4 flow entries have been deleted.\n"),
        "{deleted:?}"
    );
    assert_eq!(namespace.flow_count().unwrap(), tables::MIXED.len() - 4);
    // What is gone is found no more.
    let again = ours(&namespace, "-D --filter-file -", file);
    assert_eq!((again.code(), &*again.stdout), (1, ""));
}

#[test]
fn a_file_that_is_empty_or_wrong_deletes_nothing() {
    let namespace = Namespace::new("filters-e").unwrap();
    tables::fill(&namespace, tables::MIXED);
    let prefix = "conntrack v1.4.9 (conntrack-tools): ";
    let empty = ours(&namespace, "-D --filter-file -", "# nobody\n");
    assert_eq!((empty.code(), &*empty.stdout), (1, ""));
    assert_eq!(
        empty.stderr,
        format!(
            "WARNING: no filter in -, so nothing matches.\n\
             {prefix}0 flow entries have been deleted.\n"
        )
    );
    let wrong = ours(&namespace, "-D --filter-file -", "-p tcp\n10.0.0.1\n");
    assert_eq!(wrong.code(), 2);
    let expected = format!("{prefix}`10.0.0.1' is no option and no value of one (- line 2)\nTry ");
    assert!(wrong.stderr.starts_with(&expected), "{wrong:?}");
    let missing = ours(&namespace, "-D --filter-file /nonexistent", "");
    assert_eq!(missing.code(), 2);
    let folder = ours(&namespace, "-D --filter-file /", "");
    assert_eq!(folder.code(), 2);
    let nested = ours(&namespace, "-R -", "-D --filter-file /dev/null\n");
    assert_eq!(nested.code(), 2);
    assert!(
        nested
            .stderr
            .contains("Cannot use option `--filter-file' with --load-file (line 1)")
    );
    assert_eq!(namespace.flow_count().unwrap(), tables::MIXED.len());
}

/// Ten thousand lines and a few thousand flows, of which every other one is meant.
#[test]
fn many_lines_are_one_pass() {
    let namespace = Namespace::new("filters-m").unwrap();
    let addr = |number: u32| format!("10.{}.{}.1", number / 200, number % 200);
    let flows: Vec<String> = (0..4000)
        .map(|number| format!("-s {} -d 10.9.9.9 -p udp --sport 1 --dport 2", addr(number)))
        .collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    tables::fill(&namespace, &flows);
    let file: String = (0..10_000)
        .map(|number| format!("-s {} -p udp --dport 2\n", addr(number * 2)))
        .collect();
    let deleted = ours(&namespace, "-D --filter-file -", &file);
    assert!(
        deleted
            .stderr
            .ends_with("2000 flow entries have been deleted.\n")
    );
    let odd = listed(&namespace, "-L");
    assert_eq!(odd.len(), 2000);
    assert!(odd.iter().all(|line| {
        let third = line
            .split("src=")
            .nth(1)
            .and_then(|rest| rest.split('.').nth(2));
        third.is_some_and(|third| third.parse::<u32>().unwrap() % 2 == 1)
    }));
    namespace.run("conntrack -F").unwrap();
}
