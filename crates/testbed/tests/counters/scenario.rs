//! What happens to a daemon so that it has something to count.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use testbed::Implementation::{Ours, Stock};
use testbed::{
    Conntrackd, Error, Group, IpVersion, Mode, Namespace, PATIENCE, Progress, Result, Setup,
    SyncPair, Transport, wait_for,
};

use super::expected;
use super::snapshot::{self, Snapshot};

/// What is provoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Flows begin, change and end at both nodes, with traffic.
    Life,
    /// More flows than `HashLimit`.
    Full,
    /// A peer that sends all that can be wrong.
    Hostile,
    /// The same to a mode that looks at types.
    HostileToAlarm,
    /// The kernel drops events.
    Overrun,
    /// Events that the filter does not want.
    Filtered,
    /// Clients of no use.
    Clients,
    /// `-F` and `-R`.
    Requests,
    /// A peer that hears nothing any more.
    Deaf,
    /// A link on which nothing can be sent.
    Refused,
    /// A peer that is away, over TCP, and a stranger who connects.
    Away,
    /// A peer that accepts the connection and reads nothing.
    Stuck,
    /// Expectations begin and end at both nodes.
    Expected,
    /// More of them than `HashLimit`.
    FullOfExpected,
    /// Neither node keeps anything: events are passed on, and written into the other kernel.
    Passed,
    /// A peer tells of flows that the kernel refuses.
    Unwanted,
    /// Statistics mode: flows begin, change and end, with traffic.
    Recorded,
    /// More of them than `HashLimit`.
    FullOfRecorded,
}

/// A daemon to look at, its peer if it has one, and where they live.
struct Stage {
    network: SyncPair,
    a: Conntrackd,
    b: Option<Conntrackd>,
}

/// Runs a scenario: what the daemon showed at its start, and what it shows in the end.
pub fn run(scenario: Scenario) -> Result<(Snapshot, Snapshot)> {
    let stage = Stage::new(scenario)?;
    // A daemon shows nothing before anything has happened but what is there from the start.
    let mut before = snapshot::take(&stage.a)?;
    before.retain(|key, _| !key.contains("maximum elements"));
    match scenario {
        Scenario::Life => stage.life()?,
        Scenario::Full => stage.full()?,
        Scenario::Hostile => stage.hostile()?,
        Scenario::HostileToAlarm => stage.hostile_to_alarm()?,
        Scenario::Overrun => stage.overrun()?,
        Scenario::Filtered => stage.filtered()?,
        Scenario::Clients => stage.clients()?,
        Scenario::Requests => stage.requests()?,
        Scenario::Deaf => stage.deaf()?,
        Scenario::Refused => stage.refused()?,
        Scenario::Away => stage.away()?,
        Scenario::Stuck => stage.stuck()?,
        Scenario::Expected => stage.expected()?,
        Scenario::FullOfExpected => stage.full_of_expected()?,
        Scenario::Passed => stage.passed()?,
        Scenario::Unwanted => stage.unwanted()?,
        Scenario::Recorded => stage.recorded()?,
        Scenario::FullOfRecorded => stage.full_of_recorded()?,
    }
    Ok((before, snapshot::take(&stage.a)?))
}

fn group(number: u16, size: u32) -> Group {
    Group { number, size }
}

/// Waits until a number of a daemon is at least so large.
fn wait_at_least(what: &str, wanted: u64, mut number: impl FnMut() -> Result<u64>) -> Result<()> {
    wait_for(what, PATIENCE, || {
        Ok(match number()? {
            found if found >= wanted => Progress::Done(()),
            found => Progress::Waiting(format!("{found} of {wanted}")),
        })
    })
}

/// What the two daemons are told. B has no limit.
fn configs(scenario: Scenario) -> [String; 2] {
    let mut setup = Setup::new(Mode::Ftfw, Transport::Udp, IpVersion::V4);
    match scenario {
        Scenario::HostileToAlarm => setup.mode = Mode::Alarm,
        Scenario::Overrun => {
            setup.sections = "General { NetlinkBufferSize 65536 \
                              NetlinkBufferSizeMaxGrowth 131072 NetlinkOverrunResync 1 }";
        }
        Scenario::Filtered => setup.sections = "General { Filter { Protocol Ignore { UDP } } }",
        Scenario::Deaf => setup.in_mode = "ResendQueueSize 4",
        Scenario::Away => setup.transport = Transport::Tcp,
        Scenario::Stuck => {
            setup.transport = Transport::Tcp;
            setup.in_link = "SndSocketBuffer 4096";
        }
        Scenario::Expected | Scenario::FullOfExpected => {
            setup.in_sync = "Options { ExpectationSync on }";
        }
        Scenario::Passed | Scenario::Unwanted => {
            setup.mode = Mode::Notrack;
            setup.in_mode = "DisableInternalCache on\nDisableExternalCache on";
        }
        Scenario::Life
        | Scenario::Full
        | Scenario::Hostile
        | Scenario::Clients
        | Scenario::Requests
        | Scenario::Refused => {}
        Scenario::Recorded | Scenario::FullOfRecorded => {
            let stats = String::from("Stats { LogFile off }\n");
            return [stats.clone() + limit(scenario), stats];
        }
    }
    let [config_a, config_b] = setup.configs();
    [config_a + limit(scenario), config_b]
}

fn limit(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Full | Scenario::FullOfRecorded => "General { HashLimit 5 }\n",
        Scenario::FullOfExpected => "General { HashLimit 1 }\n",
        _ => "",
    }
}

impl Stage {
    fn new(scenario: Scenario) -> Result<Self> {
        let network = SyncPair::new()?;
        network.a.sysctl("net.netfilter.nf_conntrack_acct", 1)?;
        let [config_a, config_b] = configs(scenario);
        let a = Conntrackd::start(&network.a, Ours, &config_a)?;
        let b = match scenario {
            Scenario::Hostile
            | Scenario::HostileToAlarm
            | Scenario::Away
            | Scenario::Stuck
            | Scenario::Unwanted
            | Scenario::Recorded
            | Scenario::FullOfRecorded => None,
            // Sends updates where we would still send everything.
            Scenario::Expected => Some(Conntrackd::start(&network.b, Stock, &config_b)?),
            _ => Some(Conntrackd::start(&network.b, Ours, &config_b)?),
        };
        Ok(Self { network, a, b })
    }

    /// A number of the daemon.
    fn number(&self, key: &str) -> Result<u64> {
        let snapshot = snapshot::take(&self.a)?;
        let number = snapshot.get(key).copied();
        number.ok_or_else(|| Error::Unexpected(format!("no `{key}`")))
    }

    fn life(&self) -> Result<()> {
        let (a, b) = (&self.network.a, &self.network.b);
        for (node, first) in [(a, 1), (b, 11)] {
            group(first, 20).create(node)?;
            group(first + 1, 20).create(node)?;
        }
        let known = |at_least: u64| -> Result<()> {
            wait_at_least("flows", at_least, || {
                Ok(self.a.statistics()?.internal.active)
            })?;
            wait_at_least("flows", at_least, || {
                Ok(self.a.statistics()?.external.active)
            })
        };
        known(40)?;
        // What the peer has not acknowledged is told it as new, so that takes a moment.
        let mut mark = 0;
        wait_at_least("updates", 1, || {
            mark += 1;
            group(1, 1).mark(a, mark, 1)?;
            group(11, 1).mark(b, mark, 1)?;
            let statistics = self.a.statistics()?;
            Ok(statistics.internal.updated.min(statistics.external.updated))
        })?;
        for (node, first) in [(a, 2), (b, 12)] {
            group(first, 20).delete(node)?;
        }
        let ended = |s: &testbed::Statistics| s.internal.destroyed.min(s.external.destroyed);
        wait_at_least("ends", 20, || Ok(ended(&self.a.statistics()?)))?;
        traffic(a)?;
        let key = "-s / traffic processed / Bytes Pckts / 1";
        wait_at_least("traffic", 1, || self.number(key))
    }

    fn full(&self) -> Result<()> {
        group(1, 20).create(&self.network.a)?;
        group(2, 20).create(&self.network.b)?;
        let failed = |s: &testbed::Statistics| s.internal.failed.min(s.external.failed);
        wait_at_least("refusals", 1, || Ok(failed(&self.a.statistics()?)))
    }

    /// Datagrams from the peer's address, and the number of those that were received before.
    fn attack(&self, datagrams: &[&[u8]]) -> Result<()> {
        let socket = self
            .network
            .b
            .enter(|| UdpSocket::bind("192.168.100.2:0"))?
            .map_err(Error::io("the attacker's socket"))?;
        for datagram in datagrams {
            let sent = socket.send_to(datagram, "192.168.100.1:3780");
            sent.map_err(Error::io("sending to the daemon"))?;
        }
        let all = u64::try_from(datagrams.len()).unwrap();
        let key = "-s / link / Pckts sent Pckts recv / 1";
        wait_at_least("the datagrams", all, || self.number(key))
    }

    fn hostile(&self) -> Result<()> {
        self.attack(&[
            // Alive, number 10; then 20: ten are missing; then 15, too late.
            &[0x1a, 0x10, 0, 8, 0, 0, 0, 10],
            &[0x1a, 0x10, 0, 8, 0, 0, 0, 20],
            &[0x1a, 0x10, 0, 8, 0, 0, 0, 15],
            // Version 2; control without a flag; an unknown attribute.
            &[0x2a, 0x10, 0, 8, 0, 0, 0, 21],
            &[0x1a, 0x00, 0, 8, 0, 0, 0, 21],
            &[0x10, 0x00, 0, 16, 0, 0, 0, 21, 0, 8, 0, 99, 0, 0, 0, 0],
            // Half a header; a length of 0.
            &[0x1a, 0x10, 0, 8],
            &[0x1a, 0x10, 0, 0, 0, 0, 0, 22],
        ])
    }

    fn hostile_to_alarm(&self) -> Result<()> {
        self.attack(&[&[0x17, 0x00, 0, 8, 0, 0, 0, 1]])
    }

    fn overrun(&self) -> Result<()> {
        self.a.process().signal(Signal::STOP);
        let created = group(1, 2000).create(&self.network.a);
        self.a.process().signal(Signal::CONT);
        created?;
        let key = "-s runtime / netlink stats / resync with kernel table: / 0";
        wait_at_least("a reading", 1, || self.number(key))
    }

    fn filtered(&self) -> Result<()> {
        group(1, 20).create(&self.network.a)?;
        let key = "-s runtime / netlink stats / events filtered: / 0";
        wait_at_least("filtered events", 1, || self.number(key))
    }

    fn clients(&self) -> Result<()> {
        let say = |request: &[u8]| -> Result<()> {
            let failed = || Error::io("the control socket");
            let mut client = UnixStream::connect(self.a.socket()).map_err(failed())?;
            client.write_all(request).map_err(failed())
        };
        // Nothing at all, half a number, and one that means nothing.
        say(&[])?;
        say(&[1, 0])?;
        say(&27_i32.to_ne_bytes())?;
        for (name, wanted) in [("local read failed:", 2), ("local unknown request:", 1)] {
            let key = format!("-s runtime / runtime stats / {name} / 0");
            wait_at_least(name, wanted, || self.number(&key))?;
        }
        Ok(())
    }

    fn requests(&self) -> Result<()> {
        self.a.client("-R")?;
        self.a.client("-F").map(drop)
    }

    /// Both have greeted when each has heard the other's first flow.
    fn greet(&self) -> Result<()> {
        group(1, 1).create(&self.network.a)?;
        group(2, 1).create(&self.network.b)?;
        for daemon in [Some(&self.a), self.b.as_ref()].into_iter().flatten() {
            wait_at_least("the peer's flow", 1, || {
                Ok(daemon.statistics()?.external.active)
            })?;
        }
        Ok(())
    }

    fn deaf(&self) -> Result<()> {
        self.greet()?;
        if let Some(peer) = &self.b {
            peer.process().signal(Signal::STOP);
        }
        group(3, 50).create(&self.network.a)?;
        let key = "-s queue / queue rsqueue / not enough space errors: / 0";
        wait_at_least(key, 1, || self.number(key))?;
        // A request of ours waits for its acknowledgement.
        self.a.client("-n")?;
        let key = "-s queue /  / allocated queue nodes: / 0";
        wait_at_least(key, 1, || self.number(key))
    }

    fn refused(&self) -> Result<()> {
        self.greet()?;
        // The interface is up, and there is no way to the peer.
        self.network.a.run("ip -4 address flush dev sync")?;
        group(3, 50).create(&self.network.a)?;
        let key = "-s / link / Error send Error recv / 0";
        wait_at_least(key, 1, || self.number(key))
    }

    fn away(&self) -> Result<()> {
        group(1, 2000).create(&self.network.a)?;
        let key = "-s queue / queue txqueue / current elements: / 0";
        wait_at_least(key, 1, || self.number(key))?;
        let b = &self.network.b;
        // Not the peer's address.
        b.run("ip -4 address flush dev sync")?;
        b.address("sync", "192.168.100.3/24")?;
        let stranger = b.enter(|| -> std::io::Result<()> {
            let mut stream = TcpStream::connect("192.168.100.1:3780")?;
            stream.set_read_timeout(Some(PATIENCE))?;
            // It is sent away.
            stream.read(&mut [0]).map(drop)
        })?;
        // A reset is as good as an end.
        let _ = stranger;
        let key = "-s / link / Error send Error recv / 1";
        wait_at_least(key, 1, || self.number(key))
    }

    fn stuck(&self) -> Result<()> {
        let b = &self.network.b;
        b.sysctl("net.ipv4.tcp_rmem", "4096 4096 4096")?;
        let peer = b
            .enter(|| TcpListener::bind("192.168.100.2:3780"))?
            .map_err(Error::io("the peer's socket"))?;
        group(1, 5000).create(&self.network.a)?;
        let (_connection, _) = peer
            .accept()
            .map_err(Error::io("the daemon's connection"))?;
        let key = "-s queue / queue errorq / current elements: / 0";
        wait_at_least(key, 1, || self.number(key))
    }

    /// Masters and an expectation at both nodes; both daemons know all of it.
    fn announce(&self) -> Result<()> {
        for (node, number) in [(&self.network.a, 1), (&self.network.b, 2)] {
            expected::master(node, number)?;
            expected::expect(node, number, 5001)?;
            expected::expect(node, number, 5002)?;
        }
        for cache in ["internal", "external"] {
            let key = format!("-s expect / cache {cache} / connections created: failed: / 0");
            wait_at_least(&key, 1, || self.number(&key))?;
        }
        Ok(())
    }

    fn expected(&self) -> Result<()> {
        self.announce()?;
        // What is read from the kernel again is an update, and is sent as one.
        let peer = self.b.as_ref().unwrap();
        let key = "-s expect / cache external / connections updated: failed: / 0";
        wait_at_least(key, 1, || {
            for daemon in [&self.a, peer] {
                daemon.client("-R expect")?;
            }
            peer.client("-B")?;
            self.number(key)
        })?;
        expected::forget(&self.network.a)?;
        expected::forget(&self.network.b)?;
        for cache in ["internal", "external"] {
            let key = format!("-s expect / cache {cache} / connections destroyed: failed: / 0");
            wait_at_least(&key, 1, || self.number(&key))?;
        }
        Ok(())
    }

    fn full_of_expected(&self) -> Result<()> {
        self.announce()?;
        for cache in ["internal", "external"] {
            let key = format!("-s expect / cache {cache} / connections created: failed: / 1");
            wait_at_least(&key, 1, || self.number(&key))?;
        }
        Ok(())
    }

    fn passed(&self) -> Result<()> {
        let groups = [(&self.network.a, 1), (&self.network.b, 11)];
        // One after the other: what is told of a flow while it is being written is merged into one
        // operation.
        for (wanted, passed, injected) in [
            (10, "new:", "created: failed:"),
            (5, "updated:", "updated: failed:"),
            (10, "destroyed:", "destroyed: failed:"),
        ] {
            for (node, number) in groups {
                match passed {
                    "new:" => group(number, 10).create(node)?,
                    "updated:" => group(number, 10).mark(node, 7, 5)?,
                    _ => group(number, 10).delete(node)?,
                }
            }
            for key in [
                format!("-s / internal bypass / connections {passed} / 0"),
                format!("-s / external inject / connections {injected} / 0"),
            ] {
                wait_at_least(&key, wanted, || self.number(&key))?;
            }
        }
        Ok(())
    }

    fn unwanted(&self) -> Result<()> {
        // A TCP flow from 10.1.0.1:1 to 192.0.2.1:80 in a state that does not exist.
        let flow = |kind: u8, seq: u8| {
            let mut bytes = vec![0x10 | kind, 0, 0, 52, 0, 0, 0, seq];
            bytes.extend([0, 12, 0, 0, 10, 1, 0, 1, 192, 0, 2, 1]);
            bytes.extend([0, 5, 0, 2, 6, 0, 0, 0]);
            bytes.extend([0, 8, 0, 3, 0, 1, 0, 80]);
            bytes.extend([0, 5, 0, 4, 99, 0, 0, 0]);
            bytes.extend([0, 8, 0, 6, 0, 0, 0, 100]);
            bytes
        };
        // One after the other: what is told of a flow while it is being written is merged into one
        // operation.
        for (line, kind, seq) in [("created", 0, 1), ("updated", 1, 2)] {
            self.attack(&[&flow(kind, seq)])?;
            let key = format!("-s / external inject / connections {line}: failed: / 1");
            wait_at_least(&key, 1, || self.number(&key))?;
        }
        Ok(())
    }

    fn recorded(&self) -> Result<()> {
        let node = &self.network.a;
        group(1, 20).create(node)?;
        group(2, 20).create(node)?;
        group(1, 20).mark(node, 7, 5)?;
        group(2, 20).delete(node)?;
        traffic(node)?;
        for (block, line, wanted) in [
            ("cache stats", "connections destroyed: failed: / 0", 20),
            ("cache stats", "connections updated: failed: / 0", 5),
            ("traffic processed", "Bytes Pckts / 1", 1),
        ] {
            let key = format!("-s / {block} / {line}");
            wait_at_least(&key, wanted, || self.number(&key))?;
        }
        Ok(())
    }

    fn full_of_recorded(&self) -> Result<()> {
        group(1, 20).create(&self.network.a)?;
        let key = "-s / cache stats / connections created: failed: / 1";
        wait_at_least(key, 1, || self.number(key))
    }
}

/// A datagram on the loopback interface, whose flow ends.
fn traffic(node: &Namespace) -> Result<()> {
    node.nft(
        "table inet t {\nchain o {\ntype filter hook output priority 0;\n\
         oifname lo ct state new counter\n}\n}\n",
    )?;
    let sent = node.enter(|| -> std::io::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:4000")?;
        socket.send_to(&[0; 100], "127.0.0.1:4001").map(drop)
    })?;
    sent.map_err(Error::io("sending"))?;
    node.run("/usr/sbin/conntrack -D -p udp --sport 4000")
        .map(drop)
}
