//! Sequence numbers of the sync protocol (docs/wire.md, "Sequence numbers").

/// A message's sequence number. It wraps, so it has no order, only [`is_before`](Seq::is_before)
/// and [`is_after`](Seq::is_after).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// The next number, modulo 2^32.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number this many places ahead, modulo 2^32.
    #[must_use]
    pub const fn plus(self, places: u32) -> Self {
        Self(self.0.wrapping_add(places))
    }

    /// The number before, modulo 2^32.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// How far `self` lies ahead of `other`, negative if behind.
    pub const fn distance(self, other: Self) -> i32 {
        i32::from_ne_bytes(self.0.wrapping_sub(other.0).to_ne_bytes())
    }

    /// Whether `self` was numbered before `other`.
    pub const fn is_before(self, other: Self) -> bool {
        self.distance(other) < 0
    }

    /// Whether `self` was numbered after `other`.
    pub const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let last = Seq(u32::MAX);
        assert!(last.is_before(last.next()));
        assert!(last.next().is_after(last));
        assert!(!last.is_before(last));
        assert_eq!(last.next().previous(), last);
    }
}
