//! TCP: connections that break, peers that do not read, strangers.

use std::io::Write;

use rustix::process::Signal;
use testbed::Implementation::{Ours, Stock};
use testbed::{
    Command, Group, Implementation, Mark, PATIENCE, Progress, Result, wait_for, wait_until,
};

use super::strangers::connect_from;
use super::{Cables, Pair, config, number, unicast, unicast_v6, wait_for_answer, wait_for_line};

const CONNECTED: &str = "TCP traffic (active device=link0) server=connected client=connected:";

fn pair(kinds: [Implementation; 2]) -> Result<Pair> {
    Pair::start(Cables::new(1)?, kinds, |own| {
        config("FTFW", &[unicast("TCP", 0, own)])
    })
}

/// The peer is killed and comes back; what happened meanwhile arrives, too.
fn check_restart(kinds: [Implementation; 2], link: fn(&str, u8, u8) -> String) -> Result<()> {
    let cables = Cables::new(1)?;
    let mut pair = Pair::start(cables, kinds, |own| config("FTFW", &[link("TCP", 0, own)]))?;
    pair.replicate(1, 500)?;
    wait_for_answer(&pair.a, "-s", CONNECTED)?;
    pair.b.kill();
    wait_for_answer(&pair.a, "-s", "client=disconnected")?;
    let since = pair.a.mark()?;
    pair.b.restart(&pair.cables.b)?;
    wait_for_answer(&pair.a, "-s", CONNECTED)?;
    // Until then its numbers may be those of its former life.
    wait_for_line(pair.a.log(), since, "the peer has restarted")?;
    // A daemon that comes back has nothing, and asks.
    pair.b.client("-n")?;
    pair.replicate(2, 500)
}

#[test]
fn a_peer_that_restarts_is_connected_again() -> Result<()> {
    check_restart([Ours, Ours], unicast)?;
    check_restart([Ours, Ours], unicast_v6)
}

/// Stock does not find a peer whose address belongs to one link only.
#[test]
fn link_local_addresses_are_connected() -> Result<()> {
    let cables = Cables::new(1)?;
    for (node, own) in [(&cables.a, 1), (&cables.b, 2)] {
        node.address("link0", &format!("fe80::{own}/64"))?;
    }
    let link = |own: u8| {
        let text = unicast_v6("TCP", 0, own);
        config("FTFW", &[text.replace("fd77:0::", "fe80::")])
    };
    Pair::start(cables, [Ours, Ours], link)?.replicate(1, 200)
}

#[test]
fn a_stock_peer_that_restarts_is_connected_again() -> Result<()> {
    check_restart([Ours, Stock], unicast)
}

#[test]
fn flows_wait_for_a_peer_that_is_not_there_yet() -> Result<()> {
    let cables = Cables::new(1)?;
    let config = |own| config("FTFW", &[unicast("TCP", 0, own)]);
    let a = testbed::Conntrackd::start(&cables.a, Ours, &config(1))?;
    let line = "no connection to the peer on link0: Connection refused; trying again";
    wait_for_line(a.log(), Mark::default(), line)?;
    Group {
        number: 1,
        size: 3_000,
    }
    .create(&cables.a)?;
    wait_until("the flows of A", PATIENCE, || {
        a.internal().is_ok_and(|flows| flows.len() == 3_000)
    })?;
    let b = testbed::Conntrackd::start(&cables.b, Ours, &config(2))?;
    let pair = Pair { a, b, cables };
    // Many more than the queue of 128 buffers holds; nobody had to ask for them.
    pair.wait_until_equal()?;
    let times = pair.a.log().lines();
    let told = times.iter().filter(|it| it.text.contains(line)).count();
    assert_eq!(told, 1, "once per reason");
    Ok(())
}

/// Stock does not start in this case.
#[test]
fn a_network_that_cannot_be_reached_at_the_start_is_tried_again() -> Result<()> {
    let cables = Cables::new(1)?;
    let far = |own: u8| {
        let link = unicast("TCP", 0, own).replace("10.77.0", "10.78.0");
        config("FTFW", &[link])
    };
    for (node, own) in [(&cables.a, 1), (&cables.b, 2)] {
        // An address for the listener, but no way to the peer.
        node.address("link0", &format!("10.78.0.{own}/32"))?;
    }
    let pair = Pair::start(cables, [Ours, Ours], far)?;
    let line = "no connection to the peer on link0: Network is unreachable";
    wait_for_line(pair.a.log(), Mark::default(), line)?;
    for (node, peer) in [(&pair.cables.a, 2), (&pair.cables.b, 1)] {
        node.route(&format!("10.78.0.{peer}/32 dev link0"))?;
    }
    pair.replicate(1, 100)
}

#[test]
fn a_peer_that_stops_reading_blocks_nobody() -> Result<()> {
    // A queue that is shorter than a burst, between small buffers.
    let pair = Pair::start(Cables::new(1)?, [Ours, Ours], |own| {
        let link = unicast("TCP", 0, own).replace("1048576", "16384");
        let link = link.replace("Port 3780", "Port 3780 ErrorQueueLength 2");
        config("FTFW", &[link])
    })?;
    pair.replicate(1, 10)?;
    pair.b.process().signal(Signal::STOP);
    // More than all buffers between the two hold.
    for group in 2..7 {
        let group = Group {
            number: group,
            size: 2_000,
        };
        group.create(&pair.cables.a)?;
    }
    // Every event was followed, and clients are answered.
    wait_until("all flows of A", PATIENCE, || {
        number(&pair.a, "-s runtime", "no such line").is_err()
            && pair
                .a
                .statistics()
                .is_ok_and(|it| it.internal.active == 10_010)
    })?;
    pair.b.process().signal(Signal::CONT);
    pair.wait_until_equal()?;
    let malformed = pair.b.statistics()?.malformed;
    assert_eq!(malformed, 0, "the stream is one of whole messages");
    let queues = pair.a.client("-s queue")?.stdout;
    let queue = queues.split("queue errorq:").nth(1).unwrap_or_default();
    let numbers: Vec<&str> = queue
        .split_whitespace()
        .filter(|it| it.parse::<u64>().is_ok())
        .collect();
    assert_eq!(numbers[1..3], ["2", "0"], "nothing was dropped: {queues}");
    Ok(())
}

#[test]
fn nonsense_on_the_peers_stream_is_counted_and_ends_it() -> Result<()> {
    let pair = pair([Ours, Ours])?;
    pair.replicate(1, 100)?;
    let since = pair.a.mark()?;
    // With the peer's address, and so in its place, which it would take back at once.
    pair.b.process().signal(Signal::STOP);
    let mut stream = connect_from(&pair, "10.77.0.2")?;
    stream
        .write_all(&[0x10, 0, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3])
        .unwrap();
    wait_for_line(
        pair.a.log(),
        since,
        "is no messages; its connection was closed",
    )?;
    wait_for_answer(
        &pair.a,
        "-s network",
        "Bad message size:\t                   1",
    )?;
    let errors = number(&pair.a, "-s link", " Error recv")?;
    assert!(errors >= 1, "{errors}");
    // A stream that ends within a message is no reason to misread the next one.
    let mut stream = connect_from(&pair, "10.77.0.2")?;
    stream.write_all(&[0x10, 0, 0, 40, 0, 0]).unwrap();
    drop(stream);
    pair.b.process().signal(Signal::CONT);
    // The peer finds its connection closed and makes another one.
    wait_for_answer(&pair.a, "-s", CONNECTED)?;
    pair.b.client("-B")?;
    for group in 2..5 {
        pair.replicate(group, 100)?;
    }
    assert_eq!(pair.a.statistics()?.malformed, 1);
    Ok(())
}

/// The peer loses its power: nothing is said, and its connections are gone when it comes back. In
/// NOTRACK nothing repairs what is then written to the old connection.
#[test]
fn a_peer_that_lost_its_power_is_found_again_when_it_connects() -> Result<()> {
    let mut pair = Pair::start(Cables::new(1)?, [Ours, Stock], |own| {
        config("NOTRACK", &[unicast("TCP", 0, own)])
    })?;
    pair.replicate(1, 100)?;
    // Nothing comes through any more, and the carrier stays: there is a switch between the two.
    let loss = |percent: u8| -> Result<()> {
        pair.cables.a.loss("link0", percent)?;
        pair.cables.b.loss("link0", percent)
    };
    loss(100)?;
    pair.b.kill();
    pair.cables.b.run("ss --kill --tcp dst 10.77.0.1")?;
    Group {
        number: 2,
        size: 100,
    }
    .create(&pair.cables.a)?;
    // A tries again and again to get them through, ever more rarely.
    let sockets = Command::from("ss --tcp --info --no-header dst 10.77.0.2:3780");
    let tries = |text: &str| -> Option<u32> {
        let (_, rest) = text.split_once("backoff:")?;
        rest.split_whitespace().next()?.parse().ok()
    };
    wait_for("A to be patient", PATIENCE, || {
        let text = pair.cables.a.run(sockets.clone())?.stdout;
        Ok(match tries(&text) {
            Some(5..) => Progress::Done(()),
            _ => Progress::Waiting(text),
        })
    })?;
    loss(0)?;
    pair.b.restart(&pair.cables.b)?;
    pair.b.client("-n")?;
    pair.wait_until_equal()
}

/// How many files the daemon may have open from now on: those that it has stay open.
fn limit_descriptors(pid: i32, limit: &str) -> Result<()> {
    let command = format!("prlimit --pid {pid} --nofile={limit}:");
    Command::from(command.as_str()).run().map(drop)
}

/// A connection that could not be accepted kept the daemon turning as fast as the processor could.
#[test]
fn without_descriptors_a_connection_waits_and_the_daemon_rests() -> Result<()> {
    let pair = pair([Ours, Ours])?;
    pair.replicate(1, 100)?;
    pair.b.kill();
    wait_for_answer(&pair.a, "-s", "server=disconnected client=disconnected")?;
    let before = number(&pair.a, "-s link", " Error recv")?;
    let pid = pair.a.process().pid();
    limit_descriptors(pid, "3")?;
    let _stream = connect_from(&pair, "10.77.0.2")?;
    let refused = "cannot be accepted: Too many open files; trying again";
    let told = || {
        let lines = pair.a.log().lines();
        lines
            .iter()
            .filter(|line| line.text.contains(refused))
            .count()
    };
    wait_for("three attempts", PATIENCE, || {
        Ok(match told() {
            3.. => Progress::Done(()),
            count => Progress::Waiting(count.to_string()),
        })
    })?;
    limit_descriptors(pid, "1024")?;
    wait_for_answer(&pair.a, "-s", "server=connected")?;
    // Each attempt is an error and a line, of which too many would only be counted.
    let errors = number(&pair.a, "-s link", " Error recv")? - before;
    assert_eq!(u64::try_from(told()).unwrap(), errors);
    Ok(())
}
