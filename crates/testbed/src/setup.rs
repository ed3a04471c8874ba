//! How two daemons are set up to replicate: mode, transport and family of the link.
//!
//! [`Setup`] writes the configuration of both nodes of a [`SyncPair`](crate::SyncPair), in the
//! words that stock reads too. Everything beside the three choices is text put into its block.

use std::fmt;

/// The interface at both ends of the cable, and the port of every transport.
pub(crate) const INTERFACE: &str = "sync";
const PORT: u16 = 3780;

/// How flows are replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reliably: numbered, acknowledged, repaired.
    Ftfw,
    /// Once, and lost if it is lost.
    Notrack,
    /// Again and again.
    Alarm,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams to the peer.
    Udp,
    /// Datagrams to a group.
    Multicast,
    /// Two streams, one for each direction.
    Tcp,
}

/// The family that the dedicated link uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What the configuration of a node says about replication.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The mode.
    pub mode: Mode,
    /// The transport.
    pub transport: Transport,
    /// The family of the link's addresses.
    pub version: IpVersion,
    /// Further lines of the Mode block.
    pub in_mode: &'a str,
    /// Further blocks of the Sync section: `Options { … }`.
    pub in_sync: &'a str,
    /// Further lines of the link's block.
    pub in_link: &'a str,
    /// Further sections.
    pub sections: &'a str,
}

impl Setup<'_> {
    /// Nothing but the three choices.
    pub fn new(mode: Mode, transport: Transport, version: IpVersion) -> Self {
        Self {
            mode,
            transport,
            version,
            in_mode: "",
            in_sync: "",
            in_link: "",
            sections: "",
        }
    }

    /// The configuration of both nodes.
    pub fn configs(&self) -> [String; 2] {
        [self.config(1), self.config(2)]
    }

    /// The configuration of node 1 or 2; on a group there may be more.
    pub fn config(&self, own: u8) -> String {
        let Self {
            in_mode,
            in_sync,
            in_link,
            sections,
            ..
        } = self;
        format!(
            "Sync {{
Mode {mode} {{
{in_mode}
}}
{in_sync}
{transport} {{
{addresses}
SndSocketBuffer 8388608
RcvSocketBuffer 8388608
{checksum}
{in_link}
}}
}}
General {{
HashSize 32768
HashLimit 262144
NetlinkBufferSize 33554432
NetlinkBufferSizeMaxGrowth 134217728
}}
{sections}
",
            mode = self.mode.keyword(),
            transport = self.transport.keyword(),
            addresses = self.addresses(own),
            checksum = match self.transport {
                Transport::Udp | Transport::Multicast => "Checksum on",
                Transport::Tcp => "",
            },
        )
    }

    /// The lines that say where the link is. Stock looks the interface up when it knows the
    /// family, so the address of a group has to come first.
    fn addresses(&self, own: u8) -> String {
        let peer = 3 - own.min(2);
        let port = match self.transport {
            Transport::Multicast => "Group",
            Transport::Udp | Transport::Tcp => "Port",
        };
        let lines = match (self.transport, self.version) {
            (Transport::Multicast, IpVersion::V4) => {
                format!("IPv4_address 225.0.0.50\nIPv4_interface 192.168.100.{own}")
            }
            (Transport::Multicast, IpVersion::V6) => "IPv6_address ff15::50".into(),
            (_, IpVersion::V4) => format!(
                "IPv4_address 192.168.100.{own}\nIPv4_Destination_Address 192.168.100.{peer}"
            ),
            (_, IpVersion::V6) => {
                format!("IPv6_address fd00::{own}\nIPv6_Destination_Address fd00::{peer}")
            }
        };
        format!("{lines}\nInterface {INTERFACE}\n{port} {PORT}")
    }
}

impl Mode {
    /// As in the configuration.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Ftfw => "FTFW",
            Self::Notrack => "NOTRACK",
            Self::Alarm => "ALARM",
        }
    }
}

impl Transport {
    /// As in the configuration.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Multicast => "Multicast",
            Self::Tcp => "TCP",
        }
    }
}

impl fmt::Display for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            IpVersion::V4 => 4,
            IpVersion::V6 => 6,
        };
        let (mode, transport) = (self.mode.keyword(), self.transport.keyword());
        write!(f, "{mode} over {transport}, IPv{version}")
    }
}
