//! Two firewalls, each primary for a group of clients: one dies, comes back and takes its group
//! back, then the other one dies. Nobody's connections break, in either group.
//!
//! Configuration, rules and script are those of `examples/active-active`, with real keepalived.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use testbed::{
    EchoServer, FailoverPair, HeldConnections, Implementation, Mode, PATIENCE, Plan, Progress,
    Result, Roles, SteadyTalker, Transport, wait_for, wait_until,
};

/// Connections held open in each group, beside a steady one.
const HELD: usize = 100;

/// keepalived counts tenths of seconds: one pair of firewalls at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn both_groups_survive_with_our_conntrackd() -> Result<()> {
    both_groups_survive(Plan::new(Implementation::Ours))
}

#[test]
fn both_groups_survive_with_stocks_conntrackd() -> Result<()> {
    both_groups_survive(Plan::new(Implementation::Stock))
}

#[test]
fn both_groups_survive_with_stocks_conntrackd_in_notrack_mode() -> Result<()> {
    both_groups_survive(Plan {
        mode: Mode::Notrack,
        transport: Transport::Multicast,
        ..Plan::new(Implementation::Stock)
    })
}

fn both_groups_survive(plan: Plan) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(Plan {
        roles: Roles::ActiveActive,
        ..plan
    })?;
    pair.boot()?;
    wait_until_open(&pair, 0, 1)?;
    wait_until_open(&pair, 1, 2)?;
    let mut traffic = Traffic::start(&pair)?;

    wait_until_known(&pair, 0)?;
    pair.firewalls[1].cut_power()?;
    traffic.goes_on_through(&pair, 0, 2)?;

    pair.firewalls[1].boot()?;
    wait_until_known(&pair, 1)?;
    assert!(
        !pair.firewalls[1].is_primary_of(2)?,
        "it had no time to learn"
    );
    traffic.goes_on_through(&pair, 1, 2)?;
    assert!(pair.firewalls[0].is_primary_of(1)?);
    assert!(!pair.firewalls[0].is_primary_of(2)?);

    // The script forgets what it knew of both firewalls, and asks for it again.
    let log = pair.daemon(1)?.log().clone();
    wait_until("the end of the takeover", PATIENCE, || {
        let mut lines = log.lines().into_iter();
        lines.any(|line| line.text.contains("flushing caches"))
    })?;
    wait_until_known(&pair, 1)?;
    pair.firewalls[0].cut_power()?;
    traffic.goes_on_through(&pair, 1, 1)
}

/// The connections of both groups.
struct Traffic {
    groups: Vec<(HeldConnections, SteadyTalker)>,
    _server: EchoServer,
}

impl Traffic {
    fn start(pair: &FailoverPair) -> Result<Self> {
        let address = pair.server_address();
        let server = EchoServer::start(&pair.server, address)?;
        let group = |client| -> Result<_> {
            let steady = SteadyTalker::tcp(client, address, Duration::from_millis(10))?;
            Ok((HeldConnections::open(client, address, HELD)?, steady))
        };
        Ok(Self {
            groups: pair.clients().map(group).collect::<Result<_>>()?,
            _server: server,
        })
    }

    /// Waits until a firewall, 0 or 1, is primary of a group and asks every connection.
    fn goes_on_through(&mut self, pair: &FailoverPair, heir: usize, group: usize) -> Result<()> {
        pair.firewalls[heir].wait_until_primary_of(group)?;
        wait_until_open(pair, heir, group)?;
        let moved = Instant::now();
        for (number, (held, steady)) in self.groups.iter_mut().enumerate() {
            let what = format!("group {} to be answered", number + 1);
            wait_until(&what, PATIENCE, || {
                steady.first_echo_since(moved).is_some() || steady.end().is_some()
            })?;
            assert_eq!(steady.end(), None, "group {}", number + 1);
            let survivors = held.check(PATIENCE)?;
            assert!(survivors.is_all(), "group {}: {survivors:?}", number + 1);
        }
        Ok(())
    }
}

/// Waits until the fence of a group is down.
fn wait_until_open(pair: &FailoverPair, firewall: usize, group: usize) -> Result<()> {
    let what = format!("the fence of group {group} to come down");
    wait_until(&what, PATIENCE, || pair.firewalls[firewall].is_open(group))
}

/// Waits until this firewall knows at least one group's connections from the other one.
fn wait_until_known(pair: &FailoverPair, firewall: usize) -> Result<()> {
    let least = u64::try_from(HELD).unwrap_or_default() + 1;
    wait_for("the other firewall's connections", PATIENCE, || {
        let known = pair.daemon(firewall)?.statistics()?.external.active;
        Ok(match known >= least {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{known} of {least}")),
        })
    })
}
