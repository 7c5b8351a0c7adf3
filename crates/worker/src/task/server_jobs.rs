//! Jobs that ask ClickHouse something, beside the consuming thread. Questions that change nothing are
//! asked again until they are answered; an attempt is sent once, and what follows is the protocol's.
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pumphouse_clickhouse::{
    Answer, ClickHouseError, Engine, ErrorClass, InsertRequest, InsertStatement, Inspection, TableName,
};
use pumphouse_decode::{TableColumn, TablePlan};
use pumphouse_delivery::{
    Batch, ClaimId, Event, InsertAnswer, Refusal, RefusalClass, TableEngine, TableFacts,
};
use pumphouse_types::{BatchId, ConfigVersion, Millis, ServerMillis, TopicName};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::block::Block;
use super::context::TaskContext;
use super::failure::Failure;
use super::mail::{Mail, PanicReport};
use crate::clock::Clock;
use crate::failpoint::{self, Moment};

/// First pause before a question is asked again; doubles up to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(5);

/// Asks until there is an answer. Errors: those that asking again does not cure.
async fn insist<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, ClickHouseError>>,
{
    let mut pause = ASK_AGAIN;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is_transient() => {
                warn!(%error, what, "ClickHouse is asked again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ASK_AGAIN_MAX);
            }
            Err(error) => return Err(Failure::ClickHouse(error.to_string())),
        }
    }
}

fn post(mail: &Sender<Mail>, claim: ClaimId, letter: Result<Mail, Failure>) {
    let failed = |failure| Mail::Failed { claim: Some(claim), failure };
    // When nobody reads, the task has ended.
    let _ = mail.send(letter.unwrap_or_else(failed));
}

/// Reads the lane's table and compiles the plan for it.
pub(super) fn inspect(cx: &TaskContext, mail: Sender<Mail>, claim: ClaimId, topic: TopicName) {
    let (client, table, clock) = (cx.client.clone(), cx.tables[&topic].clone(), cx.clock);
    let (options, config_text) = (cx.plan_options.clone(), cx.config_text.clone());
    cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "inspecting a table");
        let read = async {
            let found = insist("inspect", || client.inspect(&table)).await?;
            let columns = insist("columns", || client.columns(&table)).await?;
            let plan = compile(&table, &columns, options)?;
            let facts = facts(&table, &found, clock)?;
            let shape = plan.shape();
            let (columns, structure) = (shape.column_list(), shape.input_structure());
            let config_text =
                format!("{config_text}table {table}\n{columns}\n{}\n{structure}\n", shape.select_list());
            let config_version = version_of(&config_text);
            let event = Event::Inspected { claim, topic, facts, config_version };
            Ok(Mail::Inspected { event, plan: Arc::new(plan), config_text })
        };
        post(&mail, claim, read.await);
    });
}

fn compile(
    table: &TableName,
    columns: &[pumphouse_clickhouse::Column],
    options: pumphouse_decode::PlanOptions,
) -> Result<TablePlan, Failure> {
    let mut described = Vec::with_capacity(columns.len());
    for column in columns {
        described.push(TableColumn {
            name: column.name.clone(),
            type_text: column.type_text.clone(),
            default_kind: column.default_kind.parse().map_err(
                |error: pumphouse_decode::UnknownDefaultKind| {
                    Failure::ClickHouse(format!("{table}: column {}: {error}", column.name))
                },
            )?,
            default_expression: column.default_expression.clone(),
        });
    }
    TablePlan::compile(&described, options)
        .map_err(|source| Failure::Plan { table: table.to_string(), source })
}

/// The first 64 bits of the text's SHA-256: the same for every build that agrees on the text.
fn version_of(config_text: &str) -> ConfigVersion {
    let digest = Sha256::digest(config_text.as_bytes());
    let head: [u8; 8] = digest[..8].try_into().expect("a digest has 32 bytes");
    ConfigVersion(u64::from_be_bytes(head))
}

fn facts(table: &TableName, found: &Inspection, clock: Clock) -> Result<TableFacts, Failure> {
    let engine = match &found.engine {
        Engine::Plain => TableEngine::Plain,
        Engine::Replicated => TableEngine::Replicated,
        Engine::Other(name) => {
            return Err(Failure::ClickHouse(format!("PROOF-003: {table} has become a {name} table")));
        }
    };
    Ok(TableFacts {
        name: table.to_string(),
        uuid: found.uuid,
        engine,
        server_version: found.server_version.clone(),
        server_started: found.server_started,
        window_blocks: found.window_blocks,
        window_ms: found.window_ms,
        blocks: found.blocks,
        server_now: found.server_now,
        read_at: clock.at(found.received),
    })
}

/// Makes the batch's earlier attempts end, and reads the table after that.
pub(super) fn settle(
    cx: &TaskContext,
    mail: Sender<Mail>,
    claim: ClaimId,
    topic: TopicName,
    batch: BatchId,
    after: Option<ServerMillis>,
) {
    let (client, table, clock) = (cx.client.clone(), cx.tables[&topic].clone(), cx.clock);
    let task = cx.task_id.clone();
    cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "settling a batch");
        let settled = async {
            let began = Instant::now();
            insist("quiet", || client.make_quiet(batch, after)).await?;
            let found = insist("inspect", || client.inspect(&table)).await?;
            info!(%task, %topic, %batch, ms = began.elapsed().as_millis() as u64,
                "earlier attempts have ended; the batch may be sent again if the window allows (R7)");
            let facts = facts(&table, &found, clock)?;
            Ok(Mail::Event(Event::Settled { claim, topic, batch, facts }))
        };
        post(&mail, claim, settled.await);
    });
}

/// Asks the server for its process, after an answer.
pub(super) fn confirm(
    cx: &TaskContext,
    mail: Sender<Mail>,
    claim: ClaimId,
    topic: TopicName,
    batch: BatchId,
) {
    let (client, table) = (cx.client.clone(), cx.tables[&topic].clone());
    cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "confirming a batch");
        let confirmed = async {
            let found = insist("confirm", || client.inspect(&table)).await?;
            let server_started = found.server_started;
            Ok(Mail::Event(Event::Confirmed { claim, topic, batch, server_started }))
        };
        post(&mail, claim, confirmed.await);
    });
}

/// What one attempt takes.
pub(super) struct Attempt {
    pub claim: ClaimId,
    pub topic: TopicName,
    pub batch: Batch,
    pub attempt: u32,
    pub block: Block,
    pub plan: Arc<TablePlan>,
}

/// Sends an attempt. The job ends with the claim: dropping the answer of an attempt is harmless,
/// whoever resolves the batch makes it end first.
pub(super) fn insert(cx: &TaskContext, mail: Sender<Mail>, attempt: Attempt) -> tokio::task::AbortHandle {
    let Attempt { claim, topic, batch, attempt, block, plan } = attempt;
    let (client, clock, table) = (cx.client.clone(), cx.clock, cx.tables[&topic].clone());
    let statement = InsertStatement {
        table,
        column_list: plan.shape().column_list(),
        select_list: plan.shape().select_list(),
        input_structure: plan.shape().input_structure(),
    };
    let log_comment = format!(
        "{{\"pumphouse\":{:?},\"topic\":{:?},\"batch\":\"{}\",\"ranges\":{:?}}}",
        cx.connector,
        topic.as_str(),
        batch.id,
        batch.ranges_text()
    );
    let (max_execution_ms, extra_settings) = (cx.max_execution_ms, cx.extra_settings.clone());
    let until_deadline_ms = cx.limits.deadline_ms;
    let query_id = format!("{}-{}-{attempt}-{:08x}", batch.id, claim.0, rand::random::<u32>());
    let job = cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "an attempt");
        let Some(frames) = block.frames().await else {
            post(&mail, claim, Err(Failure::Thread("a block could not be encoded".to_owned())));
            return;
        };
        let began = clock.now();
        let request = InsertRequest {
            statement,
            token: batch.token,
            deadline: batch.deadline,
            query_id,
            log_comment,
            max_execution_ms,
            until_deadline_ms,
            extra_settings,
            on_piece: half_body(frames.bytes),
            pieces: frames.pieces,
        };
        let answer = match client.insert(request).await {
            Ok(answer) => answer,
            Err(error) => Answer::Unknown { why: error.to_string() },
        };
        let took = Duration::from_millis(clock.now().since(began));
        let answer = understand(answer, &topic, &batch, attempt);
        let event = Event::Insert { claim, topic, batch: batch.id, attempt, answer };
        post(&mail, claim, Ok(Mail::Inserted { event, took, bytes: frames.bytes }));
    });
    job.abort_handle()
}

fn understand(answer: Answer, topic: &TopicName, batch: &Batch, attempt: u32) -> InsertAnswer {
    match answer {
        Answer::Accepted => InsertAnswer::Accepted,
        Answer::Unknown { why } => {
            warn!(%topic, batch = %batch.id, attempt, why, "the fate of an attempt is unknown; it is sent again unchanged (R2)");
            InsertAnswer::Unknown
        }
        Answer::Refused { code, class, message } => {
            warn!(%topic, batch = %batch.id, attempt, code, ?class, message, "an attempt was refused");
            let class = match class {
                ErrorClass::DeadlinePassed => RefusalClass::DeadlinePassed,
                ErrorClass::Overload => RefusalClass::Overload,
                ErrorClass::Data => RefusalClass::Data,
                ErrorClass::Schema | ErrorClass::NoTable => RefusalClass::Schema,
                ErrorClass::Fatal | ErrorClass::Right => RefusalClass::Fatal,
                ErrorClass::SendSame | ErrorClass::Bounded => return InsertAnswer::Unknown,
            };
            InsertAnswer::Refused(Refusal { class, code, message })
        }
    }
}

/// The fail point in the middle of a body; nothing in a release build.
fn half_body(bytes: u64) -> Option<Arc<dyn Fn(u64) + Send + Sync>> {
    if !cfg!(feature = "failpoints") {
        return None;
    }
    let reached = std::sync::atomic::AtomicBool::new(false);
    Some(Arc::new(move |handed| {
        if handed >= bytes / 2 && !reached.swap(true, std::sync::atomic::Ordering::SeqCst) {
            failpoint::reach(Moment::HalfBody);
        }
    }))
}

impl Clock {
    /// A moment that another room took with its own reading of the clock.
    pub(super) fn at(self, moment: Instant) -> Millis {
        let ago = u64::try_from(moment.elapsed().as_millis()).expect("the process is younger than that");
        Millis(self.now().0.saturating_sub(ago))
    }
}
