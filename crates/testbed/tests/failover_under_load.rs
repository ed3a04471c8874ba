//! The primary dies under load, comes back, and is needed again.
//!
//! While thousands of new flows per second pass, power fails at one firewall, which returns as
//! backup with an empty table, learns what there is, and takes over when power fails at the other
//! one. Everything goes on: connections that were held all the time, those that never stop
//! talking, and visitors who connect while it happens.

#![expect(
    clippy::print_stdout,
    reason = "what was lost and how long it took is worth knowing"
)]

#[path = "rolling_upgrade/traffic.rs"]
mod traffic;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testbed::Implementation::Ours;
use testbed::{
    Error, FailoverPair, Firewall, FlowLine, Mode, PATIENCE, Plan, Progress, Result, Spray,
    Transport, wait_for, wait_until,
};
use traffic::{HELD, Traffic};

/// New flows per turn of the load, and the pause after it.
const LOAD: u32 = 40;
const PAUSE: Duration = Duration::from_millis(40);

#[test]
fn the_old_primary_returns_under_load() -> Result<()> {
    let mut pair = FailoverPair::build(Plan::new(Ours))?;
    under_load(&mut pair)
}

#[test]
fn the_old_primary_returns_under_load_without_acknowledgements() -> Result<()> {
    let mut pair = FailoverPair::build(Plan {
        mode: Mode::Notrack,
        transport: Transport::Multicast,
        ..Plan::new(Ours)
    })?;
    under_load(&mut pair)
}

fn under_load(pair: &mut FailoverPair) -> Result<()> {
    pair.boot()?;
    pair.server
        .route(&format!("blackhole {}", Spray::NETWORK))?;
    let mut traffic = Traffic::start(pair)?;
    let (client, firewalls) = (&pair.client, &mut pair.firewalls);
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(move || -> Result<()> {
            let mut spray = Spray::new(client);
            while !stop.load(Ordering::Relaxed) {
                spray.more(LOAD)?;
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        let done = [0, 1, 0]
            .into_iter()
            .try_for_each(|dying| fail(firewalls, dying, &mut traffic));
        stop.store(true, Ordering::Relaxed);
        done.and(load.join().unwrap_or(Ok(())))
    })
}

/// Cuts the power of the primary, looks at everything, and lets it return as backup.
fn fail(firewalls: &mut [Firewall; 2], dying: usize, traffic: &mut Traffic) -> Result<()> {
    let heir = 1 - dying;
    wait_until_known(&firewalls[dying], &firewalls[heir])?;
    let moment = firewalls[dying].cut_power()?;
    let power_cut = moment..Instant::now();
    firewalls[heir].wait_until_primary()?;
    wait_until("the end of the commit", PATIENCE, || {
        firewalls[heir].is_open(1)
    })?;
    let story = traffic.check(moment, Some(power_cut))?;
    let [from, to] = [dying, heir].map(|which| firewalls[which].label().to_owned());
    println!("  {from} loses its power, {to} takes over: {story}");
    let flows = firewalls[heir].namespace.flow_count()?;
    wait_for("the load to go on", PATIENCE, || {
        let now = firewalls[heir].namespace.flow_count()?;
        Ok(match now > flows + 100 {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{flows} flows, then {now}")),
        })
    })?;
    firewalls[dying].boot()?;
    firewalls[dying].wait_until_backup()?;
    let known = wait_until_known(&firewalls[heir], &firewalls[dying])?;
    println!("  {from} is back and knows all of {known} connections");
    Ok(())
}

/// Waits until the backup knows each connection that the primary knows; how many these are.
fn wait_until_known(primary: &Firewall, backup: &Firewall) -> Result<usize> {
    let daemon = |firewall: &Firewall, request| -> Result<BTreeSet<String>> {
        let conntrackd = firewall.conntrackd.as_ref();
        let missing = || Error::Unexpected(format!("{} has no conntrackd", firewall.label()));
        let listing = conntrackd.ok_or_else(missing)?.client(request)?.stdout;
        let connections = listing
            .lines()
            .filter(|line| line.contains(" ESTABLISHED "));
        let lines = connections.filter_map(FlowLine::parse);
        Ok(lines.map(|line| line.identity()).collect())
    };
    wait_for("the backup to know all connections", PATIENCE, || {
        // In this order: what the primary knew a moment ago the backup has to know now.
        let (own, theirs) = (daemon(primary, "-i")?, daemon(backup, "-e")?);
        let missing = own.difference(&theirs).count();
        Ok(match own.len() > HELD && missing == 0 {
            true => Progress::Done(own.len()),
            false => Progress::Waiting(format!("{missing} of {} are missing", own.len())),
        })
    })
}
