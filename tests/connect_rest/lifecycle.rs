//! The promise: connectors are created, changed, paused, stopped, restarted and deleted over REST while the
//! worker runs, each record is delivered exactly once over all of it, and no connector notices another.
use std::time::{Duration, Instant};

use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{ClickHouseOptions, KafkaOptions, Testbed, TestbedOptions};
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::{Value, json};

use crate::bare_worker::{BareWorker, GRACEFUL, states};

const LIMIT: Duration = Duration::from_secs(90);

/// A paused connector is looked at for so long; many lingers.
const STILL: Duration = Duration::from_millis(1_500);

fn events_corner(prefix: &str, tasks: u32) -> Corner<'static> {
    let corner = Corner::new(bed(), prefix, 4).with_small_batches(500, 50);
    let corner = corner.with("tasks.max", &tasks.to_string());
    corner.create_events_table(Engine::Plain);
    corner
}

/// The rows, once they have stopped growing.
fn rows_at_rest(corner: &Corner<'_>) -> u64 {
    let mut before = corner.rows();
    wait_until("rows to stop growing", LIMIT, || {
        std::thread::sleep(STILL);
        let now = corner.rows();
        let moved = before != now;
        before = now;
        if moved { Err(format!("{now} rows")) } else { Ok(now) }
    })
    .unwrap()
}

#[test]
fn every_record_is_delivered_once_over_every_change() {
    let corner = events_corner("changes", 2);
    let mut worker = BareWorker::start();
    let name = corner.connector.clone();
    let mut feed = corner.feed(1);
    feed.write(3_000, 50);

    // Created paused, it has no tasks and takes nothing.
    worker.create(&corner, "PAUSED");
    worker.wait(&name, "PAUSED", 0);
    assert_eq!(corner.rows(), 0);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 2);

    // Paused in the middle: what was taken lands, nothing more comes, and the tasks stay.
    feed.write(3_000, 50);
    worker.order(&corner, "PUT pause");
    worker.wait(&name, "PAUSED", 2);
    let rows = rows_at_rest(&corner);
    feed.write(1_000, 50);
    std::thread::sleep(STILL);
    assert_eq!(corner.rows(), rows);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 2);

    // Restarts, of all and of one.
    feed.write(2_000, 50);
    let restarted = worker.ask("POST", &format!("/connectors/{name}/restart?includeTasks=true"));
    assert_eq!(restarted.status, 202, "{restarted:?}");
    assert_eq!(states(&restarted.json()), ("RESTARTING".to_owned(), vec!["RESTARTING".to_owned(); 2]));
    feed.write(2_000, 50);
    worker.wait_running(&corner, 2);
    worker.order(&corner, "POST tasks/1/restart");
    worker.wait_running(&corner, 2);

    // Another configuration, with fewer tasks.
    feed.write(2_000, 50);
    let patched = worker.tell("PATCH", &format!("/connectors/{name}/config"), &json!({"tasks.max": 1}));
    assert_eq!(patched.status, 200, "{patched:?}");
    worker.wait_running(&corner, 1);

    // Stopped, it has no tasks; what comes meanwhile is taken afterwards.
    feed.write(2_000, 50);
    worker.order(&corner, "PUT stop");
    worker.wait(&name, "STOPPED", 0);
    let rows = rows_at_rest(&corner);
    feed.write(1_000, 50);
    std::thread::sleep(STILL);
    assert_eq!(corner.rows(), rows);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 1);

    // Deleted and created again at once: its group goes on where it was.
    feed.write(2_000, 50);
    worker.delete(&corner);
    assert_eq!(worker.ask("GET", &format!("/connectors/{name}")).status, 404);
    worker.create(&corner, "RUNNING");
    worker.wait_running(&corner, 2);
    feed.finish(&mut [], LIMIT);
    worker.stop();
    assert!(!worker.log().contains("panicked"), "{}", worker.log());
}

#[test]
fn a_connector_that_cannot_work_disturbs_no_other() {
    let good = events_corner("good", 1);
    let lost = Corner::new(bed(), "lost", 1).with_small_batches(100, 50);
    let poisoned = Corner::new(bed(), "poisoned", 1).with_small_batches(100, 50);
    poisoned.create_table("n UInt8", "tuple()", Engine::Plain);
    poisoned.write_json(&[r#"{"n": 1}"#, r#"{"n": 1000}"#, r#"{"n": 3}"#]);
    let mut worker = BareWorker::start();
    let mut feed = good.feed(2);
    feed.write(2_000, 50);
    worker.create(&good, "RUNNING");
    worker.create(&lost, "RUNNING");
    worker.create(&poisoned, "RUNNING");
    worker.wait_running(&good, 1);
    let since = worker.status(&good.connector);

    // A table that is missing is the connector's failure, a record that cannot be taken the task's.
    worker.wait(&lost.connector, "FAILED", 1);
    let failed = wait_until("the poisoned task to fail", LIMIT, || {
        let status = worker.status(&poisoned.connector);
        let (connector, tasks) = states(&status);
        if tasks == ["FAILED"] && connector == "RUNNING" { Ok(status) } else { Err(status.to_string()) }
    });
    let failed: Value = failed.unwrap();
    assert!(failed["tasks"][0]["trace"].as_str().unwrap().contains("DECODE-005"), "{failed}");

    // Both are put right and begun anew, only what has failed.
    lost.create_table("n UInt8", "n", Engine::Plain);
    lost.write_json(&[r#"{"n": 7}"#]);
    let path = |corner: &Corner<'_>| {
        format!("/connectors/{}/restart?includeTasks=true&onlyFailed=true", corner.connector)
    };
    let answer = worker.ask("POST", &path(&lost));
    assert_eq!((answer.status, states(&answer.json()).0.as_str()), (202, "RESTARTING"), "{answer:?}");
    worker.wait_running(&lost, 1);
    poisoned.sql().run(&format!("ALTER TABLE {} MODIFY COLUMN n UInt16", poisoned.table)).unwrap();
    let answer = worker.ask("POST", &path(&poisoned));
    assert_eq!(states(&answer.json()), ("RUNNING".to_owned(), vec!["RESTARTING".to_owned()]), "{answer:?}");
    worker.wait_running(&poisoned, 1);
    for (corner, rows) in [(&lost, 1), (&poisoned, 3)] {
        corner.wait_caught_up(&mut [], LIMIT);
        assert_eq!(corner.rows(), rows);
    }

    // A configuration that is refused changes nothing.
    let config = format!("/connectors/{}/config", good.connector);
    let before = worker.ask("GET", &config).text;
    for body in
        [json!({"tasks.max": "none"}), json!({"hostname": null}), json!({"connector.class": "no.such.Class"})]
    {
        let answer = worker.tell("PATCH", &config, &body);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(worker.ask("GET", &config).text, before);
    feed.write(1_000, 50);
    feed.finish(&mut [], LIMIT);
    assert_eq!(worker.status(&good.connector), since);
    let task = format!("{}-0", good.connector);
    let joins =
        worker.log().lines().filter(|line| line.contains("task started") && line.contains(&task)).count();
    assert_eq!(joins, 1, "{}", worker.log());
}

fn offsets(worker: &BareWorker, corner: &Corner<'_>) -> Vec<(u64, i64)> {
    let answer = worker.ask("GET", &format!("/connectors/{}/offsets", corner.connector));
    assert_eq!(answer.status, 200, "{answer:?}");
    let listed = answer.json()["offsets"].as_array().unwrap().clone();
    let read = |entry: &Value| {
        assert_eq!(entry["partition"]["kafka_topic"], corner.topic);
        (
            entry["partition"]["kafka_partition"].as_u64().unwrap(),
            entry["offset"]["kafka_offset"].as_i64().unwrap(),
        )
    };
    listed.iter().map(read).collect()
}

fn alter(worker: &BareWorker, corner: &Corner<'_>, partition: u32, offset: Option<i64>) -> u16 {
    let offset = offset.map_or(Value::Null, |offset| json!({"kafka_offset": offset}));
    let partition = json!({"kafka_topic": corner.topic, "kafka_partition": partition});
    let body = json!({"offsets": [{"partition": partition, "offset": offset}]});
    let answer = worker.tell("PATCH", &format!("/connectors/{}/offsets", corner.connector), &body);
    assert!(answer.status < 500, "{answer:?}\n{}", worker.log());
    answer.status
}

/// Offset and how many rows there are of it.
fn offsets_in_table(corner: &Corner<'_>) -> Vec<(i64, i64)> {
    let sql = corner.sql();
    let count = |offset: i64| {
        let query = format!("SELECT count() FROM {} WHERE _offset = {offset}", corner.table);
        (offset, sql.number(&query).unwrap() as i64)
    };
    (0..4).map(count).filter(|(_, rows)| *rows > 0).collect()
}

#[test]
fn offsets_are_altered_and_reset_and_taken_from_there() {
    offsets_change(Corner::new(bed(), "offsets", 2));
}

#[test]
fn offsets_in_keeper_map_are_altered_and_reset_and_taken_from_there() {
    let corner = Corner::new(bed(), "keeper_offsets", 2)
        .with("pumphouse.ledger.store", "keepermap")
        .with("zkDatabase", "rest_state")
        .with("zkPath", "/rest_state");
    offsets_change(corner);
}

fn offsets_change(corner: Corner<'_>) {
    let corner = corner.with_small_batches(100, 50);
    corner.create_table("n UInt8", "n", Engine::Plain);
    corner.write_json(&[r#"{"n": 0}"#, r#"{"n": 1}"#, r#"{"n": 2}"#, r#"{"n": 3}"#]);
    let mut worker = BareWorker::start();
    worker.create(&corner, "RUNNING");
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    assert_eq!(alter(&worker, &corner, 0, Some(1)), 400);
    worker.order(&corner, "PUT stop");
    worker.wait(&corner.connector, "STOPPED", 0);
    assert_eq!(offsets(&worker, &corner), [(0, 4), (1, 0)]);

    // Behind the end there is nothing, and no such partition.
    assert_eq!(alter(&worker, &corner, 0, Some(5)), 400);
    assert_eq!(offsets(&worker, &corner), [(0, 4), (1, 0)]);
    assert_eq!(alter(&worker, &corner, 0, Some(2)), 200);
    assert_eq!(offsets(&worker, &corner), [(0, 2), (1, 0)]);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    assert_eq!(offsets_in_table(&corner), [(0, 1), (1, 1), (2, 2), (3, 2)]);

    // A partition without an offset begins anew; its history is forgotten with it (R16).
    worker.order(&corner, "PUT stop");
    worker.wait(&corner.connector, "STOPPED", 0);
    assert_eq!(alter(&worker, &corner, 0, None), 200);
    assert_eq!(offsets(&worker, &corner), [(1, 0)]);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    assert_eq!(offsets_in_table(&corner), [(0, 2), (1, 2), (2, 3), (3, 3)]);

    worker.order(&corner, "PUT stop");
    worker.wait(&corner.connector, "STOPPED", 0);
    assert_eq!(worker.ask("DELETE", &format!("/connectors/{}/offsets", corner.connector)).status, 200);
    assert_eq!(offsets(&worker, &corner), []);
    corner.write_json(&[r#"{"n": 4}"#]);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    assert_eq!(offsets_in_table(&corner), [(0, 3), (1, 3), (2, 4), (3, 4)]);
}

#[test]
fn an_open_batch_is_settled_before_offsets_change() {
    let corner = Corner::new(bed(), "settled", 1).with_small_batches(100, 50);
    corner.create_table("n UInt8", "n", Engine::Plain);
    corner.write_json(&[r#"{"n": 0}"#, r#"{"n": 1}"#, r#"{"n": 2}"#, r#"{"n": 3}"#]);
    // The ledger carries the batch, and nothing was sent of it.
    let mut worker = BareWorker::start_on(bed(), Some("ledger_answered"));
    worker.create(&corner, "RUNNING");
    worker.wait_death_and_start_again();
    assert_eq!(corner.rows(), 0);
    worker.create(&corner, "STOPPED");
    worker.wait(&corner.connector, "STOPPED", 0);
    assert_eq!(offsets(&worker, &corner), [(0, 0)]);
    assert_eq!(alter(&worker, &corner, 0, Some(3)), 200);
    // The batch has landed, all of it, and the offset is the one that was asked for.
    assert_eq!(offsets_in_table(&corner), [(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(offsets(&worker, &corner), [(0, 3)]);
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    assert_eq!(offsets_in_table(&corner), [(0, 1), (1, 1), (2, 1), (3, 2)]);
}

#[test]
fn a_stop_ends_in_time_while_clickhouse_hangs() {
    if std::env::var_os("PUMPHOUSE_CLICKHOUSE").is_some() || std::env::var_os("PUMPHOUSE_KAFKA").is_some() {
        eprintln!("servers were given: they cannot be made to hang");
        return;
    }
    let mut own = Testbed::start(TestbedOptions {
        kafka_options: KafkaOptions { heap_mib: 384, ..KafkaOptions::default() },
        clickhouse_options: ClickHouseOptions { memory_bytes_max: 3 << 30, ..ClickHouseOptions::default() },
        ..TestbedOptions::default()
    })
    .unwrap();
    let mut clickhouse = own.clickhouse.take().unwrap();
    let corner = Corner::new(&own, "hanging", 2).with_small_batches(200, 50);
    corner.create_events_table(Engine::Plain);
    let mut worker = BareWorker::start_on(&own, None);
    let mut feed = corner.feed(3);
    feed.write(1_000, 50);
    worker.create(&corner, "RUNNING");
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    clickhouse.pause().unwrap();
    feed.write(2_000, 50);
    // A batch is under way, or is about to be.
    std::thread::sleep(STILL);
    worker.order(&corner, "PUT stop");
    let begun = Instant::now();
    worker.wait(&corner.connector, "STOPPED", 0);
    assert!(begun.elapsed() < GRACEFUL * 3, "{:?}\n{}", begun.elapsed(), worker.log());
    assert!(worker.log().contains("is cut off"), "{}", worker.log());
    clickhouse.resume().unwrap();
    worker.order(&corner, "PUT resume");
    worker.wait_running(&corner, 1);
    feed.finish(&mut [], LIMIT);
}

#[test]
fn what_is_logged_changes_while_the_worker_runs() {
    let worker = BareWorker::start();
    let debug_lines = |worker: &BareWorker| worker.log().matches(" DEBUG ").count();
    let corner = Corner::new(bed(), "logged", 1);
    worker.create(&corner, "STOPPED");
    assert_eq!(debug_lines(&worker), 0);
    let set = |name: &str, level: &str| {
        worker.tell("PUT", &format!("/admin/loggers/{name}"), &json!({"level": level}))
    };
    assert_eq!(set("root", "DEBUG").status, 200);
    let level = worker.ask("GET", "/admin/loggers/pumphouse_worker").json();
    assert_eq!(level["level"], "DEBUG");
    assert!(level["last_modified"].as_u64().unwrap() > 1_600_000_000_000, "{level}");
    assert_eq!(set("root", "ERROR").status, 200);
    worker.order(&corner, "PUT pause");
    assert!(!worker.log().contains("state=Paused"), "{}", worker.log());
    assert_eq!(set("pumphouse_worker", "INFO").status, 200);
    worker.order(&corner, "PUT stop");
    wait_until("the herder's line", LIMIT, || {
        let log = worker.log();
        if log.contains("state=Stopped") { Ok(()) } else { Err(log) }
    })
    .unwrap();
}

#[test]
fn a_secret_is_never_shown() {
    let corner = Corner::new(bed(), "masked", 1).with("username", "nobody").with("password", "hush-hush");
    corner.create_table("n UInt8", "n", Engine::Plain);
    let worker = BareWorker::start();
    worker.create(&corner, "STOPPED");
    let path = format!("/connectors/{}/config", corner.connector);
    let shown = worker.ask("GET", &path);
    assert!(!shown.text.contains("hush-hush"), "{shown:?}");
    // What was read is written back, as tools do.
    assert_eq!(worker.tell("PUT", &path, &shown.json()).status, 200);
    let answer = worker.tell("PATCH", &path, &json!({"connector.class": null}));
    assert_eq!(answer.status, 400);
    assert!(!answer.text.contains("hush-hush"), "{answer:?}");
    assert!(!worker.log().contains("hush-hush"), "{}", worker.log());
}
