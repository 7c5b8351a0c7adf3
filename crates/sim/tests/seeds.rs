//! The seeds that every change has to pass, and the proof that the simulator would notice.
use std::collections::BTreeMap;

use pumphouse_sim::{NEEDED, RunOptions, run};

/// As many as take well below a minute on one core in a development build.
const SEEDS: u64 = 10_000;

/// What a simulation that is worth its name comes into, again and again.
const SITUATIONS: [&str; 17] = [
    "attempt killed",
    "clean stop",
    "deadline passed",
    "duplicate part dropped",
    "entries gathered",
    "insert landed after its client gave up",
    "lead's owner waited for",
    "membership ended",
    "open batch taken up",
    "token without rows",
    "transaction left open",
    "twin of a stopped process",
    "unstable entry waited for",
    "write applied, answer lost",
    "write not recorded",
    "write of a former member refused",
    "write of a former producer refused",
];

#[test]
fn seeds_keep_every_promise_in_every_situation() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut stops: BTreeMap<String, u64> = BTreeMap::new();
    let mut undisturbed = 0;
    for seed in 0..SEEDS {
        let outcome = run(seed, RunOptions::default());
        if let Some(violation) = outcome.violation {
            panic!(
                "seed {seed} breaks {}: {}\nreplay: cargo run -p pumphouse-sim --release -- --seed {seed} --trace",
                violation.invariant, violation.what
            );
        }
        undisturbed += u64::from(outcome.stops.is_empty() && outcome.landed > 0);
        for (situation, many) in outcome.seen {
            *seen.entry(situation).or_insert(0) += many;
        }
        for (code, many) in outcome.stops {
            *stops.entry(code).or_insert(0) += many;
        }
    }
    for situation in SITUATIONS {
        assert!(seen.get(situation).is_some_and(|many| *many >= 20), "{situation}: {seen:?}");
    }
    for code in ["DELIVERY-001", "DELIVERY-002", "DELIVERY-003", "DELIVERY-006"] {
        assert!(stops.contains_key(code), "{code}: {stops:?}");
    }
    // Most runs end with everything landed, not with a question to a person.
    assert!(undisturbed > SEEDS / 2, "{undisturbed} of {SEEDS} ran to the end");
}

#[test]
fn each_rule_is_needed() {
    for needed in NEEDED {
        let kept = run(needed.seed, RunOptions::default()).violation;
        assert_eq!(kept, None, "seed {} with {:?}", needed.seed, needed.rule);
        let without = RunOptions { without: Some(needed.rule), trace: false };
        let broken = run(needed.seed, without).violation.map(|violation| violation.invariant);
        assert_eq!(broken, Some(needed.broken), "seed {} without {:?}", needed.seed, needed.rule);
    }
}

#[test]
fn a_seed_replays() {
    for seed in 0..50 {
        let runs = [(); 2].map(|()| format!("{:?}", run(seed, RunOptions::default())));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}
