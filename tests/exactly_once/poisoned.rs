//! The poisoned stream: some records are broken, some are refused by the table; the worker is killed all
//! the while. Exactly the bad ones are dead letters, once each, and everything else is in the table once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::seeded::Seeded;
use pumphouse_testkit::unique_name;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const RECORDS: u64 = 12_000;
const PARTITIONS: i32 = 4;
const KILLS: u64 = 5;
const LIMIT: Duration = Duration::from_secs(180);

/// One record in 250 is no JSON, one in 250 is refused by the table.
fn is_broken(id: u64) -> bool {
    id % 250 == 17
}

fn is_refused(id: u64) -> bool {
    id % 250 == 130
}

fn record(id: u64) -> FillRecord {
    let part = id % 3;
    let value = if is_broken(id) {
        format!(r#"{{"id":{id},"part":"#)
    } else if is_refused(id) {
        format!(r#"{{"id":{id},"part":{part},"v":-1,"s":"x","d":"never"}}"#)
    } else {
        format!(r#"{{"id":{id},"part":{part},"v":{},"s":"7","d":"2030-01-01 00:00:00"}}"#, id % 100)
    };
    let partition = (id % PARTITIONS as u64) as i32;
    FillRecord { partition, key: Some(id.to_string().into_bytes()), value: Some(value.into_bytes()) }
}

/// What makes the table refuse a bad record.
struct Poison {
    column_part: &'static str,
    table_part: &'static str,
    engine: Engine,
    lineage: bool,
}

impl Poison {
    fn create(&self, corner: &Corner<'_>) {
        let table = &corner.table;
        let lineage = match self.lineage {
            true => ", _topic LowCardinality(String), _partition UInt32, _offset UInt64",
            false => "",
        };
        let (engine, settings) = match self.engine {
            Engine::Plain => ("MergeTree".to_owned(), "SETTINGS non_replicated_deduplication_window = 10000"),
            Engine::Replicated => (format!("ReplicatedMergeTree('/tables/{table}', '{{replica}}')"), ""),
        };
        let (column_part, table_part) = (self.column_part, self.table_part);
        corner
            .sql()
            .run(&format!(
                "CREATE TABLE {table} (id UInt64, part UInt8, v Int64, s String, d String{lineage}{column_part}) \
                 ENGINE = {engine} PARTITION BY part ORDER BY id {table_part} {settings}"
            ))
            .unwrap();
    }

    fn run(&self, name: &str) {
        let letters_topic = unique_name("dead_letters");
        let corner = Corner::new(bed(), name, PARTITIONS)
            .with_small_batches(1_500, 100)
            .with("errors.tolerance", "all")
            .with("errors.deadletterqueue.topic.name", &letters_topic)
            .with("errors.deadletterqueue.topic.replication.factor", "1")
            .with("errors.deadletterqueue.context.headers.enable", "true");
        self.create(&corner);
        corner.write((0..RECORDS).map(record));

        let seed = u64::from(std::process::id());
        println!("seed {seed}");
        let mut seeded = Seeded::new(seed);
        for _ in 0..KILLS {
            let mut worker = corner.worker(&WorkerOptions::called("w"));
            wait_progress(&corner, &mut worker);
            std::thread::sleep(Duration::from_millis(seeded.below(1_500)));
            worker.kill();
        }
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        corner.wait_caught_up(&mut [&mut worker], LIMIT);
        assert!(worker.stop().success());

        let table = &corner.table;
        let good = (0..RECORDS).filter(|id| !is_broken(*id) && !is_refused(*id)).count() as i64;
        let sql = corner.sql();
        let rows = sql.text(&format!("SELECT count(), uniqExact(id), countIf(v < 0) FROM {table}")).unwrap();
        assert_eq!(rows, format!("{good}\t{good}\t0"), "{}", worker.log());

        let mut letters = BTreeMap::new();
        for letter in corner.read_topic(&letters_topic) {
            let key: u64 = String::from_utf8(letter.key.clone().unwrap()).unwrap().parse().unwrap();
            assert_eq!(letter.value, record(key).value, "a dead letter is the record as it was");
            *letters.entry(key).or_insert(0) += 1;
            let headers = &letter.headers;
            assert_eq!(headers["__connect.errors.topic"], corner.topic);
            assert_eq!(headers["__connect.errors.partition"], (key % PARTITIONS as u64).to_string());
            assert_eq!(headers["__connect.errors.offset"], (key / PARTITIONS as u64).to_string());
            assert!(headers["pumphouse.record.id"].ends_with(&format!(
                "/{}/{}",
                key % PARTITIONS as u64,
                key / PARTITIONS as u64
            )));
        }
        let bad = (0..RECORDS).filter(|id| is_broken(*id) || is_refused(*id)).map(|id| (id, 1)).collect();
        assert_eq!(letters, bad, "each bad record is a dead letter once");
    }
}

/// Until some more has been passed than at the worker's start.
fn wait_progress(corner: &Corner<'_>, worker: &mut Worker) {
    let passed = || (0..PARTITIONS).map(|partition| corner.committed(partition).unwrap_or(0)).sum::<i64>();
    let (before, begun) = (passed(), Instant::now());
    while passed() < before + 300 && passed() < RECORDS as i64 - 300 {
        worker.check();
        assert!(begun.elapsed() < LIMIT, "no progress beyond {before}\n{}", worker.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn refused_by_a_constraint() {
    let poison = Poison {
        column_part: ", CONSTRAINT positive CHECK v >= 0",
        table_part: "",
        engine: Engine::Plain,
        lineage: true,
    };
    poison.run("poison_check");
}

#[test]
fn refused_by_a_skip_index_of_a_replicated_table() {
    let poison = Poison {
        column_part: ", INDEX number toUInt32(s) TYPE minmax",
        table_part: "",
        engine: Engine::Replicated,
        lineage: true,
    };
    poison.run("poison_index");
}

/// Rows that a TTL may take away prove nothing by their absence, and there are no lineage columns
/// either: what is left is that the table's checks depend on the rows alone (R10).
#[test]
fn refused_by_a_ttl_expression_of_a_table_without_lineage() {
    let poison = Poison {
        column_part: "",
        table_part: "TTL toDateTime(d, 'UTC') + INTERVAL 50 YEAR",
        engine: Engine::Plain,
        lineage: false,
    };
    poison.run("poison_ttl");
}

/// Without tolerance the task stops before the first bad record, with everything before it landed.
#[test]
fn without_tolerance_the_task_stops_before_the_refused_record() {
    let corner = Corner::new(bed(), "intolerant", 1).with_small_batches(64, 50);
    corner
        .sql()
        .run(&format!(
            "CREATE TABLE {} (id UInt64, v Int64, CONSTRAINT positive CHECK v >= 0) ENGINE = MergeTree \
             ORDER BY id SETTINGS non_replicated_deduplication_window = 10000",
            corner.table
        ))
        .unwrap();
    let values: Vec<String> =
        (0..100).map(|id| format!(r#"{{"id":{id},"v":{}}}"#, if id == 40 { -1 } else { id })).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    for fact in ["DELIVERY-008", "offset 40", &corner.topic, "errors.tolerance"] {
        assert!(trace.contains(fact), "`{fact}` is not in {trace}");
    }
    let rows = corner.sql().text(&format!("SELECT count(), max(id) FROM {}", corner.table)).unwrap();
    assert_eq!(rows, "40\t39");
    // The remedy works: the table takes it from now on.
    corner.sql().run(&format!("ALTER TABLE {} DROP CONSTRAINT positive", corner.table)).unwrap();
    drop(worker);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let rows = corner.sql().text(&format!("SELECT count(), uniqExact(id) FROM {}", corner.table)).unwrap();
    assert_eq!(rows, "100\t100");
}
