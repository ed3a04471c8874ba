//! Long lists, which two threads receive in turns.
//!
//! On one processor there is one thread, and the output has to be the same.

use testbed::{Command, Implementation, Namespace, Output, Program};

const FLOWS: u32 = 6_000;

/// Seconds that the flows have left; some may have passed.
const TIMEOUT: std::ops::RangeInclusive<u32> = 899_000..=900_000;

fn filled() -> Namespace {
    let namespace = Namespace::new("turns").unwrap();
    let flow = |number: u32| {
        let (high, low) = (number / 250, number % 250);
        let port = 1 + number % 7;
        format!("-I -t 900000 -s 10.9.{high}.{low} -d 10.9.255.9 -p udp --sport 1 --dport {port}\n")
    };
    let lines: String = (0..FLOWS).map(flow).collect();
    let load = Command::from("conntrack -R -").stdin(lines);
    namespace.run(load).unwrap();
    assert_eq!(namespace.flow_count().unwrap(), FLOWS as usize);
    namespace
}

fn list(namespace: &Namespace, wrapper: &str, options: &str, behind: &str) -> Output {
    let ours = Implementation::Ours.path(Program::Conntrack).unwrap();
    let script = format!("{wrapper} {} -L {options} {behind}", ours.display());
    let command = Command::new("sh").args(["-c", &script]);
    namespace.output(command).unwrap()
}

/// Without the seconds that are left.
fn timeless(text: &str) -> String {
    let pieces = text.split_inclusive(|c: char| !c.is_ascii_digit());
    let timeless = pieces.map(|piece| {
        let digits = piece.trim_end_matches(|c: char| !c.is_ascii_digit());
        match digits.parse() {
            Ok(number) if TIMEOUT.contains(&number) => piece.replacen(digits, "T", 1),
            _ => piece.to_owned(),
        }
    });
    timeless.collect()
}

#[test]
fn two_threads_show_what_one_shows() {
    let namespace = filled();
    for options in [
        "",
        "-o extended,id",
        "-o xml,id",
        "-o save",
        "-o json",
        "-f ipv4 -s 10.9.0.0/22",
        "-s 10.9.0.0/22 -o xml",
        "-d 10.1.0.0/16 -o xml",
    ] {
        let [two, one] = ["", "taskset -c 0"].map(|wrapper| {
            let output = list(&namespace, wrapper, options, "");
            assert_eq!(output.code(), 0, "{options}: {}", output.stderr);
            (timeless(&output.stdout), output.stderr)
        });
        assert_eq!(two.1, one.1, "{options}");
        // Thousands of lines are not to be shown.
        let same = two.0.lines().zip(one.0.lines()).take_while(|(a, b)| a == b);
        assert_eq!(same.count(), one.0.lines().count(), "{options}");
        assert_eq!(two.0.len(), one.0.len(), "{options}");
    }
}

/// The first portions that one thread reads have too few of these flows to be written at once.
#[test]
fn a_disk_that_is_full_later_ends_both_threads() {
    let namespace = filled();
    let output = list(&namespace, "", "-s 10.9.0.0/22", ">/dev/full");
    assert_eq!(output.code(), 1);
    assert_eq!(
        output.stderr,
        "conntrack v1.4.9 (conntrack-tools): cannot write the output: No space left on device\n"
    );
}
