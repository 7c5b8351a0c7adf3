//! The hands of a lane: takes records from its queue, decodes them into the open block, and keeps
//! the blocks of its batches until they have landed.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pumphouse_conduct::{EarlySeal, Pace, Turn};
use pumphouse_decode::{Decoder, SchemaError, Undecoded};
use pumphouse_delivery::{Task, TaskOptions};
use pumphouse_kafka::{LaneQueue, MessageBatch, RecordView};
use pumphouse_types::{
    BatchId, ConfigVersion, Millis, Offset, Partition, SchemaId, TopicName, TopicPartition,
};
use tokio::task::AbortHandle;

use super::block::{Block, ReadRows, RowOffsets};
use super::encoder::Encoder;
use super::failure::Failure;
use super::letters::Letters;
use super::memory::{Room, Share, of_columns};
use super::open_block::OpenBlock;
use super::recipe::Recipe;
use super::schemas::Fetched;
use super::spare::Spare;
use super::waiting::Waiting;

/// Messages of one call: some milliseconds of decoding, after which other work is looked at.
const MESSAGES_PER_CALL: usize = 5_000;

/// Messages in the hands of all lanes together: each takes a few hundred bytes beside its data.
const MESSAGES_IN_HAND: usize = 20_000;

/// Records that are told to the protocol at once.
const RECORDS_PER_RUN: usize = 1_000;

/// How often positions are told to the protocol while the queue is dry.
const POSITIONS_MS: u64 = 50;

/// Column data that is worth an insert by itself, however small the limits of a block are.
const WORTH_BYTES: u64 = 8 << 20;

/// Above every limit of a block's bytes, and far from where sums of them overflow.
const FULL: u64 = 1 << 60;

/// Where a lane ends, for a task that takes no more than what was there; other partitions have nothing.
pub(crate) type Ends = BTreeMap<Partition, Offset>;

/// One lane of this task.
pub(super) struct LaneShell {
    topic: TopicName,
    pub(super) letters: Letters,
    leaves_out: bool,
    ends: Option<Ends>,
    queue: LaneQueue,
    in_hand: MessageBatch,
    /// How many of `in_hand` are done with.
    done: usize,
    decoder: Option<Decoder>,
    /// Nothing is taken until it has come.
    needs: Option<SchemaId>,
    /// What fills the open block.
    running: Option<Arc<Recipe>>,
    /// What the table asks for now; the next claim fills for it (R15).
    newest: Option<Arc<Recipe>>,
    /// For another table, whose batch is open (R15).
    elsewhere: Option<Arc<Recipe>>,
    open: OpenBlock,
    early: EarlySeal,
    turn: Turn,
    spare: Spare,
    share: Share,
    blocks: HashMap<BatchId, Held>,
    offsets: Vec<Offset>,
    told_positions_at: Millis,
    waiting: Waiting,
    is_alone: bool,
    /// The attempt under way; it ends with the lane.
    attempt: Option<AbortHandle>,
    /// Questions under way; they end with the lane, since nobody would hear their answers.
    questions: Vec<AbortHandle>,
    /// A look at what has landed.
    audit: Option<AbortHandle>,
    /// Set when the lane ends, for jobs that cannot be aborted.
    ended: Arc<AtomicBool>,
    pub(super) pace: Pace,
}

/// What is kept of a batch until it is settled.
enum Held {
    /// As it was filled.
    Sealed(Block),
    /// As it was read again: whole, or a part of its rows, encoded as they were last asked for.
    Read { rows: Arc<ReadRows>, encoded: Option<(Option<RowOffsets>, Block)> },
}

impl Held {
    fn held_bytes(&self) -> u64 {
        match self {
            Held::Sealed(block) => block.held_bytes(),
            Held::Read { rows, .. } => rows.held_bytes(),
        }
    }
}

impl Drop for LaneShell {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.attempt.iter().chain(&self.questions).chain(&self.audit).for_each(AbortHandle::abort);
    }
}

/// What one turn of taking records came to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Taken {
    /// Records that became rows, or were left out.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// The queue had nothing, and nothing is in hand: positions are to be believed.
    pub ran_dry: bool,
    /// The next record cannot be read without this schema: nothing more is taken before
    /// [`LaneShell::schema_came`].
    pub needs: Option<SchemaId>,
}

impl LaneShell {
    /// `leaves_out`: bad records are left out, in place of a failure; `ends`: where it ends, if anywhere; `limits`: of
    /// its batches; `share`: of the connector's memory; `lanes`: of this task, which have records in hand as well.
    pub(super) fn new(
        queue: LaneQueue,
        letters: Letters,
        leaves_out: bool,
        ends: Option<Ends>,
        limits: &TaskOptions,
        task_number: u32,
        (share, lanes): (Share, usize),
    ) -> LaneShell {
        let linger_ms = limits.batch_linger_ms;
        LaneShell {
            topic: queue.topic().clone(),
            letters,
            leaves_out,
            ends,
            queue,
            in_hand: MessageBatch::with_capacity(MESSAGES_PER_CALL.min(MESSAGES_IN_HAND / lanes.max(1))),
            done: 0,
            decoder: None,
            needs: None,
            running: None,
            newest: None,
            elsewhere: None,
            open: OpenBlock::default(),
            early: EarlySeal::new(linger_ms, task_number),
            turn: Turn::new(linger_ms),
            spare: Spare::default(),
            share,
            blocks: HashMap::new(),
            offsets: Vec::with_capacity(RECORDS_PER_RUN),
            told_positions_at: Millis::default(),
            waiting: Waiting::new(linger_ms),
            is_alone: lanes < 2,
            attempt: None,
            questions: Vec::new(),
            audit: None,
            ended: Arc::default(),
            pace: Pace::new(limits.deadline_ms),
        }
    }

    /// A table as it is now; `is_home`: the one that the topic goes to. The first recipe for that one fills
    /// blocks until the next claim.
    pub(super) fn set_recipe(&mut self, recipe: &Arc<Recipe>, is_home: bool) {
        if !is_home {
            self.elsewhere = Some(Arc::clone(recipe));
            return;
        }
        self.newest = Some(Arc::clone(recipe));
        if self.running.is_none() {
            self.running = Some(Arc::clone(recipe));
            self.decoder = Some(recipe.decoder());
        }
    }

    /// The recipe of a version, if this claim has seen it.
    pub(super) fn recipe(&self, version: ConfigVersion) -> Option<&Arc<Recipe>> {
        [&self.running, &self.newest, &self.elsewhere]
            .into_iter()
            .flatten()
            .find(|recipe| recipe.version == version)
    }

    /// True from the moment that the lane ends.
    pub(super) fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }

    /// What was taken from the queue but is not in the open block comes again.
    pub(super) fn drop_in_hand(&mut self) {
        self.in_hand.clear();
        self.done = 0;
    }

    /// Takes one run of records of one partition. To be called again until nothing is taken; the
    /// protocol's actions are performed in between, since the open block may have been sealed.
    /// `filling`: other lanes of this task that are behind and fill a block.
    /// Errors: a record that cannot become a row; what came before it is in the block.
    pub(super) fn take_run(
        &mut self,
        task: &mut Task,
        now: Millis,
        encoder: &Encoder,
        filling: usize,
    ) -> Result<Taken, Failure> {
        if self.decoder.is_none() || self.needs.is_some() || !task.takes_any(&self.topic) {
            return Ok(Taken::default());
        }
        if self.is_enough(task, now) {
            task.seal_early(&self.topic, now);
            return Ok(Taken::default());
        }
        match self.room() {
            Room::Free => {}
            Room::Wait => return Ok(Taken::default()),
            Room::Seal => {
                task.seal_early(&self.topic, now);
                return Ok(Taken::default());
            }
        }
        if !self.is_in_turn(now) && !self.begins(task, now, filling) {
            return Ok(Taken::default());
        }
        if self.done >= self.in_hand.len() {
            self.done = 0;
            let count = self.queue.consume_batch(Duration::ZERO, &mut self.in_hand)?;
            if count == 0 {
                // Alone in its task, a lane does not wait for its turn: what is still to come is on its way, or cannot be read
                // yet.
                let comes_more = self.waiting.records() > 0 && !self.is_alone;
                if task.is_idle(&self.topic) && self.early.is_due(now, || comes_more) {
                    task.seal_early(&self.topic, now);
                }
                return Ok(Taken { ran_dry: true, ..Taken::default() });
            }
            if !self.is_in_turn(now) && !self.begins(task, now, filling) {
                return Ok(Taken::default());
            }
        }
        self.turn.took(now);
        let taken = self.decode_run(task, now, encoder)?;
        if taken.records > 0 {
            self.early.took(now);
        }
        self.needs = taken.needs;
        Ok(taken)
    }

    /// Tells the connector's memory what this lane holds now: blocks come to be encoded, and land, while nothing is
    /// taken.
    pub(super) fn account(&mut self) {
        self.spare.bound(self.share.unpacked_max(self.is_behind()));
        let spare_bytes = of_columns(self.spare.bytes());
        self.share.holds(self.bytes() + spare_bytes);
        // Spare segments are given back before anybody waits, also by a lane that takes nothing now.
        if spare_bytes > 0 && self.share.is_tight() {
            self.spare.clear();
            self.share.holds(self.bytes());
        }
    }

    /// Whether the open block goes as it is, since the server has nothing to do.
    fn is_enough(&mut self, task: &Task, now: Millis) -> bool {
        self.open.bytes() >= WORTH_BYTES
            && task.is_idle(&self.topic)
            && self.early.is_enough(task.percent_full(&self.topic), now)
    }

    /// Whether the open block has something.
    fn is_begun(&self) -> bool {
        self.open.bytes() > 0
    }

    fn is_in_turn(&self, now: Millis) -> bool {
        self.is_begun() || self.turn.is_used(now)
    }

    pub(super) fn is_behind(&self) -> bool {
        self.waiting.is_behind()
    }

    /// Whether it is this lane's turn to fill a block.
    fn begins(&mut self, task: &Task, now: Millis, filling: usize) -> bool {
        if self.is_alone {
            return true;
        }
        self.count_before_turn(task, now);
        let was_held = self.turn.held_since().is_some();
        let comes = self.turn.has_come(self.waiting.records(), filling, now);
        if comes && was_held {
            self.waiting.begin_anew();
        }
        if !comes {
            self.spare.clear();
            if self.done >= self.in_hand.len() {
                self.drop_in_hand();
            }
        }
        comes
    }

    /// Whether this lane fills a block and has much more to take.
    pub(super) fn is_filling(&self, task: &mut Task, now: Millis) -> bool {
        self.turn.is_used(now) && self.is_behind() && self.needs.is_none() && task.takes_any(&self.topic)
    }

    /// Lanes are asked in this order: those that fill, the first to begin first; then those that are held back, longest first.
    pub(super) fn turn_order(&self, now: Millis) -> (bool, Millis) {
        let since = if self.is_in_turn(now) { self.turn.began_at() } else { self.turn.held_since() };
        (!self.is_in_turn(now), since.unwrap_or(Millis(u64::MAX)))
    }

    /// Whether it leaves its records where they are for now, since a lane that is behind and comes before it has taken some.
    pub(super) fn stands_back(&mut self, task: &Task, now: Millis) -> bool {
        if self.is_alone {
            return false;
        }
        if !self.is_in_turn(now) {
            self.count_before_turn(task, now);
        }
        self.is_behind() && self.turn.stands_back(now)
    }

    /// What waits decides whether a lane without a turn is held back; while it is, nothing is taken, and nothing counted.
    fn count_before_turn(&mut self, task: &Task, now: Millis) {
        // Records that have just come tell how many others wait.
        let has_records = self.done < self.in_hand.len();
        if self.turn.held_since().is_none() && (has_records || self.waiting.is_old(now)) {
            self.count_waiting(task, now);
        }
    }

    /// Whether there is memory for more records.
    fn room(&mut self) -> Room {
        self.account();
        self.share.room(self.open_bytes())
    }

    /// The topic whose records are read: the one that letters are about, where they are taken again.
    pub(super) fn source_topic(&self) -> &TopicName {
        self.running.as_ref().map_or(&self.topic, |recipe| recipe.source_topic(&self.topic))
    }

    /// What [`Taken::needs`] asked for. Errors: why a schema that is there cannot be used; its records are
    /// bad.
    pub(super) fn schema_came(&mut self, id: SchemaId, fetched: &Fetched) -> Result<(), SchemaError> {
        if self.needs == Some(id) {
            self.needs = None;
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        fetched.give(id, decoder)
    }

    fn decode_run(&mut self, task: &mut Task, now: Millis, encoder: &Encoder) -> Result<Taken, Failure> {
        let unpacked_max = self.share.unpacked_max(self.is_behind());
        let LaneShell {
            topic,
            in_hand,
            done,
            decoder,
            open,
            spare,
            offsets,
            letters,
            leaves_out,
            running,
            ends,
            ..
        } = self;
        let decoder = decoder.as_mut().expect("take_run looked");
        let recipe = running.as_ref().expect("the decoder was made for it");
        let mut records = in_hand.iter_from(*done).peekable();
        // Records that this claim does not fill from, or has taken before, are not looked at.
        let (partition, mut expected) = loop {
            let Some(next) = records.peek() else { return Ok(Taken::default()) };
            let record = match next {
                Ok(record) => record,
                Err(error) => return Err(Failure::Kafka(error.clone())),
            };
            match task.expected(topic, record.partition()) {
                Some(expected) if record.offset() >= expected && is_before(ends.as_ref(), record) => {
                    break (record.partition(), expected);
                }
                Some(_) | None => {
                    records.next();
                    *done += 1;
                }
            }
        };
        if !task.takes(topic, partition) {
            return Ok(Taken::default());
        }
        let new = || decoder.plan().new_segment();
        let segment = open.segment(partition, unpacked_max, (encoder, spare), new);
        let bytes_before = segment.bytes() as u64;
        let rows_max = task.rows_left(topic).min(RECORDS_PER_RUN as u64);
        let (mut taken, mut failed) = (Taken::default(), None);
        offsets.clear();
        while taken.records < rows_max {
            match records.peek() {
                Some(Ok(record)) if record.partition() == partition && is_before(ends.as_ref(), record) => {
                    if record.offset() < expected {
                        records.next();
                        *done += 1;
                        continue;
                    }
                    let offset = record.offset();
                    match recipe.decode(decoder, segment, topic, record) {
                        Some(Ok(())) => {
                            offsets.push(offset);
                            taken.records += 1;
                            taken.bytes += record.value().map_or(0, <[u8]>::len) as u64;
                        }
                        Some(Err(why)) => {
                            failed = Some((*record, why));
                            break;
                        }
                        // As a gap: whatever is told next lies behind it.
                        None => {}
                    }
                    expected = offset.next();
                    records.next();
                    *done += 1;
                }
                Some(_) | None => break,
            }
        }
        let grown = segment.bytes() as u64 - bytes_before;
        open.grew((partition, grown), unpacked_max, (encoder, spare));
        let block_bytes = open.bytes() + letters.open_bytes(FULL);
        if !offsets.is_empty() {
            task.filled(topic, partition, offsets, block_bytes, now);
        }
        match failed {
            None => {}
            Some((_, Undecoded::NeedsSchema(id))) => taken.needs = Some(id),
            // Telling of the rows before it may have sealed the block: it comes first in the next run.
            Some(_) if *leaves_out && !offsets.is_empty() => {}
            Some((record, Undecoded::Refused(why))) if *leaves_out => {
                letters.undecodable(&record, &why);
                let block_bytes = open.bytes() + letters.open_bytes(FULL);
                task.left_out(topic, partition, record.offset(), block_bytes, now);
                taken.records += 1;
                taken.bytes += record.value().map_or(0, <[u8]>::len) as u64;
                *done += 1;
            }
            Some((record, Undecoded::Refused(source))) => {
                let (topic_partition, offset) =
                    (TopicPartition { topic: topic.clone(), partition }, record.offset());
                return Err(Failure::Decode { topic_partition, offset, source });
            }
        }
        Ok(taken)
    }

    /// Tells the protocol how far each partition has come, trailing markers included. Only right when
    /// the queue ran dry.
    pub(super) fn tell_positions(&mut self, task: &mut Task, assigned: &[TopicPartition], now: Millis) {
        if now.since(self.told_positions_at) < POSITIONS_MS {
            return;
        }
        self.told_positions_at = now;
        for tp in assigned.iter().filter(|tp| tp.topic == self.topic) {
            if let Some(reached) = self.queue.position(tp.partition) {
                // What lies behind the end was dropped, not taken.
                let end = self.ends.as_ref().map(|ends| end_of(ends, tp.partition));
                let position = end.map_or(reached, |end| end.min(reached));
                task.positioned(&self.topic, tp.partition, position, now);
            }
        }
    }

    /// Tells the protocol how much is still to come.
    pub(super) fn tell_waiting(&mut self, task: &mut Task, now: Millis) {
        if self.is_begun() && self.waiting.is_old(now) {
            self.count_waiting(task, now);
            task.waits(&self.topic, self.waiting.records());
        }
    }

    fn count_waiting(&mut self, task: &Task, now: Millis) {
        let (queue, ends) = (&self.queue, &self.ends);
        let known_end = |partition| {
            let end = queue.known_end(partition)?;
            Some(ends.as_ref().map_or(end, |ends| end.min(end_of(ends, partition))))
        };
        self.waiting.count(task.positions_of(&self.topic), known_end, now);
    }

    /// Closes the open block: it belongs to `batch` now.
    pub(super) fn seal(&mut self, batch: BatchId, now: Millis, encoder: &Encoder) {
        let recipe = Arc::clone(self.running.as_ref().expect("records were decoded with it"));
        self.letters.sealed();
        self.early.sealed(now);
        self.turn.ended();
        let block = Block::close(&mut self.open, encoder, recipe, &self.spare);
        self.blocks.insert(batch, Held::Sealed(block));
    }

    /// Rows that were read again from the source.
    pub(super) fn keep(&mut self, batch: BatchId, rows: Arc<ReadRows>) {
        self.blocks.insert(batch, Held::Read { rows, encoded: None });
    }

    /// The batch's block, or one of these rows of it; the same bytes for the same rows (R2). `None`: it
    /// is not kept, or not so that it could be cut.
    pub(super) fn block(
        &mut self,
        batch: BatchId,
        wanted: Option<&RowOffsets>,
        encoder: &Encoder,
    ) -> Option<Block> {
        match self.blocks.get_mut(&batch)? {
            Held::Sealed(block) => wanted.is_none().then(|| block.clone()),
            Held::Read { rows, encoded } => {
                if let Some((made_of, block)) = encoded
                    && made_of.as_ref() == wanted
                {
                    return Some(block.clone());
                }
                let block = rows.encode(encoder, wanted);
                *encoded = Some((wanted.cloned(), block.clone()));
                Some(block)
            }
        }
    }

    /// A new attempt is under way; the one before it is not waited for any more.
    pub(super) fn sending(&mut self, attempt: AbortHandle) {
        if let Some(before) = self.attempt.replace(attempt) {
            before.abort();
        }
    }

    /// A question is under way.
    pub(super) fn asking(&mut self, question: AbortHandle) {
        self.questions.retain(|question| !question.is_finished());
        self.questions.push(question);
    }

    /// Starts a look at what has landed, unless one is under way: however many batches land, a table is asked
    /// about one of them at a time.
    pub(super) fn audit(&mut self, start: impl FnOnce() -> AbortHandle) {
        if self.audit.as_ref().is_none_or(AbortHandle::is_finished) {
            self.audit = Some(start());
        }
    }

    /// The batch is settled: its rows are not needed any more.
    pub(super) fn release(&mut self, batch: BatchId) {
        self.blocks.remove(&batch);
    }

    /// Memory that the open block takes.
    pub(super) fn open_bytes(&self) -> u64 {
        self.open.held_bytes()
    }

    /// Whether the open block takes as much as the lane may always hold.
    pub(super) fn is_large(&self) -> bool {
        self.open_bytes() >= self.share.fair()
    }

    /// Memory that this lane's records take, as columns, as frames and as they came, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.open_bytes() + self.letters.bytes() + self.blocks.values().map(Held::held_bytes).sum::<u64>()
    }
}

fn end_of(ends: &Ends, partition: Partition) -> Offset {
    ends.get(&partition).copied().unwrap_or(Offset::ZERO)
}

fn is_before(ends: Option<&Ends>, record: &RecordView<'_>) -> bool {
    ends.is_none_or(|ends| record.offset() < end_of(ends, record.partition()))
}
