//! Every checker notices what it is there for: the world lies, and the right checker says so.

use sim::Scenario;
use sim::sabotage::Sabotage;

/// Runs a named scenario with a lie; some seed out of a few has to show it.
fn check(scenario: &str, sabotage: Sabotage, checker: &str) {
    let base = sim::scenario::named()
        .into_iter()
        .find(|it| it.name == scenario)
        .unwrap_or_else(|| panic!("no scenario {scenario}"));
    let mut seen = Vec::new();
    for seed in 0..5 {
        let world = Scenario {
            sabotage: Some(sabotage),
            ..base.clone()
        };
        let report = sim::run_world(world, seed);
        seen.extend(
            report
                .violations
                .into_iter()
                .map(|violation| violation.checker),
        );
    }
    assert!(
        seen.contains(&checker),
        "{sabotage:?} was noticed by {seen:?} only"
    );
}

#[test]
fn lost_events_are_noticed() {
    check("calm", Sabotage::LoseEvents, "convergence");
}

#[test]
fn an_echo_is_noticed() {
    check("failover", Sabotage::HideOrigin, "echo");
}

#[test]
fn an_invention_is_noticed() {
    check("calm", Sabotage::AlterDatagrams, "invented");
}

#[test]
fn a_return_to_an_older_state_is_noticed() {
    check("port-reuse", Sabotage::ReplayMessages, "order");
}

#[test]
fn a_resurrection_is_noticed() {
    check("port-reuse", Sabotage::ReplayMessages, "resurrected");
}

#[test]
fn a_commit_without_end_is_noticed() {
    check("failover", Sabotage::ForgetOutcomes, "commit");
}

#[test]
fn a_silent_node_is_noticed() {
    check("calm", Sabotage::LetSleep, "bounds");
}

#[test]
fn lost_events_are_noticed_in_every_mode() {
    for scenario in [
        "notrack-calm",
        "notrack-bypass-calm",
        "alarm-calm",
        "inject-calm",
    ] {
        check(scenario, Sabotage::LoseEvents, "convergence");
    }
}

#[test]
fn an_invention_is_noticed_in_every_mode() {
    for scenario in [
        "notrack-lossy",
        "notrack-bypass-calm",
        "alarm-lossy",
        "inject-calm",
    ] {
        check(scenario, Sabotage::AlterDatagrams, "invented");
    }
}

#[test]
fn an_injection_that_did_not_happen_is_noticed() {
    check("inject-calm", Sabotage::FakeOperations, "convergence");
    check(
        "expectations-inject",
        Sabotage::FakeOperations,
        "convergence",
    );
}

#[test]
fn lost_expectations_are_noticed() {
    check("expectations", Sabotage::LoseExpectations, "expectations");
    check(
        "alarm-expectations",
        Sabotage::LoseExpectations,
        "expectations",
    );
}

#[test]
fn an_expectation_that_comes_back_is_noticed() {
    check("expectations", Sabotage::ReplayExpectations, "expectations");
}

#[test]
fn a_node_that_clings_to_a_dead_link_is_noticed() {
    check("carrier-lost", Sabotage::HideCarrier, "bounds");
}
