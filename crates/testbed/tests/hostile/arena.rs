//! Two daemons, an attacker, and what is looked at while it attacks.
//!
//! A *beat* is a new flow in one node's kernel that the other node's external cache has to show.
//! What the attacker forges with numbers of its own choice disturbs what B hears from A, since one
//! sequence is all the protocol has; that direction has to recover after the attack, by itself and
//! in stated time. The other direction must not notice anything.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testbed::Implementation::Ours;
use testbed::{
    Conntrackd, Error, Group, IpVersion, Namespace, PATIENCE, Progress, Result, SyncPair, wait_for,
};

use crate::message::alive;

/// How long a new flow may need to the other node during an attack that does not concern its
/// direction. Some milliseconds are usual.
const BEAT_TIME_MAX: Duration = Duration::from_secs(4);
/// How often the other node may be asked for it meanwhile. Where fewer questions were answered in
/// all that time, it was the machine that was busy.
const BEAT_LOOKS_MAX: u32 = 200;
/// Beats that an attack is watched for at least.
const BEATS_MIN: u32 = 3;
/// Datagrams sent between two looks at whether all have arrived.
const BURST: usize = 128;
/// Where the victim listens.
const VICTIM: (&str, u16) = ("192.168.100.2", 3780);

/// How a new flow got to the other node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beat {
    took: Duration,
    /// How often the other node was asked for it.
    looks: u32,
}

/// Whose flow goes to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    AToB,
    BToA,
}

/// The counters of `-s network` and `-s runtime` by their names.
pub type Counters = BTreeMap<String, u64>;

pub struct Arena {
    pub network: SyncPair,
    pub a: Conntrackd,
    /// The victim.
    pub b: Conntrackd,
    attacker: UdpSocket,
    next_beat: AtomicU16,
}

/// What an attack may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Memory of the victim.
    pub kilobytes: u64,
    /// Lines of its log.
    pub log_lines: usize,
}

impl Bounds {
    /// For attacks that leave nothing behind but counters. The ring of receive buffers is touched
    /// by long datagrams only: 32 times 64 KiB.
    pub const NOTHING_KEPT: Self = Self {
        kilobytes: 8 * 1024,
        log_lines: 60,
    };
}

impl Arena {
    /// A pair that has greeted each other and knows 50 flows; `general` goes into the section of
    /// that name.
    pub fn new(general: &str) -> Result<Self> {
        let network = SyncPair::new()?;
        let configs = SyncPair::ftfw(IpVersion::V4, "");
        let [config_a, config_b] =
            configs.map(|config| format!("{config}\nGeneral {{\n{general}\n}}\n"));
        let a = Conntrackd::start(&network.a, Ours, &config_a)?;
        let b = Conntrackd::start(&network.b, Ours, &config_b)?;
        let attacker = network.a.enter(|| UdpSocket::bind("192.168.100.1:0"))?;
        let arena = Self {
            attacker: attacker.map_err(Error::io("the attacker's socket"))?,
            next_beat: AtomicU16::new(2000),
            network,
            a,
            b,
        };
        let group = Group {
            number: 1,
            size: 50,
        };
        group.create(&arena.network.a)?;
        for direction in [Direction::AToB, Direction::BToA, Direction::AToB] {
            arena.beat(direction)?;
        }
        Ok(arena)
    }

    /// Sends datagrams to the victim, no faster than it reads them.
    pub fn send(&self, datagrams: &[Vec<u8>]) -> Result<()> {
        // Long ones fill the receive buffer sooner.
        let longest = datagrams.iter().map(Vec::len).max().unwrap_or(0);
        let burst = if longest > 2000 { 8 } else { BURST };
        for burst in datagrams.chunks(burst) {
            burst
                .iter()
                .try_for_each(|datagram| self.send_one(datagram))?;
            self.wait_until_read()?;
        }
        Ok(())
    }

    fn send_one(&self, datagram: &[u8]) -> Result<()> {
        let sent = self.attacker.send_to(datagram, VICTIM);
        sent.map(drop).map_err(Error::io("sending to the daemon"))
    }

    /// Datagrams of one socket arrive in order: when one of another version is counted, all before
    /// it have been read.
    fn wait_until_read(&self) -> Result<()> {
        const COUNTER: &str = "Wrong protocol version";
        let before = self.counter(COUNTER)?;
        let mut fence = alive(0, 0);
        fence[0] |= 0x20;
        self.send_one(&fence)?;
        wait_for("the datagrams to be read", PATIENCE, || {
            Ok(match self.counter(COUNTER)? {
                after if after > before => Progress::Done(()),
                _ => Progress::Waiting(String::new()),
            })
        })
    }

    /// The victim's counters, without the fences of [`Arena::send`].
    pub fn counters(&self) -> Result<Counters> {
        let mut counters = Counters::new();
        for topic in ["network", "runtime"] {
            let text = self.b.client(&format!("-s {topic}"))?.stdout;
            for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
                if let Ok(value) = value.trim().parse() {
                    // What is received comes before what is sent under the same name.
                    counters.entry(name.trim().to_owned()).or_insert(value);
                }
            }
        }
        Ok(counters)
    }

    pub fn counter(&self, name: &str) -> Result<u64> {
        let counters = self.counters()?;
        counters
            .get(name)
            .copied()
            .ok_or_else(|| Error::Unexpected(format!("no counter `{name}` in {counters:?}")))
    }

    /// A new flow goes from one node to the other; how long that took.
    pub fn beat(&self, direction: Direction) -> Result<Beat> {
        let number = self.next_beat.fetch_add(1, Ordering::Relaxed);
        let (kernel, receiver): (&Namespace, _) = match direction {
            Direction::AToB => (&self.network.a, &self.b),
            Direction::BToA => (&self.network.b, &self.a),
        };
        Group { number, size: 1 }.create(kernel)?;
        let start = Instant::now();
        let [high, low] = number.to_be_bytes();
        let needle = format!("src=10.{high}.{low}.1 ");
        let mut looks = 0;
        wait_for(&format!("{needle} {direction:?}"), PATIENCE, || {
            looks += 1;
            let took = start.elapsed();
            Ok(match receiver.client("-e")?.stdout.contains(&needle) {
                true => Progress::Done(Beat { took, looks }),
                false => Progress::Waiting(receiver.client("-s network")?.stdout),
            })
        })
    }

    /// Attacks while flows go in this direction, and demands that none of them is held up.
    pub fn attack_while_beating(
        &self,
        direction: Direction,
        attack: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let over = AtomicBool::new(false);
        let slow = thread::scope(|scope| {
            let heart = scope.spawn(|| -> Result<Vec<Beat>> {
                let mut slow = Vec::new();
                let mut beats = 0;
                while beats < BEATS_MIN || !over.load(Ordering::Relaxed) {
                    let beat = self.beat(direction)?;
                    if beat.took >= BEAT_TIME_MAX && beat.looks >= BEAT_LOOKS_MAX {
                        slow.push(beat);
                    }
                    beats += 1;
                }
                Ok(slow)
            });
            let attacked = attack();
            over.store(true, Ordering::Relaxed);
            let slow = heart.join().map_err(|_| panicked())?;
            attacked.and(slow)
        })?;
        assert!(slow.is_empty(), "flows took long to the peer: {slow:?}");
        Ok(())
    }

    /// Runs an attack on the victim and looks at what it has cost.
    pub fn survive(
        &self,
        direction: Direction,
        bounds: Bounds,
        attack: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let before = (resident_kilobytes(&self.b)?, self.b.mark()?);
        self.attack_while_beating(direction, attack)?;
        assert!(self.b.process().is_running());
        self.b.answer_soon()?;
        let grown = resident_kilobytes(&self.b)?.saturating_sub(before.0);
        assert!(grown <= bounds.kilobytes, "{grown} KB more memory");
        let lines = self.b.log().since(before.1);
        let last = lines.last().map(|line| line.text.clone());
        assert!(
            lines.len() <= bounds.log_lines,
            "{} lines in the log, such as {last:?}",
            lines.len()
        );
        Ok(())
    }

    /// Flows go both ways, if need be after the time that the protocol takes to find its numbers
    /// again.
    pub fn recover(&self) -> Result<()> {
        self.beat(Direction::AToB)?;
        self.beat(Direction::BToA).map(drop)
    }

    /// A number for a forged message that is far ahead of all that A will send, so that each
    /// forged message is taken. A's own numbers begin with the clock.
    pub fn seq_ahead(&self) -> Result<u32> {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = clock.map_err(|error| Error::Unexpected(error.to_string()))?;
        let low = seconds.as_secs() & u64::from(u32::MAX);
        Ok(u32::try_from(low).unwrap_or(0).wrapping_add(1 << 24))
    }
}

fn panicked() -> Error {
    Error::Unexpected("the heart has stopped".into())
}

/// Memory of a daemon.
pub fn resident_kilobytes(daemon: &Conntrackd) -> Result<u64> {
    let path = format!("/proc/{}/status", daemon.process().pid());
    let status = fs::read_to_string(&path).map_err(Error::io(path))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no VmRSS in:\n{status}")))
}
