//! Names of labels, as `connlabel.conf` gives them.
//!
//! A line holds a number and a name. The name may hold letters, digits, blanks and `-`; a line that
//! is anything else is skipped, and the first of two lines for one number or one name counts, as in
//! stock. The file is an administrator's: its size is the only bound.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use crate::labels::LABEL_BITS;

/// Longest line that is read, as in stock.
const LINE_MAX: usize = 1023;

/// Names of label bits, either of which is unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMap {
    names: BTreeMap<u16, Box<str>>,
    bits: BTreeMap<Box<str>, u16>,
}

impl LabelMap {
    /// Reads the text of a file.
    pub fn parse(text: &[u8]) -> Self {
        let mut map = Self::default();
        let lines = text.split(|byte| *byte == b'\n');
        for (bit, name) in lines.filter_map(line) {
            if !map.names.contains_key(&bit) && !map.bits.contains_key(name) {
                map.names.insert(bit, name.into());
                map.bits.insert(name.into(), bit);
            }
        }
        map
    }

    /// The name of a bit.
    pub fn name(&self, bit: u16) -> Option<&str> {
        self.names.get(&bit).map(|name| &**name)
    }

    /// The bit of a name.
    pub fn bit(&self, name: &str) -> Option<u16> {
        self.bits.get(name).copied()
    }

    /// Whether no bit has a name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bits and their names, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        self.names.iter().map(|(bit, name)| (*bit, &**name))
    }
}

/// Number and name of a line; `None` for a comment and for what is to be skipped.
fn line(line: &[u8]) -> Option<(u16, &str)> {
    if line.len() > LINE_MAX {
        return None;
    }
    let line = core::str::from_utf8(line).ok()?;
    let line = line.trim_matches(is_blank);
    let (number, name) = line.split_once(is_blank)?;
    let name = name.trim_start_matches(is_blank);
    let known = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
    let bit = number_of(number)?;
    (bit < LABEL_BITS && !name.is_empty() && name.chars().all(known)).then_some((bit, name))
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

/// A number as C writes it: decimal, `0x…` or `0…`.
fn number_of(text: &str) -> Option<u16> {
    let lower = text.to_owned().to_ascii_lowercase();
    let (digits, base) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => match lower.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (digits, 8),
            _ => (&*lower, 10),
        },
    };
    let is_number = digits.chars().all(|c| c.is_digit(base));
    is_number.then(|| u16::from_str_radix(digits, base).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn check(text: &str, expected: &[(u16, &str)]) {
        let map = LabelMap::parse(text.as_bytes());
        assert_eq!(map.iter().collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn a_line_is_a_number_and_a_name() {
        check(
            "0 eth0-in\n1\teth0-out\n",
            &[(0, "eth0-in"), (1, "eth0-out")],
        );
        check("127 last", &[(127, "last")]);
        check("  5   two words  \r\n", &[(5, "two words")]);
        check("0x10 hex\n010 oct", &[(8, "oct"), (16, "hex")]);
    }

    #[test]
    fn what_is_no_line_is_skipped() {
        for text in [
            "",
            "# 1 comment",
            "1",
            "1 ",
            "x y",
            "7 a_b",
            "7 caf\u{e9}",
            "128 beyond",
            "-1 a",
            "+1 a",
            "0x a",
            "08 a",
            "99999 a",
        ] {
            check(text, &[]);
        }
        let long: String = ["1 ", &"a".repeat(LINE_MAX - 1)].concat();
        check(&long, &[]);
        assert!(LabelMap::parse(b"1 \xff\n").is_empty());
    }

    #[test]
    fn the_first_of_two_counts() {
        check("1 a\n1 b\n2 a\n2 c", &[(1, "a"), (2, "c")]);
    }

    #[test]
    fn names_and_bits_find_each_other() {
        let map = LabelMap::parse(b"3 three\n");
        assert_eq!((map.name(3), map.bit("three")), (Some("three"), Some(3)));
        assert_eq!((map.name(4), map.bit("four")), (None, None));
    }
}
