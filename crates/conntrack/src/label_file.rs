//! The files that give labels their names.
//!
//! Each is read once, however many lines of a batch use it. One beyond `SIZE_MAX` is not read.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use flow::LabelMap;

use crate::cli::labels::Names;
use crate::files::Files;

/// The file that nftables and iptables use as well.
const DEFAULT: &str = "/etc/xtables/connlabel.conf";

/// Longest file: 128 names need a hundredth of it.
const SIZE_MAX: u64 = 1024 * 1024;

/// Label files that were read.
#[derive(Debug)]
pub struct LabelFiles<'a> {
    files: &'a Files,
    read: Mutex<BTreeMap<String, Names>>,
}

impl<'a> LabelFiles<'a> {
    /// None has been read.
    pub const fn new(files: &'a Files) -> Self {
        Self {
            files,
            read: Mutex::new(BTreeMap::new()),
        }
    }

    /// The names in a file, or why there are none.
    pub fn names(&self, path: Option<&str>) -> Names {
        let path = path.unwrap_or(DEFAULT);
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(path) {
            Some(answer) => answer.clone(),
            None => {
                let names = read(self.files, path);
                known.entry(path.into()).or_insert(names).clone()
            }
        }
    }
}

fn read(files: &Files, path: &str) -> Names {
    let text = content(files, path).map_err(|error| {
        let error = linux::SystemError::from_io("read label file", &error);
        error.reason().to_string()
    })?;
    let map = LabelMap::parse(&text);
    if map.is_empty() {
        // Stock says `Success` (compat: cli-39).
        return Err(format!("no label has a name in {path}"));
    }
    Ok(Arc::new(map))
}

fn content(files: &Files, path: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = files
        .open(path)?
        .take(SIZE_MAX + 1)
        .read_to_end(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > SIZE_MAX) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: &str) -> String {
        let files = Files::default();
        LabelFiles::new(&files).names(Some(path)).unwrap_err()
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        assert_eq!(reason("/nonexistent"), "No such file or directory");
        assert_eq!(reason("/dev/null"), "no label has a name in /dev/null");
        assert_eq!(reason("/"), "Is a directory");
        // A file without an end.
        assert!(!reason("/dev/zero").is_empty());
    }
}
