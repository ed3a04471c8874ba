//! The counts per kind, and the verdict over a whole run.
//!
//! A run is good when everything that exists ran and passed, and left nothing behind.

use std::collections::BTreeMap;

use testbed::{Error, Result};

use super::kind::Kind;
use super::runner::Outcome;

/// What all programs together brought.
#[derive(Debug, Default)]
pub struct Report {
    passed: BTreeMap<Kind, u32>,
    failed: u32,
    /// Why the run is not good, besides failed tests.
    complaints: Vec<String>,
}

impl Report {
    /// Adds one program.
    pub fn add(&mut self, outcome: &Outcome) {
        for (kind, count) in &outcome.passed {
            *self.passed.entry(*kind).or_default() += count;
        }
        self.failed += outcome.failed;
        let name = &outcome.name;
        if outcome.failed > 0 {
            let names = outcome.failures.iter().map(|it| format!("\n    {it}"));
            let names: String = names.collect();
            self.complain(format!("{name}: {} failed{names}", outcome.failed));
        }
        if outcome.skipped > 0 {
            self.complain(format!("{name}: {} did not run", outcome.skipped));
        }
        if !outcome.litter.is_empty() {
            self.complain(format!("{name}: left {} behind", outcome.litter.join(", ")));
        }
    }

    fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// Shows the counts; an error if anything was not as it must be.
    pub fn finish(mut self, wanted: &[Kind]) -> Result<()> {
        println!();
        for kind in wanted {
            let count = self.passed.get(kind).copied().unwrap_or(0);
            println!("{:<10} {count:>6}", kind.name());
            if count == 0 {
                self.complain(format!("there are no {} tests", kind.name()));
            }
        }
        let passed: u32 = self.passed.values().sum();
        println!("\n{passed} passed, {} failed", self.failed);
        match self.complaints.is_empty() {
            true => Ok(()),
            false => Err(Error::Unexpected(self.complaints.join("\n  "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            name: "x".into(),
            passed: [(Kind::Unit, 3)].into(),
            failed: 0,
            failures: vec![],
            skipped: 0,
            litter: vec![],
            counts: vec![],
        }
    }

    /// The complaint over a run with this outcome, nothing if all is well.
    fn verdict(outcome: &Outcome, wanted: &[Kind]) -> Option<String> {
        let mut report = Report::default();
        report.add(outcome);
        report.finish(wanted).err().map(|error| error.to_string())
    }

    #[test]
    fn only_a_run_in_which_everything_ran_is_good() {
        let unit = [Kind::Unit];
        assert_eq!(verdict(&outcome(), &unit), None);
        let failed = Outcome {
            failed: 1,
            failures: vec!["a::two".into()],
            ..outcome()
        };
        assert_eq!(
            verdict(&failed, &unit),
            Some("x: 1 failed\n    a::two".into())
        );
        let skipped = Outcome {
            skipped: 2,
            ..outcome()
        };
        assert_eq!(verdict(&skipped, &unit), Some("x: 2 did not run".into()));
        let litter = Outcome {
            litter: vec!["ctrs-1-0-a".into()],
            ..outcome()
        };
        assert_eq!(
            verdict(&litter, &unit),
            Some("x: left ctrs-1-0-a behind".into())
        );
        let both = [Kind::Unit, Kind::Fuzz];
        assert_eq!(
            verdict(&outcome(), &both),
            Some("there are no fuzz tests".into())
        );
    }
}
