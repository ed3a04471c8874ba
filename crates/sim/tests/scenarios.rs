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

fn injected(counts: &Counts) -> bool {
    counts.operations > 100 && compared(counts)
}

#[test]
fn flows_whose_time_has_run_out_are_not_missed() {
    check("timeouts-run-out", |counts| {
        counts.expired > 20 && compared(counts)
    });
}

#[test]
fn notrack_replicates() {
    check("notrack-calm", compared);
    check("notrack-bypass-calm", compared);
}

#[test]
fn notrack_asks_for_what_it_has_lost() {
    check("notrack-lossy", lossy);
    check("notrack-bypass-lossy", lossy);
}

#[test]
fn several_primaries_know_of_each_other() {
    check("notrack-four-primaries", compared);
    check("notrack-three-primaries-lossy", compared);
    check("alarm-four-primaries-lossy", compared);
}

#[test]
fn alarm_repairs_everything_in_time() {
    check("alarm-calm", compared);
    check("alarm-lossy", lossy);
    check("alarm-restart", compared);
}

#[test]
fn what_is_injected_arrives() {
    check("inject-calm", injected);
    check("inject-lossy", injected);
    check("notrack-inject-calm", injected);
    check("notrack-inject-lossy", injected);
    check("notrack-bypass-inject", injected);
}

#[test]
fn a_polled_table_is_replicated() {
    check("poll", |counts| counts.commits > 1 && compared(counts));
    check("alarm-poll-lossy", lossy);
}

#[test]
fn another_link_takes_over() {
    let lost = |counts: &Counts| counts.carriers > 0 && compared(counts);
    check("carrier-lost", lost);
    check("four-links", lost);
    check("notrack-carrier-lost", lost);
    check("alarm-carrier-lost", lost);
}

#[test]
fn broken_streams_are_made_up_for() {
    let blocked = |counts: &Counts| counts.blocked > 0 && compared(counts);
    check("stream-breaks", blocked);
    check("stream-full", blocked);
    check("stream-restart", |counts| {
        counts.commits > 1 && blocked(counts)
    });
    check("notrack-stream-breaks", blocked);
    check("alarm-stream-breaks", blocked);
}

#[test]
fn expectations_are_replicated() {
    let helped = |counts: &Counts| counts.expectations > 20 && compared(counts);
    check("expectations", helped);
    check("expectations-failover-lossy", helped);
    check("expectations-inject", helped);
    check("alarm-expectations", helped);
    check("notrack-bypass-expectations", helped);
}

fn unheard(counts: &Counts) -> bool {
    counts.unheard > 0 && counts.compared > 5
}

#[test]
fn what_begins_unheard_during_a_commit_is_told() {
    check("unheard", unheard);
    check("notrack-unheard", unheard);
    check("alarm-unheard", unheard);
}

#[test]
fn a_commit_that_is_not_heard_confuses_no_lives_of_a_tuple() {
    check("unheard-reuse", unheard);
}

#[test]
fn what_ends_or_is_missed_while_a_commit_is_not_heard_is_forgotten() {
    check("unheard-short-lives", unheard);
    check("unheard-overrun", unheard);
}

#[test]
fn expectations_are_told_after_a_commit_that_is_not_heard() {
    check("unheard-expectations", unheard);
}

#[test]
fn the_commands_of_a_failover_follow_a_commit_that_is_not_heard() {
    check("unheard-failover", unheard);
}
