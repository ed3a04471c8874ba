//! Transports to the peer over a dedicated link.
//!
//! A channel moves datagrams and counts them; what they mean, and what becomes of one that is
//! lost, is decided by the replication protocol. [`udp`] and [`multicast`] open sockets that
//! [`datagram`] serves; [`tcp`] has connections, whose bytes [`cutter`] cuts into messages.

pub mod cutter;
pub mod datagram;
pub mod multicast;
mod socket;
pub mod tcp;
pub mod udp;

pub use socket::Buffers;

/// What one direction of a channel has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of payload.
    pub bytes: u64,
    /// Datagrams.
    pub packets: u64,
    /// Datagrams that the system refused, and failed calls.
    pub errors: u64,
}

impl Traffic {
    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            packets: self.packets.saturating_add(other.packets),
            errors: self.errors.saturating_add(other.errors),
        }
    }

    /// Counts one datagram.
    fn count(&mut self, len: usize) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.packets += 1;
    }
}
