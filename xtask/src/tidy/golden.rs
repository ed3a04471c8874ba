//! Golden cases are complete: each has the description of its flow and the text form at least.
//!
//! Which further forms a case has depends on what exists for it (an event has no cache line), so
//! only files that no test would read are complained about besides.

use std::collections::BTreeMap;

use super::{Complaints, Tree};

/// Where the cases are, one folder each.
const FOLDER: &str = "crates/flow/tests/golden/";
/// What each case must have.
const NEEDED: &[&str] = &["flow", "text"];
/// What a case may have besides.
const KNOWN: &[&str] = &[
    "cache",
    "extended",
    "timestamp",
    "save",
    "xml",
    "json",
    "kernel",
    "peer",
];

/// Each case has what it needs, and no file that nobody reads.
pub fn complete(tree: &Tree) -> Complaints {
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in &tree.files {
        let inside = file.path.strip_prefix(FOLDER);
        if let Some((case, form)) = inside.and_then(|inside| inside.split_once('/')) {
            cases.entry(case).or_default().push(form);
        }
    }
    let mut complaints = Vec::new();
    for (case, forms) in cases {
        let missing = NEEDED.iter().filter(|form| !forms.contains(form));
        let unknown = forms
            .iter()
            .filter(|f| !NEEDED.contains(f) && !KNOWN.contains(f));
        complaints.extend(missing.map(|form| format!("{FOLDER}{case}: `{form}` is missing")));
        complaints.extend(unknown.map(|form| format!("{FOLDER}{case}: no test reads `{form}`")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn a_case_needs_its_flow_and_its_text() {
        let file = |name: &str| format!("{FOLDER}{name}");
        let paths = [
            "describe.rs",
            "a/flow",
            "a/text",
            "a/cache",
            "b/flow",
            "b/txt",
        ]
        .map(file);
        let files: Vec<_> = paths.iter().map(|path| (path.as_str(), "")).collect();
        let expected = [
            "crates/flow/tests/golden/b: `text` is missing",
            "crates/flow/tests/golden/b: no test reads `txt`",
        ];
        assert_eq!(complete(&tree(&files)), expected);
    }
}
