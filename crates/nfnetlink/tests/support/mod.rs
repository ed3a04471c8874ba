//! The captured messages of `tests/golden`, for every test that wants them.

use std::fs;
use std::path::{Path, PathBuf};

use nfnetlink::nl::{Message, Messages};

/// The folders of the cases.
pub fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// The message of a case.
pub fn read_message(case: &Path) -> Vec<u8> {
    let text = fs::read_to_string(case.join("message")).unwrap();
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The only message in a buffer.
pub fn one(bytes: &[u8]) -> Message<'_> {
    let mut messages = Messages::new(bytes);
    let message = messages.next().unwrap().unwrap();
    assert_eq!(messages.next(), None);
    message
}
