//! What mode a world is in, how many hosts and links it has, and what may be demanded of it.
//!
//! FT-FW repairs what the links lose; NOTRACK notices it; ALARM sends everything again and again.

use std::time::Duration;

use ctsync::{ExternalCache, InternalCache, ModeConfig, Request};

use super::{Incident, NodeSettings, Scenario, Traffic};
use crate::network::Transport;
use crate::random::{Percent, Random};

/// A mode without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeName {
    /// FT-FW.
    Ftfw,
    /// NOTRACK.
    Notrack,
    /// ALARM.
    Alarm,
}

/// What is laid down of a world that is drawn; the rest is left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The mode.
    pub mode: Option<ModeName>,
    /// The number of hosts.
    pub hosts: Option<usize>,
    /// The number of links.
    pub links: Option<usize>,
    /// What links are made of.
    pub transport: Option<Transport>,
    /// Whether events are sent without a cache (in NOTRACK only).
    pub bypass: Option<bool>,
    /// Whether the peer's flows go into the kernel at once (not in ALARM).
    pub inject: Option<bool>,
    /// Whether the kernel's table is polled.
    pub poll: Option<bool>,
    /// Whether expectations are replicated.
    pub expectations: Option<bool>,
}

impl Wish {
    /// Nothing is laid down.
    pub const ANY: Self = Self {
        mode: None,
        hosts: None,
        links: None,
        transport: None,
        bypass: None,
        inject: None,
        poll: None,
        expectations: None,
    };
}

/// Draws the mode and the network.
pub(super) fn choose(scenario: &mut Scenario, wish: &Wish, random: &mut Random) {
    let modes = [ModeName::Ftfw, ModeName::Notrack, ModeName::Alarm];
    let drawn = *random.pick(&modes).unwrap_or(&ModeName::Ftfw);
    let node = &mut scenario.node;
    match wish.mode.unwrap_or(drawn) {
        ModeName::Ftfw => {}
        ModeName::Notrack => {
            node.mode = ModeConfig::Notrack;
            let bypass = random.chance(Percent(25));
            if wish.bypass.unwrap_or(bypass) {
                node.internal_cache = InternalCache::Bypass;
            }
        }
        ModeName::Alarm => node.mode = random_alarm(random),
    }
    let alarm = matches!(node.mode, ModeConfig::Alarm { .. });
    let inject = random.chance(Percent(25));
    if !alarm && wish.inject.unwrap_or(inject) {
        node.external_cache = ExternalCache::Inject;
        // A peer that names no timeouts cannot be injected.
        node.commit_timeout = None;
    }
    let poll = random.chance(Percent(10));
    if node.keeps() && wish.poll.unwrap_or(poll) {
        node.poll = Some(Duration::from_millis(random.between(300, 1_500)));
    }
    let expectations = random.chance(Percent(40));
    node.expectations = wish.expectations.unwrap_or(expectations);
    let hosts = *random.pick(&[2, 2, 2, 3, 4]).unwrap_or(&2);
    scenario.hosts = wish.hosts.unwrap_or(hosts).clamp(2, 4);
    let links = *random.pick(&[1, 1, 2, 3, 4]).unwrap_or(&1);
    scenario.links = wish.links.unwrap_or(links).clamp(1, 4);
    if random.chance(Percent(25)) {
        scenario.transport = Transport::Streams;
    }
    scenario.transport = wish.transport.unwrap_or(scenario.transport);
    if scenario.transport == Transport::Streams {
        scenario.hosts = 2;
    }
    if matches!(scenario.node.mode, ModeConfig::Ftfw { .. }) {
        scenario.hosts = 2;
    }
    if scenario.hosts > 2 {
        scenario.traffic = Traffic::Everyone;
    }
    if scenario.node.injects() {
        spare_readings(scenario);
    }
}

/// Where the peer's flows are in the kernel, whoever reads its table takes them for his own, and tells
/// their owner of them; stock does so as well. Such worlds would show nothing else any more, so
/// there are none (docs/open.md).
fn spare_readings(scenario: &mut Scenario) {
    scenario.node.poll = None;
    scenario.events_len_max = 4_096;
    if !scenario.node.keeps() {
        scenario.hosts = 2;
        scenario.traffic = Traffic::Primary;
        scenario.link.loss = Percent(0);
        scenario.node.startup_resync = false;
    }
}

fn random_alarm(random: &mut Random) -> ModeConfig {
    let refresh_time = random.between(1, 4);
    // A refresh comes in time even if two before it got lost.
    let cache_timeout = refresh_time * 3 + 4;
    ModeConfig::Alarm {
        refresh_time: Duration::from_secs(refresh_time),
        cache_timeout: Duration::from_secs(cache_timeout),
    }
}

impl NodeSettings {
    /// `ResendQueueSize`; without meaning, and as large as can be, in other modes than FT-FW.
    pub const fn resend_queue_len_max(&self) -> usize {
        match self.mode {
            ModeConfig::Ftfw {
                resend_queue_len_max,
                ..
            } => resend_queue_len_max,
            ModeConfig::Notrack | ModeConfig::Alarm { .. } => usize::MAX,
        }
    }

    /// Whether the peer's flows go into the kernel at once.
    pub fn injects(&self) -> bool {
        self.external_cache == ExternalCache::Inject
    }

    /// Whether the kernel's flows are kept in a cache.
    pub fn keeps(&self) -> bool {
        self.internal_cache == InternalCache::Keep
    }

    /// Whether everything is sent again and again.
    pub const fn refreshes(&self) -> bool {
        matches!(self.mode, ModeConfig::Alarm { .. })
    }

    /// Whether lost messages are sent again.
    pub const fn resends(&self) -> bool {
        matches!(self.mode, ModeConfig::Ftfw { .. })
    }
}

impl Scenario {
    /// Whether something can happen in this world.
    pub fn can_befall(&self, incident: Incident) -> bool {
        let (injects, bypasses) = (self.node.injects(), !self.node.keeps());
        match incident {
            Incident::Reconnect if injects && bypasses => false,
            Incident::Reconnect => self.transport == Transport::Streams,
            Incident::Failover
            | Incident::Promotion
            | Incident::Restart
            | Incident::Reboot
            | Incident::Request(Request::ResyncKernel(_) | Request::SchedulePurge)
                if injects =>
            {
                false
            }
            Incident::Partition
            | Incident::Deaf
            | Incident::Carrier
            | Incident::Request(Request::SendBulk | Request::RequestBulk)
                if injects && bypasses =>
            {
                false
            }
            Incident::Failover
            | Incident::Promotion
            | Incident::Request(Request::SchedulePurge) => self.hosts == 2,
            _ => true,
        }
    }

    /// Whether a kernel may refuse what the peer's accepts, or there is no room on the way to it.
    pub fn is_cramped(&self) -> bool {
        let flows = usize::try_from(self.slots + self.burst).unwrap_or(usize::MAX);
        let room = self.table_len_max.min(self.node.cache_len_max);
        self.helper_missing || room <= flows
    }

    /// Whether messages of one sender may arrive in another order than sent.
    pub fn reorders(&self) -> bool {
        let link = &self.link;
        self.transport == Transport::Datagrams
            && (!link.jitter.is_zero() || link.reordering != Percent(0))
    }

    /// Whether a receiver can tell the lives of a flow apart: it hears of each end and each beginning,
    /// and from one host.
    pub fn tells_lives_apart(&self) -> bool {
        // Without a cache a lost event is as good as a lost message.
        let hears_all = self.node.keeps() || self.events_len_max > 1_000;
        let whole = hears_all && !self.loses() && !self.reorders();
        self.node.resends() || whole && self.hosts == 2
    }

    /// Whether messages may get lost.
    pub fn loses(&self) -> bool {
        let faults = [
            Incident::Partition,
            Incident::Deaf,
            Incident::Carrier,
            Incident::Reconnect,
            Incident::Restart,
            Incident::Reboot,
        ];
        let has = |fault| self.incidents.contains(&fault);
        let streams = self.transport == Transport::Streams;
        faults.into_iter().any(has) || !streams && self.link.loss != Percent(0)
    }

    /// Time in which the nodes repair everything by themselves.
    pub fn settle_time(&self) -> Duration {
        match self.node.mode {
            // A short queue takes its time to send what fell out of it.
            ModeConfig::Ftfw {
                resend_queue_len_max: ..100,
                ..
            } => SETTLE * 2,
            ModeConfig::Notrack if self.loses() => NOTRACK_REPAIR,
            ModeConfig::Ftfw { .. } | ModeConfig::Notrack => SETTLE,
            ModeConfig::Alarm {
                refresh_time,
                cache_timeout,
            } => SETTLE.max(refresh_time + cache_timeout + ALARM_SLACK),
        }
    }

    /// Time in which everything is there again when it was asked for.
    pub fn refill_time(&self) -> Duration {
        match self.node.mode {
            ModeConfig::Ftfw { .. } | ModeConfig::Notrack => REFILL,
            ModeConfig::Alarm { refresh_time, .. } => REFILL.max(refresh_time + ALARM_SLACK),
        }
    }
}

/// Time in which FT-FW repairs everything.
const SETTLE: Duration = Duration::from_secs(8);

/// Time in which NOTRACK asks for everything, if it has done so lately (docs/adr/0008).
const NOTRACK_REPAIR: Duration = Duration::from_secs(140);

/// Time in which a bulk has to arrive.
const REFILL: Duration = Duration::from_secs(4);

/// How much later than said ALARM may be.
const ALARM_SLACK: Duration = Duration::from_secs(2);
