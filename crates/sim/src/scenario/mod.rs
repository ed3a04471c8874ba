//! What a world is like: every fault is an option.
//!
//! A scenario is drawn from a seed ([`Scenario::random`]), as a whole or but for what is wished
//! ([`Wish`]), or named ([`named`]); the seed then decides the moments, so a named scenario is a family
//! of runs as well.

mod modes;
mod named;

use std::time::Duration;

use ctsync::{ExternalCache, InternalCache, ModeConfig, Request, Tables};

use crate::network::{LinkFaults, Transport};
use crate::random::{Percent, Random};
use crate::sabotage::Sabotage;

pub use modes::{ModeName, Wish};
pub use named::named;

/// Who has traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// The primary.
    Primary,
    /// All hosts, each with flows of its own.
    Everyone,
}

/// Something that befalls the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// No datagram passes on a link for a while.
    Partition,
    /// Nothing reaches one host on a link for a while, though what it sends passes.
    Deaf,
    /// A host's link takes no datagrams for a while.
    Block,
    /// A host's interface loses its carrier for a while.
    Carrier,
    /// A stream breaks and is made anew.
    Reconnect,
    /// A daemon dies and is started again.
    Restart,
    /// A host dies, its table with it, and comes back.
    Reboot,
    /// The backup takes over.
    Failover,
    /// The backup takes over, and does no more than a commit.
    Promotion,
    /// Someone runs a command, most of which are drawn at random.
    Request(Request),
    /// Many changes at one moment.
    Burst,
    /// A stranger sends a sign of life with any number.
    Forgery,
    /// A stranger sends anything.
    Junk,
}

/// Settings of a world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// How long traffic and faults last.
    pub chaos: Duration,
    /// Different tuples in use.
    pub slots: u64,
    /// Longest pause between two changes of a table.
    pub pause_max: Duration,
    /// Changes in a burst.
    pub burst: u64,
    /// Number of hosts, at most four. More than two are all primaries, with flows of their own.
    pub hosts: usize,
    /// Number of links, at most four.
    pub links: usize,
    /// What they are made of; streams connect two hosts.
    pub transport: Transport,
    /// Flows that run out within seconds.
    pub short_lives: Percent,
    /// Who has traffic.
    pub traffic: Traffic,
    /// What the links do during the chaos.
    pub link: LinkFaults,
    /// What else happens, drawn evenly.
    pub incidents: Vec<Incident>,
    /// Longest pause between two incidents.
    pub incident_pause_max: Duration,
    /// Flows in the primary's table before its daemon starts.
    pub preloaded: u64,
    /// Faults begin before the two daemons have met.
    pub rough_start: bool,
    /// Longest time before events are read.
    pub event_delay_max: Duration,
    /// Events that a socket holds.
    pub events_len_max: usize,
    /// Dumps that the kernel calls inconsistent, of those during which the table changed.
    pub dump_interrupted: Percent,
    /// Flows that a table holds.
    pub table_len_max: usize,
    /// Whether the backup lacks a helper.
    pub helper_missing: bool,
    /// Settings of both nodes.
    pub node: NodeSettings,
    /// For the tests of the checkers.
    pub sabotage: Option<Sabotage>,
}

/// The part of `ctsync::Config` that scenarios vary.
#[derive(Clone, Copy, Debug)]
pub struct NodeSettings {
    /// The mode.
    pub mode: ModeConfig,
    /// `DisableInternalCache`.
    pub internal_cache: InternalCache,
    /// `DisableExternalCache`.
    pub external_cache: ExternalCache,
    /// `ExpectationSync`.
    pub expectations: bool,
    /// `PollSecs`.
    pub poll: Option<Duration>,
    /// Room of a datagram.
    pub payload_len_max: usize,
    /// `HashLimit`.
    pub cache_len_max: usize,
    /// `CommitTimeout`.
    pub commit_timeout: Option<Duration>,
    /// `StartupResync`.
    pub startup_resync: bool,
    /// `TCPWindowTracking`.
    pub tcp_window_tracking: bool,
    /// `NetlinkOverrunResync`.
    pub overrun_resync: Option<Duration>,
    /// Flows of a commit during which new ones are not heard.
    pub commit_unheard_min: usize,
    /// The wall clock at the start of the world.
    pub wall_clock: u32,
}

/// The wall clock of the captures.
const WALL_CLOCK: u32 = 1_795_243_361;

impl Scenario {
    /// A quiet pair with moderate traffic.
    pub const fn calm(name: &'static str) -> Self {
        Self {
            name,
            chaos: Duration::from_secs(8),
            slots: 60,
            pause_max: Duration::from_millis(20),
            burst: 100,
            hosts: 2,
            links: 1,
            transport: Transport::Datagrams,
            short_lives: Percent(0),
            traffic: Traffic::Primary,
            link: LinkFaults::NONE,
            incidents: Vec::new(),
            incident_pause_max: Duration::from_millis(1_500),
            preloaded: 0,
            rough_start: false,
            event_delay_max: Duration::from_millis(2),
            events_len_max: 4_096,
            dump_interrupted: Percent(0),
            table_len_max: 100_000,
            helper_missing: false,
            sabotage: None,
            node: NodeSettings {
                mode: ModeConfig::FTFW,
                internal_cache: InternalCache::Keep,
                external_cache: ExternalCache::Keep,
                expectations: false,
                poll: None,
                payload_len_max: 1_472,
                cache_len_max: 262_144,
                commit_timeout: None,
                startup_resync: false,
                tcp_window_tracking: true,
                overrun_resync: Some(Duration::from_secs(2)),
                commit_unheard_min: usize::MAX,
                wall_clock: WALL_CLOCK,
            },
        }
    }

    /// The world of a seed.
    pub fn random(seed: u64) -> Self {
        Self::wished(seed, &Wish::ANY)
    }

    /// The world of a seed, with some of it laid down.
    pub fn wished(seed: u64, wish: &Wish) -> Self {
        let mut random = Random::fork(seed, "scenario");
        let mut scenario = Self::calm("random");
        scenario.slots = *random.pick(&[4, 20, 60, 150]).unwrap_or(&20);
        scenario.pause_max = Duration::from_micros(random.between(2_000, 50_000));
        scenario.burst = random.between(1, 200);
        scenario.preloaded = if random.chance(Percent(40)) {
            scenario.slots / 2
        } else {
            0
        };
        scenario.rough_start = random.chance(Percent(30));
        if random.chance(Percent(30)) {
            scenario.traffic = Traffic::Everyone;
        }
        scenario.short_lives = *random
            .pick(&[Percent(0), Percent(10), Percent(60)])
            .unwrap_or(&Percent(0));
        scenario.link = random_link(&mut random);
        scenario.event_delay_max = Duration::from_micros(random.between(50, 30_000));
        scenario.events_len_max = *random.pick(&[8, 32, 4_096, 4_096]).unwrap_or(&4_096);
        scenario.dump_interrupted = *random
            .pick(&[Percent(0), Percent(50)])
            .unwrap_or(&Percent(0));
        scenario.helper_missing = random.chance(Percent(20));
        if random.chance(Percent(10)) {
            scenario.table_len_max = scenario.slots.try_into().unwrap_or(20);
        }
        scenario.node = random_settings(&mut random);
        let unheard = [1, 1, 10, usize::MAX];
        let min = Random::fork(seed, "unheard").pick(&unheard).copied();
        scenario.node.commit_unheard_min = min.unwrap_or(1);
        modes::choose(&mut scenario, wish, &mut Random::fork(seed, "modes"));
        scenario.incidents = random_incidents(&mut random, &scenario);
        let promotes = Random::fork(seed, "promotion").chance(Percent(30));
        if promotes && scenario.can_befall(Incident::Promotion) {
            scenario.incidents.push(Incident::Promotion);
        }
        scenario
    }
}

fn random_link(random: &mut Random) -> LinkFaults {
    let faulty = random.chance(Percent(80));
    let percent = |random: &mut Random, choices: &[u8]| {
        Percent(
            random
                .pick(choices)
                .copied()
                .filter(|_| faulty)
                .unwrap_or(0),
        )
    };
    LinkFaults {
        loss: percent(random, &[0, 1, 5, 10, 30]),
        duplication: percent(random, &[0, 0, 2, 20]),
        reordering: percent(random, &[0, 0, 2, 20]),
        delay: Duration::from_micros(random.between(20, 3_000)),
        jitter: Duration::from_micros(random.below(if faulty { 2_000 } else { 20 })),
        hold: Duration::from_millis(random.between(1, 100)),
    }
}

fn random_incidents(random: &mut Random, scenario: &Scenario) -> Vec<Incident> {
    let mut incidents = vec![Incident::Burst];
    // Half of the worlds have only faults that the protocol repairs by itself.
    let gentle = [
        Incident::Partition,
        Incident::Deaf,
        Incident::Block,
        Incident::Carrier,
        Incident::Reconnect,
        Incident::Junk,
        Incident::Request(Request::SendBulk),
        Incident::Request(Request::RequestBulk),
        Incident::Request(Request::ResyncKernel(Tables::All)),
    ];
    let harsh = [
        Incident::Restart,
        Incident::Reboot,
        Incident::Failover,
        Incident::Failover,
        Incident::Request(Request::FlushKernel(Tables::All)),
        Incident::Request(Request::FlushInternal),
        Incident::Request(Request::FlushExternal),
        Incident::Request(Request::FlushCaches),
        Incident::Request(Request::SchedulePurge),
    ];
    incidents.extend(gentle.into_iter().filter(|_| random.chance(Percent(40))));
    if random.chance(Percent(50)) {
        incidents.extend(harsh.into_iter().filter(|_| random.chance(Percent(35))));
    }
    incidents.retain(|incident| scenario.can_befall(*incident));
    incidents
}

fn random_settings(random: &mut Random) -> NodeSettings {
    // The window has to be at most half of the peer's queue (docs/wire.md, "FT-FW").
    let windows = [
        (131_072, 300),
        (131_072, 20),
        (131_072, 2),
        (40, 20),
        (4, 2),
    ];
    let (resend_queue_len_max, ack_window) = *random.pick(&windows).unwrap_or(&windows[0]);
    NodeSettings {
        mode: ModeConfig::Ftfw {
            resend_queue_len_max,
            ack_window,
        },
        internal_cache: InternalCache::Keep,
        external_cache: ExternalCache::Keep,
        expectations: false,
        poll: None,
        payload_len_max: *random.pick(&[1_472, 1_452, 600]).unwrap_or(&1_472),
        cache_len_max: *random
            .pick(&[262_144, 262_144, 262_144, 30])
            .unwrap_or(&262_144),
        commit_timeout: random
            .chance(Percent(20))
            .then_some(Duration::from_secs(180)),
        startup_resync: random.chance(Percent(30)),
        tcp_window_tracking: random.chance(Percent(50)),
        overrun_resync: Some(Duration::from_millis(random.between(200, 3_000))),
        commit_unheard_min: usize::MAX,
        wall_clock: *random
            .pick(&[WALL_CLOCK, u32::MAX - 300])
            .unwrap_or(&WALL_CLOCK),
    }
}
