//! Consuming only: no decoding, no ledger, no table.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use pumphouse_kafka::{Consumer, ConsumerEvent, Leaving, MessageBatch, Settings};
use pumphouse_testkit::unique_name;
use pumphouse_types::{Offset, TopicName};
use serde_json::Value;

use super::Stopwatch;
use crate::bench::child::ready;

/// What to read.
#[derive(Args)]
pub struct Options {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    records: u64,
}

/// Messages of one call, as in the worker.
const MESSAGES_PER_CALL: usize = 5_000;

/// Joining a group, and reading everything, takes no longer.
const LIMIT: Duration = Duration::from_secs(120);

/// Joins, waits for the word, and reads everything.
pub fn run(options: &Options) -> Result<Value> {
    let topic = TopicName::new(&options.topic);
    let settings = Settings::from([("bootstrap.servers".to_owned(), options.bootstrap.clone())]);
    let mut consumer = Consumer::open(&settings, &unique_name("bench-consume"), None)?;
    consumer.subscribe(std::slice::from_ref(&topic))?;
    let positions = assigned(&mut consumer)?;
    let Some(mut queue) = consumer.lane_queue(&topic) else { bail!("the queue is taken") };
    ready()?;

    let watch = Stopwatch::start()?;
    consumer.fetch(&positions)?;
    let mut batch = MessageBatch::with_capacity(MESSAGES_PER_CALL);
    let (mut records, mut bytes, begun) = (0, 0, Instant::now());
    while records < options.records {
        queue.consume_batch(Duration::from_millis(2), &mut batch)?;
        for record in batch.iter() {
            bytes += record?.value().map_or(0, <[u8]>::len);
            records += 1;
        }
        if begun.elapsed() > LIMIT {
            bail!("{records} of {} records in {LIMIT:?}", options.records);
        }
    }
    let mut result = watch.stop()?;
    result["value_bytes"] = bytes.into();
    drop((batch, queue));
    consumer.close(Leaving::Leave, Duration::from_secs(3))?;
    Ok(result)
}

fn assigned(consumer: &mut Consumer) -> Result<BTreeMap<pumphouse_types::TopicPartition, Offset>> {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        for event in consumer.poll_events(Duration::from_millis(100)) {
            match event {
                ConsumerEvent::Assigned(partitions) => {
                    return Ok(partitions.into_iter().map(|partition| (partition, Offset::ZERO)).collect());
                }
                ConsumerEvent::Failed(error) | ConsumerEvent::PartitionFailed { error, .. } => {
                    return Err(error.into());
                }
                ConsumerEvent::Revoking { .. } | ConsumerEvent::Renewed | ConsumerEvent::Trouble(_) => {}
            }
        }
    }
    bail!("no partitions in {LIMIT:?}")
}
