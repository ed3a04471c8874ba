//! Those who are not the peer: what they send does not count, or not without being named.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use testbed::Implementation::Ours;
use testbed::{Error, PATIENCE, Progress, Result, wait_for};

use super::{Cables, Pair, config, number, unicast, wait_for_line};

/// Connects from B to A's listener, from this address.
pub fn connect_from(pair: &Pair, address: &str) -> Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let from: SocketAddr = format!("{address}:0").parse().unwrap();
    let to: SocketAddr = "10.77.0.1:3780".parse().unwrap();
    let stream = pair.cables.b.enter(|| {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &from)?;
        connect(&socket, &to)?;
        Ok(TcpStream::from(socket))
    })?;
    stream.map_err(|errno: rustix::io::Errno| Error::io("connecting")(errno.into()))
}

#[test]
fn a_stranger_is_turned_away_and_the_peer_stays() -> Result<()> {
    let pair = tcp("")?;
    pair.cables.b.address("link0", "10.77.0.3/24")?;
    pair.replicate(1, 100)?;
    let connected = "the peer has connected on link0";
    let since = pair.a.mark()?;
    for _ in 0..3 {
        let mut stream = connect_from(&pair, "10.77.0.3")?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Closed without a word, whatever it wants to say.
        let _ = stream.write_all(&[0x10; 64]);
        let end = stream.read(&mut [0; 16]);
        assert!(
            matches!(end, Ok(0))
                || end.is_err_and(|it| it.kind() != std::io::ErrorKind::WouldBlock)
        );
    }
    let line = "a connection from 10.77.0.3:";
    wait_for_line(pair.a.log(), since, line)?;
    pair.replicate(2, 100)?;
    assert!(pair.a.log().find(since, connected).is_none());
    assert_eq!(pair.a.statistics()?.malformed, 0);
    Ok(())
}

/// Two daemons over TCP; A has this line more in its link.
fn tcp(line: &str) -> Result<Pair> {
    Pair::start(Cables::new(1)?, [Ours, Ours], |own| {
        let link = unicast("TCP", 0, own);
        let line = if own == 1 { line } else { "" };
        config(
            "FTFW",
            &[link.replace("Port 3780", &format!("Port 3780 {line}"))],
        )
    })
}

#[test]
fn a_flood_of_connections_holds_up_nobody() -> Result<()> {
    let pair = tcp("")?;
    pair.cables.b.address("link0", "10.77.0.3/24")?;
    pair.replicate(1, 100)?;
    let errors = || number(&pair.a, "-s link", " Error send");
    // A was there before B.
    let before = errors()?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Some are refused, since the system's queue is short.
                    let _ = connect_from(&pair, "10.77.0.3");
                }
            });
        }
        let result = (2..6).try_for_each(|group| pair.replicate(group, 500));
        stop.store(true, Ordering::Relaxed);
        result
    })?;
    assert_eq!(errors()?, before, "our own connection lives on");
    // The log tells of some and counts the others.
    let lines = pair.a.log().lines();
    let told = lines
        .iter()
        .filter(|it| it.text.contains("a connection from 10.77.0.3:"));
    assert!((1..60).contains(&told.count()));
    Ok(())
}

#[test]
fn whoever_is_named_may_connect_too() -> Result<()> {
    let pair = tcp("AcceptFrom 10.77.0.2/31")?;
    pair.cables.b.address("link0", "10.77.0.3/24")?;
    pair.replicate(1, 100)?;
    let since = pair.a.mark()?;
    let _stream = connect_from(&pair, "10.77.0.3")?;
    wait_for_line(
        pair.a.log(),
        since,
        "the peer has connected on link0, from 10.77.0.3:",
    )
    .map(drop)
}

/// A hears a stranger who sends a forged message, and B's messages; whether it listens to the
/// stranger.
fn check_datagrams(link: impl Fn(u8) -> String, to: &str, heard: bool) -> Result<()> {
    let pair = Pair::start(Cables::new(1)?, [Ours, Ours], |own| {
        config("FTFW", &[link(own)])
    })?;
    pair.cables.b.address("link0", "10.77.0.3/24")?;
    // The peer greets, so its datagrams count from here on.
    pair.replicate(1, 100)?;
    let sent = pair.cables.b.enter(|| {
        let socket = UdpSocket::bind("10.77.0.3:0")?;
        (0..5).try_for_each(|_| socket.send_to(b"nonsense", to).map(drop))
    })?;
    sent.map_err(Error::io("sending"))?;
    // Each is counted as one or as the other.
    let counted = wait_for("the stranger's datagrams", PATIENCE, || {
        let text = pair.a.client("-s link")?.stdout;
        let errors = text.lines().find(|line| line.contains("Error recv"));
        let errors = errors.and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
        let errors = errors.ok_or_else(|| Error::Unexpected(text.clone()))?;
        let malformed = number(&pair.a, "-s", " Malformed msgs")?;
        Ok(match errors + malformed {
            5.. => Progress::Done((errors, malformed)),
            _ => Progress::Waiting(text),
        })
    })?;
    assert_eq!(counted, if heard { (0, 5) } else { (5, 0) });
    if !heard {
        let line = "a datagram from 10.77.0.3:";
        wait_for_line(pair.a.log(), testbed::Mark::default(), line)?;
    }
    Ok(())
}

#[test]
fn datagrams_count_from_whom_the_link_names() -> Result<()> {
    let unicast = |line: &'static str| {
        move |own| unicast("UDP", 0, own).replace("Port 3780", &format!("Port 3780 {line}"))
    };
    let multicast = |line: &'static str| {
        move |own| {
            format!(
                "Multicast {{ IPv4_address 225.0.0.50 IPv4_interface 10.77.0.{own} Group 3780
                 Interface link0 {line} }}\n"
            )
        }
    };
    let named = "AcceptFrom 10.77.0.1 AcceptFrom 10.77.0.2";
    check_datagrams(unicast(""), "10.77.0.1:3780", true)?;
    check_datagrams(unicast(named), "10.77.0.1:3780", false)?;
    check_datagrams(multicast(""), "225.0.0.50:3780", true)?;
    check_datagrams(multicast(named), "225.0.0.50:3780", false)
}
