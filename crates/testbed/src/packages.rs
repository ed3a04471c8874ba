//! Debian packages that a test or the demo needs.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Command, Error, Result};

/// A file that tells whether a package is there, and the package.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/keepalived", "keepalived"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/conntrackd", "conntrackd"),
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
    // A package that starts its daemon would change this host: policy-rc.d forbids it as far as
    // the init system of a container or test machine asks for permission at all.
    Command::new("apt-get")
        .args(["--quiet", "--quiet"])
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .timeout(std::time::Duration::from_secs(300))
        .run()
        .map(drop)
}
