//! State that the kernel keeps for a protocol (`CTA_PROTOINFO`).
//!
//! States are newtypes over the kernel's number rather than enums: a kernel newer than this
//! program may report one it does not know, and that one has to survive a round trip.

use crate::tuple::PerDir;

/// Data of the flow's protocol (`CTA_PROTOINFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtoInfo {
    /// `CTA_PROTOINFO_TCP`.
    Tcp(TcpInfo),
    /// `CTA_PROTOINFO_DCCP`.
    Dccp(DccpInfo),
    /// `CTA_PROTOINFO_SCTP`.
    Sctp(SctpInfo),
}

impl ProtoInfo {
    /// The name of the state, as `conntrack` shows it; `NONE` for a number without a name.
    pub fn state_name(&self) -> Option<&'static str> {
        match self {
            Self::Tcp(tcp) => tcp.state.map(|state| state.name().unwrap_or("NONE")),
            Self::Dccp(dccp) => dccp.state.map(|state| state.name().unwrap_or("NONE")),
            Self::Sctp(sctp) => sctp.state.map(|state| state.name().unwrap_or("NONE")),
        }
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$state_doc:meta])* $constant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u8);

        impl $name {
            $($(#[$state_doc])* pub const $constant: Self = Self($number);)*

            /// All named states, in the order of their number.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$constant, stringify!($constant))),*];

            /// The kernel's name of the state.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some(stringify!($constant)),)*
                    Self(_) => None,
                }
            }

            /// The state of this name, exact case.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
            }
        }
    };
}

states! {
    /// `enum tcp_conntrack`.
    TcpState {
        /// Nothing known.
        NONE = 0,
        /// SYN seen.
        SYN_SENT = 1,
        /// SYN/ACK seen.
        SYN_RECV = 2,
        /// Handshake complete.
        ESTABLISHED = 3,
        /// FIN seen.
        FIN_WAIT = 4,
        /// FIN acknowledged.
        CLOSE_WAIT = 5,
        /// FIN seen in both directions.
        LAST_ACK = 6,
        /// Last ACK seen.
        TIME_WAIT = 7,
        /// RST seen.
        CLOSE = 8,
        /// Simultaneous open; `LISTEN` in old kernels.
        SYN_SENT2 = 9,
    }
}

states! {
    /// `enum sctp_conntrack`.
    SctpState {
        /// Nothing known.
        NONE = 0,
        /// Association closed.
        CLOSED = 1,
        /// INIT seen.
        COOKIE_WAIT = 2,
        /// COOKIE ECHO seen.
        COOKIE_ECHOED = 3,
        /// COOKIE ACK seen.
        ESTABLISHED = 4,
        /// SHUTDOWN seen in the original direction.
        SHUTDOWN_SENT = 5,
        /// SHUTDOWN seen in the reply direction.
        SHUTDOWN_RECD = 6,
        /// SHUTDOWN ACK seen.
        SHUTDOWN_ACK_SENT = 7,
        /// HEARTBEAT on a secondary path.
        HEARTBEAT_SENT = 8,
        /// HEARTBEAT ACK on a secondary path (old kernels).
        HEARTBEAT_ACKED = 9,
    }
}

states! {
    /// `enum ct_dccp_states`.
    DccpState {
        /// Nothing known.
        NONE = 0,
        /// REQUEST seen.
        REQUEST = 1,
        /// RESPONSE seen.
        RESPOND = 2,
        /// First ACK seen.
        PARTOPEN = 3,
        /// Data exchanged.
        OPEN = 4,
        /// Server asked to close.
        CLOSEREQ = 5,
        /// CLOSE seen.
        CLOSING = 6,
        /// Waiting for late packets.
        TIMEWAIT = 7,
        /// Packet to be ignored.
        IGNORE = 8,
        /// Packet that is not valid.
        INVALID = 9,
    }
}

/// Flags of TCP window tracking for one direction (`struct nf_ct_tcp_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags {
    /// `IP_CT_TCP_FLAG_*` bits.
    pub flags: u8,
    /// Which bits are valid, or to be changed.
    pub mask: u8,
}

impl TcpFlags {
    /// The sender offers window scaling (`IP_CT_TCP_FLAG_WINDOW_SCALE`).
    pub const WINDOW_SCALE: u8 = 0x01;
    /// The sender permits SACK (`IP_CT_TCP_FLAG_SACK_PERM`).
    pub const SACK_PERM: u8 = 0x02;
    /// The sender closed first (`IP_CT_TCP_FLAG_CLOSE_INIT`).
    pub const CLOSE_INIT: u8 = 0x04;
    /// Out-of-window packets are accepted (`IP_CT_TCP_FLAG_BE_LIBERAL`).
    pub const BE_LIBERAL: u8 = 0x08;
}

/// State of a TCP flow (`CTA_PROTOINFO_TCP`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// `CTA_PROTOINFO_TCP_STATE`.
    pub state: Option<TcpState>,
    /// Window scale, `CTA_PROTOINFO_TCP_WSCALE_*`.
    pub wscale: PerDir<Option<u8>>,
    /// Window tracking flags, `CTA_PROTOINFO_TCP_FLAGS_*`.
    pub flags: PerDir<Option<TcpFlags>>,
}

/// State of an SCTP association (`CTA_PROTOINFO_SCTP`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SctpInfo {
    /// `CTA_PROTOINFO_SCTP_STATE`.
    pub state: Option<SctpState>,
    /// Verification tags, `CTA_PROTOINFO_SCTP_VTAG_*`.
    pub vtag: PerDir<Option<u32>>,
}

/// Which end of a DCCP flow sent the first packet (`enum ct_dccp_roles`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DccpRole(pub u8);

impl DccpRole {
    /// The original direction is the client's.
    pub const CLIENT: Self = Self(0);
    /// The original direction is the server's.
    pub const SERVER: Self = Self(1);
}

/// State of a DCCP flow (`CTA_PROTOINFO_DCCP`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DccpInfo {
    /// `CTA_PROTOINFO_DCCP_STATE`.
    pub state: Option<DccpState>,
    /// `CTA_PROTOINFO_DCCP_ROLE`.
    pub role: Option<DccpRole>,
    /// `CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ`.
    pub handshake_seq: Option<u64>,
}
