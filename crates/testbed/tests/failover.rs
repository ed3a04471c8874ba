//! The product's promise: the primary firewall dies, its connections live on at the other one.
//!
//! The network, the configuration files and the notify script are those of `examples/`, with
//! real keepalived. Power fails twice, so that each firewall has been primary and backup.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use testbed::{
    Conntrackd, EchoServer, Error, FailoverPair, HeldConnections, Implementation, Mode, PATIENCE,
    Plan, Progress, Replication, Result, SteadyTalker, Transport, wait_for, wait_until,
};

/// Connections held open beside the steady one.
const HELD: usize = 200;
/// keepalived counts tenths of seconds: one pair of firewalls at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn connections_survive_two_failovers_with_our_conntrackd() -> Result<()> {
    connections_survive(Plan::new(Implementation::Ours))
}

#[test]
fn connections_survive_in_notrack_mode_over_multicast() -> Result<()> {
    connections_survive(Plan {
        mode: Mode::Notrack,
        transport: Transport::Multicast,
        ..Plan::new(Implementation::Ours)
    })
}

#[test]
fn connections_survive_in_notrack_mode_over_tcp() -> Result<()> {
    connections_survive(Plan {
        mode: Mode::Notrack,
        transport: Transport::Tcp,
        ..Plan::new(Implementation::Ours)
    })
}

#[test]
fn connections_survive_in_alarm_mode_over_udp() -> Result<()> {
    connections_survive(Plan {
        mode: Mode::Alarm,
        ..Plan::new(Implementation::Ours)
    })
}

#[test]
fn connections_survive_two_failovers_with_stocks_conntrackd() -> Result<()> {
    connections_survive(Plan::new(Implementation::Stock))
}

fn connections_survive(plan: Plan) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(plan)?;
    pair.boot()?;
    let mut traffic = Traffic::start(&pair)?;
    fail(&mut pair, 0, &mut traffic)?;
    let [fw1, _] = &mut pair.firewalls;
    fw1.boot()?;
    fw1.wait_until_backup()?;
    fail(&mut pair, 1, &mut traffic)
}

/// The check above can fail: here all of it dies.
#[test]
fn without_conntrackd_not_one_connection_survives() -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::new(Implementation::Stock, Replication::Off, false)?;
    pair.boot()?;
    let mut traffic = Traffic::start(&pair)?;
    let [fw1, fw2] = &mut pair.firewalls;
    fw1.cut_power()?;
    fw2.wait_until_primary()?;
    let promoted = Instant::now();
    let survivors = traffic.held.check_for(0, PATIENCE)?;
    assert_eq!(survivors.alive, 0, "{survivors:?}");
    assert_eq!(traffic.steady.first_echo_since(promoted), None);
    Ok(())
}

struct Traffic {
    held: HeldConnections,
    steady: SteadyTalker,
    datagrams: SteadyTalker,
    _server: EchoServer,
}

impl Traffic {
    fn start(pair: &FailoverPair) -> Result<Self> {
        let (client, address, pause) = (
            &pair.client,
            pair.server_address(),
            Duration::from_millis(10),
        );
        let server = EchoServer::start(&pair.server, address)?;
        Ok(Self {
            held: HeldConnections::open(client, address, HELD)?,
            steady: SteadyTalker::tcp(client, address, pause)?,
            datagrams: SteadyTalker::udp(client, address, pause)?,
            _server: server,
        })
    }
}

/// Cuts the power of one firewall and asks every connection through the other one.
fn fail(pair: &mut FailoverPair, dead: usize, traffic: &mut Traffic) -> Result<()> {
    wait_until_replicated(pair, dead)?;
    let [fw1, fw2] = &mut pair.firewalls;
    let (dying, heir) = if dead == 0 { (fw1, fw2) } else { (fw2, fw1) };
    dying.cut_power()?;
    heir.wait_until_primary()?;
    let promoted = Instant::now();
    for (what, talker) in [("TCP", &traffic.steady), ("UDP", &traffic.datagrams)] {
        wait_until(
            &format!("{what} through {}", heir.label()),
            PATIENCE,
            || talker.first_echo_since(promoted).is_some(),
        )?;
    }
    let survivors = traffic.held.check(PATIENCE)?;
    assert!(survivors.is_all(), "{survivors:?} through {}", heir.label());
    assert_eq!(traffic.steady.end(), None);
    // Nobody was let in by the back door: the flows were committed, and nothing else.
    let log = daemon(heir.conntrackd.as_ref())?.log().clone();
    wait_until("the end of the commit", PATIENCE, || {
        log.lines()
            .iter()
            .any(|line| line.text.contains("commit has taken"))
    })
}

/// Waits until the backup knows what the primary knows.
fn wait_until_replicated(pair: &FailoverPair, primary: usize) -> Result<()> {
    let [fw1, fw2] = &pair.firewalls;
    let (own, peer) = if primary == 0 { (fw1, fw2) } else { (fw2, fw1) };
    let (own, peer) = (
        daemon(own.conntrackd.as_ref())?,
        daemon(peer.conntrackd.as_ref())?,
    );
    wait_for("the backup to know all flows", PATIENCE, || {
        let (known, replicated) = (
            own.statistics()?.internal.active,
            peer.statistics()?.external.active,
        );
        let all = usize::try_from(known).is_ok_and(|known| known > HELD + 1);
        Ok(match all && known == replicated {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{replicated} of {known}")),
        })
    })
}

fn daemon(conntrackd: Option<&Conntrackd>) -> Result<&Conntrackd> {
    conntrackd.ok_or_else(|| Error::Unexpected("a firewall has no conntrackd".into()))
}
