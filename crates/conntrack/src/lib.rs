//! The command line of the connection tracking system.
//!
//! A library only so that tests, fuzzing and the completions of shells reach its parts; the program
//! is `main.rs`. [`cli`] makes a job of the words that were typed, [`command`] does it.

use std::borrow::Cow;

pub mod cli;
pub mod command;
pub mod files;
pub mod label_file;
pub mod protocols;

/// What diagnostics start with. Programs compare it, so it names the version of stock that this
/// one behaves like.
pub const PREFIX: &str = "conntrack v1.4.9 (conntrack-tools): ";

/// A line for people, in which words of the command line or of a file stand as they were: what would
/// drive the terminal is shown by its number instead (compat: cli-101).
pub fn printable(line: &str) -> Cow<'_, str> {
    if !line.contains(char::is_control) {
        return Cow::Borrowed(line);
    }
    let shown = line.chars().map(|c| match c {
        c if c.is_control() => c.escape_unicode().collect::<String>(),
        c => c.into(),
    });
    Cow::Owned(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_drive_the_terminal() {
        assert_eq!(printable("`udp\r' is none"), "`udp\\u{d}' is none");
        assert_eq!(printable("\x1b[2J\u{9b}x"), "\\u{1b}[2J\\u{9b}x");
        assert_eq!(printable("Zür\u{fffd}ich"), "Zür\u{fffd}ich");
    }
}
