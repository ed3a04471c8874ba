//! What a run has found.
//!
//! A report holds the first few violations, a fingerprint by which two runs are compared, and how
//! much happened, so that a world in which nothing happens is not taken for a sound one.

use std::fmt;

use ctsync::Instant;

use crate::host::HostId;
use crate::trace::Seconds;

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Instant,
    /// Where.
    pub host: HostId,
    /// Which checker says so.
    pub checker: &'static str,
    /// What it saw.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} {}: {}",
            Seconds(self.at),
            self.host,
            self.checker,
            self.what
        )
    }
}

/// How much happened, so that a run in which nothing did is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changes of the tables.
    pub changes: u64,
    /// Changes of the tables of expectations.
    pub expectations: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that arrived, copies included.
    pub arrived: u64,
    /// Incidents.
    pub incidents: u64,
    /// Kernel operations.
    pub operations: u64,
    /// Flows whose timeout ran out.
    pub expired: u64,
    /// Times a link took no more.
    pub blocked: u64,
    /// Carriers lost.
    pub carriers: u64,
    /// Overruns.
    pub overruns: u64,
    /// Commits that ended.
    pub commits: u64,
    /// Commits during which new flows were not heard.
    pub unheard: u64,
    /// Flows compared at the end, one by one.
    pub compared: u64,
}

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// The seed.
    pub seed: u64,
    /// The first violations, none if all is well.
    pub violations: Vec<Violation>,
    /// Fingerprint of everything that happened.
    pub fingerprint: u64,
    /// How much happened.
    pub counts: Counts,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
}

impl Report {
    /// The report of a run that ended in a panic, for those who catch it.
    pub fn of_panic(scenario: Option<&str>, seed: u64) -> Self {
        let known = crate::scenario::named();
        let known = known.iter().find(|known| Some(known.name) == scenario);
        Self {
            scenario: known.map_or("random", |known| known.name),
            seed,
            violations: vec![Violation {
                at: Instant::default(),
                host: HostId::A,
                checker: "panic",
                what: "a node panicked; the message is above".into(),
            }],
            fingerprint: 0,
            counts: Counts::default(),
            trace: Vec::new(),
        }
    }
}

/// Violations kept; later ones are usually consequences of the first.
const VIOLATIONS_MAX: usize = 10;

/// Takes violations.
#[derive(Debug, Default)]
pub struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    /// Adds a violation, unless there are enough.
    pub fn add(&mut self, at: Instant, host: HostId, checker: &'static str, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation {
                at,
                host,
                checker,
                what,
            });
        }
    }

    /// Whether there are enough.
    pub fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }

    /// The violations.
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }
}
