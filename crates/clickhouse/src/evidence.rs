//! What became of a batch when its token may be forgotten (PROTOCOL R7). The caller has made the batch
//! quiet: no attempt can write any more, so what is seen now is what there will be.
//!
//! Rows found by their lineage prove that they landed. Rows not found prove that they did not, if the
//! table keeps its rows and the host asked has all that was committed anywhere. The query log is believed
//! only for an attempt that finished and wrote its rows itself.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_types::{BatchId, DedupToken, Offset, OffsetRange, Partition, TopicName};

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::inspect::{ACCESS_DENIED, Engine, Inspection};
use crate::lineage::LineageColumns;
use crate::quote;
use crate::table_name::TableName;

/// A table may have to be scanned, and a replica to catch up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Positions asked for at once: 13 bytes of answer each are below the limit of an answer.
const POSITIONS_MAX: u64 = 1_000_000;

/// Ranges asked for at once: a statement of them stays below the server's limit for its length.
const RANGES_MAX: usize = 500;

/// Bytes of one answered offset: partition u32, offset i64, count u8.
const ANSWER_BYTES: usize = 13;

/// SYNTAX_ERROR, of servers that do not know a word of a statement.
const SYNTAX_ERROR: i32 = 62;

/// Settings of a read whose absences must be true, sent where the server has them: what a user's profile
/// may set to hide rows, to answer from a cache, or to stop early without an error.
const READ_SETTINGS: &[(&str, &str)] = &[
    ("additional_result_filter", ""),
    ("additional_table_filters", "{}"),
    ("apply_deleted_mask", "1"),
    ("enable_parallel_replicas", "0"),
    ("allow_experimental_parallel_reading_from_replicas", "0"),
    ("max_parallel_replicas", "1"),
    ("read_overflow_mode", "throw"),
    ("read_overflow_mode_leaf", "throw"),
    ("group_by_overflow_mode", "throw"),
    ("sort_overflow_mode", "throw"),
    ("result_overflow_mode", "throw"),
    ("max_result_rows", "0"),
    ("max_result_bytes", "0"),
    ("use_query_cache", "0"),
    ("use_query_condition_cache", "0"),
];

/// Which batch is asked about.
#[derive(Debug, Clone)]
pub struct EvidenceRequest {
    /// Where its rows would be.
    pub table: TableName,
    /// The topic as the lineage column has it.
    pub topic: TopicName,
    /// The batch; query ids of its attempts begin with it.
    pub batch: BatchId,
    /// The token that its attempts carried.
    pub token: DedupToken,
    /// What it covers: ascending, and apart from one another; a partition may have several.
    pub ranges: Vec<(Partition, OffsetRange)>,
    /// Rows that it puts into the table.
    pub rows: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The lineage columns were read.
    Rows {
        /// Offsets in the table, sorted, each once, for every partition that was asked about.
        found: BTreeMap<Partition, Vec<Offset>>,
        /// Those among them that are there more than once.
        doubled: BTreeMap<Partition, Vec<Offset>>,
        /// What is not among them is not in the table. If false, at least as many rows were found as the
        /// batch has.
        complete: bool,
    },
    /// An attempt finished and wrote every row itself.
    Finished,
    /// Nothing proves anything.
    Unknown {
        /// Why, and which right or column would help.
        why: String,
        /// The offsets that were found in a table that may have lost others; as in `Rows`.
        found: Option<BTreeMap<Partition, Vec<Offset>>>,
    },
}

impl Client {
    /// Asks what became of a quiet batch.
    /// Errors: `NoTable`; those of a question, where asking again can help. A missing right is no error:
    /// it is named in `Unknown`.
    pub async fn evidence(&self, request: &EvidenceRequest) -> Result<Evidence, ClickHouseError> {
        // Every question to one host: it must be the one that was made to catch up.
        let host = self.at(self.host().0);
        let read = host.rows_of(request).await.inspect_err(|error| {
            if error.is_transient() {
                self.host_failed();
            }
        })?;
        let (why_rows, found) = match read {
            Read::Rows(rows) => return Ok(rows),
            Read::Nothing { why, found } => (why, found),
        };
        let mut why_log = String::new();
        for host in self.each_host() {
            match host.finished(request).await? {
                Log::Finished => return Ok(Evidence::Finished),
                Log::Silent { why } => why_log = why,
            }
        }
        Ok(Evidence::Unknown { why: format!("{why_rows}; {why_log}"), found })
    }

    async fn rows_of(&self, request: &EvidenceRequest) -> Result<Read, ClickHouseError> {
        let table = &request.table;
        let before = self.inspect(table).await?;
        let Some(lineage) = &before.lineage else {
            let names = self.lineage.identifiers();
            return Ok(Read::Nothing { why: format!("{table} has no lineage columns {names}"), found: None });
        };
        let mut doubt = before.may_lose_rows.clone();
        if before.engine == Engine::Replicated
            && let Some(why) = self.catch_up(table).await?
        {
            doubt = doubt.or(Some(why));
        }
        let (found, doubled) = match self.read_rows(request, lineage, &before).await {
            Ok(rows) => rows,
            Err(ClickHouseError::Server { code: ACCESS_DENIED, .. }) => {
                let why = format!(
                    "the lineage columns may not be read; GRANT SELECT({}) ON {} TO {}",
                    self.lineage.identifiers(),
                    table.sql(),
                    quote::identifier(self.username())
                );
                return Ok(Read::Nothing { why, found: None });
            }
            Err(error) => return Err(error),
        };
        if doubt.is_none() {
            doubt = self.hidden(table, lineage).await?;
        }
        if doubt.is_none() {
            // What was deleted while we read shows now.
            let after = self.inspect(table).await?;
            let same = (after.uuid, after.definition) == (before.uuid, before.definition);
            doubt = after.may_lose_rows.or((!same).then(|| "the table was altered meanwhile".to_owned()));
        }
        let rows: usize = found.values().map(Vec::len).sum();
        Ok(match doubt {
            Some(why) if (rows as u64) < request.rows => {
                let why = format!("{rows} of {} rows were found, and {why}", request.rows);
                Read::Nothing { why, found: Some(found) }
            }
            doubt => Read::Rows(Evidence::Rows { found, doubled, complete: doubt.is_none() }),
        })
    }

    /// Waits until this replica has every part that was committed anywhere. The reason why it may not.
    async fn catch_up(&self, table: &TableName) -> Result<Option<String>, ClickHouseError> {
        // LIGHTWEIGHT waits for parts to be fetched and dropped and not for merges; it reads the log
        // first, so everything that was committed before the question is waited for.
        let asked = "catching up with other replicas";
        let sync = format!("SYSTEM SYNC REPLICA {}", table.sql());
        let patience = ("receive_timeout", "50");
        let mut answer = self.ask_within(asked, &format!("{sync} LIGHTWEIGHT"), PATIENCE, &[patience]).await;
        if matches!(answer, Err(ClickHouseError::Server { code: SYNTAX_ERROR, .. })) {
            answer = self.ask_within(asked, &sync, PATIENCE, &[patience]).await;
        }
        match answer {
            Ok(_) => Ok(None),
            Err(ClickHouseError::Server { code: ACCESS_DENIED, .. }) => Ok(Some(format!(
                "the replica may lag behind others; GRANT SYSTEM SYNC REPLICA ON {} TO {}",
                table.sql(),
                quote::identifier(self.username())
            ))),
            Err(error) => Err(error),
        }
    }

    /// Whether a row policy hides rows from us, by the server's plan for the read.
    async fn hidden(
        &self,
        table: &TableName,
        lineage: &LineageColumns,
    ) -> Result<Option<String>, ClickHouseError> {
        let sql = format!(
            "EXPLAIN actions = 1 SELECT {} FROM {}",
            quote::identifier(&lineage.names.offset),
            table.sql()
        );
        let plan = self.ask("whether rows are hidden", &sql).await?;
        Ok(filters(&plan).then(|| format!("a row policy hides rows of {table} from {}", self.username())))
    }

    async fn read_rows(
        &self,
        request: &EvidenceRequest,
        lineage: &LineageColumns,
        found: &Inspection,
    ) -> Result<(Offsets, Offsets), ClickHouseError> {
        let asked = "which rows are in the table";
        let known = self.known_settings().await?;
        let mut settings: Vec<(&str, &str)> =
            READ_SETTINGS.iter().copied().filter(|(name, _)| known.contains(*name)).collect();
        if found.engine == Engine::Replicated {
            settings.push(("select_sequential_consistency", "1"));
        }
        let mut rows: Offsets =
            request.ranges.iter().map(|(partition, _)| (*partition, Vec::new())).collect();
        let mut doubled = Offsets::new();
        for slice in slices(&request.ranges) {
            let sql = rows_sql(request, lineage, &slice);
            let bytes = self.ask_within(asked, &sql, PATIENCE, &settings).await?;
            read_offsets(&bytes, &mut rows, &mut doubled)
                .ok_or_else(|| ClickHouseError::Strange { asked, what: "an offset".to_owned() })?;
        }
        Ok((rows, doubled))
    }

    /// Whether the log has an attempt that finished and wrote.
    async fn finished(&self, request: &EvidenceRequest) -> Result<Log, ClickHouseError> {
        let grantee = quote::identifier(self.username());
        let mut why = "the query log has no attempt that finished".to_owned();
        let flushed = self.ask("writing the query log", "SYSTEM FLUSH LOGS").await;
        match flushed {
            Ok(_) => {}
            Err(ClickHouseError::Server { code: ACCESS_DENIED, .. }) => {
                why = format!("{why}, or not yet; GRANT SYSTEM FLUSH LOGS ON *.* TO {grantee}");
            }
            Err(error) => return Err(error),
        }
        match self.ask("what the query log says", &log_sql(request)).await {
            Ok(answer) if answer.trim() == "0" => Ok(Log::Silent { why }),
            Ok(_) => Ok(Log::Finished),
            Err(ClickHouseError::Server { code: ACCESS_DENIED, .. }) => Ok(Log::Silent {
                why: format!(
                    "the query log may not be read; GRANT SELECT ON system.query_log TO {grantee}; \
                     GRANT SYSTEM FLUSH LOGS ON *.* TO {grantee}"
                ),
            }),
            // UNKNOWN_TABLE: it is switched off, or nothing was ever written to it.
            Err(ClickHouseError::Server { code: 60, .. }) => {
                Ok(Log::Silent { why: "the server keeps no query log".to_owned() })
            }
            Err(error) => Err(error),
        }
    }
}

enum Read {
    Rows(Evidence),
    Nothing { why: String, found: Option<BTreeMap<Partition, Vec<Offset>>> },
}

enum Log {
    Finished,
    Silent { why: String },
}

type Offsets = BTreeMap<Partition, Vec<Offset>>;

/// Whether a plan of a read without a condition filters. A line begins with its step or what the step does
/// ("Filter", "Row level filter", "Prewhere info"); names of databases, tables and columns stand behind that.
fn filters(plan: &str) -> bool {
    plan.lines().any(|line| {
        // Some versions draw a tree.
        let line = line.trim_start_matches(|character: char| !character.is_ascii_alphabetic());
        let word = line.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
        ["filter", "row", "prewhere"].contains(&word.to_ascii_lowercase().as_str())
    })
}

/// Ranges in groups of at most `POSITIONS_MAX` positions and `RANGES_MAX` ranges, in order.
fn slices(ranges: &[(Partition, OffsetRange)]) -> Vec<Vec<(Partition, OffsetRange)>> {
    let mut slices = vec![Vec::new()];
    let mut room = POSITIONS_MAX;
    for (partition, range) in ranges {
        let mut first = range.first();
        while first < range.end() {
            if room == 0 || slices.last().is_some_and(|slice| slice.len() >= RANGES_MAX) {
                slices.push(Vec::new());
                room = POSITIONS_MAX;
            }
            let left = range.end().get() - first.get();
            let taken = left.min(i64::try_from(room).expect("it is at most a million"));
            let end = Offset::new(first.get() + taken).expect("it is within a range of offsets");
            let piece = OffsetRange::new(first, end).expect("it ends behind its first");
            slices.last_mut().expect("it begins with one").push((*partition, piece));
            room -= piece.positions();
            first = end;
        }
    }
    slices.retain(|slice| !slice.is_empty());
    slices
}

fn rows_sql(
    request: &EvidenceRequest,
    lineage: &LineageColumns,
    slice: &[(Partition, OffsetRange)],
) -> String {
    let [topic, partition, offset] = lineage.names.all().map(quote::identifier);
    let ranges: Vec<String> = slice
        .iter()
        .map(|(number, range)| {
            format!(
                "({partition} = {} AND {offset} >= {} AND {offset} < {})",
                number.0,
                range.first().get(),
                range.end().get()
            )
        })
        .collect();
    format!(
        "SELECT assumeNotNull(toUInt32({partition})) AS pumphouse_p, assumeNotNull(toInt64({offset})) AS \
         pumphouse_o, toUInt8(count() > 1) FROM {} WHERE {topic} = {} AND ({}) \
         GROUP BY pumphouse_p, pumphouse_o ORDER BY pumphouse_p, pumphouse_o FORMAT RowBinary",
        request.table.sql(),
        quote::string(request.topic.as_str()),
        ranges.join(" OR ")
    )
}

fn log_sql(request: &EvidenceRequest) -> String {
    let token = quote::string(&request.token.to_string());
    let insert = quote::string(&format!("INSERT INTO {} ", request.table.sql()));
    format!(
        "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND is_initial_query \
         AND startsWith(query_id, {}) AND startsWith(query, {insert}) \
         AND (position(log_comment, {token}) > 0 OR Settings['insert_deduplication_token'] = {token}) \
         AND written_rows >= {} AND written_rows > 0 AND ProfileEvents['DuplicatedInsertedBlocks'] = 0",
        quote::string(&request.batch.to_string()),
        request.rows
    )
}

/// Adds RowBinary rows (u32 partition, i64 offset, u8 more than once), sorted by both.
fn read_offsets(bytes: &[u8], rows: &mut Offsets, doubled: &mut Offsets) -> Option<()> {
    let (answers, rest) = bytes.as_chunks::<ANSWER_BYTES>();
    if !rest.is_empty() {
        return None;
    }
    for answer in answers {
        let partition = Partition(u32::from_le_bytes(answer[..4].try_into().ok()?));
        let offset = Offset::new(i64::from_le_bytes(answer[4..12].try_into().ok()?))?;
        // One that was not asked for is no answer to the question.
        rows.get_mut(&partition)?.push(offset);
        if answer[12] != 0 {
            doubled.entry(partition).or_default().push(offset);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, end: i64) -> OffsetRange {
        OffsetRange::new(Offset::new(first).unwrap(), Offset::new(end).unwrap()).unwrap()
    }

    #[test]
    fn long_ranges_are_asked_for_in_slices() {
        let ranges = [(Partition(0), range(10, 15)), (Partition(3), range(0, 2_000_000))];
        let all = slices(&ranges);
        let seen: Vec<Vec<(u32, i64, i64)>> = all
            .iter()
            .map(|slice| slice.iter().map(|(p, r)| (p.0, r.first().get(), r.end().get())).collect())
            .collect();
        assert_eq!(
            seen,
            [
                vec![(0, 10, 15), (3, 0, 999_995)],
                vec![(3, 999_995, 1_999_995)],
                vec![(3, 1_999_995, 2_000_000)],
            ]
        );
        assert!(slices(&[(Partition(0), range(5, 5))]).is_empty());
        let scattered: Vec<_> = (0..1_001).map(|at| (Partition(0), range(2 * at, 2 * at + 1))).collect();
        assert_eq!(slices(&scattered).iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 1]);
        const { assert!(POSITIONS_MAX as usize * ANSWER_BYTES < 16 << 20) };
    }

    #[test]
    fn a_plan_filters_by_its_steps_and_not_by_its_names() {
        for plan in [
            "Expression\n  Filter (Row-level security filter)\n    ReadFromMergeTree (d.t)",
            "ReadFromMergeTree (d.t)\n   Output: _offset\n   Row level filter\n   Row level filter column:  a < 4",
            "ReadFromMergeTree (d.t)\n  Prewhere info",
            "Project\n└──Filter",
        ] {
            assert!(filters(plan), "{plan}");
        }
        for plan in [
            "Output: filter\n\nReadFromMergeTree (filters.row level filter)\n   Read type: Default",
            "Expression (filter)\nActions: INPUT : 0 -> prewhere_filter UInt64\nRows: 7",
        ] {
            assert!(!filters(plan), "{plan}");
        }
    }

    #[test]
    fn offsets_are_read_and_others_are_refused() {
        let mut bytes = Vec::new();
        for (offset, more) in [(7_i64, 0), (9, 1)] {
            bytes.extend_from_slice(&2_u32.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.push(more);
        }
        let offsets = |list: &[i64]| list.iter().map(|o| Offset::new(*o).unwrap()).collect::<Vec<_>>();
        let (mut rows, mut doubled) = (Offsets::from([(Partition(2), Vec::new())]), Offsets::new());
        assert_eq!(read_offsets(&bytes, &mut rows, &mut doubled), Some(()));
        assert_eq!(rows[&Partition(2)], offsets(&[7, 9]));
        assert_eq!(doubled[&Partition(2)], offsets(&[9]));
        assert_eq!(read_offsets(&bytes[1..], &mut rows, &mut doubled), None);
        let mut other = Offsets::from([(Partition(1), Vec::new())]);
        assert_eq!(read_offsets(&bytes, &mut other, &mut doubled), None);
    }
}
