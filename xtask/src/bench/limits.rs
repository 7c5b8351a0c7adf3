//! The two limits, seen from outside: children that only consume, or only insert.

use anyhow::{Context, Result};
use pumphouse_testkit::DATABASE;
use serde_json::Value;

use super::child::Part;
use super::contender::Contender;
use super::figures::Figures;
use super::stage::Stage;

/// Reads the topics once, so that every contender finds it in the page cache.
pub fn warm_up(stage: &Stage) -> Result<()> {
    for topic in &stage.topics {
        Part::prepare(&consume_arguments(stage, topic, stage.load.records_per_topic()))?.run()?;
    }
    Ok(())
}

/// Consuming only: the worker's consumer, settings and batch calls; records are counted and dropped.
/// Timed from the call that starts fetching to the last record.
pub fn consume(stage: &Stage) -> Result<Figures> {
    let part = Part::prepare(&consume_arguments(stage, stage.topic(), stage.records()))?;
    let idle_cores = stage.hall.idle_cores()?;
    let before = stage.reading()?;
    let result = part.run()?;
    let spent = stage.reading()?.since(&before);
    let peak = number(&result, "rss_peak_bytes")? as u64;
    Ok(Figures::new(Contender::Consume, stage.records())
        .took(number(&result, "seconds")?)
        .cpu(&spent, idle_cores)
        .worker(number(&result, "cpu_s")?, Some(peak)))
}

/// Inserting only: the same records as finished blocks of the worker's size, by the worker's client,
/// statement and settings. Timed from the first request to the last answer.
pub fn insert(stage: &Stage, contender: Contender, at_a_time: u32) -> Result<Figures> {
    let table = stage.table()?;
    let (host, port) = stage.bed().clickhouse_host_and_port();
    let arguments = [
        "insert".to_owned(),
        format!("--host={host}"),
        format!("--port={port}"),
        format!("--database={DATABASE}"),
        format!("--table={}", table.name()),
        format!("--topic={}", stage.topic()),
        format!("--records={}", stage.records()),
        format!("--partitions={}", stage.load.partitions),
        format!("--at-a-time={at_a_time}"),
    ];
    let part = Part::prepare(&arguments)?;
    let idle_cores = stage.hall.idle_cores()?;
    let before = stage.reading()?;
    let result = part.run()?;
    let spent = stage.reading()?.since(&before);
    let settled = stage.settled_since(&before, &table)?;
    let content = stage.check(&table)?;
    Ok(Figures::new(contender, stage.records())
        .took(number(&result, "seconds")?)
        .cpu(&spent, idle_cores)
        .settled(&settled, idle_cores)
        .worker(number(&result, "cpu_s")?, None)
        .parts(table.parts_written()?)
        .checked(content)
        .note("blocks", result["blocks"].clone())
        .note("sent_bytes", result["sent_bytes"].clone()))
}

fn consume_arguments(stage: &Stage, topic: &str, records: u64) -> [String; 4] {
    [
        "consume".to_owned(),
        format!("--bootstrap={}", stage.bed().bootstrap()),
        format!("--topic={topic}"),
        format!("--records={records}"),
    ]
}

fn number(result: &Value, name: &str) -> Result<f64> {
    result[name].as_f64().with_context(|| format!("the child's result has no {name}"))
}
