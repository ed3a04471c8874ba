//! Golden cases are complete: each has what it starts from and at least one thing it leads to.
//!
//! Which further forms a case has depends on what exists for it (an event has no cache line), so
//! only files that no test would read are complained about besides.

use std::collections::BTreeMap;

use super::{Complaints, Tree};

/// A folder of cases, one folder each.
struct Cases {
    folder: &'static str,
    /// What each case must have.
    needed: &'static [&'static str],
    /// What it may have besides.
    known: &'static [&'static str],
}

const CASES: &[Cases] = &[
    Cases {
        folder: "crates/flow/tests/golden/",
        needed: &["flow", "text"],
        known: &["cache", "extended", "timestamp", "save", "xml", "json"],
    },
    Cases {
        folder: "crates/nfnetlink/tests/golden/",
        needed: &["message", "value"],
        known: &["text"],
    },
    Cases {
        folder: "crates/conntrackd/tests/golden/config/",
        needed: &["conf"],
        known: &["printed", "warnings", "errors", "refused"],
    },
];

/// Each case has what it needs, and no file that nobody reads.
pub fn complete(tree: &Tree) -> Complaints {
    CASES.iter().flat_map(|cases| check(tree, cases)).collect()
}

fn check(tree: &Tree, cases: &Cases) -> Complaints {
    let folder = cases.folder;
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in &tree.files {
        let inside = file.path.strip_prefix(folder);
        if let Some((case, form)) = inside.and_then(|inside| inside.split_once('/')) {
            found.entry(case).or_default().push(form);
        }
    }
    let mut complaints = Vec::new();
    if found.is_empty() {
        complaints.push(format!("{folder}: there are no cases"));
    }
    let is_known = |form: &str| cases.needed.contains(&form) || cases.known.contains(&form);
    for (case, forms) in found {
        let missing = cases.needed.iter().filter(|form| !forms.contains(form));
        complaints.extend(missing.map(|form| format!("{folder}{case}: `{form}` is missing")));
        let unread = forms.iter().filter(|form| !is_known(form));
        complaints.extend(unread.map(|form| format!("{folder}{case}: no test reads `{form}`")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn a_case_needs_its_flow_and_its_text() {
        let cases = &CASES[0];
        let file = |name: &str| format!("{}{name}", cases.folder);
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
        assert_eq!(check(&tree(&files), cases), expected);
    }

    #[test]
    fn cases_that_have_moved_are_told() {
        assert_eq!(complete(&tree(&[])).len(), CASES.len());
    }
}
