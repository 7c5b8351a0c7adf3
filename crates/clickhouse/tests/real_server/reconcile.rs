//! What a table has of a topic's positions: fingerprints, offsets, counts.
use std::collections::BTreeMap;

use pumphouse_clickhouse::{
    Client, LineageNames, OffsetsPrint, RowCopies, RowCounts, RowsOutside, SLICE_POSITIONS, TableName,
};
use pumphouse_testkit::{DATABASE, unique_name};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicName};

use crate::server::{RUNTIME, server};

fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

fn range(first: i64, end: i64) -> OffsetRange {
    OffsetRange::new(at(first), at(end)).unwrap()
}

/// A table with the rows (partition, offset) of topic `it's`, and some of another topic.
fn table(rows: &[(u32, i64)]) -> (Client, TableName, TopicName) {
    let name = unique_name("reconcile");
    let topic = "_topic LowCardinality(String), _partition UInt32, _offset UInt64";
    server().sql.run(&format!("CREATE TABLE {name} ({topic}) ENGINE = MergeTree ORDER BY tuple()")).unwrap();
    let values = |topic: &str| rows.iter().map(|(p, o)| format!("('{topic}', {p}, {o})")).collect::<Vec<_>>();
    let all = [values("it\\'s"), values("other")].concat().join(",");
    server().sql.run(&format!("INSERT INTO {name} VALUES {all}")).unwrap();
    let table = TableName { database: DATABASE.to_owned(), table: name };
    (server().client("default", ""), table, TopicName::new("it's"))
}

#[test]
fn fingerprints_of_rows_are_those_of_the_same_offsets() {
    let slice = SLICE_POSITIONS.cast_signed();
    let offsets = [0, 1, 1, 2, 77, slice - 1, slice, 3 * slice + 5, 1 << 40];
    let rows: Vec<_> = offsets.iter().map(|&offset| (3, offset)).chain([(4, 0)]).collect();
    let (client, table, topic) = table(&rows);
    let mut expected: BTreeMap<(Partition, u64), OffsetsPrint> = BTreeMap::new();
    for offset in offsets.iter().filter(|offset| **offset >= 1) {
        let index = offset.cast_unsigned() / SLICE_POSITIONS;
        expected.entry((Partition(3), index)).or_default().add(at(*offset));
    }
    let asked = [(Partition(3), range(1, (1 << 40) + 1)), (Partition(4), range(1, 9))];
    let found =
        RUNTIME.block_on(client.row_prints(&table, &LineageNames::default(), &topic, &asked)).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn offsets_and_counts_are_those_of_the_range() {
    let (client, table, topic) = table(&[(0, 4), (0, 5), (0, 5), (0, 9), (0, 10), (1, 6)]);
    let lineage = LineageNames::default();
    let (of, partition) = (range(5, 10), Partition(0));
    let found = RUNTIME.block_on(client.row_offsets(&table, &lineage, &topic, partition, of)).unwrap();
    assert_eq!(found, [RowCopies { offset: at(5), copies: 2 }, RowCopies { offset: at(9), copies: 1 }]);
    let counts = RUNTIME.block_on(client.count_rows(&table, &lineage, &topic, partition, of)).unwrap();
    assert_eq!(counts, RowCounts { rows: 3, distinct: 2 });
    let lowest =
        |number| RUNTIME.block_on(client.lowest_offset(&table, &lineage, &topic, Partition(number))).unwrap();
    assert_eq!((lowest(0), lowest(1), lowest(2)), (Some(at(4)), Some(at(6)), None));
}

#[test]
fn rows_outside_are_counted_and_their_ranges_found() {
    let (client, table, topic) = table(&[(0, 1), (0, 5), (0, 8), (0, 9), (0, 9), (0, 12), (1, 6), (7, 3)]);
    let lineage = LineageNames::default();
    let inside = BTreeMap::from([(Partition(0), range(5, 8)), (Partition(1), range(6, 7))]);
    let found = RUNTIME.block_on(client.rows_outside(&table, &lineage, &topic, &inside)).unwrap();
    let row = |number, below, ahead| RowsOutside { partition: Partition(number), below, ahead };
    assert_eq!(found, [row(0, 1, 4), row(7, 0, 1)]);
    let none = RUNTIME.block_on(client.rows_outside(&table, &lineage, &topic, &BTreeMap::new())).unwrap();
    assert_eq!(none, [row(0, 0, 6), row(1, 0, 1), row(7, 0, 1)]);
    let runs =
        |max| RUNTIME.block_on(client.row_runs(&table, &lineage, &topic, Partition(0), at(8), max)).unwrap();
    assert_eq!(runs(9), [(range(8, 10), 3), (range(12, 13), 1)]);
    assert_eq!(runs(1), [(range(8, 10), 3)]);
}
