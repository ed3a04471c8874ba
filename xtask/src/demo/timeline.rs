//! What happens on the firewalls that take over, read from the logs of its daemons as it happens.
//!
//! The daemons' own words are the source: keepalived says when it misses its peer and when it
//! becomes master, conntrackd says how many flows it has committed and in which time.

use std::time::{Duration, Instant};

use testbed::{Conntrackd, Keepalived, Line, Log, Mark};

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

/// What a takeover consists of.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// keepalived's instances that become master, on all heirs together.
    pub masters: usize,
    /// What is said when the last one has.
    pub moved: &'static str,
    /// Whether conntrackd commits.
    pub commits: bool,
}

/// A firewall that takes over: its name and its daemons' logs.
pub struct Heir {
    label: String,
    keepalived: Option<(Log, Mark)>,
    conntrackd: Option<(Log, Mark)>,
}

/// Watches the heirs from the moment of the failure on.
pub struct Watch {
    heirs: Vec<Heir>,
    steps: Steps,
    failure: Instant,
    story: Story,
}

/// What is known so far.
#[derive(Default)]
struct Story {
    takeover: Takeover,
    masters: usize,
    commit: Commit,
    /// Whether the time that will be told is that of the flows; expectations have a line, too.
    counts_flows: bool,
}

impl Heir {
    /// Looks at the firewall's daemons; what they have said so far does not count.
    pub fn new(
        label: &str,
        keepalived: Option<&Keepalived>,
        conntrackd: Option<&Conntrackd>,
    ) -> Self {
        let from_now = |log: &Log| (log.clone(), log.mark());
        Self {
            label: label.into(),
            keepalived: keepalived.map(|daemon| from_now(daemon.log())),
            conntrackd: conntrackd.map(|daemon| from_now(daemon.log())),
        }
    }
}

impl Watch {
    /// The heirs take these steps.
    pub fn new(heirs: Vec<Heir>, steps: Steps, failure: Instant) -> Self {
        Self {
            heirs,
            steps,
            failure,
            story: Story::default(),
        }
    }

    /// What has happened since the last call.
    pub fn news(&mut self) -> Vec<Event> {
        let news = |log: &mut Option<(Log, Mark)>| match log {
            Some((log, mark)) => log.news(mark),
            None => vec![],
        };
        let mut events = vec![];
        for heir in &mut self.heirs {
            let name = &heir.label;
            for line in news(&mut heir.keepalived) {
                let since = line.at.saturating_duration_since(self.failure);
                let news = self.story.keepalived_says(name, &line, since, self.steps);
                events.extend(news);
            }
            let lines = news(&mut heir.conntrackd);
            events.extend(
                lines
                    .iter()
                    .filter_map(|line| self.story.conntrackd_says(name, line)),
            );
        }
        events.sort_by_key(|event| event.at);
        events
    }

    /// The steps seen so far.
    pub fn takeover(&self) -> &Takeover {
        &self.story.takeover
    }

    /// Whether nothing more is to be expected.
    pub fn is_complete(&self) -> bool {
        let takeover = self.takeover();
        let commits = self.steps.commits && self.heirs.iter().any(|heir| heir.conntrackd.is_some());
        takeover.promoted.is_some() && (!commits || takeover.committed.is_some())
    }
}

impl Story {
    fn keepalived_says(
        &mut self,
        name: &str,
        line: &Line,
        since: Duration,
        steps: Steps,
    ) -> Option<Event> {
        let event = |text| {
            Some(Event {
                at: line.at,
                tone: Tone::Plain,
                text,
            })
        };
        if line.text.contains("Receive advertisement timeout") && self.takeover.detected.is_none() {
            self.takeover.detected = Some(since);
            return event(format!("{name} misses the other firewall (keepalived)"));
        }
        if line.text.contains("Entering MASTER STATE") {
            self.masters += 1;
            if self.masters == steps.masters {
                self.takeover.promoted = Some(since);
                return event(format!("{name} {}", steps.moved));
            }
        }
        None
    }

    fn conntrackd_says(&mut self, name: &str, line: &Line) -> Option<Event> {
        let text = &line.text;
        if let Some(flows) = number_before(text, " new entries") {
            (self.commit.flows, self.counts_flows) = (flows, true);
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
        if !std::mem::take(&mut self.counts_flows) {
            return None;
        }
        self.commit.seconds = seconds;
        self.takeover.committed = Some(self.commit.clone());
        let (flows, milliseconds) = (grouped(self.commit.flows), seconds * 1000.0);
        let mut text = format!("{name} has committed {flows} flows");
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
