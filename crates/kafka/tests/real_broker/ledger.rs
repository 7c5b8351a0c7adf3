//! Ledger writes: what stands, what is fenced, what is refused.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_kafka::{Fence, KafkaError, Leaving, RecordOutcome};
use pumphouse_testkit::Topics;
use pumphouse_types::{OffsetRange, Partition, TopicName};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::support::*;

#[test]
fn entries_are_read_back_with_their_metadata() {
    let broker = Broker::share();
    let topic = broker.topic(3);
    let (consumer, fence) = member(&broker, &topic, &group());
    let mut ledger = broker.ledger(&group());
    let largest = "\u{e4}".repeat(4_096);
    let entries =
        BTreeMap::from([(tp(&topic, 0), entry(5, "{\"pumphouse\":1}")), (tp(&topic, 1), entry(0, &largest))]);
    assert_eq!(ledger.record(&fence, &entries, &[]), RecordOutcome::Recorded);
    assert!(!ledger.tainted());

    let all = [tp(&topic, 0), tp(&topic, 1), tp(&topic, 2)];
    let read = consumer.committed(&all, PATIENCE).unwrap();
    assert_eq!(read[&all[0]], Some(entry(5, "{\"pumphouse\":1}")));
    assert_eq!(read[&all[1]], Some(entry(0, &largest)));
    assert_eq!(read[&all[2]], None);

    let too_long = BTreeMap::from([(tp(&topic, 0), entry(6, &"x".repeat(4_097)))]);
    let refused = ledger.record(&fence, &too_long, &[]);
    assert!(matches!(refused, RecordOutcome::NotRecorded(KafkaError::WriteTooLarge { .. })));
}

#[test]
fn a_ledger_write_takes_milliseconds() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let (_consumer, fence) = member(&broker, &topic, &group());
    let mut ledger = broker.ledger(&group());
    let mut fastest = Duration::MAX;
    for offset in 0..50 {
        let entries = BTreeMap::from([(tp(&topic, 0), entry(offset, "m"))]);
        let begun = Instant::now();
        assert_eq!(ledger.record(&fence, &entries, &[]), RecordOutcome::Recorded);
        fastest = fastest.min(begun.elapsed());
    }
    // librdkafka's default retry.backoff.ms makes it 100 ms, a flush as well.
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn records_and_entries_stand_together_or_not_at_all() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let letters = broker.topic(1);
    let (consumer, fence) = member(&broker, &topic, &group());
    let mut ledger = broker.ledger(&group());
    let letter = [record_of(&letters, 0, "k", "bad record")];
    let entries = BTreeMap::from([(tp(&topic, 0), entry(1, "m"))]);
    assert_eq!(ledger.record(&fence, &entries, &letter), RecordOutcome::Recorded);
    assert_eq!(visible(&broker, &letters), ["bad record"]);

    // A member that has left writes neither.
    consumer.close(Leaving::Leave, PATIENCE).unwrap();
    let next = BTreeMap::from([(tp(&topic, 0), entry(2, "m"))]);
    let outcome = ledger.record(&fence, &next, &letter);
    assert!(matches!(outcome, RecordOutcome::Fenced(KafkaError::MemberReplaced { .. })), "{outcome:?}");
    assert_eq!(visible(&broker, &letters), ["bad record"]);
    let committed = Topics::new(&broker.bootstrap()).unwrap().committed(fence.group_id(), topic.as_str());
    assert_eq!(committed.unwrap()[&0].offset, 1);
}

fn visible(broker: &Broker, topic: &TopicName) -> Vec<String> {
    let mut reader = pumphouse_kafka::RangeReader::open(&broker.settings(), &group()).unwrap();
    let range = reader.watermarks(&tp(topic, 0), PATIENCE).unwrap();
    let mut values = Vec::new();
    reader
        .read(
            topic,
            &[(Partition(0), OffsetRange::new(range.first(), range.end()).unwrap())],
            crate::ranges::LIMITS,
            |record| {
                values.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
            },
        )
        .unwrap();
    values
}

#[test]
fn a_replaced_members_write_is_fenced() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let group = group();
    let (first, old_fence) = member(&broker, &topic, &group);
    let mut ledger = broker.ledger(&format!("{group}-a"));
    let entries = |offset| BTreeMap::from([(tp(&topic, 0), entry(offset, "m"))]);
    assert_eq!(ledger.record(&old_fence, &entries(1), &[]), RecordOutcome::Recorded);
    first.close(Leaving::Leave, PATIENCE).unwrap();

    let (second, fence) = member(&broker, &topic, &group);
    let outcome = ledger.record(&old_fence, &entries(2), &[]);
    assert!(matches!(outcome, RecordOutcome::Fenced(KafkaError::MemberReplaced { .. })), "{outcome:?}");
    assert_eq!(second.committed(&[tp(&topic, 0)], PATIENCE).unwrap()[&tp(&topic, 0)], Some(entry(1, "m")));
    // The producer itself is as good as before.
    assert_eq!(ledger.record(&fence, &entries(3), &[]), RecordOutcome::Recorded);
}

#[test]
fn a_producer_of_the_same_id_ends_its_predecessors_transaction() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let id = group();
    let (consumer, fence) = member(&broker, &topic, &group());
    let partition = tp(&topic, 0);
    let mut ledger = broker.ledger(&id);
    let written = BTreeMap::from([(partition.clone(), entry(1, "settled"))]);
    assert_eq!(ledger.record(&fence, &written, &[]), RecordOutcome::Recorded);

    // A predecessor that dies between sending the offsets and committing them.
    let (old, sent) = leave_transaction_open(&broker, &id, &topic, &fence);
    assert!(sent);
    assert!(
        consumer.committed(std::slice::from_ref(&partition), Duration::from_millis(500)).is_err(),
        "an unstable entry is waited for"
    );

    let mut successor = broker.ledger(&id);
    let begun = Instant::now();
    let read = consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(7), "took {:?}", begun.elapsed());
    assert_eq!(read[&partition], Some(entry(1, "settled")));
    assert!(old.commit_transaction(PATIENCE).is_err());

    let next = BTreeMap::from([(partition.clone(), entry(2, "next"))]);
    let outcome = ledger.record(&fence, &next, &[]);
    assert!(matches!(outcome, RecordOutcome::Fenced(KafkaError::ProducerReplaced { .. })), "{outcome:?}");
    // It stays so until it is replaced, which fences the successor in its turn.
    assert!(matches!(ledger.record(&fence, &next, &[]), RecordOutcome::Fenced(_)));
    assert!(matches!(successor.record(&fence, &next, &[]), RecordOutcome::Recorded));
    ledger.replace().unwrap();
    assert_eq!(ledger.record(&fence, &next, &[]), RecordOutcome::Recorded);
    assert!(matches!(successor.record(&fence, &next, &[]), RecordOutcome::Fenced(_)));
}

/// Sends offset 99 for partition 0 in a transaction that stays open.
fn leave_transaction_open(
    broker: &Broker,
    id: &str,
    topic: &TopicName,
    fence: &Fence,
) -> (rdkafka::producer::BaseProducer, bool) {
    let helper: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", fence.group_id())
        .create()
        .unwrap();
    // The broker takes a write without a member from anybody: here that is of use.
    let nobody = helper.group_metadata().unwrap();
    let old = broker.rough_producer(id);
    old.begin_transaction().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic.as_str(), 0, Offset::Offset(99)).unwrap();
    let sent = old.send_offsets_to_transaction(&offsets, &nobody, PATIENCE).is_ok();
    (old, sent)
}

#[test]
fn a_write_to_a_missing_topic_is_not_recorded_and_the_next_one_is() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let (_consumer, fence) = member(&broker, &topic, &group());
    let mut ledger = broker.ledger(&group());
    let entries = BTreeMap::from([(tp(&topic, 0), entry(1, "m"))]);
    let nowhere = [record_of(&TopicName::new("no-such-topic"), 0, "k", "v")];
    let begun = Instant::now();
    let outcome = ledger.record(&fence, &entries, &nowhere);
    assert!(matches!(outcome, RecordOutcome::NotRecorded(_)), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    assert_eq!(ledger.record(&fence, &entries, &[]), RecordOutcome::Recorded);
}

#[test]
fn hostile_metadata_is_read() {
    let broker = Broker::share();
    let topic = broker.topic(6);
    let group = group();
    let texts = ["", "\0", "{\"pumphouse\":", "\u{1f600}\u{fffd}\u{202e}", &"x".repeat(4_096)];
    let other_tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", &group)
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    for (partition, text) in (0..).zip(texts) {
        let mut element = offsets.add_partition(topic.as_str(), partition);
        element.set_offset(Offset::Offset(3)).unwrap();
        element.set_metadata(text);
    }
    other_tool.commit(&offsets, CommitMode::Sync).unwrap();

    let consumer = pumphouse_kafka::Consumer::open(&broker.settings(), &group, None).unwrap();
    let partitions: Vec<_> = (0..6).map(|partition| tp(&topic, partition)).collect();
    let read = consumer.committed(&partitions, PATIENCE).unwrap();
    for (partition, text) in partitions.iter().zip(texts) {
        assert_eq!(read[partition], Some(entry(3, text)));
    }
    assert_eq!(read[&partitions[5]], None);
}

#[test]
fn no_fence_before_the_first_generation() {
    let broker = Broker::share();
    let consumer = pumphouse_kafka::Consumer::open(&broker.settings(), &group(), None).unwrap();
    assert_eq!(consumer.group_metadata(), None);
}

#[test]
fn an_open_transaction_of_records_stays_unseen() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let rough = broker.rough_producer(&group());
    rough.begin_transaction().unwrap();
    rough
        .send(BaseRecord::to(topic.as_str()).partition(0).key("k").payload("open"))
        .map_err(|(error, _)| error)
        .unwrap();
    rough.flush(PATIENCE).unwrap();
    assert_eq!(visible(&broker, &topic), Vec::<String>::new());
    rough.commit_transaction(PATIENCE).unwrap();
    assert_eq!(visible(&broker, &topic), ["open"]);
}

#[test]
fn a_write_that_lies_ready_shows_when_it_is_recorded_and_not_before() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let (consumer, fence) = member(&broker, &topic, &group());
    let mut ledger = broker.ledger(&group());
    let partition = tp(&topic, 0);
    let entries = |offset| BTreeMap::from([(partition.clone(), entry(offset, "m"))]);
    let read = || {
        let all = consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
        all[&partition].as_ref().map(|stored| stored.offset.get())
    };
    assert_eq!(ledger.record(&fence, &entries(1), &[]), RecordOutcome::Recorded);

    ledger.stage(&fence, &entries(2));
    assert!(ledger.has_staged());
    let early = consumer.committed(std::slice::from_ref(&partition), Duration::from_millis(500));
    assert!(early.is_err(), "it is neither there nor not there: {early:?}");
    assert_eq!(ledger.record(&fence, &entries(2), &[]), RecordOutcome::Recorded);
    assert!(!ledger.has_staged());
    assert_eq!(read(), Some(2));

    // Another write, of entries or of records, does not take it along.
    ledger.stage(&fence, &entries(9));
    assert_eq!(ledger.record(&fence, &entries(3), &[]), RecordOutcome::Recorded);
    assert_eq!(read(), Some(3));
    ledger.stage(&fence, &entries(9));
    let record = [record_of(&broker.topic(1), 0, "k", "v")];
    assert_eq!(ledger.produce_in_transaction(&record), RecordOutcome::Recorded);
    assert_eq!(read(), Some(3));

    ledger.stage(&fence, &entries(9));
    ledger.unstage();
    assert_eq!(read(), Some(3));
    assert_eq!(ledger.record(&fence, &entries(4), &[]), RecordOutcome::Recorded);
    assert_eq!(read(), Some(4));
}

#[test]
fn a_write_that_lies_ready_ends_with_its_producer() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let (consumer, fence) = member(&broker, &topic, &group());
    let id = group();
    let mut ledger = broker.ledger(&id);
    let partition = tp(&topic, 0);
    let entries = |offset| BTreeMap::from([(partition.clone(), entry(offset, "m"))]);
    assert_eq!(ledger.record(&fence, &entries(1), &[]), RecordOutcome::Recorded);
    ledger.stage(&fence, &entries(2));

    let mut successor = broker.ledger(&id);
    let read = consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    assert_eq!(read[&partition], Some(entry(1, "m")));
    let outcome = ledger.record(&fence, &entries(2), &[]);
    assert!(matches!(outcome, RecordOutcome::Fenced(KafkaError::ProducerReplaced { .. })), "{outcome:?}");
    assert_eq!(successor.record(&fence, &entries(3), &[]), RecordOutcome::Recorded);
}

#[test]
fn what_a_replaced_member_would_stage_is_not_taken() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let group = group();
    let (first, old_fence) = member(&broker, &topic, &group);
    let mut ledger = broker.ledger(&format!("{group}-a"));
    first.close(Leaving::Leave, PATIENCE).unwrap();
    let (second, fence) = member(&broker, &topic, &group);
    let partition = tp(&topic, 0);
    let entries = |offset| BTreeMap::from([(partition.clone(), entry(offset, "m"))]);
    ledger.stage(&old_fence, &entries(7));
    assert!(!ledger.has_staged());
    let outcome = ledger.record(&old_fence, &entries(7), &[]);
    assert!(matches!(outcome, RecordOutcome::Fenced(KafkaError::MemberReplaced { .. })), "{outcome:?}");
    assert_eq!(ledger.record(&fence, &entries(8), &[]), RecordOutcome::Recorded);
    let read = second.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    assert_eq!(read[&partition], Some(entry(8, "m")));
}

/// What R15 rests on: whoever has sent an entry last has it, in whatever order the two transactions are committed.
#[test]
fn of_two_open_transactions_the_entry_stands_that_was_sent_last() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let group = group();
    let (consumer, fence) = member(&broker, &topic, &group);
    let mut first = broker.ledger(&format!("{group}-a"));
    let mut second = broker.ledger(&format!("{group}-b"));
    let [p0, p1] = [tp(&topic, 0), tp(&topic, 1)];
    let earlier = BTreeMap::from([(p0.clone(), entry(5, "earlier")), (p1.clone(), entry(5, "earlier"))]);
    let later = BTreeMap::from([(p1.clone(), entry(1, "later"))]);
    let outcome = first.record_if(&fence, &earlier, &[], || {
        assert_eq!(second.record(&fence, &later, &[]), RecordOutcome::Recorded);
        Ok(())
    });
    assert_eq!(outcome, RecordOutcome::Recorded);
    let read = consumer.committed(&[p0.clone(), p1.clone()], PATIENCE).unwrap();
    assert_eq!(read[&p0], Some(entry(5, "earlier")));
    assert_eq!(read[&p1], Some(entry(1, "later")));
}

#[test]
fn a_write_that_may_not_stand_leaves_nothing_behind() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let letters = broker.topic(1);
    let (consumer, fence) = member(&broker, &topic, &group());
    let mut ledger = broker.ledger(&group());
    let partition = tp(&topic, 0);
    let entries = |offset| BTreeMap::from([(partition.clone(), entry(offset, "m"))]);
    assert_eq!(ledger.record(&fence, &entries(1), &[]), RecordOutcome::Recorded);
    let why = KafkaError::TopicGone { asked: "writing".to_owned(), reason: "created again".to_owned() };
    let letter = [record_of(&letters, 0, "k", "bad record")];
    let outcome = ledger.record_if(&fence, &entries(2), &letter, || Err(why.clone()));
    assert_eq!(outcome, RecordOutcome::NotRecorded(why));
    let read = || consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap()[&partition].clone();
    assert_eq!(read(), Some(entry(1, "m")));
    assert!(visible(&broker, &letters).is_empty());
    // The same handle goes on.
    assert!(!ledger.tainted());
    assert_eq!(ledger.record_if(&fence, &entries(3), &letter, || Ok(())), RecordOutcome::Recorded);
    assert_eq!(read(), Some(entry(3, "m")));
    assert_eq!(visible(&broker, &letters), ["bad record"]);
}
