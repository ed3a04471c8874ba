//! Which words stand for a set of labels.
//!
//! The names of those that have one, as in stock. Where none has, stock shows nothing, or the word
//! `labels` alone; we show their numbers then (compat: cli-50).

use alloc::vec::Vec;

use super::bytes;
use crate::label_map::LabelMap;
use crate::labels::Labels;

/// Labels, at least one, and their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelSet<'a> {
    labels: &'a Labels,
    names: &'a LabelMap,
}

impl<'a> LabelSet<'a> {
    /// `None` for labels that are none.
    pub fn new(labels: &'a Labels, names: &'a LabelMap) -> Option<Self> {
        (!labels.is_empty()).then_some(Self { labels, names })
    }

    /// Appends each word with what stands in front of it and behind it.
    pub fn words(&self, out: &mut Vec<u8>, before: &str, after: &str) {
        let is_named = |bit: &u16| self.names.name(*bit).is_some();
        let any_is = self.labels.bits().any(|bit| is_named(&bit));
        for bit in self.labels.bits() {
            let name = self.names.name(bit);
            if any_is && name.is_none() {
                continue;
            }
            out.extend_from_slice(before.as_bytes());
            match name {
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => bytes::decimal(out, bit),
            }
            out.extend_from_slice(after.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn check(words: [u32; 4], expected: &str) {
        let names = LabelMap::parse(b"0 a\n5 web-5\n127 last one\n");
        let labels = Labels::from_words(&words).unwrap();
        let mut out = Vec::new();
        if let Some(set) = LabelSet::new(&labels, &names) {
            set.words(&mut out, "<", ">");
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn names_stand_for_labels_and_numbers_where_there_is_no_name() {
        check([0; 4], "");
        check([1, 0, 0, 0x8000_0000], "<a><last one>");
        check([0x22, 0, 0, 0], "<web-5>");
        check([0x2, 1, 0, 0], "<1><32>");
    }
}
