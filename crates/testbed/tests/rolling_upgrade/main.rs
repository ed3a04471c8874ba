//! A pair of stock's daemons becomes a pair of ours and is stock again, under traffic, node by
//! node, and no connection notices.
//!
//! The network, the files and the scripts are those of `examples/`; a replaced daemon reads the
//! configuration of its predecessor. There are two orders:
//!
//! - backup first: its daemon is replaced, it takes over, then the other one is backup;
//! - primary first: its daemon is replaced while all traffic goes through it, then it hands over.
//!
//! Traffic: connections that are held and silent, a TCP and a UDP client that never stop talking,
//! and visitors who open connections all the time. After each step all of them are looked at.
//!
//! `cargo test -p testbed --test rolling_upgrade -- --no-capture` shows the steps.

#![expect(
    clippy::print_stdout,
    reason = "the story of an upgrade is what people ask for"
)]

mod traffic;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Error, FailoverPair, Implementation, Mode, PATIENCE, Plan, Progress, Result, Transport,
    wait_for, wait_until,
};
use traffic::{HELD, Traffic, VISITORS};

/// keepalived counts tenths of seconds: one pair of firewalls at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Whose daemon is replaced first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    BackupFirst,
    PrimaryFirst,
}

#[test]
fn to_ours_with_the_backup_first_and_back_with_the_primary_first() -> Result<()> {
    there_and_back(Plan::new(Stock), Order::BackupFirst, Order::PrimaryFirst)
}

#[test]
fn to_ours_with_the_primary_first_and_back_with_the_backup_first() -> Result<()> {
    there_and_back(Plan::new(Stock), Order::PrimaryFirst, Order::BackupFirst)
}

#[test]
fn there_and_back_without_acknowledgements_over_tcp() -> Result<()> {
    let plan = Plan {
        mode: Mode::Notrack,
        transport: Transport::Tcp,
        ..Plan::new(Stock)
    };
    there_and_back(plan, Order::BackupFirst, Order::PrimaryFirst)
}

#[test]
fn there_and_back_with_periodic_refresh_over_multicast() -> Result<()> {
    let plan = Plan {
        mode: Mode::Alarm,
        transport: Transport::Multicast,
        ..Plan::new(Stock)
    };
    there_and_back(plan, Order::PrimaryFirst, Order::BackupFirst)
}

fn there_and_back(plan: Plan, there: Order, back: Order) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(plan)?;
    pair.boot()?;
    let traffic = Traffic::start(&pair)?;
    println!(
        "a pair of stock, {} over {}, {HELD} connections held, TCP and UDP echo, {VISITORS} visitors",
        plan.mode.keyword(),
        plan.transport.keyword()
    );
    let mut upgrade = Upgrade {
        pair,
        traffic,
        primary: 0,
    };
    upgrade.replace_both(Ours, there)?;
    upgrade.replace_both(Stock, back)?;
    upgrade.finish()
}

struct Upgrade {
    pair: FailoverPair,
    traffic: Traffic,
    /// Which of the firewalls is it.
    primary: usize,
}

impl Upgrade {
    /// Replaces both daemons, and ends with the same primary as before.
    fn replace_both(&mut self, by: Implementation, order: Order) -> Result<()> {
        println!("  {order:?}, to {by}");
        for _ in 0..2 {
            match order {
                Order::BackupFirst => self.replace(1 - self.primary, by)?,
                Order::PrimaryFirst => self.replace(self.primary, by)?,
            }
            self.fail_over()?;
        }
        let is_replaced = |fw: &testbed::Firewall| fw.implementation == by;
        assert!(self.pair.firewalls.iter().all(is_replaced));
        Ok(())
    }

    /// Replaces one daemon. Afterwards the backup forgets what it was told of flows that may have
    /// ended meanwhile, and asks the primary for what there is.
    fn replace(&mut self, which: usize, by: Implementation) -> Result<()> {
        let start = Instant::now();
        self.pair.firewalls[which].replace(by)?;
        let backup = self.pair.daemon(1 - self.primary)?;
        // In ALARM nobody can be asked, and what ended meanwhile runs out.
        if self.pair.plan().mode != Mode::Alarm {
            backup.client("-f external")?;
            backup.client("-n")?;
        }
        let known = self.wait_until_known()?;
        let role = if which == self.primary {
            "primary"
        } else {
            "backup"
        };
        let label = self.pair.firewalls[which].label().to_owned();
        let story = self.traffic.check(start, None)?;
        println!("    {label} ({role}) is {by} now; the backup knows {known} flows; {story}");
        Ok(())
    }

    /// Waits until the backup knows every flow that the primary knows; how many these are.
    fn wait_until_known(&self) -> Result<usize> {
        let (primary, backup) = (
            self.pair.daemon(self.primary)?,
            self.pair.daemon(1 - self.primary)?,
        );
        wait_for("the backup to know all flows", PATIENCE, || {
            // In this order: what the primary knew a moment ago the backup has to know now.
            let (own, theirs) = (primary.internal()?, backup.external()?);
            let names = |lines: &BTreeSet<testbed::FlowLine>| -> BTreeSet<_> {
                lines.iter().map(testbed::FlowLine::identity).collect()
            };
            let (own, theirs) = (names(&own), names(&theirs));
            let missing = own.difference(&theirs).count();
            Ok(match own.len() > HELD && missing == 0 {
                true => Progress::Done(own.len()),
                false => Progress::Waiting(format!("{missing} of {} are missing", own.len())),
            })
        })
    }

    /// Hands over to the backup, which then is primary, and lets the old primary return.
    fn fail_over(&mut self) -> Result<()> {
        self.wait_until_known()?;
        let (old, new) = (self.primary, 1 - self.primary);
        let moment = self.pair.firewalls[old].stop_keepalived()?;
        let heir = &self.pair.firewalls[new];
        heir.wait_until_primary()?;
        wait_until("the end of the commit", PATIENCE, || heir.is_open(1))?;
        let story = self.traffic.check(moment, None)?;
        let [from, to] = [old, new].map(|which| {
            let firewall = &self.pair.firewalls[which];
            format!("{} ({})", firewall.label(), firewall.implementation)
        });
        println!("    {from} hands over to {to}: {story}");
        let returning = &mut self.pair.firewalls[old];
        returning.start_keepalived()?;
        returning.wait_until_backup()?;
        self.primary = new;
        self.wait_until_known().map(drop)
    }

    fn finish(self) -> Result<()> {
        let visits = self.traffic.visitors.finish();
        let lost: Vec<_> = visits.iter().filter(|visit| visit.lost.is_some()).collect();
        println!("  {} visits in all, {} lost", visits.len(), lost.len());
        match lost.first() {
            None => Ok(()),
            Some(visit) => Err(Error::Unexpected(format!("{visit:?}"))),
        }
    }
}
