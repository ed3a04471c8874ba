//! Bounds hold: datagrams fit the link, caches and queues keep their limits, a node neither spins
//! nor floods nor falls silent.
//!
//! The limits are the settings of the scenario; those of time are far above what a node needs.

use std::time::Duration;

use ctsync::wire::{Kind, split};
use ctsync::{ChannelId, Instant};

use super::Checker;
use crate::daemon::OUTPUTS_MAX;
use crate::fact::{Fact, Scene};
use crate::host::{HostId, PerHost};

/// Silence after which the peer may think the worst; a node says something every second.
const SILENCE_MAX: Duration = Duration::from_millis(1_500);

/// Inputs handed to a node within a millisecond without time passing otherwise.
const INPUTS_PER_MILLISECOND_MAX: u32 = 2_000;

/// Datagrams in a second in which nothing happens.
const IDLE_DATAGRAMS_MAX: u32 = 6;

/// Messages that a resend queue holds whatever the settings say.
const RESEND_QUEUE_LEN_MIN: usize = 4_096;

/// Control messages that wait at most; without an internal cache, other messages as well.
const CONTROL_LEN_MAX: usize = 4_096;

/// What was seen of a host lately.
#[derive(Debug, Default)]
struct Lately {
    sent_at: Option<Instant>,
    millisecond: u64,
    inputs: u32,
    second: u64,
    busy_at: Instant,
    datagrams: u32,
}

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    lately: PerHost<Lately>,
}

impl Checker for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn observe(&mut self, scene: &Scene<'_>, fact: &Fact<'_>, say: &mut dyn FnMut(String)) {
        self.listen(scene, say);
        let lately = self.lately.get_mut(scene.host);
        match fact {
            Fact::Started => {
                *lately = Lately {
                    sent_at: Some(scene.now),
                    busy_at: scene.now,
                    ..Lately::default()
                };
            }
            Fact::Stopped => lately.sent_at = None,
            Fact::Kernel(_) | Fact::Expectation(_) | Fact::Requested(_) => self.busy(scene.now),
            Fact::Sent(channel, datagram) => {
                sent(lately, scene, *channel, datagram, say);
                if tells(datagram) {
                    self.busy(scene.now);
                }
            }
            Fact::Drained(outputs) => {
                drained(lately, scene, *outputs, say);
                sizes(scene, say);
            }
            _ => {}
        }
    }
}

impl Bounds {
    /// Whether one of the nodes has not been heard for long.
    fn listen(&mut self, scene: &Scene<'_>, say: &mut dyn FnMut(String)) {
        for host in scene.everyone() {
            let lately = self.lately.get_mut(host);
            let silent = |at: Instant| scene.now.since(at) > SILENCE_MAX;
            // Which of its links a node uses is its own affair.
            if may_be_silent(scene, host) {
                lately.sent_at = Some(scene.now);
            } else if lately.sent_at.is_some_and(silent) {
                lately.sent_at = Some(scene.now);
                say(format!("{host:?} has fallen silent"));
            }
        }
    }

    fn busy(&mut self, now: Instant) {
        for host in HostId::ALL {
            self.lately.get_mut(host).busy_at = now;
        }
    }
}

/// Whether a datagram tells of anything.
fn tells(datagram: &[u8]) -> bool {
    let mut messages = split(datagram).filter_map(Result::ok);
    messages.any(|message| matches!(message.header.kind, Kind::Flow(_) | Kind::Expectation(_)))
}

/// Whether a link takes nothing, or no link has a carrier. In ALARM there are no signs of life.
fn may_be_silent(scene: &Scene<'_>, host: HostId) -> bool {
    let it = scene.hosts.get(host);
    let links = it.down.iter().take(scene.scenario.links);
    let alarm = scene.scenario.node.refreshes();
    alarm || it.blocked.contains(&true) || links.clone().all(|down| *down)
}

fn sent(
    lately: &mut Lately,
    scene: &Scene<'_>,
    channel: ChannelId,
    datagram: &[u8],
    say: &mut dyn FnMut(String),
) {
    let room = scene.scenario.node.payload_len_max;
    if datagram.len() > room {
        say(format!(
            "a datagram of {} bytes, there is room for {room}",
            datagram.len()
        ));
    }
    if datagram.is_empty() || split(datagram).any(|message| message.is_err()) {
        say("a datagram that is not made of whole messages".into());
    }
    let link = usize::from(channel.0);
    if scene.here().blocked.get(link) != Some(&false) {
        say("a datagram on a blocked link".into());
    }
    let down = scene.here().down;
    let mut links = down.iter().take(scene.scenario.links);
    if down.get(link) == Some(&true) && links.any(|down| !down) {
        say(format!("a datagram on link {link}, which has no carrier"));
    }
    lately.sent_at = Some(scene.now);
    if lately.second != scene.now.seconds() {
        lately.second = scene.now.seconds();
        lately.datagrams = 0;
    }
    lately.datagrams += 1;
    let idle = scene.now.since(lately.busy_at) > Duration::from_secs(3);
    if idle && lately.datagrams > IDLE_DATAGRAMS_MAX {
        say(format!("{} datagrams in an idle second", lately.datagrams));
    }
}

fn drained(lately: &mut Lately, scene: &Scene<'_>, outputs: usize, say: &mut dyn FnMut(String)) {
    if outputs > OUTPUTS_MAX {
        say(format!("{outputs} outputs because of one input"));
    }
    let millisecond = scene.now.0 / 1_000_000;
    if lately.millisecond != millisecond {
        lately.millisecond = millisecond;
        lately.inputs = 0;
    }
    lately.inputs += 1;
    if lately.inputs == INPUTS_PER_MILLISECOND_MAX {
        say("a node spins".into());
    }
}

fn sizes(scene: &Scene<'_>, say: &mut dyn FnMut(String)) {
    let Some(node) = &scene.here().node else {
        return;
    };
    let settings = &scene.scenario.node;
    let gauges = node.gauges();
    let limits = [
        (
            "flows in the internal cache",
            gauges.internal_live,
            settings.cache_len_max,
        ),
        (
            "flows in the external cache",
            gauges.external_len,
            settings.cache_len_max,
        ),
        (
            "messages in the transmit queue",
            gauges.transmit_queue_len,
            gauges.internal_len.saturating_add(CONTROL_LEN_MAX),
        ),
        // The node does not go below a minimum of its own.
        (
            "messages in the resend queue",
            gauges.resend_queue_len,
            settings.resend_queue_len_max().max(RESEND_QUEUE_LEN_MIN),
        ),
    ];
    for (what, len, limit) in limits {
        if len > limit {
            say(format!("{len} {what}, the limit is {limit}"));
        }
    }
}
