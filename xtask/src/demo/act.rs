//! One failover, told while it happens.
//!
//! The steady connection gets a line per half second, each step of the takeover a line when it
//! happens. At the end data is sent on every connection, and only what comes back counts.

use std::thread;
use std::time::{Duration, Instant};

use testbed::{
    Cluster, EchoServer, Error, FailoverPair, HeldConnections, Namespace, Result, SteadyTalker,
    Survivors, interrupted,
};

use super::screen::{Screen, Tone, grouped};
use super::timeline::{Heir, Steps, Takeover, Watch};

/// Connections that each group of clients holds open beside its steady one.
pub const HELD: usize = 1000;
/// Between two questions of the steady connection.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two lines about it.
const HALF_SECOND: Duration = Duration::from_millis(500);
/// The show before the failure.
const PRELUDE: Duration = Duration::from_millis(1000);
/// The show after the first answer.
const EPILOGUE: Duration = Duration::from_millis(1000);
/// How long a held connection may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What goes through the firewalls: for each group of clients connections that are held open, and
/// two that talk without pause.
pub struct Traffic {
    groups: Vec<Group>,
    _server: EchoServer,
}

struct Group {
    steady: SteadyTalker,
    datagrams: SteadyTalker,
    held: HeldConnections,
}

/// A failure to be played.
pub struct Failure<'a> {
    /// Who fails, and its verb: `fw1 loses its power`.
    pub what: &'a str,
    /// Who takes over.
    pub heirs: Vec<Heir>,
    /// How.
    pub steps: Steps,
    /// The group whose steady connection is shown.
    pub group: usize,
    /// How long to wait for it to speak again.
    pub patience: Duration,
}

/// How a failover ended for the users.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub takeover: Takeover,
    /// The steady connection's longest silence; none if it never spoke again.
    pub stall: Option<Duration>,
    pub alive: usize,
    pub total: usize,
}

impl Traffic {
    /// Opens all connections through a pair.
    pub fn start(pair: &FailoverPair) -> Result<Self> {
        let address = pair.server_address();
        let server = EchoServer::start(&pair.server, address)?;
        let group = |client: &Namespace| -> Result<Group> {
            Ok(Group {
                held: HeldConnections::open(client, address, HELD)?,
                steady: SteadyTalker::tcp(client, address, PAUSE)?,
                datagrams: SteadyTalker::udp(client, address, PAUSE)?,
            })
        };
        Ok(Self {
            groups: pair.clients().map(group).collect::<Result<_>>()?,
            _server: server,
        })
    }

    /// The same through a cluster, where all clients are one group.
    pub fn start_through(cluster: &Cluster) -> Result<Self> {
        let (client, address) = (&cluster.client, cluster.server_address());
        let server = EchoServer::start(&cluster.server, address)?;
        let clients: Vec<_> = Cluster::clients().collect();
        let group = Group {
            held: HeldConnections::open_from(client, &clients, address, HELD)?,
            steady: SteadyTalker::tcp(client, address, PAUSE)?,
            datagrams: SteadyTalker::udp(client, address, PAUSE)?,
        };
        Ok(Self {
            groups: vec![group],
            _server: server,
        })
    }

    /// How many TCP connections there are.
    pub fn connections(&self) -> usize {
        self.groups.len() * (HELD + 1)
    }

    /// Whether the steady connection of a group has spoken since this moment.
    pub fn speaks_since(&self, group: usize, since: Instant) -> Result<bool> {
        Ok(self.group(group)?.steady.first_echo_since(since).is_some())
    }

    /// The longest silence of a group's steady connection since this moment.
    pub fn stall_since(&self, group: usize, since: Instant) -> Result<Duration> {
        Ok(self.group(group)?.steady.stall_since(since).length)
    }

    fn group(&self, group: usize) -> Result<&Group> {
        let missing = || Error::Unexpected(format!("there is no group {group} of clients"));
        self.groups.get(group).ok_or_else(missing)
    }
}

impl Outcome {
    /// Whether not one connection is missing.
    pub fn survived(&self) -> bool {
        self.alive == self.total && self.stall.is_some()
    }

    /// How it is shown.
    pub fn tone(&self) -> Tone {
        if self.survived() {
            Tone::Good
        } else {
            Tone::Bad
        }
    }

    /// In a few words.
    pub fn text(&self) -> String {
        let (alive, total) = (grouped(self.alive), grouped(self.total));
        format!("{alive} of {total} connections alive")
    }
}

/// Lets firewall number `dead` of a pair lose its power.
pub fn cut_one(
    screen: Screen,
    pair: &mut FailoverPair,
    dead: usize,
    traffic: &mut Traffic,
    (group, steps, patience): (usize, Steps, Duration),
) -> Result<Outcome> {
    let [fw1, fw2] = &mut pair.firewalls;
    let (dying, heir) = if dead == 0 { (fw1, fw2) } else { (fw2, fw1) };
    let what = format!("{} loses its power", dying.label());
    let failure = Failure {
        what: &what,
        heirs: vec![Heir::new(
            heir.label(),
            heir.keepalived.as_ref(),
            heir.conntrackd.as_ref(),
        )],
        steps,
        group,
        patience,
    };
    play(screen, failure, traffic, || dying.cut_power())
}

/// Lets a firewall fail by `cut`, which returns when it did, shows what follows and asks every
/// connection.
pub fn play(
    screen: Screen,
    failure: Failure<'_>,
    traffic: &mut Traffic,
    cut: impl FnOnce() -> Result<Instant>,
) -> Result<Outcome> {
    let group = traffic.group(failure.group)?;
    let mut show = Show {
        screen,
        steady: &group.steady,
        lines: 0,
        failure: Instant::now() + PRELUDE,
    };
    show.until(show.failure)?;
    let mut watch = Watch::new(failure.heirs, failure.steps, show.failure);
    let moment = cut()?;
    let text = format!("{}: links down, daemons killed", failure.what);
    screen.event(0.0, Tone::Bad, &text)?;
    let first_answer = show.takeover(&mut watch, failure.patience)?;
    if first_answer.is_some() {
        show.epilogue(&mut watch)?;
    }
    let takeover = watch.takeover().clone();
    let stall = first_answer.map(|_| group.steady.stall_since(moment).length);
    let network = group.datagrams.stall_since(moment).length;
    let outcome = ask_all(traffic, takeover, stall)?;
    summary(screen, network, &outcome)?;
    Ok(outcome)
}

/// The live part.
struct Show<'a> {
    screen: Screen,
    steady: &'a SteadyTalker,
    /// Lines about the steady connection so far.
    lines: u32,
    failure: Instant,
}

impl Show<'_> {
    /// Shows only the steady connection until then.
    fn until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.step()?;
        }
        // The line of the half second that ends at `end`.
        self.half_second()
    }

    /// Shows the takeover until it is complete and the steady connection speaks again; returns
    /// when it did.
    fn takeover(&mut self, watch: &mut Watch, patience: Duration) -> Result<Option<Instant>> {
        let mut answer = None;
        while self.failure.elapsed() < patience {
            self.step()?;
            self.events(watch)?;
            let promoted = watch.takeover().promoted.map(|after| self.failure + after);
            if let (None, Some(moment)) = (answer, promoted) {
                answer = self.steady.first_echo_since(moment);
                if let Some(moment) = answer {
                    let text = "the steady connection is answered again";
                    self.screen
                        .event(self.since_failure(moment), Tone::Good, text)?;
                }
            }
            if answer.is_some() && watch.is_complete() {
                break;
            }
        }
        Ok(answer)
    }

    /// Shows a little more of the restored peace.
    fn epilogue(&mut self, watch: &mut Watch) -> Result<()> {
        let end = Instant::now() + EPILOGUE;
        while Instant::now() < end {
            self.step()?;
            self.events(watch)?;
        }
        Ok(())
    }

    fn events(&self, watch: &mut Watch) -> Result<()> {
        watch.news().iter().try_for_each(|event| {
            self.screen
                .event(self.since_failure(event.at), event.tone, &event.text)
        })
    }

    fn step(&mut self) -> Result<()> {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        self.half_second()?;
        thread::sleep(Duration::from_millis(5));
        Ok(())
    }

    /// Prints the line of a half second that has passed.
    fn half_second(&mut self) -> Result<()> {
        let end = self.failure - PRELUDE + HALF_SECOND * (self.lines + 1);
        if Instant::now() < end {
            return Ok(());
        }
        self.lines += 1;
        let echoes = self.steady.echoes(end - HALF_SECOND..end);
        self.screen.half_second(self.since_failure(end), echoes)
    }

    /// Seconds, negative before the failure.
    fn since_failure(&self, moment: Instant) -> f64 {
        match moment.checked_duration_since(self.failure) {
            Some(after) => after.as_secs_f64(),
            None => -(self.failure - moment).as_secs_f64(),
        }
    }
}

/// Sends data on every connection, the steady ones included, and counts the answers.
pub fn ask_all(
    traffic: &mut Traffic,
    takeover: Takeover,
    stall: Option<Duration>,
) -> Result<Outcome> {
    let (mut alive, total) = (0, traffic.connections());
    for group in &mut traffic.groups {
        let asked = Instant::now();
        let Survivors { alive: held, .. } = group.held.check(ANSWER_TIMEOUT)?;
        let steady_speaks = group.steady.first_echo_since(asked).is_some() || {
            // All held ones may have answered within one pause of the steady one.
            thread::sleep(PAUSE * 3);
            group.steady.first_echo_since(asked).is_some()
        };
        alive += held + usize::from(steady_speaks);
    }
    Ok(Outcome {
        takeover,
        stall,
        alive,
        total,
    })
}

fn summary(screen: Screen, network: Duration, outcome: &Outcome) -> Result<()> {
    let stall = match outcome.stall {
        Some(stall) => format!(
            "the client waited {:.2} s (UDP {:.2} s)",
            stall.as_secs_f64(),
            network.as_secs_f64()
        ),
        None => "the client's steady connection never spoke again".into(),
    };
    screen.note(Tone::Plain, "")?;
    screen.note(outcome.tone(), &format!("{}; {stall}", outcome.text()))
}
