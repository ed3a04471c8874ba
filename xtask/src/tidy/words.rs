//! Words that must not stand in the repository: paths of somebody's machine, work left undone,
//! tests that do not run, what the oldest supported compiler refuses and no lint knows.
//!
//! The words are written in two halves here, or this file would complain about itself.

use super::{Complaints, File, Tree};

/// Folders that exist on one machine only.
const PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
];

/// In sources.
const WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "work left undone"),
    (concat!("FIX", "ME"), "work left undone"),
    (concat!("todo", "!("), "work left undone"),
    (concat!("unimplemented", "!("), "work left undone"),
    (concat!("#[ign", "ore"), "a test that does not run"),
    (concat!("```ign", "ore"), "an example that does not run"),
    (concat!("allow(dead", "_code"), "dead code"),
    (concat!("expect(dead", "_code"), "dead code"),
    (concat!("allow(unu", "sed"), "dead code"),
    // Its temporaries live long enough since 1.89 only.
    (
        concat!("= format_", "args!("),
        "Rust 1.85 refuses to bind it",
    ),
];

/// No paths of a machine, in any text.
pub fn machine_paths(tree: &Tree) -> Complaints {
    let offends = |line: &str| PATHS.iter().find(|path| line.contains(**path));
    search(tree.files.iter(), |line| {
        offends(line).map(|path| format!("`{path}` is a path of one machine"))
    })
}

/// No work left undone, no test that does not run.
pub fn forbidden(tree: &Tree) -> Complaints {
    let offends = |line: &str| WORDS.iter().find(|(word, _)| line.contains(word));
    search(tree.sources(), |line| {
        offends(line).map(|(word, what)| format!("`{word}`: {what}"))
    })
}

fn search<'a>(
    files: impl Iterator<Item = &'a File>,
    judge: impl Fn(&str) -> Option<String>,
) -> Complaints {
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            complaints.extend(judge(line).map(|what| file.complaint(number, &what)));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn paths_of_a_machine_are_found_in_every_text() {
        let text = format!("fine\nsee {}alice/notes\n", PATHS[1]);
        let complaints = machine_paths(&tree(&[("docs/a.md", &text), ("docs/b.md", "/etc/x")]));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("docs/a.md:2: "));
    }

    #[test]
    fn undone_work_is_found_in_sources() {
        for (word, _) in WORDS {
            let source = format!("fn a() {{}}\n// {word}\n");
            let complaints = forbidden(&tree(&[("crates/a/src/b.rs", &source)]));
            assert_eq!(complaints.len(), 1, "{word}");
            assert!(complaints[0].starts_with("crates/a/src/b.rs:2: "));
        }
        assert!(forbidden(&tree(&[("a.rs", "fn good() {}")])).is_empty());
    }
}
