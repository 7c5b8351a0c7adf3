//! The load: transactions, some of them aborted, over and over; it goes on over every outage of the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::filling::{FillRecord, TransactionalFill, fill_in_transactions};
use pumphouse_testkit::wait::wait_until;

use crate::trouble::{Result, text};

/// Records that one call of the producer writes.
const RECORDS_PER_CALL: u64 = 200;

/// Some transactions per batch, and batches that end within one.
const RECORDS_PER_TRANSACTION: usize = 40;

const ABORTED_SHARE: f64 = 0.15;

/// Between two calls; with what a call takes, some hundred records a second.
const PAUSE: Duration = Duration::from_millis(200);

/// A call may meet an outage, and waits for its end.
const CALL_LIMIT: Duration = Duration::from_secs(300);

/// The key of a record that cannot become a row.
pub const BAD_KEY: &[u8] = b"bad";

/// Writes until it is dropped.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    paused: AtomicBool,
    idle: AtomicBool,
    ended: AtomicBool,
    /// Bad records to come.
    bad: AtomicU64,
    committed: AtomicU64,
    aborted: AtomicU64,
}

impl Load {
    /// Begins to write to the topic.
    pub fn start(bootstrap: String, topic: String, partitions: i32, seed: u64) -> Load {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let thread = thread::spawn(move || writing.write(&bootstrap, &topic, partitions, seed));
        Load { shared, thread: Some(thread) }
    }

    /// Returns when nothing is being written any more and the last call was a whole one.
    pub fn pause(&self) -> Result<()> {
        self.shared.paused.store(true, Ordering::Relaxed);
        wait_until("the producer's pause", CALL_LIMIT, || {
            if self.shared.idle.load(Ordering::Relaxed) { Ok(()) } else { Err("it writes".to_owned()) }
        })
        .map_err(text)
    }

    /// Goes on.
    pub fn resume(&self) {
        self.shared.idle.store(false, Ordering::Relaxed);
        self.shared.paused.store(false, Ordering::Relaxed);
    }

    /// So many of the next records cannot become rows.
    pub fn spoil(&self, records: u64) {
        self.shared.bad.fetch_add(records, Ordering::Relaxed);
    }

    /// Records that are known to be committed and to be aborted, so far.
    pub fn written(&self) -> (u64, u64) {
        (self.shared.committed.load(Ordering::Relaxed), self.shared.aborted.load(Ordering::Relaxed))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Not waited for: a broker that is gone would hold it up, and the process ends anyway.
        drop(self.thread.take());
    }
}

impl Shared {
    fn write(&self, bootstrap: &str, topic: &str, partitions: i32, seed: u64) {
        let mut next_id = 0;
        let mut whole = true;
        while !self.ended.load(Ordering::Relaxed) {
            // A call that failed has left a transaction open: the next one ends it.
            if whole && self.paused.load(Ordering::Relaxed) {
                self.idle.store(true, Ordering::Relaxed);
                thread::sleep(PAUSE / 10);
                continue;
            }
            let fill = TransactionalFill {
                records_per_transaction: RECORDS_PER_TRANSACTION,
                aborted_share: ABORTED_SHARE,
                seed: seed ^ next_id,
                transactional_id: format!("{topic}-producer"),
            };
            let records = self.records(seed, next_id, partitions);
            // Ids are not written again: which of them were committed is the topic's to say.
            next_id += RECORDS_PER_CALL;
            match fill_in_transactions(bootstrap, topic, &fill, records) {
                Ok(report) => {
                    whole = true;
                    self.committed.fetch_add(report.committed_records, Ordering::Relaxed);
                    self.aborted.fetch_add(report.aborted_records, Ordering::Relaxed);
                }
                Err(_) => whole = false,
            }
            thread::sleep(PAUSE);
        }
    }

    fn records(&self, seed: u64, first_id: u64, partitions: i32) -> Vec<FillRecord> {
        let events = events::events(seed, first_id).take(RECORDS_PER_CALL as usize);
        let mut records: Vec<FillRecord> = events.map(|event| event.into_record(partitions)).collect();
        let bad = self.bad.swap(0, Ordering::Relaxed);
        self.bad.fetch_add(bad.saturating_sub(RECORDS_PER_CALL), Ordering::Relaxed);
        let (many, all) = (bad.min(RECORDS_PER_CALL) as usize, records.len());
        // Spread over the call, so that most batches have one.
        for nth in 0..many {
            spoil(&mut records[nth * all / many], nth);
        }
        records
    }
}

/// One that is no JSON, or one that the table's constraint refuses (`TABLE_CONSTRAINT`).
fn spoil(record: &mut FillRecord, nth: usize) {
    let json = String::from_utf8(record.value.take().unwrap_or_default()).unwrap_or_default();
    let spoilt = if nth.is_multiple_of(2) {
        json[..json.len() / 2].to_owned()
    } else {
        // 200 becomes 9200.
        json.replacen("\"status\":", "\"status\":9", 1)
    };
    record.key = Some(BAD_KEY.to_vec());
    record.value = Some(spoilt.into_bytes());
}

/// What the tables refuse of the records above.
pub const TABLE_CONSTRAINT: &str = "CONSTRAINT known_status CHECK status < 1000";
