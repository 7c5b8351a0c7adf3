//! What every change has to pass: each scenario in every order, or in as many as a test may take, and that the
//! absence of each rule is found.
use pumphouse_model::{MUTATIONS, SCENARIOS, check};

/// As many as take some ten seconds in a development build on a busy core. Scenarios with more are looked at whole by
/// `cargo xtask model`.
const STATES_MAX: u64 = 120_000;

#[test]
fn every_scenario_keeps_every_promise() {
    std::thread::scope(|scope| {
        for half in [0, 1] {
            scope.spawn(move || {
                for bounds in SCENARIOS.iter().skip(half).step_by(2) {
                    let found = check(bounds, None, STATES_MAX);
                    assert!(found.broken.is_none(), "{}: {:#?}", bounds.name, found.broken);
                    assert_eq!(found.stops, 0, "{}: a task has stopped for a person", bounds.name);
                    assert!(found.complete || found.states == STATES_MAX, "{}: a loop", bounds.name);
                }
            });
        }
    });
}

#[test]
fn the_absence_of_each_rule_is_found() {
    for mutation in MUTATIONS {
        let bounds = SCENARIOS.iter().find(|bounds| bounds.name == mutation.scenario);
        let found = check(bounds.expect("a mutation names a scenario"), Some(mutation.rule), STATES_MAX);
        let broken = found.broken.map(|(promise, ..)| promise);
        assert_eq!(broken, Some(mutation.broken), "without {} in {}", mutation.name, mutation.scenario);
    }
}
