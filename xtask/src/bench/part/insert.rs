//! Inserting only: blocks that were finished before, through the worker's client and statement.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use pumphouse_clickhouse::{Answer, Client, Endpoint, InsertRequest, InsertStatement, Password, TableName};
use pumphouse_columns::{Compression, Segment, encode_block, put_frames};
use pumphouse_decode::{HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan};
use pumphouse_testkit::seeded::Seeded;
use pumphouse_types::{DedupToken, ServerMillis};
use serde_json::Value;
use tokio::task::JoinSet;

use super::Stopwatch;
use crate::bench::child::ready;
use crate::bench::load::{Encoder, MATRIX, Workload};

/// What to send, and where to.
#[derive(Args)]
pub struct Options {
    #[arg(long)]
    host: String,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    database: String,
    #[arg(long)]
    table: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    records: u64,
    #[arg(long)]
    partitions: u32,
    #[arg(long)]
    at_a_time: u32,
}

/// A block is finished at so many rows or bytes of column data: the worker's defaults.
const BLOCK_ROWS_MAX: usize = 1_000_000;
const BLOCK_BYTES_MAX: usize = 128 << 20;

/// Rows between two looks at a block's size, as in the worker.
const ROWS_PER_LOOK: u64 = 1_000;

/// Bytes per piece of a body, as in the worker.
const PIECE_BYTES: usize = 1 << 20;

/// The deadline of every insert, counted from the start.
const DEADLINE: Duration = Duration::from_secs(120);

/// Builds all blocks, waits for the word, and sends them.
pub fn run(options: &Options) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let client = Client::new(Endpoint {
        host: options.host.clone(),
        port: options.port,
        ssl: false,
        username: "default".to_owned(),
        password: Password::new(""),
    })?;
    let table = TableName { database: options.database.clone(), table: options.table.clone() };
    let plan = Arc::new(runtime.block_on(plan(&client, &table))?);
    let blocks = build(options, &plan)?;
    let (count, bytes) = (blocks.len(), blocks.iter().flatten().map(Bytes::len).sum::<usize>());
    let statement = InsertStatement {
        table,
        column_list: plan.shape().column_list(),
        select_list: plan.shape().select_list(),
        input_structure: plan.shape().input_structure(),
    };
    ready()?;

    let watch = Stopwatch::start()?;
    runtime.block_on(send_all(&client, &statement, blocks, options.at_a_time))?;
    let mut result = watch.stop()?;
    result["blocks"] = count.into();
    result["sent_bytes"] = bytes.into();
    Ok(result)
}

async fn plan(client: &Client, table: &TableName) -> Result<TablePlan> {
    let mut columns = Vec::new();
    for column in client.columns(table).await? {
        columns.push(TableColumn {
            name: column.name,
            type_text: column.type_text,
            default_kind: column.default_kind.parse()?,
            default_expression: column.default_expression,
        });
    }
    Ok(TablePlan::compile(&columns, PlanOptions::default())?)
}

/// The frames of a block, in pieces.
type Pieces = Vec<Bytes>;

/// Cuts the topic's records into blocks as the worker would if it took a record of each partition in turn.
fn build(options: &Options, plan: &Arc<TablePlan>) -> Result<Vec<Pieces>> {
    let mut decoder = JsonDecoder::new(Arc::clone(plan));
    let mut open: BTreeMap<u32, Segment> = BTreeMap::new();
    let mut blocks = Vec::new();
    let load = Workload { records: options.records, partitions: options.partitions, ..MATRIX[0] };
    for (number, record) in (0_u64..).zip(load.records_of(0, Encoder::json())) {
        let partition = record.partition as u32;
        let segment = open.entry(partition).or_insert_with(|| plan.new_segment());
        let given = RecordRef {
            topic: &options.topic,
            partition,
            offset: (number / u64::from(options.partitions)) as i64,
            timestamp_ms: None,
            key: None,
            headers: HeadersRef::NONE,
            value: record.value.as_deref(),
        };
        decoder.decode(segment, given)?;
        if (number + 1).is_multiple_of(ROWS_PER_LOOK) {
            let rows: usize = open.values().map(Segment::rows).sum();
            let bytes: usize = open.values().map(Segment::bytes).sum();
            if rows >= BLOCK_ROWS_MAX || bytes >= BLOCK_BYTES_MAX {
                blocks.push(finish(plan, &mut open)?);
            }
        }
    }
    if open.values().any(|segment| segment.rows() > 0) {
        blocks.push(finish(plan, &mut open)?);
    }
    Ok(blocks)
}

fn finish(plan: &TablePlan, open: &mut BTreeMap<u32, Segment>) -> Result<Pieces> {
    let shape = plan.shape();
    let parts: Vec<&Segment> = open.values().filter(|segment| segment.rows() > 0).collect();
    let (mut raw, mut framed) = (Vec::new(), Vec::new());
    encode_block(&shape.wire_names(), &shape.wire_types(), &parts, &mut raw)?;
    put_frames(Compression::Lz4, &raw, &mut framed);
    open.values_mut().for_each(Segment::clear);
    let framed = Bytes::from(framed);
    Ok((0..framed.len())
        .step_by(PIECE_BYTES)
        .map(|at| framed.slice(at..framed.len().min(at + PIECE_BYTES)))
        .collect())
}

async fn send_all(
    client: &Client,
    statement: &InsertStatement,
    blocks: Vec<Pieces>,
    at_a_time: u32,
) -> Result<()> {
    let blocks: VecDeque<(u64, Pieces)> = (0..).zip(blocks).collect();
    let blocks = Arc::new(Mutex::new(blocks));
    let mut lines = JoinSet::new();
    for _ in 0..at_a_time {
        let (client, statement, blocks) = (client.clone(), statement.clone(), Arc::clone(&blocks));
        lines.spawn(async move {
            loop {
                let next = blocks.lock().expect("nobody panics holding it").pop_front();
                let Some((number, pieces)) = next else { return Ok::<_, anyhow::Error>(()) };
                send(&client, &statement, number, pieces).await?;
            }
        });
    }
    while let Some(line) = lines.join_next().await {
        line.context("a line of inserts panicked")??;
    }
    Ok(())
}

async fn send(client: &Client, statement: &InsertStatement, number: u64, pieces: Pieces) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    // Any distinct tokens do: the table is fresh.
    let mut seeded = Seeded::new(number);
    let token = (u128::from(seeded.next_u64()) << 64) | u128::from(seeded.next_u64());
    let request = InsertRequest {
        statement: statement.clone(),
        pieces: Arc::new(pieces),
        token: DedupToken(token),
        // Server and benchmark share this machine's clock.
        deadline: ServerMillis((now + DEADLINE).as_millis() as u64),
        query_id: format!("{}-{number}", statement.table.table),
        log_comment: String::new(),
        max_execution_ms: 60_000,
        until_deadline_ms: DEADLINE.as_millis() as u64,
        extra_settings: Vec::new(),
        on_piece: None,
    };
    match client.insert(request).await? {
        Answer::Accepted => Ok(()),
        other => bail!("block {number} was not accepted: {other:?}"),
    }
}
