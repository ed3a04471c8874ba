//! The netfilter part of a message: its subsystem and the header below netlink's own.
//!
//! Netlink multiplexes netfilter's subsystems by the upper byte of the message type. Each message
//! then begins with a small header that all of them share.

use crate::malformed::Malformed;

/// A netfilter subsystem that this crate speaks to (upper byte of the message type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subsystem {
    /// The flow table, `NFNL_SUBSYS_CTNETLINK`.
    Conntrack,
    /// The expectation table, `NFNL_SUBSYS_CTNETLINK_EXP`.
    Expect,
}

impl Subsystem {
    /// The kernel's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Conntrack => 1,
            Self::Expect => 2,
        }
    }

    /// The subsystem of a netlink message type; `None` for one not spoken here.
    pub const fn of_message_type(message_type: u16) -> Option<Self> {
        match message_type.to_be_bytes() {
            [1, _] => Some(Self::Conntrack),
            [2, _] => Some(Self::Expect),
            _ => None,
        }
    }

    /// The netlink message type of one of this subsystem's messages.
    pub const fn message_type(self, message: u8) -> u16 {
        u16::from_be_bytes([self.number(), message])
    }
}

/// `struct nfgenmsg`, which follows netlink's header in every netfilter message.
///
/// ```text
///  0        1         2                 4
/// +--------+---------+-----------------+
/// | family | version | res_id (BE)     |
/// +--------+---------+-----------------+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenHeader {
    /// Address family; 0 for any.
    pub family: u8,
    /// 0, except where a request gives it another meaning.
    pub version: u8,
    /// Resource, such as the CPU in a statistics message.
    pub res_id: u16,
}

impl GenHeader {
    /// Bytes of the header.
    pub const LEN: usize = 4;

    /// A header of which only the family counts.
    pub const fn of_family(family: u8) -> Self {
        Self {
            family,
            version: 0,
            res_id: 0,
        }
    }

    /// Splits the header off a netlink payload.
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let ([family, version, high, low], rest) =
            payload.split_first_chunk().ok_or(Malformed::Truncated)?;
        let header = Self {
            family: *family,
            version: *version,
            res_id: u16::from_be_bytes([*high, *low]),
        };
        Ok((header, rest))
    }

    /// The header's bytes.
    pub const fn encode(self) -> [u8; Self::LEN] {
        let [high, low] = self.res_id.to_be_bytes();
        [self.family, self.version, high, low]
    }
}
