//! Completion for fish: a command per name of an option.
//!
//! Options of protocols have a condition, a function that looks for the protocol in the line.

use std::fmt::Write as _;

use super::{Entry, Value, quoted};

const HEAD: &str = r#"# Completion of conntrack(8) for fish; written by `cargo xtask completions`.

# Whether the protocol of the line is one of these.
function __conntrack_protocol
    set -l words (commandline -opc)
    for at in (seq (count $words))
        if contains -- $words[$at] -p --protonum
            contains -- $words[(math $at + 1)] $argv
            and return 0
        end
    end
    return 1
end

# Words of a list with commas between them.
function __conntrack_list
    set -l before (string match -r '^.*,' -- (commandline -ct))
    for word in $argv
        echo $before$word
    end
end

complete -c conntrack -f
"#;

pub fn write(entries: &[Entry]) -> String {
    let mut out = HEAD.to_owned();
    for entry in entries {
        let mut rest = String::new();
        if !entry.protocols.is_empty() {
            let condition = format!("__conntrack_protocol {}", entry.protocols.join(" "));
            let _ = write!(rest, " -n {}", quoted(&condition));
        }
        rest += &value(entry);
        let _ = write!(rest, " -d {}", quoted(&entry.help));
        let mut short = entry.short.map(|letter| format!(" -s {letter}"));
        for name in &entry.names {
            let short = short.take().unwrap_or_default();
            let _ = writeln!(out, "complete -c conntrack{short} -l {name}{rest}");
        }
    }
    out
}

fn value(entry: &Entry) -> String {
    let needs = if entry.is_optional { "-f" } else { "-x" };
    match &entry.value {
        Value::Nothing => " -f".into(),
        Value::Text(_) => format!(" {needs}"),
        // With -x fish takes the next word for the value, which is right for tables too.
        Value::One(words) => format!(" -x -a {}", quoted(&words.join(" "))),
        Value::List(words) => {
            let call = format!("(__conntrack_list {})", words.join(" "));
            format!(" {needs} -a {}", quoted(&call))
        }
        Value::File => " -r -F".into(),
    }
}
