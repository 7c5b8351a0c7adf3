//! Calls a target again and again, and says what went wrong.
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::allocations::peak_of;
use crate::mutation::mutated;
use crate::random::Random;
use crate::targets::{Outcome, Target};

/// What any input may cost: buffers that a decoder keeps, and one row of every column.
const BYTES_MAX: usize = 4 << 20;

/// What each byte of an input may cost on top. An Avro array of nulls into a column of 256-bit numbers is
/// the dearest that is known: a megabyte from a hundred bytes, and then an end.
const BYTES_PER_INPUT_BYTE_MAX: usize = 256;

/// An input that takes longer hangs. Slow machines and debug builds included.
const TIME_MAX: Duration = Duration::from_secs(5);

/// More parents are more of the same.
const PARENTS_MAX: usize = 4_096;

/// How often a failing input is tried with less in it.
const SHRINK_ATTEMPTS_MAX: usize = 4_000;

thread_local! {
    static CURRENT: Cell<(&'static str, u64, u64)> = const { Cell::new(("", 0, 0)) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics of a thread that runs a target are remembered, not printed: some are caught where they happen,
/// and a failing input panics once for every attempt to make it shorter.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CURRENT.get().0.is_empty() {
                usual(info);
            } else {
                LAST_PANIC.with_borrow_mut(|text| *text = info.to_string());
            }
        }));
    });
}

/// What this thread is doing, for a message before the end of the process.
pub fn current() -> impl fmt::Display {
    let (target, seed, execution) = CURRENT.try_with(Cell::get).unwrap_or_default();
    fmt::from_fn(move |f| write!(f, "target {target}, seed {seed}, execution {execution}"))
}

/// When a run ends: at whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Calls.
    pub executions: u64,
    /// Time.
    pub time: Duration,
}

/// Why an input fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It panicked, or found an invariant broken.
    Panic {
        /** What it said, and where. */
        message: String,
    },
    /// It held more memory than its length allows.
    Memory {
        /** What it held. */
        bytes: usize,
        /** What its length allows. */
        allowed_bytes: usize,
    },
    /// It took too long.
    Time {
        /** Milliseconds. */
        took_ms: u128,
    },
}

/// An input that fails, made as short as could be.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Why.
    pub failure: Failure,
    /// The input.
    pub input: Vec<u8>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Calls made.
    pub executions: u64,
    /// Different things that came of them.
    pub outcomes: usize,
    /// The most memory that a call held, and the length of its input.
    pub peak: (usize, usize),
    /// Inputs with an outcome of their own, in the order in which they came.
    pub interesting: Vec<Vec<u8>>,
    /// The first input that fails; the run ends with it.
    pub finding: Option<Finding>,
}

/// Runs a target over its corpus and over mutations of it. The same seed makes the same inputs.
/// Shape: `corpus` is not empty.
pub fn run(target: &Target, corpus: &[Vec<u8>], seed: u64, budget: Budget) -> Report {
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let mut parents = corpus.to_vec();
    let mut seen = BTreeSet::new();
    let mut report =
        Report { executions: 0, outcomes: 0, peak: (0, 0), interesting: Vec::new(), finding: None };
    // What a target makes once and keeps is not the first input's.
    (target.run)(&[]);
    remember_panics();
    while report.executions < budget.executions && begun.elapsed() < budget.time {
        let kept = usize::try_from(report.executions).ok().and_then(|n| corpus.get(n)).cloned();
        let fresh = kept.is_none();
        let input = kept.unwrap_or_else(|| mutated(&parents, target.words, &mut random));
        CURRENT.set((target.name, seed, report.executions));
        report.executions += 1;
        match call(target, &input) {
            Ok((outcome, bytes)) => {
                if bytes > report.peak.0 {
                    report.peak = (bytes, input.len());
                }
                if seen.insert(outcome) {
                    report.interesting.push(input.clone());
                    if fresh && parents.len() < PARENTS_MAX {
                        parents.push(input);
                    }
                }
            }
            Err(failure) => {
                report.finding = Some(shrunk(target, failure, input));
                break;
            }
        }
    }
    CURRENT.set(("", 0, 0));
    report.outcomes = seen.len();
    report
}

/// The outcome, and the bytes held.
fn call(target: &Target, input: &[u8]) -> Result<(Outcome, usize), Failure> {
    let begun = Instant::now();
    let (answer, bytes) = peak_of(|| catch_unwind(AssertUnwindSafe(|| (target.run)(input))));
    let outcome = answer.map_err(|_| Failure::Panic { message: LAST_PANIC.take() })?;
    let allowed_bytes = BYTES_MAX + BYTES_PER_INPUT_BYTE_MAX * input.len();
    if bytes > allowed_bytes {
        return Err(Failure::Memory { bytes, allowed_bytes });
    }
    let took = begun.elapsed();
    if took > TIME_MAX {
        return Err(Failure::Time { took_ms: took.as_millis() });
    }
    Ok((outcome, bytes))
}

/// The same kind of failure from less.
fn shrunk(target: &Target, mut failure: Failure, mut input: Vec<u8>) -> Finding {
    if matches!(failure, Failure::Time { .. }) {
        return Finding { failure, input };
    }
    let mut attempts = 0;
    let mut width = input.len() / 2;
    while width > 0 && attempts < SHRINK_ATTEMPTS_MAX {
        let mut at = 0;
        while at + width <= input.len() && attempts < SHRINK_ATTEMPTS_MAX {
            attempts += 1;
            let less = [&input[..at], &input[at + width..]].concat();
            match call(target, &less) {
                Err(same) if std::mem::discriminant(&same) == std::mem::discriminant(&failure) => {
                    (failure, input) = (same, less);
                }
                _ => at += width,
            }
        }
        width /= 2;
    }
    Finding { failure, input }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { executions: 20_000, time: Duration::from_secs(20) };

    fn target(run: fn(&[u8]) -> Outcome) -> Target {
        Target { name: "of a test", run, words: &["needle"], seeds: Vec::new }
    }

    #[test]
    fn a_panic_is_found_and_made_short() {
        let target = target(|input| {
            assert!(!input.windows(6).any(|w| w == b"needle"), "found");
            0
        });
        let finding = run(&target, &[b"hay and hay".to_vec()], 1, BUDGET).finding.unwrap();
        assert_eq!(&finding.input[..], b"needle");
        assert!(matches!(finding.failure, Failure::Panic { message } if message.contains("found")));
    }

    #[test]
    fn a_length_that_is_believed_is_found() {
        let target = target(|input| {
            let length = input.first().map_or(0, |first| usize::from(*first) << 20);
            std::hint::black_box(Vec::<u8>::with_capacity(length));
            0
        });
        let finding = run(&target, &[vec![1]], 1, BUDGET).finding.unwrap();
        assert!(matches!(finding.failure, Failure::Memory { .. }), "{finding:?}");
    }

    #[test]
    fn the_seed_alone_decides() {
        let target = target(|input| input.len() as Outcome % 7);
        let inputs = |seed| run(&target, &[b"abc".to_vec()], seed, BUDGET).interesting;
        assert_eq!(inputs(3), inputs(3));
        assert_ne!(inputs(3), inputs(4));
    }
}
