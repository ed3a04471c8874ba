//! The keyed hash over tuples: SipHash-1-3.
//!
//! Strangers choose the tuples that a firewall tracks, so a hash they can compute would let them
//! fill one bucket. The key comes from the caller: random in the daemon, fixed in a simulation, so
//! that the same seed gives the same order everywhere.

/// Key of the hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashKey(pub [u64; 2]);

impl HashKey {
    /// The hash of some words. Equal words are equal only if their number is fixed by the words
    /// themselves, which is so for a [`Key`](super::Key).
    pub(crate) fn hash(&self, words: &[u64]) -> u64 {
        let [k0, k1] = self.0;
        let mut state = State([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ]);
        let mut len = 0_u64;
        for word in words {
            state.absorb(*word);
            len += 8;
        }
        state.absorb(len << 56);
        state.finish()
    }
}

struct State([u64; 4]);

impl State {
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }

    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::Hasher;
    use std::hash::DefaultHasher;

    #[test]
    fn the_standard_library_agrees() {
        // DefaultHasher is SipHash-1-3 with a key of zeros.
        let words = [1, 0x0123_4567_89ab_cdef, u64::MAX, 0, 77];
        for len in 0..=words.len() {
            let words = &words[..len];
            let mut oracle = DefaultHasher::new();
            for word in words {
                oracle.write(&word.to_le_bytes());
            }
            assert_eq!(HashKey([0, 0]).hash(words), oracle.finish());
        }
    }

    #[test]
    fn the_key_counts() {
        assert_ne!(HashKey([1, 0]).hash(&[5]), HashKey([0, 0]).hash(&[5]));
        assert_ne!(HashKey([0, 1]).hash(&[5]), HashKey([0, 0]).hash(&[5]));
    }
}
