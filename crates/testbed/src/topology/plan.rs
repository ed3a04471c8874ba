//! What is to be built: whose daemons, how they replicate, which roles the firewalls have.
//!
//! A plan is plain data with public fields: a test says what differs from [`Plan::new`] and leaves
//! the rest.

use crate::{Implementation, Mode, Namespace, Result, Transport};

/// How a [`FailoverPair`](super::FailoverPair) is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose programs run on the firewalls.
    pub daemon: Implementation,
    /// Whether they replicate at all.
    pub replication: Replication,
    /// How they do.
    pub mode: Mode,
    /// What carries it.
    pub transport: Transport,
    /// Who is primary.
    pub roles: Roles,
    /// The packet filter's rules.
    pub rules: Rules,
    /// Whether the network can be left behind with [`FailoverPair::keep`](super::FailoverPair::keep).
    pub keepable: bool,
}

/// Whether the firewalls tell each other about their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// By conntrackd.
    On,
    /// Not at all: the contrast.
    Off,
}

/// Who is primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// One firewall, for everything.
    ActiveBackup,
    /// Each firewall, for a group of its own.
    ActiveActive,
}

/// The packet filter's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of the example.
    Fenced,
    /// Rules that do not care what no flow explains: the contrast. Only for one primary.
    Open,
}

impl Plan {
    /// FT-FW over UDP between a primary and a backup, with the rules of the example.
    pub fn new(daemon: Implementation) -> Self {
        Self {
            daemon,
            replication: Replication::On,
            mode: Mode::Ftfw,
            transport: Transport::Udp,
            roles: Roles::ActiveBackup,
            rules: Rules::Fenced,
            keepable: false,
        }
    }

    pub(super) fn namespace(&self, label: &str) -> Result<Namespace> {
        match self.keepable {
            true => Namespace::new_keepable(label),
            false => Namespace::new(label),
        }
    }
}
