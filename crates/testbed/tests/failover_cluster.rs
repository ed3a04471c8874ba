//! Three firewalls that share the work: one dies, the others take over its shares, it comes back
//! and takes them back. Nobody's connection breaks.
//!
//! Configuration, rules and script are those of `examples/multi-primary`, with real keepalived.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use testbed::{Cluster, EchoServer, HeldConnections, Implementation, Result, Survivors};

/// Connections from all clients, so that every share has some.
const HELD: usize = 320;
/// How long they may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// keepalived counts tenths of seconds: one cluster at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn shares_move_without_a_lost_connection_with_our_conntrackd() -> Result<()> {
    shares_move_without_a_lost_connection(Implementation::Ours)
}

#[test]
fn shares_move_without_a_lost_connection_with_stocks_conntrackd() -> Result<()> {
    shares_move_without_a_lost_connection(Implementation::Stock)
}

fn shares_move_without_a_lost_connection(implementation: Implementation) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cluster = Cluster::new(implementation, true)?;
    cluster.boot()?;
    let (mut held, _server) = traffic(&cluster)?;
    // Each connection goes through the firewall of its share, and all know it.
    cluster.wait_until_replicated(HELD)?;
    assert_all(held.check(PATIENCE)?, "at first");

    cluster.nodes[2].cut_power()?;
    cluster.wait_for_shares([&[1, 2, 5], &[3, 4, 6], &[]])?;
    assert_all(held.check(PATIENCE)?, "after fw3 died");

    cluster.nodes[2].boot()?;
    cluster.wait_until_replicated(HELD)?;
    cluster.wait_for_shares([&[1, 2], &[3, 4], &[5, 6]])?;
    assert_all(held.check(PATIENCE)?, "after fw3 came back");

    cluster.nodes[0].cut_power()?;
    cluster.nodes[1].cut_power()?;
    cluster.wait_for_shares([&[], &[], &[1, 2, 3, 4, 5, 6]])?;
    assert_all(held.check(PATIENCE)?, "through fw3 alone");
    Ok(())
}

/// The check above can fail: without conntrackd the shares that move lose their connections.
#[test]
fn without_conntrackd_the_connections_of_a_share_end_with_its_firewall() -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cluster = Cluster::new(Implementation::Stock, false)?;
    cluster.boot()?;
    let (mut held, _server) = traffic(&cluster)?;
    let flows = cluster.nodes[2].flows()?;
    assert!((1..HELD).contains(&flows), "{flows} of {HELD} through fw3");
    cluster.nodes[2].cut_power()?;
    cluster.wait_for_shares([&[1, 2, 5], &[3, 4, 6], &[]])?;
    let survivors = held.check(Duration::from_secs(2))?;
    assert_eq!(survivors.alive, HELD - flows, "{survivors:?}");
    Ok(())
}

fn traffic(cluster: &Cluster) -> Result<(HeldConnections, EchoServer)> {
    let (client, address) = (&cluster.client, cluster.server_address());
    let server = EchoServer::start(&cluster.server, address)?;
    let clients: Vec<_> = Cluster::clients().collect();
    Ok((
        HeldConnections::open_from(client, &clients, address, HELD)?,
        server,
    ))
}

fn assert_all(survivors: Survivors, when: &str) {
    assert!(survivors.is_all(), "{when}: {survivors:?}");
}
