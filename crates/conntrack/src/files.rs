//! Files that the command line names.
//!
//! Words are read as text, in which a byte that is no UTF-8 is lost; the name of a file is then
//! looked up among the words as they were typed. `-` is standard input, where that is wanted.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The words of the command line, as they were typed.
#[derive(Debug, Default)]
pub struct Files {
    words: Vec<OsString>,
}

impl Files {
    /// Knows these words.
    pub const fn new(words: Vec<OsString>) -> Self {
        Self { words }
    }

    /// Opens what a text of the command line names.
    pub fn open(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name)?)
    }

    /// The same, where `-` is standard input. A directory is no file of lines (compat: cli-37).
    pub fn open_or_stdin(&self, name: &str) -> io::Result<File> {
        let file = match name {
            "-" => File::from(io::stdin().as_fd().try_clone_to_owned()?),
            _ => self.open(name)?,
        };
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(file)
    }

    /// The name as it was typed. One that could be two is refused: it would be a guess.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if !name.contains(char::REPLACEMENT_CHARACTER) {
            return Ok(name.into());
        }
        let mut typed = self
            .words
            .iter()
            .filter_map(|word| end_shown_as(word, name));
        let first = typed.next().ok_or(io::ErrorKind::InvalidInput)?;
        if typed.any(|other| other != first) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(first.into())
    }
}

/// Why a file could not be read, without the number of the error.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => linux::SystemError::from_io("read", error).reason(),
        None => error.to_string(),
    }
}

/// The end of a word that is this text when shown: a value may stand behind its option.
fn end_shown_as(word: &OsStr, text: &str) -> Option<OsString> {
    let bytes = word.as_bytes();
    let ends = (0..bytes.len()).filter_map(|start| bytes.get(start..));
    let mut shown = ends.filter(|end| String::from_utf8_lossy(end) == text);
    shown.next().map(|end| OsString::from_vec(end.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&[u8]]) -> Files {
        Files::new(
            words
                .iter()
                .map(|word| OsString::from_vec(word.to_vec()))
                .collect(),
        )
    }

    #[test]
    fn a_name_is_what_was_typed() {
        let path = |files: &Files, name| {
            files
                .path(name)
                .map(|path| path.into_os_string().into_vec())
        };
        let files = words(&[b"-R", b"/a\xff", b"--labelmap=/b\xfe/c"]);
        assert_eq!(path(&files, "/a\u{fffd}").unwrap(), b"/a\xff");
        assert_eq!(path(&files, "/b\u{fffd}/c").unwrap(), b"/b\xfe/c");
        assert_eq!(path(&files, "/plain").unwrap(), b"/plain");
        let two = words(&[b"/a\xff", b"/a\xfe"]);
        assert!(path(&two, "/a\u{fffd}").is_err());
        let same = words(&[b"/a\xff", b"-M/a\xff"]);
        assert_eq!(path(&same, "/a\u{fffd}").unwrap(), b"/a\xff");
    }

    #[test]
    fn a_directory_is_no_file() {
        let error = Files::default().open_or_stdin("/").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(reason(&error), "is a directory");
        let error = Files::default().open_or_stdin("/dev/null/x").unwrap_err();
        assert_eq!(reason(&error), "Not a directory");
        assert!(Files::default().open_or_stdin("/dev/null").is_ok());
    }
}
