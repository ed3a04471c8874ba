//! What may have been meant by a word that was not understood.
//!
//! A hint is a line of its own behind what stock says, so that programs which look for stock's text
//! find it (compat: cli-117). None is better than a wrong one: a name is proposed only when the word
//! is a slip away from it.

use flow::{DccpState, Protocol, SctpState, TcpState};

use super::error::Error;
use super::lowargs::{EVENT_WORDS, OUTPUT_WORDS, STATUS_WORDS};
use super::options::{COLUMNS, Column, Id, Opt, Rule, Table, Verb};
use super::protocols::{ProtoOpt, Row, Value};
use super::topics::Topic;

impl Error {
    /// The same error with a hint.
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self::Hinted(Box::new(self), hint.into())
    }

    /// What may have been meant.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Hinted(_, hint) => Some(hint),
            Self::InFile(_, _, error) => error.hint(),
            _ => None,
        }
    }
}

/// No option is called like this: `word` as it was typed, `name` without its value.
pub fn unknown_option(word: &str, name: &str, known: &[&'static str]) -> Error {
    let error = Error::UnknownOption(word.into());
    if name == "load-file" {
        return error.hinted("`--load-file' has to be the first word");
    }
    let longer = known
        .iter()
        .copied()
        .filter(|known| known.starts_with(name));
    let mut longer: Vec<&str> = longer.collect();
    longer.sort_unstable();
    longer.dedup();
    if longer.len() > 1 && !name.is_empty() {
        let all: Vec<String> = longer.iter().map(|name| format!("--{name}")).collect();
        return error.hinted(format!("`--{name}' may be {}", one_of(&all)));
    }
    if let Some(owners) = owners(name) {
        return error.hinted(format!("`--{name}' is known behind -p {owners}"));
    }
    if let Some(name) = nearest(name, known.iter().copied()) {
        return error.hinted(format!("did you mean `--{name}'?"));
    }
    let of_protocols = Protocol::KNOWN.into_iter().flat_map(options_of);
    let meant = nearest(
        name,
        of_protocols.flat_map(|option| option.names.iter().copied()),
    );
    match meant.and_then(|name| Some((name, owners(name)?))) {
        Some((name, owners)) => error.hinted(format!(
            "did you mean `--{name}'? It is known behind -p {owners}"
        )),
        None => error,
    }
}

fn options_of(protocol: Protocol) -> impl Iterator<Item = &'static ProtoOpt> {
    Row::of(protocol).into_iter().flat_map(Row::options)
}

/// The protocols that have an option of this name.
fn owners(name: &str) -> Option<String> {
    let owners: Vec<String> = Protocol::KNOWN
        .into_iter()
        .filter(|protocol| options_of(*protocol).any(|option| option.names.contains(&name)))
        .filter_map(|protocol| protocol.name().map(str::to_owned))
        .collect();
    (!owners.is_empty()).then(|| one_of(&owners))
}

/// No table, and behind `-h` no topic, is called like this.
pub fn unknown_table(word: &str, verb: Verb) -> Error {
    let error = Error::UnknownTable(word.into());
    if verb == Verb::Help {
        let topics: Vec<String> = Topic::ALL.iter().map(|topic| topic.name.into()).collect();
        return error.hinted(format!("topics are {}", list(&topics)));
    }
    let tables = Table::NAMES.iter().map(|(name, _)| *name);
    match nearest(word, tables) {
        Some(name) => error.hinted(format!("did you mean `{name}'?")),
        None => error,
    }
}

/// Names the option whose value was not understood.
pub fn value(error: Error, option: &Opt) -> Error {
    let name = option.id.name();
    let hint = match &error {
        Error::UnsupportedProtocol(_) if option.id == Id::Family => {
            Some("the families are ipv4 and ipv6".into())
        }
        Error::UnsupportedProtocol(word) => {
            let known = Protocol::KNOWN.into_iter();
            meant(word, known.filter_map(|protocol| protocol.name()))
        }
        Error::BadParameter(rest) => {
            let word = rest.split(',').next().unwrap_or_default();
            let words = words_of(option.id);
            meant(word, words.iter().copied())
                .or_else(|| Some(format!("`--{name}' knows {}", list(&words))))
        }
        Error::MixedFamilies => Some(format!(
            "`--{name}' is of another family than what stands before it"
        )),
        Error::BadAddress(_)
        | Error::BadNetmask
        | Error::NoPort
        | Error::BadPort(_)
        | Error::EmptyBrackets
        | Error::OpenBrackets
        | Error::UnexpectedValue(..) => Some(format!("`--{name}' takes {}", option.help.0)),
        _ => None,
    };
    with(error, hint)
}

/// The same for an option of a protocol.
pub fn proto_value(error: Error, option: &ProtoOpt) -> Error {
    let hint = match &error {
        Error::UnknownState(_, word) => {
            let states = states_of(option.value);
            meant(word, states.iter().copied())
                .or_else(|| Some(format!("`--{}' knows {}", option.names[0], list(&states))))
        }
        _ => None,
    };
    with(error, hint)
}

/// Says with which commands an option goes.
pub fn illegal(name: &'static str, matrix: &str) -> Error {
    let error = Error::Illegal(name);
    let commands: Vec<String> = COLUMNS
        .iter()
        .filter(|(verb, table)| Column::of(*verb, *table).rule(matrix) != Rule::Rejected)
        .map(|(verb, table)| match table {
            Table::Expect => format!("{} expect", verb.written()),
            Table::Conntrack | Table::Dying | Table::Unconfirmed => verb.written(),
        })
        .collect();
    with(
        error,
        (!commands.is_empty()).then(|| format!("`--{name}' goes with {}", list(&commands))),
    )
}

fn with(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.hinted(hint),
        None => error,
    }
}

fn meant(word: &str, names: impl Iterator<Item = &'static str>) -> Option<String> {
    nearest(word, names).map(|name| format!("did you mean `{name}'?"))
}

/// The words that an option's list may hold.
pub fn words_of(id: Id) -> Vec<&'static str> {
    match id {
        Id::Status => {
            let words = STATUS_WORDS.iter().map(|(word, _)| *word);
            words.chain(["UNREPLIED"]).collect()
        }
        Id::EventMask => EVENT_WORDS.iter().map(|(word, _)| *word).collect(),
        Id::Output => OUTPUT_WORDS.iter().map(|(word, _)| *word).collect(),
        Id::Family => vec!["ipv4", "ipv6"],
        _ => Vec::new(),
    }
}

/// The states that a protocol's option takes, or its roles.
pub fn states_of(value: Value) -> Vec<&'static str> {
    let all = 0..=u8::MAX;
    match value {
        Value::TcpState => all.filter_map(|number| TcpState(number).name()).collect(),
        Value::SctpState => all.filter_map(|number| SctpState(number).name()).collect(),
        Value::DccpState => all.filter_map(|number| DccpState(number).name()).collect(),
        Value::Role => vec!["client", "server"],
        Value::Decimal(_) | Value::Key | Value::Wscale => Vec::new(),
    }
}

fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.join(", ")
}

/// `a, b or c`
fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", list(first)),
    }
}

/// The only name that is a slip away from a word: a letter in three, two at most.
fn nearest(word: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // Longer words are no slips, and the comparison takes time.
    let length = word.chars().count();
    let limit = (length / 3).min(2);
    if limit == 0 || length > 24 {
        return None;
    }
    let mut found: Vec<(usize, &str)> = names
        .map(|name| (distance(&lower(word), &lower(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.dedup();
    match *found {
        [(_, name)] => Some(name),
        [(best, name), (second, _), ..] if best < second => Some(name),
        _ => None,
    }
}

fn lower(word: &str) -> Vec<char> {
    word.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// Letters to insert, to leave out, to replace, or to swap with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(x != y);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last()
        .and_then(|row| row.last())
        .copied()
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["src", "dst", "status", "state", "zone", "orig-zone"];
        for (word, expected) in [
            ("scr", Some("src")),
            ("sttaus", Some("status")),
            ("statuss", Some("status")),
            ("zoen", Some("zone")),
            ("ZONE", Some("zone")),
            ("orig-zoned", Some("orig-zone")),
            // One letter away from dst alone.
            ("xst", Some("dst")),
            ("sr", None),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names.into_iter()), expected, "{word}");
        }
        // Two names are equally near.
        assert_eq!(nearest("stat", ["stas", "stab"].into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100_000), names.into_iter()), None);
    }

    #[test]
    fn a_distance_counts_slips() {
        let of = |a: &str, b: &str| distance(&lower(a), &lower(b));
        assert_eq!(of("", ""), 0);
        assert_eq!(of("tcp", "tpc"), 1);
        assert_eq!(of("tcp", "tc"), 1);
        assert_eq!(of("tcp", "udp"), 2);
        assert_eq!(of("", "abc"), 3);
    }
}
