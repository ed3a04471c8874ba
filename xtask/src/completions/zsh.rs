//! Completion for zsh, by `_arguments`: a specification per name of an option.
//!
//! Those of the protocol in the line are added when the function is called.

use std::fmt::Write as _;

use super::{Entry, Value, quoted};

const HEAD: &str = "\
#compdef conntrack
# Completion of conntrack(8) for zsh; written by `cargo xtask completions`.

_conntrack() {
    local -a of_protocol
    local protocol
    local -i at=${words[(I)(-p|--protonum)]}
    (( at )) && protocol=${words[at + 1]}
    case $protocol in
";

pub fn write(entries: &[Entry]) -> String {
    let mut out = HEAD.to_owned();
    for protocol in flow::Protocol::KNOWN {
        let words = super::words_of(protocol);
        let own = entries
            .iter()
            .filter(|entry| words.iter().any(|word| entry.protocols.contains(word)));
        let _ = writeln!(out, "    {})\n        of_protocol=(", words.join("|"));
        for specification in own.flat_map(specifications) {
            let _ = writeln!(out, "            {specification}");
        }
        out.push_str("        )\n        ;;\n");
    }
    out.push_str("    esac\n    _arguments -s : \\\n");
    for specification in entries
        .iter()
        .filter(|entry| entry.protocols.is_empty())
        .flat_map(specifications)
    {
        let _ = writeln!(out, "        {specification} \\");
    }
    out.push_str("        $of_protocol\n}\n\n_conntrack \"$@\"\n");
    out
}

fn specifications(entry: &Entry) -> Vec<String> {
    let short = entry.short.iter().map(|letter| match entry.value {
        Value::Nothing => format!("-{letter}"),
        // The tables of commands are words of their own.
        _ if letter.is_ascii_uppercase() => format!("-{letter}"),
        _ => format!("-{letter}+"),
    });
    let long = entry.names.iter().map(|name| match entry.value {
        Value::Nothing => format!("--{name}"),
        _ => format!("--{name}="),
    });
    let value = value(entry);
    let help = bracketed(&entry.help);
    short
        .chain(long)
        .map(|name| quoted(&format!("{name}[{help}]{value}")))
        .collect()
}

fn value(entry: &Entry) -> String {
    let colon = if entry.is_optional { "::" } else { ":" };
    match &entry.value {
        Value::Nothing => String::new(),
        Value::Text(what) => format!("{colon}{}: ", message(what)),
        Value::One(words) => format!("{colon}word:({})", words.join(" ")),
        Value::List(words) => format!("{colon}list:_values -s , list {}", words.join(" ")),
        Value::File => format!("{colon}file:_files"),
    }
}

fn bracketed(text: &str) -> String {
    text.replace('[', r"\[")
        .replace(']', r"\]")
        .replace(':', r"\:")
}

/// What a value is, where colons part the specification.
fn message(text: &str) -> String {
    text.replace(':', r"\:")
}
