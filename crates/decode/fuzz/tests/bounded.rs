//! Every target for a few seconds: the kept corpus whole, then seeded mutations of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use pumphouse_fuzz::{Budget, TARGETS, inputs, run};

/// Of all targets together about a minute on one core.
const BUDGET: Budget = Budget { executions: 40_000, time: Duration::from_secs(5) };

const SEED: u64 = 20_260;

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = inputs(target).unwrap();
    let report = run(target, &corpus, SEED, BUDGET);
    if let Some(finding) = report.finding {
        panic!("{:?} of {name}: {}", finding.failure, finding.input.escape_ascii());
    }
    // A target that takes or refuses everything looks at nothing.
    assert!(report.outcomes >= 3, "{name}: {} outcomes", report.outcomes);
    assert!(report.executions >= corpus.len() as u64, "{name}: the corpus took too long");
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })+

        #[test]
        fn every_target_has_a_test() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}

targets! {
    json
    connect_json
    json_schema
    delimited
    whole_value
    avro_body
    avro_schema
    avro_made
    protobuf_body
    protobuf_schema
    protobuf_descriptor
    protobuf_made
    wire_header
    type_text
    ledger_text
}
