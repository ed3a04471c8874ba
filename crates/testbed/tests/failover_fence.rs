//! The fence of the examples: what no flow explains is dropped until conntrackd has committed.
//!
//! The daemon of the new primary is stopped for the time of the test, so that the commit cannot
//! begin: the window that a large table opens for seconds stays open as long as we like.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;
use testbed::{
    EchoServer, Error, FailoverPair, Firewall, HeldConnections, Implementation, Namespace,
    PATIENCE, Plan, Result, Rules, wait_until,
};

/// How long a connection that must not open is tried: the first packet and two more.
const TRIAL: Duration = Duration::from_secs(4);
/// The port of the connection that must live, and of the one that would take its place.
const PORT: u16 = 20_000;

/// keepalived counts tenths of seconds: one pair of firewalls at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn nothing_new_takes_the_port_of_a_connection_that_is_not_committed_yet() -> Result<()> {
    let intruder = intrude(Plan::new(Implementation::Ours))?;
    assert!(!intruder.opened, "the fence is down");
    assert!(intruder.victim_lives);
    Ok(())
}

/// The check above can fail: without the fence the old connection is reset by its server.
#[test]
fn without_the_fence_a_new_connection_ends_the_one_whose_port_it_gets() -> Result<()> {
    let intruder = intrude(Plan {
        rules: Rules::Open,
        ..Plan::new(Implementation::Ours)
    })?;
    assert!(!intruder.victim_lives);
    Ok(())
}

struct Intruder {
    opened: bool,
    victim_lives: bool,
}

/// Two clients use the same source port, the second one while the new primary does not know the
/// first one's connection: it is translated to the same outside port.
fn intrude(plan: Plan) -> Result<Intruder> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(plan)?;
    pair.client.address("eth0", "10.0.0.11/24")?;
    pair.boot()?;
    wait_until_open(&pair.firewalls[0])?;
    let address = pair.server_address();
    let _server = EchoServer::start(&pair.server, address)?;
    let victim = connect(&pair.client, 10, address, PATIENCE)?;
    let mut victim = victim.map_err(Error::io("connecting"))?;
    assert!(answers(&mut victim));
    pair.wait_until_replicated(0, 1)?;

    pair.daemon(1)?.process().signal(Signal::STOP);
    pair.firewalls[0].cut_power()?;
    pair.firewalls[1].wait_until_primary()?;
    let trial = match plan.rules {
        Rules::Fenced => TRIAL,
        Rules::Open => PATIENCE,
    };
    let opened = connect(&pair.client, 11, address, trial)?.is_ok();
    pair.daemon(1)?.process().signal(Signal::CONT);
    wait_until_open(&pair.firewalls[1])?;
    Ok(Intruder {
        opened,
        victim_lives: answers(&mut victim),
    })
}

#[test]
fn the_fence_is_down_on_the_primary_only_and_loading_the_rules_again_keeps_it() -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(Plan::new(Implementation::Ours))?;
    pair.boot()?;
    let [fw1, fw2] = &pair.firewalls;
    wait_until_open(fw1)?;
    for firewall in [fw1, fw2] {
        for load in [false, true] {
            if load {
                firewall.load_rules()?;
            }
            assert_eq!(firewall.is_open(1), firewall.label() == "fw1", "{load}");
        }
    }
    let address = pair.server_address();
    let _server = EchoServer::start(&pair.server, address)?;
    let mut held = HeldConnections::open(&pair.client, address, 10)?;
    pair.wait_until_replicated(0, 10)?;
    let [fw1, fw2] = &mut pair.firewalls;
    fw1.cut_power()?;
    wait_until_open(fw2)?;
    assert!(held.check(PATIENCE)?.is_all());
    // Whoever boots is fenced off, whatever it was before.
    fw1.boot()?;
    assert!(!fw1.is_open(1));
    Ok(())
}

/// Whoever hands over in an orderly way is no primary any more, whatever the script did for it.
#[test]
fn a_primary_whose_keepalived_is_stopped_raises_its_fence() -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(Plan::new(Implementation::Ours))?;
    pair.boot()?;
    let [fw1, fw2] = &mut pair.firewalls;
    wait_until_open(fw1)?;
    fw1.stop_keepalived()?;
    wait_until_open(fw2)?;
    wait_until("the fence to be up", PATIENCE, || !fw1.is_open(1))?;
    fw1.load_rules()?;
    assert!(!fw1.is_open(1));
    Ok(())
}

fn wait_until_open(firewall: &Firewall) -> Result<()> {
    wait_until("the end of the commit", PATIENCE, || firewall.is_open(1))
}

/// Connects from client 10.0.0.`host` and [`PORT`], and tries so long.
fn connect(
    client: &Namespace,
    host: u8,
    server: SocketAddr,
    trial: Duration,
) -> Result<io::Result<TcpStream>> {
    let source = SocketAddr::from(([10, 0, 0, host], PORT));
    client.enter(|| {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        set_socket_timeout(&socket, Timeout::Send, Some(trial))?;
        rustix::net::bind(&socket, &source)?;
        rustix::net::connect(&socket, &server)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    })
}

fn answers(stream: &mut TcpStream) -> bool {
    use std::io::{Read, Write};
    let mut answer = [0; 5];
    stream.write_all(b"alive").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"alive"
}
