//! What every store of the ledger has to keep, asked of each on real servers: the same questions for all. A store
//! that fences nobody (`memory`) is asked only what it promises.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use pumphouse_clickhouse::{Client, Endpoint, KeeperLedger, Password, StateTable, TableName};
use pumphouse_delivery::{ClaimId, LedgerAnswer, StoredEntry};
use pumphouse_kafka::{Consumer, ConsumerEvent, Fence, KafkaError, LedgerProducer, OutgoingRecord, Settings};
use pumphouse_testkit::{DATABASE, Testbed, TestbedOptions, unique_name};
use pumphouse_types::{Offset, Partition, TopicId, TopicName, TopicPartition};
use tokio::runtime::Runtime;

use super::{
    KafkaStore, KeeperStore, LedgerStore, LedgerWrite, MemoryLedger, MemoryStore, OnlyWhile, is_informed,
};
use crate::task::ledger_thread::{self, Order};
use crate::task::mail::Mail;

const PATIENCE: Duration = Duration::from_secs(60);

static BED: LazyLock<Testbed> = LazyLock::new(|| {
    Testbed::start(TestbedOptions { zookeeper: true, ..TestbedOptions::default() }).unwrap()
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kafka,
    KeeperMap,
    Memory,
}

/// A topic of two partitions, a group, and the store of its entries.
struct Place {
    kind: Kind,
    topic: TopicName,
    group: String,
    memory: MemoryLedger,
    /// Who joins is not replaced before it has joined.
    joining: Mutex<()>,
}

/// Serves the group protocol; answers how many partitions the member was given, if it was.
fn take_part(consumer: &mut Consumer) -> Option<usize> {
    let events = consumer.poll_events(Duration::from_millis(20));
    if events.iter().any(|event| matches!(event, ConsumerEvent::Revoking { .. })) {
        consumer.revoked().unwrap();
    }
    let given = |event: &ConsumerEvent| match event {
        ConsumerEvent::Assigned(all) => Some(all.len()),
        _ => None,
    };
    events.iter().rev().find_map(given)
}

/// One member of the group, which has all partitions until another one takes its name.
struct Member<'p> {
    place: &'p Place,
    consumer: Consumer,
    fence: Fence,
    keeper: Option<KeeperLedger>,
    store: Box<dyn LedgerStore>,
}

type Entries = BTreeMap<TopicPartition, StoredEntry>;

impl Place {
    fn new(kind: Kind) -> Place {
        let topic = unique_name("conformance");
        BED.topics().unwrap().create(&topic, 2, &[]).unwrap();
        let group = format!("connect-{topic}");
        Place {
            kind,
            topic: TopicName::new(&topic),
            group,
            memory: MemoryLedger::default(),
            joining: Mutex::new(()),
        }
    }

    fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: Partition(partition) }
    }

    fn both(&self) -> Vec<TopicPartition> {
        vec![self.at(0), self.at(1)]
    }

    fn entries(&self, written: &[(u32, i64, &str)]) -> Entries {
        let entry = |(partition, offset, text): &(u32, i64, &str)| {
            let offset = Offset::new(*offset).unwrap();
            (self.at(*partition), StoredEntry { offset, metadata: (*text).to_owned() })
        };
        written.iter().map(entry).collect()
    }

    fn keeper(&self) -> KeeperLedger {
        let (host, port) = BED.clickhouse_host_and_port();
        let (username, password) = ("default".to_owned(), Password::new(""));
        let client = Client::new(Endpoint { host, port, ssl: false, username, password }).unwrap();
        let name = TableName { database: DATABASE.to_owned(), table: "conformance_state".to_owned() };
        let table = StateTable { name, path: "/conformance".to_owned() };
        let ledger = KeeperLedger::new(client, table, &self.group);
        RUNTIME.block_on(ledger.ensure()).unwrap();
        ledger
    }

    fn settings(&self) -> Settings {
        Settings::from([("bootstrap.servers".to_owned(), BED.bootstrap().to_owned())])
    }

    /// One that is about to be a member of this name.
    fn consumer(&self, name: &str) -> Consumer {
        let consumer = Consumer::open(&self.settings(), &self.group, Some(name)).unwrap();
        consumer.subscribe(std::slice::from_ref(&self.topic)).unwrap();
        consumer
    }

    /// Joins under the one name that all members share: whoever had it before is replaced. The producer is
    /// another one each time, so that it is not what fences.
    fn join(&self) -> Member<'_> {
        let _joining = self.joining.lock().unwrap();
        let settings = self.settings();
        let mut consumer = self.consumer("the-member");
        let until = Instant::now() + PATIENCE;
        let fence = loop {
            assert!(Instant::now() < until, "no assignment");
            if take_part(&mut consumer) == Some(2)
                && let Some(fence) = consumer.group_metadata()
            {
                break fence;
            }
        };
        let id = unique_name("producer");
        let producer = || KafkaStore::new(LedgerProducer::open(&settings, &id, PATIENCE).unwrap(), false);
        let keeper = (self.kind == Kind::KeeperMap).then(|| self.keeper());
        let store: Box<dyn LedgerStore> = match self.kind {
            Kind::Kafka => Box::new(producer()),
            Kind::KeeperMap => {
                let ledger = keeper.clone().unwrap();
                Box::new(KeeperStore::new(ledger, RUNTIME.handle().clone(), producer()))
            }
            Kind::Memory => Box::new(MemoryStore(self.memory.clone())),
        };
        Member { place: self, consumer, fence, keeper, store }
    }
}

impl Member<'_> {
    fn claim(&mut self) -> Entries {
        let until = Instant::now() + PATIENCE;
        self.store.unstage();
        loop {
            self.store.prepare(&AtomicBool::new(false)).unwrap();
            let Some(keeper) = &self.keeper else { return self.read() };
            match RUNTIME.block_on(keeper.claim(rand::random(), &self.place.both())) {
                Ok(claim) => {
                    self.store.stands(&self.fence, &claim.entries);
                    return claim.entries;
                }
                Err(error) => assert!(error.is_transient() && Instant::now() < until, "{error}"),
            }
        }
    }

    fn read(&self) -> Entries {
        let both = self.place.both();
        if let Some(keeper) = &self.keeper {
            return RUNTIME.block_on(keeper.read(&both)).unwrap();
        }
        if self.place.kind == Kind::Memory {
            return self.place.memory.lock().unwrap().clone();
        }
        let found = self.consumer.committed(&both, PATIENCE).unwrap();
        found.into_iter().filter_map(|(tp, entry)| Some((tp, entry?))).collect()
    }

    /// What the group's offsets say to Kafka's tools.
    fn shown(&self) -> Vec<Option<i64>> {
        let shown = self.consumer.committed(&self.place.both(), PATIENCE).unwrap();
        assert!(shown.values().flatten().all(is_informed), "{shown:?}");
        shown.into_values().map(|entry| entry.map(|entry| entry.offset.get())).collect()
    }

    fn record(&mut self, entries: &Entries) -> LedgerAnswer {
        self.record_while(None, entries)
    }

    /// For partitions of others, while the topic is this one.
    fn record_while(&mut self, topic_id: Option<TopicId>, entries: &Entries) -> LedgerAnswer {
        let (fence, entries) = (Some(self.fence.clone()), entries.clone());
        let (records, letters, owes, at_rest) = (Vec::new(), Vec::new(), String::new(), false);
        let topic = self.place.topic.clone();
        let asker = self.consumer.topic_asker();
        let only_while = topic_id.map(|topic_id| OnlyWhile { topic, topic_id, asker });
        self.store.record(LedgerWrite { fence, entries, records, letters, owes, at_rest, only_while })
    }

    fn topic_id(&self) -> TopicId {
        self.consumer.topic_asker().topic_id(&self.place.topic, PATIENCE).unwrap().expect("it is there")
    }
}

/// An entry stands as it was written, whatever its text is, and none stands that was not written.
fn what_is_recorded_is_read(kind: Kind) {
    let place = Place::new(kind);
    let mut member = place.join();
    assert_eq!(member.claim(), Entries::new());
    let first = place.entries(&[(0, 0, "it's \"quoted\", `so` \\ and \u{e4}\u{1f600}\ta tab")]);
    assert_eq!(member.record(&first), LedgerAnswer::Recorded);
    assert_eq!(member.read(), first);
    let long = "x".repeat(4_096);
    let second = place.entries(&[(0, 7, ""), (1, i64::MAX - 1, &long)]);
    assert_eq!(member.record(&second), LedgerAnswer::Recorded);
    assert_eq!(member.read(), second);
    assert_eq!(member.claim(), second);
    // A write names some of the entries, and leaves the others.
    assert_eq!(member.record(&place.entries(&[(1, 9, "m")])), LedgerAnswer::Recorded);
    assert_eq!(member.read(), place.entries(&[(0, 7, ""), (1, 9, "m")]));
}

/// Whoever was replaced writes nothing any more: not of one partition, and not a part of two.
fn a_replaced_owner_writes_nothing(kind: Kind) {
    let place = Place::new(kind);
    let mut first = place.join();
    first.claim();
    let before = place.entries(&[(0, 1, "a"), (1, 1, "a")]);
    assert_eq!(first.record(&before), LedgerAnswer::Recorded);
    let mut second = place.join();
    assert_eq!(second.claim(), before);
    for late in [&[(0, 2, "late")][..], &[(0, 2, "late"), (1, 2, "late")], &[(1, 2, "late")]] {
        assert_eq!(first.record(&place.entries(late)), LedgerAnswer::Fenced, "{late:?}");
        assert_eq!(second.read(), before);
    }
    let after = place.entries(&[(0, 3, "b"), (1, 3, "b")]);
    assert_eq!(second.record(&after), LedgerAnswer::Recorded);
    assert_eq!(first.record(&place.entries(&[(0, 4, "late")])), LedgerAnswer::Fenced);
    assert_eq!(second.read(), after);
}

/// Two that replace one another again and again: each write that was answered stands when the next one is
/// claimed, and both partitions always agree.
fn racing_owners_lose_nothing(kind: Kind) {
    const ROUNDS: usize = 6;
    let place = Place::new(kind);
    let counts: Vec<[i64; 2]> = std::thread::scope(|scope| {
        let owners: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut recorded, mut unknown) = (0, 0);
                    for _ in 0..ROUNDS {
                        let mut member = place.join();
                        let found = member.claim();
                        let at = |partition| found.get(&place.at(partition)).map_or(0, |e| e.offset.get());
                        assert_eq!(at(0), at(1), "a torn write: {found:?}");
                        let next = place.entries(&[(0, at(0) + 1, "n"), (1, at(0) + 1, "n")]);
                        match member.record(&next) {
                            LedgerAnswer::Recorded => recorded += 1,
                            LedgerAnswer::Fenced | LedgerAnswer::NotRecorded => {}
                            // Two statements met in Keeper, say: the next claim shows what stands.
                            LedgerAnswer::Unknown => unknown += 1,
                            other => panic!("{other:?}"),
                        }
                    }
                    [recorded, unknown]
                })
            })
            .collect();
        owners.into_iter().map(|owner| owner.join().unwrap()).collect()
    });
    let [recorded, unknown] = [0, 1].map(|which| counts.iter().map(|count| count[which]).sum::<i64>());
    let last = place.join().claim();
    assert!(recorded > 0, "{unknown} unknown");
    let stands = last[&place.at(0)].offset.get();
    assert!((recorded..=recorded + unknown).contains(&stands), "{recorded} + {unknown}: {last:?}");
    assert_eq!(last, place.entries(&[(0, stands, "n"), (1, stands, "n")]));
}

#[test]
fn kafka_keeps_what_is_recorded() {
    what_is_recorded_is_read(Kind::Kafka);
}

#[test]
fn keepermap_keeps_what_is_recorded() {
    what_is_recorded_is_read(Kind::KeeperMap);
}

#[test]
fn memory_keeps_what_is_recorded() {
    what_is_recorded_is_read(Kind::Memory);
}

#[test]
fn kafka_refuses_a_replaced_owner() {
    a_replaced_owner_writes_nothing(Kind::Kafka);
}

#[test]
fn keepermap_refuses_a_replaced_owner() {
    a_replaced_owner_writes_nothing(Kind::KeeperMap);
}

#[test]
fn kafka_keeps_every_write_of_racing_owners() {
    racing_owners_lose_nothing(Kind::Kafka);
}

#[test]
fn keepermap_keeps_every_write_of_racing_owners() {
    racing_owners_lose_nothing(Kind::KeeperMap);
}

/// R15: an owner that has not heard that its topic was created again writes nothing for partitions of others, one of
/// which may have an entry of the next life already.
#[test]
fn kafka_writes_nothing_for_another_life_of_the_topic() {
    let place = Place::new(Kind::Kafka);
    let mut member = place.join();
    member.claim();
    let first_life = member.topic_id();
    let both = place.entries(&[(0, 5, "first"), (1, 6, "first")]);
    assert_eq!(member.record_while(Some(first_life), &both), LedgerAnswer::Recorded);
    assert_eq!(member.read(), both);
    let topics = BED.topics().unwrap();
    topics.delete(place.topic.as_str()).unwrap();
    topics.create(place.topic.as_str(), 2, &[]).unwrap();
    let next_life = member.topic_id();
    assert_ne!(next_life, first_life);
    // Somebody else, who has seen the next life.
    let next = place.entries(&[(1, 1, "next")]);
    assert_eq!(member.record(&next), LedgerAnswer::Recorded);
    let late = place.entries(&[(0, 7, "first"), (1, 8, "first")]);
    assert_eq!(member.record_while(Some(first_life), &late), LedgerAnswer::OtherTopic(Some(next_life)));
    assert_eq!(member.read(), next);
    assert_eq!(member.record_while(Some(next_life), &late), LedgerAnswer::Recorded);
}

/// Kafka's tools see how far the ledger is, and the store `kafka` does not take that for entries.
#[test]
fn keepermap_informs_the_group() {
    let place = Place::new(Kind::KeeperMap);
    let mut member = place.join();
    member.claim();
    assert_eq!(member.record(&place.entries(&[(0, 5, "a"), (1, 6, "b")])), LedgerAnswer::Recorded);
    assert!(member.store.idle_within().is_some());
    member.store.idle().unwrap();
    assert!(member.store.idle_within().is_none());
    assert_eq!(member.shown(), [Some(5), Some(6)]);
}

/// An owner that dies, or gives its partitions up, before it has informed the group leaves that to whoever claims them
/// next: they may get no further record.
#[test]
fn keepermap_shows_what_a_claim_finds() {
    let place = Place::new(Kind::KeeperMap);
    let mut first = place.join();
    first.claim();
    assert_eq!(first.record(&place.entries(&[(0, 5, "a")])), LedgerAnswer::Recorded);
    first.store.idle().unwrap();
    assert_eq!(first.record(&place.entries(&[(0, 7, "a"), (1, 6, "b")])), LedgerAnswer::Recorded);
    assert_eq!(first.shown(), [Some(5), None]);
    drop(first);
    let mut second = place.join();
    second.claim();
    assert!(second.store.idle_within().is_some(), "nothing is due");
    second.store.idle().unwrap();
    assert_eq!(second.shown(), [Some(7), Some(6)]);
    // Its own next claim shows as well what it had not come to.
    assert_eq!(second.record(&place.entries(&[(1, 8, "c")])), LedgerAnswer::Recorded);
    second.claim();
    second.store.idle().unwrap();
    assert_eq!(second.shown(), [Some(7), Some(8)]);
}

/// Where only the group's generation has passed, what is due stays due, and is shown under the next one.
#[test]
fn keepermap_informs_over_a_passed_generation() {
    let place = Place::new(Kind::KeeperMap);
    let mut member = place.join();
    member.claim();
    assert_eq!(member.record(&place.entries(&[(0, 5, "a"), (1, 6, "b")])), LedgerAnswer::Recorded);
    // Another member comes, and takes one of the partitions.
    let mut other = place.consumer("another");
    let until = Instant::now() + PATIENCE;
    let (mut kept, mut taken) = (None, None);
    while (kept, taken) != (Some(1), Some(1)) {
        assert!(Instant::now() < until, "{kept:?} and {taken:?}");
        kept = take_part(&mut member.consumer).or(kept);
        taken = take_part(&mut other).or(taken);
    }
    let fence = member.consumer.group_metadata().unwrap();
    assert_ne!(fence, member.fence);
    let error = member.store.idle().unwrap_err();
    assert!(matches!(error, KafkaError::MemberReplaced { only_generation: true, .. }), "{error}");
    assert!(member.store.idle_within().is_some(), "what was due is forgotten");
    member.store.stands(&fence, &Entries::new());
    member.store.idle().unwrap();
    assert_eq!(member.shown(), [Some(5), Some(6)]);
}

/// Keeps the calls, and pays only when it is sure of what became of the last try.
struct Told {
    calls: Arc<Mutex<Vec<&'static str>>>,
    in_doubt: bool,
}

impl LedgerStore for Told {
    fn prepare(&mut self, _abandoned: &AtomicBool) -> Result<(), KafkaError> {
        self.calls.lock().unwrap().push("prepare");
        self.in_doubt = false;
        Ok(())
    }

    fn record(&mut self, _write: LedgerWrite) -> LedgerAnswer {
        panic!("nobody asks for it");
    }

    fn publish(&mut self, _records: &[OutgoingRecord]) -> Result<(), KafkaError> {
        panic!("nobody asks for it");
    }

    /// The first answer is lost.
    fn pay(
        &mut self,
        _fence: &Fence,
        _entries: &BTreeMap<TopicPartition, StoredEntry>,
        _letters: &[Vec<OutgoingRecord>],
    ) -> LedgerAnswer {
        let mut calls = self.calls.lock().unwrap();
        let first = !calls.contains(&"pay");
        calls.push("pay");
        self.in_doubt |= first;
        if self.in_doubt { LedgerAnswer::Unknown } else { LedgerAnswer::Recorded }
    }
}

/// A producer whose last transaction is in doubt answers nothing until it was replaced: a claim that pays would ask for ever.
#[test]
fn a_payment_knows_what_became_of_the_one_before() {
    let place = Place::new(Kind::Kafka);
    let fence = place.join().fence.clone();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (orders, taken) = unbounded();
    let (mail, letters) = unbounded();
    let store = Box::new(Told { calls: Arc::clone(&calls), in_doubt: false });
    let thread = ledger_thread::spawn(store, taken, mail, "ledger-test".to_owned(), Arc::default()).unwrap();
    let pay = |ended: bool| {
        let ended = Arc::new(AtomicBool::new(ended));
        let (claim, fence) = (ClaimId(1), fence.clone());
        let (entries, letters) = (BTreeMap::new(), Vec::new());
        orders.send(Order::Pay { claim, fence, entries, letters, ended }).unwrap();
    };
    // Nobody waits for the first one.
    [true, false, false].into_iter().for_each(pay);
    drop(orders);
    let answers: Vec<_> = letters
        .iter()
        .map(|letter| match letter {
            Mail::Paid { answer, .. } => answer,
            _ => panic!("another letter"),
        })
        .collect();
    thread.join().unwrap();
    assert_eq!(answers, [LedgerAnswer::Unknown, LedgerAnswer::Recorded]);
    assert_eq!(*calls.lock().unwrap(), ["prepare", "pay", "prepare", "pay"]);
}
