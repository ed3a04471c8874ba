//! Fixed seeds: worlds drawn at random, in which nothing wrong may happen.
//!
//! `cargo xtask sim --seeds N` runs more of them, and `--seed S --trace` shows one.

use sim::Report;

fn check(report: &Report) {
    let violations: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "seed {} of {}:\n{}\nrun again: cargo xtask sim --seed {} --trace",
        report.seed,
        report.scenario,
        violations.join("\n"),
        report.seed,
    );
}

fn check_seeds(seeds: std::ops::Range<u64>) {
    let (mut changes, mut compared) = (0, 0);
    for seed in seeds {
        let report = sim::run(seed);
        check(&report);
        changes += report.counts.changes;
        compared += report.counts.compared;
    }
    // A world in which nothing happens proves nothing.
    assert!(changes > 10_000, "only {changes} changes");
    assert!(compared > 1_000, "only {compared} flows compared");
}

#[test]
fn seeds_0_to_59_are_sound() {
    check_seeds(0..60);
}

#[test]
fn seeds_60_to_119_are_sound() {
    check_seeds(60..120);
}

#[test]
fn seeds_120_to_179_are_sound() {
    check_seeds(120..180);
}

#[test]
fn seeds_180_to_239_are_sound() {
    check_seeds(180..240);
}

#[test]
fn a_seed_makes_one_trace() {
    for seed in 0..12 {
        assert_eq!(
            sim::run(seed).fingerprint,
            sim::run(seed).fingerprint,
            "seed {seed}"
        );
    }
    assert_ne!(sim::run(0).fingerprint, sim::run(1).fingerprint);
}

#[test]
fn a_trace_does_not_change_what_happens() {
    let traced = sim::trace(None, 3).map(|report| report.fingerprint);
    assert_eq!(traced, Some(sim::run(3).fingerprint));
}
