//! The topic is to go to another table while a batch is open: the batch is resolved in its own, what follows
//! goes to the new one (R15).

use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);
const ROWS: u64 = 100;
const ELSEWHERE: &str = "R15: the batch is open for";

/// Worker dead with one batch open, and the topic's next records for another table.
struct Moved {
    corner: Corner<'static>,
    other: String,
}

fn moved(name: &str, engine: Engine, moment: &str) -> Moved {
    let corner = Corner::new(bed(), name, 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64", "n", engine);
    write(&corner, 0);
    corner.worker(&WorkerOptions::called("w").dying_at(moment)).wait_exit(LIMIT);
    let other = format!("{}_other", corner.table);
    let window = "SETTINGS non_replicated_deduplication_window = 10000";
    let like = format!("SELECT * FROM {} WHERE 0", corner.table);
    corner
        .sql()
        .run(&format!("CREATE TABLE {other} ENGINE = MergeTree ORDER BY n {window} AS {like}"))
        .unwrap();
    let map = format!("{}={other}", corner.topic);
    Moved { corner: corner.with("topic2TableMap", &map), other }
}

fn write(corner: &Corner<'_>, first: u64) {
    let values: Vec<String> = (first..first + ROWS).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
}

impl Moved {
    fn found(&self, table: &str) -> String {
        self.corner.sql().text(&format!("SELECT count(), uniqExact(n), min(n) FROM {table}")).unwrap()
    }

    /// Starts a worker, writes more, and waits until all of it is settled; answers the log.
    fn goes_on(&self) -> String {
        let mut worker = self.corner.worker(&WorkerOptions::called("w"));
        write(&self.corner, ROWS);
        self.corner.wait_caught_up(&mut [&mut worker], LIMIT);
        worker.log()
    }

    fn drop_old_table(&self) {
        self.corner.sql().run(&format!("DROP TABLE {}", self.corner.table)).unwrap();
    }

    /// The worker stops for the table that is gone; answers the batch's token.
    fn asks(&self) -> String {
        let mut worker = self.corner.worker(&WorkerOptions::called("w"));
        let trace = worker.wait_refused();
        for fact in ["DELIVERY-010", &self.corner.table, &self.other, "UNDROP TABLE"] {
            assert!(trace.contains(fact), "`{fact}` is not in {trace}");
        }
        let (_, rest) = trace.split_once("pumphouse.open.batch.decisions to ").unwrap();
        rest.split_once('=').unwrap().0.to_owned()
    }

    fn decided(self, said: &str) -> Moved {
        let decision = format!("{}={said}", self.asks());
        Moved { corner: self.corner.with("pumphouse.open.batch.decisions", &decision), ..self }
    }
}

#[test]
fn an_open_batch_is_resolved_in_its_own_table() {
    for engine in [Engine::Plain, Engine::Replicated] {
        for moment in ["ledger_answered", "half_body", "accepted"] {
            let moved = moved("remapped", engine, moment);
            let log = moved.goes_on();
            let what = format!("{engine:?}, {moment}\n{log}");
            assert_eq!(moved.found(&moved.corner.table), "100\t100\t0", "{what}");
            assert_eq!(moved.found(&moved.other), "100\t100\t100", "{what}");
            assert!(log.contains(ELSEWHERE), "{what}");
        }
    }
}

/// The server does not remember a token of the old table any more: its rows are looked for there.
#[test]
fn evidence_is_looked_for_in_its_own_table() {
    let moved = moved("remapped_evidence", Engine::Plain, "accepted");
    let table = &moved.corner.table;
    let setting = "MODIFY SETTING non_replicated_deduplication_window = 9999";
    moved.corner.sql().run(&format!("ALTER TABLE {table} {setting}")).unwrap();
    let log = moved.goes_on();
    assert_eq!(
        (moved.found(table), moved.found(&moved.other)),
        ("100\t100\t0".into(), "100\t100\t100".into())
    );
    assert!(log.contains(ELSEWHERE) && log.contains("R7: all rows of the batch are in the table"), "{log}");
}

#[test]
fn a_table_that_was_renamed_is_the_same_one() {
    for moment in ["ledger_answered", "accepted"] {
        let moved = moved("renamed", Engine::Plain, moment);
        let (sql, table, other) = (moved.corner.sql(), &moved.corner.table, &moved.other);
        sql.run(&format!("DROP TABLE {other}")).unwrap();
        sql.run(&format!("RENAME TABLE {table} TO {other}")).unwrap();
        let log = moved.goes_on();
        assert_eq!(moved.found(other), "200\t200\t0", "{moment}\n{log}");
        assert!(!log.contains(ELSEWHERE), "{log}");
    }
}

#[test]
fn the_records_of_a_table_that_is_gone_go_to_the_new_one() {
    let moved = moved("gone_again", Engine::Plain, "accepted");
    moved.drop_old_table();
    let moved = moved.decided("again");
    let log = moved.goes_on();
    assert_eq!(moved.found(&moved.other), "200\t200\t0", "{log}");
}

#[test]
fn the_records_of_a_table_that_is_gone_are_passed() {
    let moved = moved("gone_landed", Engine::Plain, "ledger_answered");
    moved.drop_old_table();
    let moved = moved.decided("landed");
    let log = moved.goes_on();
    assert_eq!(moved.found(&moved.other), "100\t100\t100", "{log}");
}

#[test]
fn a_table_that_is_brought_back_is_gone_on_with() {
    let moved = moved("gone_back", Engine::Plain, "accepted");
    moved.drop_old_table();
    moved.asks();
    moved.corner.sql().run(&format!("UNDROP TABLE {}", moved.corner.table)).unwrap();
    let log = moved.goes_on();
    assert_eq!(moved.found(&moved.corner.table), "100\t100\t0", "{log}");
    assert_eq!(moved.found(&moved.other), "100\t100\t100", "{log}");
}
