//! `cargo xtask completions`: writes what shells need to complete `conntrack`'s command line.
//!
//! All of it comes from the tables of options and protocols, as one list of [`Entry`]s that each
//! shell writes in its own way. A test compares the files with what would be written.

mod bash;
mod fish;
mod zsh;

use std::fs;
use std::path::PathBuf;

use conntrack::cli::hint;
use conntrack::cli::options::{Arg, COMMANDS, Command, Id, LONG_ONLY, OPTIONS, Opt, Table, Verb};
use conntrack::cli::protocols::{ProtoOpt, Row};
use conntrack::cli::topics::Topic;
use flow::Protocol;
use testbed::{Error, Result};

use crate::cargo;

/// Something that can be typed.
struct Entry {
    /// Its letter, where a shell can take it.
    short: Option<char>,
    /// Its long names.
    names: Vec<&'static str>,
    /// What it does.
    help: String,
    /// What follows it.
    value: Value,
    /// Whether that may be left out.
    is_optional: bool,
    /// Behind which protocols it is known; all lines know it if there is none.
    protocols: Vec<String>,
}

/// What follows an option.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Nothing,
    /// Something that nobody can guess.
    Text(&'static str),
    /// One of these.
    One(Vec<&'static str>),
    /// Some of these, with commas between them.
    List(Vec<&'static str>),
    File,
}

/// The files, by their names below the folder of the project.
pub fn files() -> [(&'static str, String); 3] {
    let entries = entries();
    [
        ("completions/conntrack.bash", bash::write(&entries)),
        ("completions/_conntrack", zsh::write(&entries)),
        ("completions/conntrack.fish", fish::write(&entries)),
    ]
}

/// Runs the command.
pub fn run(_: &[String]) -> Result<()> {
    for (name, text) in files() {
        let path: PathBuf = cargo::root().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("making the folder of completions"))?;
        }
        fs::write(&path, text).map_err(Error::io(name))?;
        println!("{name}");
    }
    Ok(())
}

fn entries() -> Vec<Entry> {
    let load = Entry {
        short: Some('R'),
        names: vec!["load-file"],
        help: "Do what the lines of a file say; the first word".into(),
        value: Value::File,
        is_optional: false,
        protocols: Vec::new(),
    };
    let mut entries: Vec<Entry> = COMMANDS.iter().map(of_command).collect();
    entries.push(load);
    entries.extend(OPTIONS.iter().map(of_option));
    for protocol in Protocol::KNOWN {
        for option in Row::of(protocol).into_iter().flat_map(Row::options) {
            add_protocol_option(&mut entries, protocol, option);
        }
    }
    entries
}

fn of_command(command: &Command) -> Entry {
    let tables = || Table::NAMES.iter().map(|(name, _)| *name);
    let topics = || Topic::ALL.iter().map(|topic| topic.name);
    Entry {
        short: Some(command.short.into()),
        names: vec![command.name],
        help: command.help.1.into(),
        value: match command.verb {
            Verb::Version => Value::Nothing,
            Verb::Help => Value::One(topics().chain(protocol_names()).collect()),
            Verb::List => Value::One(tables().collect()),
            Verb::Create
            | Verb::Add
            | Verb::Update
            | Verb::Delete
            | Verb::Get
            | Verb::Flush
            | Verb::Event
            | Verb::Count
            | Verb::Stats => Value::One(tables().take(2).collect()),
        },
        is_optional: true,
        protocols: Vec::new(),
    }
}

fn of_option(option: &Opt) -> Entry {
    let words = hint::words_of(option.id);
    let value = match (option.id, option.arg) {
        (_, Arg::None) => Value::Nothing,
        (Id::Protonum, _) => Value::One(protocol_names().collect()),
        (Id::Family, _) => Value::One(words),
        (Id::Labelmap | Id::FilterFile, _) => Value::File,
        _ if !words.is_empty() => Value::List(words),
        _ => Value::Text(option.help.0),
    };
    let letter = char::from(option.short);
    Entry {
        // The others would have to be quoted in every shell.
        short: (option.short != LONG_ONLY && letter.is_ascii_alphabetic()).then_some(letter),
        names: option.names.to_vec(),
        help: option.help.1.into(),
        value,
        is_optional: matches!(option.arg, Arg::Optional | Arg::OptionalWord),
        protocols: Vec::new(),
    }
}

/// Protocols share options; those with the same names and values are one entry.
fn add_protocol_option(entries: &mut Vec<Entry>, protocol: Protocol, option: &ProtoOpt) {
    let states = hint::states_of(option.value);
    let value = match states.is_empty() {
        true => Value::Text("NUMBER"),
        false => Value::One(states),
    };
    let words = words_of(protocol);
    let known = entries.iter_mut().find(|entry| {
        !entry.protocols.is_empty() && entry.names == option.names && entry.value == value
    });
    match known {
        Some(entry) => entry.protocols.extend(words),
        None => entries.push(Entry {
            short: None,
            names: option.names.to_vec(),
            help: option.help.into(),
            value,
            is_optional: false,
            protocols: words,
        }),
    }
}

fn protocol_names() -> impl Iterator<Item = &'static str> {
    Protocol::KNOWN
        .into_iter()
        .filter_map(|protocol| protocol.name())
}

/// The ways to write a protocol.
fn words_of(protocol: Protocol) -> Vec<String> {
    let name = protocol.name().map(str::to_owned);
    name.into_iter().chain([protocol.0.to_string()]).collect()
}

/// Text between single quotes, as all three shells read it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_what_would_be_written() {
        for (name, text) in files() {
            let written = fs::read_to_string(cargo::root().join(name)).unwrap_or_default();
            assert!(written == text, "{name}: run `cargo xtask completions`");
        }
    }

    #[test]
    fn every_option_is_in_each_file() {
        let general = OPTIONS.iter().flat_map(|option| option.names);
        let of_protocols = Protocol::KNOWN.into_iter().filter_map(Row::of);
        let of_protocols = of_protocols
            .flat_map(Row::options)
            .flat_map(|option| option.names);
        let names: Vec<&str> = general.chain(of_protocols).copied().collect();
        let commands = COMMANDS.iter().map(|command| command.name);
        let names: Vec<&str> = names.into_iter().chain(commands).collect();
        assert!(names.len() > 70, "{}", names.len());
        for (file, text) in files() {
            let is_word = |c: char| c.is_alphanumeric() || c == '-';
            let words: Vec<&str> = text.split(|c| !is_word(c)).collect();
            for name in &names {
                let wanted = match file.ends_with("fish") {
                    true => (*name).to_owned(),
                    false => format!("--{name}"),
                };
                assert!(words.contains(&&*wanted), "{file}: {wanted}");
            }
        }
    }
}
