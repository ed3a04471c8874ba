//! Groups: link-scope groups of IPv6, datagrams of another interface, datagrams to somebody else.

use std::net::UdpSocket;

use testbed::Implementation::{Ours, Stock};
use testbed::{Error, PATIENCE, Result, wait_until};

use super::{Cables, Pair, config, number};

/// The block of a link over multicast for node 1 or 2.
fn group_v4(number: u8, own: u8) -> String {
    format!(
        "Multicast {{
            IPv4_address 225.0.0.50
            IPv4_interface 10.77.{number}.{own}
            Group 3780
            Interface link{number}
        }}\n"
    )
}

/// One node with the group of the same address at each of two interfaces hears on each what comes
/// there, once.
fn group_v6(group: &str, number: u8) -> String {
    format!("Multicast {{ IPv6_address {group} Group 3780 Interface link{number} }}\n")
}

#[test]
fn groups_of_link_scope_work_in_any_order_of_keywords() -> Result<()> {
    for link in [
        group_v6("ff02::50", 0),
        "Multicast { Interface link0 Group 3780 IPv6_address ff02::50 }\n".into(),
        group_v6("ff15::50", 0),
    ] {
        let pair = Pair::start(Cables::new(1)?, [Ours, Ours], |_| {
            config("FTFW", std::slice::from_ref(&link))
        })?;
        pair.replicate(1, 200)?;
    }
    // Stock 1.4.9 does not start with a group of link scope.
    for kinds in [[Ours, Stock], [Stock, Ours]] {
        let pair = Pair::start(Cables::new(1)?, kinds, |_| {
            config("FTFW", &[group_v6("ff15::50", 0)])
        })?;
        pair.replicate(1, 200)?;
    }
    Ok(())
}

#[test]
fn a_group_needs_no_address_of_the_interface() -> Result<()> {
    let pair = Pair::start(Cables::new(2)?, [Ours, Ours], |own| {
        let line = format!("IPv4_interface 10.77.1.{own}");
        config("FTFW", &[group_v4(1, own).replace(&line, "")])
    })?;
    pair.replicate(1, 200)
}

/// 1.4.9 binds to the group, as we do; 1.4.7 hears these too.
#[test]
fn datagrams_to_our_own_address_are_not_those_of_the_group() -> Result<()> {
    let pair = Pair::start(Cables::new(1)?, [Ours, Ours], |own| {
        config("FTFW", &[group_v4(0, own)])
    })?;
    pair.replicate(1, 10)?;
    let send = |to: &str| -> Result<()> {
        let sent = pair.cables.b.enter(|| {
            let socket = UdpSocket::bind("10.77.0.2:0")?;
            socket.send_to(b"nonsense", to)
        })?;
        sent.map(drop).map_err(Error::io("sending"))
    };
    let malformed = || number(&pair.a, "-s", " Malformed msgs");
    for _ in 0..5 {
        send("10.77.0.1:3780")?;
    }
    send("225.0.0.50:3780")?;
    wait_until("the datagram to the group", PATIENCE, || {
        malformed().is_ok_and(|count| count > 0)
    })?;
    assert_eq!(malformed()?, 1);
    Ok(())
}
