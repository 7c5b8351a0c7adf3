//! The text of an entry: what it says, that it reads back, and that nothing in it makes us fall over.
use proptest::prelude::*;
use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Offset, OffsetRange, OffsetsHash, Partition, ServerMillis, TableUuid,
    TopicId,
};

use super::*;

fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn share(first: i64, end: i64, rows: u64, hash: u64) -> BatchRange {
    let range = OffsetRange::new(offset(first), offset(end)).unwrap();
    BatchRange { range, rows, hash: OffsetsHash::from_bits(hash), left_out: 0 }
}

fn batch() -> Batch {
    Batch {
        id: BatchId(0xb),
        token: DedupToken(0xd),
        topic_id: TopicId(0x70),
        ranges: [(Partition(2), share(90, 120, 29, 0xaa)), (Partition(5), share(5, 9, 4, 0xbb))].into(),
        table: TableSeen {
            name: "db.events".into(),
            uuid: TableUuid(0xe),
            engine: TableEngine::Replicated,
            server_version: "26.7.1".into(),
            server_started: ServerMillis(1_000),
            window_blocks: 10_000,
            window_ms: Some(3_600_000),
            blocks: Some(7),
            definition: 0xf,
        },
        first_recorded: ServerMillis(2_000),
        deadline: ServerMillis(32_000),
        config_version: ConfigVersion(0xc),
        piece_end: None,
        by_evidence: false,
    }
}

/// A lead's entry as it reads back: of its members it knows the ranges only.
fn as_read(mut batch: Batch) -> Entry {
    let lead = batch.lead();
    for (partition, share) in &mut batch.ranges {
        if *partition != lead {
            (share.rows, share.hash) = (0, OffsetsHash::EMPTY);
        }
    }
    Entry::Lead(Box::new(batch))
}

fn parse(metadata: &str) -> Result<Entry, EntryError> {
    Entry::parse(Partition(2), &StoredEntry { offset: offset(90), metadata: metadata.into() })
}

/// What entries of version 1 look like: a change here is a new version.
#[test]
fn version_1_is_written_as_it_always_was() {
    let written = |partition| Entry::of_batch(&batch(), Partition(partition)).to_stored();
    assert_eq!(
        Entry::plain(offset(40), TopicId(0x70)).to_stored(),
        StoredEntry {
            offset: offset(40),
            metadata: r#"{"pumphouse":1,"topic":"00000000000000000000000000000070"}"#.into(),
        }
    );
    assert_eq!(
        written(5),
        StoredEntry {
            offset: offset(5),
            metadata: concat!(
                r#"{"pumphouse":1,"topic":"00000000000000000000000000000070","share":"#,
                r#"{"batch":"0000000000000000000000000000000b","lead":2,"end":9,"rows":4,"#,
                r#""hash":"00000000000000bb"}}"#,
            )
            .into(),
        }
    );
    assert_eq!(
        written(2),
        StoredEntry {
            offset: offset(90),
            metadata: concat!(
                r#"{"pumphouse":1,"topic":"00000000000000000000000000000070","share":"#,
                r#"{"batch":"0000000000000000000000000000000b","lead":2,"end":120,"rows":29,"#,
                r#""hash":"00000000000000aa"},"whole":{"token":"0000000000000000000000000000000d","#,
                r#""ranges":"2:90+30,5:5+4","table":"db.events","#,
                r#""uuid":"0000000000000000000000000000000e","engine":"replicated","#,
                r#""version":"26.7.1","started":1000,"window_blocks":10000,"window_ms":3600000,"#,
                r#""blocks":7,"first":2000,"deadline":32000,"config":"000000000000000c","definition":"000000000000000f"}}"#,
            )
            .into(),
        }
    );
}

#[test]
fn what_others_write_is_a_plain_mark() {
    for text in ["", "x", "{}", "{\"Pumphouse\":1}", " {\"pumphouse\":1}", "NoMetadata"] {
        assert_eq!(parse(text), Ok(Entry::Plain { next: offset(90), topic_id: None }), "{text}");
    }
}

#[test]
fn another_version_is_not_guessed_at() {
    assert_eq!(parse(r#"{"pumphouse":2,"anything":[]}"#), Err(EntryError::Version(2)));
}

#[test]
fn a_text_of_ours_that_is_broken_is_said_to_be() {
    let whole = Entry::of_batch(&batch(), Partition(2)).to_stored().metadata;
    assert_eq!(parse(&whole), Ok(as_read(batch())));
    let broken = [
        whole.replace("2:90+30,5:5+4", "5:5+4"),
        whole.replace("2:90+30", "2:91+29"),
        whole.replace("2:90+30", "2:90+0"),
        whole.replace("5:5+4", "5:5+9223372036854775807"),
        whole.replace("\"lead\":2", "\"lead\":5"),
        whole.replace("\"end\":120", "\"end\":90"),
        whole.replace("\"end\":120", "\"end\":-1"),
        whole.replace("000d", "00d"),
        whole.replace("replicated", "buffer"),
        whole[..whole.len() - 1].to_owned(),
        Entry::of_batch(&batch(), Partition(5)).to_stored().metadata.replace("\"lead\":2", "\"lead\":2.5"),
    ];
    for text in broken {
        assert!(matches!(parse(&text), Err(EntryError::Broken(_))), "{text}");
    }
    let member = Entry::of_batch(&batch(), Partition(5)).to_stored().metadata;
    assert!(matches!(parse(&member), Err(EntryError::Broken(_))), "a lead without its batch");
}

fn ranges() -> impl Strategy<Value = BTreeMap<Partition, BatchRange>> {
    let covered = (0..i64::MAX / 2, 1..1_000_000_000i64, any::<u64>(), any::<u64>());
    prop::collection::btree_map(any::<u32>(), covered, 1..30).prop_map(|ranges| {
        let of = |(first, positions, rows, hash): (i64, i64, u64, u64)| {
            share(first, first + positions, rows % (positions as u64 + 1), hash)
        };
        ranges.into_iter().map(|(p, covered)| (Partition(p), of(covered))).collect()
    })
}

/// Quotes, backslashes, control characters, braces, letters of other scripts.
fn table_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_.]{1,400}", "[\"\\\\{}:,`'\u{0}-\u{1f}a-z\u{7f}é水😀]{0,150}", "\\PC{0,100}"]
}

prop_compose! {
    fn batches()(
        ids in any::<(u128, u128, u128, u128, u64)>(),
        ranges in ranges(),
        name in table_name(),
        plain: bool,
        server_version in "[0-9.]{0,20}",
        numbers in any::<(u64, u64, u64, u64)>(),
        optional in any::<(Option<u64>, Option<u64>)>(),
        piece in prop::option::of((any::<u32>(), 0..i64::MAX)),
    ) -> Batch {
        Batch {
            id: BatchId(ids.0),
            token: DedupToken(ids.1),
            topic_id: TopicId(ids.2),
            ranges,
            table: TableSeen {
                name,
                uuid: TableUuid(ids.3),
                engine: if plain { TableEngine::Plain } else { TableEngine::Replicated },
                server_version,
                server_started: ServerMillis(numbers.0),
                window_blocks: numbers.1,
                window_ms: optional.0,
                blocks: optional.1,
                definition: numbers.0,
            },
            first_recorded: ServerMillis(numbers.2),
            deadline: ServerMillis(numbers.3),
            config_version: ConfigVersion(ids.4),
            piece_end: piece.map(|(partition, at)| Cut { partition: Partition(partition), offset: offset(at) }),
            by_evidence: plain,
        }
    }
}

proptest! {
    #[test]
    fn a_batch_reads_back(batch in batches()) {
        for partition in batch.ranges.keys() {
            let entry = Entry::of_batch(&batch, *partition);
            let stored = entry.to_stored();
            prop_assert!(stored.metadata.encode_utf16().count() <= ENTRY_TEXT_CHARS_MAX);
            prop_assert!(!stored.metadata.contains('\0'), "Kafka's clients end a text at NUL");
            let expected = match entry {
                Entry::Lead(batch) => as_read(*batch),
                other => other,
            };
            prop_assert_eq!(Entry::parse(*partition, &stored), Ok(expected));
        }
    }

    #[test]
    fn a_plain_mark_reads_back(next in 0..=i64::MAX, id in prop::option::of(any::<u128>())) {
        let entry = Entry::Plain { next: offset(next), topic_id: id.map(TopicId) };
        prop_assert_eq!(Entry::parse(Partition(0), &entry.to_stored()), Ok(entry));
    }

    #[test]
    fn no_text_makes_reading_fall_over(text in "\\PC{0,200}", at in 0..=i64::MAX, partition: u32) {
        for metadata in [text.clone(), format!("{TEXT_START}{text}"), format!("{TEXT_START}1,{text}")] {
            let _ = Entry::parse(Partition(partition), &StoredEntry { offset: offset(at), metadata });
        }
    }

    /// A valid text, cut, or with bytes of it replaced.
    #[test]
    fn no_damage_makes_reading_fall_over(
        batch in batches(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[0-9a-f\"{}:,+.-]"), 0..4),
        end in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        let stored = Entry::of_batch(&batch, batch.lead()).to_stored();
        let mut chars: Vec<char> = stored.metadata.chars().collect();
        for (at, by) in damage {
            let at = at.index(chars.len());
            chars.splice(at..=at, by.chars());
        }
        if cut {
            chars.truncate(end.index(chars.len()));
        }
        let metadata = chars.into_iter().collect();
        let _ = Entry::parse(batch.lead(), &StoredEntry { offset: stored.offset, metadata });
    }
}
