//! The help, written from the tables.
//!
//! In our own words: programs parse what the commands print, not this (compat: cli-103).

use std::fmt::Write;

use flow::Protocol;

use super::options::{COMMANDS, LONG_ONLY, OPTIONS};
use super::protocols::Row;

/// Column in which the explanations start.
const COLUMN: usize = 40;

/// The whole help, with the options of a protocol if one is given.
pub fn text(program: &str, version: &str, protocol: Option<(Protocol, &str)>) -> String {
    let mut out = format!(
        "Command line interface for the connection tracking system. Version {version}\n\
         Usage: {program} [commands] [options]\n\nCommands:\n"
    );
    for command in &COMMANDS {
        let (args, what) = command.help;
        let letter = char::from(command.short);
        let left = format!("-{letter}, --{} {args}", command.name);
        line(&mut out, &left, what);
    }
    out.push_str("\nTables: conntrack, expect, dying, unconfirmed\n\nOptions:\n");
    for option in &OPTIONS {
        let (arg, what) = option.help;
        let names = option.names.join(", --");
        let left = match option.short {
            LONG_ONLY => format!("    --{names} {arg}"),
            letter => format!("-{}, --{names} {arg}", char::from(letter)),
        };
        line(&mut out, &left, what);
    }
    if let Some((protocol, name)) = protocol {
        protocol_text(&mut out, protocol, name);
    }
    out.push('\n');
    out
}

fn protocol_text(out: &mut String, protocol: Protocol, name: &str) {
    // Writing to a string cannot fail.
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
    fn a_protocol_without_options_says_so() {
        let text = text("conntrack", "1.4.9", Some((Protocol(2), "igmp")));
        assert!(text.contains("Proto `igmp' help:\n  no options (unsupported)\n"));
    }
}
