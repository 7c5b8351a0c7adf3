//! The ClickHouse server: two tables for each topic, of which it goes to one at a time, with their dedup windows, the attempts that run in it, its clock
//! and its process. A block becomes a part for each table partition, which come into place one after
//! the other. A plain table writes its dedup log before the part is in place; who dies in between
//! leaves a token without rows. A replicated one commits both at once.
use std::collections::{BTreeMap, VecDeque};

use pumphouse_delivery::{Batch, Evidence, TableEngine, TableFacts};
use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, OffsetRange, Partition, ServerMillis, TableUuid,
};

use crate::faults::{Lineage, Plan};
use crate::source::{Kind, LIFE};

/// An entry of the query log that is younger is lost with the server's process.
const QUERY_LOG_FLUSH_MS: u64 = 7_500;

/// A row by partition and offset.
pub type Row = (u32, i64);

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its body has not arrived.
    Sending,
    /// It passed the deadline check.
    Running,
    /// Plain table: its token is in the dedup log, its part not in place.
    Logged,
    /// It will not write any more.
    Ended,
}

/// One INSERT.
#[derive(Debug)]
pub struct Attempt {
    /// The process that sent it.
    pub proc: usize,
    /// Its claim.
    pub claim: pumphouse_delivery::ClaimId,
    /// Whose records.
    pub topic: usize,
    /// Where to: the topic's number, plus the number of topics for its second table.
    pub table: usize,
    /// The batch as it was sent.
    pub batch: Batch,
    /// The task's count.
    pub number: u32,
    /// The block.
    pub rows: Vec<Row>,
    /// What of it is not in place yet, part by part; filled once it runs.
    pub parts: VecDeque<Vec<Row>>,
    /// Some part of it was dropped for its token.
    pub hit: bool,
    /// Where it is.
    pub stage: Stage,
    /// When its body sets out; until then it is held back.
    pub sent_at: u64,
    /// The client has its answer, or has given up.
    pub answered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    block: u64,
    at: u64,
}

#[derive(Debug)]
struct Finished {
    rows: u64,
    at: u64,
}

#[derive(Debug)]
struct Table {
    /// By token and table partition.
    tokens: BTreeMap<(DedupToken, u64), Remembered>,
    own_blocks: u64,
    /// How often each row is there, by partition, life of the topic, and offset.
    rows: Vec<Vec<Vec<u8>>>,
    /// Attempts that wrote all their rows, without a dedup hit.
    query_log: BTreeMap<DedupToken, Finished>,
    /// Changes with its columns and with its checks.
    definition: u64,
    /// When it was altered last, in seconds of the server's clock, or long ago; what is seen otherwise needs no time.
    altered_s: u64,
    /// When it was last read for whether it remembers a token.
    relied_on_at: Option<u64>,
    /// The configuration version that fills blocks for its columns as they are ...
    columns: u64,
    /// ... and the oldest one whose blocks still fit.
    columns_taken: u64,
}

/// Above every version of a first table.
const SECOND_TABLE_VERSIONS: u64 = 1 << 32;

/// As batches name it.
pub fn name_of(table: usize) -> String {
    format!("sim.table{table}")
}

/// The server.
#[derive(Debug)]
pub struct Server {
    topics: usize,
    /// The first ones of all topics, then the second ones.
    tables: Vec<Table>,
    engine: TableEngine,
    lineage: Lineage,
    pure_checks: bool,
    views: bool,
    views_dropped: bool,
    table_partitions: u64,
    window_blocks: u64,
    window_ms: Option<u64>,
    foreign_blocks_per_s: u64,
    clock_ms: u64,
    version: u64,
    /// When the process started, in simulated time.
    pub started: u64,
    /// Whether the process runs.
    pub up: bool,
    /// Until when nobody reaches it.
    pub unreachable_until: u64,
    /// Until when nobody has the right to insert.
    pub denied_until: u64,
    /// Every attempt ever sent; ended ones keep their place.
    pub attempts: Vec<Attempt>,
}

impl Server {
    /// A running server with empty tables.
    pub fn new(plan: &Plan) -> Server {
        let table = || Table {
            tokens: BTreeMap::new(),
            own_blocks: 0,
            rows: vec![Vec::new(); plan.partitions as usize],
            query_log: BTreeMap::new(),
            definition: 1,
            altered_s: 0,
            relied_on_at: None,
            columns: 1,
            columns_taken: 1,
        };
        Server {
            topics: plan.topics,
            tables: (0..2 * plan.topics).map(|_| table()).collect(),
            engine: plan.engine,
            lineage: plan.lineage,
            pure_checks: plan.pure_checks,
            views: plan.views,
            views_dropped: false,
            table_partitions: plan.table_partitions,
            window_blocks: plan.window_blocks,
            window_ms: plan.window_ms,
            foreign_blocks_per_s: plan.foreign_blocks_per_s,
            clock_ms: plan.server_clock_ms,
            version: 1,
            started: 0,
            up: true,
            unreachable_until: 0,
            denied_until: 0,
            attempts: Vec::new(),
        }
    }

    /// The server's clock.
    pub fn clock(&self, now: u64) -> ServerMillis {
        ServerMillis(self.clock_ms + now)
    }

    /// Whether a request that arrives now is heard.
    pub fn is_reached(&self, now: u64) -> bool {
        self.up && now >= self.unreachable_until
    }

    /// When a clock reading of `at` has passed, in simulated time.
    pub fn moment_after(&self, at: ServerMillis) -> u64 {
        at.0.saturating_sub(self.clock_ms) + 1
    }

    /// The process's start as it is read: now - uptime(), whose parts are whole seconds.
    pub fn started_as_read(&self, now: u64) -> ServerMillis {
        ServerMillis(self.clock_ms + self.started + (now - self.started) % 1_000)
    }

    /// What the server says of a table. The caller adds half the round trip, and its own clock.
    pub fn facts(&self, table: usize, now: u64) -> TableFacts {
        TableFacts {
            name: name_of(table),
            uuid: TableUuid(table as u128 + 1),
            engine: self.engine,
            server_version: format!("26.7.{}", self.version),
            server_started: self.started_as_read(now),
            window_blocks: self.window_blocks,
            window_ms: self.window_ms,
            blocks: Some(self.blocks(table, now)),
            definition: self.tables[table].definition << 32 | self.tables[table].altered_s,
            has_views: self.views,
            pure_checks: self.pure_checks,
            server_now: self.clock(now),
            read_at: Millis(0),
        }
    }

    fn blocks(&self, table: usize, now: u64) -> u64 {
        self.tables[table].own_blocks + self.foreign_blocks_per_s * now / 1_000
    }

    /// Which configuration fills blocks for the table as it is.
    pub fn config_version(&self, table: usize) -> ConfigVersion {
        ConfigVersion(self.first_version(table) + self.tables[table].columns)
    }

    /// No version fills both tables of a topic.
    fn first_version(&self, table: usize) -> u64 {
        if table < self.topics { 0 } else { SECOND_TABLE_VERSIONS }
    }

    /// Whether blocks of that version are made for that table.
    pub fn is_version_of(&self, table: usize, version: ConfigVersion) -> bool {
        (version.0 > SECOND_TABLE_VERSIONS) == (table >= self.topics)
    }

    /// The table gets other columns; older blocks may fit or not.
    pub fn change_columns(&mut self, table: usize, older_fit: bool) {
        let table = &mut self.tables[table];
        table.columns += 1;
        table.definition += 1;
        if !older_fit {
            table.columns_taken = table.columns;
        }
    }

    /// Somebody makes the table's window small and as large again: tokens are forgotten. Not while an attempt is
    /// under way, nor within `attempt_ms` of a reading after which one may be sent.
    pub fn dip_window(&mut self, at: usize, now: u64, attempt_ms: u64) -> bool {
        let under_way = |attempt: &Attempt| attempt.table == at && attempt.stage != Stage::Ended;
        let table = &mut self.tables[at];
        let is_spared = table.relied_on_at.is_some_and(|read| now < read + attempt_ms);
        if is_spared || self.attempts.iter().any(under_way) {
            return false;
        }
        table.tokens.clear();
        table.altered_s = (self.clock_ms + now) / 1_000;
        true
    }

    /// The table is altered in a way that changes nothing but the time of its last change.
    pub fn alter_a_comment(&mut self, table: usize, now: u64) {
        self.tables[table].altered_s = (self.clock_ms + now) / 1_000;
    }

    /// The table is read for whether it remembers a token.
    pub fn relied_on(&mut self, table: usize, now: u64) {
        self.tables[table].relied_on_at = Some(now);
    }

    /// The table gets other checks.
    pub fn change_checks(&mut self, table: usize) {
        self.tables[table].definition += 1;
    }

    /// Whether a block of that version has the table's columns.
    pub fn fits(&self, table: usize, version: ConfigVersion) -> bool {
        version.0 >= self.first_version(table) + self.tables[table].columns_taken
    }

    /// Somebody drops the views, and with them the checks that have failed.
    pub fn drop_views(&mut self) {
        self.views = false;
        self.views_dropped = true;
    }

    /// Whether views hang on the tables.
    pub fn has_views(&self) -> bool {
        self.views
    }

    /// Whether the table, or a view of it, refuses a row now.
    pub fn refuses(&self, table: usize, kind: Kind, now: u64) -> bool {
        if self.views_dropped {
            return false;
        }
        match kind {
            Kind::Good | Kind::Undecodable => false,
            Kind::Refused => true,
            Kind::RefusedByDefinition => self.tables[table].definition.is_multiple_of(2),
            Kind::RefusedByTime => (now / 1_000).is_multiple_of(2),
        }
    }

    /// The table partition of a row.
    pub fn table_partition(&self, (partition, offset): Row) -> u64 {
        (u64::from(partition) * 7 + offset as u64 / 2) % self.table_partitions
    }

    /// A block as the parts that it becomes.
    pub fn parts(&self, rows: &[Row]) -> VecDeque<Vec<Row>> {
        let mut parts: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
        for row in rows {
            parts.entry(self.table_partition(*row)).or_default().push(*row);
        }
        parts.into_values().collect()
    }

    /// Whether the table remembers the token for that table partition.
    pub fn remembers(&self, table: usize, token: (DedupToken, u64), now: u64) -> bool {
        self.tables[table].tokens.get(&token).is_some_and(|seen| {
            self.blocks(table, now) - seen.block < self.window_blocks
                && self.window_ms.is_none_or(|window_ms| now - seen.at < window_ms)
        })
    }

    /// The token comes into the window.
    pub fn remember(&mut self, table: usize, token: (DedupToken, u64), now: u64) {
        self.tables[table].own_blocks += 1;
        let seen = Remembered { block: self.blocks(table, now), at: now };
        self.tables[table].tokens.insert(token, seen);
    }

    /// The query log says that an attempt with the token wrote everything.
    pub fn log_finished(&mut self, table: usize, token: DedupToken, rows: u64, now: u64) {
        self.tables[table].query_log.insert(token, Finished { rows, at: now });
    }

    /// What the table and the query log say of the rows in `ranges`, of the topic whose life begins at `begin`: rows of
    /// its earlier lives were removed, or go by another table (A6). A merging table has lost some.
    pub fn evidence(
        &self,
        table: usize,
        begin: i64,
        token: DedupToken,
        ranges: &BTreeMap<Partition, OffsetRange>,
        rows: u64,
    ) -> Evidence {
        let complete = match self.lineage {
            Lineage::Complete => true,
            Lineage::Merging => false,
            Lineage::None => {
                let finished = self.tables[table].query_log.get(&token).is_some_and(|f| f.rows == rows);
                if finished {
                    return Evidence::Finished;
                }
                return Evidence::Unknown { why: "no lineage columns".to_owned(), found: None };
            }
        };
        let mut found = BTreeMap::new();
        for (partition, range) in ranges {
            let there = (range.first().get()..range.end().get())
                .filter(|&offset| self.count_in(table, partition.0, begin + offset) > 0)
                .filter(|&offset| self.shows((partition.0, begin + offset)))
                .map(|offset| Offset::new(offset).expect("offsets are not negative"))
                .collect::<Vec<_>>();
            if !there.is_empty() {
                found.insert(*partition, there);
            }
        }
        Evidence::Rows { found, complete }
    }

    /// Whether a row that has landed is seen: a merging table has lost some.
    pub fn shows(&self, (_, offset): Row) -> bool {
        self.lineage == Lineage::Complete || offset % 3 != 0
    }

    /// A part comes into place.
    pub fn put(&mut self, table: usize, rows: &[Row]) {
        for &(partition, at) in rows {
            let lives = &mut self.tables[table].rows[partition as usize];
            let (life, offset) = ((at / LIFE) as usize, (at % LIFE) as usize);
            if lives.len() <= life {
                lives.resize(life + 1, Vec::new());
            }
            let counts = &mut lives[life];
            if counts.len() <= offset {
                counts.resize(offset + 1, 0);
            }
            counts[offset] = counts[offset].saturating_add(1);
        }
    }

    /// How often a row is in the tables of its topic.
    pub fn count(&self, topic: usize, partition: u32, at: i64) -> u8 {
        self.count_in(topic, partition, at) + self.count_in(topic + self.topics, partition, at)
    }

    /// How often it is in one of them.
    fn count_in(&self, table: usize, partition: u32, at: i64) -> u8 {
        let counts = self.tables[table].rows[partition as usize].get((at / LIFE) as usize);
        counts.and_then(|counts| counts.get((at % LIFE) as usize)).copied().unwrap_or(0)
    }

    /// kill -9: whatever runs is gone; a logged token and parts that are in place stay.
    pub fn kill(&mut self, now: u64) {
        self.up = false;
        for table in &mut self.tables {
            table.query_log.retain(|_, finished| now > finished.at + QUERY_LOG_FLUSH_MS);
        }
        for attempt in &mut self.attempts {
            match attempt.stage {
                Stage::Running | Stage::Logged => attempt.stage = Stage::Ended,
                Stage::Sending | Stage::Ended => {}
            }
        }
    }

    /// It starts, perhaps as another version. That one knows the tokens of the one before: between the
    /// last look at the table and an attempt that has set out lies a ledger write, and no rule can
    /// see a server that changes meanwhile.
    pub fn start(&mut self, now: u64, other_version: bool) {
        self.up = true;
        self.started = now;
        if other_version {
            self.version += 1;
        }
    }

    /// Whether no attempt is in the process list.
    pub fn is_quiet(&self) -> bool {
        self.attempts.iter().all(|a| matches!(a.stage, Stage::Sending | Stage::Ended))
    }

    /// Attempts at the batch that the server's process list shows.
    pub fn running(&self, batch: BatchId) -> Vec<usize> {
        let runs = |a: &Attempt| a.batch.id == batch && matches!(a.stage, Stage::Running | Stage::Logged);
        (0..self.attempts.len()).filter(|&i| runs(&self.attempts[i])).collect()
    }
}
