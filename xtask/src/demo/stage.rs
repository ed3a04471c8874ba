//! What must be there before the curtain rises: rights, programs, packages, traffic.
//!
//! The curtain may rise when the backup knows every flow of the primary; that is asked for, not
//! hoped for.

use std::time::{Duration, Instant};

use testbed::{
    Conntrackd, Error, FailoverPair, Implementation, Progress, Result, Spray, ensure_packages,
    wait_for,
};

use super::act::{HELD, Traffic};
use super::options::Options;
use super::screen::{Screen, Tone, grouped};
use crate::prepare;

/// How long the firewalls may take to agree.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(120);
/// Synthetic flows that the primary's daemon may be behind its kernel.
const BEHIND_MAX: u64 = 5_000;

/// Builds or installs everything that is missing.
pub fn programs(screen: Screen, daemon: Implementation) -> Result<()> {
    if !testbed::is_root() {
        let remedy = "network namespaces need it: run the demo as root".into();
        return Err(Error::Missing {
            what: "the right to make networks".into(),
            remedy,
        });
    }
    let say = |text: &str| {
        // The line is for an impatient audience only.
        let _ = screen.note(Tone::Plain, text);
    };
    let mut packages = vec!["iproute2", "nftables", "keepalived"];
    match daemon {
        Implementation::Stock => packages.extend(["conntrack", "conntrackd"]),
        Implementation::Ours => prepare::release_programs(say)?,
    }
    ensure_packages(&packages, say).map(drop)
}

/// Sets the traffic going and waits until the backup knows all of it.
pub fn traffic(screen: Screen, pair: &FailoverPair, options: Options) -> Result<Traffic> {
    let whose = options.daemon;
    screen.note(
        Tone::Plain,
        "client --- fw1 | fw2 --- server; the firewalls translate addresses",
    )?;
    screen.note(
        Tone::Plain,
        &format!("keepalived and conntrackd ({whose}) run on both firewalls"),
    )?;
    let traffic = Traffic::start(pair)?;
    let held = grouped(HELD);
    screen.note(
        Tone::Plain,
        &format!("one connection talks without pause, {held} are held open"),
    )?;
    if options.flows > 0 {
        let start = Instant::now();
        add_flows(pair, options.flows)?;
        let (flows, seconds) = (grouped(options.flows), start.elapsed().as_secs_f64());
        let text = format!("{flows} synthetic flows added in {seconds:.1} s");
        screen.note(Tone::Plain, &text)?;
    }
    let flows = wait_until_replicated(pair, 0, options.flows)?;
    let text = format!(
        "fw1 is primary with {} flows; fw2 knows all of them",
        grouped(flows)
    );
    screen.note(Tone::Good, &text)?;
    Ok(traffic)
}

/// Sends the synthetic flows through the primary, never faster than its daemon reads.
fn add_flows(pair: &FailoverPair, flows: u32) -> Result<()> {
    pair.server
        .route(&format!("blackhole {}", Spray::NETWORK))?;
    for firewall in &pair.firewalls {
        // They must outlive the demo, although nobody answers.
        firewall
            .namespace
            .sysctl("net.netfilter.nf_conntrack_udp_timeout", 3600)?;
    }
    let primary = daemon(pair, 0)?;
    let mut spray = Spray::new(&pair.client);
    let mut sent = 0;
    while sent < flows {
        sent = spray.more(flows - sent)?;
        if sent % 10_000 == 0 {
            wait_for(
                "the primary to read its kernel's events",
                REPLICATION_TIMEOUT,
                || {
                    let known = primary.statistics()?.internal.active;
                    let behind = u64::from(sent).saturating_sub(known);
                    Ok(match behind < BEHIND_MAX {
                        true => Progress::Done(()),
                        false => Progress::Waiting(format!("{known} of {sent} flows known")),
                    })
                },
            )?;
        }
    }
    Ok(())
}

/// Waits until the backup knows every flow of the primary; returns how many.
pub fn wait_until_replicated(pair: &FailoverPair, primary: usize, flows: u32) -> Result<u64> {
    let (own, peer) = (daemon(pair, primary)?, daemon(pair, 1 - primary)?);
    let least = u64::from(flows) + u64::try_from(HELD).unwrap_or_default() + 1;
    wait_for("the backup to know all flows", REPLICATION_TIMEOUT, || {
        let known = own.statistics()?.internal.active;
        let replicated = peer.statistics()?.external.active;
        Ok(match replicated == known && known >= least {
            true => Progress::Done(known),
            false => Progress::Waiting(format!("{replicated} of {known}, at least {least}")),
        })
    })
}

pub fn daemon(pair: &FailoverPair, firewall: usize) -> Result<&Conntrackd> {
    let daemon = pair
        .firewalls
        .get(firewall)
        .and_then(|firewall| firewall.conntrackd.as_ref());
    daemon.ok_or_else(|| Error::Unexpected("a firewall has no conntrackd".into()))
}
