//! Connection labels: a set of up to 128 bits.
//!
//! What the bits mean is the administrator's business; names for them are a
//! [`LabelMap`](crate::LabelMap).

/// Number of label bits the kernel keeps (`XT_CONNLABEL_MAXBIT` + 1).
pub const LABEL_BITS: u16 = 128;

/// Labels of a flow (`CTA_LABELS`), or a mask over them (`CTA_LABELS_MASK`).
///
/// Bit `b` is bit `b % 32` of word `b / 32`. The number of words is kept, since the kernel takes
/// fewer than four and then treats the missing ones in its own way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    words: [u32; 4],
    len: u8,
}

impl Labels {
    /// Labels from words, lowest bits first; `None` for no word or more than four.
    pub fn from_words(words: &[u32]) -> Option<Self> {
        let mut out = [0; 4];
        if words.is_empty() {
            return None;
        }
        out.get_mut(..words.len())?.copy_from_slice(words);
        Some(Self {
            words: out,
            len: u8::try_from(words.len()).ok()?,
        })
    }

    /// No bit set, all 128 present.
    pub const fn empty() -> Self {
        Self {
            words: [0; 4],
            len: 4,
        }
    }

    /// The words, lowest bits first.
    pub fn words(&self) -> &[u32] {
        self.words
            .get(..usize::from(self.len))
            .unwrap_or(&self.words)
    }

    /// Sets a bit; `false` if it lies beyond the words.
    pub fn set(&mut self, bit: u16) -> bool {
        let word = usize::from(bit / 32);
        if word >= usize::from(self.len) {
            return false;
        }
        self.words.get_mut(word).is_some_and(|word| {
            *word |= 1 << (bit % 32);
            true
        })
    }

    /// Whether a bit is set.
    pub fn contains(&self, bit: u16) -> bool {
        self.words()
            .get(usize::from(bit / 32))
            .is_some_and(|word| word >> (bit % 32) & 1 == 1)
    }

    /// Whether no bit is set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether all bits of `wanted` are set.
    pub fn contains_all(&self, wanted: &Self) -> bool {
        let mut pairs = self.words.iter().zip(&wanted.words);
        pairs.all(|(words, wanted)| words & wanted == *wanted)
    }

    /// The set bits, lowest first.
    pub fn bits(&self) -> impl Iterator<Item = u16> + '_ {
        (0..LABEL_BITS).filter(|bit| self.contains(*bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn bits_lie_where_the_kernel_puts_them() {
        let labels = Labels::from_words(&[1, 0x8000_0000, 0, 2]).unwrap();
        assert_eq!(labels.bits().collect::<Vec<_>>(), [0, 63, 97]);
    }

    #[test]
    fn a_bit_beyond_the_words_is_refused() {
        let mut labels = Labels::from_words(&[0]).unwrap();
        assert!(labels.set(31));
        assert!(!labels.set(32));
        assert!(!Labels::empty().set(128));
        assert_eq!(labels.words(), [0x8000_0000]);
    }

    #[test]
    fn only_one_to_four_words_are_labels() {
        assert_eq!(Labels::from_words(&[]), None);
        assert_eq!(Labels::from_words(&[0; 5]), None);
    }
}
