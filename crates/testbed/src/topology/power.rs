//! The power of a firewall: what goes on and off with it.
//!
//! A machine without power says nothing to anybody. So its daemons are killed, with the scripts that
//! they have started, and all of its links go down at once.

use std::time::Instant;

use crate::{Command, Conntrackd, Keepalived, Namespace, Result, sweep};

/// The interfaces of every firewall.
const LINKS: [&str; 3] = ["inside", "outside", "sync"];

/// Sets all links `up` or `down`.
pub(super) fn set_links(namespace: &Namespace, state: &str) -> Result<()> {
    // One process for all of them: a power cut is sudden.
    let batch = LINKS.map(|link| format!("link set {link} {state}\n"));
    let command = Command::from("ip -batch -").stdin(batch.concat());
    namespace.run(command).map(drop)
}

/// Cuts the power. Returns when that began.
pub(super) fn cut(
    namespace: &Namespace,
    keepalived: &mut Option<Keepalived>,
    conntrackd: &mut Option<Conntrackd>,
) -> Result<Instant> {
    // keepalived first: when one link goes down before the other, it says goodbye on that.
    if let Some(keepalived) = keepalived.take() {
        keepalived.kill();
    }
    let moment = Instant::now();
    set_links(namespace, "down")?;
    if let Some(conntrackd) = conntrackd.take() {
        conntrackd.kill();
    }
    // Scripts of keepalived lead groups of their own.
    sweep::kill_inhabitants(namespace.name());
    Ok(moment)
}
