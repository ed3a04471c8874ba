//! Three firewalls that share the work by a hash over the clients' addresses, as
//! `examples/multi-primary` configures them.
//!
//! ```text
//!                        ┌─ [inside 10.0.0.11] fw1 [outside 192.0.2.11] ─┐
//!  client [10.0.0.20-51] ┼─ [inside 10.0.0.12] fw2 [outside 192.0.2.12] ─┼ [192.0.2.10] server
//!                        └─ [inside 10.0.0.13] fw3 [outside 192.0.2.13] ─┘
//!                             192.168.100.1-3 [sync]
//! ```
//!
//! All three have the clients' gateway 10.0.0.1 and get every packet that is sent to it. There are
//! six shares, each with an address outside, 192.0.2.1 to 192.0.2.6, and each firewall has two. The
//! client has many addresses, so that every share has some of them. Inside, outside and the
//! dedicated link are switches in namespaces of their own.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use super::example::{self, multi_primary, replaced};
use super::power;
use crate::{
    Command, Conntrackd, Folder, Implementation, Keepalived, Namespace, PATIENCE, Program,
    Progress, Result, veth, wait_for,
};

/// How many firewalls there are.
pub const NODES: usize = 3;
/// How many shares there are.
pub const SHARES: usize = 6;
/// How many clients there are.
const CLIENTS: u8 = 32;
/// The echo server's port.
const PORT: u16 = 7;
/// `preempt_delay` of the example, and here: machines with little to do agree soon.
const PREEMPT_DELAY: [&str; 2] = ["preempt_delay 30", "preempt_delay 12"];
/// The priorities of the shares on each firewall, as the example has them in its table.
const PRIORITIES: [[u8; SHARES]; NODES] = [
    [150, 150, 50, 100, 100, 50],
    [100, 50, 150, 150, 50, 100],
    [50, 100, 100, 50, 150, 150],
];

/// The whole network.
#[derive(Debug)]
pub struct Cluster {
    /// The firewalls.
    pub nodes: Vec<ClusterNode>,
    /// All clients.
    pub client: Namespace,
    /// Beyond the firewalls.
    pub server: Namespace,
    switches: [Namespace; 3],
}

/// One of the firewalls.
#[derive(Debug)]
pub struct ClusterNode {
    /// Where it lives.
    pub namespace: Namespace,
    /// Its conntrackd, if it has power.
    pub conntrackd: Option<Conntrackd>,
    /// Its keepalived, if it has power.
    pub keepalived: Option<Keepalived>,
    /// 1, 2 or 3.
    number: u8,
    implementation: Implementation,
    replicates: bool,
    /// Its own `/etc/conntrackd` and `/run`.
    files: Folder,
}

impl Cluster {
    /// Makes the network, with all firewalls switched off. Without replication (the contrast) the
    /// shares move all the same.
    pub fn new(implementation: Implementation, replicates: bool) -> Result<Self> {
        let node = |number| ClusterNode::new(number, implementation, replicates);
        let cluster = Self {
            nodes: (1..).take(NODES).map(node).collect::<Result<_>>()?,
            client: Namespace::new("client")?,
            server: Namespace::new("server")?,
            switches: [
                Namespace::new("inside")?,
                Namespace::new("outside")?,
                Namespace::new("sync")?,
            ],
        };
        cluster.cable()?;
        Ok(cluster)
    }

    fn cable(&self) -> Result<()> {
        let [inside, outside, sync] = &self.switches;
        for switch in &self.switches {
            switch.bridge("switch")?;
        }
        let plug = |host: &Namespace, interface: &str, switch: &Namespace, port: &str| {
            veth(host, interface, switch, port)?;
            switch.plug(port, "switch")
        };
        plug(&self.client, "eth0", inside, "client")?;
        plug(&self.server, "eth0", outside, "server")?;
        for node in &self.nodes {
            let (namespace, label) = (&node.namespace, node.label());
            plug(namespace, "inside", inside, label)?;
            plug(namespace, "outside", outside, label)?;
            plug(namespace, "sync", sync, label)?;
            node.prepare()?;
        }
        for client in Self::clients() {
            self.client.address("eth0", &format!("{client}/24"))?;
        }
        self.client.route("default via 10.0.0.1")?;
        self.server.address("eth0", "192.0.2.10/24")
    }

    /// The addresses of the clients.
    pub fn clients() -> impl Iterator<Item = Ipv4Addr> {
        (20..20 + CLIENTS).map(|host| Ipv4Addr::new(10, 0, 0, host))
    }

    /// Where to start an echo server so that the clients reach it.
    pub fn server_address(&self) -> SocketAddr {
        (Ipv4Addr::new(192, 0, 2, 10), PORT).into()
    }

    /// Switches all firewalls on and waits until each has its two shares and no other.
    pub fn boot(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.boot()?;
        }
        self.wait_for_shares([&[1, 2], &[3, 4], &[5, 6]])
    }

    /// Waits until the firewalls let through these shares, each exactly its own.
    pub fn wait_for_shares(&self, shares: [&[usize]; NODES]) -> Result<()> {
        wait_for("the shares to have moved", PATIENCE, || {
            let powered = |node: &ClusterNode| match node.keepalived {
                Some(_) => node.shares(),
                None => Ok(BTreeSet::new()),
            };
            let now = self.nodes.iter().map(powered).collect::<Result<Vec<_>>>()?;
            let as_wanted = now
                .iter()
                .zip(shares)
                .all(|(now, wanted)| now.iter().eq(wanted));
            Ok(match as_wanted {
                true => Progress::Done(()),
                false => Progress::Waiting(format!("{now:?}, wanted {shares:?}")),
            })
        })
    }

    /// Waits until the kernels of all firewalls with power have at least so many of the flows that
    /// go to the server.
    pub fn wait_until_replicated(&self, flows: usize) -> Result<()> {
        wait_for("every kernel to have all flows", PATIENCE, || {
            let powered = self.nodes.iter().filter(|node| node.keepalived.is_some());
            let counts = powered
                .map(ClusterNode::flows)
                .collect::<Result<Vec<_>>>()?;
            Ok(match counts.iter().all(|count| *count >= flows) {
                true => Progress::Done(()),
                false => Progress::Waiting(format!("{counts:?} of {flows}")),
            })
        })
    }
}

impl ClusterNode {
    fn new(number: u8, implementation: Implementation, replicates: bool) -> Result<Self> {
        let label = format!("fw{number}");
        Ok(Self {
            namespace: Namespace::new(&label)?,
            conntrackd: None,
            keepalived: None,
            number,
            implementation,
            replicates,
            files: Folder::new(&format!("files-{label}"), false)?,
        })
    }

    /// `fw1`, `fw2` or `fw3`.
    pub fn label(&self) -> &str {
        self.namespace.label()
    }

    /// The shares that it lets through.
    pub fn shares(&self) -> Result<BTreeSet<usize>> {
        let set = self.namespace.run("nft list set ip cluster mine")?.stdout;
        let words = set.split([' ', ',', '\t', '\n']);
        let marks = words.filter_map(|word| word.strip_prefix("0x"));
        Ok(marks
            .filter_map(|mark| usize::from_str_radix(mark, 16).ok())
            .collect())
    }

    /// How many flows to the server its kernel has.
    pub fn flows(&self) -> Result<usize> {
        let command = Command::new(self.implementation.path(Program::Conntrack)?).args([
            "-L",
            "-d",
            "192.0.2.10",
        ]);
        Ok(self.namespace.run(command)?.stdout.lines().count())
    }

    /// What is set once: parameters and the group of the gateway; all links are down.
    fn prepare(&self) -> Result<()> {
        for line in example::SYSCTL.lines().chain(multi_primary::SYSCTL.lines()) {
            if let Some((name, value)) = line.split_once(" = ") {
                self.namespace.sysctl(name, value)?;
            }
        }
        self.namespace
            .run("ip maddress add 01:00:5e:00:01:01 dev inside")?;
        power::set_links(&self.namespace, "down")
    }

    /// Switches the firewall on: an empty kernel table, own addresses, rules, daemons.
    pub fn boot(&mut self) -> Result<()> {
        let conntrack = self.implementation.path(Program::Conntrack)?;
        self.namespace.run(Command::new(conntrack).arg("-F"))?;
        // What the script remembers does not survive a boot.
        let state = self.files.file("run");
        let _ = fs::remove_dir_all(&state);
        let state = state.display().to_string();
        let rules = replaced(multi_primary::NFTABLES, &[("/run/share", &state)])?;
        self.namespace.nft(&rules)?;
        let number = self.number;
        for (interface, addresses) in [
            (
                "inside",
                vec![format!("10.0.0.1{number}"), "10.0.0.1".into()],
            ),
            ("outside", vec![format!("192.0.2.1{number}")]),
            ("sync", vec![format!("192.168.100.{number}")]),
        ] {
            self.namespace
                .run(format!("ip address flush dev {interface}"))?;
            for address in addresses {
                self.namespace
                    .address(interface, &format!("{address}/24"))?;
            }
        }
        power::set_links(&self.namespace, "up")?;
        self.wait_for_carrier()?;
        if self.replicates {
            let own = format!("192.168.100.{number}");
            let config = replaced(multi_primary::CONNTRACKD, &[("192.168.100.1", &own)])?;
            let daemon = Conntrackd::start(&self.namespace, self.implementation, &config)?;
            self.conntrackd = Some(daemon);
        }
        let config = self.keepalived_conf()?;
        self.keepalived = Some(Keepalived::start(&self.namespace, &config)?);
        Ok(())
    }

    /// Kills conntrackd, starts it again and has it learn which flows are its own, as the README of
    /// the examples says.
    pub fn restart_daemon(&mut self) -> Result<()> {
        if let Some(daemon) = &mut self.conntrackd {
            daemon.restart(&self.namespace)?;
        }
        let script = self.files.file("share.sh");
        let command = Command::new("/bin/sh").arg(script).arg("learn");
        self.namespace.run(command).map(drop)
    }

    /// Stops keepalived as its service does: it calls the script a last time for each share, and
    /// hands them over.
    pub fn stop_keepalived(&mut self) -> Result<()> {
        let Some(keepalived) = self.keepalived.take() else {
            return Ok(());
        };
        keepalived.process().terminate(PATIENCE).map(drop)
    }

    /// Cuts the power: links down, daemons gone without a word. Returns when that was.
    pub fn cut_power(&mut self) -> Result<Instant> {
        power::cut(&self.namespace, &mut self.keepalived, &mut self.conntrackd)
    }

    /// As an operator's machine waits for its network before it starts its daemons.
    fn wait_for_carrier(&self) -> Result<()> {
        wait_for("the dedicated link", PATIENCE, || {
            let link = self.namespace.run("ip -oneline link show sync")?.stdout;
            Ok(match link.contains("state UP") {
                true => Progress::Done(()),
                false => Progress::Waiting(link),
            })
        })
    }

    fn keepalived_conf(&self) -> Result<String> {
        let [example, here] = PREEMPT_DELAY;
        let mut config = replaced(multi_primary::KEEPALIVED, &[(example, here)])?;
        let priorities = |node: usize| PRIORITIES.get(node).into_iter().flatten();
        let own = priorities(usize::from(self.number) - 1);
        for (share, (first, own)) in (1..).zip(priorities(0).zip(own)) {
            let old = format!("priority {first} # share {share}\n");
            config = replaced(&config, &[(&old, &format!("priority {own}\n"))])?;
        }
        replaced(&config, &[("/etc/conntrackd/share.sh", &self.script()?)])
    }

    /// The notify script with this firewall's paths; returns how it is called.
    fn script(&self) -> Result<String> {
        let daemon = self.implementation.path(Program::Conntrackd)?;
        // Ours in any case: Debian's `-U` ends in the middle of some hundred flows.
        let conntrack = Implementation::Ours.path(Program::Conntrack)?;
        let config = match &self.conntrackd {
            Some(daemon) => daemon.config().display().to_string(),
            None => "/dev/null".into(),
        };
        let script = replaced(
            multi_primary::SHARE,
            &[
                ("/usr/sbin/conntrackd", &daemon.display().to_string()),
                (
                    "=/usr/sbin/conntrack\n",
                    &format!("={}\n", conntrack.display()),
                ),
                ("/etc/conntrackd/conntrackd.conf", &config),
                ("/run/share", &self.files.file("run").display().to_string()),
            ],
        )?;
        let script = self.files.write("share.sh", &script)?;
        Ok(format!("/bin/sh {}", script.display()))
    }
}
