//! One of the two firewalls of a [`FailoverPair`](super::FailoverPair): what it runs, how it is
//! switched on, and how it dies.
//!
//! It has files of its own where a machine has `/etc/conntrackd` and `/run`; the latter are gone
//! after a boot, as on a machine.

use std::fs;
use std::time::Instant;

use super::example::{self, active_active, active_backup, replaced};
use super::plan::{Plan, Replication, Roles, Rules};
use super::power;
use crate::{
    Command, Conntrackd, Error, Folder, Implementation, Keepalived, Mode, Namespace, PATIENCE,
    Program, Progress, Result, wait_for,
};

/// `preempt_delay` of the example.
const PREEMPT_DELAY: &str = "preempt_delay 30";
/// The shared addresses of each group, inside and outside.
const SHARED: [[&str; 2]; 2] = [["10.0.0.1", "192.0.2.1"], ["10.0.0.129", "192.0.2.129"]];

/// A firewall as many have it: translation, and nothing that heeds a failover. The chain that the
/// script raises and lowers is there, and nothing leads to it.
const OPEN_RULES: &str = "flush ruleset
table inet firewall {
	chain fence_1 { counter drop; }
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
		iifname outside drop
	}
}
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname outside ip saddr 10.0.0.0/24 snat to 192.0.2.1
	}
}
";

/// One firewall.
#[derive(Debug)]
pub struct Firewall {
    /// Where it lives.
    pub namespace: Namespace,
    /// Its conntrackd, if it has one and has power.
    pub conntrackd: Option<Conntrackd>,
    /// Its keepalived, if it has power.
    pub keepalived: Option<Keepalived>,
    /// Whose programs it runs from its next boot on.
    pub implementation: Implementation,
    /// 1 or 2.
    number: u8,
    plan: Plan,
    /// Its own `/etc/conntrackd` and `/run`.
    files: Folder,
}

impl Firewall {
    /// Makes number 1 or 2, without power.
    pub(super) fn new(number: u8, plan: Plan) -> Result<Self> {
        let namespace = plan.namespace(&format!("fw{number}"))?;
        let files = Folder::new(&format!("files-fw{number}"), plan.keepable)?;
        Ok(Self {
            namespace,
            conntrackd: None,
            keepalived: None,
            implementation: plan.daemon,
            number,
            plan,
            files,
        })
    }

    /// `fw1` or `fw2`.
    pub fn label(&self) -> &str {
        self.namespace.label()
    }

    /// What is set once: parameters and routes; all links are down.
    pub(super) fn prepare(&self) -> Result<()> {
        for line in example::SYSCTL.lines() {
            if let Some((name, value)) = line.split_once(" = ") {
                self.namespace.sysctl(name, value)?;
            }
        }
        if self.plan.rules == Rules::Open {
            self.namespace
                .sysctl("net.netfilter.nf_conntrack_tcp_loose", 1)?;
        }
        power::set_links(&self.namespace, "down")
    }

    /// Switches the firewall on: an empty kernel table, own addresses, rules, daemons.
    pub fn boot(&mut self) -> Result<()> {
        let conntrack = self.implementation.path(Program::Conntrack)?;
        self.namespace.run(Command::new(conntrack).arg("-F"))?;
        // What the script remembers does not survive a boot.
        let _ = fs::remove_dir_all(self.files.file("run"));
        self.load_rules()?;
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
        power::set_links(&self.namespace, "up")?;
        // Beyond the server there is the rest of the world.
        self.namespace
            .run("ip route replace default via 192.0.2.10")?;
        if self.plan.replication == Replication::On {
            self.start_conntrackd()?;
        } else {
            // Nothing to wait for, and no script that takes the fence down.
            self.namespace.nft("flush chain inet firewall fence_1")?;
        }
        self.start_keepalived()
    }

    /// Replaces conntrackd by another implementation's, with the same configuration: what the
    /// installation of a package does. Everything else goes on, keepalived and traffic too.
    pub fn replace(&mut self, implementation: Implementation) -> Result<()> {
        if let Some(old) = self.conntrackd.take() {
            old.process().terminate(PATIENCE)?;
        }
        self.implementation = implementation;
        self.start_conntrackd()?;
        // keepalived goes on with the script at the same path.
        self.keepalived_conf().map(drop)
    }

    /// Starts keepalived: the firewall becomes backup, or primary if there is none.
    pub fn start_keepalived(&mut self) -> Result<()> {
        let config = self.keepalived_conf()?;
        self.keepalived = Some(Keepalived::start(&self.namespace, &config)?);
        Ok(())
    }

    /// Stops keepalived as its service does: it calls the script a last time and hands the shared
    /// addresses over. Returns when that was.
    pub fn stop_keepalived(&mut self) -> Result<Instant> {
        let moment = Instant::now();
        if let Some(keepalived) = self.keepalived.take() {
            keepalived.process().terminate(PATIENCE)?;
        }
        Ok(moment)
    }

    fn start_conntrackd(&mut self) -> Result<()> {
        let config = example::conntrackd(self.plan.mode, self.plan.transport, self.number)?;
        let daemon = Conntrackd::start(&self.namespace, self.implementation, &config)?;
        self.conntrackd = Some(daemon);
        Ok(())
    }

    /// Loads the packet filter's rules, as the boot does and whoever has changed them.
    pub fn load_rules(&self) -> Result<()> {
        let rules = match (self.plan.rules, self.plan.roles) {
            (Rules::Open, _) => return self.namespace.nft(OPEN_RULES),
            (Rules::Fenced, Roles::ActiveBackup) => active_backup::NFTABLES,
            (Rules::Fenced, Roles::ActiveActive) => active_active::NFTABLES,
        };
        let state = self.files.file("run").display().to_string();
        self.namespace
            .nft(&replaced(rules, &[("/run/primary-backup", &state)])?)
    }

    /// Cuts the power: links down, daemons gone without a word. Returns when that was.
    pub fn cut_power(&mut self) -> Result<Instant> {
        power::cut(&self.namespace, &mut self.keepalived, &mut self.conntrackd)
    }

    /// Whether it holds the shared addresses of the first group.
    pub fn is_primary(&self) -> Result<bool> {
        self.is_primary_of(1)
    }

    /// Whether it holds the shared addresses of group 1 or 2.
    pub fn is_primary_of(&self, group: usize) -> Result<bool> {
        let addresses = self.namespace.run("ip -oneline -4 address show")?.stdout;
        let shared = SHARED.get(group.wrapping_sub(1)).into_iter().flatten();
        Ok(shared
            .map(|address| format!(" {address}/24 "))
            .all(|address| addresses.contains(&address)))
    }

    /// Whether the fence of this group is down: conntrackd has committed, says the script.
    pub fn is_open(&self, group: usize) -> bool {
        let command = format!("nft list chain inet firewall fence_{group}");
        let chain = self.namespace.run(command);
        chain.is_ok_and(|chain| !chain.stdout.contains("drop"))
    }

    /// Waits until it holds the shared addresses of the first group.
    pub fn wait_until_primary(&self) -> Result<()> {
        self.wait_until_primary_of(1)
    }

    /// Waits until it holds the shared addresses of a group.
    pub fn wait_until_primary_of(&self, group: usize) -> Result<()> {
        let what = format!("{} to become primary of group {group}", self.label());
        wait_for(&what, PATIENCE, || {
            Ok(match self.is_primary_of(group)? {
                true => Progress::Done(()),
                false => Progress::Waiting("not primary".into()),
            })
        })
    }

    /// Waits until keepalived has settled as backup.
    pub fn wait_until_backup(&self) -> Result<()> {
        let Some(keepalived) = &self.keepalived else {
            return Err(Error::Unexpected(format!("{} has no power", self.label())));
        };
        // Once for each side, before it is passed on to the whole group.
        keepalived
            .process()
            .wait_for_line("Entering BACKUP STATE", PATIENCE)
    }

    /// Leaves it behind as it is.
    pub(super) fn keep(self) {
        let Self {
            namespace,
            conntrackd,
            keepalived,
            files,
            ..
        } = self;
        // Processes and folders in a keepable namespace survive their values.
        drop((conntrackd, keepalived, files));
        namespace.keep();
    }

    fn keepalived_conf(&self) -> Result<String> {
        let config = match self.plan.roles {
            Roles::ActiveBackup => self.prefer(active_backup::KEEPALIVED, "priority 100")?,
            Roles::ActiveActive => {
                // Machines with little to do agree soon, except in ALARM mode: RefreshTime.
                let here = match self.plan.mode {
                    Mode::Ftfw | Mode::Notrack => "preempt_delay 12",
                    Mode::Alarm => "preempt_delay 20",
                };
                let config = replaced(active_active::KEEPALIVED, &[(PREEMPT_DELAY, here)])?;
                self.prefer(&config, "PRIORITY")?
            }
        };
        let Some(conntrackd) = &self.conntrackd else {
            let is_other = |line: &&str| !line.trim_start().starts_with("notify_");
            let lines = config.lines().filter(is_other);
            return Ok(lines.map(|line| format!("{line}\n")).collect());
        };
        let script = self.script(conntrackd)?;
        replaced(&config, &[("/etc/conntrackd/primary-backup.sh", &script)])
    }

    /// The priorities of this firewall. On the second one 150 becomes `instead`, where `PRIORITY`
    /// stands for the exchange of the two.
    fn prefer(&self, config: &str, instead: &str) -> Result<String> {
        match (self.number, instead) {
            (1, _) => Ok(config.to_owned()),
            (_, "PRIORITY") => replaced(
                config,
                &[
                    ("priority 150", "PRIORITY"),
                    ("priority 100", "priority 150"),
                    ("PRIORITY", "priority 100"),
                ],
            ),
            _ => replaced(config, &[("priority 150", instead)]),
        }
    }

    /// The notify script with this firewall's paths; returns how it is called.
    fn script(&self, conntrackd: &Conntrackd) -> Result<String> {
        let path = |program| -> Result<String> {
            Ok(self.implementation.path(program)?.display().to_string())
        };
        let groups = self.files.file("groups");
        if self.plan.roles == Roles::ActiveActive {
            self.files.write("groups", active_active::GROUPS)?;
        }
        let script = replaced(
            example::PRIMARY_BACKUP,
            &[
                ("/usr/sbin/conntrackd", &path(Program::Conntrackd)?),
                (
                    "=/usr/sbin/conntrack\n",
                    &format!("={}\n", path(Program::Conntrack)?),
                ),
                (
                    "/etc/conntrackd/conntrackd.conf",
                    &conntrackd.config().display().to_string(),
                ),
                (
                    "/var/lock/conntrackd.lock",
                    &conntrackd.lock().display().to_string(),
                ),
                ("/etc/conntrackd/groups", &groups.display().to_string()),
                (
                    "/run/primary-backup",
                    &self.files.file("run").display().to_string(),
                ),
            ],
        )?;
        let script = self.files.write("primary-backup.sh", &script)?;
        Ok(format!("/bin/sh {}", script.display()))
    }
}
