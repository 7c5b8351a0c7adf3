//! Files and addresses of the worker itself: CONFIG-001, WORKER-003, WORKER-004, REST-001. The process ends with
//! exit code 1; with the file corrected it delivers.
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed, binary};

use crate::case::NUMBERS;

const LIMIT: Duration = Duration::from_secs(60);

/// What the process says before it ends.
fn ends(arguments: &[&Path]) -> String {
    let output = Command::new(binary()).arg("standalone").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn files_are_corrected_as_the_pages_say() {
    let corner = Corner::new(bed(), "files", 1).with_small_batches(100, 50);
    corner.create_table("n UInt64", "n", Engine::Plain);
    corner.write_json(NUMBERS);
    // The first start writes the files.
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert!(worker.stop().success());
    let (properties, connector) = corner.files("w");
    let good = fs::read_to_string(&properties).unwrap();

    let missing = properties.with_extension("nowhere");
    assert!(ends(&[&missing, &connector]).contains("WORKER-003"));
    assert!(ends(&[&properties, &missing]).contains("WORKER-003"));

    let twin = connector.with_extension("twin.json");
    fs::copy(&connector, &twin).unwrap();
    assert!(ends(&[&properties, &connector, &twin]).contains("WORKER-004"));

    fs::write(&properties, format!("{good}\npumphouse.worker.id=\\u12\n")).unwrap();
    assert!(ends(&[&properties, &connector]).contains("CONFIG-001"));
    fs::write(&twin, "{\"name\": \"x\",").unwrap();
    fs::write(&properties, &good).unwrap();
    assert!(ends(&[&properties, &twin]).contains("CONFIG-001"));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let lines = good.lines().filter(|line| !line.starts_with("listeners"));
    let port = taken.local_addr().unwrap().port();
    let elsewhere: Vec<String> =
        lines.map(str::to_owned).chain([format!("listeners=http://127.0.0.1:{port}")]).collect();
    fs::write(&properties, elsewhere.join("\n")).unwrap();
    assert!(ends(&[&properties, &connector]).contains("REST-001"));
    drop(taken);

    corner.write_json(NUMBERS);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.rows(), 6, "{}", worker.log());
}
