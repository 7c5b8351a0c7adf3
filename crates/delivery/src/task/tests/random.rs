//! One task against a broker, a ledger and a table that answer in any legal way and order. The
//! simulator does this with several tasks; here every action is judged on the spot.
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, OffsetRange, OffsetsHash, ServerMillis, TopicId,
    TopicName, TopicPartition,
};

use super::stage::{SERVER_EPOCH_MS, facts, offset, tp};
use crate::{
    Action, Batch, Entry, Event, InsertAnswer, LedgerAnswer, Refusal, RefusalClass, RereadRange, StoredEntry,
    TableEngine, TableFacts, Task, TaskOptions,
};

const PARTITIONS: [&str; 5] = ["p0", "p1", "p2", "u/p0", "u/p1"];

/// A source that has gaps, and is the same whenever it is read.
fn has_record(tp: &TopicPartition, at: i64) -> bool {
    (at + i64::from(tp.partition.0)) % 4 != 0
}

fn records(tp: &TopicPartition, range: OffsetRange) -> impl Iterator<Item = i64> {
    (range.first().get()..range.end().get()).filter(|at| has_record(tp, *at))
}

#[derive(Debug, Clone, Copy)]
enum Choice {
    /// Answer the n-th unanswered question, in the way that the second number picks.
    Answer(u8, u8),
    /// Take some records of a partition, or learn its position if the number is 0.
    Fill(u8, u8),
    Wait(u16),
    /// These partitions, as bits.
    Assign(u8),
    Revoke,
    Lost,
    Stop,
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let choice = prop_oneof![
        40 => (any::<u8>(), any::<u8>()).prop_map(|(n, how)| Choice::Answer(n, how)),
        20 => (any::<u8>(), 0..9u8).prop_map(|(n, rows)| Choice::Fill(n, rows)),
        10 => (1..3_000u16).prop_map(Choice::Wait),
        3 => any::<u8>().prop_map(Choice::Assign),
        1 => Just(Choice::Revoke),
        1 => Just(Choice::Lost),
    ];
    let ending = prop_oneof![2 => Just(None), 1 => Just(Some(Choice::Stop))];
    (prop::collection::vec(choice, 1..400), ending, prop::collection::vec(any::<(u8, u8)>(), 60)).prop_map(
        |(mut choices, ending, last)| {
            choices.insert(0, Choice::Assign(0xff));
            choices.extend(ending);
            choices.extend(last.into_iter().map(|(n, how)| Choice::Answer(n, how)));
            choices
        },
    )
}

struct World {
    task: Task,
    engine: TableEngine,
    now: Millis,
    owned: BTreeSet<TopicPartition>,
    ledger: BTreeMap<TopicPartition, StoredEntry>,
    asked: Vec<Action>,
    /// Attempts that may still land.
    sent: Vec<Batch>,
    /// The table: which record came in with which token.
    rows: BTreeMap<(TopicPartition, i64), DedupToken>,
    landed: BTreeSet<DedupToken>,
    tokens: BTreeMap<BatchId, (DedupToken, Vec<(u32, OffsetRange)>)>,
    batches_landed: usize,
    ended: bool,
}

impl World {
    fn new(engine: TableEngine, seed: u128) -> World {
        World::of(engine, seed, Task::new)
    }

    fn of(engine: TableEngine, seed: u128, task: impl FnOnce(TaskOptions) -> Task) -> World {
        let options = TaskOptions {
            batch_rows_max: 12,
            batch_bytes_max: 1_000_000,
            batch_linger_ms: 1_000,
            deadline_ms: 30_000,
            seed,
        };
        World {
            task: task(options),
            engine,
            now: Millis(0),
            owned: BTreeSet::new(),
            ledger: BTreeMap::new(),
            asked: Vec::new(),
            sent: Vec::new(),
            rows: BTreeMap::new(),
            landed: BTreeSet::new(),
            tokens: BTreeMap::new(),
            batches_landed: 0,
            ended: false,
        }
    }

    fn facts(&self) -> TableFacts {
        let server_now = ServerMillis(SERVER_EPOCH_MS).plus(self.now.0);
        TableFacts { server_now, read_at: self.now, ..facts(self.engine) }
    }

    fn choose(&mut self, choice: Choice) {
        match choice {
            Choice::Answer(n, how) => {
                if !self.asked.is_empty() {
                    let action = self.asked.remove(usize::from(n) % self.asked.len());
                    self.answer(action, how);
                }
            }
            Choice::Fill(n, rows) => self.fill(&tp(PARTITIONS[usize::from(n) % 5]), rows),
            Choice::Wait(ms) => {
                self.now = self.now.plus(u64::from(ms));
                self.hear(Event::Tick);
            }
            Choice::Assign(bits) => {
                let bit = |n: usize| bits >> n & 1 == 1;
                self.owned =
                    PARTITIONS.iter().enumerate().filter(|(n, _)| bit(*n)).map(|(_, p)| tp(p)).collect();
                self.hear(Event::Assigned { partitions: self.owned.iter().cloned().collect() });
            }
            Choice::Revoke => self.hear(Event::Revoking),
            Choice::Lost => self.hear(Event::Lost),
            Choice::Stop => self.hear(Event::StopRequested),
        }
    }

    fn fill(&mut self, tp: &TopicPartition, rows: u8) {
        if !self.task.takes(&tp.topic, tp.partition) {
            return;
        }
        let next = self.task.expected(&tp.topic, tp.partition).expect("it takes").get();
        let taken: Vec<Offset> =
            (next..).filter(|at| has_record(tp, *at)).take(rows.into()).map(offset).collect();
        let end = taken.last().map_or(next, |last| last.get() + 1);
        if !taken.is_empty() {
            self.task.filled(&tp.topic, tp.partition, &taken, u64::from(rows), self.now);
        }
        // The consumer stands behind the gap, if there is one.
        if !has_record(tp, end) {
            self.task.positioned(&tp.topic, tp.partition, offset(end + 1), self.now);
        }
        self.perform();
    }

    fn hear(&mut self, event: Event) {
        self.task.hear(event, self.now);
        self.perform();
    }

    fn perform(&mut self) {
        for action in self.task.take_actions() {
            assert!(!self.ended, "nothing is asked for after the end: {action:?}");
            match &action {
                Action::Insert { batch, topic, .. } => {
                    self.judge_insert(topic, batch);
                    self.sent.push(batch.clone());
                    self.asked.push(action);
                }
                Action::Record { entries, .. } => {
                    self.judge_record(entries);
                    self.asked.push(action);
                }
                Action::Landed { batch, .. } => {
                    assert!(self.landed.contains(&batch.token), "R4: {batch:?} is not in the table");
                    self.batches_landed += 1;
                }
                Action::Fetch { .. } | Action::Seal { .. } | Action::WarnTopicGone { .. } => {}
                Action::GiveUp | Action::EndMembership => self.owned.clear(),
                Action::Fail(reason) => panic!("nothing here calls for a person: {reason}"),
                Action::Leave => self.ended = true,
                Action::Claim { .. }
                | Action::ReadEntries { .. }
                | Action::AskStartOffsets { .. }
                | Action::Inspect { .. }
                | Action::Reread { .. }
                | Action::Settle { .. }
                | Action::Confirm { .. } => self.asked.push(action),
            }
        }
    }

    fn judge_insert(&mut self, topic: &TopicName, batch: &Batch) {
        for (partition, share) in &batch.ranges {
            let tp = TopicPartition { topic: topic.clone(), partition: *partition };
            let stored = self.ledger.get(&tp).expect("R1: the ledger has an entry");
            let entry = Entry::parse(*partition, stored).unwrap();
            assert_eq!(entry.batch_id(), Some(batch.id), "R1: {tp} carries the batch");
            assert_eq!(share.rows, records(&tp, share.range).count() as u64, "the rows of {tp}");
        }
        let ranges = batch.ranges.iter().map(|(p, share)| (p.0, share.range)).collect();
        let same = self.tokens.entry(batch.id).or_insert_with(|| (batch.token, ranges)).clone();
        let ranges: Vec<_> = batch.ranges.iter().map(|(p, share)| (p.0, share.range)).collect();
        assert_eq!(same, (batch.token, ranges), "R2: one batch, one token, the same rows");
    }

    fn judge_record(&self, entries: &BTreeMap<TopicPartition, StoredEntry>) {
        let mut after = self.ledger.clone();
        for (tp, stored) in entries {
            if let Some(before) = self.ledger.get(tp) {
                assert!(stored.offset >= before.offset, "R3: {tp} goes back: {before:?} {stored:?}");
            }
            for at in records(tp, OffsetRange::new(Offset::ZERO, stored.offset).unwrap()) {
                assert!(self.rows.contains_key(&(tp.clone(), at)), "R4: {at} of {tp} is passed");
            }
        }
        after.extend(entries.clone());
        let known: BTreeSet<BatchId> = open(&self.ledger).values().copied().collect();
        for (tp, id) in open(entries).iter().filter(|(_, id)| !known.contains(id)) {
            // A batch that waits for another task's resolving is not this lane's.
            let others = open(&after).into_iter().filter(|(other, open_id)| {
                other.topic == tp.topic && open_id != id && self.owned.contains(other)
            });
            for (other, _) in others {
                let stored = &after[&other];
                let Ok(Entry::Member(member)) = Entry::parse(other.partition, stored) else {
                    panic!("R3: {tp} opens a second batch beside {other}");
                };
                let lead = TopicPartition { topic: tp.topic.clone(), partition: member.lead };
                assert!(!self.owned.contains(&lead), "R3: {tp} opens a second batch beside {other}");
            }
        }
    }

    /// A token brings its rows once, whatever is sent.
    fn land(&mut self, topic: &TopicName, batch: &Batch) {
        if !self.landed.insert(batch.token) {
            return;
        }
        for (partition, share) in &batch.ranges {
            let tp = TopicPartition { topic: topic.clone(), partition: *partition };
            for at in records(&tp, share.range) {
                let before = self.rows.insert((tp.clone(), at), batch.token);
                assert_eq!(before, None, "{at} of {tp} is in the table twice");
            }
        }
    }

    fn answer(&mut self, action: Action, how: u8) {
        let event = match action {
            Action::Claim { claim, partitions } => {
                // The producer is replaced first: what was being written is settled, either way.
                let writes: Vec<Action> =
                    self.asked.extract_if(.., |a| matches!(a, Action::Record { .. })).collect();
                for write in writes {
                    if let Action::Record { claim: of, entries, .. } = write
                        && of.0 + 1 == claim.0
                        && how.is_multiple_of(2)
                    {
                        self.ledger.extend(entries);
                    }
                }
                let of = |tp: &TopicPartition| Some((tp.clone(), self.ledger.get(tp)?.clone()));
                let entries = partitions.iter().filter_map(of).collect();
                let topic_ids = [("t", 1), ("u", 2)].map(|(t, id)| (TopicName::new(t), TopicId(id)));
                Event::Claimed { claim, entries, topic_ids: topic_ids.into() }
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                let of = |partition| {
                    let tp = TopicPartition { topic: topic.clone(), partition };
                    Some((partition, self.ledger.get(&tp)?.clone()))
                };
                let entries = partitions.into_iter().filter_map(of).collect();
                Event::EntriesRead { claim, topic, gather, entries }
            }
            Action::AskStartOffsets { claim, partitions } => {
                let offsets = partitions.into_iter().map(|tp| (tp, Offset::ZERO)).collect();
                Event::StartOffsets { claim, offsets }
            }
            Action::Inspect { claim, topic } => {
                let config_version = ConfigVersion(1);
                Event::Inspected { claim, topic, facts: self.facts(), config_version }
            }
            Action::Record { claim, write, entries } => {
                let current = claim == self.task.claim();
                let answer = match how % 8 {
                    0 => LedgerAnswer::NotRecorded,
                    1 => LedgerAnswer::Fenced,
                    2 | 3 => LedgerAnswer::Unknown,
                    // What an ended claim had under way is settled when the next one begins.
                    _ if current => LedgerAnswer::Recorded,
                    _ => LedgerAnswer::Unknown,
                };
                let stands = answer == LedgerAnswer::Recorded
                    || (answer == LedgerAnswer::Unknown && current && how % 8 == 2);
                if stands {
                    self.ledger.extend(entries);
                }
                Event::Ledger { claim, write, answer }
            }
            Action::Reread { claim, topic, batch } => {
                let read = |(p, share): (&pumphouse_types::Partition, &crate::BatchRange)| {
                    let tp = TopicPartition { topic: topic.clone(), partition: *p };
                    let found: Vec<i64> = records(&tp, share.range).collect();
                    let hash = found.iter().fold(OffsetsHash::EMPTY, |h, at| h.push(offset(*at)));
                    (*p, RereadRange { rows: found.len() as u64, hash })
                };
                let ranges = batch.ranges.iter().map(read).collect();
                Event::Reread { claim, topic, batch: batch.id, ranges }
            }
            Action::Settle { claim, topic, batch, .. } => {
                self.sent.retain(|sent| sent.id != batch);
                Event::Settled { claim, topic, batch, facts: self.facts() }
            }
            Action::Confirm { claim, topic, batch } => {
                let server_started = facts(self.engine).server_started;
                Event::Confirmed { claim, topic, batch, server_started }
            }
            Action::Insert { claim, topic, batch, attempt } => {
                let may_run = self.sent.iter().any(|sent| sent.id == batch.id);
                let refused =
                    |class| InsertAnswer::Refused(Refusal { class, code: 1, message: String::new() });
                let answer = match how % 8 {
                    0 => refused(RefusalClass::DeadlinePassed),
                    1 => refused(RefusalClass::Overload),
                    2 | 3 => InsertAnswer::Unknown,
                    _ if may_run => InsertAnswer::Accepted,
                    _ => InsertAnswer::Unknown,
                };
                if may_run && (answer == InsertAnswer::Accepted || how % 8 == 2) {
                    self.land(&topic, &batch);
                }
                Event::Insert { claim, topic, batch: batch.id, attempt, answer }
            }
            other => panic!("{other:?} has no answer"),
        };
        self.hear(event);
    }
}

/// The open batches of entries.
fn open(entries: &BTreeMap<TopicPartition, StoredEntry>) -> BTreeMap<TopicPartition, BatchId> {
    let id = |(tp, stored): (&TopicPartition, &StoredEntry)| {
        Some((tp.clone(), Entry::parse(tp.partition, stored).unwrap().batch_id()?))
    };
    entries.iter().filter_map(id).collect()
}

fn run(engine: TableEngine, seed: u128, choices: Vec<Choice>) -> World {
    let mut world = World::new(engine, seed);
    for choice in choices {
        world.choose(choice);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_order_of_answers_breaks_a_rule_on_replicated_tables(seed: u128, choices in choices()) {
        run(TableEngine::Replicated, seed, choices);
    }

    #[test]
    fn no_order_of_answers_breaks_a_rule_on_plain_tables(seed: u128, choices in choices()) {
        run(TableEngine::Plain, seed, choices);
    }

    /// Whatever went before: once answers are kind again, a stop lands everything and leaves.
    #[test]
    fn once_faults_stop_everything_lands(seed: u128, choices in choices()) {
        let faulty = choices.into_iter().filter(|choice| !matches!(choice, Choice::Stop)).collect();
        let mut world = run(TableEngine::Replicated, seed, faulty);
        world.choose(Choice::Assign(0xff));
        for _ in 0..60 {
            world.answer_kindly();
        }
        world.hear(Event::StopRequested);
        for _ in 0..60 {
            world.answer_kindly();
        }
        prop_assert!(world.ended, "it has left");
        prop_assert!(open(&world.ledger).is_empty(), "nothing is open: {:?}", world.ledger);
    }
}

impl World {
    fn answer_kindly(&mut self) {
        while !self.asked.is_empty() {
            let action = self.asked.remove(0);
            self.answer(action, 7);
        }
        self.choose(Choice::Wait(600));
    }
}

/// With a rule's check switched off the driver finds a violation. R4 and R7 to R9 need refusals,
/// windows and sources that change, which the simulator has.
#[cfg(feature = "mutations")]
#[test]
fn the_random_driver_notices_a_missing_rule() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use crate::Rule;

    for rule in [Rule::R1, Rule::R2, Rule::R3, Rule::R5, Rule::R6] {
        let mut runner = TestRunner::deterministic();
        let noticed = (0..500).any(|seed| {
            let choices = choices().new_tree(&mut runner).unwrap().current();
            let without = |options| Task::without(options, rule);
            let mut world = World::of(TableEngine::Replicated, seed, without);
            let run = || choices.into_iter().for_each(|choice| world.choose(choice));
            catch_unwind(AssertUnwindSafe(run)).is_err()
        });
        assert!(noticed, "{rule:?}");
    }
}

/// The driver above does reach landings, or it would prove nothing.
#[test]
fn the_random_driver_lands_batches() {
    let steps = (0..200u8).flat_map(|n| [Choice::Fill(n, 8), Choice::Answer(0, 7), Choice::Wait(50)]);
    let world = run(TableEngine::Plain, 1, std::iter::once(Choice::Assign(0xff)).chain(steps).collect());
    assert!(world.batches_landed > 20, "{} landed", world.batches_landed);
}
