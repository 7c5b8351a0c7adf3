//! The same seeds with the ledger in KeeperMap: fenced by the epoch of each claim instead of by the group, letters
//! beside the entries, statements that come through long after their sender gave them up.
use std::collections::BTreeMap;

use pumphouse_delivery::Rule;
use pumphouse_sim::{RunOptions, run_in_keeper};

/// As many as take some seconds.
const SEEDS: u64 = 1_500;

const SITUATIONS: [&str; 5] = [
    "entries gathered",
    "offset set",
    "statement came through late",
    "write applied, answer lost",
    "write of a former claim refused",
];

#[test]
fn seeds_keep_every_promise() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        let outcome = run_in_keeper(seed, RunOptions::default());
        assert_eq!(
            outcome.violation, None,
            "replay: cargo run -p pumphouse-sim --release -- --keeper --seed {seed} --trace"
        );
        for (situation, many) in outcome.seen {
            *seen.entry(situation).or_insert(0) += many;
        }
    }
    for situation in SITUATIONS {
        assert!(seen.get(situation).is_some_and(|many| *many >= 10), "{situation}: {seen:?}");
    }
}

/// Without the guard of the writes (R5), or another rule, some of the seeds break a promise.
#[test]
fn the_guard_is_needed() {
    for rule in [Rule::R1, Rule::R5, Rule::R6] {
        let options = RunOptions { without: Some(rule), ..RunOptions::default() };
        let broken = (0..400).any(|seed| run_in_keeper(seed, options).violation.is_some());
        assert!(broken, "{rule:?} is not missed");
    }
}
