//! The only source of chance: a small generator, equal on every machine and every version.
//!
//! Each part of the world draws from a generator of its own, forked from the seed by a name, so that
//! a change in one part leaves the luck of the others alone.

/// xoshiro256**, seeded by splitmix64.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

/// A probability in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percent(pub u8);

const fn splitmix(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, mixed ^ (mixed >> 31))
}

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let words = std::array::from_fn(|_| {
            let (next, word) = splitmix(state);
            state = next;
            word
        });
        Self { state: words }
    }

    /// A generator for one part of the world.
    pub fn fork(seed: u64, part: &str) -> Self {
        let mixed = part
            .bytes()
            .fold(seed, |mixed, byte| splitmix(mixed ^ u64::from(byte)).1);
        Self::new(mixed)
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let word = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        word
    }

    /// A number below `end`, 0 if that is 0. (The bias is below 2^-32 for the sizes used here.)
    pub fn below(&mut self, end: u64) -> u64 {
        self.word().checked_rem(end).unwrap_or(0)
    }

    /// A number between `low` and `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// The same, as an index.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// 16 bits.
    pub fn short(&mut self) -> u16 {
        self.word()
            .to_be_bytes()
            .first_chunk()
            .map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }

    /// 32 bits.
    pub fn long(&mut self) -> u32 {
        self.word()
            .to_be_bytes()
            .first_chunk()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, percent: Percent) -> bool {
        self.below(100) < u64::from(percent.0)
    }

    /// One of several things; `None` if there are none.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.index(things.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_never_changes() {
        let mut random = Random::fork(1, "network");
        let words: Vec<u64> = (0..3).map(|_| random.word()).collect();
        assert_eq!(
            words,
            [
                10127022639077163320,
                2254524927287371711,
                13379458910259961530
            ]
        );
    }

    #[test]
    fn parts_and_seeds_differ() {
        let word = |seed, part| Random::fork(seed, part).word();
        assert_ne!(word(1, "network"), word(1, "workload"));
        assert_ne!(word(1, "network"), word(2, "network"));
    }

    #[test]
    fn a_percentage_is_met() {
        let mut random = Random::new(7);
        let hits = (0..10_000).filter(|_| random.chance(Percent(30))).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }
}
