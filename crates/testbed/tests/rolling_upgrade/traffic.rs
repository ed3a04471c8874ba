//! Traffic of all kinds through a pair of firewalls, and the question whether any of it is lost.

use std::ops::Range;
use std::time::{Duration, Instant};

use testbed::{
    EchoServer, FailoverPair, HeldConnections, PATIENCE, Result, SteadyTalker, Visit, Visitors,
    wait_until,
};

/// Connections that are held.
pub const HELD: usize = 200;
/// Visitors at a time.
pub const VISITORS: usize = 8;
/// So young is a connection that need not have reached the backup before a power cut.
const TOO_YOUNG: Duration = Duration::from_millis(50);

pub struct Traffic {
    held: HeldConnections,
    steady: SteadyTalker,
    datagrams: SteadyTalker,
    pub visitors: Visitors,
    _server: EchoServer,
}

impl Traffic {
    pub fn start(pair: &FailoverPair) -> Result<Self> {
        let (client, address) = (&pair.client, pair.server_address());
        let pause = Duration::from_millis(10);
        let server = EchoServer::start(&pair.server, address)?;
        Ok(Self {
            held: HeldConnections::open(client, address, HELD)?,
            steady: SteadyTalker::tcp(client, address, pause)?,
            datagrams: SteadyTalker::udp(client, address, pause)?,
            visitors: Visitors::start(client, address, VISITORS),
            _server: server,
        })
    }

    /// Asks every connection, after what happened at this moment; tells what was found. Visitors
    /// who connected just before a power cut, or while the links went down one after the other, may
    /// be lost: what the primary knew of them had not left it.
    pub fn check(&mut self, since: Instant, power_cut: Option<Range<Instant>>) -> Result<String> {
        let now = Instant::now();
        for (what, talker) in [("TCP", &self.steady), ("UDP", &self.datagrams)] {
            wait_until(&format!("{what}'s next echo"), PATIENCE, || {
                talker.first_echo_since(now).is_some()
            })?;
        }
        let survivors = self.held.check(PATIENCE)?;
        assert!(survivors.is_all(), "{survivors:?}");
        assert_eq!(self.steady.end(), None);
        // Those who came before have left by then.
        wait_until("visitors", PATIENCE, || {
            self.visitors.done_since(now) >= 2 * VISITORS
        })?;
        let lost = self.visitors.lost();
        let is_excused = |visit: &&Visit| match (&power_cut, visit.connected) {
            (Some(cut), Some(connected)) => {
                connected + TOO_YOUNG > cut.start && connected < cut.end + TOO_YOUNG
            }
            _ => false,
        };
        let excused = lost.iter().filter(is_excused).count();
        assert_eq!(lost.len(), excused, "{lost:?}");
        let (tcp, udp) = (
            self.steady.stall_since(since),
            self.datagrams.stall_since(since),
        );
        Ok(format!(
            "{} of {} held alive, {} visits, {excused} lost; longest silence: TCP {tcp}, UDP {udp}",
            survivors.alive,
            survivors.total,
            self.visitors.done_since(since),
        ))
    }
}
