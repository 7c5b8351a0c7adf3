//! The benchmark itself: it runs to its end, and every table of every workload is right. Nothing is timed.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The formats, a wide table, many partitions, and several topics: what the contenders' run does not have.
const WORKLOADS: &str = "avro,protobuf,wide,partitions-64,topics-20";

/// The worker under test: `PUMPHOUSE_TEST_BINARY`, else one that is built now.
fn worker() -> PathBuf {
    if let Some(given) = std::env::var_os("PUMPHOUSE_TEST_BINARY") {
        return given.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built =
        Command::new(env!("CARGO")).args(["build", "--package", "pumphouse"]).current_dir(root).status();
    assert!(built.unwrap().success());
    Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("pumphouse")
}

fn trial(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["bench", "--trial", "--rounds", "1", "--binary"])
        .arg(worker())
        .args(arguments)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(!out.contains("rows/s"), "a trial has no figures: {out}");
    out.into_owned()
}

#[test]
fn every_table_of_the_matrix_is_right() {
    let out = trial(&["--records", "4000", "--workloads", WORKLOADS]);
    for workload in WORKLOADS.split(',') {
        assert!(out.contains(&format!("{workload}: its table is right")), "{out}");
    }
}

#[test]
fn every_row_of_a_paced_load_is_seen() {
    let out = trial(&["--latency", "--rate", "1000", "--seconds", "2"]);
    assert_eq!(out.matches("every row was seen once").count(), 2, "{out}");
}
