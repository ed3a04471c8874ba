//! Two firewalls side by side between clients and a server, as the examples configure them.
//!
//! ```text
//!                     ┌─ [inside 10.0.0.2] fw1 [outside 192.0.2.2] ─┐
//!  client [10.0.0.10] ┤         192.168.100.1 │ [sync]              ├ [192.0.2.10] server
//!  [10.0.0.138]       │         192.168.100.2 │                     │
//!  neighbour          └─ [inside 10.0.0.3] fw2 [outside 192.0.2.3] ─┘
//! ```
//!
//! The client's gateway is 10.0.0.1; the server sees it as 192.0.2.1. Both addresses are shared,
//! and keepalived gives them to the firewall that is primary. Where both are primary there is a
//! second client, the neighbour, with a second group of addresses: 10.0.0.129 and 192.0.2.129.
//! Inside and outside are switches in namespaces of their own. What the firewalls run is what
//! `examples/` shows: the files are taken from there, with the paths and the second node's numbers
//! replaced.

use std::net::{Ipv4Addr, SocketAddr};

use super::firewall::Firewall;
use super::plan::{Plan, Replication, Roles};
use crate::{
    Conntrackd, Error, Implementation, Namespace, PATIENCE, Progress, Result, Spray, veth, wait_for,
};

/// The echo server's port.
const PORT: u16 = 7;
/// Synthetic flows that the primary's daemon may be behind its kernel.
const BEHIND_MAX: u64 = 5_000;

/// The whole network.
#[derive(Debug)]
pub struct FailoverPair {
    /// The firewalls; the first one becomes primary first.
    pub firewalls: [Firewall; 2],
    /// Behind the firewalls.
    pub client: Namespace,
    /// The client of the second group, if there is one.
    pub neighbour: Option<Namespace>,
    /// Beyond them.
    pub server: Namespace,
    switches: [Namespace; 2],
    plan: Plan,
}

impl FailoverPair {
    /// Makes a pair of primary and backup that replicates, if at all, with FT-FW over UDP.
    pub fn new(daemon: Implementation, replication: Replication, keepable: bool) -> Result<Self> {
        Self::build(Plan {
            replication,
            keepable,
            ..Plan::new(daemon)
        })
    }

    /// Makes the network, with both firewalls switched off.
    pub fn build(plan: Plan) -> Result<Self> {
        let neighbour = match plan.roles {
            Roles::ActiveBackup => None,
            Roles::ActiveActive => Some(plan.namespace("neighbour")?),
        };
        let pair = Self {
            firewalls: [Firewall::new(1, plan)?, Firewall::new(2, plan)?],
            client: plan.namespace("client")?,
            neighbour,
            server: plan.namespace("server")?,
            switches: [plan.namespace("inside")?, plan.namespace("outside")?],
            plan,
        };
        pair.cable()?;
        Ok(pair)
    }

    fn cable(&self) -> Result<()> {
        let [inside, outside] = &self.switches;
        let [fw1, fw2] = &self.firewalls;
        inside.bridge("switch")?;
        outside.bridge("switch")?;
        for (host, interface, switch, port) in [
            (&self.client, "eth0", inside, "client"),
            (&self.server, "eth0", outside, "server"),
            (&fw1.namespace, "inside", inside, "fw1"),
            (&fw1.namespace, "outside", outside, "fw1"),
            (&fw2.namespace, "inside", inside, "fw2"),
            (&fw2.namespace, "outside", outside, "fw2"),
        ] {
            veth(host, interface, switch, port)?;
            switch.plug(port, "switch")?;
        }
        veth(&fw1.namespace, "sync", &fw2.namespace, "sync")?;
        self.client.address("eth0", "10.0.0.10/24")?;
        self.client.route("default via 10.0.0.1")?;
        if let Some(neighbour) = &self.neighbour {
            veth(neighbour, "eth0", inside, "neighbour")?;
            inside.plug("neighbour", "switch")?;
            neighbour.address("eth0", "10.0.0.138/24")?;
            neighbour.route("default via 10.0.0.129")?;
        }
        self.server.address("eth0", "192.0.2.10/24")?;
        fw1.prepare()?;
        fw2.prepare()
    }

    /// How it was planned.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// The clients, one for each group of shared addresses.
    pub fn clients(&self) -> impl Iterator<Item = &Namespace> {
        std::iter::once(&self.client).chain(&self.neighbour)
    }

    /// Where to start an echo server so that the client reaches it.
    pub fn server_address(&self) -> SocketAddr {
        (Ipv4Addr::new(192, 0, 2, 10), PORT).into()
    }

    /// Switches both firewalls on, the first one first, and waits until each has its role: the
    /// first one is primary and the second one is ready, or each is primary of its group.
    pub fn boot(&mut self) -> Result<()> {
        let [fw1, fw2] = &mut self.firewalls;
        fw1.boot()?;
        fw1.wait_until_primary()?;
        fw2.boot()?;
        match self.plan.roles {
            Roles::ActiveBackup => fw2.wait_until_backup(),
            Roles::ActiveActive => fw2.wait_until_primary_of(2),
        }
    }

    /// The conntrackd of firewall 0 or 1.
    pub fn daemon(&self, firewall: usize) -> Result<&Conntrackd> {
        let firewall = self.firewalls.get(firewall);
        let daemon = firewall.and_then(|firewall| firewall.conntrackd.as_ref());
        daemon.ok_or_else(|| Error::Unexpected("a firewall has no conntrackd".into()))
    }

    /// Sends synthetic flows through the primary, firewall 0, never faster than its daemon reads.
    pub fn fill(&self, flows: u32) -> Result<()> {
        self.server
            .route(&format!("blackhole {}", Spray::NETWORK))?;
        for firewall in &self.firewalls {
            // They must outlive what comes, although nobody answers.
            firewall
                .namespace
                .sysctl("net.netfilter.nf_conntrack_udp_timeout", 3600)?;
        }
        let primary = self.daemon(0)?;
        let mut spray = Spray::new(&self.client);
        let mut sent = 0;
        while sent < flows {
            sent = spray.more(flows - sent)?;
            if sent % 10_000 == 0 {
                let what = "the primary to read its kernel's events";
                wait_for(what, PATIENCE, || {
                    let known = primary.statistics()?.internal.active;
                    let behind = u64::from(sent).saturating_sub(known);
                    Ok(match behind < BEHIND_MAX {
                        true => Progress::Done(()),
                        false => Progress::Waiting(format!("{known} of {sent} flows known")),
                    })
                })?;
            }
        }
        Ok(())
    }

    /// Waits until the other firewall knows every flow of firewall `primary`, which has at least
    /// so many; returns how many.
    pub fn wait_until_replicated(&self, primary: usize, least: u64) -> Result<u64> {
        let (own, peer) = (self.daemon(primary)?, self.daemon(1 - primary)?);
        let what = "the backup to know all flows";
        wait_for(what, PATIENCE, || {
            let known = own.statistics()?.internal.active;
            let replicated = peer.statistics()?.external.active;
            Ok(match replicated == known && known >= least {
                true => Progress::Done(known),
                false => Progress::Waiting(format!("{replicated} of {known}, at least {least}")),
            })
        })
    }

    /// Pulls the clients' and the server's cables: from now on the firewalls keep the connections
    /// that they know, whatever becomes of the sockets.
    pub fn unplug(&self) -> Result<()> {
        self.clients()
            .chain([&self.server])
            .try_for_each(|host| host.link_down("eth0"))
    }

    /// Leaves everything behind as it is, until [`remove_kept`](crate::remove_kept).
    pub fn keep(self) {
        let Self {
            firewalls,
            client,
            neighbour,
            server,
            switches,
            ..
        } = self;
        firewalls.into_iter().for_each(Firewall::keep);
        [client, server]
            .into_iter()
            .chain(neighbour)
            .chain(switches)
            .for_each(Namespace::keep);
    }
}
