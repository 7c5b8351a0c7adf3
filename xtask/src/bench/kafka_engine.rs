//! ClickHouse's own way: a Kafka table and a materialized view into an equal table. At least once; the
//! view copies topic, partition and offset, so that its table can be checked like the others.

use std::time::Instant;

use anyhow::Result;
use pumphouse_testkit::{Sql, events, unique_name};
use serde_json::json;

use super::contender::Contender;
use super::figures::Figures;
use super::landing::Landing;
use super::stage::Stage;

/// What made it fastest here: two consumers with a thread each, blocks of half a million rows.
const TUNED: [(&str, &str); 5] = [
    ("kafka_num_consumers", "2"),
    ("kafka_thread_per_consumer", "1"),
    ("kafka_max_block_size", "524288"),
    ("kafka_poll_max_batch_size", "65536"),
    ("kafka_flush_interval_ms", "7500"),
];

/// The tuned settings, with `changes` to try others.
pub fn tuned(changes: &[(String, String)]) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> =
        TUNED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in changes {
        settings.retain(|(known, _)| known != name);
        settings.push((name.clone(), value.clone()));
    }
    settings
}

/// Measures it once.
pub fn measure(stage: &Stage, contender: Contender, settings: &[(String, String)]) -> Result<Figures> {
    let table = stage.table()?;
    let idle_cores = stage.idle_cores_watched(&table)?;

    let before = stage.reading()?;
    let started = Instant::now();
    let engine = Engine::start(stage, table.name(), settings)?;
    let created = Instant::now();
    let landing = Landing::watch(&table, stage.records(), || Ok(()))?;
    let spent = stage.reading()?.since(&before);

    drop(engine);
    let settled = stage.settled_since(&before, &table)?;
    let content = stage.check(&table)?;
    let shown: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(Figures::new(contender, stage.records())
        .timed(started, created, &landing)
        .cpu(&spent, idle_cores)
        .settled(&settled, idle_cores)
        .parts(table.parts_written()?)
        .checked(content)
        .note("settings", json!(shown)))
}

/// Queue and view; dropping it stops them.
struct Engine {
    sql: Sql,
    queue: String,
    view: String,
}

impl Engine {
    fn start(stage: &Stage, table: &str, settings: &[(String, String)]) -> Result<Engine> {
        let (queue, view) = (unique_name("queue"), unique_name("view"));
        let engine = Engine { sql: stage.sql(), queue, view };
        let more: String = settings.iter().map(|(name, value)| format!(", {name} = {value}")).collect();
        let Engine { sql, queue, view } = &engine;
        sql.run(&format!(
            "CREATE TABLE {queue} ({}) ENGINE = Kafka SETTINGS kafka_broker_list = '{}', \
             kafka_topic_list = '{}', kafka_group_name = '{queue}', kafka_format = 'JSONEachRow', \
             date_time_input_format = 'best_effort'{more}",
            events::TABLE_COLUMNS,
            stage.bed().bootstrap(),
            stage.topic(),
        ))?;
        sql.run(&format!(
            "CREATE MATERIALIZED VIEW {view} TO {table} AS SELECT *, _topic, toUInt32(_partition) AS _partition, \
             toUInt64(_offset) AS _offset FROM {queue}"
        ))?;
        Ok(engine)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The servers end with the run.
        let _ = self.sql.run(&format!("DROP TABLE IF EXISTS {} SYNC", self.view));
        let _ = self.sql.run(&format!("DROP TABLE IF EXISTS {} SYNC", self.queue));
    }
}
