//! What `conntrackd -i` and `-e` print, made comparable.
//!
//! Two nodes agree when the internal cache of one and the external cache of the other hold the
//! same flows. Their lines differ where they must: the external cache knows no reply tuple, and
//! each counts its own "active since". [`FlowLine`] keeps the rest.

use std::collections::BTreeSet;
use std::fmt;

/// One flow of a dump, without what may differ between two nodes that agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowLine(String);

/// The words that make up a tuple.
const TUPLE_KEYS: &[&str] = &[
    "src",
    "dst",
    "sport",
    "dport",
    "type",
    "code",
    "id",
    "srckey",
    "dstkey",
    "zone-reply",
];

impl FlowLine {
    /// Reads one line; nothing if it shows no flow.
    pub fn parse(line: &str) -> Option<Self> {
        // "[active since 3s]" always stands last, "[expires in 3s]" before it.
        let line = line
            .split(" [active since")
            .next()?
            .split(" [expires in")
            .next()?;
        let mut kept = Vec::new();
        let mut sources = 0;
        for word in line.split_whitespace() {
            let key = word.split('=').next()?;
            if key == "src" {
                sources += 1;
            }
            if sources < 2 || !TUPLE_KEYS.contains(&key) {
                kept.push(word);
            }
        }
        (sources > 0).then(|| Self(kept.join(" ")))
    }

    /// Reads a whole dump.
    pub fn parse_all(dump: &str) -> BTreeSet<Self> {
        dump.lines().filter_map(Self::parse).collect()
    }

    /// The protocol and the original tuple: which flow it is, not how it is.
    pub fn identity(&self) -> String {
        let words = self.0.split_whitespace();
        let name = |word: &&str| TUPLE_KEYS.contains(&word.split('=').next().unwrap_or_default());
        let protocol = self.0.split_whitespace().nth(1).unwrap_or_default();
        words
            .filter(name)
            .fold(protocol.to_owned(), |text, word| text + " " + word)
    }
}

impl fmt::Display for FlowLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How two sets of flows differ, in a few words and with an example of each kind.
pub fn difference(
    (name_a, a): (&str, &BTreeSet<FlowLine>),
    (name_b, b): (&str, &BTreeSet<FlowLine>),
) -> String {
    let only = |name: &str, mine: &BTreeSet<FlowLine>, theirs: &BTreeSet<FlowLine>| {
        let mut only = mine.difference(theirs);
        match only.next() {
            None => String::new(),
            Some(first) => format!("; {} only in {name}, such as `{first}`", only.count() + 1),
        }
    };
    let sizes = format!("{name_a} holds {}, {name_b} {} flows", a.len(), b.len());
    sizes + &only(name_a, a, b) + &only(name_b, b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_flow_reads_the_same_in_both_caches() {
        let cases = [
            (
                "tcp      6 ESTABLISHED src=10.1.1.1 dst=192.0.2.2 sport=12 dport=20 src=192.0.2.2 \
                 dst=198.51.100.9 sport=20 dport=888 [ASSURED] mark=7 [active since 1s]",
                "tcp      6 ESTABLISHED src=10.1.1.1 dst=192.0.2.2 sport=12 dport=20 [ASSURED] \
                 mark=7 [active since 9s]",
                "6 src=10.1.1.1 dst=192.0.2.2 sport=12 dport=20",
            ),
            (
                "icmp     1 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=77 [UNREPLIED] \
                 src=192.0.2.2 dst=192.0.2.1 type=0 code=0 id=77 mark=0 [active since 1s]",
                "icmp     1 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=77 [UNREPLIED] mark=0 \
                 [active since 1s]",
                "1 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=77",
            ),
        ];
        for (internal, external, identity) in cases {
            let internal = FlowLine::parse(internal).unwrap();
            assert_eq!(Some(&internal), FlowLine::parse(external).as_ref());
            assert_eq!(internal.identity(), identity);
        }
    }

    #[test]
    fn flows_that_differ_stay_different() {
        let line = |state: &str, mark: u8| {
            FlowLine::parse(&format!(
                "tcp 6 {state} src=a dst=b sport=1 dport=2 mark={mark}"
            ))
        };
        assert_ne!(line("ESTABLISHED", 0), line("CLOSE", 0));
        assert_ne!(line("ESTABLISHED", 0), line("ESTABLISHED", 1));
        assert_eq!(FlowLine::parse("cache internal:"), None);
    }

    #[test]
    fn a_difference_names_sizes_and_examples() {
        let a = FlowLine::parse_all("udp 17 src=a\nudp 17 src=b\nudp 17 src=c");
        let b = FlowLine::parse_all("udp 17 src=a");
        let text = difference(("A", &a), ("B", &b));
        assert_eq!(
            text,
            "A holds 3, B 1 flows; 2 only in A, such as `udp 17 src=b`"
        );
    }
}
