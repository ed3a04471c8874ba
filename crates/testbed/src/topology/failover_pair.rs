//! Two firewalls side by side between a client and a server, as the examples configure them.
//!
//! ```text
//!                     ┌─ [inside 10.0.0.2] fw1 [outside 192.0.2.2] ─┐
//!  client [10.0.0.10] ┤         192.168.100.1 │ [sync]              ├ [192.0.2.10] server
//!                     │         192.168.100.2 │                     │
//!                     └─ [inside 10.0.0.3] fw2 [outside 192.0.2.3] ─┘
//! ```
//!
//! The client's gateway is 10.0.0.1; the server sees everybody as 192.0.2.1. Both addresses are
//! shared, and keepalived gives them to the firewall that is primary. Inside and outside are
//! switches in namespaces of their own. What the firewalls run is what `examples/` shows: the
//! files are taken from there, with the paths and the second node's numbers replaced.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::{
    Command, Conntrackd, Error, Implementation, Keepalived, Namespace, Program, Progress, Result,
    veth, wait_for,
};

const CONNTRACKD_CONF: &str = include_str!("../../../../examples/conntrackd.conf");
const KEEPALIVED_CONF: &str = include_str!("../../../../examples/keepalived.conf");
const NFTABLES_CONF: &str = include_str!("../../../../examples/nftables.conf");
const SYSCTL_CONF: &str = include_str!("../../../../examples/sysctl.conf");
const PRIMARY_BACKUP: &str = include_str!("../../../../examples/primary-backup.sh");

/// The echo server's port.
const PORT: u16 = 7;
/// How long a firewall may take to become primary.
const PROMOTION_TIMEOUT: Duration = Duration::from_secs(15);

/// The whole network.
#[derive(Debug)]
pub struct FailoverPair {
    /// The firewalls; the first one becomes primary first.
    pub firewalls: [Firewall; 2],
    /// Behind the firewalls.
    pub client: Namespace,
    /// Beyond them.
    pub server: Namespace,
    switches: [Namespace; 2],
}

/// One firewall.
#[derive(Debug)]
pub struct Firewall {
    /// Where it lives.
    pub namespace: Namespace,
    /// Its conntrackd, if it has one and has power.
    pub conntrackd: Option<Conntrackd>,
    /// Its keepalived, if it has power.
    pub keepalived: Option<Keepalived>,
    /// 1 or 2.
    number: u8,
    implementation: Implementation,
    replication: Replication,
}

/// Whether the firewalls tell each other about their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// By conntrackd.
    On,
    /// Not at all: the contrast.
    Off,
}

impl FailoverPair {
    /// Makes the network, with both firewalls switched off. `conntrack` is used to empty their
    /// tables, the conntrackd of the same implementation runs on them. A `keepable` network may
    /// be left behind with [`FailoverPair::keep`].
    pub fn new(
        implementation: Implementation,
        replication: Replication,
        keepable: bool,
    ) -> Result<Self> {
        let make = if keepable {
            Namespace::new_keepable
        } else {
            Namespace::new
        };
        let firewall = |number: u8| -> Result<Firewall> {
            let namespace = make(&format!("fw{number}"))?;
            let (conntrackd, keepalived) = (None, None);
            Ok(Firewall {
                namespace,
                conntrackd,
                keepalived,
                number,
                implementation,
                replication,
            })
        };
        let pair = Self {
            firewalls: [firewall(1)?, firewall(2)?],
            client: make("client")?,
            server: make("server")?,
            switches: [make("inside")?, make("outside")?],
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
        self.server.address("eth0", "192.0.2.10/24")?;
        fw1.prepare()?;
        fw2.prepare()
    }

    /// Where to start an echo server so that the client reaches it.
    pub fn server_address(&self) -> SocketAddr {
        (Ipv4Addr::new(192, 0, 2, 10), PORT).into()
    }

    /// Switches both firewalls on, the first one first, and waits until it is the primary and the
    /// second one is ready.
    pub fn boot(&mut self) -> Result<()> {
        let [fw1, fw2] = &mut self.firewalls;
        fw1.boot()?;
        fw1.wait_until_primary()?;
        fw2.boot()?;
        fw2.wait_until_backup()
    }

    /// Pulls the client's and the server's cables: from now on the firewalls keep the connections
    /// that they know, whatever becomes of the sockets.
    pub fn unplug(&self) -> Result<()> {
        self.client.link_down("eth0")?;
        self.server.link_down("eth0")
    }

    /// Leaves everything behind as it is, until [`remove_kept`](crate::remove_kept).
    pub fn keep(self) {
        let Self {
            firewalls,
            client,
            server,
            switches,
        } = self;
        for firewall in firewalls {
            let Firewall {
                namespace,
                conntrackd,
                keepalived,
                ..
            } = firewall;
            // Processes and folders in a keepable namespace survive their values.
            drop((conntrackd, keepalived));
            namespace.keep();
        }
        [client, server]
            .into_iter()
            .chain(switches)
            .for_each(Namespace::keep);
    }
}

impl Firewall {
    /// `fw1` or `fw2`.
    pub fn label(&self) -> &str {
        self.namespace.label()
    }

    /// What is set once: parameters and routes; all links are down.
    fn prepare(&self) -> Result<()> {
        for line in SYSCTL_CONF.lines() {
            if let Some((name, value)) = line.split_once(" = ") {
                self.namespace.sysctl(name, value)?;
            }
        }
        self.links("down")
    }

    /// Switches the firewall on: an empty kernel table, own addresses, rules, daemons.
    pub fn boot(&mut self) -> Result<()> {
        let conntrack = self.implementation.path(Program::Conntrack)?;
        self.namespace.run(Command::new(conntrack).arg("-F"))?;
        self.namespace
            .nft(&format!("flush ruleset\n{NFTABLES_CONF}"))?;
        for (interface, network) in [
            ("inside", "10.0.0"),
            ("outside", "192.0.2"),
            ("sync", "192.168.100"),
        ] {
            self.namespace
                .run(format!("ip address flush dev {interface}"))?;
            let host = if interface == "sync" {
                self.number
            } else {
                self.number + 1
            };
            self.namespace
                .address(interface, &format!("{network}.{host}/24"))?;
        }
        self.links("up")?;
        // Beyond the server there is the rest of the world.
        self.namespace
            .run("ip route replace default via 192.0.2.10")?;
        if self.replication == Replication::On {
            self.conntrackd = Some(self.start_conntrackd()?);
        }
        self.keepalived = Some(Keepalived::start(
            &self.namespace,
            &self.keepalived_conf()?,
        )?);
        Ok(())
    }

    /// Cuts the power: links down, daemons gone without a word. Returns when that was.
    pub fn cut_power(&mut self) -> Result<Instant> {
        // keepalived first: when one link goes down before the other, it says goodbye on that.
        if let Some(keepalived) = self.keepalived.take() {
            keepalived.kill();
        }
        let moment = Instant::now();
        self.links("down")?;
        if let Some(conntrackd) = self.conntrackd.take() {
            conntrackd.kill();
        }
        Ok(moment)
    }

    /// Whether it holds the shared addresses.
    pub fn is_primary(&self) -> Result<bool> {
        let addresses = self.namespace.run("ip -oneline -4 address show")?.stdout;
        Ok(addresses.contains(" 10.0.0.1/24 ") && addresses.contains(" 192.0.2.1/24 "))
    }

    /// Waits until it holds the shared addresses.
    pub fn wait_until_primary(&self) -> Result<()> {
        wait_for(
            &format!("{} to become primary", self.label()),
            PROMOTION_TIMEOUT,
            || {
                Ok(match self.is_primary()? {
                    true => Progress::Done(()),
                    false => Progress::Waiting("not primary".into()),
                })
            },
        )
    }

    /// Waits until keepalived has settled as backup.
    pub fn wait_until_backup(&self) -> Result<()> {
        let Some(keepalived) = &self.keepalived else {
            return Err(Error::Unexpected(format!("{} has no power", self.label())));
        };
        // Once for each side, before it is passed on to the whole group.
        keepalived
            .process()
            .wait_for_line("Entering BACKUP STATE", PROMOTION_TIMEOUT)
    }

    fn links(&self, state: &str) -> Result<()> {
        // One process for all three: a power cut is sudden.
        let batch = ["inside", "outside", "sync"].map(|i| format!("link set {i} {state}\n"));
        let command = Command::from("ip -batch -").stdin(batch.concat());
        self.namespace.run(command).map(drop)
    }

    fn start_conntrackd(&self) -> Result<Conntrackd> {
        let (own, peer) = (self.number, 3 - self.number);
        let own = format!("IPv4_address 192.168.100.{own}");
        let peer = format!("IPv4_Destination_Address 192.168.100.{peer}");
        let config = example(
            CONNTRACKD_CONF,
            &[
                ("IPv4_address 192.168.100.1", &own),
                ("IPv4_Destination_Address 192.168.100.2", &peer),
            ],
        )?;
        Conntrackd::start(&self.namespace, self.implementation, &config)
    }

    fn keepalived_conf(&self) -> Result<String> {
        let priority = if self.number == 1 {
            "priority 150"
        } else {
            "priority 100"
        };
        let config = example(KEEPALIVED_CONF, &[("priority 150", priority)])?;
        let Some(conntrackd) = &self.conntrackd else {
            let is_other = |line: &&str| !line.trim_start().starts_with("notify_");
            return Ok(config
                .lines()
                .filter(is_other)
                .map(|line| format!("{line}\n"))
                .collect());
        };
        let program = self.implementation.path(Program::Conntrackd)?;
        let script = example(
            PRIMARY_BACKUP,
            &[
                ("/usr/sbin/conntrackd", &program.display().to_string()),
                (
                    "/etc/conntrackd/conntrackd.conf",
                    &conntrackd.config().display().to_string(),
                ),
                (
                    "/var/lock/conntrackd.lock",
                    &conntrackd.lock().display().to_string(),
                ),
            ],
        )?;
        let script = conntrackd.folder().write("primary-backup.sh", &script)?;
        let call = format!("/bin/sh {}", script.display());
        example(&config, &[("/etc/conntrackd/primary-backup.sh", &call)])
    }
}

/// An example file with words replaced; each must be there, else the example has changed.
fn example(text: &str, replacements: &[(&str, &str)]) -> Result<String> {
    replacements
        .iter()
        .try_fold(text.to_owned(), |text, (old, new)| {
            if text.contains(old) {
                return Ok(text.replace(old, new));
            }
            Err(Error::Unexpected(format!(
                "the example has no `{old}` to replace"
            )))
        })
}
