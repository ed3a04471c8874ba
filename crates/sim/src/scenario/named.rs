//! Scenarios with a name: one fault each, or what once went wrong.
//!
//! The seed still decides the moments. Each has a test that demands that its fault has happened.

use std::time::Duration;

use ctsync::{ExternalCache, InternalCache, ModeConfig, Request};

use super::{Incident, NodeSettings, Scenario, Traffic};
use crate::network::{LinkFaults, Transport};
use crate::random::Percent;

/// The named scenarios.
pub fn named() -> Vec<Scenario> {
    let basics = faults().into_iter().chain(commands());
    let more = modes().into_iter().chain(links()).chain(expectations());
    basics.chain(more).chain(unheard()).collect()
}

/// FT-FW, and what links and daemons do to it.
fn faults() -> Vec<Scenario> {
    vec![
        Scenario::calm("calm"),
        lossy("lossy-10", 10),
        lossy("lossy-30", 30),
        Scenario {
            link: LinkFaults {
                reordering: Percent(10),
                duplication: Percent(10),
                hold: Duration::from_millis(30),
                ..LinkFaults::NONE
            },
            ..Scenario::calm("reordering")
        },
        with("partition", &[Incident::Partition, Incident::Burst]),
        with("channel-blocked", &[Incident::Block, Incident::Burst]),
        with("restart-under-load", &[Incident::Restart, Incident::Burst]),
        Scenario {
            link: lossy("", 10).link,
            ..with(
                "restart-lossy",
                &[Incident::Restart, Incident::Reboot, Incident::Burst],
            )
        },
    ]
}

/// FT-FW, and what operators, strangers and limits do to it.
fn commands() -> Vec<Scenario> {
    vec![
        with("failover", &[Incident::Failover]),
        Scenario {
            link: lossy("", 10).link,
            helper_missing: true,
            ..with("failover-lossy", &[Incident::Failover, Incident::Partition])
        },
        with("forged-numbers", &[Incident::Forgery, Incident::Burst]),
        with("junk", &[Incident::Junk, Incident::Burst]),
        Scenario {
            events_len_max: 16,
            event_delay_max: Duration::from_millis(50),
            dump_interrupted: Percent(30),
            ..with("overrun", &[Incident::Burst])
        },
        Scenario {
            incident_pause_max: Duration::from_millis(100),
            pause_max: Duration::from_millis(1),
            ..with(
                "bulk-while-destroying",
                &[Incident::Request(Request::SendBulk)],
            )
        },
        Scenario {
            preloaded: 50,
            incident_pause_max: Duration::from_millis(200),
            ..with("resync-storm", &[Incident::Request(Request::RequestBulk)])
        },
        Scenario {
            traffic: Traffic::Everyone,
            link: lossy("", 10).link,
            ..with("both-primary", &[Incident::Burst, Incident::Partition])
        },
        tight("resend-queue-overflow"),
        Scenario {
            slots: 3,
            pause_max: Duration::from_millis(2),
            link: lossy("", 5).link,
            ..Scenario::calm("port-reuse")
        },
        Scenario {
            node: NodeSettings {
                wall_clock: u32::MAX - 200,
                ..Scenario::calm("").node
            },
            ..lossy("sequence-wrap", 10)
        },
        Scenario {
            short_lives: Percent(60),
            incidents: vec![Incident::Failover],
            ..Scenario::calm("timeouts-run-out")
        },
    ]
}

/// Other modes than FT-FW, each without and with faults, and several primaries.
fn modes() -> Vec<Scenario> {
    let notrack = || Scenario::calm("").in_mode(ModeConfig::Notrack);
    let alarm = || Scenario::calm("").in_mode(ALARM);
    let faults = vec![Incident::Burst, Incident::Partition, Incident::Deaf];
    let primaries = |hosts, scenario| Scenario {
        hosts,
        traffic: Traffic::Everyone,
        ..scenario
    };
    let polls = || Scenario {
        node: NodeSettings {
            poll: Some(Duration::from_millis(700)),
            ..Scenario::calm("").node
        },
        ..Scenario::calm("")
    };
    let rough = |scenario: Scenario| Scenario {
        link: lossy("", 10).link,
        incidents: faults.clone(),
        ..scenario
    };
    vec![
        notrack().called("notrack-calm"),
        rough(notrack()).called("notrack-lossy"),
        rough(notrack().bypassing()).called("notrack-bypass-lossy"),
        notrack().bypassing().called("notrack-bypass-calm"),
        primaries(4, notrack()).called("notrack-four-primaries"),
        rough(primaries(3, notrack())).called("notrack-three-primaries-lossy"),
        alarm().called("alarm-calm"),
        rough(alarm()).called("alarm-lossy"),
        rough(primaries(4, alarm())).called("alarm-four-primaries-lossy"),
        Scenario {
            incidents: vec![Incident::Restart, Incident::Reboot, Incident::Burst],
            ..alarm()
        }
        .called("alarm-restart"),
        Scenario::calm("").injecting().called("inject-calm"),
        rough(Scenario::calm("").injecting()).called("inject-lossy"),
        notrack().injecting().called("notrack-inject-calm"),
        rough(notrack().injecting()).called("notrack-inject-lossy"),
        notrack()
            .bypassing()
            .injecting()
            .called("notrack-bypass-inject"),
        Scenario {
            incidents: vec![Incident::Failover, Incident::Restart],
            ..polls()
        }
        .called("poll"),
        rough(polls().in_mode(ALARM)).called("alarm-poll-lossy"),
    ]
}

/// Several links, and streams.
fn links() -> Vec<Scenario> {
    let linked = |links, transport, incidents: &[Incident]| Scenario {
        links,
        transport,
        incidents: incidents.to_vec(),
        ..Scenario::calm("")
    };
    let carriers = [Incident::Carrier, Incident::Burst];
    let streams = Transport::Streams;
    vec![
        linked(2, Transport::Datagrams, &carriers).called("carrier-lost"),
        linked(
            4,
            Transport::Datagrams,
            &[Incident::Deaf, Incident::Carrier],
        )
        .called("four-links"),
        linked(3, Transport::Datagrams, &carriers)
            .in_mode(ModeConfig::Notrack)
            .called("notrack-carrier-lost"),
        linked(3, Transport::Datagrams, &carriers)
            .in_mode(ALARM)
            .called("alarm-carrier-lost"),
        linked(1, streams, &[Incident::Reconnect, Incident::Burst]).called("stream-breaks"),
        linked(
            1,
            streams,
            &[Incident::Block, Incident::Partition, Incident::Burst],
        )
        .called("stream-full"),
        linked(1, streams, &[Incident::Restart, Incident::Failover]).called("stream-restart"),
        linked(1, streams, &[Incident::Reconnect, Incident::Burst])
            .in_mode(ModeConfig::Notrack)
            .called("notrack-stream-breaks"),
        linked(1, streams, &[Incident::Reconnect, Incident::Burst])
            .in_mode(ALARM)
            .called("alarm-stream-breaks"),
    ]
}

/// Helpers at work.
fn expectations() -> Vec<Scenario> {
    let helped = || Scenario {
        slots: 150,
        node: NodeSettings {
            expectations: true,
            ..Scenario::calm("").node
        },
        ..Scenario::calm("")
    };
    vec![
        helped().called("expectations"),
        Scenario {
            link: lossy("", 10).link,
            incidents: vec![Incident::Failover, Incident::Burst],
            short_lives: Percent(10),
            ..helped()
        }
        .called("expectations-failover-lossy"),
        helped().injecting().called("expectations-inject"),
        helped().in_mode(ALARM).called("alarm-expectations"),
        helped()
            .in_mode(ModeConfig::Notrack)
            .bypassing()
            .called("notrack-bypass-expectations"),
    ]
}

/// Commits during which new flows are not heard, while traffic goes on.
fn unheard() -> Vec<Scenario> {
    let promotes = || {
        let calm = Scenario::calm("");
        Scenario {
            pause_max: Duration::from_millis(2),
            event_delay_max: Duration::from_millis(30),
            incidents: vec![Incident::Promotion, Incident::Burst],
            incident_pause_max: Duration::from_millis(900),
            node: NodeSettings {
                commit_unheard_min: 1,
                ..calm.node
            },
            ..calm
        }
    };
    let helped = NodeSettings {
        expectations: true,
        ..promotes().node
    };
    vec![
        promotes().called("unheard"),
        Scenario {
            slots: 8,
            ..promotes()
        }
        .called("unheard-reuse"),
        Scenario {
            short_lives: Percent(60),
            dump_interrupted: Percent(50),
            ..promotes()
        }
        .called("unheard-short-lives"),
        Scenario {
            slots: 150,
            node: helped,
            ..promotes()
        }
        .called("unheard-expectations"),
        Scenario {
            events_len_max: 24,
            ..promotes()
        }
        .called("unheard-overrun"),
        Scenario {
            incidents: vec![Incident::Failover, Incident::Burst],
            ..promotes()
        }
        .called("unheard-failover"),
        promotes()
            .in_mode(ModeConfig::Notrack)
            .called("notrack-unheard"),
        promotes().in_mode(ALARM).called("alarm-unheard"),
    ]
}

/// ALARM with times that fit into a short world.
const ALARM: ModeConfig = ModeConfig::Alarm {
    refresh_time: Duration::from_secs(2),
    cache_timeout: Duration::from_secs(9),
};

impl Scenario {
    fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    const fn in_mode(mut self, mode: ModeConfig) -> Self {
        self.node.mode = mode;
        self
    }

    const fn bypassing(mut self) -> Self {
        self.node.internal_cache = InternalCache::Bypass;
        self
    }

    const fn injecting(mut self) -> Self {
        self.node.external_cache = ExternalCache::Inject;
        self
    }
}

fn with(name: &'static str, incidents: &[Incident]) -> Scenario {
    Scenario {
        incidents: incidents.to_vec(),
        ..Scenario::calm(name)
    }
}

fn lossy(name: &'static str, percent: u8) -> Scenario {
    Scenario {
        link: LinkFaults {
            loss: Percent(percent),
            ..LinkFaults::NONE
        },
        ..Scenario::calm(name)
    }
}

fn tight(name: &'static str) -> Scenario {
    let mut scenario = with(name, &[Incident::Partition, Incident::Burst]);
    scenario.node.mode = ModeConfig::Ftfw {
        resend_queue_len_max: 4,
        ack_window: 2,
    };
    scenario
}
