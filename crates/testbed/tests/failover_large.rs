//! A failover with a table so large that the commit takes its time, while servers go on talking.
//!
//! Their packets reach a firewall that holds the shared addresses and does not know the
//! connections yet. The fence of the example has to drop them; without it the firewall's own TCP
//! resets connections, which the last test shows.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testbed::{
    Downloads, FailoverPair, Firewall, Implementation, PATIENCE, Plan, Progress, Result, Rules,
    TableLimit, Tally, wait_for, wait_until,
};

/// Flows beside them. For more there is `cargo xtask demo --flows 600,000`.
const FLOWS: u32 = 120_000;
/// Connections on which the server talks.
const DOWNLOADS: usize = 500;
/// Between two words on each of them.
const PAUSE: Duration = Duration::from_millis(100);

/// Hundreds of thousands of flows in two tables: one pair of firewalls at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn no_connection_is_reset_while_our_conntrackd_commits() -> Result<()> {
    no_connection_is_reset(Implementation::Ours)
}

#[test]
fn no_connection_is_reset_while_stocks_conntrackd_commits() -> Result<()> {
    no_connection_is_reset(Implementation::Stock)
}

fn no_connection_is_reset(implementation: Implementation) -> Result<()> {
    let (tally, fenced_off) = fail_over(Plan::new(implementation), FLOWS)?;
    assert!(tally.is_all(), "{tally:?}, {fenced_off} packets fenced off");
    Ok(())
}

/// The check above can fail: here the firewall answers what it does not know.
#[test]
fn without_the_fence_connections_are_reset() -> Result<()> {
    let plan = Plan {
        rules: Rules::Open,
        ..Plan::new(Implementation::Stock)
    };
    let (tally, _) = fail_over(plan, FLOWS)?;
    assert!(tally.reset > 0, "{tally:?}");
    Ok(())
}

/// Lets the primary die with so many flows in its table. Returns what became of the downloads,
/// and how many packets the new primary dropped because no flow explained them.
fn fail_over(plan: Plan, flows: u32) -> Result<(Tally, u64)> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = TableLimit::make_room(flows, |_| {})?;
    let mut pair = FailoverPair::build(plan)?;
    pair.boot()?;
    let [fw1, _] = &pair.firewalls;
    wait_until("the end of the first commit", PATIENCE, || fw1.is_open(1))?;
    let address = pair.server_address();
    pair.fill(flows)?;
    // After the others: our daemon commits the oldest flows first.
    let downloads = Downloads::start(&pair.client, &pair.server, address, DOWNLOADS, PAUSE)?;
    pair.wait_until_replicated(0, u64::from(flows) + 1)?;
    // However fast the commit is: it does not begin before a packet has come that its flow would
    // have explained.
    pair.daemon(1)?.process().signal(Signal::STOP);
    pair.firewalls[0].cut_power()?;
    let [_, fw2] = &pair.firewalls;
    fw2.wait_until_primary()?;
    let promoted = Instant::now();
    wait_for("a packet before its flow", PATIENCE, || {
        let (fenced_off, tally) = (fenced_off(fw2)?, downloads.since(promoted));
        Ok(match fenced_off > 0 || tally.reset > 0 {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{tally:?}")),
        })
    })?;
    pair.daemon(1)?.process().signal(Signal::CONT);
    wait_until("the end of the commit", PATIENCE, || fw2.is_open(1))?;
    let committed = Instant::now();
    let tally = wait_for("every download to go on or to end", PATIENCE, || {
        let tally = downloads.since(committed);
        let decided = tally.running + tally.reset + tally.ended == tally.total;
        Ok(match decided {
            true => Progress::Done(tally),
            false => Progress::Waiting(format!("{tally:?}")),
        })
    })?;
    Ok((tally, fenced_off(fw2)?))
}

/// What the counters of the rules against unexplained packets to the firewall itself show.
fn fenced_off(firewall: &Firewall) -> Result<u64> {
    let chain = firewall
        .namespace
        .run("nft list chain inet firewall input")
        .map(|output| output.stdout)
        .unwrap_or_default();
    let packets = |line: &str| -> Option<u64> {
        let words = line.split("packets ").nth(1)?;
        words.split(' ').next()?.parse().ok()
    };
    let invalid = chain
        .lines()
        .filter(|line| line.contains("ct state invalid"));
    Ok(invalid.filter_map(packets).sum())
}
