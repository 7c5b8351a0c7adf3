//! The full-history check against real servers: it passes when the table is right, and it sees
//! each way in which a table can be wrong.

// Helpers outside of test functions panic, too: that is how a test fails.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use pumphouse_testkit::filling::{
    FillRecord, TransactionalFill, fill_fast, fill_in_transactions, leave_transaction_open,
};
use pumphouse_testkit::history::check_json_history;
use pumphouse_testkit::row_shape::RowShape;
use pumphouse_testkit::*;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

const PARTITIONS: i32 = 3;

fn bed() -> &'static Testbed {
    static BED: OnceLock<Testbed> = OnceLock::new();
    BED.get_or_init(|| Testbed::start(TestbedOptions::default()).unwrap())
}

fn consumer(topic: &str, isolation: &str) -> BaseConsumer {
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", bed().bootstrap())
        .set("group.id", topic)
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    consumer
}

/// A sink as simple as can be: one INSERT with everything that a consumer of this isolation sees.
fn sink(topic: &str, table: &str, isolation: &str) {
    let consumer = consumer(topic, isolation);
    let (mut body, mut unfinished) = (String::new(), PARTITIONS);
    while unfinished > 0 {
        match consumer.poll(std::time::Duration::from_secs(30)).expect("a record or the end") {
            Ok(message) => {
                let json = std::str::from_utf8(message.payload().unwrap()).unwrap();
                let json = json.strip_suffix('}').unwrap();
                let (partition, offset) = (message.partition(), message.offset());
                body += &format!("{json},\"_partition\":{partition},\"_offset\":{offset}}}\n");
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => unfinished -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    bed()
        .sql()
        .with_setting("date_time_input_format", "best_effort")
        .insert(&format!("INSERT INTO {table} FORMAT JSONEachRow"), body.as_bytes())
        .unwrap();
}

/// A topic with the records, a part of it aborted first, and an empty table for it.
fn topic_and_table(name: &str, columns: &str, records: impl Iterator<Item = FillRecord>) -> (String, u64) {
    let topic = unique_name(name);
    bed().topics().unwrap().create(&topic, PARTITIONS, &[]).unwrap();
    let fill = TransactionalFill {
        records_per_transaction: 100,
        aborted_share: 0.2,
        seed: 11,
        transactional_id: topic.clone(),
    };
    let report = fill_in_transactions(bed().bootstrap(), &topic, &fill, records).unwrap();
    assert!(report.aborted_records > 0 && report.aborted_transactions > 0);
    let lineage = "_partition Int32, _offset Int64";
    let sql = bed().sql();
    sql.run(&format!("CREATE TABLE {topic} ({columns}, {lineage}) ENGINE = MergeTree ORDER BY id")).unwrap();
    (topic, report.committed_records)
}

fn check(topic: &str, shape: &RowShape) -> history::HistoryReport {
    check_json_history(bed().bootstrap(), topic, &bed().sql(), topic, shape).unwrap()
}

#[test]
fn a_right_table_passes_and_each_kind_of_damage_is_seen() {
    let records = events::events(1, 0).take(10_000).map(|event| event.into_record(PARTITIONS));
    let (topic, committed) = topic_and_table("events", events::TABLE_COLUMNS, records);
    let (sql, shape) = (bed().sql(), events::shape());
    assert_eq!(check(&topic, &shape).missing, 10_000);

    sink(&topic, &topic, "read_committed");
    check(&topic, &shape).assert_exactly_once(committed);
    assert_eq!(committed, 10_000);

    sql.run(&format!("INSERT INTO {topic} SELECT * FROM {topic} WHERE id < 3")).unwrap();
    sql.run(&format!(
        "INSERT INTO {topic} SELECT * REPLACE (_offset + 1000000 AS _offset) FROM {topic} WHERE id = 5"
    ))
    .unwrap();
    sql.run(&format!("DELETE FROM {topic} WHERE id IN (7, 8)")).unwrap();
    sql.run(&format!(
        "ALTER TABLE {topic} UPDATE amount = amount + 0.0001 WHERE id = 9 SETTINGS mutations_sync = 2"
    ))
    .unwrap();
    let report = check(&topic, &shape);
    let found = [report.missing, report.duplicated, report.foreign, report.different];
    assert_eq!(found, [2, 3, 1, 1], "\n{report}");
}

#[test]
fn every_column_counts() {
    let records = events::events(2, 0).take(1_000).map(|event| event.into_record(PARTITIONS));
    let (topic, _) = topic_and_table("columns", events::TABLE_COLUMNS, records);
    sink(&topic, &topic, "read_committed");
    let sql = bed().sql();
    // One small change per column, as an expression over the row; each must be seen in every row.
    for (column, changed) in [
        ("id", "id + 1"),
        ("ts", "ts + toIntervalMillisecond(1)"),
        ("user_id", "user_id + 1"),
        ("country", "lower(country)"),
        ("url", "concat(url, ' ')"),
        ("status", "status + 1"),
        ("duration", "duration + 0.0001"),
        ("amount", "amount + toDecimal64(0.0001, 4)"),
        ("flag", "NOT flag"),
        ("trace", "toUUID(reverse(substring(toString(trace), 1, 8)) || substring(toString(trace), 9))"),
        ("tags", "arrayPushBack(tags, '')"),
        ("note", "if(isNull(note), '', NULL)"),
    ] {
        let table = unique_name("changed");
        sql.run(&format!("CREATE TABLE {table} AS {topic}")).unwrap();
        sql.run(&format!("INSERT INTO {table} SELECT * REPLACE ({changed} AS {column}) FROM {topic}"))
            .unwrap();
        let report = check_json_history(bed().bootstrap(), &topic, &sql, &table, &events::shape()).unwrap();
        // A reversed palindrome is the only change above that may be none.
        assert!(report.different >= 995, "{column}: \n{report}");
        sql.run(&format!("DROP TABLE {table}")).unwrap();
    }
}

#[test]
fn aborted_records_that_leak_are_foreign() {
    let records = events::events(3, 0).take(3_000).map(|event| event.into_record(PARTITIONS));
    let (topic, _) = topic_and_table("leak", events::TABLE_COLUMNS, records);
    sink(&topic, &topic, "read_uncommitted");
    let report = check(&topic, &events::shape());
    assert!(report.foreign > 0 && report.foreign.is_multiple_of(100), "\n{report}");
    assert_eq!([report.missing, report.duplicated, report.different], [0; 3], "\n{report}");
    assert_eq!(report.table_rows, report.committed_records + report.foreign);
}

#[test]
fn an_open_transaction_hides_what_comes_after_it() {
    let topic = unique_name("open");
    let topics = bed().topics().unwrap();
    topics.create(&topic, PARTITIONS, &[]).unwrap();
    let record = |number: u64| FillRecord {
        partition: 0,
        key: None,
        value: Some(format!("{{\"id\":{number}}}").into_bytes()),
    };
    let open = leave_transaction_open(bed().bootstrap(), &topic, &topic, &[record(0), record(1)]).unwrap();
    fill_fast(bed().bootstrap(), &topic, [record(2)]).unwrap();
    assert_eq!(topics.end_offsets(&topic).unwrap()[&0], 3);
    assert_eq!(topics.stable_end_offsets(&topic).unwrap()[&0], 0);
    open.commit().unwrap();
    let stable = || match topics.stable_end_offsets(&topic).unwrap()[&0] {
        4 => Ok(()),
        end => Err(end.to_string()),
    };
    wait::wait_until("the stable end", std::time::Duration::from_secs(5), stable).unwrap();
}

#[test]
fn all_flights_arrive_and_real_data_is_compared_exactly() {
    let flights = flights::flights().unwrap().map(|flight| flight.into_record(PARTITIONS));
    let topic = unique_name("flights");
    bed().topics().unwrap().create(&topic, PARTITIONS, &[]).unwrap();
    let report = fill_fast(bed().bootstrap(), &topic, flights).unwrap();
    assert_eq!(report.records, u64::from(flights::FLIGHTS));
    println!("filled at {:.0} records/s", report.records_per_second());
    let columns = flights::TABLE_COLUMNS;
    bed()
        .sql()
        .run(&format!(
            "CREATE TABLE {topic} ({columns}, _partition Int32, _offset Int64) \
             ENGINE = MergeTree ORDER BY id"
        ))
        .unwrap();
    sink(&topic, &topic, "read_committed");
    let begun = std::time::Instant::now();
    check(&topic, &flights::shape()).assert_exactly_once(u64::from(flights::FLIGHTS));
    println!("checked in {:?}", begun.elapsed());
}

#[test]
fn committed_offsets_are_read_with_their_metadata() {
    let topic = unique_name("committed");
    let topics = bed().topics().unwrap();
    topics.create(&topic, PARTITIONS, &[]).unwrap();
    assert!(topics.committed(&topic, &topic).unwrap().is_empty());
    let mut offsets = TopicPartitionList::new();
    let mut element = offsets.add_partition(&topic, 1);
    element.set_offset(Offset::Offset(42)).unwrap();
    element.set_metadata("batch 7");
    consumer(&topic, "read_committed").commit(&offsets, CommitMode::Sync).unwrap();
    let expected = topics::CommittedOffset { offset: 42, metadata: "batch 7".to_owned() };
    assert_eq!(topics.committed(&topic, &topic).unwrap(), [(1, expected)].into());
}
