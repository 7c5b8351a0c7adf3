//! docs/migrate.md, step 4: what Kafka Connect's consumer committed is where Pumphouse goes on, and what Pumphouse leaves
//! is what Kafka Connect goes on from.
use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

use crate::command::Files;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn plain_offsets_of_the_group_are_taken_and_left() {
    let corner = Corner::new(bed(), "migrate", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    corner.write(events::events(1, 0).take(1_000).map(|event| event.into_record(2)));
    let ends = bed().topics().unwrap().end_offsets(&corner.topic).unwrap();
    // As a sink task of Kafka Connect commits: an offset, and no metadata.
    corner.set_offset(0, 100);
    corner.set_offset(1, ends[&1]);
    let files = Files::new(bed(), &corner.connector, &[("topics", &corner.topic)], "");
    files.check(&[]).is(0).says(&["goes on at the offset that another consumer committed", "0 at 100"]);

    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert!(worker.stop().success());
    let sql = corner.sql();
    let rows = sql
        .rows(&format!(
            "SELECT _partition, count(), min(_offset), max(_offset) FROM {} GROUP BY _partition",
            corner.table
        ))
        .unwrap();
    let expected = [(ends[&0] - 100).to_string(), "100".to_owned(), (ends[&0] - 1).to_string()];
    assert_eq!(rows, [[vec!["0".to_owned()], expected.to_vec()].concat()]);

    // An orderly stop leaves ordinary offsets at the end.
    files.check(&[]).is(0).says(&["goes on where Pumphouse stopped"]);
    for (partition, end) in ends {
        assert_eq!(corner.committed(partition), Some(end));
    }
}
