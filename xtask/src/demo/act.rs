//! One failover, told while it happens.
//!
//! The steady connection gets a line per half second, each step of the takeover a line when it
//! happens. At the end data is sent on every connection, and only what comes back counts.

use std::thread;
use std::time::{Duration, Instant};

use testbed::{
    EchoServer, Error, FailoverPair, HeldConnections, Result, SteadyTalker, interrupted,
};

use super::screen::{Screen, Tone, grouped};
use super::timeline::{Takeover, Watch};

/// Connections that are held open beside the steady one.
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

/// What goes through the firewalls.
pub struct Traffic {
    steady: SteadyTalker,
    datagrams: SteadyTalker,
    held: HeldConnections,
    _server: EchoServer,
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
    /// Opens all connections.
    pub fn start(pair: &FailoverPair) -> Result<Self> {
        let (client, address) = (&pair.client, pair.server_address());
        let server = EchoServer::start(&pair.server, address)?;
        Ok(Self {
            held: HeldConnections::open(client, address, HELD)?,
            steady: SteadyTalker::tcp(client, address, PAUSE)?,
            datagrams: SteadyTalker::udp(client, address, PAUSE)?,
            _server: server,
        })
    }
}

impl Outcome {
    /// Whether not one connection is missing.
    pub fn survived(&self) -> bool {
        self.alive == self.total && self.stall.is_some()
    }
}

/// Cuts the power of firewall number `dead`, shows what follows and asks every connection.
/// `patience` is how long to wait for the steady connection to speak again.
pub fn play(
    screen: Screen,
    pair: &mut FailoverPair,
    dead: usize,
    traffic: &mut Traffic,
    patience: Duration,
) -> Result<Outcome> {
    let [fw1, fw2] = &mut pair.firewalls;
    let (dying, heir) = if dead == 0 { (fw1, fw2) } else { (fw2, fw1) };
    let mut show = Show {
        screen,
        steady: &traffic.steady,
        lines: 0,
        failure: Instant::now() + PRELUDE,
    };
    show.until(show.failure)?;
    let mut watch = Watch::new(heir, show.failure);
    let failure = dying.cut_power()?;
    let text = format!(
        "{} loses its power: links down, daemons killed",
        dying.label()
    );
    screen.event(0.0, Tone::Bad, &text)?;
    let first_answer = show.takeover(&mut watch, patience)?;
    if first_answer.is_some() {
        show.epilogue(&mut watch)?;
    }
    let takeover = watch.takeover().clone();
    let stall = first_answer.map(|_| traffic.steady.stall_since(failure).length);
    let outcome = ask_all(traffic, takeover, stall)?;
    summary(screen, traffic, failure, &outcome)?;
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

/// Sends data on every connection, the steady one included, and counts the answers.
fn ask_all(traffic: &mut Traffic, takeover: Takeover, stall: Option<Duration>) -> Result<Outcome> {
    let asked = Instant::now();
    let held = traffic.held.check(ANSWER_TIMEOUT)?;
    let steady_speaks = traffic.steady.first_echo_since(asked).is_some() || {
        // All held ones may have answered within one pause of the steady one.
        thread::sleep(PAUSE * 3);
        traffic.steady.first_echo_since(asked).is_some()
    };
    let alive = held.alive + usize::from(steady_speaks);
    Ok(Outcome {
        takeover,
        stall,
        alive,
        total: held.total + 1,
    })
}

fn summary(screen: Screen, traffic: &Traffic, failure: Instant, outcome: &Outcome) -> Result<()> {
    let stall = match outcome.stall {
        Some(stall) => {
            let network = traffic.datagrams.stall_since(failure).length.as_secs_f64();
            format!(
                "the client waited {:.2} s (UDP {network:.2} s)",
                stall.as_secs_f64()
            )
        }
        None => "the client's steady connection never spoke again".into(),
    };
    let (alive, total) = (grouped(outcome.alive), grouped(outcome.total));
    let tone = if outcome.survived() {
        Tone::Good
    } else {
        Tone::Bad
    };
    screen.note(Tone::Plain, "")?;
    screen.note(
        tone,
        &format!("{alive} of {total} connections alive; {stall}"),
    )
}
