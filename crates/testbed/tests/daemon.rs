//! Our conntrackd as a process, and those who wish it ill: its life cycle, a hostile peer on the
//! dedicated link, hostile clients on the control socket.
//!
//! Whatever they send, the daemon answers its client, keeps replicating, counts what was wrong
//! and does not grow.

use std::fs;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;

use testbed::Implementation::{Ours, Stock};
use testbed::{
    Command, Conntrackd, Error, Group, IpVersion, Namespace, PATIENCE, Program, Progress, Result,
    SyncPair, wait_for, wait_until,
};

/// Where a daemon listens to its peer.
const PORT: u16 = 3780;

/// Two of our daemons; the second one's machine also serves as the attacker's.
struct Pair {
    a: Conntrackd,
    b: Conntrackd,
    network: SyncPair,
}

impl Pair {
    fn start() -> Result<Self> {
        let network = SyncPair::new()?;
        let [config_a, config_b] = SyncPair::ftfw(IpVersion::V4, "");
        let a = Conntrackd::start(&network.a, Ours, &config_a)?;
        let b = Conntrackd::start(&network.b, Ours, &config_b)?;
        Ok(Self { a, b, network })
    }

    /// New flows on A arrive at B, and both answer at once.
    fn assert_well(&self, group: u16) -> Result<()> {
        Group {
            number: group,
            size: 50,
        }
        .create(&self.network.a)?;
        wait_for("the new flows to arrive at B", PATIENCE, || {
            let (internal, external) = (self.a.internal()?, self.b.external()?);
            Ok(match internal == external && !internal.is_empty() {
                true => Progress::Done(()),
                false => {
                    let (internal, external) = (internal.len(), external.len());
                    Progress::Waiting(format!("A shows {internal} flows, B {external}"))
                }
            })
        })?;
        self.a.answer_soon()?;
        self.b.answer_soon().map(drop)
    }
}

#[test]
fn a_terminated_daemon_takes_its_lock_and_socket_with_it() -> Result<()> {
    let pair = Pair::start()?;
    assert!(pair.a.lock().exists() && pair.a.socket().exists());
    assert_eq!(pair.a.process().terminate(PATIENCE)?, 0);
    assert!(!pair.a.lock().exists() && !pair.a.socket().exists());
    let log = fs::read_to_string(pair.a.folder().file("log")).map_err(Error::io("the log"))?;
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("---- shutdown received ----"), "{last}");
    Ok(())
}

#[test]
fn a_client_of_either_implementation_stops_it() -> Result<()> {
    for client in [Ours, Stock] {
        let pair = Pair::start()?;
        assert_eq!(pair.a.client_of(client, "-k")?.code(), 0);
        assert_eq!(pair.a.process().wait(PATIENCE)?, 0);
        assert_eq!(
            pair.a.client_of(client, "-s")?.code(),
            1,
            "nobody is there to answer"
        );
    }
    Ok(())
}

#[test]
fn a_second_daemon_with_the_same_lock_is_refused() -> Result<()> {
    let pair = Pair::start()?;
    let second = Command::new(Ours.path(Program::Conntrackd)?)
        .arg("-C")
        .arg(pair.a.config());
    let output = pair.network.a.output(second)?;
    assert_eq!(output.code(), 1);
    let said = output.stdout + &output.stderr;
    assert!(
        said.contains("perhaps conntrackd already running?"),
        "{said}"
    );
    pair.assert_well(1)
}

#[test]
fn the_clients_of_both_implementations_get_the_same_answers() -> Result<()> {
    let pair = Pair::start()?;
    pair.assert_well(1)?;
    for request in [
        "-s",
        "-s network",
        "-s cache",
        "-s link",
        "-s queue",
        "-i",
        "-e",
        "-i -x",
    ] {
        let (ours, stock) = (
            pair.a.client_of(Ours, request)?,
            pair.a.client_of(Stock, request)?,
        );
        let shape = |text: &str| -> String {
            // Counters and ages go on between two questions.
            text.chars()
                .filter(|c| !c.is_ascii_digit() && *c != ' ')
                .collect()
        };
        assert_eq!((ours.code(), stock.code()), (0, 0), "{request}");
        assert_eq!(shape(&ours.stdout), shape(&stock.stdout), "{request}");
    }
    Ok(())
}

/// What a hostile peer may send, by name.
fn hostile_datagrams() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut random = Random(1);
    let version_0 = [0x00, 0, 0, 8, 0, 0, 0, 1].to_vec();
    let unknown_type = [0x1f, 0, 0, 8, 0, 0, 0, 2].to_vec();
    let longer_than_it_is = [0x10, 0, 0xff, 0xff, 0, 0, 0, 3].to_vec();
    let without_end = [0x10, 0, 0, 0, 0, 0, 0, 4].to_vec();
    // A new flow without any attribute: which flow?
    let anonymous = [0x10, 0, 0, 12, 0, 0, 0, 5, 6, 0, 0, 0].to_vec();
    vec![
        ("nothing", vec![vec![]]),
        ("one byte", vec![vec![0x10]]),
        ("another version", vec![version_0]),
        ("an unknown type", vec![unknown_type]),
        ("a length beyond the datagram", vec![longer_than_it_is]),
        ("a length of zero", vec![without_end]),
        ("a flow without addresses", vec![anonymous]),
        (
            "random bytes",
            (0..20_000).map(|_| random.bytes(600)).collect(),
        ),
        (
            "random bytes behind a good header",
            (0..20_000).map(|_| random.message()).collect(),
        ),
    ]
}

#[test]
fn a_hostile_peer_is_counted_and_does_no_harm() -> Result<()> {
    let pair = Pair::start()?;
    pair.assert_well(1)?;
    let socket = pair
        .network
        .b
        .enter(|| UdpSocket::bind("192.168.100.2:0"))?;
    let socket = socket.map_err(Error::io("the attacker's socket"))?;
    for (what, datagrams) in hostile_datagrams() {
        let before = resident_kilobytes(&pair.a)?;
        let count = datagrams.len();
        for datagram in datagrams {
            socket
                .send_to(&datagram, ("192.168.100.1", PORT))
                .map_err(Error::io("sending to the daemon"))?;
        }
        if count == 1 && what != "nothing" {
            // A client may be answered before a datagram that came earlier.
            wait_until(&format!("{what} to be counted"), PATIENCE, || {
                pair.a.statistics().is_ok_and(|it| it.malformed > 0)
            })?;
        }
        let grown = resident_kilobytes(&pair.a)?.saturating_sub(before);
        assert!(grown < 30_000, "{what}: {grown} KB more");
        // Random numbers may have silenced the sequence tracking of A towards B, never the
        // other direction.
        pair.a.answer_soon()?;
    }
    let entries = pair.a.external()?.len();
    assert!(entries < 40_000, "{entries} invented flows");
    pair.assert_well(2)
}

#[test]
fn clients_that_say_nothing_or_nonsense_keep_nobody_waiting() -> Result<()> {
    let pair = Pair::start()?;
    let connect = || UnixStream::connect(pair.a.socket()).map_err(Error::io("the control socket"));
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(connect()?);
    }
    let unknown = [i32::MIN, -1, 2, 27, 99, i32::MAX].map(|code| code.to_ne_bytes().to_vec());
    let malformed = [vec![1], vec![16, 0], vec![16, 0, 0], vec![0xff; 4096]];
    for request in unknown.into_iter().chain(malformed) {
        let mut client = connect()?;
        // Who is hung up on while still talking gets an error; that is an answer too.
        let _ = client.write_all(&request);
        let _ = client.shutdown(std::net::Shutdown::Write);
        client
            .set_read_timeout(Some(PATIENCE))
            .map_err(Error::io("a time limit"))?;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer, b"", "an answer to {request:?}");
    }
    pair.assert_well(1)
}

#[test]
fn a_client_that_never_reads_holds_up_nobody_and_costs_little() -> Result<()> {
    let pair = Pair::start()?;
    Group {
        number: 9,
        size: 20_000,
    }
    .create(&pair.network.a)?;
    wait_for("the daemon to know the flows", PATIENCE, || {
        let active = pair.a.statistics()?.internal.active;
        Ok(match active >= 20_000 {
            true => Progress::Done(()),
            false => Progress::Waiting(format!("{active} flows")),
        })
    })?;
    let before = resident_kilobytes(&pair.a)?;
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut client = UnixStream::connect(pair.a.socket()).map_err(Error::io("connecting"))?;
        client
            .write_all(&16_i32.to_ne_bytes())
            .map_err(Error::io("asking"))?;
        deaf.push(client);
    }
    pair.assert_well(1)?;
    let grown = resident_kilobytes(&pair.a)?.saturating_sub(before);
    // Twenty dumps of 20,000 lines are 60 MB.
    assert!(grown < 20_000, "{grown} KB more");
    Ok(())
}

#[test]
fn a_flood_of_resync_requests_does_not_silence_the_daemon() -> Result<()> {
    let pair = Pair::start()?;
    Group {
        number: 9,
        size: 10_000,
    }
    .create(&pair.network.a)?;
    let socket = pair
        .network
        .b
        .enter(|| UdpSocket::bind("192.168.100.2:0"))?;
    let socket = socket.map_err(Error::io("the attacker's socket"))?;
    for seq in 0..2_000_u32 {
        // Control message with RESYNC, from and to zero.
        let mut datagram = vec![0x1a, 0x02, 0, 16];
        datagram.extend(seq.to_be_bytes());
        datagram.extend([0; 8]);
        socket
            .send_to(&datagram, ("192.168.100.1", PORT))
            .map_err(Error::io("sending to the daemon"))?;
    }
    pair.a.answer_soon().map(drop)
}

fn resident_kilobytes(daemon: &Conntrackd) -> Result<u64> {
    let path = format!("/proc/{}/status", daemon.process().pid());
    let status = fs::read_to_string(&path).map_err(Error::io(path))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no VmRSS in:\n{status}")))
}

/// A small generator of numbers that are random enough to be nonsense (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length_max: u64) -> Vec<u8> {
        let length = self.next() % length_max;
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A message with plausible version, type and length, and nonsense inside.
    fn message(&mut self) -> Vec<u8> {
        let mut message = self.bytes(300);
        message.resize(message.len().max(12), 0);
        let length = u16::try_from(message.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        message[0] = 0x10 | (message[0] % 6);
        message[1] &= 0xc0;
        message[2..4].copy_from_slice(&length);
        message
    }
}

#[test]
fn a_namespace_of_its_own_is_all_a_daemon_needs() -> Result<()> {
    // Nothing of the host's network: the daemon starts where only loopback is up.
    let node = Namespace::new("alone")?;
    let config = "Sync { Mode FTFW { } UDP { IPv4_address 127.0.0.1 \
                  IPv4_Destination_Address 127.0.0.1 Port 3780 Interface lo } }\n";
    let daemon = Conntrackd::start(&node, Ours, config)?;
    assert_eq!(daemon.statistics()?.internal.active, 0);
    Ok(())
}
