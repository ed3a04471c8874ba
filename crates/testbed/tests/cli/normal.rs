//! What has to be taken out before two answers can be equal: passing time, references that a
//! reader itself holds, ids that the kernel makes of addresses in memory, and the version.
//!
//! The kernel's hash is another one in each namespace, so the order of a listing is not compared.

use testbed::Output;

use crate::{passing, stock};

/// An answer in its comparable form.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exit status.
    pub status: i32,
    /// Standard output, sorted.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Answer {
    pub fn new(output: &Output) -> Self {
        Self {
            status: output.code(),
            stdout: stdout(&output.stdout),
            stderr: stderr(&output.stderr),
        }
    }
}

/// Lines of flows, normalised and sorted.
pub fn stdout(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.sort();
    lines.join("\n")
}

/// Without our hints, which are lines of their own (compat: cli-117).
pub fn stderr(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    let text: String = lines.filter(|line| !line.starts_with("Hint: ")).collect();
    stock::as_followed(&text)
}

/// One line of a flow; blanks are kept.
pub fn line(text: &str) -> String {
    let mut protocol_seen = false;
    let mut fields: Vec<String> = Vec::new();
    for field in text.split(' ') {
        let is_number = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
        let previous_is_number = fields
            .iter()
            .rev()
            .find(|field| !field.is_empty())
            .is_some_and(|field| field.bytes().all(|byte| byte.is_ascii_digit()));
        // The timeout is the number behind the protocol's number.
        // In a line of an expectation the timeout comes first.
        let is_first = is_number && text.starts_with(&format!("{field} proto="));
        let is_timeout = (is_number && previous_is_number && !protocol_seen) || is_first;
        protocol_seen |= is_timeout;
        fields.push(match field.split_once('=') {
            _ if is_timeout => "TIMEOUT".into(),
            Some((key @ ("use" | "delta-time" | "portid"), _)) => format!("{key}=N"),
            // ICMP has an id as well, which has to be equal: it stands behind its code.
            Some(("id", _)) if !fields.last().is_some_and(|it| it.starts_with("code=")) => {
                "id=N".into()
            }
            _ => field.to_owned(),
        });
    }
    passing::taken_out(&fields.join(" "))
}

#[test]
fn only_what_passes_is_taken_out() {
    let cases = [
        (
            "tcp      6 431 CLOSE src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 mark=0 use=1",
            "tcp      6 TIMEOUT CLOSE src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 mark=0 use=N",
        ),
        (
            "ipv4     2 icmp     1 30 src=1.1.1.1 type=8 code=0 id=77 mark=0 use=2 id=416",
            "ipv4     2 icmp     1 TIMEOUT src=1.1.1.1 type=8 code=0 id=77 mark=0 use=N id=N",
        ),
        ("7", "7"),
        ("299 proto=6 src=127.0.0.1", "TIMEOUT proto=6 src=127.0.0.1"),
    ];
    for (text, expected) in cases {
        assert_eq!(line(text), expected);
    }
}
