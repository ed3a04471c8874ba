//! What is looked up on the machine for a check: settings of the kernel, interfaces, addresses,
//! folders, users. Only what the configuration names is looked at, and nothing is changed.
//!
//! It is plain data, so that the check itself is a function and its tests need no machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::config::{Config, Links, Operation};

/// The settings that matter, by their names for sysctl(8).
pub const SETTINGS: [&str; 8] = [
    MAX,
    EVENTS,
    ACCT,
    LOOSE,
    LIBERAL,
    RMEM_MAX,
    RMEM_DEFAULT,
    WMEM_DEFAULT,
];

/// Most flows of the kernel's table.
pub const MAX: &str = "net.netfilter.nf_conntrack_max";
/// Whether the kernel tells of its flows.
pub const EVENTS: &str = "net.netfilter.nf_conntrack_events";
/// Whether it counts their packets.
pub const ACCT: &str = "net.netfilter.nf_conntrack_acct";
/// Whether it takes up connections of TCP in their middle.
pub const LOOSE: &str = "net.netfilter.nf_conntrack_tcp_loose";
/// Whether it accepts segments outside of the window.
pub const LIBERAL: &str = "net.netfilter.nf_conntrack_tcp_be_liberal";
/// Largest receive buffer that any program gets.
pub const RMEM_MAX: &str = "net.core.rmem_max";
/// Receive buffer of who does not ask.
pub const RMEM_DEFAULT: &str = "net.core.rmem_default";
/// Send buffer of who does not ask.
pub const WMEM_DEFAULT: &str = "net.core.wmem_default";

/// What a check needs to know of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Settings that can be read.
    pub settings: BTreeMap<&'static str, u64>,
    /// Interfaces of the configuration that exist, and whether they are up.
    pub interfaces: BTreeMap<String, bool>,
    /// Addresses of the configuration that belong to this machine.
    pub addresses: BTreeSet<IpAddr>,
    /// Folders of the configuration's files that exist.
    pub folders: BTreeSet<PathBuf>,
    /// Whether the user of the configuration exists.
    pub has_user: bool,
}

impl Machine {
    /// Looks up what this configuration needs.
    pub fn look(config: &Config) -> Self {
        let read = |name: &'static str| Some((name, setting(name)?));
        let find = |name: &str| {
            let found = linux::interface::find(name).ok()?;
            Some((name.to_owned(), found.is_up))
        };
        let folders = config
            .files()
            .into_iter()
            .filter_map(|(_, path)| path.parent());
        Self {
            settings: SETTINGS.into_iter().filter_map(read).collect(),
            interfaces: config.interfaces().into_iter().filter_map(find).collect(),
            addresses: addresses(config)
                .into_iter()
                .filter(|(addr, interface)| is_ours(*addr, interface))
                .map(|(addr, _)| addr)
                .collect(),
            folders: folders
                .filter(|path| path.is_dir())
                .map(Path::to_owned)
                .collect(),
            has_user: config.general.user.as_deref().is_some_and(is_user),
        }
    }

    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<u64> {
        self.settings.get(name).copied()
    }
}

fn setting(name: &str) -> Option<u64> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The addresses of the links, with their interfaces.
fn addresses(config: &Config) -> Vec<(IpAddr, &str)> {
    let Operation::Sync(sync) = &config.operation else {
        return Vec::new();
    };
    match &sync.links {
        Links::Udp(links) | Links::Tcp { links, .. } => links
            .all
            .iter()
            .flat_map(|link| [link.local, link.peer].map(|addr| (addr, link.interface.as_str())))
            .collect(),
        Links::Multicast(links) => links
            .all
            .iter()
            .filter_map(|link| Some((link.interface_addr?, link.interface.as_str())))
            .collect(),
    }
}

/// Whether an address is one of this machine, or stands for all of them.
fn is_ours(addr: IpAddr, interface: &str) -> bool {
    let index = linux::interface::find(interface).map_or(0, |found| found.index);
    // Other addresses are found whatever link they are on.
    let is_on_link = matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
    let index = if is_on_link { index } else { 0 };
    addr.is_unspecified() || linux::route::is_local(addr, index).unwrap_or(false)
}

fn is_user(name: &str) -> bool {
    matches!(linux::process::User::find(name), Ok(Some(_)))
}
