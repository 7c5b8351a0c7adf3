//! Builds the rows of a recorded batch again: reads exactly its ranges, with a second consumer that
//! belongs to no group (R6, R14), and decodes them as the configuration version in question does (R13,
//! R15). What the source no longer has is left to the protocol (R9).
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_decode::{Decoder, Undecoded};
use pumphouse_delivery::{Batch, ClaimId, Event, RereadRange};
use pumphouse_kafka::{KafkaError, RangeReader, ReadLimits, Remedy, Settings};
use pumphouse_types::{ConfigVersion, OffsetRange, Partition, SchemaId, TopicId, TopicName, TopicPartition};
use tokio::runtime::Handle;
use tracing::warn;

use super::block::{ReadRows, RowOffsets, Segments};
use super::failure::Failure;
use super::mail::{Mail, PanicReport};
use super::recipe::Recipe;
use super::schemas::{SchemaSource, Wanted};
use super::state;

/// The most that a batch can hold, with room to spare; more is another batch than the recorded one.
const READ_BYTES_MAX: u64 = 8 << 30;

/// Nothing comes although the range has not ended.
const READ_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// One question to a broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before the brokers are asked again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Tries before the membership ends and another one looks; the batch stays open in the ledger.
const READS_MAX: u32 = 10;

/// Everything that re-reading one batch takes.
pub(super) struct Reread {
    pub settings: Settings,
    pub group: String,
    pub connector: String,
    pub state_topic: TopicName,
    pub claim: ClaimId,
    pub topic: TopicName,
    pub batch: Batch,
    pub version: ConfigVersion,
    /// Where schemas are, if the connector has a registry.
    pub schemas: Option<SchemaSource>,
    /// `None`: it is looked for in the state topic.
    pub recipe: Option<Arc<Recipe>>,
    /// Whether records that cannot become rows are counted, in place of a failure.
    pub leaves_out: bool,
    /// Set when nobody waits any more.
    pub ended: Arc<AtomicBool>,
}

type Found = BTreeMap<Partition, RereadRange>;

/// What was read, and the identity of the topic afterwards.
type Read = (ReadRows, Found, Option<TopicId>);

impl Reread {
    /// Runs on a blocking thread; answers by mail.
    pub(super) fn start(self, runtime: &Handle, mail: Sender<Mail>) {
        let jobs = runtime.clone();
        runtime.spawn_blocking(move || {
            let _report = PanicReport::new(&mail, Some(self.claim), "reading a batch again");
            let letter = match self.run(&jobs, &mail) {
                Ok(Some((rows, ranges, topic_id))) => {
                    let (claim, topic, batch) = (self.claim, self.topic.clone(), self.batch.id);
                    let event = Event::Reread { claim, topic, batch, ranges, topic_id };
                    Mail::Reread { event, batch, rows: Arc::new(rows) }
                }
                Ok(None) => return,
                Err(failure) => {
                    self.other_topic().unwrap_or(Mail::Failed { claim: Some(self.claim), failure })
                }
            };
            // The task has ended: nobody needs the rows.
            let _ = mail.send(letter);
        });
    }

    /// `None`: nobody waits any more.
    fn run(&self, jobs: &Handle, mail: &Sender<Mail>) -> Result<Option<Read>, Failure> {
        let mut tries = 0;
        while !self.ended.load(Ordering::Relaxed) {
            tries += 1;
            match self.read(jobs, mail) {
                Err(Failure::Kafka(error)) if is_worth_another(&error) && tries < READS_MAX => {
                    warn!(%error, batch = %self.batch.id, "a batch is being read again");
                    std::thread::sleep(READ_AGAIN);
                }
                answer => return answer.map(Some),
            }
        }
        Ok(None)
    }

    fn read(&self, jobs: &Handle, mail: &Sender<Mail>) -> Result<Read, Failure> {
        let mut reader = RangeReader::open(&self.settings, &self.group)?;
        let recipe = match &self.recipe {
            Some(recipe) => Arc::clone(recipe),
            None => Arc::new(self.recorded_recipe(&mut reader)?),
        };
        let ranges = self.ranges_left(&reader)?;
        let limits = ReadLimits {
            records_max: self.records_max(&recipe),
            bytes_max: READ_BYTES_MAX,
            idle_timeout: READ_IDLE_TIMEOUT,
        };
        let mut decoder = recipe.decoder();
        let (mut segments, mut offsets, mut left_out) = (Segments::new(), RowOffsets::new(), BTreeMap::new());
        let mut failed = None;
        reader.read(&self.topic, &ranges, limits, |record| {
            if failed.is_some() || self.ended.load(Ordering::Relaxed) {
                return;
            }
            let (partition, offset) = (record.partition(), record.offset());
            let segment = segments.entry(partition).or_insert_with(|| recipe.plan.new_segment());
            let decoded = loop {
                let Some(decoded) = recipe.decode(&mut decoder, segment, &self.topic, record) else { return };
                match decoded {
                    Ok(()) => break Ok(()),
                    Err(Undecoded::Refused(why)) => break Err(why),
                    // Nothing else is waiting on this thread.
                    Err(Undecoded::NeedsSchema(id)) => {
                        match self.fetch(id, &recipe, &mut decoder, jobs, mail) {
                            Ok(true) => {}
                            Ok(false) => return,
                            Err(failure) => {
                                failed = Some(failure);
                                return;
                            }
                        }
                    }
                }
            };
            match decoded {
                Ok(()) => offsets.entry(partition).or_insert_with(Vec::new).push(offset),
                // Recorded so, its dead letter stands already (R4).
                Err(_) if self.counts_left_out(partition) => *left_out.entry(partition).or_insert(0) += 1,
                Err(source) => {
                    let topic_partition = TopicPartition { topic: self.topic.clone(), partition };
                    failed = Some(Failure::Decode { topic_partition, offset, source });
                }
            }
        })?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        let mut found = Found::new();
        for (partition, offsets) in &offsets {
            found.insert(*partition, RereadRange { offsets: offsets.clone(), left_out: 0 });
        }
        for (partition, left_out) in left_out {
            let range = found.entry(partition).or_insert(RereadRange { offsets: Vec::new(), left_out: 0 });
            range.left_out = left_out;
        }
        // R15: last of all, which topic that was.
        let topic_id = reader.topic_id(&self.topic, ASK_TIMEOUT)?;
        Ok((ReadRows { recipe, segments, offsets }, found, topic_id))
    }

    /// R15: whatever went wrong, it did so in another topic than the batch's, which nobody reads for it; or in none.
    fn other_topic(&self) -> Option<Mail> {
        let reader = RangeReader::open(&self.settings, &self.group).ok()?;
        let topic_id = reader.topic_id(&self.topic, ASK_TIMEOUT).ok()?;
        let (claim, topic, batch) = (self.claim, self.topic.clone(), self.batch.id);
        let event = Event::Reread { claim, topic, batch, ranges: Found::new(), topic_id };
        (topic_id != Some(self.batch.topic_id)).then_some(Mail::Event(event))
    }

    /// Gives the decoder what it lacks. False: nobody waits any more.
    fn fetch(
        &self,
        id: SchemaId,
        recipe: &Recipe,
        decoder: &mut Decoder,
        jobs: &Handle,
        mail: &Sender<Mail>,
    ) -> Result<bool, Failure> {
        let Some(source) = self.schemas.clone() else {
            let why = "its records name schemas, and the connector names no schema registry";
            return Err(self.lost(why.to_owned()));
        };
        let (topic, mail, ended) = (self.topic.clone(), mail.clone(), Arc::clone(&self.ended));
        let subject = source.subjects.before_schema(recipe.source_topic(&self.topic).as_str());
        let wanted = Wanted { source, subject, claim: self.claim, topic, mail, ended };
        let Some(fetched) = jobs.block_on(wanted.insist(id))? else { return Ok(false) };
        if let Err(error) = fetched.give(id, decoder) {
            warn!(batch = %self.batch.id, %error, "a schema cannot be used; its records are bad");
        }
        Ok(true)
    }

    fn counts_left_out(&self, partition: Partition) -> bool {
        self.leaves_out || self.batch.ranges.get(&partition).is_some_and(|share| share.left_out > 0)
    }

    /// One more than were recorded: more is another batch. Among dead letters lie those of others.
    fn records_max(&self, recipe: &Recipe) -> u64 {
        if recipe.replayed.is_some() {
            return self.batch.ranges.values().map(|share| share.range.positions()).sum();
        }
        let recorded: u64 = self.batch.ranges.values().map(|share| share.rows + share.left_out).sum();
        recorded.saturating_add(1)
    }

    /// What of the ranges the source still has: retention may have passed their beginning (R9).
    fn ranges_left(&self, reader: &RangeReader) -> Result<Vec<(Partition, OffsetRange)>, Failure> {
        let mut left = Vec::new();
        for (partition, share) in &self.batch.ranges {
            if share.range.is_empty() {
                continue;
            }
            let topic_partition = TopicPartition { topic: self.topic.clone(), partition: *partition };
            let held = reader.watermarks(&topic_partition, ASK_TIMEOUT)?;
            let first = share.range.first().max(held.first());
            if let Some(range) = OffsetRange::new(first, share.range.end())
                && !range.is_empty()
            {
                left.push((*partition, range));
            }
        }
        Ok(left)
    }

    fn recorded_recipe(&self, reader: &mut RangeReader) -> Result<Recipe, Failure> {
        let text = state::config_text(reader, &self.state_topic, &self.connector, self.version)?
            .ok_or_else(|| self.lost("the state topic does not have it".to_owned()))?;
        Recipe::rebuild(self.version, &text).map_err(|why| self.lost(why))
    }

    fn lost(&self, why: String) -> Failure {
        Failure::VersionLost { batch: self.batch.id, version: self.version, why }
    }
}

/// A log that was cut meanwhile is looked at anew, too.
pub(super) fn is_worth_another(error: &KafkaError) -> bool {
    error.remedy() == Remedy::Retry || matches!(error, KafkaError::OffsetOutOfRange { .. })
}
