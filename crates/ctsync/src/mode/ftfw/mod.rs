//! FT-FW: every message is acknowledged, what gets lost is sent again (docs/wire.md, "FT-FW").
//!
//! The [`sender`] and the [`receiver`] are two machines that share nothing but the greeting: the
//! sender keeps what it sent until the peer has it, the receiver watches the peer's numbers and
//! says which arrived. Both are stock's on the wire. Where stock loses flows for good (a greeting,
//! a lost request, a jump of the numbers, a full resend queue), ours finds them again; how is
//! written at each place.

pub(crate) mod receiver;
mod repair;
pub(crate) mod sender;

use core::time::Duration;

/// Silence after which a sign of life is sent, or what is to be acknowledged.
pub(crate) const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Longest time for which a node that never falls silent holds an acknowledgement back.
pub(crate) const ACK_DELAY_MAX: Duration = Duration::from_secs(2);

/// Longest life of a datagram on the dedicated link. What arrives later than this with an old
/// number was not delayed: the peer's numbers have changed.
pub(crate) const DATAGRAM_LIFE_MAX: Duration = Duration::from_secs(2);
