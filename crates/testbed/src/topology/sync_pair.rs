//! Two nodes and a cable between them: what two daemons need to talk, and nothing else.
//!
//! There is no traffic; the tests write flows into the kernel tables. No rule refers to
//! connection tracking, so the daemons' own datagrams are not tracked.
//!
//! ```text
//!   a [sync 192.168.100.1, fd00::1] ───── [sync 192.168.100.2, fd00::2] b
//! ```

use crate::setup::INTERFACE;
use crate::{IpVersion, Mode, Namespace, Result, Setup, Transport, veth};

/// Two nodes with a dedicated link.
#[derive(Debug)]
pub struct SyncPair {
    /// One node.
    pub a: Namespace,
    /// The other.
    pub b: Namespace,
}

impl SyncPair {
    /// Makes the pair.
    pub fn new() -> Result<Self> {
        let pair = Self {
            a: Namespace::new("a")?,
            b: Namespace::new("b")?,
        };
        veth(&pair.a, INTERFACE, &pair.b, INTERFACE)?;
        for (node, own) in [(&pair.a, 1), (&pair.b, 2)] {
            node.address(INTERFACE, &format!("192.168.100.{own}/24"))?;
            node.address(INTERFACE, &format!("fd00::{own}/64"))?;
            node.sysctl("net.netfilter.nf_conntrack_events", 1)?;
        }
        Ok(pair)
    }

    /// Loses packets in both directions, `percent` of 100; 0 ends it.
    pub fn loss(&self, percent: u8) -> Result<()> {
        self.a.loss(INTERFACE, percent)?;
        self.b.loss(INTERFACE, percent)
    }

    /// Pulls the cable out, or plugs it in again.
    pub fn set_connected(&self, connected: bool) -> Result<()> {
        match connected {
            true => self.a.link_up(INTERFACE),
            false => self.a.link_down(INTERFACE),
        }
    }

    /// The configuration of both nodes for FT-FW over UDP; `extra` goes into the Mode block.
    pub fn ftfw(version: IpVersion, extra: &str) -> [String; 2] {
        let setup = Setup::new(Mode::Ftfw, Transport::Udp, version);
        Setup {
            in_mode: extra,
            ..setup
        }
        .configs()
    }
}
