//! All dedicated links, and what happens to their interfaces.
//!
//! Every link is open and heard; on which one is sent decides the node, which is told here which
//! links work, those whose interface is up and has a carrier, and which of them take datagrams.

use ctsync::{ChannelConfig, ChannelId, Input, Instant, Node};
use linux::SystemError;
use linux::interface::{self, Interface, Notice, Watcher};
use linux::poller::{Interest, Poller};

use crate::config::model;
use crate::daemon::kernel::Drain;
use crate::daemon::link::{Link, LinkReport, Settings, Tokens};
use crate::daemon::report::{Report, Reports};

/// Poller token of the watcher of interfaces.
const WATCHER: u64 = 4;
/// Poller tokens of the links start here, two for each.
const FIRST: u64 = 5;
/// Tokens of links end before this one: there are four at most.
const END: u64 = FIRST + 2 * 4;

/// Datagrams of the watcher read per turn.
const NOTICES_PER_TURN: usize = 64;

/// The dedicated links.
pub struct Links {
    all: Vec<Link>,
    /// What the node was told of each; that they work it takes for granted at first.
    told: Vec<State>,
    watcher: Watcher,
}

impl Links {
    /// Opens all links. One that cannot be opened now is tried again later, but at least one must.
    pub fn open(
        settings: &model::Links,
        poller: &mut Poller,
        now: Instant,
        reports: &mut Reports,
    ) -> Result<Self, SystemError> {
        let watcher = Watcher::open()?;
        poller.add(&watcher, WATCHER, Interest::Read)?;
        let mut all = Vec::new();
        let mut failure = None;
        for (id, token, settings) in numbered(Settings::all(settings)) {
            let tokens = Tokens {
                receive: token,
                send: token + 1,
            };
            let mut link = Link::new(id, settings.clone(), tokens, now);
            let opened = interface::find(settings.interface()).and_then(|interface| {
                link.set_interface(Some(interface), now);
                link.open_patiently(now, poller)
            });
            all.push(link);
            match opened {
                Ok(()) => reports.push(Report::Link(LinkReport::Opened(settings))),
                Err(error) => {
                    reports.push(Report::Link(LinkReport::NotOpened(error.clone())));
                    failure = failure.or(Some(error));
                }
            }
        }
        let is_open = |link: &Link| link.is_open();
        match failure {
            Some(error) if !all.iter().any(is_open) => Err(error),
            _ => Ok(Self {
                told: all
                    .iter()
                    .map(State::of)
                    .map(|it| State { is_up: true, ..it })
                    .collect(),
                all,
                watcher,
            }),
        }
    }

    /// What the node needs to know of them.
    pub fn configs(&self) -> Vec<ChannelConfig> {
        let lens = self.all.iter().map(Link::payload_len_max);
        lens.map(|len| ChannelConfig {
            payload_len_max: len.unwrap_or(PAYLOAD_LEN_UNKNOWN),
        })
        .collect()
    }

    /// Whether a token belongs to a link.
    pub const fn owns(token: u64) -> bool {
        token >= WATCHER && token < END
    }

    /// Whether a token tells that something has come from the peer.
    pub const fn is_incoming(token: u64) -> bool {
        token >= FIRST && token < END && (token - FIRST) % 2 == 0
    }

    /// Reads what the descriptor of a token has; whether there is more.
    pub fn ready(
        &mut self,
        token: u64,
        node: &mut Node,
        now: Instant,
        reports: &mut Reports,
    ) -> bool {
        if token == WATCHER {
            return self.watch(now, reports);
        }
        let index = usize::try_from(token.saturating_sub(FIRST) / 2).unwrap_or(usize::MAX);
        let Some(link) = self.all.get_mut(index) else {
            return false;
        };
        if Self::is_incoming(token) {
            link.receive(node, now, reports).more
        } else {
            link.look(now, reports);
            false
        }
    }

    /// Reads on at all links; whether there is more.
    pub fn serve_rest(&mut self, node: &mut Node, now: Instant, reports: &mut Reports) -> bool {
        let receive = |link: &mut Link| {
            let Drain { more, .. } = link.receive(node, now, reports);
            more
        };
        self.all.iter_mut().map(receive).fold(false, |a, b| a | b)
    }

    /// Takes a datagram for a link from the node.
    pub fn transmit(
        &mut self,
        channel: ChannelId,
        bytes: &[u8],
        now: Instant,
        reports: &mut Reports,
    ) {
        if let Some(link) = self.all.iter_mut().find(|link| link.id() == channel) {
            link.transmit(bytes, now, reports);
        }
    }

    /// Sends what waits, where something can be sent.
    pub fn send(&mut self, now: Instant, reports: &mut Reports) {
        self.all.iter_mut().for_each(|link| link.send(now, reports));
    }

    /// Tells the node where there is room (no more), as soon as that is known.
    pub fn tell_pressure(&mut self, node: &mut Node, now: Instant) {
        for link in &mut self.all {
            if let Some(input) = link.pressure() {
                node.handle(now, input);
            }
        }
    }

    /// The end of a turn: opens what has to be opened again, sends what waits, and tells the node
    /// what has changed.
    pub fn settle(
        &mut self,
        node: &mut Node,
        now: Instant,
        poller: &mut Poller,
        reports: &mut Reports,
    ) {
        for link in &mut self.all {
            if let Err(error) = link.open(now, poller) {
                reports.push(Report::Link(LinkReport::NotOpened(error)));
            }
            link.flush(now, reports);
            link.watch_room(poller);
        }
        self.tell_pressure(node, now);
        self.tell_states(node, now, reports);
    }

    /// When a turn is due at the latest.
    pub fn timeout(&self) -> Option<Instant> {
        self.all.iter().filter_map(Link::timeout).min()
    }

    /// The links, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.all.iter()
    }

    /// The name of a link's interface.
    pub fn name(&self, channel: ChannelId) -> &str {
        let link = self.all.iter().find(|link| link.id() == channel);
        link.map_or("", Link::name)
    }

    /// Learns what has happened to interfaces; whether there is more.
    fn watch(&mut self, now: Instant, reports: &mut Reports) -> bool {
        let all = &mut self.all;
        let mut lost = false;
        let drained = self.watcher.drain(NOTICES_PER_TURN, |notice| match notice {
            Notice::Present(interface) => present(all, &interface, now),
            Notice::Gone(interface) => gone(all, &interface, now),
            Notice::Overrun => lost = true,
            Notice::Malformed(_) => {}
        });
        if lost {
            for link in all {
                // What cannot be found is not there.
                link.set_interface(interface::find(link.name()).ok(), now);
            }
        }
        match drained {
            Ok(drained) => drained.more,
            Err(error) => {
                reports.push(Report::Link(LinkReport::Unwatched(error)));
                false
            }
        }
    }

    fn tell_states(&mut self, node: &mut Node, now: Instant, reports: &mut Reports) {
        for (link, told) in self.all.iter().zip(&mut self.told) {
            let (channel, state) = (link.id(), State::of(link));
            if state.is_up != told.is_up {
                let name = link.name().to_owned();
                let (input, report) = match state.is_up {
                    true => (Input::ChannelUp(channel), LinkReport::Up(name)),
                    false => (Input::ChannelDown(channel), LinkReport::Down(name)),
                };
                reports.push(Report::Link(report));
                node.handle(now, input);
            }
            let changed = state
                .payload_len_max
                .filter(|len| told.payload_len_max != Some(*len));
            if let Some(payload_len_max) = changed {
                node.handle(
                    now,
                    Input::ChannelSize {
                        channel,
                        payload_len_max,
                    },
                );
            }
            *told = State {
                // That of an interface that has gone is remembered.
                payload_len_max: state.payload_len_max.or(told.payload_len_max),
                ..state
            };
        }
    }
}

/// What the node knows of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    is_up: bool,
    payload_len_max: Option<usize>,
}

impl State {
    fn of(link: &Link) -> Self {
        Self {
            is_up: link.interface().is_some_and(|it| it.is_up && it.is_running),
            payload_len_max: link.payload_len_max(),
        }
    }
}

/// What is assumed of an interface that is not there yet: the least that IPv6 wants.
const PAYLOAD_LEN_UNKNOWN: usize = 1280 - 48;

/// The links with their names and tokens.
fn numbered(settings: Vec<Settings>) -> impl Iterator<Item = (ChannelId, u64, Settings)> {
    let ids = (0_u8..).map(ChannelId);
    let tokens = (FIRST..END).step_by(2);
    let numbered = ids.zip(tokens).zip(settings);
    numbered.map(|((id, token), settings)| (id, token, settings))
}

/// An interface is there: perhaps a link's, perhaps one that was a link's under another name.
fn present(all: &mut [Link], interface: &Interface, now: Instant) {
    for link in all {
        if link.name() == &*interface.name {
            link.set_interface(Some(interface.clone()), now);
        } else if link
            .interface()
            .is_some_and(|it| it.index == interface.index)
        {
            link.set_interface(None, now);
        }
    }
}

fn gone(all: &mut [Link], interface: &Interface, now: Instant) {
    for link in all {
        if link
            .interface()
            .is_some_and(|it| it.index == interface.index)
        {
            link.set_interface(None, now);
        }
    }
}
