//! What happens on the firewall that takes over, read from the logs of its daemons as it happens.
//!
//! The daemons' own words are the source: keepalived says when it misses its peer and when it
//! becomes master, conntrackd says how many flows it has committed and in which time.

use std::time::{Duration, Instant};

use testbed::{Firewall, Line, Log, Mark};

use super::screen::{Tone, grouped};

/// The steps of a takeover, in time since the failure.
#[derive(Clone, Debug, Default)]
pub struct Takeover {
    /// keepalived missed the other firewall.
    pub detected: Option<Duration>,
    /// Both shared addresses have moved.
    pub promoted: Option<Duration>,
    /// How many flows conntrackd wrote into the kernel, and how long that took.
    pub committed: Option<Commit>,
}

/// One commit, in the daemon's own words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    pub flows: u64,
    pub failed: u64,
    pub seconds: f64,
}

/// Something to show.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: Instant,
    pub tone: Tone,
    pub text: String,
}

/// Watches one firewall from the moment of the failure on.
pub struct Watch {
    firewall: String,
    failure: Instant,
    keepalived: Option<(Log, Mark)>,
    conntrackd: Option<(Log, Mark)>,
    takeover: Takeover,
    masters: u8,
    commit: Commit,
}

impl Watch {
    /// Looks at the firewall's daemons; what they have said so far does not count.
    pub fn new(firewall: &Firewall, failure: Instant) -> Self {
        let from_now = |log: &Log| (log.clone(), log.mark());
        Self {
            firewall: firewall.label().into(),
            failure,
            keepalived: firewall
                .keepalived
                .as_ref()
                .map(|daemon| from_now(daemon.log())),
            conntrackd: firewall
                .conntrackd
                .as_ref()
                .map(|daemon| from_now(daemon.log())),
            takeover: Takeover::default(),
            masters: 0,
            commit: Commit::default(),
        }
    }

    /// What has happened since the last call.
    pub fn news(&mut self) -> Vec<Event> {
        let news = |log: &mut Option<(Log, Mark)>| match log {
            Some((log, mark)) => log.news(mark),
            None => vec![],
        };
        let (keepalived, conntrackd) = (news(&mut self.keepalived), news(&mut self.conntrackd));
        let mut events: Vec<Event> = keepalived
            .into_iter()
            .filter_map(|line| self.keepalived_says(&line))
            .collect();
        events.extend(
            conntrackd
                .into_iter()
                .filter_map(|line| self.conntrackd_says(&line)),
        );
        events.sort_by_key(|event| event.at);
        events
    }

    /// The steps seen so far.
    pub fn takeover(&self) -> &Takeover {
        &self.takeover
    }

    /// Whether nothing more is to be expected.
    pub fn is_complete(&self) -> bool {
        let replicates = self.conntrackd.is_some();
        self.takeover.promoted.is_some() && (!replicates || self.takeover.committed.is_some())
    }

    fn keepalived_says(&mut self, line: &Line) -> Option<Event> {
        let since = line.at.saturating_duration_since(self.failure);
        let name = &self.firewall;
        if line.text.contains("Receive advertisement timeout") && self.takeover.detected.is_none() {
            self.takeover.detected = Some(since);
            let text = format!("{name} misses the other firewall (keepalived)");
            return Some(Event {
                at: line.at,
                tone: Tone::Plain,
                text,
            });
        }
        if line.text.contains("Entering MASTER STATE") {
            self.masters += 1;
            // One instance inside, one outside.
            if self.masters == 2 {
                self.takeover.promoted = Some(since);
                let text = format!("{name} is primary: it has taken the shared addresses");
                return Some(Event {
                    at: line.at,
                    tone: Tone::Plain,
                    text,
                });
            }
        }
        None
    }

    fn conntrackd_says(&mut self, line: &Line) -> Option<Event> {
        let text = &line.text;
        if let Some(flows) = number_before(text, " new entries") {
            self.commit.flows = flows;
        }
        if let Some(failed) = number_before(text, " entries can't be committed") {
            self.commit.failed = failed;
        }
        let seconds = text
            .split("commit has taken ")
            .nth(1)?
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        self.commit.seconds = seconds;
        self.takeover.committed = Some(self.commit.clone());
        let (flows, milliseconds) = (grouped(self.commit.flows), seconds * 1000.0);
        let mut text = format!("{} has committed {flows} flows", self.firewall);
        text += &format!(" in {milliseconds:.1} ms (conntrackd)");
        let tone = if self.commit.failed == 0 {
            Tone::Good
        } else {
            Tone::Bad
        };
        if self.commit.failed > 0 {
            text += &format!(", {} failed", grouped(self.commit.failed));
        }
        Some(Event {
            at: line.at,
            tone,
            text,
        })
    }
}

/// The number that stands before `words`.
fn number_before(text: &str, words: &str) -> Option<u64> {
    text.split(words)
        .next()
        .filter(|before| before.len() < text.len())?
        .split(' ')
        .next_back()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_from_the_daemons_words() {
        let line = "[Sat Nov 21 08:30:36 2026] (pid=1) [notice] Committed 1002 new entries";
        assert_eq!(number_before(line, " new entries"), Some(1002));
        let line = "[Sat Nov 21 08:30:36 2026] (pid=1) [notice] 7 entries can't be committed";
        assert_eq!(number_before(line, " entries can't be committed"), Some(7));
        assert_eq!(number_before(line, " new entries"), None);
    }
}
