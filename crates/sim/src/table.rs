//! The ClickHouse server: tables with their dedup windows, the attempts that run in it, its clock
//! and its process. A plain table writes its dedup log before the part is in place; who dies in
//! between leaves a token without rows. A replicated one commits both at once.
use std::collections::BTreeMap;

use pumphouse_delivery::{Batch, TableEngine, TableFacts};
use pumphouse_types::{BatchId, DedupToken, Millis, ServerMillis, TableUuid};

use crate::faults::Plan;

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
    /// Topic, and table.
    pub topic: usize,
    /// The batch as it was sent.
    pub batch: Batch,
    /// The task's count.
    pub number: u32,
    /// The block.
    pub rows: Vec<Row>,
    /// Where it is.
    pub stage: Stage,
    /// The client has its answer, or has given up.
    pub answered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    block: u64,
    at: u64,
}

#[derive(Debug)]
struct Table {
    tokens: BTreeMap<DedupToken, Remembered>,
    own_blocks: u64,
    /// How often each row is there, by partition and offset.
    rows: Vec<Vec<u8>>,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    tables: Vec<Table>,
    engine: TableEngine,
    window_blocks: u64,
    window_ms: Option<u64>,
    foreign_blocks_per_s: u64,
    clock_ms: u64,
    /// When the process started, in simulated time.
    pub started: u64,
    /// Whether the process runs.
    pub up: bool,
    /// Until when nobody reaches it.
    pub unreachable_until: u64,
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
        };
        Server {
            tables: (0..plan.topics).map(|_| table()).collect(),
            engine: plan.engine,
            window_blocks: plan.window_blocks,
            window_ms: plan.window_ms,
            foreign_blocks_per_s: plan.foreign_blocks_per_s,
            clock_ms: plan.server_clock_ms,
            started: 0,
            up: true,
            unreachable_until: 0,
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
    pub fn facts(&self, topic: usize, now: u64) -> TableFacts {
        TableFacts {
            name: format!("sim.table{topic}"),
            uuid: TableUuid(topic as u128 + 1),
            engine: self.engine,
            server_version: "26.7.1".to_owned(),
            server_started: self.started_as_read(now),
            window_blocks: self.window_blocks,
            window_ms: self.window_ms,
            blocks: Some(self.blocks(topic, now)),
            server_now: self.clock(now),
            read_at: Millis(0),
        }
    }

    fn blocks(&self, topic: usize, now: u64) -> u64 {
        self.tables[topic].own_blocks + self.foreign_blocks_per_s * now / 1_000
    }

    /// Whether the table remembers the token.
    pub fn remembers(&self, topic: usize, token: DedupToken, now: u64) -> bool {
        self.tables[topic].tokens.get(&token).is_some_and(|seen| {
            self.blocks(topic, now) - seen.block < self.window_blocks
                && self.window_ms.is_none_or(|window_ms| now - seen.at < window_ms)
        })
    }

    /// The token comes into the window.
    pub fn remember(&mut self, topic: usize, token: DedupToken, now: u64) {
        self.tables[topic].own_blocks += 1;
        let seen = Remembered { block: self.blocks(topic, now), at: now };
        self.tables[topic].tokens.insert(token, seen);
    }

    /// The block's part comes into place. Gives a row that is there twice now, if one is.
    pub fn put(&mut self, topic: usize, rows: &[Row]) -> Option<Row> {
        let mut twice = None;
        for &(partition, offset) in rows {
            let counts = &mut self.tables[topic].rows[partition as usize];
            let at = offset as usize;
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] = counts[at].saturating_add(1);
            if counts[at] > 1 {
                twice = Some((partition, offset));
            }
        }
        twice
    }

    /// How often a row is in the table.
    pub fn count(&self, topic: usize, partition: u32, offset: i64) -> u8 {
        self.tables[topic].rows[partition as usize].get(offset as usize).copied().unwrap_or(0)
    }

    /// kill -9: whatever runs is gone; a logged token stays.
    pub fn kill(&mut self) {
        self.up = false;
        for attempt in &mut self.attempts {
            match attempt.stage {
                Stage::Running | Stage::Logged => attempt.stage = Stage::Ended,
                Stage::Sending | Stage::Ended => {}
            }
        }
    }

    /// Attempts at the batch that the server's process list shows.
    pub fn running(&self, batch: BatchId) -> Vec<usize> {
        let runs = |a: &Attempt| a.batch.id == batch && matches!(a.stage, Stage::Running | Stage::Logged);
        (0..self.attempts.len()).filter(|&i| runs(&self.attempts[i])).collect()
    }
}
