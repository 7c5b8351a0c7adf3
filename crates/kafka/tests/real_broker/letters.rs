//! Dead letters on their way: as they came, with the ledger's entry or not at all.
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pumphouse_kafka::{
    Admin, BadRecord, DeadLetterTopic, DeadLetterWarning, Failure, Header, KafkaError, Leaving,
    OutgoingRecord, RangeReader, ReadLimits, RecordOutcome, RecordView, Settings, Stage, TimestampKind,
    WantedLetters,
};
use pumphouse_testkit::{Topics, unique_name};
use pumphouse_types::{OffsetRange, Partition, TopicId, TopicName};

use crate::ranges::LIMITS;
use crate::support::*;

const FAILURE: Failure<'static> = Failure {
    task: 0,
    stage: Stage::ValueConverter,
    class: "org.apache.kafka.connect.json.JsonConverter",
    code: "DECODE-001",
    message: "not JSON",
    causes: None,
};

/// 2026, as a record's producer might say.
const WHEN_MS: i64 = 1_790_000_000_000;

fn wanted(topic: &TopicName) -> WantedLetters {
    WantedLetters {
        topic: topic.clone(),
        replicas: Some(1),
        connector: "c".to_owned(),
        context_headers: true,
    }
}

fn ensure(
    broker: &Broker,
    topic: &TopicName,
    source: &TopicName,
) -> (DeadLetterTopic, Vec<DeadLetterWarning>) {
    let admin = Admin::open(&broker.settings()).unwrap();
    DeadLetterTopic::ensure(&admin, wanted(topic), std::slice::from_ref(source), PATIENCE).unwrap()
}

fn fresh() -> TopicName {
    TopicName::new(&unique_name("dead"))
}

fn topic_with(broker: &Broker, options: &[(&str, &str)]) -> TopicName {
    let topic = fresh();
    Topics::new(&broker.bootstrap()).unwrap().create(topic.as_str(), 1, options).unwrap();
    topic
}

/// Reads all committed records of partition 0. Up to the high watermark: the answer to a commit comes
/// before its records show.
fn read(broker: &Broker, topic: &TopicName, bytes_max: u64, take: impl FnMut(&RecordView<'_>)) -> u64 {
    let end = Topics::new(&broker.bootstrap()).unwrap().end_offsets(topic.as_str()).unwrap()[&0];
    let all = OffsetRange::new(at(0), at(end)).unwrap();
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    reader.read(topic, &[(Partition(0), all)], ReadLimits { bytes_max, ..LIMITS }, take).unwrap()
}

fn read_all(broker: &Broker, topic: &TopicName) -> Vec<BadRecord> {
    let mut records = Vec::new();
    read(broker, topic, LIMITS.bytes_max, |record| {
        records.push(BadRecord::copy(TopicId(1), topic, record));
    });
    records
}

fn bad(source: &TopicName, offset: i64, value: Vec<u8>) -> BadRecord {
    BadRecord {
        topic_id: TopicId(1),
        topic_partition: tp(source, 0),
        offset: at(offset),
        key: None,
        value: Some(value),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

#[test]
fn a_letter_holds_the_record_as_it_came() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let (letters, warnings) = ensure(&broker, &fresh(), &source);
    assert_eq!(warnings, []);
    let mut ledger = broker.ledger(&group());
    let original = OutgoingRecord {
        key: Some(b"\xffkey".to_vec()),
        value: Some(b"{".to_vec()),
        headers: vec![
            Header { name: b"h".to_vec(), value: Some(vec![0, 255]) },
            Header { name: b"\xff".to_vec(), value: None },
            Header { name: b"h".to_vec(), value: Some(Vec::new()) },
        ],
        timestamp_ms: Some(WHEN_MS),
        ..record_of(&source, 0, "", "")
    };
    assert_eq!(ledger.produce_in_transaction(std::slice::from_ref(&original)), RecordOutcome::Recorded);
    let [read] = read_all(&broker, &source).try_into().unwrap();
    assert_eq!((&read.headers, read.timestamp_ms), (&original.headers, Some(WHEN_MS)));

    let (_member, fence) = member(&broker, &source, &group());
    let letter = letters.letter(read, &FAILURE, WHEN_MS + 1);
    let entries = BTreeMap::from([(tp(&source, 0), entry(1, "m"))]);
    assert_eq!(ledger.record(&fence, &entries, &[letter]), RecordOutcome::Recorded);

    let [arrived] = read_all(&broker, letters.name()).try_into().unwrap();
    assert_eq!((&arrived.key, &arrived.value), (&original.key, &original.value));
    assert_eq!(arrived.timestamp_ms, Some(WHEN_MS));
    assert_eq!(arrived.headers[..3], original.headers);
    let text = |name: &str| {
        let header = arrived.headers.iter().find(|header| header.name == name.as_bytes()).unwrap();
        String::from_utf8(header.value.clone().unwrap()).unwrap()
    };
    assert_eq!(text("pumphouse.record.id"), format!("{}/0/0", TopicId(1)));
    assert_eq!(text("__connect.errors.topic"), source.as_str());
    assert_eq!(text("__connect.errors.stage"), "VALUE_CONVERTER");
    assert_eq!(text("__connect.errors.exception.message"), "not JSON");
}

#[test]
fn timestamps_tell_who_chose_them() {
    let broker = Broker::share();
    let kind_of = |options: &[(&str, &str)]| {
        let topic = topic_with(&broker, options);
        let record = OutgoingRecord { timestamp_ms: Some(WHEN_MS), ..record_of(&topic, 0, "k", "v") };
        assert_eq!(broker.ledger(&group()).produce_in_transaction(&[record]), RecordOutcome::Recorded);
        let mut found = None;
        read(&broker, &topic, LIMITS.bytes_max, |record| found = record.timestamp());
        found.unwrap()
    };
    let created = kind_of(&[]);
    assert_eq!((created.ms, created.kind), (WHEN_MS, TimestampKind::CreateTime));
    let appended = kind_of(&[("message.timestamp.type", "LogAppendTime")]);
    assert_eq!(appended.kind, TimestampKind::LogAppendTime);
    assert_ne!(appended.ms, WHEN_MS);
}

#[test]
fn an_aborted_write_leaves_neither_letter_nor_entry() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let (letters, _) = ensure(&broker, &fresh(), &source);
    let (member, fence) = member(&broker, &source, &group());
    let mut ledger = broker.ledger(&group());
    let entries = BTreeMap::from([(tp(&source, 0), entry(1, "m"))]);
    let nowhere = record_of(&TopicName::new("no-such-topic"), 0, "k", "v");
    let written = [letters.letter(bad(&source, 0, b"{".to_vec()), &FAILURE, 0), nowhere];
    let outcome = ledger.record(&fence, &entries, &written);
    assert!(matches!(outcome, RecordOutcome::NotRecorded(_)), "{outcome:?}");
    assert_eq!(read_all(&broker, letters.name()), []);
    assert_eq!(member.committed(&[tp(&source, 0)], PATIENCE).unwrap()[&tp(&source, 0)], None);

    // A member that has left.
    member.close(Leaving::Leave, PATIENCE).unwrap();
    let outcome = ledger.record(&fence, &entries, &written[..1]);
    assert!(matches!(outcome, RecordOutcome::Fenced(_)), "{outcome:?}");
    assert_eq!(read_all(&broker, letters.name()), []);
}

#[test]
fn a_rehearsal_proves_the_topic_and_leaves_nothing() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let (letters, _) = ensure(&broker, &fresh(), &source);
    let mut ledger = broker.ledger(&group());
    assert_eq!(ledger.rehearse(&letters.probes()), Ok(()));
    assert_eq!(read_all(&broker, letters.name()), []);

    // A topic that went away since it was looked at.
    let (gone, _) = ensure(&broker, &fresh(), &source);
    Topics::new(&broker.bootstrap()).unwrap().delete(gone.name().as_str()).unwrap();
    let begun = Instant::now();
    let refused = ledger.rehearse(&gone.probes()).unwrap_err();
    assert!(matches!(refused, KafkaError::TopicGone { .. }), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    // The producer serves on.
    assert_eq!(ledger.rehearse(&letters.probes()), Ok(()));
}

#[test]
fn a_thousand_letters_take_less_than_a_third_of_the_transactions_time() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let (letters, _) = ensure(&broker, &fresh(), &source);
    let (_member, fence) = member(&broker, &source, &group());
    let mut ledger = broker.ledger(&group());
    let written: Vec<_> = (0..1_000)
        .map(|offset| letters.letter(bad(&source, offset, vec![b'x'; 10_000]), &FAILURE, 0))
        .collect();
    let entries = BTreeMap::from([(tp(&source, 0), entry(1_000, "m"))]);
    let begun = Instant::now();
    assert_eq!(ledger.record(&fence, &entries, &written), RecordOutcome::Recorded);
    let took = begun.elapsed();
    println!("1,000 letters of 10 kB: {took:?}");
    assert!(took < Duration::from_millis(10_000 / 3), "{took:?}");
    assert_eq!(read(&broker, letters.name(), 20 << 20, |_| {}), 1_000);
}

#[test]
fn a_source_that_is_not_there_yet_is_no_obstacle() {
    let broker = Broker::share();
    let sources = [TopicName::new(&unique_name("not-yet")), broker.topic(1)];
    let small = topic_with(&broker, &[("max.message.bytes", "20000")]);
    let admin = Admin::open(&broker.settings()).unwrap();
    let (_, warnings) = DeadLetterTopic::ensure(&admin, wanted(&small), &sources, PATIENCE).unwrap();
    // The one behind it is looked at.
    let told: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains(sources[1].as_str()), "{told:?}");
}

#[test]
fn what_is_too_large_for_the_topic_goes_out_as_coordinates() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let small = topic_with(&broker, &[("max.message.bytes", "20000")]);
    let (letters, warnings) = ensure(&broker, &small, &source);
    let told = [DeadLetterWarning::SmallerThanSource {
        source: source.clone(),
        source_bytes: 1_048_588,
        letter_bytes: 20_000,
    }];
    assert_eq!(warnings, told);

    // Values whose letters are the largest that the topic takes, and one byte more.
    let size_of = |value: usize| letters.letter(bad(&source, 0, vec![b'x'; value]), &FAILURE, 0).bytes();
    let largest = 10_000 + 20_000 - size_of(10_000);
    let letter = |offset, bytes| letters.letter(bad(&source, offset, vec![b'x'; bytes]), &FAILURE, 0);
    let settings = letters.producer_settings(&broker.settings());
    let mut ledger = pumphouse_kafka::LedgerProducer::open(&settings, &group(), PATIENCE).unwrap();
    let mut written = vec![letter(1, largest), letter(2, largest + 1), letter(3, 5_000_000)];
    // Together they are far above what one batch may have.
    written.extend((10..110).map(|offset| letter(offset, 1_000)));
    assert_eq!(ledger.produce_in_transaction(&written), RecordOutcome::Recorded);
    let sizes: Vec<_> =
        read_all(&broker, &small).iter().map(|letter| letter.value.as_ref().map(Vec::len)).collect();
    let mut expected = vec![Some(largest), None, None];
    expected.extend(vec![Some(1_000); 100]);
    assert_eq!(sizes, expected);

    // Without the settings the same letters are one batch that the broker refuses.
    let outcome = broker.ledger(&group()).produce_in_transaction(&written);
    assert!(matches!(outcome, RecordOutcome::NotRecorded(KafkaError::WriteTooLarge { .. })), "{outcome:?}");
}

#[test]
fn a_timestamp_that_the_topic_refuses_is_left_out() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let topic = topic_with(&broker, &[("message.timestamp.before.max.ms", "3600000")]);
    let (letters, _) = ensure(&broker, &topic, &source);
    let now_ms = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
    )
    .unwrap();
    let record = |ms| BadRecord { timestamp_ms: Some(ms), ..bad(&source, 0, b"{".to_vec()) };
    let written = [
        letters.letter(record(1), &FAILURE, now_ms),
        letters.letter(record(now_ms - 1_000), &FAILURE, now_ms),
    ];
    assert_eq!(broker.ledger(&group()).produce_in_transaction(&written), RecordOutcome::Recorded);
    let times: Vec<_> = read_all(&broker, &topic).iter().map(|l| l.timestamp_ms.unwrap()).collect();
    assert!(times[0] >= now_ms - 1_000, "{times:?}");
    assert_eq!(times[1], now_ms - 1_000);
}

#[test]
fn topics_that_cannot_keep_letters_are_refused() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let admin = Admin::open(&broker.settings()).unwrap();
    let refused = |letters: WantedLetters| {
        DeadLetterTopic::ensure(&admin, letters, std::slice::from_ref(&source), PATIENCE).unwrap_err()
    };
    let compacted = refused(wanted(&topic_with(&broker, &[("cleanup.policy", "compact")])));
    assert!(matches!(compacted, KafkaError::DeadLetterTopicUnfit { .. }), "{compacted}");
    // Connect's default, with one broker.
    let replicas = refused(WantedLetters { replicas: Some(3), ..wanted(&fresh()) });
    assert!(matches!(replicas, KafkaError::CreateTopic { .. }), "{replicas}");
}

/// How the parent tells the child what to do.
const CHILD_BOOTSTRAP: &str = "PUMPHOUSE_TEST_BOOTSTRAP";
const CHILD_NAMES: &str = "PUMPHOUSE_TEST_NAMES";

#[test]
fn a_process_that_is_killed_leaves_letters_and_entry_together() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let (letters, _) = ensure(&broker, &fresh(), &source);
    let group = group();
    let topics = Topics::new(&broker.bootstrap()).unwrap();
    let entry_now = || {
        let end = Instant::now() + PATIENCE;
        loop {
            match topics.committed(&group, source.as_str()) {
                Ok(committed) => return committed.get(&0).map_or(0, |committed| committed.offset),
                // The coordinator of a new group is not there at once.
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    for round in 0..8_u64 {
        let before = entry_now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "letters::child_that_is_killed", "--ignored"])
            .env(CHILD_BOOTSTRAP, broker.bootstrap())
            .env(CHILD_NAMES, format!("{group},{source},{}", letters.name()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + PATIENCE;
        while entry_now() == before {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            assert!(Instant::now() < end, "the child writes nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Another moment of a write each time.
        std::thread::sleep(Duration::from_micros(1_700 * round + 300));
        child.kill().unwrap();
        child.wait().unwrap();
        // The next owner ends what the child left open.
        drop(broker.ledger(&group));
        let entry = entry_now();
        let ids: Vec<_> = read_all(&broker, letters.name()).iter().map(record_id).collect();
        let wanted: Vec<_> = (0..entry * 3).map(|number| format!("{}/0/{number}", TopicId(1))).collect();
        assert_eq!(ids, wanted, "round {round}: entry {entry}");
        println!("round {round}: killed after entry {entry}");
    }
}

fn record_id(letter: &BadRecord) -> String {
    String::from_utf8(letter.headers.last().unwrap().value.clone().unwrap()).unwrap()
}

/// Writes letters 3n, 3n+1 and 3n+2 with entry n+1, as fast as it can, until it is killed.
#[test]
#[ignore = "started by the test above, as a process of its own"]
fn child_that_is_killed() {
    let Ok(bootstrap) = std::env::var(CHILD_BOOTSTRAP) else { return };
    let names = std::env::var(CHILD_NAMES).unwrap();
    let [group, source, dead]: [&str; 3] = names.split(',').collect::<Vec<_>>().try_into().unwrap();
    let settings = Settings::from([("bootstrap.servers".to_owned(), bootstrap)]);
    let (source, dead) = (TopicName::new(source), TopicName::new(dead));
    let admin = Admin::open(&settings).unwrap();
    let (letters, _) = DeadLetterTopic::ensure(&admin, wanted(&dead), &[], PATIENCE).unwrap();
    let mut ledger = pumphouse_kafka::LedgerProducer::open(&settings, group, PATIENCE).unwrap();
    let mut consumer = pumphouse_kafka::Consumer::open(&settings, group, Some("one")).unwrap();
    consumer.subscribe(std::slice::from_ref(&source)).unwrap();
    wait_assigned(&mut consumer, PATIENCE);
    let fence = consumer.group_metadata().unwrap();
    let partition = tp(&source, 0);
    let read = consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    let first = read[&partition].as_ref().map_or(0, |entry| entry.offset.get());
    let end = Instant::now() + PATIENCE;
    for number in first.. {
        assert!(Instant::now() < end, "nobody killed me");
        let three = |which| letters.letter(bad(&source, number * 3 + which, vec![b'x'; 2_000]), &FAILURE, 0);
        let entries = BTreeMap::from([(partition.clone(), entry(number + 1, "m"))]);
        let outcome = ledger.record(&fence, &entries, &[0, 1, 2].map(three));
        assert_eq!(outcome, RecordOutcome::Recorded);
    }
}
