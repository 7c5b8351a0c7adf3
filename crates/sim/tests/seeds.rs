//! The seeds that every change has to pass, and the proof that the simulator would notice.
use std::collections::BTreeMap;

use pumphouse_sim::{NEEDED, RunOptions, run};

/// As many as take well below a minute on one core in a development build.
const SEEDS: u64 = 10_000;

/// Runs are independent of one another.
const THREADS: u64 = 2;

/// What a simulation that is worth its name comes into, again and again.
const SITUATIONS: [&str; 54] = [
    "attempt held back",
    "attempt killed",
    "batch of an earlier life dropped",
    "batch open for another table",
    "block amended",
    "block of another shape refused",
    "block rebuilt",
    "block sealed before its linger was over",
    "clean stop",
    "deadline passed",
    "decision carried out",
    "duplicate part dropped",
    "entries gathered",
    "error after some parts",
    "evidence needed",
    "failed task begun anew by itself",
    "fence read anew",
    "generation passed, nothing moved",
    "insert landed after its client gave up",
    "killed between parts",
    "lead's owner waited for",
    "membership ended",
    "name taken by another process",
    "next life read by another membership",
    "offset of an open batch set",
    "offset restored from rest",
    "offset set",
    "offsets forgotten",
    "offsets were set",
    "old handle reads the next life",
    "open batch taken up",
    "partition begun anew",
    "position out of range",
    "query finished",
    "record left out refused",
    "record left out undecoded",
    "refused before",
    "rows found",
    "rows missing",
    "same process",
    "sent again unproven",
    "some partitions revoked",
    "source thinned",
    "stop that leaves something open",
    "token without rows",
    "topic created again",
    "transaction left open",
    "twin of a stopped process",
    "unstable entry waited for",
    "view failed after the table's part",
    "write applied, answer lost",
    "write not recorded",
    "write of a former member refused",
    "write of a former producer refused",
];

/// The questions to a person that the protocol asks rather than guess.
const STOPS: [&str; 6] =
    ["DELIVERY-001", "DELIVERY-002", "DELIVERY-003", "DELIVERY-008", "DELIVERY-009", "WORKER-006"];

#[test]
fn seeds_keep_every_promise_in_every_situation() {
    let parts: Vec<Seen> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || run_every(first))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a seed breaks a promise")).collect()
    });
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut stops: BTreeMap<String, u64> = BTreeMap::new();
    let mut undisturbed = 0;
    for part in parts {
        undisturbed += part.undisturbed;
        for (situation, many) in part.situations {
            *seen.entry(situation).or_insert(0) += many;
        }
        for (code, many) in part.stops {
            *stops.entry(code).or_insert(0) += many;
        }
    }
    for situation in SITUATIONS {
        assert!(seen.get(situation).is_some_and(|many| *many >= 20), "{situation}: {seen:?}");
    }
    for code in STOPS {
        assert!(stops.contains_key(code), "{code}: {stops:?}");
    }
    // Most runs end with everything landed, not with a question to a person.
    assert!(undisturbed > SEEDS / 2, "{undisturbed} of {SEEDS} ran to the end");
}

/// What some of the seeds came into.
#[derive(Default)]
struct Seen {
    situations: BTreeMap<&'static str, u64>,
    stops: BTreeMap<String, u64>,
    /// Runs that ended with everything landed.
    undisturbed: u64,
}

/// Runs each [`THREADS`]th seed; panics at the first that breaks a promise.
fn run_every(first: u64) -> Seen {
    let mut seen = Seen::default();
    for seed in (first..SEEDS).step_by(THREADS as usize) {
        let outcome = run(seed, RunOptions::default());
        if let Some(violation) = outcome.violation {
            panic!(
                "seed {seed} breaks {}: {}\nreplay: cargo run -p pumphouse-sim --release -- --seed {seed} --trace",
                violation.invariant, violation.what
            );
        }
        seen.undisturbed += u64::from(outcome.stops.is_empty() && outcome.landed > 0);
        for (situation, many) in outcome.seen {
            *seen.situations.entry(situation).or_insert(0) += many;
        }
        for (code, many) in outcome.stops {
            *seen.stops.entry(code).or_insert(0) += many;
        }
    }
    seen
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
