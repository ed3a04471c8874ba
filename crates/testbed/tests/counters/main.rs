//! Every number that `conntrackd -s` shows, in all its layouts, is moved by what it counts.
//!
//! [`table`] says for each number which scenario moves it, or why nothing can. [`scenario`]
//! provokes. A number that a daemon shows and the table does not have fails the test, and so does
//! a row of the table that no daemon shows.

#![allow(clippy::unwrap_used, reason = "a test")]

mod expected;
mod scenario;
mod snapshot;
mod table;

use std::collections::BTreeSet;

use scenario::Scenario;
use table::{Moved, ROWS};
use testbed::{Error, Result};

macro_rules! scenarios {
    ($($test:ident: $scenario:ident;)*) => {
        $(
            #[test]
            fn $test() -> Result<()> {
                check(Scenario::$scenario)
            }
        )*

        /// Those that have a test.
        const TESTED: &[Scenario] = &[$(Scenario::$scenario),*];
    };
}

scenarios! {
    the_life_of_flows_is_counted: Life;
    full_caches_are_counted: Full;
    messages_that_cannot_be_read_are_counted: Hostile;
    a_type_that_nobody_handles_is_counted: HostileToAlarm;
    lost_events_are_counted: Overrun;
    events_that_are_filtered_are_counted: Filtered;
    clients_that_say_too_little_or_nonsense_are_counted: Clients;
    flushes_and_readings_of_the_kernel_are_counted: Requests;
    a_peer_that_is_deaf_is_counted: Deaf;
    a_link_that_refuses_is_counted: Refused;
    a_peer_that_is_away_is_counted: Away;
    a_peer_that_does_not_read_is_counted: Stuck;
    the_life_of_expectations_is_counted: Expected;
    caches_full_of_expectations_are_counted: FullOfExpected;
    flows_that_are_passed_on_are_counted: Passed;
    flows_that_the_kernel_refuses_are_counted: Unwanted;
    recorded_flows_are_counted: Recorded;
    more_flows_than_can_be_recorded_are_counted: FullOfRecorded;
}

/// Runs a scenario: all its rows must have grown, nothing may be shown that is in no row, and
/// what nothing moves must be zero.
fn check(scenario: Scenario) -> Result<()> {
    let (before, after) = scenario::run(scenario)?;
    let mut wrong = Vec::new();
    for (key, value) in &after {
        let Some(row) = ROWS.iter().find(|row| row.keys().any(|it| it == *key)) else {
            wrong.push(format!("{key}: in no row"));
            continue;
        };
        let old = before.get(key).copied().unwrap_or(0);
        match row.moved {
            Moved::By(by) if by.contains(&scenario) && *value <= old => {
                wrong.push(format!("{key}: {old} before, {value} after"));
            }
            Moved::Never(why) if *value != 0 => wrong.push(format!("{key}: {value}, but {why}")),
            Moved::By(_) | Moved::Never(_) => {}
        }
    }
    for row in ROWS {
        let Moved::By(by) = row.moved else { continue };
        if by.contains(&scenario) {
            let missing = row.keys().filter(|key| !after.contains_key(key));
            wrong.extend(missing.map(|key| format!("{key}: not shown")));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Error::Unexpected(wrong.join("\n"))),
    }
}

#[test]
fn the_table_has_each_number_once_and_each_scenario_its_test() {
    let mut keys = BTreeSet::new();
    for key in ROWS.iter().flat_map(table::Row::keys) {
        assert!(keys.insert(key.clone()), "`{key}` is there twice");
    }
    for row in ROWS {
        if let Moved::By(by) = row.moved {
            assert!(by.iter().all(|it| TESTED.contains(it)), "{}", row.label);
            assert!(!by.is_empty(), "{}", row.label);
        }
    }
}
