//! Three firewalls that share the work: one dies, the others take over its shares, it comes back
//! and takes them back. Nobody's connection breaks.
//!
//! Configuration, rules and script are those of `examples/multi-primary`, with real keepalived.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use testbed::{
    Cluster, ClusterNode, Command, EchoServer, HeldConnections, Implementation, PATIENCE, Result,
    SteadyTalker, Survivors, wait_until,
};

/// Connections from all clients, so that every share has some.
const HELD: usize = 320;

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

/// It still gets every packet from inside; what it let through would be sent twice.
#[test]
fn a_firewall_whose_keepalived_is_stopped_lets_go_of_its_shares() -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cluster = Cluster::new(Implementation::Ours, true)?;
    cluster.boot()?;
    let (mut held, _server) = traffic(&cluster)?;
    cluster.wait_until_replicated(HELD)?;
    cluster.nodes[2].stop_keepalived()?;
    cluster.wait_for_shares([&[1, 2, 5], &[3, 4, 6], &[]])?;
    wait_until("fw3 to let go", PATIENCE, || {
        cluster.nodes[2]
            .shares()
            .is_ok_and(|shares| shares.is_empty())
    })?;
    assert_all(held.check(PATIENCE)?, "without fw3");
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
    let survivors = held.check_for(HELD - flows, PATIENCE)?;
    assert_eq!(survivors.alive, HELD - flows, "{survivors:?}");
    Ok(())
}

#[test]
fn a_copy_that_times_out_does_not_end_the_flow_itself_with_our_conntrackd() -> Result<()> {
    a_copy_that_times_out_does_not_end_the_flow_itself(Implementation::Ours, false)
}

#[test]
fn a_copy_that_times_out_does_not_end_the_flow_itself_with_stocks_conntrackd() -> Result<()> {
    a_copy_that_times_out_does_not_end_the_flow_itself(Implementation::Stock, false)
}

/// A daemon that starts takes what the kernel has for its own; the script tells it what is not.
#[test]
fn a_copy_that_times_out_after_a_restart_does_not_end_the_flow_either() -> Result<()> {
    a_copy_that_times_out_does_not_end_the_flow_itself(Implementation::Ours, true)?;
    a_copy_that_times_out_does_not_end_the_flow_itself(Implementation::Stock, true)
}

/// Only the kernel through which a flow passes renews its timeout; the copies in the others end.
/// Their daemons must keep that to themselves.
fn a_copy_that_times_out_does_not_end_the_flow_itself(
    implementation: Implementation,
    restart: bool,
) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cluster = Cluster::new(implementation, true)?;
    cluster.boot()?;
    let timeout = if restart { 8 } else { 2 };
    for node in &cluster.nodes {
        for name in ["udp_timeout", "udp_timeout_stream"] {
            let name = format!("net.netfilter.nf_conntrack_{name}");
            node.namespace.sysctl(&name, timeout)?;
        }
    }
    let (mut held, _server) = traffic(&cluster)?;
    let pause = Duration::from_millis(10);
    let _talker = SteadyTalker::udp(&cluster.client, cluster.server_address(), pause)?;
    let flows = |node: usize| udp_flows(&cluster.nodes[node]);
    wait_until("the flow in every kernel", PATIENCE, || {
        (0..3).all(|node| flows(node).is_ok_and(|flows| flows.len() == 1))
    })?;
    if restart {
        cluster
            .nodes
            .iter_mut()
            .try_for_each(ClusterNode::restart_daemon)?;
    }
    let flows = |node: usize| udp_flows(&cluster.nodes[node]);
    let before: Vec<_> = (0..3).map(flows).collect::<Result<_>>()?;
    wait_until("the copies to time out", PATIENCE, || {
        let left: usize = (0..3)
            .filter_map(|node| flows(node).ok())
            .map(|f| f.len())
            .sum();
        left == 1
    })?;
    // Whatever a daemon has to say about the end of its copy comes before what it says now.
    let (mut more, address) = (vec![], cluster.server_address());
    for client in Cluster::clients() {
        more.push(HeldConnections::open_from(
            &cluster.client,
            &[client],
            address,
            1,
        )?);
    }
    cluster.wait_until_replicated(HELD + more.len())?;
    let after: Vec<_> = (0..3).map(flows).collect::<Result<_>>()?;
    let survivor = after.iter().position(|flows| flows.len() == 1);
    let same = survivor.map(|node| after[node] == before[node]);
    assert_eq!(same, Some(true), "the flow is gone, or another one");
    assert_all(held.check(PATIENCE)?, "meanwhile");
    Ok(())
}

/// The ids of a firewall's UDP flows to the server.
fn udp_flows(node: &ClusterNode) -> Result<Vec<String>> {
    let command = Command::from("/usr/sbin/conntrack -L -p udp -d 192.0.2.10 -o id");
    let listing = node.namespace.run(command)?.stdout;
    let id = |line: &str| line.split(" id=").nth(1).map(String::from);
    Ok(listing.lines().filter_map(id).collect())
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
