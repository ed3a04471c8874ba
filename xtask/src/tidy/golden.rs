//! Golden cases are complete: each has what it starts from and what it must lead to.
//!
//! Which further forms a case has depends on what exists for it (an event has no cache line), so
//! only files that the test does not name, and so does not read, are complained about besides.

use std::collections::BTreeMap;

use super::{Complaints, Tree};

/// A folder of cases, one folder each.
struct Cases {
    folder: &'static str,
    /// Where the test is that reads them, with what it shares with others.
    tests: &'static str,
    /// What each case must have: one of each list.
    needed: &'static [&'static [&'static str]],
}

const CASES: &[Cases] = &[
    Cases {
        folder: "crates/flow/tests/golden/",
        tests: "crates/flow/tests/",
        needed: &[&["flow", "expectation"], &["text"]],
    },
    Cases {
        folder: "crates/nfnetlink/tests/golden/",
        tests: "crates/nfnetlink/tests/",
        needed: &[&["message"], &["value"]],
    },
    Cases {
        folder: "crates/conntrackd/tests/golden/config/",
        tests: "crates/conntrackd/tests/",
        needed: &[&["conf"], &["printed", "errors"]],
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
    let is_read = |form: &str| {
        let quoted = format!("\"{form}\"");
        let mut tests = tree
            .sources()
            .filter(|file| file.path.starts_with(cases.tests));
        tests.any(|test| test.text.contains(&quoted))
    };
    let mut complaints = Vec::new();
    if found.is_empty() {
        complaints.push(format!("{folder}: there are no cases"));
    }
    for (case, forms) in found {
        let has = |one_of: &[&str]| one_of.iter().any(|form| forms.contains(form));
        for one_of in cases.needed.iter().filter(|one_of| !has(one_of)) {
            let names = one_of.join("` or `");
            complaints.push(format!("{folder}{case}: `{names}` is missing"));
        }
        let unread = forms.iter().filter(|form| !is_read(form));
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
        let mut files: Vec<_> = paths.iter().map(|path| (path.as_str(), "")).collect();
        files.push((
            "crates/flow/tests/golden.rs",
            "const FORMS: &[&str] = &[\"flow\", \"text\", \"cache\"];",
        ));
        let expected = [
            "crates/flow/tests/golden/b: `text` is missing",
            "crates/flow/tests/golden/b: no test reads `txt`",
        ];
        assert_eq!(check(&tree(&files), cases), expected);
        files.retain(|(path, _)| !path.ends_with("a/flow"));
        let missing = "crates/flow/tests/golden/a: `flow` or `expectation` is missing";
        assert_eq!(check(&tree(&files), cases)[0], missing);
    }

    #[test]
    fn cases_that_have_moved_are_told() {
        assert_eq!(complete(&tree(&[])).len(), CASES.len());
    }
}
