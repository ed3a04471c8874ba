//! The dedicated link: two directions, each of which delays, loses, doubles and reorders.
//!
//! It keeps nothing: for each datagram it says when copies of it arrive, and the schedule does the
//! rest.

use std::time::Duration;

use crate::random::{Percent, Random};

/// What the link does to datagrams.
#[derive(Clone, Copy, Debug)]
pub struct LinkFaults {
    /// Datagrams that vanish.
    pub loss: Percent,
    /// Datagrams that arrive twice.
    pub duplication: Percent,
    /// Datagrams that are held up by `hold`.
    pub reordering: Percent,
    /// Delay of every datagram.
    pub delay: Duration,
    /// Random delay on top; above the spacing of datagrams it reorders.
    pub jitter: Duration,
    /// Delay of a datagram that is reordered.
    pub hold: Duration,
    /// Nothing passes.
    pub partitioned: bool,
}

impl LinkFaults {
    /// A cable.
    pub const NONE: Self = Self {
        loss: Percent(0),
        duplication: Percent(0),
        reordering: Percent(0),
        delay: Duration::from_micros(100),
        jitter: Duration::ZERO,
        hold: Duration::ZERO,
        partitioned: false,
    };

    /// The longest time a datagram may be under way.
    pub fn delay_max(&self) -> Duration {
        self.delay + self.jitter + self.hold
    }

    /// When the copies of a datagram arrive, counted from now: none, one or two.
    pub fn arrivals(&self, random: &mut Random) -> Vec<Duration> {
        if self.partitioned || random.chance(self.loss) {
            return Vec::new();
        }
        let copies = if random.chance(self.duplication) {
            2
        } else {
            1
        };
        (0..copies).map(|_| self.arrival(random)).collect()
    }

    fn arrival(&self, random: &mut Random) -> Duration {
        let jitter = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        let jitter = Duration::from_micros(random.between(0, jitter));
        let hold = if random.chance(self.reordering) {
            self.hold
        } else {
            Duration::ZERO
        };
        self.delay + jitter + hold
    }
}
