//! The named scenarios, each with a few seeds, and what each has to have put to the test.

use sim::report::Counts;

/// Seeds per scenario.
const SEEDS: u64 = 3;

fn check(name: &str, happened: impl Fn(&Counts) -> bool) {
    for seed in 0..SEEDS {
        let report = sim::run_scenario(name, seed).unwrap_or_else(|| panic!("no scenario {name}"));
        let violations: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "{name}:\n{}\nrun again: cargo xtask sim --scenario {name} --seed {seed} --trace",
            violations.join("\n"),
        );
        assert!(
            happened(&report.counts),
            "{name}, seed {seed}: {:?}",
            report.counts
        );
    }
}

fn lossy(counts: &Counts) -> bool {
    counts.arrived < counts.sent && counts.compared > 20
}

fn compared(counts: &Counts) -> bool {
    counts.changes > 200 && counts.compared > 20
}

#[test]
fn every_scenario_has_a_test() {
    let tested = include_str!("scenarios.rs");
    for scenario in sim::scenario::named() {
        let call = format!("check({:?}", scenario.name);
        assert!(tested.contains(&call), "{}", scenario.name);
    }
}

#[test]
fn calm_traffic_is_replicated() {
    check("calm", compared);
}

#[test]
fn a_loss_of_10_percent_is_repaired() {
    check("lossy-10", lossy);
}

#[test]
fn a_loss_of_30_percent_is_repaired() {
    check("lossy-30", lossy);
}

#[test]
fn reordered_and_doubled_datagrams_do_no_harm() {
    check("reordering", compared);
}

#[test]
fn a_partition_is_made_up_for() {
    check("partition", lossy);
}

#[test]
fn a_blocked_link_is_waited_for() {
    check("channel-blocked", compared);
}

#[test]
fn a_daemon_restarts_under_load() {
    check("restart-under-load", compared);
}

#[test]
fn daemons_and_hosts_restart_with_losses() {
    check("restart-lossy", lossy);
}

#[test]
fn the_backup_takes_over() {
    check("failover", |counts| {
        counts.commits > 1 && counts.operations > 10
    });
}

#[test]
fn the_backup_takes_over_with_losses() {
    check("failover-lossy", |counts| {
        counts.commits > 1 && lossy(counts)
    });
}

#[test]
fn forged_numbers_do_not_silence_the_peer() {
    check("forged-numbers", compared);
}

#[test]
fn junk_is_dropped() {
    check("junk", compared);
}

#[test]
fn lost_events_are_made_up_for() {
    check("overrun", |counts| counts.overruns > 0 && compared(counts));
}

#[test]
fn a_bulk_is_sent_while_flows_end() {
    check("bulk-while-destroying", compared);
}

#[test]
fn many_bulks_are_asked_for() {
    check("resync-storm", compared);
}

#[test]
fn both_hosts_have_traffic() {
    check("both-primary", lossy);
}

#[test]
fn a_resend_queue_overflows() {
    check("resend-queue-overflow", lossy);
}

#[test]
fn ports_are_reused_at_once() {
    check("port-reuse", |counts| {
        counts.changes > 2_000 && counts.arrived < counts.sent
    });
}

#[test]
fn sequence_numbers_wrap() {
    check("sequence-wrap", lossy);
}
