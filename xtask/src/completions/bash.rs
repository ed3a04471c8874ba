//! Completion for bash.
//!
//! A function looks at the word before the cursor: it tells what kind of value is wanted, or that an
//! option is. What bash cuts at `=` is put together again.

use std::fmt::Write as _;

use super::{Entry, Value, quoted};

/// What stands around what is generated.
const HEAD: &str = r#"# Completion of conntrack(8) for bash; written by `cargo xtask completions`.

# Words of a list with commas between them.
_conntrack_list() {
    local before=
    [[ $cur == *,* ]] && before=${cur%,*},
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "${cur##*,}"))
    compopt -o nospace 2>/dev/null
}

_conntrack_words() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_conntrack_files() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2>/dev/null
}

_conntrack() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} protocol= i
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -p | --protonum)
            protocol=${COMP_WORDS[i + 1]}
            [[ $protocol == = ]] && protocol=${COMP_WORDS[i + 2]}
            ;;
        esac
    done
"#;

pub fn write(entries: &[Entry]) -> String {
    let mut out = HEAD.to_owned();
    // A value that has to follow is all that there can be; one that may follow stands beside options.
    out.push_str("    case $prev in\n");
    for entry in entries
        .iter()
        .filter(|entry| !entry.is_optional && entry.protocols.is_empty())
    {
        arm(&mut out, entry);
    }
    out.push_str("    esac\n    case $protocol:$prev in\n");
    for entry in entries.iter().filter(|entry| !entry.protocols.is_empty()) {
        arm(&mut out, entry);
    }
    out.push_str("    esac\n    local words=\n    case $prev in\n");
    for entry in entries.iter().filter(|entry| entry.is_optional) {
        if let Value::One(words) = &entry.value {
            let (names, words) = (names(entry).join(" | "), quoted(&words.join(" ")));
            let _ = writeln!(out, "    {names}) words={words} ;;");
        }
    }
    out.push_str("    esac\n    words+=' ");
    let general = entries.iter().filter(|entry| entry.protocols.is_empty());
    out.push_str(&general.flat_map(names).collect::<Vec<_>>().join(" "));
    out.push_str("'\n    case $protocol in\n");
    for (protocols, names) in by_protocol(entries) {
        let _ = writeln!(out, "    {protocols}) words+=' {names}' ;;");
    }
    out.push_str(
        "    esac\n    _conntrack_words \"$words\"\n}\n\ncomplete -F _conntrack conntrack\n",
    );
    out
}

/// The branch for a word before the cursor.
fn arm(out: &mut String, entry: &Entry) {
    let action = match &entry.value {
        Value::Nothing => return,
        Value::Text(_) => "return".to_owned(),
        Value::One(words) => format!("_conntrack_words {}; return", quoted(&words.join(" "))),
        Value::List(words) => format!("_conntrack_list {}; return", quoted(&words.join(" "))),
        Value::File => "_conntrack_files; return".to_owned(),
    };
    let mut patterns = names(entry);
    if !entry.protocols.is_empty() {
        let of = |name: &String| {
            let with = entry
                .protocols
                .iter()
                .map(|protocol| format!("{protocol}:{name}"));
            with.collect::<Vec<_>>()
        };
        patterns = patterns.iter().flat_map(of).collect();
    }
    let _ = writeln!(out, "    {}) {action} ;;", patterns.join(" | "));
}

fn names(entry: &Entry) -> Vec<String> {
    let short = entry.short.iter().map(|letter| format!("-{letter}"));
    let long = entry.names.iter().map(|name| format!("--{name}"));
    short.chain(long).collect()
}

/// For each protocol, as patterns, its options.
fn by_protocol(entries: &[Entry]) -> Vec<(String, String)> {
    flow::Protocol::KNOWN
        .into_iter()
        .map(|protocol| {
            let words = super::words_of(protocol);
            let own = entries
                .iter()
                .filter(|entry| words.iter().any(|word| entry.protocols.contains(word)));
            let names: Vec<String> = own.flat_map(names).collect();
            (words.join(" | "), names.join(" "))
        })
        .collect()
}
