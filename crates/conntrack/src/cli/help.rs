//! The help, written from the tables.

use std::fmt::Write;

use flow::Protocol;

use super::options::{COMMANDS, OPTIONS};
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
        line(
            &mut out,
            &format!("-{letter}, --{} {args}", command.name),
            what,
        );
    }
    out.push_str("\nTables: conntrack\n\nOptions:\n");
    for option in &OPTIONS {
        let (arg, what) = option.help;
        let letter = char::from(option.short);
        let names = option.names.join(", --");
        line(&mut out, &format!("-{letter}, --{names} {arg}"), what);
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
                line(
                    out,
                    &format!("--{}", option.names.join(", --")),
                    option.help,
                );
            }
        }
        None => out.push_str("  no options (unsupported)\n"),
    }
}

fn line(out: &mut String, left: &str, right: &str) {
    let left = left.trim_end();
    let _ = writeln!(out, "  {left:COLUMN$} {right}");
}
