//! Jobs that ask ClickHouse something, beside the consuming thread. Questions that change nothing are
//! asked again until they are answered; an attempt is sent once, and what follows is the protocol's.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pumphouse_clickhouse::{
    ClickHouseError, Engine, Evidence as Found, EvidenceRequest, InsertRequest, InsertStatement, Inspection,
    TableName,
};
use pumphouse_conduct::{Answer, Pauses, until_deadline_ms};
use pumphouse_delivery::{Batch, ClaimId, Event, Evidence, InsertAnswer, TableEngine, TableFacts};
use pumphouse_types::{BatchId, Millis, OffsetRange, Partition, ServerMillis, TopicName};
use tokio::task::AbortHandle;
use tracing::{error, info, warn};

use super::block::Block;
use super::context::TaskContext;
use super::failure::Failure;
use super::log_comment::log_comment;
use super::mail::{Mail, PanicReport};
use super::places::PlacesReader;
use super::recipe::Recipe;
use crate::clock::Clock;
use crate::failpoint::{self, Moment};

/// Asks until there is an answer. Errors: those that asking again does not cure.
async fn insist<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, ClickHouseError>>,
{
    let mut pauses = Pauses::ASKING_SERVER;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is_transient() => {
                warn!(%error, what, "ClickHouse is asked again");
                tokio::time::sleep(Duration::from_millis(pauses.next())).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The table of this name, which a batch of the topic recorded: not always the one that the topic goes to now
/// (R15). A name is `database.table`; only one with a dot in its database is not told apart.
fn table_named(cx: &TaskContext, topic: &TopicName, name: &str) -> TableName {
    let home = &cx.tables[topic];
    match name.split_once('.') {
        Some((database, table)) if home.to_string() != name => {
            TableName { database: database.to_owned(), table: table.to_owned() }
        }
        Some(_) | None => home.clone(),
    }
}

/// As [`post`]. That a table is gone which the topic does not go to any more is for the protocol to decide (R15).
fn post_of(
    mail: &Sender<Mail>,
    claim: ClaimId,
    (topic, table, is_home): (&TopicName, &TableName, bool),
    letter: Result<Mail, Failure>,
) {
    let letter = match letter {
        Err(Failure::NoTable(why)) if !is_home => {
            warn!(%topic, why, "the table of an open batch is gone");
            Ok(Mail::Event(Event::TableGone { claim, topic: topic.clone(), table: table.to_string() }))
        }
        letter => letter,
    };
    post(mail, claim, letter);
}

fn post(mail: &Sender<Mail>, claim: ClaimId, letter: Result<Mail, Failure>) {
    let failed = |failure| Mail::Failed { claim: Some(claim), failure };
    // When nobody reads, the task has ended.
    let _ = mail.send(letter.unwrap_or_else(failed));
}

/// Reads the table of this name, or the lane's own, and compiles the plan for it.
pub(super) fn inspect(
    cx: &TaskContext,
    mail: Sender<Mail>,
    claim: ClaimId,
    topic: TopicName,
    name: Option<&str>,
) -> AbortHandle {
    let table = name.map_or_else(|| cx.tables[&topic].clone(), |name| table_named(cx, &topic, name));
    let (client, is_home, clock) = (cx.client.clone(), cx.tables[&topic] == table, cx.clock);
    let (mut source, exactly_once) = (cx.recipe_source.clone(), cx.limits.exactly_once);
    // Columns that only the table has that the topic goes to now are not missed in another one.
    source.plan_options.all_columns_here &= is_home;
    let job = cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "inspecting a table");
        let read = async {
            let found = insist("inspect", || client.inspect(&table)).await?;
            let columns = insist("columns", || client.columns(&table)).await?;
            let recipe = Recipe::compile(&source, &table, &columns)?;
            let facts = facts(&table, &found, clock, exactly_once)?;
            let (topic, config_version) = (topic.clone(), recipe.version);
            let event = Event::Inspected { claim, topic, facts, config_version };
            Ok(Mail::Inspected { event, recipe: Arc::new(recipe) })
        };
        let read = read.await;
        post_of(&mail, claim, (&topic, &table, is_home), read);
    });
    job.abort_handle()
}

/// Errors: exactly once was proven for a table of another kind.
fn facts(
    table: &TableName,
    found: &Inspection,
    clock: Clock,
    exactly_once: bool,
) -> Result<TableFacts, Failure> {
    let engine = match &found.engine {
        Engine::Plain => TableEngine::Plain,
        Engine::Replicated => TableEngine::Replicated,
        // At least once, no answer counts for more than it says: as a table without a window.
        Engine::Other(_) if !exactly_once => TableEngine::Plain,
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
        definition: found.definition,
        has_views: found.has_views,
        pure_checks: found.pure_checks,
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
    (batch, table): (BatchId, &str),
    after: Option<ServerMillis>,
) -> AbortHandle {
    let quiet = Quiet::new(cx, &topic, table, batch, after);
    let task = cx.task_id.clone();
    let job = cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "settling a batch");
        let settled = async {
            let began = Instant::now();
            let facts = quiet.reached().await?;
            info!(%task, %topic, %batch, ms = began.elapsed().as_millis() as u64,
                "earlier attempts have ended; the batch may be sent again if the window allows (R7)");
            Ok(Mail::Event(Event::Settled { claim, topic: topic.clone(), batch, facts }))
        };
        let settled = settled.await;
        post_of(&mail, claim, (&topic, &quiet.table, quiet.is_home), settled);
    });
    job.abort_handle()
}

/// A batch that is to have no attempt left.
struct Quiet {
    client: pumphouse_clickhouse::Client,
    table: TableName,
    /// It is the one that the topic goes to.
    is_home: bool,
    clock: Clock,
    exactly_once: bool,
    batch: BatchId,
    after: Option<ServerMillis>,
}

impl Quiet {
    fn new(
        cx: &TaskContext,
        topic: &TopicName,
        table: &str,
        batch: BatchId,
        after: Option<ServerMillis>,
    ) -> Quiet {
        let table = table_named(cx, topic, table);
        Quiet {
            client: cx.client.clone(),
            is_home: cx.tables[topic] == table,
            table,
            clock: cx.clock,
            exactly_once: cx.limits.exactly_once,
            batch,
            after,
        }
    }

    /// Ends the attempts, then reads the table.
    async fn reached(&self) -> Result<TableFacts, Failure> {
        let quiet = insist("quiet", || async {
            match self.client.make_quiet(self.batch, self.after).await {
                Err(error) if self.goes_on_without(&error) => {
                    warn!(batch = %self.batch, %error, "a host cannot be asked to end attempts; another one goes on (R2)");
                    Ok(())
                }
                answer => answer.map(drop),
            }
        })
        .await;
        match quiet {
            Ok(_) => {}
            // At least once, an attempt that cannot be ended may double rows, which is allowed.
            Err(failure) if !self.exactly_once => {
                warn!(batch = %self.batch, %failure, "earlier attempts could not be ended");
            }
            Err(failure) => return Err(failure),
        }
        let found = insist("inspect", || self.client.inspect(&self.table)).await?;
        facts(&self.table, &found, self.clock, self.exactly_once)
    }

    /// Whether a host that is gone is not waited for. Where no deadline is, the token makes a second commit
    /// harmless, on whichever replica (R2): the others go on, as they are there for. Evidence waits (R7).
    fn goes_on_without(&self, error: &ClickHouseError) -> bool {
        let harmless = self.after.is_none() || !self.exactly_once;
        harmless && self.client.hosts() > 1 && matches!(error, ClickHouseError::NoAnswer { .. })
    }
}

/// The table of a batch, for what is no question of the protocol's.
pub(super) fn table_of(cx: &TaskContext, topic: &TopicName, batch: &Batch) -> TableName {
    table_named(cx, topic, &batch.table.name)
}

/// What evidence is asked for.
pub(super) struct Question {
    pub claim: ClaimId,
    pub topic: TopicName,
    pub batch: Batch,
    pub ranges: BTreeMap<Partition, OffsetRange>,
    pub rows: u64,
    pub after: ServerMillis,
}

/// Makes the batch quiet, then looks for its rows in the table (R7).
pub(super) fn evidence(cx: &TaskContext, mail: Sender<Mail>, question: Question) -> AbortHandle {
    let Question { claim, topic, batch, ranges, rows, after } = question;
    let quiet = Quiet::new(cx, &topic, &batch.table.name, batch.id, Some(after));
    let places = cx.recipe_source.replayed.as_ref().map(|replayed| PlacesReader {
        settings: cx.consumer_settings.clone(),
        group: cx.group.clone(),
        letters: topic.clone(),
        replayed: replayed.clone(),
        ranges: ranges.iter().map(|(partition, range)| (*partition, *range)).collect(),
    });
    let job = cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "looking for a batch");
        let found = async {
            let facts = quiet.reached().await?;
            let ranges = ranges.into_iter().collect();
            let evidence = match places {
                None => look(&quiet, &topic, &batch, ranges, rows).await?,
                Some(places) => {
                    let records_of = places.replayed.topic.clone();
                    let places = places.read().await?;
                    let found = look(&quiet, &records_of, &batch, places.of_records(), rows).await?;
                    places.in_letters(found)
                }
            };
            Ok(Mail::Event(Event::Evidence { claim, topic: topic.clone(), batch: batch.id, facts, evidence }))
        };
        let found = found.await;
        post_of(&mail, claim, (&topic, &quiet.table, quiet.is_home), found);
    });
    job.abort_handle()
}

/// `topic`, `ranges`: as the lineage columns of the batch's rows have them.
async fn look(
    quiet: &Quiet,
    topic: &TopicName,
    batch: &Batch,
    ranges: Vec<(Partition, OffsetRange)>,
    rows: u64,
) -> Result<Evidence, Failure> {
    let request = EvidenceRequest {
        table: quiet.table.clone(),
        topic: topic.clone(),
        batch: batch.id,
        token: batch.token,
        ranges,
        rows,
    };
    let found = insist("evidence", || quiet.client.evidence(&request)).await?;
    Ok(match found {
        Found::Rows { mut found, doubled, complete } => {
            found.retain(|_, offsets| !offsets.is_empty());
            for (partition, offsets) in doubled.iter().filter(|(_, offsets)| !offsets.is_empty()) {
                error!(rule = "R7", %topic, %partition, batch = %batch.id, offsets = offsets.len(),
                    first = %offsets[0], "rows of the batch are in the table more than once");
            }
            Evidence::Rows { found, complete }
        }
        Found::Finished => Evidence::Finished,
        Found::Unknown { why, mut found } => {
            if let Some(found) = &mut found {
                found.retain(|_, offsets| !offsets.is_empty());
            }
            Evidence::Unknown { why, found }
        }
    })
}

/// Asks the server for its process, after an answer.
pub(super) fn confirm(
    cx: &TaskContext,
    mail: Sender<Mail>,
    claim: ClaimId,
    topic: TopicName,
    (batch, table): (BatchId, &str),
) -> AbortHandle {
    let (client, table) = (cx.client.clone(), table_named(cx, &topic, table));
    let is_home = cx.tables[&topic] == table;
    let job = cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "confirming a batch");
        let confirmed = async {
            let found = insist("confirm", || client.inspect(&table)).await?;
            let server_started = found.server_started;
            Ok(Mail::Event(Event::Confirmed { claim, topic: topic.clone(), batch, server_started }))
        };
        let confirmed = confirmed.await;
        post_of(&mail, claim, (&topic, &table, is_home), confirmed);
    });
    job.abort_handle()
}

/// What one attempt takes.
pub(super) struct Attempt {
    pub claim: ClaimId,
    pub topic: TopicName,
    pub batch: Batch,
    pub attempt: u32,
    pub block: Block,
    /// Rows of the block.
    pub rows: u64,
    /// To be waited first, in ms: the server has said that it has too much to do.
    pub pause_ms: u64,
}

/// Sends an attempt. The job ends with the claim: dropping the answer of an attempt is harmless,
/// whoever resolves the batch makes it end first.
pub(super) fn insert(cx: &TaskContext, mail: Sender<Mail>, attempt: Attempt) -> AbortHandle {
    let Attempt { claim, topic, batch, attempt, block, rows, pause_ms } = attempt;
    let (client, clock) = (cx.client.clone(), cx.clock);
    let shape = block.recipe.plan.shape();
    let statement = InsertStatement {
        table: table_named(cx, &topic, &batch.table.name),
        column_list: shape.column_list(),
        select_list: shape.select_list(),
        input_structure: shape.input_structure(),
    };
    let log_comment = log_comment(&cx.connector, &topic, &batch, rows);
    let max_execution_ms = cx.max_execution_ms;
    let extra_settings = block.recipe.settings.clone();
    let until_deadline_ms = until_deadline_ms(batch.deadline, batch.first_recorded, cx.limits.deadline_ms);
    let query_id = format!("{}-{}-{attempt}-{:08x}", batch.id, claim.0, rand::random::<u32>());
    let job = cx.runtime.spawn(async move {
        let _report = PanicReport::new(&mail, Some(claim), "an attempt");
        let Some(frames) = block.frames().await else {
            post(&mail, claim, Err(Failure::Thread("a block could not be encoded".to_owned())));
            return;
        };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
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

/// What the protocol hears of an answer; what it does not hear goes to the log.
fn understand(answer: Answer, topic: &TopicName, batch: &Batch, attempt: u32) -> InsertAnswer {
    match &answer {
        Answer::Accepted => {}
        Answer::Unknown { why } => {
            warn!(%topic, batch = %batch.id, attempt, why, "the fate of an attempt is unknown; it is sent again unchanged (R2)");
        }
        Answer::Refused { code, class, message } => {
            warn!(%topic, batch = %batch.id, attempt, code, ?class, message, "an attempt was refused");
        }
    }
    answer.heard()
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

#[cfg(test)]
mod tests {
    use pumphouse_clickhouse::{Client, Endpoint, Password};
    use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE};

    use super::*;

    /// Nothing listens on the discard port.
    const NOBODY: u16 = 9;

    const PATIENCE: Duration = Duration::from_secs(3);

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port,
            ssl: false,
            username: "default".to_owned(),
            password: Password::new(""),
        }
    }

    #[test]
    fn a_host_that_is_gone_holds_up_evidence_and_not_the_other_hosts() {
        let server = ClickHouse::start(ClickHouseOptions::default()).unwrap();
        server.sql().run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").unwrap();
        let (gone, alive) = (endpoint("127.0.0.1", NOBODY), endpoint(server.host(), server.http_port()));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let reached = |hosts: Vec<Endpoint>, after, exactly_once| {
            let quiet = Quiet {
                client: Client::of_hosts(hosts).unwrap(),
                table: TableName { database: DATABASE.to_owned(), table: "t".to_owned() },
                is_home: true,
                clock: Clock::start(),
                exactly_once,
                batch: BatchId(7),
                after,
            };
            let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, quiet.reached()).await });
            answer.ok().map(|facts| facts.unwrap().name)
        };
        let two = || vec![gone.clone(), alive.clone()];
        let table = Some(format!("{DATABASE}.t"));
        assert_eq!(reached(two(), None, true), table);
        assert_eq!(reached(two(), Some(ServerMillis(0)), true), None, "quiet is asked of every host");
        assert_eq!(reached(two(), Some(ServerMillis(0)), false), table);
        assert_eq!(reached(vec![gone.clone()], None, true), None, "there is no other one");
    }
}
