//! Scenarios with a name: one fault each, or what once went wrong.
//!
//! The seed still decides the moments. Each has a test that demands that its fault has happened.

use std::time::Duration;

use ctsync::{ModeConfig, Request};

use super::{Incident, NodeSettings, Scenario, Traffic};
use crate::network::LinkFaults;
use crate::random::Percent;

/// The named scenarios.
pub fn named() -> Vec<Scenario> {
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
    ]
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
