//! Pairs of ours and stock, in which ours must lose nothing.

use sim::stock::{self, Trials};

fn check(seeds: std::ops::Range<u64>, change: impl Fn(&mut Trials)) {
    let (mut changes, mut compared) = (0, 0);
    for seed in seeds {
        let mut trials = Trials::random(seed);
        change(&mut trials);
        let outcome = stock::run(seed, trials, false);
        assert!(
            outcome.violations.is_empty(),
            "seed {seed}, {trials:?}:\n{}",
            outcome.violations.join("\n"),
        );
        changes += outcome.changes;
        compared += outcome.compared;
    }
    // A world in which nothing happens proves nothing.
    assert!(changes > 10_000, "only {changes} changes");
    assert!(compared > 500, "only {compared} flows compared");
}

#[test]
fn a_pair_that_has_met_loses_nothing() {
    check(300..360, |trials| {
        trials.rough_start = false;
        trials.ours_restarts = false;
        trials.stock_restarts = false;
    });
}

#[test]
fn what_is_told_before_both_have_met_is_not_lost() {
    check(0..100, |trials| {
        trials.rough_start = true;
        trials.ours_restarts = false;
        trials.stock_restarts = false;
    });
}

#[test]
fn restarts_of_either_are_survived() {
    check(200..260, |trials| {
        trials.ours_restarts |= !trials.stock_restarts;
    });
}
