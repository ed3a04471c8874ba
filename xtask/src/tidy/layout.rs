//! The shape of a source file: its first lines and its size.
//!
//! A module says what it is before it says anything else. What counts as production code ends
//! at the tests, which stand last.

use super::{Complaints, File, Tree};

/// Lines of a module's introduction.
const INTRODUCTION: std::ops::RangeInclusive<usize> = 3..=15;
/// The introduction of a whole crate may be longer: it is the first page of its documentation.
const INTRODUCTION_OF_CRATE_MAX: usize = 40;
/// A file of so few lines needs one line of introduction only, and so does a list of tests.
const SMALL: usize = 60;
/// Lines of production code.
const SIZE_MAX: usize = 600;

/// Each source begins with an introduction.
pub fn module_docs(tree: &Tree) -> Complaints {
    tree.sources().filter_map(introduction).collect()
}

fn introduction(file: &File) -> Option<String> {
    let length = file.lines().take_while(|(_, line)| line.starts_with("//!"));
    let length = length.count();
    let is_crate = ["/lib.rs", "/main.rs"]
        .iter()
        .any(|end| file.path.ends_with(end));
    let min = match is_test(file) || production(file) < SMALL {
        true => 1,
        false => *INTRODUCTION.start(),
    };
    let max = match is_crate {
        true => INTRODUCTION_OF_CRATE_MAX,
        false => *INTRODUCTION.end(),
    };
    let what = format!("an introduction of {length} lines, not of {min} to {max}");
    (!(min..=max).contains(&length)).then(|| file.complaint(1, &what))
}

/// No source is too long to be read. Lists of test cases may be.
pub fn sizes(tree: &Tree) -> Complaints {
    let judge = |file: &File| {
        let size = production(file);
        let what = format!("{size} lines of production code, more than {SIZE_MAX}");
        (size > SIZE_MAX && !is_test(file)).then(|| file.complaint(SIZE_MAX, &what))
    };
    tree.sources().filter_map(judge).collect()
}

/// Whether the whole file is tests.
fn is_test(file: &File) -> bool {
    file.path.contains("/tests/") || file.path.ends_with("/tests.rs")
}

/// The lines before the tests.
fn production(file: &File) -> usize {
    let before = file.lines().take_while(|(_, line)| *line != "#[cfg(test)]");
    before.count()
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    fn source(introduction: usize, code: usize, tests: usize) -> String {
        let tests = format!("#[cfg(test)]\n{}", "// test\n".repeat(tests));
        "//! x\n".repeat(introduction) + &"// code\n".repeat(code) + &tests
    }

    fn check(path: &str, source: &str, docs: bool, size: bool) {
        let tree = tree(&[(path, source)]);
        let found = (module_docs(&tree).is_empty(), sizes(&tree).is_empty());
        assert_eq!(found, (docs, size), "{path}");
    }

    #[test]
    fn introductions_and_sizes_have_their_limits() {
        check("a.rs", &source(3, 100, 0), true, true);
        check("a.rs", &source(2, 100, 0), false, true);
        check("a.rs", &source(1, 20, 500), true, true);
        check("a.rs", &source(0, 20, 0), false, true);
        check("a.rs", &source(16, 100, 0), false, true);
        check("crates/a/src/lib.rs", &source(16, 100, 0), true, true);
        check("a.rs", &source(3, 597, 900), true, true);
        check("a.rs", &source(3, 598, 0), true, false);
        check("crates/a/tests/b.rs", &source(1, 598, 0), true, true);
        check("crates/a/tests/b.rs", &source(0, 100, 0), false, true);
    }
}
