//! The help, written from the tables: whole, or a topic.
//!
//! In our own words: programs parse what the commands print, not this (compat: cli-103).

use std::fmt::Write;

use flow::Protocol;

use super::options::{COMMANDS, LONG_ONLY, OPTIONS, Opt};
use super::protocols::Row;
use super::topics::Topic;

/// Column in which the explanations start.
const COLUMN: usize = 40;

/// The whole help, with the options of a protocol if one is given.
pub fn text(program: &str, version: &str, protocol: Option<(Protocol, &str)>) -> String {
    let mut out = format!(
        "Command line interface for the connection tracking system. Version {version}\n\
         Usage: {program} [commands] [options]\n\nCommands:\n"
    );
    commands(&mut out);
    out.push_str("\nTables: conntrack, expect, dying, unconfirmed\n\nOptions:\n");
    for option in &OPTIONS {
        option_line(&mut out, option);
    }
    let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name).collect();
    let topics = topics.join(", ");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\nTopics, for {program} --help TOPIC:\n  {topics}");
    if let Some((protocol, name)) = protocol {
        protocol_text(&mut out, protocol, name);
    }
    out.push('\n');
    out
}

/// The help about a topic.
pub fn topic(program: &str, topic: Topic) -> String {
    let mut out = String::new();
    let page = match topic {
        Topic::Page(page) => page,
        Topic::Protocol(protocol) => {
            protocol_text(&mut out, protocol, protocol.name().unwrap_or("unknown"));
            return out.trim_start().to_owned();
        }
    };
    let _ = writeln!(out, "{}: {}\n\n{}", page.name, page.about, page.text);
    match page.name {
        "commands" => commands(&mut out),
        "protocols" => {
            for protocol in Protocol::KNOWN {
                protocol_text(&mut out, protocol, protocol.name().unwrap_or("unknown"));
            }
        }
        _ => {}
    }
    for option in page.options {
        option_line(&mut out, option.row());
    }
    if !page.examples.is_empty() {
        out.push_str("\nExamples:\n");
    }
    for (words, what) in page.examples {
        let _ = writeln!(out, "  {program} {words}\n      {what}");
    }
    let others = Topic::ALL.iter().filter(|other| other.name != page.name);
    let others: Vec<&str> = others.map(|topic| topic.name).collect();
    let _ = writeln!(out, "\nOther topics: {}", others.join(", "));
    out
}

fn commands(out: &mut String) {
    for command in &COMMANDS {
        let (args, what) = command.help;
        let letter = char::from(command.short);
        let left = format!("-{letter}, --{} {args}", command.name);
        line(out, &left, what);
    }
    line(
        out,
        "-R, --load-file FILE",
        "Do what the lines of a file say",
    );
}

fn option_line(out: &mut String, option: &Opt) {
    let (arg, what) = option.help;
    let names = option.names.join(", --");
    let left = match option.short {
        LONG_ONLY => format!("    --{names} {arg}"),
        letter => format!("-{}, --{names} {arg}", char::from(letter)),
    };
    line(out, &left, what);
}

fn protocol_text(out: &mut String, protocol: Protocol, name: &str) {
    let _ = writeln!(out, "\nProto `{name}' help:");
    match Row::of(protocol) {
        Some(row) => {
            for option in row.options() {
                let left = format!("--{}", option.names.join(", --"));
                line(out, &left, option.help);
            }
        }
        None => out.push_str("  no options (unsupported)\n"),
    }
}

fn line(out: &mut String, left: &str, right: &str) {
    let left = left.trim_end();
    let _ = writeln!(out, "  {left:COLUMN$} {right}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_there() {
        let text = text("conntrack", "1.4.9", Some((Protocol::TCP, "tcp")));
        for option in &OPTIONS {
            let name = format!("--{}", option.names[0]);
            assert!(text.lines().any(|line| line.contains(&name)), "{name}");
        }
        assert!(text.contains("\nProto `tcp' help:\n  --sport, --orig-port-src "));
        assert!(text.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn every_topic_is_named_in_the_help_and_has_a_text() {
        let all = text("conntrack", "1.4.9", None);
        for page in Topic::ALL {
            assert!(all.contains(page.name), "{}", page.name);
            let text = topic("ct", Topic::Page(page));
            assert!(text.starts_with(&format!("{}: {}", page.name, page.about)));
            assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        }
        let text = topic("ct", Topic::Protocol(Protocol::GRE));
        assert!(
            text.starts_with("Proto `gre' help:\n  --srckey, "),
            "{text}"
        );
    }

    /// What an example shows is a command line.
    #[test]
    fn examples_are_understood() {
        let environment = crate::cli::Environment {
            posix: false,
            protocol_number: &|_| None,
            labels: &|_| Ok(flow::LabelMap::default().into()),
            open: &|_| std::fs::File::open("/dev/null"),
        };
        for page in Topic::ALL {
            for (line, _) in page.examples {
                let line = line.split(['>', ';']).next().unwrap_or_default();
                let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                let job = crate::cli::parse(&words, &environment, &mut Vec::new());
                assert!(job.is_ok(), "{line}: {job:?}");
            }
        }
    }

    #[test]
    fn a_protocol_without_options_says_so() {
        let text = text("conntrack", "1.4.9", Some((Protocol(2), "igmp")));
        assert!(text.contains("Proto `igmp' help:\n  no options (unsupported)\n"));
    }
}
