//! Fixed seeds: worlds drawn at random, in which nothing wrong may happen.
//!
//! `cargo xtask sim --seeds N` runs more of them, and `--seed S --trace` shows one.

use sim::scenario::ModeName;
use sim::{Report, Wish};

fn check(words: &str, report: &Report) {
    let violations: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "{}\nrun again: cargo xtask sim {words} --seed {} --trace",
        violations.join("\n"),
        report.seed,
    );
}

/// Runs the seeds of a kind of worlds; `words` are those of `cargo xtask sim` that ask for it.
fn check_seeds(words: &str, wish: Wish, seeds: std::ops::Range<u64>) {
    let (mut changes, mut compared) = (0, 0);
    for seed in seeds {
        let report = sim::run_wished(seed, &wish);
        check(words, &report);
        changes += report.counts.changes;
        compared += report.counts.compared;
    }
    // A world in which nothing happens proves nothing.
    assert!(changes > 10_000, "only {changes} changes");
    assert!(compared > 1_000, "only {compared} flows compared");
}

/// Worlds of a mode.
const fn of(mode: ModeName) -> Wish {
    Wish {
        mode: Some(mode),
        ..Wish::ANY
    }
}

#[test]
fn any_seeds_are_sound() {
    check_seeds("", Wish::ANY, 0..120);
}

#[test]
fn ftfw_seeds_are_sound() {
    check_seeds("--mode ftfw", of(ModeName::Ftfw), 1_000..1_120);
}

#[test]
fn notrack_seeds_are_sound() {
    check_seeds("--mode notrack", of(ModeName::Notrack), 2_000..2_100);
}

#[test]
fn alarm_seeds_are_sound() {
    check_seeds("--mode alarm", of(ModeName::Alarm), 3_000..3_100);
}

#[test]
fn injection_seeds_are_sound() {
    let wish = Wish {
        inject: Some(true),
        ..of(ModeName::Ftfw)
    };
    check_seeds("--mode ftfw --inject yes", wish, 4_000..4_060);
}

#[test]
fn polling_seeds_are_sound() {
    let wish = Wish {
        poll: Some(true),
        inject: Some(false),
        ..Wish::ANY
    };
    check_seeds("--poll yes --inject no", wish, 5_000..5_060);
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
    let traced = sim::trace(None, &Wish::ANY, 3).map(|report| report.fingerprint);
    assert_eq!(traced, Some(sim::run(3).fingerprint));
}
