//! Debian packages that a test or the demo needs.
//!
//! They are installed with apt-get when the file that matters is missing, and only then, so that
//! a prepared machine needs no network. A package must not start its daemon on the host.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::{Command, Error, Result};

/// A file that tells whether a package is there, and the package.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/keepalived", "keepalived"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/conntrackd", "conntrackd"),
    ("/usr/bin/strace", "strace"),
    ("/usr/bin/tnftp", "tnftp"),
    ("/usr/sbin/vsftpd", "vsftpd"),
    ("/usr/bin/time", "time"),
    ("/usr/bin/zsh", "zsh"),
    ("/usr/bin/fish", "fish"),
];

/// Installs those of the packages that are missing, and returns their names. `say` gets one line
/// before that happens and nothing if nothing is missing.
pub fn ensure_packages(packages: &[&str], say: impl FnOnce(&str)) -> Result<Vec<String>> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(vec![]);
    }
    say(&format!("installing {} (apt-get)", missing.join(", ")));
    install(&missing).or_else(|_| {
        // The lists of a fresh machine are old or absent.
        apt(["update"].map(String::from).into()).and_then(|()| install(&missing))
    })?;
    Ok(missing)
}

fn missing(packages: &[&str]) -> Result<Vec<String>> {
    let mut missing = BTreeSet::new();
    for package in packages {
        let Some((file, _)) = PACKAGES.iter().find(|(_, name)| name == package) else {
            return Err(Error::Unexpected(format!(
                "no package `{package}` is known here"
            )));
        };
        if !Path::new(file).exists() {
            missing.insert((*package).to_owned());
        }
    }
    Ok(missing.into_iter().collect())
}

fn install(packages: &[String]) -> Result<()> {
    let words = ["install", "--yes", "--no-install-recommends"].map(String::from);
    apt(words.into_iter().chain(packages.iter().cloned()).collect())
}

fn apt(words: Vec<String>) -> Result<()> {
    let _guard = NoDaemons::new()?;
    Command::new("apt-get")
        .args(["--quiet", "--quiet"])
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .timeout(Duration::from_secs(300))
        .run()
        .map(drop)
}

/// While it lives, packages do not start their daemons: the programs are wanted in namespaces,
/// not on this host. Debian's maintainer scripts ask this file for permission.
struct NoDaemons {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoDaemons {
    fn new() -> Result<Self> {
        // Somebody else's policy stays.
        let ours = !Path::new(POLICY).exists();
        if ours {
            fs::write(POLICY, "#!/bin/sh\nexit 101\n")
                .and_then(|()| fs::set_permissions(POLICY, Permissions::from_mode(0o755)))
                .map_err(Error::io(POLICY))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}
