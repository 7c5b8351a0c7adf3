//! What performs a task's actions: the model's worker. Questions wait in order until a step answers them, an insert
//! sets out at once.
use std::collections::{BTreeMap, VecDeque};

use pumphouse_delivery::promises::Row;
use pumphouse_delivery::{
    Action, ClaimId, Event, Evidence, InsertAnswer, LedgerAnswer, RereadRange, Rule, StoredEntry, Task,
    TaskOptions, WriteId,
};
use pumphouse_types::{BatchId, Offset, Partition, TopicPartition};

use crate::keeper::{Guard, Held};
use crate::world::{CONFIG, Flight, TOPIC_ID, World, offset, place, topic};

/// What the group tells a member.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// The assignment is gone.
    Lost,
    /// A new one, under a generation.
    Assigned { partitions: Vec<Partition>, generation: u64 },
}

impl Notice {
    /// As it tells states apart: only the last generation is told.
    pub fn text(&self) -> String {
        match self {
            Notice::Lost => "lost".to_owned(),
            Notice::Assigned { partitions, .. } => format!("{partitions:?}"),
        }
    }
}

/// A task and what it waits for.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub task: Task,
    pub life: u64,
    /// Not heard yet.
    pub notices: VecDeque<Notice>,
    /// Not answered yet.
    pub asked: VecDeque<Action>,
    /// What the member believes.
    pub generation: u64,
    pub owned: Vec<Partition>,
    pub fences: BTreeMap<ClaimId, u64>,
    /// Of the claim in force, and of its writes, with the ledger in KeeperMap.
    pub held: Option<Held>,
    pub guards: BTreeMap<WriteId, Guard>,
    pub filling: Vec<Row>,
    pub blocks: BTreeMap<BatchId, Vec<Row>>,
    /// The table's count of blocks when the task looked whether a token is remembered, until the attempt that
    /// followed has ended.
    pub looked_at: Option<u64>,
    /// It has failed, and says why.
    pub failed: Option<String>,
}

/// What becomes of a ledger write, beside what the group has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFate {
    Told,
    StandsUntold,
    LostUntold,
    /// It may come about at any later time, unless its rows have changed by then (KeeperMap).
    LateUntold,
}

impl Edge {
    pub fn new(number: usize, life: u64, rows_max: u64, without: Option<Rule>) -> Edge {
        let options = TaskOptions {
            batch_rows_max: rows_max,
            batch_bytes_max: 1 << 20,
            batch_linger_ms: 1_000,
            deadline_ms: 2_000,
            commit_ms_max: 1_000,
            exactly_once: true,
            leaves_out: false,
            retry_timeout_ms: None,
            retry_delay_ms_max: 100,
            retry_jitter_percent: 0,
            decisions: BTreeMap::new(),
            seed: (number as u128 + 1) << 64 | u128::from(life + 1),
        };
        let task = match without {
            Some(rule) => Task::without(options, rule),
            None => Task::new(options),
        };
        Edge {
            task,
            life,
            notices: VecDeque::new(),
            asked: VecDeque::new(),
            generation: 0,
            owned: Vec::new(),
            fences: BTreeMap::new(),
            held: None,
            guards: BTreeMap::new(),
            filling: Vec::new(),
            blocks: BTreeMap::new(),
            looked_at: None,
            failed: None,
        }
    }

    /// Whether a ledger write is next: which, and under which generation.
    pub fn next_write(&self) -> Option<(WriteId, u64)> {
        match self.asked.front() {
            Some(Action::Record { claim, write, .. }) => {
                Some((*write, self.fences.get(claim).copied().unwrap_or(0)))
            }
            _ => None,
        }
    }
}

impl World {
    /// A task hears of something, and asks for what follows.
    pub fn tell(&mut self, number: usize, event: Event) {
        let now = self.now();
        self.tasks[number].task.hear(event, now);
        self.drain(number);
    }

    fn drain(&mut self, number: usize) {
        let mut identified = Vec::new();
        for action in self.tasks[number].task.take_actions() {
            let edge = &mut self.tasks[number];
            match action {
                Action::Seal { batch, .. } => {
                    let rows = std::mem::take(&mut edge.filling);
                    edge.blocks.insert(batch, rows);
                }
                Action::Insert { claim, batch, attempt, rows, .. } => {
                    let block = edge.blocks.get(&batch.id).cloned().unwrap_or_default();
                    let rows = match rows {
                        None => block,
                        Some(wanted) => wanted
                            .into_iter()
                            .flat_map(|(partition, offsets)| {
                                offsets.into_iter().map(move |offset| (partition.0, offset.get()))
                            })
                            .collect(),
                    };
                    let sent_at = edge.looked_at.unwrap_or(self.blocks);
                    self.send(Flight {
                        task: number,
                        claim,
                        batch: batch.id,
                        token: batch.token,
                        attempt,
                        rows,
                        waited_for: true,
                        sent_at,
                    });
                }
                Action::GiveUp => edge.drop_blocks(),
                Action::EndMembership => {
                    edge.drop_blocks();
                    // Where the group has moved on, the member is about to hear of it; else its leaving moves it.
                    if edge.notices.is_empty() {
                        let owners = self.owners();
                        self.assign(&owners);
                    }
                }
                Action::Fail(reason) => {
                    edge.drop_blocks();
                    edge.failed = Some(reason.to_string());
                }
                Action::Release { batch, .. } => drop(edge.blocks.remove(&batch)),
                Action::Fetch { .. }
                | Action::Landed { .. }
                | Action::Report { .. }
                | Action::Foresee { .. }
                | Action::WarnTopicGone { .. }
                | Action::WarnTopicReborn { .. }
                | Action::WarnWindow { .. }
                | Action::Leave => {}
                // No topic is created again here.
                Action::Identify { claim, topic, batch } => {
                    let topic_id = Some(TOPIC_ID);
                    identified.push(Event::Identified { claim, topic, batch, topic_id });
                }
                // What was taken under the claim before is not needed any more.
                claim @ Action::Claim { .. } => {
                    edge.drop_blocks();
                    edge.asked.push_back(claim);
                }
                // What it demands of its rows is what is known as it is composed.
                Action::Record { claim, write, ref entries, .. } => {
                    let partitions: Vec<Partition> = entries.keys().map(|at| at.partition).collect();
                    if let Some(guard) = edge.held.as_ref().and_then(|held| held.guard(claim, &partitions)) {
                        edge.guards.insert(write, guard);
                    }
                    edge.asked.push_back(action);
                }
                question @ (Action::ReadEntries { .. }
                | Action::AskStartOffsets { .. }
                | Action::Inspect { .. }
                | Action::Reread { .. }
                | Action::Evidence { .. }
                | Action::Settle { .. }
                | Action::Confirm { .. }) => edge.asked.push_back(question),
            }
        }
        for event in identified {
            self.tell(number, event);
        }
    }

    /// The partitions of each task, as they were told last.
    pub fn owners(&self) -> Vec<Vec<Partition>> {
        self.tasks.iter().map(|edge| edge.told_last().to_vec()).collect()
    }

    /// A new generation: each task will hear that it has lost what it had, and what it has now.
    pub fn assign(&mut self, owners: &[Vec<Partition>]) {
        self.generation += 1;
        for (edge, partitions) in self.tasks.iter_mut().zip(owners) {
            if edge.failed.is_some() {
                continue;
            }
            // What it has not heard yet it will never hear.
            edge.notices.clear();
            edge.notices.push_back(Notice::Lost);
            let (partitions, generation) = (partitions.clone(), self.generation);
            edge.notices.push_back(Notice::Assigned { partitions, generation });
        }
    }

    /// The member hears what the group has to say.
    pub fn hear_notice(&mut self, number: usize) {
        match self.tasks[number].notices.pop_front() {
            Some(Notice::Lost) => {
                self.tasks[number].owned.clear();
                self.tell(number, Event::Lost);
            }
            Some(Notice::Assigned { partitions, generation }) => {
                let edge = &mut self.tasks[number];
                (edge.owned, edge.generation) = (partitions.clone(), generation);
                let partitions = partitions.into_iter().map(place).collect();
                self.tell(number, Event::Assigned { partitions });
            }
            None => {}
        }
    }

    /// Takes every record that is taken now; whether there was one.
    pub fn fill(&mut self, number: usize) -> bool {
        let (now, topic, mut any) = (self.now(), topic(), false);
        for partition in self.all_partitions() {
            loop {
                let edge = &mut self.tasks[number];
                let Some(next) = edge.task.expected(&topic, partition) else { break };
                if next.get() >= self.records || !edge.task.takes(&topic, partition) {
                    break;
                }
                edge.filling.push((partition.0, next.get()));
                edge.task.filled(&topic, partition, &[next], 1, now);
                any = true;
                self.drain(number);
            }
        }
        any
    }

    /// Answers the oldest question of a task.
    pub fn answer(&mut self, number: usize, fate: WriteFate) {
        let Some(action) = self.tasks[number].asked.pop_front() else { return };
        let event = match action {
            Action::Claim { claim, partitions } => {
                let edge = &mut self.tasks[number];
                edge.fences.insert(claim, edge.generation);
                if let Some(keeper) = &mut self.keeper {
                    let rows: Vec<Partition> = partitions.iter().map(|at| at.partition).collect();
                    edge.held = Some(keeper.raise(claim, &rows));
                }
                let entries = partitions
                    .into_iter()
                    .filter_map(|at| Some((at.clone(), self.ledger.get(&at.partition)?.clone())))
                    .collect();
                Event::Claimed { claim, entries, topic_ids: [(topic(), TOPIC_ID)].into() }
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                if let (Some(keeper), Some(held)) = (&self.keeper, &mut self.tasks[number].held) {
                    keeper.read(held, &partitions);
                }
                let read = |partition: Partition| Some((partition, self.ledger.get(&partition)?.clone()));
                let entries = partitions.into_iter().filter_map(read).collect();
                Event::EntriesRead { claim, topic, gather, entries }
            }
            Action::AskStartOffsets { claim, partitions } => {
                let rows: Vec<Partition> = partitions.iter().map(|at| at.partition).collect();
                if self.keeper.is_some() && !self.enter(number, claim, &rows) {
                    return self.replaced(number);
                }
                let offsets: BTreeMap<TopicPartition, Offset> =
                    partitions.into_iter().map(|at| (at, Offset::ZERO)).collect();
                Event::StartOffsets { claim, offsets }
            }
            Action::Inspect { claim, topic, .. } => {
                Event::Inspected { claim, topic, facts: self.facts(), config_version: CONFIG }
            }
            Action::Record { claim, write, entries, .. } => {
                let answer = if self.keeper.is_some() {
                    self.update(number, write, entries, fate)
                } else {
                    self.transact(number, claim, &entries, fate)
                };
                Event::Ledger { claim, write, answer }
            }
            Action::Reread { claim, topic, batch, .. } => {
                let mut ranges = BTreeMap::new();
                let mut rows = Vec::new();
                for (partition, share) in &batch.ranges {
                    let (first, end) = (share.range.first().get(), share.range.end().get());
                    let offsets: Vec<Offset> = (first..end.min(self.records)).map(offset).collect();
                    rows.extend(offsets.iter().map(|offset| (partition.0, offset.get())));
                    ranges.insert(*partition, RereadRange { offsets, left_out: 0 });
                }
                self.tasks[number].blocks.insert(batch.id, rows);
                Event::Reread { claim, topic, batch: batch.id, ranges, topic_id: Some(TOPIC_ID) }
            }
            Action::Evidence { claim, topic, batch, ranges, after, .. } => {
                self.wait_past(after);
                self.kill(batch.id);
                self.tasks[number].looked_at = None;
                let mut found: BTreeMap<Partition, Vec<Offset>> = BTreeMap::new();
                for (partition, range) in ranges {
                    let there = |value: &i64| self.rows.contains_key(&(partition.0, *value));
                    let offsets: Vec<Offset> =
                        (range.first().get()..range.end().get()).filter(there).map(offset).collect();
                    if !offsets.is_empty() {
                        found.insert(partition, offsets);
                    }
                }
                let evidence = Evidence::Rows { found, complete: true };
                Event::Evidence { claim, topic, batch: batch.id, facts: self.facts(), evidence }
            }
            Action::Settle { claim, topic, batch, after, .. } => {
                if let Some(after) = after {
                    self.wait_past(after);
                }
                self.kill(batch);
                self.tasks[number].looked_at = Some(self.blocks);
                Event::Settled { claim, topic, batch, facts: self.facts() }
            }
            Action::Confirm { claim, topic, batch, .. } => {
                Event::Confirmed { claim, topic, batch, server_started: self.server_started() }
            }
            other => unreachable!("{other:?} is not kept as a question"),
        };
        self.tell(number, event);
    }

    /// One of Kafka's transactions, fenced by the group's generation.
    fn transact(
        &mut self,
        number: usize,
        claim: ClaimId,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        fate: WriteFate,
    ) -> LedgerAnswer {
        let fence = self.tasks[number].fences.get(&claim).copied().unwrap_or(0);
        if fence != self.generation {
            return LedgerAnswer::Fenced;
        }
        match fate {
            WriteFate::Told => {
                self.record(entries);
                LedgerAnswer::Recorded
            }
            WriteFate::StandsUntold => {
                self.record(entries);
                LedgerAnswer::Unknown
            }
            WriteFate::LostUntold | WriteFate::LateUntold => LedgerAnswer::Unknown,
        }
    }

    /// KILL QUERY: no attempt at the batch is left; whoever waits for one is told nothing certain.
    fn kill(&mut self, batch: BatchId) {
        let (killed, left) = std::mem::take(&mut self.flights).into_iter().partition(|f| f.batch == batch);
        self.flights = left;
        let killed: Vec<Flight> = killed;
        for flight in killed {
            self.heard_of(&flight, InsertAnswer::Unknown);
        }
    }

    /// The task that sent an attempt hears of it, if it still waits.
    pub fn heard_of(&mut self, flight: &Flight, answer: InsertAnswer) {
        if flight.waited_for {
            let Flight { claim, batch, attempt, .. } = *flight;
            self.tell(flight.task, Event::Insert { claim, topic: topic(), batch, attempt, answer });
        }
    }
}

impl Edge {
    fn drop_blocks(&mut self) {
        self.filling.clear();
        self.blocks.clear();
    }

    fn told_last(&self) -> &[Partition] {
        match self.notices.back() {
            Some(Notice::Assigned { partitions, .. }) => partitions,
            Some(Notice::Lost) | None => &self.owned,
        }
    }
}
