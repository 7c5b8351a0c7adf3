//! One task against a broker, a ledger and a table that answer in any legal way and order. The
//! simulator does this with several tasks; here every action is judged on the spot.
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, OffsetRange, Partition, ServerMillis, TopicId,
    TopicName, TopicPartition,
};

use super::stage::{SERVER_EPOCH_MS, facts, offset, tp};
use crate::{
    Action, Batch, Entry, Event, Evidence, InsertAnswer, LedgerAnswer, Refusal, RefusalClass, RereadRange,
    StoredEntry, TableEngine, TableFacts, Task, TaskOptions,
};

const PARTITIONS: [&str; 5] = ["p0", "p1", "p2", "u/p0", "u/p1"];

/// A source that has gaps, and is the same whenever it is read.
fn has_record(tp: &TopicPartition, at: i64) -> bool {
    (at + i64::from(tp.partition.0)) % 4 != 0
}

/// A record that does not become a row.
fn is_broken(tp: &TopicPartition, at: i64) -> bool {
    (at + 3 * i64::from(tp.partition.0)) % 23 == 5
}

/// A row that the table refuses.
fn is_poison(tp: &TopicPartition, at: i64) -> bool {
    (at + 7 * i64::from(tp.partition.0)) % 17 == 6
}

/// Records that become rows.
fn records(tp: &TopicPartition, range: OffsetRange) -> impl Iterator<Item = i64> {
    (range.first().get()..range.end().get()).filter(|at| has_record(tp, *at) && !is_broken(tp, *at))
}

type Row = (TopicPartition, i64);

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
    sent: Vec<(Batch, Vec<Row>)>,
    /// Committed dead letters.
    letters: BTreeSet<Row>,
    /// The table: which record came in with which token.
    rows: BTreeMap<(TopicPartition, i64), DedupToken>,
    landed: BTreeSet<DedupToken>,
    tokens: BTreeMap<DedupToken, Vec<Row>>,
    batches_landed: usize,
    ended: bool,
}

impl World {
    fn new(engine: TableEngine, seed: u128) -> World {
        World::of(engine, seed, Task::new)
    }

    fn of(engine: TableEngine, seed: u128, task: impl FnOnce(TaskOptions) -> Task) -> World {
        let options =
            TaskOptions { batch_rows_max: 12, batch_bytes_max: 1_000_000, seed, ..TaskOptions::for_tests() };
        World {
            task: task(options),
            engine,
            now: Millis(0),
            owned: BTreeSet::new(),
            ledger: BTreeMap::new(),
            asked: Vec::new(),
            sent: Vec::new(),
            letters: BTreeSet::new(),
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

    fn fill(&mut self, tp: &TopicPartition, count: u8) {
        if count == 0 {
            // The consumer stands behind the gap, if there is one.
            if let Some(next) = self.task.expected(&tp.topic, tp.partition).map(Offset::get)
                && !has_record(tp, next)
                && self.task.takes(&tp.topic, tp.partition)
            {
                self.task.positioned(&tp.topic, tp.partition, offset(next + 1), self.now);
            }
        }
        for _ in 0..count {
            if !self.task.takes(&tp.topic, tp.partition) {
                break;
            }
            let next = self.task.expected(&tp.topic, tp.partition).expect("it takes").get();
            let at = (next..).find(|at| has_record(tp, *at)).expect("the source goes on");
            if is_broken(tp, at) {
                self.task.left_out(&tp.topic, tp.partition, offset(at), u64::from(count), self.now);
            } else {
                let bytes = u64::from(count);
                self.task.filled(&tp.topic, tp.partition, &[offset(at)], bytes, self.now);
            }
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
                Action::Insert { batch, topic, rows, .. } => {
                    let rows = rows_sent(topic, batch, rows.as_ref());
                    self.judge_insert(topic, batch, &rows);
                    self.sent.push((batch.clone(), rows));
                    self.asked.push(action);
                }
                Action::Record { entries, letters, .. } => {
                    self.judge_record(entries, letters);
                    self.asked.push(action);
                }
                Action::Landed { batch, .. } => {
                    let there = |row: &Row| self.rows.contains_key(row);
                    let rows = &self.tokens[&batch.token];
                    assert!(rows.iter().all(there), "R4: {batch:?} is not in the table");
                    self.batches_landed += 1;
                }
                // Nothing shows of it without its write.
                Action::Foresee { .. }
                | Action::Fetch { .. }
                | Action::Seal { .. }
                | Action::Release { .. }
                | Action::Report { .. }
                | Action::WarnTopicGone { .. }
                | Action::WarnTopicReborn { .. }
                | Action::WarnWindow { .. } => {}
                Action::GiveUp | Action::EndMembership => self.owned.clear(),
                Action::Fail(reason) => panic!("nothing here calls for a person: {reason}"),
                Action::Leave => self.ended = true,
                Action::Claim { .. }
                | Action::ReadEntries { .. }
                | Action::AskStartOffsets { .. }
                | Action::Inspect { .. }
                | Action::Reread { .. }
                | Action::Identify { .. }
                | Action::Settle { .. }
                | Action::Evidence { .. }
                | Action::Confirm { .. } => self.asked.push(action),
            }
        }
    }

    fn judge_insert(&mut self, topic: &TopicName, batch: &Batch, rows: &[Row]) {
        for partition in batch.ranges.keys() {
            let tp = TopicPartition { topic: topic.clone(), partition: *partition };
            let stored = self.ledger.get(&tp).expect("R1: the ledger has an entry");
            let entry = Entry::parse(*partition, stored).unwrap();
            assert_eq!(entry.batch_id(), Some(batch.id), "R1: {tp} carries the batch");
        }
        assert!(!rows.is_empty(), "nothing is sent of {batch:?}");
        let same = self.tokens.entry(batch.token).or_insert_with(|| rows.to_vec());
        assert_eq!(same, rows, "R2: one token, the same rows");
        let lettered = rows.iter().find(|row| self.letters.contains(row));
        assert_eq!(lettered, None, "R11: a dead letter is sent");
    }

    fn judge_record(
        &self,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        letters: &[(TopicName, crate::Letter)],
    ) {
        let going = rows_of(letters);
        for row in &going {
            assert!(!self.letters.contains(row), "R11: {row:?} is a dead letter twice");
            let bad = is_broken(&row.0, row.1) || is_poison(&row.0, row.1);
            assert!(bad && !self.rows.contains_key(row), "R11: {row:?} is no dead letter");
        }
        let mut after = self.ledger.clone();
        for (tp, stored) in entries {
            if let Some(before) = self.ledger.get(tp) {
                assert!(stored.offset >= before.offset, "R3: {tp} goes back: {before:?} {stored:?}");
            }
            let known = entries[tp].metadata.contains("share");
            for at in (0..stored.offset.get()).filter(|at| has_record(tp, *at)) {
                let row = (tp.clone(), at);
                let settled =
                    self.rows.contains_key(&row) || self.letters.contains(&row) || going.contains(&row);
                assert!(settled, "R4: {at} of {tp} is passed (open: {known})");
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
    fn land(&mut self, token: DedupToken, rows: &[Row]) {
        if !self.landed.insert(token) {
            return;
        }
        for row in rows {
            let before = self.rows.insert(row.clone(), token);
            assert_eq!(before, None, "{row:?} is in the table twice");
            assert!(!self.letters.contains(row), "{row:?} is in the table and a dead letter");
        }
    }

    fn stand(
        &mut self,
        entries: BTreeMap<TopicPartition, StoredEntry>,
        letters: &[(TopicName, crate::Letter)],
    ) {
        self.ledger.extend(entries);
        self.letters.extend(rows_of(letters));
    }

    fn answer(&mut self, action: Action, how: u8) {
        let event = match action {
            Action::Claim { claim, partitions } => {
                // The producer is replaced first: what was being written is settled, either way.
                let writes: Vec<Action> =
                    self.asked.extract_if(.., |a| matches!(a, Action::Record { .. })).collect();
                for write in writes {
                    if let Action::Record { claim: of, entries, letters, .. } = write
                        && of.0 + 1 == claim.0
                        && how.is_multiple_of(2)
                    {
                        self.stand(entries, &letters);
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
            Action::Inspect { claim, topic, .. } => {
                let config_version = ConfigVersion(1);
                Event::Inspected { claim, topic, facts: self.facts(), config_version }
            }
            Action::Record { claim, write, entries, letters, .. } => {
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
                    self.stand(entries, &letters);
                }
                Event::Ledger { claim, write, answer }
            }
            Action::Reread { claim, topic, batch, .. } => {
                let read = |(p, share): (&pumphouse_types::Partition, &crate::BatchRange)| {
                    let tp = TopicPartition { topic: topic.clone(), partition: *p };
                    let all = share.range.first().get()..share.range.end().get();
                    let left_out =
                        all.filter(|at| has_record(&tp, *at) && is_broken(&tp, *at)).count() as u64;
                    (*p, RereadRange { offsets: records(&tp, share.range).map(offset).collect(), left_out })
                };
                let ranges = batch.ranges.iter().map(read).collect();
                Event::Reread { claim, topic_id: topic_id(&topic), topic, batch: batch.id, ranges }
            }
            Action::Identify { claim, topic, batch } => {
                Event::Identified { claim, topic_id: topic_id(&topic), topic, batch }
            }
            Action::Settle { claim, topic, batch, .. } => {
                self.sent.retain(|(sent, _)| sent.id != batch);
                Event::Settled { claim, topic, batch, facts: self.facts() }
            }
            Action::Confirm { claim, topic, batch, .. } => {
                let server_started = facts(self.engine).server_started;
                Event::Confirmed { claim, topic, batch, server_started }
            }
            Action::Evidence { claim, topic, batch, ranges, .. } => {
                self.sent.retain(|(sent, _)| sent.id != batch.id);
                let mut found = BTreeMap::new();
                for (partition, range) in ranges {
                    let tp = TopicPartition { topic: topic.clone(), partition };
                    let there = |at: &i64| self.rows.contains_key(&(tp.clone(), *at));
                    let offsets: Vec<Offset> =
                        (range.first().get()..range.end().get()).filter(there).map(offset).collect();
                    if !offsets.is_empty() {
                        found.insert(partition, offsets);
                    }
                }
                let evidence = Evidence::Rows { found, complete: true };
                Event::Evidence { claim, topic, batch: batch.id, facts: self.facts(), evidence }
            }
            Action::Insert { claim, topic, batch, attempt, rows } => {
                let may_run = self.sent.iter().any(|(sent, _)| sent.id == batch.id);
                let rows = rows_sent(&topic, &batch, rows.as_ref());
                let poisoned = rows.iter().any(|(tp, at)| is_poison(tp, *at));
                // A hint that is right, wrong, or beyond the piece must cost nothing but attempts.
                let row = (!how.is_multiple_of(3)).then_some(u64::from(how % 7));
                let refused =
                    |class| InsertAnswer::Refused(Refusal { class, code: 1, message: String::new(), row });
                let answer = match how % 8 {
                    0 => refused(RefusalClass::DeadlinePassed),
                    1 => refused(RefusalClass::Overload),
                    2 | 3 => InsertAnswer::Unknown,
                    _ if may_run && poisoned => refused(RefusalClass::Data),
                    _ if may_run => InsertAnswer::Accepted,
                    _ => InsertAnswer::Unknown,
                };
                if may_run && !poisoned && (answer == InsertAnswer::Accepted || how % 8 == 2) {
                    self.land(batch.token, &rows);
                }
                Event::Insert { claim, topic, batch: batch.id, attempt, answer }
            }
            other => panic!("{other:?} has no answer"),
        };
        self.hear(event);
    }
}

/// Topics are what they were.
fn topic_id(topic: &TopicName) -> Option<TopicId> {
    [("t", 1), ("u", 2)].into_iter().find(|(name, _)| topic.as_str() == *name).map(|(_, id)| TopicId(id))
}

/// The rows of an attempt.
fn rows_sent(topic: &TopicName, batch: &Batch, named: Option<&BTreeMap<Partition, Vec<Offset>>>) -> Vec<Row> {
    let tp = |partition: &Partition| TopicPartition { topic: topic.clone(), partition: *partition };
    match named {
        Some(rows) => rows
            .iter()
            .flat_map(|(p, offsets)| offsets.iter().map(move |offset| (tp(p), offset.get())))
            .collect(),
        None => batch
            .ranges
            .iter()
            .flat_map(|(p, share)| {
                let tp = tp(p);
                records(&tp, share.range).map(|at| (tp.clone(), at)).collect::<Vec<_>>()
            })
            .collect(),
    }
}

fn rows_of(letters: &[(TopicName, crate::Letter)]) -> BTreeSet<Row> {
    let row = |(topic, letter): &(TopicName, crate::Letter)| {
        (TopicPartition { topic: topic.clone(), partition: letter.partition }, letter.offset.get())
    };
    letters.iter().map(row).collect()
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
