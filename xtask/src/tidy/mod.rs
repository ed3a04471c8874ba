//! `cargo xtask tidy`: the house rules that no compiler checks.
//!
//! The rules look at one [`Tree`], the files of the repository, and return complaints; none
//! reads a file of its own, so the tests of a rule feed it a tree of a few lines. The last test
//! here looks at the real one: `cargo test` fails when the tree is untidy.

mod crates;
mod documents;
mod golden;
mod layout;
mod weaknesses;
mod words;

use std::fs;
use std::path::Path;

use testbed::{Error, Result};

use crate::cargo;

/// What a rule returns: one line per offence, `path:line: what`.
type Complaints = Vec<String>;

/// Every rule.
const RULES: &[fn(&Tree) -> Complaints] = &[
    crates::arrows,
    crates::pure,
    crates::unsafe_code,
    documents::options,
    documents::keywords,
    documents::compat,
    golden::complete,
    layout::module_docs,
    layout::sizes,
    weaknesses::tables,
    words::machine_paths,
    words::forbidden,
];

/// Not ours, or not text of the project.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    "fuzz/target",
    "fuzz/corpus",
    "fuzz/artifacts",
];

/// Runs the command.
pub fn run(_: &[String]) -> Result<()> {
    let complaints = complaints(&Tree::read(cargo::root())?);
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Error::Unexpected(format!(
        "{} complaints\n{}",
        complaints.len(),
        complaints.join("\n")
    )))
}

fn complaints(tree: &Tree) -> Complaints {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

/// The files of the repository.
#[derive(Debug, Default)]
pub struct Tree {
    files: Vec<File>,
}

/// One file; empty if it is no text.
#[derive(Debug)]
pub struct File {
    /// From the root of the repository, with slashes.
    path: String,
    text: String,
}

impl Tree {
    /// Reads everything.
    fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let failed = || Error::io(format!("reading {}", folder.display()));
        for entry in fs::read_dir(folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if SKIPPED.contains(&path.as_str()) {
                continue;
            }
            if entry.file_type().map_err(failed())?.is_dir() {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            } else {
                // What is no text is there all the same, for rules that ask for files.
                let bytes = fs::read(entry.path()).map_err(failed())?;
                let text = String::from_utf8(bytes).unwrap_or_default();
                self.files.push(File { path, text });
            }
        }
        Ok(())
    }

    /// The Rust sources.
    fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The file of this path.
    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    /// The lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// A complaint about one of its lines.
    fn complaint(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of these files, for the tests of the rules.
    pub fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).into(),
            text: (*text).into(),
        };
        Tree {
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn the_tree_is_tidy() {
        let tree = Tree::read(cargo::root()).unwrap();
        assert!(tree.sources().count() > 50, "the tree was not found");
        let complaints = complaints(&tree);
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }
}
