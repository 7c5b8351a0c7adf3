//! A batch whose fate is not known, and a table that may have forgotten its token: it is looked for,
//! and nothing is doubled or lost (R7). The log names the rule that decided.

use std::time::Duration;

use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);
const ROWS: u64 = 100;

const NUMBERS: &str = "n UInt64, part UInt8 MATERIALIZED n % 3";

/// A corner with one batch of which the worker died at `moment`.
fn died_at(name: &str, engine: Engine, lineage: bool, moment: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 1).with_small_batches(ROWS, 50);
    let table = &corner.table;
    if lineage {
        corner.create_table(NUMBERS, "n", engine);
    } else {
        let settings = "SETTINGS non_replicated_deduplication_window = 10000";
        corner
            .sql()
            .run(&format!("CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n {settings}"))
            .unwrap();
    }
    write_numbers(&corner, 0);
    let mut worker = corner.worker(&WorkerOptions::called("w").dying_at(moment));
    worker.wait_exit(LIMIT);
    drop(worker);
    corner
}

/// The same, and the token does not count any more: the window is not the one that was recorded.
fn left_open(name: &str, engine: Engine, lineage: bool, moment: &str) -> Corner<'static> {
    let corner = died_at(name, engine, lineage, moment);
    set_window(&corner, engine, 9_999);
    corner
}

fn set_window(corner: &Corner<'_>, engine: Engine, blocks: u64) {
    let setting = match engine {
        Engine::Plain => "non_replicated_deduplication_window",
        Engine::Replicated => "replicated_deduplication_window",
    };
    corner.sql().run(&format!("ALTER TABLE {} MODIFY SETTING {setting} = {blocks}", corner.table)).unwrap();
}

fn write_numbers(corner: &Corner<'_>, first: u64) {
    let values: Vec<String> = (first..first + ROWS).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Starts the next worker, and waits until everything is in the table once.
fn resolves(corner: &Corner<'_>, said: &str) {
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    has_each_number_once(corner, ROWS, &worker);
    assert!(worker.log().contains(said), "`{said}` is not in the log\n{}", worker.log());
    // It goes on.
    write_numbers(corner, ROWS);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    has_each_number_once(corner, 2 * ROWS, &worker);
}

fn has_each_number_once(corner: &Corner<'_>, rows: u64, worker: &Worker) {
    let found =
        corner.sql().text(&format!("SELECT count(), uniqExact(n), max(n) FROM {}", corner.table)).unwrap();
    assert_eq!(found, format!("{rows}\t{rows}\t{}", rows - 1), "{}", worker.log());
}

#[test]
fn rows_that_are_all_there_have_landed() {
    for engine in [Engine::Plain, Engine::Replicated] {
        let corner = left_open("all_there", engine, true, "accepted");
        assert_eq!(corner.rows(), ROWS);
        resolves(&corner, "R7: all rows of the batch are in the table");
    }
}

/// The window is as it was recorded, and the token is forgotten all the same.
#[test]
fn a_window_that_was_small_for_a_moment_is_noticed() {
    for engine in [Engine::Plain, Engine::Replicated] {
        let corner = died_at("dipped", engine, true, "accepted");
        let (table, topic, sql) = (&corner.table, &corner.topic, corner.sql());
        assert_eq!(corner.rows(), ROWS);
        set_window(&corner, engine, 1);
        for block in 0..3 {
            sql.run(&format!("INSERT INTO {table} (n) VALUES ({block})")).unwrap();
        }
        set_window(&corner, engine, 10_000);
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        corner.wait_caught_up(&mut [&mut worker], LIMIT);
        let ours = format!("SELECT count(), uniqExact(n) FROM {table} WHERE _topic = '{topic}'");
        assert_eq!(sql.text(&ours).unwrap(), format!("{ROWS}\t{ROWS}"), "{}", worker.log());
        for said in [
            "the table may have been altered, and altered back",
            "R7: all rows of the batch are in the table",
        ] {
            assert!(worker.log().contains(said), "`{said}` is not in the log\n{}", worker.log());
        }
    }
}

#[test]
fn rows_that_are_missing_are_inserted() {
    for engine in [Engine::Plain, Engine::Replicated] {
        let corner = left_open("missing", engine, true, "ledger_answered");
        assert_eq!(corner.rows(), 0);
        resolves(&corner, "R7: 100 of 100 rows are not in the table");
    }
}

/// As a server leaves it that is killed between the commits of two table partitions.
#[test]
fn rows_of_which_some_are_there_are_completed() {
    for engine in [Engine::Plain, Engine::Replicated] {
        let corner = left_open("completed", engine, true, "ledger_answered");
        let (table, topic) = (&corner.table, &corner.topic);
        let some = format!("SELECT number, '{topic}', 0, number FROM numbers({ROWS}) WHERE number % 3 = 1");
        corner.sql().run(&format!("INSERT INTO {table} (n, _topic, _partition, _offset) {some}")).unwrap();
        resolves(&corner, "R7: 67 of 100 rows are not in the table");
    }
}

#[test]
fn the_query_log_tells_of_a_table_without_lineage() {
    let corner = left_open("query_log", Engine::Plain, false, "accepted");
    assert_eq!(corner.rows(), ROWS);
    resolves(&corner, "R7: the query log shows");
}

/// Nothing tells: a person is asked, and the decision is carried out.
#[test]
fn what_nobody_can_tell_an_operator_decides() {
    let corner = left_open("decided", Engine::Plain, false, "ledger_answered");
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    for fact in ["DELIVERY-001", "0:0..100", "pumphouse.open.batch.decisions"] {
        assert!(trace.contains(fact), "`{fact}` is not in {trace}");
    }
    assert_eq!(corner.rows(), 0);
    drop(worker);
    let decision = format!("{}=again", token_to_decide(&trace));
    let corner = corner.with("pumphouse.open.batch.decisions", &decision);
    resolves(&corner, "the operator's decision is carried out");
}

/// A table with a TTL may have lost rows: those that are missing prove nothing, unless somebody knows better.
#[test]
fn what_is_missing_an_operator_has_completed() {
    let corner = left_open("decided_missing", Engine::Plain, true, "ledger_answered");
    let (table, topic) = (&corner.table, &corner.topic);
    corner.sql().run(&format!("ALTER TABLE {table} MODIFY TTL toDateTime(4000000000 + n % 10)")).unwrap();
    let some = format!("SELECT number, '{topic}', 0, number FROM numbers({ROWS}) WHERE number % 3 = 1");
    corner.sql().run(&format!("INSERT INTO {table} (n, _topic, _partition, _offset) {some}")).unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    for fact in ["DELIVERY-001", "33 of 100 rows were found", "TTL"] {
        assert!(trace.contains(fact), "`{fact}` is not in {trace}");
    }
    drop(worker);
    let decision = format!("{}=missing", token_to_decide(&trace));
    let corner = corner.with("pumphouse.open.batch.decisions", &decision);
    resolves(&corner, "R7: 67 of 100 rows are not in the table");
}

/// The batch's token, as the message names it beside the option.
fn token_to_decide(trace: &str) -> &str {
    let (_, rest) = trace.split_once("pumphouse.open.batch.decisions to ").unwrap();
    rest.split_once('=').unwrap().0
}
