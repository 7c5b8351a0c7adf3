//! A record is in the table once, or among the dead letters once.
use std::time::Duration;

use pumphouse_testkit::unique_name;
use pumphouse_tests::{Corner, bed};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::command::{Answer, landed, verify, verify_with};

/// Writes dead letters, each with these headers.
fn bury(topic: &str, letters: &[Vec<(&str, String)>]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", bed().bootstrap()).create().unwrap();
    for letter in letters {
        let headers = letter.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let record = BaseRecord::<str, str>::to(topic).partition(0).payload("bad").headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
}

/// What Kafka Connect's headers say.
fn connect<'a>(corner: &Corner<'_>, connector: &str, offset: u64) -> Vec<(&'a str, String)> {
    vec![
        ("__connect.errors.topic", corner.topic.clone()),
        ("__connect.errors.partition", "0".to_owned()),
        ("__connect.errors.offset", offset.to_string()),
        ("__connect.errors.connector.name", connector.to_owned()),
    ]
}

/// What our own header says; the topic's id stands in the ledger's entry.
fn own<'a>(corner: &Corner<'_>, offset: u64) -> Vec<(&'a str, String)> {
    let committed = bed().topics().unwrap().committed(&corner.group(), &corner.topic).unwrap();
    let entry: Value = serde_json::from_str(&committed[&0].metadata).unwrap();
    vec![("pumphouse.record.id", format!("{}/0/{offset}", entry["topic"].as_str().unwrap()))]
}

fn look(corner: &Corner<'_>, dead_letter_topic: &str) -> Answer {
    let options = [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", dead_letter_topic)];
    verify_with(corner, &options)
}

#[test]
fn a_dead_letter_stands_for_a_row_and_is_one_too_many_beside_it() {
    let corner = landed("verify_dead", 1, 200);
    let dead_letters = unique_name("dead");
    bed().topics().unwrap().create(&dead_letters, 1, &[]).unwrap();
    let delete = format!(
        "ALTER TABLE {} DELETE WHERE _offset IN (10, 11, 20) SETTINGS mutations_sync = 2",
        corner.table
    );
    corner.sql().run(&delete).unwrap();
    assert_eq!(verify(&corner, &[]).is(1).ranges(0, "missing"), json!([[10, 12], [20, 21]]));

    bury(&dead_letters, &[own(&corner, 10), connect(&corner, &corner.connector, 11)]);
    // Another connector's letter is not ours.
    bury(&dead_letters, &[connect(&corner, "another", 20)]);
    let answer = look(&corner, &dead_letters).is(1);
    assert_eq!(answer.ranges(0, "missing"), json!([[20, 21]]));
    assert_eq!(answer.total("dead_letters"), 2);

    bury(&dead_letters, &[connect(&corner, &corner.connector, 20)]);
    let answer = look(&corner, &dead_letters).is(0);
    assert_eq!((answer.total("records"), answer.total("rows"), answer.total("dead_letters")), (200, 197, 3));

    // In the table and among the dead letters; among the dead letters twice; and one that says nothing.
    bury(&dead_letters, &[own(&corner, 30), own(&corner, 10), vec![("other", "header".to_owned())]]);
    let answer = look(&corner, &dead_letters).is(1);
    assert_eq!(answer.ranges(0, "doubled"), json!([[10, 11], [30, 31]]));
    let notes = answer.topic()["notes"].to_string();
    assert!(notes.contains("1 records of"), "{notes}");
}
