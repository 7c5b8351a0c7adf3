//! `dlq replay`: each dead letter becomes a row once, at the place of its record, or stays a letter once.
use std::collections::BTreeMap;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::unique_name;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

use crate::command::{RUN_LIMIT, WORKER, replay, start, verify};

const PARTITIONS: i32 = 2;

/// The column `v` takes values below 256, and the table refuses those from 200 on, until it is repaired.
fn value(id: u64, v: u64) -> String {
    format!(r#"{{"id":{id},"v":{v}}}"#)
}

fn record(id: u64, value: String) -> FillRecord {
    let partition = (id % PARTITIONS as u64) as i32;
    FillRecord { partition, key: Some(id.to_string().into_bytes()), value: Some(value.into_bytes()) }
}

/// A connector whose dead letters go to a topic of their own, and the topic's name.
fn corner(prefix: &str, engine: Engine) -> (Corner<'static>, String) {
    let dead_letters = unique_name("dead");
    let corner = Corner::new(bed(), prefix, PARTITIONS)
        .with_small_batches(100, 50)
        .with("errors.tolerance", "all")
        .with("errors.deadletterqueue.topic.name", &dead_letters)
        .with("errors.deadletterqueue.topic.replication.factor", "1")
        .with("errors.deadletterqueue.context.headers.enable", "true");
    let columns = "id UInt64, v UInt8, _key String, _headers Map(String, String), \
                   CONSTRAINT small CHECK v < 200";
    corner.create_table(columns, "id", engine);
    (corner, dead_letters)
}

/// Lets a worker land and leave out everything that is there.
fn run_worker(corner: &Corner<'_>) {
    let mut worker = start(corner);
    corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    assert!(worker.stop().success());
}

fn repair(corner: &Corner<'_>, table: &str) {
    for change in ["DROP CONSTRAINT small", "MODIFY COLUMN v UInt32"] {
        corner.sql().run(&format!("ALTER TABLE {table} {change}")).unwrap();
    }
}

/// Every id is there once, and nothing else.
fn assert_each_once(corner: &Corner<'_>, table: &str, ids: u64) {
    let count = |what: &str| corner.sql().number(&format!("SELECT {what} FROM {table}")).unwrap() as u64;
    assert_eq!((count("count()"), count("uniqExact(id)"), count("countIf(v != id)")), (ids, ids, 0));
}

#[test]
fn letters_land_at_the_places_of_their_records_once_the_table_is_repaired() {
    let (corner, dead_letters) = corner("replay_repaired", Engine::Plain);
    // 200..=255 are refused by the constraint, 256.. do not fit into the column; one record is no JSON.
    corner.write((0..300).map(|id| record(id, value(id, id))));
    corner.write([record(300, r#"{"id":300,"#.to_owned())]);
    run_worker(&corner);
    let before = verify(&corner, &[]).is(0);
    assert_eq!((before.total("rows"), before.total("dead_letters")), (200, 101));
    let untouched = replay(&corner, &["--topic", "another"], None).is(1);
    assert!(untouched.stderr.contains("REPLAY-001"), "{untouched:?}");

    repair(&corner, &corner.table);
    let answer = replay(&corner, &[], None).is(1);
    assert!(answer.stdout.contains("101 dead letters waited, 100 landed, 1 failed again"), "{answer:?}");
    assert_each_once(&corner, &corner.table, 300);
    let after = verify(&corner, &[]).is(0);
    assert_eq!((after.total("rows"), after.total("dead_letters")), (300, 1));
    // Rows are those of the records, not of the letters: these have headers.
    let other = "SELECT count() FROM {} WHERE _key != toString(id) OR notEmpty(_headers)";
    assert_eq!(corner.sql().number(&other.replace("{}", &corner.table)).unwrap(), 0);

    // What failed again stands once: its successor, which says the same of the record.
    let letters = corner.read_topic(&dead_letters);
    assert_eq!(letters.len(), 102);
    let names = [
        "pumphouse.record.id",
        "__connect.errors.topic",
        "__connect.errors.partition",
        "__connect.errors.offset",
        "__connect.errors.connector.name",
    ];
    let about = |of: &BTreeMap<String, String>| names.map(|name| of.get(name).cloned());
    let successor = letters.last().unwrap();
    let first = letters.iter().find(|letter| letter.value == successor.value).unwrap();
    assert!(first.offset < successor.offset && first.key == successor.key);
    assert_eq!(about(&first.headers), about(&successor.headers));
    assert_eq!(about(&first.headers)[4].as_deref(), Some(corner.connector.as_str()));

    let again = replay(&corner, &[], None).is(1);
    assert!(again.stdout.contains("1 dead letters waited, 0 landed, 1 failed again"), "{again:?}");
    assert_each_once(&corner, &corner.table, 300);
    assert_eq!(verify(&corner, &[]).is(0).total("dead_letters"), 1);
}

/// Kills the replay at every moment of a batch's life, then lets it come to its end.
fn survives_kills(prefix: &str, engine: Engine) {
    let (corner, dead_letters) = corner(prefix, engine);
    corner.write((0..1_500).map(|id| record(id, value(id, id))));
    run_worker(&corner);
    assert_eq!(verify(&corner, &[]).is(0).total("dead_letters"), 1_300);
    repair(&corner, &corner.table);

    for moment in ["after_seal:2", "ledger_sent:2", "half_body:2", "accepted:2", "ledger_answered:2"] {
        replay(&corner, &[], Some(moment)).is(-1);
    }
    // The last one died with a batch in the ledger whose rows may be there or not.
    let open = verify(&corner, &[]).is(2);
    assert!(open.topic()["error"].to_string().contains("VERIFY-007"), "{open:?}");

    let last = replay(&corner, &[], None).is(0);
    assert!(last.stdout.contains("0 failed again"), "{last:?}");
    assert_each_once(&corner, &corner.table, 1_500);
    let after = verify(&corner, &[]).is(0);
    assert_eq!((after.total("rows"), after.total("dead_letters")), (1_500, 0));
    assert_eq!(corner.read_topic(&dead_letters).len(), 1_300);

    let nothing = replay(&corner, &[], None).is(0);
    assert!(nothing.stdout.contains("0 dead letters waited, 0 landed, 0 failed again"), "{nothing:?}");
    assert_each_once(&corner, &corner.table, 1_500);
}

#[test]
fn a_replay_that_is_killed_and_begun_again_lands_each_letter_once() {
    survives_kills("replay_killed", Engine::Plain);
}

#[test]
fn a_replay_that_is_killed_lands_each_letter_once_in_replicated_merge_tree() {
    survives_kills("replay_killed_r", Engine::Replicated);
}

fn in_keeper_map(corner: Corner<'_>) -> Corner<'_> {
    corner
        .with("pumphouse.ledger.store", "keepermap")
        .with("zkDatabase", "ledger_state")
        .with("zkPath", "/ledger_state")
}

/// R4: a record whose letter is owed still is missing, with the reason.
#[test]
fn a_letter_that_is_owed_is_noted() {
    let (corner, _) = corner("verify_owed", Engine::Plain);
    let corner = in_keeper_map(corner);
    corner.write([record(0, "no JSON".to_owned())]);
    let mut dies = corner.worker(&WorkerOptions::called(WORKER).dying_at("owing:1"));
    dies.wait_exit(RUN_LIMIT);
    let owed = verify(&corner, &[]).is(1);
    assert!(owed.topic()["notes"].to_string().contains("owes dead letters"), "{owed:?}");
    run_worker(&corner);
    let paid = verify(&corner, &[]).is(0);
    assert!(!paid.topic()["notes"].to_string().contains("owes"), "{paid:?}");
    assert_eq!(paid.total("dead_letters"), 1);
}

/// R4: the letter fails again, and the replay dies before its successor is written. No letter waits any more, and yet the next
/// replay has something to do.
#[test]
fn a_letter_that_a_replay_owes_is_written_by_the_next_one() {
    let (corner, dead_letters) = corner("replay_owed", Engine::Plain);
    let corner = in_keeper_map(corner);
    corner.write([record(0, "no JSON".to_owned())]);
    run_worker(&corner);
    replay(&corner, &[], Some("owing:1")).is(-1);
    assert_eq!(corner.read_topic(&dead_letters).len(), 1);
    let open = verify(&corner, &[]).is(2);
    assert!(open.topic()["error"].to_string().contains("VERIFY-007"), "{open:?}");

    let next = replay(&corner, &[], None);
    assert!(next.stdout.contains("0 dead letters waited"), "{next:?}");
    let letters = corner.read_topic(&dead_letters);
    assert_eq!(letters.len(), 2, "{next:?}");
    let id = |n: usize| letters[n].headers["pumphouse.record.id"].clone();
    assert_eq!((&letters[0].value, id(0)), (&letters[1].value, id(1)));
    assert_eq!(verify(&corner, &[]).is(0).total("dead_letters"), 1);
    assert!(
        replay(&corner, &[], None).is(1).stdout.contains("1 dead letters waited, 0 landed, 1 failed again")
    );
}

#[test]
fn an_interrupted_batch_is_looked_for_at_the_places_of_its_records() {
    let (corner, _) = corner("replay_evidence", Engine::Plain);
    corner.write((0..900).map(|id| record(id, value(id, id))));
    run_worker(&corner);
    repair(&corner, &corner.table);
    // One died with rows that are there, the next with rows that were never sent; and the table may have
    // forgotten both tokens: its window was changed meanwhile.
    for (moment, found, window) in [
        ("accepted:2", None, 9_000),
        ("ledger_answered:2", Some("R7: all rows of the batch are in the table"), 8_000),
        ("accepted:3", Some("rows are not in the table, they are inserted"), 7_000),
    ] {
        let died = replay(&corner, &[], Some(moment)).is(-1);
        assert!(found.is_none_or(|found| died.stderr.contains(found)), "{died:?}");
        let set = format!("MODIFY SETTING non_replicated_deduplication_window = {window}");
        corner.sql().run(&format!("ALTER TABLE {} {set}", corner.table)).unwrap();
    }
    let last = replay(&corner, &[], None).is(0);
    assert!(last.stderr.contains("R7: all rows of the batch are in the table"), "{last:?}");
    assert_each_once(&corner, &corner.table, 900);
    assert_eq!(verify(&corner, &[]).is(0).total("dead_letters"), 0);
}

#[test]
fn letters_of_other_topics_and_connectors_are_passed_over() {
    let (corner, _) = corner("replay_two", Engine::Plain);
    let other = unique_name("replay_other");
    bed().topics().unwrap().create(&other, 1, &[]).unwrap();
    let topics = format!("{},{other}", corner.topic);
    let corner = corner.with("topics", &topics);
    let lineage = "_topic LowCardinality(String), _partition UInt32, _offset UInt64";
    corner
        .sql()
        .run(&format!(
            "CREATE TABLE {other} (id UInt64, v UInt8, {lineage}) ENGINE = MergeTree ORDER BY id \
             SETTINGS non_replicated_deduplication_window = 10000"
        ))
        .unwrap();
    corner.write((0..300).map(|id| record(id, value(id, id))));
    let lines = (0..300).map(|id| FillRecord { partition: 0, ..record(id, value(id, id)) });
    pumphouse_testkit::filling::fill_fast(bed().bootstrap(), &other, lines).unwrap();
    let mut worker = start(&corner);
    corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    let group = corner.group();
    pumphouse_testkit::wait::wait_until("the other topic's end", RUN_LIMIT, || {
        let committed =
            bed().topics().unwrap().committed(&group, &other).map_err(|error| error.to_string())?;
        match committed.get(&0) {
            Some(mark) if mark.offset == 300 => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();
    assert!(worker.stop().success());
    verify(&corner, &[]).is(0);
    repair(&corner, &corner.table);
    corner.sql().run(&format!("ALTER TABLE {other} MODIFY COLUMN v UInt32")).unwrap();

    let one = replay(&corner, &["--topic", &other], None).is(0);
    assert!(one.stdout.contains("44 dead letters waited, 44 landed, 0 failed again"), "{one:?}");
    assert_each_once(&corner, &other, 300);
    let left = verify(&corner, &[]).is(0);
    let letters = |answer: &crate::command::Answer, topic: &str| {
        let json = answer.json();
        let topics = json["connectors"][0]["topics"].as_array().unwrap().clone();
        let found = topics.into_iter().find(|report| report["topic"] == topic).unwrap();
        found["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["dead_letters"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((letters(&left, &other), letters(&left, &corner.topic)), (0, 100));

    replay(&corner, &[], None).is(0);
    assert_each_once(&corner, &corner.table, 300);
    assert_each_once(&corner, &other, 300);
    let done = verify(&corner, &[]).is(0);
    assert_eq!((letters(&done, &other), letters(&done, &corner.topic)), (0, 0));
}
