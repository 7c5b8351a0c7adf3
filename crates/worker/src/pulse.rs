//! What the page shows of connectors at work: rates of the last half minute, batches under way, the last proofs and
//! what went wrong. Counters for machines are in `metrics.rs`; these are kept beside them because a histogram
//! cannot be asked, and a rate is no counter.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pumphouse_clickhouse::{Proof, TableName};
use pumphouse_delivery::Batch;
use pumphouse_rest::{Figures, LaneFigures, Mishap, OpenBatch, Promise, TableProof};
use pumphouse_types::{BatchId, TopicName};

/// Whole seconds that a rate is taken over: some batches even where they come every few seconds.
const WINDOW_SECONDS: u64 = 30;

/// What went wrong before is in the log.
const MISHAPS_MAX: usize = 10;

/// What is known of a connector's tables outlives its runs; these are forgotten first.
const PROOFS_MAX: usize = 1_000;

/// All connectors of this worker.
#[derive(Debug)]
pub struct Pulses {
    began: Instant,
    by_connector: Mutex<BTreeMap<String, Pulse>>,
}

impl Default for Pulses {
    fn default() -> Pulses {
        Pulses { began: Instant::now(), by_connector: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Pulse {
    promise: Promise,
    lanes: BTreeMap<TopicName, Lane>,
    open: BTreeMap<(String, TopicName), Open>,
    proofs: BTreeMap<String, (Instant, Proof)>,
    mishaps: VecDeque<(Instant, String, String)>,
}

#[derive(Debug, Default)]
struct Lane {
    table: Option<String>,
    rows: u64,
    batches: u64,
    attempts_failed: u64,
    dead_letters: u64,
    dropped: u64,
    recent: Recent,
}

#[derive(Debug)]
struct Open {
    id: BatchId,
    ranges: String,
    rows: u64,
    since: Instant,
}

impl Pulses {
    /// A connector is there from now on, until it is removed.
    pub fn began(&self, connector: &str) {
        self.lock().entry(connector.to_owned()).or_default();
    }

    /// About one that is there: what is said last of a deleted connector does not bring it back.
    fn with(&self, connector: &str, act: impl FnOnce(&mut Pulse, Instant)) {
        if let Some(pulse) = self.lock().get_mut(connector) {
            act(pulse, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Pulse>> {
        self.by_connector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_lane(&self, connector: &str, topic: &TopicName, act: impl FnOnce(&mut Lane, u64)) {
        let second = self.began.elapsed().as_secs();
        self.with(connector, |pulse, _| act(pulse.lanes.entry(topic.clone()).or_default(), second));
    }

    /// What a run promises for its tables.
    pub fn promised(&self, connector: &str, exactly_once: bool) {
        let promise = if exactly_once { Promise::ExactlyOnce } else { Promise::AtLeastOnce };
        self.with(connector, |pulse, _| pulse.promise = promise);
    }

    /// A table was looked at before the start.
    pub fn proved(&self, connector: &str, table: &TableName, proof: &Proof) {
        self.with(connector, |pulse, now| {
            if pulse.proofs.len() >= PROOFS_MAX {
                pulse.proofs.pop_first();
            }
            pulse.proofs.insert(table.to_string(), (now, proof.clone()));
        });
    }

    /// The connector or one of its tasks failed.
    pub fn failed(&self, connector: &str, of: String, why: String) {
        self.with(connector, |pulse, now| {
            // A thing that is tried again and again is one mishap.
            pulse.mishaps.retain(|(_, other, same)| (other, same) != (&of, &why));
            pulse.mishaps.push_front((now, of, why));
            pulse.mishaps.truncate(MISHAPS_MAX);
        });
    }

    /// A recorded batch is on its way to the table, or is taken up again; a batch that was known is not younger.
    pub fn opened(&self, connector: &str, task: &str, topic: &TopicName, batch: &Batch) {
        self.with(connector, |pulse, since| {
            pulse.lanes.entry(topic.clone()).or_default().table = Some(batch.table.name.clone());
            let lane = (task.to_owned(), topic.clone());
            if pulse.open.get(&lane).is_none_or(|known| known.id != batch.id) {
                let (ranges, rows) = (batch.ranges_text(), batch.rows());
                pulse.open.insert(lane, Open { id: batch.id, ranges, rows, since });
            }
        });
    }

    /// The batch is settled.
    pub fn closed(&self, connector: &str, task: &str, topic: &TopicName, batch: BatchId) {
        self.with(connector, |pulse, _| {
            let lane = (task.to_owned(), topic.clone());
            if pulse.open.get(&lane).is_some_and(|known| known.id == batch) {
                pulse.open.remove(&lane);
            }
        });
    }

    /// The task's claim has ended; what it had open is the next owner's.
    pub fn let_go(&self, connector: &str, task: &str) {
        self.with(connector, |pulse, _| pulse.open.retain(|(other, _), _| other != task));
    }

    /// Rows landed. `last`: no piece of their batch is left.
    pub fn landed(&self, connector: &str, topic: &TopicName, rows: u64, last: bool) {
        self.with_lane(connector, topic, |lane, second| {
            lane.rows += rows;
            lane.batches += u64::from(last);
            lane.recent.at(second).rows += rows;
        });
    }

    /// An attempt was answered.
    pub fn inserted(&self, connector: &str, topic: &TopicName, took: Duration, accepted: bool) {
        self.with_lane(connector, topic, |lane, second| {
            lane.attempts_failed += u64::from(!accepted);
            let now = lane.recent.at(second);
            now.inserts += 1;
            now.took += took;
        });
    }

    /// A record did not become a row. `kept`: as a dead letter.
    pub fn left_out(&self, connector: &str, topic: &TopicName, kept: bool) {
        self.with_lane(connector, topic, |lane, _| {
            let counter = if kept { &mut lane.dead_letters } else { &mut lane.dropped };
            *counter += 1;
        });
    }

    /// The connector's run has ended: what is said of its present is no longer true.
    pub fn forget(&self, connector: &str) {
        if let Some(pulse) = self.lock().get_mut(connector) {
            pulse.promise = Promise::NotKnown;
            pulse.open.clear();
            pulse.lanes.values_mut().for_each(|lane| lane.recent = Recent::default());
        }
    }

    /// The connector is no more.
    pub fn remove(&self, connector: &str) {
        self.lock().remove(connector);
    }

    /// All that is known of a connector. `lags`: records behind the log's end, by topic.
    pub fn figures(&self, connector: &str, lags: &BTreeMap<TopicName, i64>) -> Figures {
        let second = self.began.elapsed().as_secs();
        let all = self.lock();
        let Some(pulse) = all.get(connector) else { return Figures::default() };
        let untouched = Lane::default();
        // A topic of which nothing was taken may have a lag all the same.
        let topics: BTreeSet<&TopicName> = pulse.lanes.keys().chain(lags.keys()).collect();
        let lane = |topic: &TopicName| {
            let lane = pulse.lanes.get(topic).unwrap_or(&untouched);
            let (rows_per_second, insert_seconds) = lane.recent.rates(second);
            LaneFigures {
                topic: topic.to_string(),
                table: lane.table.clone(),
                lag_records: lags.get(topic).copied(),
                rows_per_second,
                rows: lane.rows,
                batches: lane.batches,
                insert_seconds,
                attempts_failed: lane.attempts_failed,
                dead_letters: lane.dead_letters,
                dropped: lane.dropped,
            }
        };
        let open = |((task, topic), open): (&(String, TopicName), &Open)| OpenBatch {
            task: task.clone(),
            topic: topic.to_string(),
            batch: open.id.to_string(),
            ranges: open.ranges.clone(),
            rows: open.rows,
            age: open.since.elapsed(),
        };
        let proof = |(table, (when, proof)): (&String, &(Instant, Proof))| TableProof {
            table: table.clone(),
            age: when.elapsed(),
            failed: proof.failed.iter().map(ToString::to_string).collect(),
            warnings: proof.warnings.clone(),
        };
        let mishap = |(when, of, why): &(Instant, String, String)| Mishap {
            age: when.elapsed(),
            of: of.clone(),
            why: why.clone(),
        };
        Figures {
            promise: pulse.promise,
            lanes: topics.into_iter().map(lane).collect(),
            open: pulse.open.iter().map(open).collect(),
            proofs: pulse.proofs.iter().map(proof).collect(),
            mishaps: pulse.mishaps.iter().map(mishap).collect(),
        }
    }
}

/// What was done in each of the last seconds, oldest first; seconds in which nothing was are not there.
#[derive(Debug, Default)]
struct Recent(VecDeque<Second>);

#[derive(Debug, Default)]
struct Second {
    number: u64,
    rows: u64,
    inserts: u32,
    took: Duration,
}

impl Recent {
    /// This second; those before the window are forgotten.
    fn at(&mut self, number: u64) -> &mut Second {
        if self.0.back().is_none_or(|last| last.number < number) {
            self.0.push_back(Second { number, ..Second::default() });
        }
        while self.0.front().is_some_and(|first| first.number + WINDOW_SECONDS < number) {
            self.0.pop_front();
        }
        self.0.back_mut().expect("one was pushed if there was none")
    }

    /// Rows per second over the whole seconds of the window, and an insert's average time.
    fn rates(&self, now: u64) -> (f64, Option<f64>) {
        let window = now.saturating_sub(WINDOW_SECONDS)..now;
        let seconds = || self.0.iter().filter(|second| window.contains(&second.number));
        let rows: u64 = seconds().map(|second| second.rows).sum();
        let inserts: u32 = seconds().map(|second| second.inserts).sum();
        let took: Duration = seconds().map(|second| second.took).sum();
        let length = (window.end - window.start).max(1);
        (rows as f64 / length as f64, (inserts > 0).then(|| took.as_secs_f64() / f64::from(inserts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_whole_seconds() {
        let mut recent = Recent::default();
        for second in 0..100 {
            let now = recent.at(second);
            now.rows += 10;
            now.inserts += 1;
            now.took += Duration::from_millis(20);
        }
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let (rows, took) = recent.rates(99);
        assert!(near(rows, 10.0) && near(took.unwrap(), 0.02));
        assert!(recent.0.len() as u64 <= WINDOW_SECONDS + 1);
        // It fades, and is gone.
        assert!(near(recent.rates(115).0, 5.0));
        let (rows, took) = recent.rates(200);
        assert!(near(rows, 0.0) && took.is_none());
        assert!(near(Recent::default().rates(0).0, 0.0));
    }

    #[test]
    fn what_is_present_ends_with_the_run_and_counters_stay() {
        let pulses = Pulses::default();
        let topic = TopicName::new("t");
        pulses.began("c");
        pulses.promised("c", true);
        pulses.landed("c", &topic, 7, true);
        pulses.left_out("c", &topic, true);
        for again in 0..20 {
            pulses.failed("c", "task 0".to_owned(), format!("X-{}", again % 12));
        }
        let figures = pulses.figures("c", &[(topic.clone(), 3)].into());
        assert_eq!(figures.promise, Promise::ExactlyOnce);
        assert_eq!(figures.mishaps.len(), MISHAPS_MAX);
        assert_eq!(figures.mishaps[0].why, "X-7");
        let lane = &figures.lanes[0];
        assert_eq!((lane.rows, lane.batches, lane.dead_letters, lane.lag_records), (7, 1, 1, Some(3)));
        pulses.forget("c");
        let figures = pulses.figures("c", &BTreeMap::new());
        assert_eq!((figures.promise, figures.lanes[0].rows), (Promise::NotKnown, 7));
    }

    #[test]
    fn what_is_said_last_of_a_deleted_connector_does_not_bring_it_back() {
        let pulses = Pulses::default();
        let topic = TopicName::new("t");
        let speak = || {
            let table = TableName { database: "d".to_owned(), table: "t".to_owned() };
            let batch = crate::task::test_batch(1, BTreeMap::new());
            pulses.promised("c", true);
            pulses.proved("c", &table, &Proof::default());
            pulses.failed("c", "task 0".to_owned(), "X-1".to_owned());
            pulses.opened("c", "c-0", &topic, &batch);
            pulses.landed("c", &topic, 7, true);
            pulses.inserted("c", &topic, Duration::ZERO, true);
            pulses.left_out("c", &topic, true);
            pulses.forget("c");
        };
        let is_known = || pulses.lock().contains_key("c");
        speak();
        assert!(!is_known());
        pulses.began("c");
        speak();
        assert_eq!(pulses.figures("c", &BTreeMap::new()).lanes[0].rows, 7);
        pulses.remove("c");
        speak();
        assert!(!is_known());
    }

    #[test]
    fn a_batch_is_open_until_it_is_settled_or_let_go() {
        let pulses = Pulses::default();
        let topic = TopicName::new("t");
        let batch = |id| crate::task::test_batch(id, BTreeMap::new());
        let open = || pulses.figures("c", &BTreeMap::new()).open.len();
        pulses.opened("c", "c-0", &topic, &batch(1));
        assert_eq!(open(), 0, "it has never begun, or was deleted");
        pulses.began("c");
        pulses.opened("c", "c-0", &topic, &batch(1));
        pulses.opened("c", "c-1", &topic, &batch(2));
        assert_eq!(open(), 2);
        pulses.closed("c", "c-0", &topic, BatchId(9));
        assert_eq!(open(), 2);
        pulses.closed("c", "c-0", &topic, BatchId(1));
        pulses.let_go("c", "c-1");
        assert_eq!(open(), 0);
    }
}
