//! Performs the protocol's actions. Each line here may be the last of the process: what then happens
//! is written in PROTOCOL.md, "Life of a batch".
use std::collections::BTreeMap;
use std::sync::Arc;

use pumphouse_delivery::{Action, Batch, ClaimId, Event, LedgerAnswer, Letter, StoredEntry, WriteId};
use pumphouse_types::{BatchId, ConfigVersion, TopicId, TopicName, TopicPartition};
use tracing::{error, info, warn};

use super::audit::{self, Audit};
use super::block::{ReadRows, RowOffsets};
use super::failure::Failure;
use super::lane_shell::LaneShell;
use super::ledger_thread::Order;
use super::letter_reader::{LetterReader, ReadLetter, Wanted};
use super::letters::{LetterRules, Letters};
use super::marks;
use super::owed;
use super::recipe::Recipe;
use super::report;
use super::reread::Reread;
use super::server_jobs::{self, Attempt, Question};
use super::shell::Shell;
use super::state;
use super::stores::{LedgerWrite, OnlyWhile};
use crate::failpoint::{self, Moment};

/// A configuration version on its way to the state topic, and the event that waits for it.
pub(super) struct Publishing {
    claim: ClaimId,
    version: ConfigVersion,
    event: Event,
}

/// One ledger write.
pub(super) struct Write {
    claim: ClaimId,
    write: WriteId,
    entries: BTreeMap<TopicPartition, StoredEntry>,
    letters: Vec<(TopicName, Letter)>,
    at_rest: bool,
    only_while: Option<(TopicName, TopicId)>,
}

impl Shell<'_> {
    /// Performs everything that is asked for, until nothing is.
    pub(super) fn perform(&mut self) {
        loop {
            let actions = self.task.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.perform_one(action);
            }
        }
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Claim { .. } | Action::ReadEntries { .. } | Action::AskStartOffsets { .. } => {
                self.ask(action);
            }
            Action::Inspect { claim, topic, table } => self.inspect(claim, topic, table.as_deref()),
            Action::Fetch { positions } => {
                for lane in self.lanes.values_mut() {
                    lane.drop_in_hand();
                }
                if let Err(error) = self.consumer.fetch(&positions) {
                    self.kafka_trouble(error);
                }
            }
            Action::Seal { topic, batch } => {
                let now = self.now();
                if let Some(lane) = self.lanes.get_mut(&topic) {
                    lane.seal(batch, now, &self.encoder);
                }
                failpoint::reach(Moment::AfterSeal);
            }
            Action::Identify { claim, topic, batch } => self.identify(claim, topic, batch),
            Action::Record { claim, write, entries, letters, at_rest, only_while } => {
                self.record(Write { claim, write, entries, letters, at_rest, only_while });
            }
            Action::Foresee { claim: _, entries } => self.stage(entries),
            Action::Reread { claim, topic, batch, config_version } => {
                self.reread(claim, topic, batch, config_version);
            }
            Action::Settle { claim, topic, batch, table, after } => {
                let (mail, lane, of) = (self.mail.clone(), topic.clone(), (batch, table.as_str()));
                let job = server_jobs::settle(self.cx, mail, claim, lane, of, after);
                self.with_lane(&topic, |lane| lane.asking(job));
            }
            Action::Evidence { claim, topic, batch, ranges, rows, after } => {
                let question = Question { claim, topic: topic.clone(), batch, ranges, rows, after };
                let job = server_jobs::evidence(self.cx, self.mail.clone(), question);
                self.with_lane(&topic, |lane| lane.asking(job));
            }
            Action::Insert { claim, topic, batch, attempt, rows } => {
                self.insert(claim, topic, batch, attempt, rows.as_ref());
            }
            Action::Confirm { claim, topic, batch, table } => {
                let of = (batch, table.as_str());
                let job = server_jobs::confirm(self.cx, self.mail.clone(), claim, topic.clone(), of);
                self.with_lane(&topic, |lane| lane.asking(job));
            }
            Action::Landed { topic, batch, rows } => {
                self.cx.meters.landed(&topic, rows, batch.piece_end.is_none());
                let cx = self.cx;
                // Rows of dead letters have the places of their records, not of the batch.
                let audit = Audit::of(&topic, &batch, rows);
                let table = server_jobs::table_of(cx, &topic, &batch);
                if let Some(audit) = audit.filter(|_| cx.recipe_source.replayed.is_none()) {
                    self.with_lane(&topic, |lane| lane.audit(|| audit::start(cx, audit, table)));
                }
            }
            Action::Release { topic, batch } => {
                self.cx.pulses().closed(&self.cx.connector, &self.cx.task_id, &topic, batch);
                self.with_lane(&topic, |lane| lane.release(batch));
            }
            Action::Report { topic, batch, verdict } => report::report(self.cx, &topic, batch, &verdict),
            Action::WarnTopicGone { topic, partition } => {
                warn!(task = %self.cx.task_id, %topic, %partition,
                    "an entry of a topic that was deleted is dropped; the new topic starts its own (R15)");
            }
            Action::WarnTopicReborn { topic } => {
                self.cx.meters.ruled("R15");
                warn!(task = %self.cx.task_id, rule = "R15", %topic,
                    "the topic was created again; a new membership reads it (R15)");
            }
            Action::WarnWindow { topic, table, blocks_per_minute, window_blocks, needed_blocks } => {
                self.cx.meters.ruled("R12");
                warn!(task = %self.cx.task_id, rule = "R12", %topic, table, blocks_per_minute, window_blocks,
                    needed_blocks,
                    "R12: at the measured rate of blocks the table may forget a token while its batch is open; what is \
                     not proven is looked for (R7); widen its deduplication window (PROOF-005)");
            }
            Action::GiveUp => self.give_up(),
            Action::EndMembership => {
                self.drop_lanes();
                self.rejoin();
            }
            Action::Fail(reason) => {
                error!(task = %self.cx.task_id, %reason, "the task stops");
                self.fail(Failure::from(reason));
            }
            Action::Leave => {
                let has_lanes = !self.lanes.is_empty();
                self.drop_lanes();
                self.member.left(has_lanes);
            }
        }
    }

    fn with_lane(&mut self, topic: &TopicName, act: impl FnOnce(&mut LaneShell)) {
        if let Some(lane) = self.lanes.get_mut(topic) {
            act(lane);
        }
    }

    /// R16: what is taken from now on is marked by the first write of the claim that names it.
    fn record(&mut self, write: Write) {
        if !write.letters.is_empty() && self.read_letters(&write) {
            self.unread = Some(write);
            return;
        }
        let Write { claim, write, entries, letters, at_rest, only_while } = write;
        let (mut records, mut outgoing) = (Vec::new(), Vec::new());
        for (topic, letter) in &letters {
            // Without its letter the write would pass the record: nothing is written then.
            let Some(lane) = self.lanes.get(topic) else {
                return self.fail(Failure::Thread(format!("the dead letters of {topic} are missing")));
            };
            outgoing.extend(lane.letters.outgoing(self.cx, letter));
        }
        let owes = match self.owes(&letters) {
            Some(owes) if !outgoing.is_empty() => owes,
            Some(_) => String::new(),
            None => return self.fail(Failure::Thread("the topic of dead letters is not known".to_owned())),
        };
        self.letters_going = Some((write, letters));
        if at_rest {
            records.extend(entries.iter().filter_map(|(tp, entry)| {
                Some(marks::at_rest(self.cx, *self.member.topic_ids().get(&tp.topic)?, tp, entry))
            }));
        } else {
            let going = self.unmarked.go_with(write, entries.keys());
            records.extend(going.iter().filter_map(|tp| {
                Some(marks::running(self.cx, *self.member.topic_ids().get(&tp.topic)?, tp))
            }));
        }
        let fence = self.member.fence().cloned();
        let only_while = only_while.map(|(topic, topic_id)| OnlyWhile {
            topic,
            topic_id,
            asker: self.consumer.topic_asker(),
        });
        let of = LedgerWrite { fence, entries, records, letters: outgoing, owes, at_rest, only_while };
        self.order(Order::Record { claim, write, of });
    }

    /// What a ledger that letters cannot join comes to owe by these, which are of one topic. `None`: that is not known.
    fn owes(&self, letters: &[(TopicName, Letter)]) -> Option<String> {
        let Some((topic, _)) = letters.first().filter(|_| self.keeper.is_some()) else {
            return Some(String::new());
        };
        let (topic_id, lane) = (self.member.topic_ids().get(topic)?, self.lanes.get(topic)?);
        let owed = letters
            .iter()
            .map(|(_, letter)| (letter.partition, letter.offset, lane.letters.why(self.cx, letter)));
        Some(owed::text(*topic_id, owed))
    }

    /// R14: has the next write lie ready. One that takes marks along is not foreseen as it will be.
    fn stage(&mut self, entries: BTreeMap<TopicPartition, StoredEntry>) {
        if let Some(fence) = self.member.fence().cloned()
            && !self.unmarked.concerns(entries.keys())
        {
            self.order(Order::Stage { fence, entries });
        }
    }

    /// Starts to read what the write's letters lack. False: they lack nothing.
    fn read_letters(&mut self, write: &Write) -> bool {
        // All letters of a write are of one topic.
        let Some(topic) = write.letters.first().map(|(topic, _)| topic.clone()) else { return false };
        let (Some(lane), Some(topic_id)) = (self.lanes.get(&topic), self.member.topic_ids().get(&topic))
        else {
            return false;
        };
        let letters = write.letters.iter().map(|(_, letter)| letter);
        let wanted: Vec<Letter> = letters.filter(|letter| lane.letters.lacks(letter)).cloned().collect();
        if wanted.is_empty() {
            return false;
        }
        let wanted = Wanted { topic, topic_id: *topic_id, letters: wanted };
        let reader = LetterReader::new(self.cx, lane.ended());
        reader.start(write.claim, wanted, &self.cx.runtime, self.mail.clone());
        true
    }

    /// The write that waited for these records goes on its way.
    pub(super) fn letters_read(&mut self, claim: ClaimId, topic: &TopicName, records: Vec<ReadLetter>) {
        let Some(write) = self.unread.take_if(|write| write.claim == claim) else { return };
        if let Some(lane) = self.lanes.get_mut(topic) {
            records.into_iter().for_each(|(at, record)| lane.letters.refused(at, record));
        }
        self.record(write);
    }

    /// What the ledger has written is logged, counted, and needed no more.
    pub(super) fn letters_answered(&mut self, write: WriteId, answer: &LedgerAnswer) {
        let Some((_, letters)) = self.letters_going.take_if(|(going, _)| *going == write) else { return };
        if *answer != LedgerAnswer::Recorded {
            return;
        }
        let kept = self.cx.letters.as_ref().is_some_and(|rules| rules.topic.is_some());
        for (topic, letter) in &letters {
            if let Some(lane) = self.lanes.get_mut(topic) {
                lane.letters.log(self.cx, letter);
                lane.letters.written(letter);
            }
            self.cx.meters.left_out(topic, letter.refusal.is_some(), kept);
        }
    }

    fn reread(&mut self, claim: ClaimId, topic: TopicName, batch: Batch, version: ConfigVersion) {
        let Some(lane) = self.lanes.get(&topic) else { return };
        self.cx.pulses().opened(&self.cx.connector, &self.cx.task_id, &topic, &batch);
        info!(task = %self.cx.task_id, %topic, batch = %batch.id, ranges = batch.ranges_text(),
            rows = batch.rows(), %version, "an open batch is resolved: its ranges are read again (R6)");
        let reread = Reread {
            settings: self.cx.consumer_settings.clone(),
            group: self.cx.group.clone(),
            connector: self.cx.connector.clone(),
            state_topic: self.cx.state_topic.clone(),
            schemas: self.cx.schemas.clone(),
            recipe: lane.recipe(version).cloned(),
            ended: lane.ended(),
            leaves_out: self.cx.limits.leaves_out,
            claim,
            topic,
            batch,
            version,
        };
        reread.start(&self.cx.runtime, self.mail.clone());
    }

    fn insert(
        &mut self,
        claim: ClaimId,
        topic: TopicName,
        batch: Batch,
        attempt: u32,
        rows: Option<&RowOffsets>,
    ) {
        let Some(lane) = self.lanes.get_mut(&topic) else { return };
        let Some(block) = lane.block(batch.id, rows, &self.encoder) else {
            self.fail(Failure::Thread(format!("the block of batch {} is missing", batch.id)));
            return;
        };
        self.cx.pulses().opened(&self.cx.connector, &self.cx.task_id, &topic, &batch);
        let rows =
            rows.map_or_else(|| batch.rows(), |rows| rows.values().map(|offsets| offsets.len() as u64).sum());
        let pause_ms = lane.pace.pause_ms();
        let attempt = Attempt { claim, topic: topic.clone(), batch, attempt, block, rows, pause_ms };
        let job = server_jobs::insert(self.cx, self.mail.clone(), attempt);
        self.with_lane(&topic, |lane| lane.sending(job));
    }

    fn give_up(&mut self) {
        self.drop_lanes();
        self.member.given_up();
        if let Err(error) = self.consumer.revoked() {
            self.kafka_trouble(error);
        }
        if let Some(event) = self.member.take_back(self.consumer.owned()) {
            self.hear(event);
        }
    }

    /// Whatever belongs to the claim that ended.
    pub(super) fn drop_lanes(&mut self) {
        // A thread that has died is told of by the next write.
        let _ = self.orders.send(Order::Unstage);
        self.cx.pulses().let_go(&self.cx.connector, &self.cx.task_id);
        self.lanes.clear();
        self.nothing_waits();
        self.publishing.clear();
        self.unmarked.clear();
        self.asks.clear();
        self.member.drop_asks();
        self.unread = None;
        self.letters_going = None;
    }

    pub(super) fn order(&mut self, order: Order) {
        if self.orders.send(order).is_err() {
            self.fail(Failure::Thread("the ledger's thread has died".to_owned()));
        }
    }

    fn inspect(&mut self, claim: ClaimId, topic: TopicName, table: Option<&str>) {
        if !self.lanes.contains_key(&topic) {
            let Some(queue) = self.consumer.lane_queue(&topic) else {
                self.fail(Failure::Thread(format!("the queue of {topic} is taken")));
                return;
            };
            let Some(topic_id) = self.member.topic_ids().get(&topic) else {
                self.fail(Failure::Thread(format!("the identity of {topic} is not known")));
                return;
            };
            let keeps = self.cx.letters.as_ref().is_some_and(LetterRules::keeps_records);
            let replayed = self.cx.recipe_source.replayed.clone();
            let letters = Letters::new(topic.clone(), *topic_id, replayed, keeps);
            let leaves_out = self.cx.limits.leaves_out;
            let ends = self.cx.ends.clone();
            let share = self.cx.memory.share();
            let lanes = self.cx.topics.len();
            let lane = LaneShell::new(
                queue,
                letters,
                leaves_out,
                ends,
                &self.cx.limits,
                self.cx.task_number,
                (share, lanes),
            );
            self.lanes.insert(topic.clone(), lane);
        }
        let job = server_jobs::inspect(self.cx, self.mail.clone(), claim, topic.clone(), table);
        self.with_lane(&topic, |lane| lane.asking(job));
    }

    /// R15: a configuration version stands in the state topic before a batch names it.
    pub(super) fn inspected(&mut self, event: Event, recipe: &Arc<Recipe>) {
        let Event::Inspected { claim, topic, config_version, .. } = &event else { return };
        if *claim != self.task.claim() {
            return;
        }
        if let Some(lane) = self.lanes.get_mut(topic) {
            lane.set_recipe(recipe, self.cx.tables[topic] == recipe.table);
        }
        if self.published.contains(config_version) || self.cx.memory_ledger.is_some() {
            self.hear(event);
            return;
        }
        let (claim, version) = (*claim, *config_version);
        let record = state::config_record(&self.cx.state_topic, &self.cx.connector, version, &recipe.text);
        self.publishing.push(Publishing { claim, version, event });
        self.order(Order::Publish { claim, record });
    }

    pub(super) fn published(&mut self, claim: ClaimId) {
        // The ledger's thread answers in the order in which it was asked.
        let Some(at) = self.publishing.iter().position(|publishing| publishing.claim == claim) else {
            return;
        };
        let Publishing { version, event, .. } = self.publishing.remove(at);
        self.published.insert(version);
        self.hear(event);
    }

    pub(super) fn reread_done(&mut self, event: Event, batch: BatchId, rows: Arc<ReadRows>) {
        if let Event::Reread { claim, topic, .. } = &event
            && *claim == self.task.claim()
            && let Some(lane) = self.lanes.get_mut(topic)
        {
            lane.keep(batch, rows);
        }
        self.hear(event);
    }
}
