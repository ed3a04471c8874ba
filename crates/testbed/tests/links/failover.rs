//! Several links, of which one is used: it fails, and another one takes over.

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Conntrackd, Error, Group, Implementation, Mark, Namespace, PATIENCE, Progress, Result, wait_for,
};

use super::{Cables, Pair, config, unicast, unicast_v6, wait_for_answer, wait_for_line};

fn links(transport: &str, count: u8, own: u8) -> Vec<String> {
    (0..count)
        .map(|number| unicast(transport, number, own))
        .collect()
}

fn pair(transport: &str, count: u8, kinds: [Implementation; 2]) -> Result<Pair> {
    Pair::start(Cables::new(count)?, kinds, |own| {
        config("FTFW", &links(transport, count, own))
    })
}

/// The interface that `-s` calls active.
fn active(daemon: &Conntrackd) -> Result<String> {
    let text = daemon.client("-s")?.stdout;
    let found = text
        .split("active device=")
        .nth(1)
        .and_then(|rest| rest.split(')').next());
    let found = found.ok_or_else(|| Error::Unexpected(text.clone()))?;
    Ok(found.to_owned())
}

fn wait_until_active(daemon: &Conntrackd, interface: &str) -> Result<()> {
    let what = format!("{interface} to be used by {:?}", daemon.process());
    wait_for(&what, PATIENCE, || {
        let found = active(daemon)?;
        Ok(match found == interface {
            true => Progress::Done(()),
            false => Progress::Waiting(daemon.client("-s link")?.stdout),
        })
    })
}

/// The line of `-s link` of an interface.
fn header(transport: &str, interface: &str, status: &str, role: &str) -> String {
    format!("{transport} traffic device={interface} status={status} role={role}:")
}

#[test]
fn a_link_that_is_switched_off_is_left() -> Result<()> {
    for transport in ["UDP", "TCP"] {
        let pair = pair(transport, 2, [Ours, Ours])?;
        pair.replicate(1, 200)?;
        wait_until_active(&pair.a, "link0")?;
        pair.cables.a.link_down("link0")?;
        let line = "[notice] device `link1' becomes dedicated link";
        wait_for_line(pair.a.log(), Mark::default(), line)?;
        for header in [
            header(transport, "link0", "DOWN", "BACKUP"),
            header(transport, "link1", "RUNNING", "ACTIVE"),
        ] {
            wait_for_answer(&pair.a, "-s link", &header)?;
        }
        pair.replicate(2, 200)?;
        // The other end of the cable has lost its carrier, and what is heard decides, too.
        wait_until_active(&pair.b, "link1")?;
        let header = header(transport, "link0", "NO-CARRIER", "BACKUP");
        wait_for_answer(&pair.b, "-s link", &header)?;
    }
    Ok(())
}

#[test]
fn a_link_without_carrier_is_left_and_returned_to_when_the_other_one_fails() -> Result<()> {
    let pair = pair("UDP", 2, [Ours, Ours])?;
    pair.replicate(1, 100)?;
    // A's end has lost its carrier, and is still switched on.
    pair.cables.b.link_down("link0")?;
    wait_until_active(&pair.a, "link1")?;
    pair.replicate(2, 100)?;
    pair.cables.b.link_up("link0")?;
    wait_for_answer(
        &pair.a,
        "-s link",
        &header("UDP", "link0", "RUNNING", "BACKUP"),
    )?;
    pair.cables.a.link_down("link1")?;
    wait_until_active(&pair.a, "link0")?;
    pair.replicate(3, 100)
}

#[test]
fn three_links_fail_one_after_the_other() -> Result<()> {
    let pair = pair("UDP", 3, [Ours, Ours])?;
    for (number, group) in (0..3).zip(1..) {
        wait_until_active(&pair.a, &format!("link{number}"))?;
        pair.replicate(group, 100)?;
        let since = pair.a.mark()?;
        pair.cables.a.link_down(&format!("link{number}"))?;
        if number == 2 {
            wait_for_line(pair.a.log(), since, "no dedicated links available!")?;
        }
    }
    pair.cables.a.link_up("link1")?;
    wait_until_active(&pair.a, "link1")?;
    Group {
        number: 9,
        size: 100,
    }
    .create(&pair.cables.a)?;
    pair.wait_until_equal()
}

#[test]
fn the_default_link_is_used_unless_it_is_down_at_the_start() -> Result<()> {
    let with_default = |own: u8| {
        let mut links = links("UDP", 2, own);
        links[1] = links[1].replace("UDP {", "UDP Default {");
        config("FTFW", &links)
    };
    let pair = Pair::start(Cables::new(2)?, [Ours, Ours], with_default)?;
    wait_until_active(&pair.a, "link1")?;
    pair.replicate(1, 100)?;
    drop(pair);
    let cables = Cables::new(2)?;
    cables.a.link_down("link1")?;
    let pair = Pair::start(cables, [Ours, Ours], with_default)?;
    wait_until_active(&pair.a, "link0")?;
    pair.replicate(1, 100)
}

#[test]
fn an_interface_that_is_deleted_and_made_again_is_used_again() -> Result<()> {
    let multicast = |own: u8| {
        let group = |number: u8| {
            format!("Multicast {{ IPv6_address ff02::50 Group 3780 Interface link{number} }}\n")
        };
        let _ = own;
        config("FTFW", &[group(0), group(1)])
    };
    let unicast_two = |own: u8| config("FTFW", &links("UDP", 2, own));
    let streams = |own: u8| config("FTFW", &links("TCP", 2, own));
    let streams_v6 = |own: u8| {
        config(
            "FTFW",
            &[unicast_v6("TCP", 0, own), unicast_v6("TCP", 1, own)],
        )
    };
    let configs: [&dyn Fn(u8) -> String; 4] = [&unicast_two, &multicast, &streams, &streams_v6];
    for config in configs {
        let pair = Pair::start(Cables::new(2)?, [Ours, Ours], config)?;
        pair.replicate(1, 100)?;
        // Both ends of a cable end together.
        pair.cables.a.run("ip link delete link0")?;
        wait_until_active(&pair.a, "link1")?;
        pair.replicate(2, 100)?;
        pair.cables.connect(0)?;
        wait_for_answer(
            &pair.a,
            "-s link",
            "device=link0 status=RUNNING role=BACKUP",
        )?;
        pair.cables.a.run("ip link delete link1")?;
        wait_until_active(&pair.a, "link0")?;
        pair.replicate(3, 100)?;
    }
    Ok(())
}

#[test]
fn an_interface_under_another_name_is_not_the_link_s() -> Result<()> {
    let pair = pair("UDP", 2, [Ours, Ours])?;
    pair.replicate(1, 100)?;
    for command in [
        "ip link set link0 down",
        "ip link set link0 name other",
        "ip link set other up",
    ] {
        pair.cables.a.run(command)?;
    }
    wait_until_active(&pair.a, "link1")?;
    wait_for_answer(
        &pair.a,
        "-s link",
        &header("UDP", "link0", "DOWN", "BACKUP"),
    )?;
    pair.replicate(2, 100)
}

/// Packets are lost without any sign on the interface. Over TCP that shows.
#[test]
fn a_connection_that_is_lost_on_a_link_that_seems_to_work_is_left() -> Result<()> {
    let pair = pair("TCP", 2, [Ours, Ours])?;
    pair.replicate(1, 100)?;
    for node in [&pair.cables.a, &pair.cables.b] {
        node.nft(
            "table inet cut { chain in { type filter hook input priority -400; \
             iifname link0 tcp flags & syn == syn drop; iifname link0 reject with tcp reset; }; }",
        )?;
    }
    wait_until_active(&pair.a, "link1")?;
    pair.replicate(2, 100)
}

/// The same with datagrams, where nothing tells but the silence of the peer.
#[test]
fn a_link_on_which_the_peer_falls_silent_is_left() -> Result<()> {
    let pair = pair("UDP", 2, [Ours, Ours])?;
    pair.replicate(1, 100)?;
    for node in [&pair.cables.a, &pair.cables.b] {
        node.loss("link0", 100)?;
    }
    wait_until_active(&pair.a, "link1")?;
    pair.replicate(2, 100)
}

/// How many packets a node had to cut in pieces.
fn fragmented(node: &Namespace) -> Result<u64> {
    let text = node.enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))?;
    let text = text.map_err(Error::io("reading snmp"))?;
    let mut lines = text.lines().filter(|line| line.starts_with("Ip:"));
    let place = lines
        .next()
        .and_then(|names| names.split(' ').position(|name| name == "FragCreates"));
    let value = lines.next().zip(place);
    let value = value.and_then(|(values, place)| values.split(' ').nth(place)?.parse().ok());
    value.ok_or_else(|| Error::Unexpected(text.clone()))
}

#[test]
fn datagrams_fit_the_link_also_when_its_size_changes() -> Result<()> {
    let pair = pair("UDP", 1, [Ours, Ours])?;
    pair.replicate(1, 1_000)?;
    for node in [&pair.cables.a, &pair.cables.b] {
        node.run("ip link set link0 mtu 700")?;
    }
    pair.replicate(2, 1_000)?;
    pair.a.client("-B")?;
    pair.replicate(3, 1_000)?;
    assert_eq!(fragmented(&pair.cables.a)?, 0);
    Ok(())
}

#[test]
fn a_stock_peer_follows_and_is_followed() -> Result<()> {
    for kinds in [[Ours, Stock], [Stock, Ours]] {
        let pair = pair("UDP", 2, kinds)?;
        pair.replicate(1, 100)?;
        pair.cables.a.link_down("link0")?;
        wait_until_active(&pair.a, "link1")?;
        pair.replicate(2, 100)?;
        wait_until_active(&pair.b, "link1")?;
    }
    Ok(())
}

#[test]
fn the_same_group_on_two_interfaces_is_two_links() -> Result<()> {
    let pair = Pair::start(Cables::new(2)?, [Ours, Ours], |_| {
        let group = |number| {
            format!("Multicast {{ IPv4_address 225.0.0.50 Group 3780 Interface link{number} }}\n")
        };
        config("FTFW", &[group(0), group(1)])
    })?;
    pair.replicate(1, 500)?;
    // What came on one of them was not heard on the other.
    let text = pair.b.client("-s link")?.stdout;
    let received: Vec<u64> = text
        .lines()
        .filter(|line| line.contains(" Pckts recv"))
        .filter_map(|line| line.split_whitespace().nth(3)?.parse().ok())
        .collect();
    assert!(received[0] > 0 && received[1] == 0, "{text}");
    assert_eq!(pair.b.statistics()?.lost, 0);
    pair.cables.a.link_down("link0")?;
    wait_until_active(&pair.a, "link1")?;
    pair.replicate(2, 500)
}
