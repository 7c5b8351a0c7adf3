//! What comes through Kafka and the worker is what ClickHouse itself makes of the same values: one table
//! is filled by the worker, another one by INSERT VALUES, and both have to read back alike, as values and
//! as the bytes of a Native block.
use pumphouse_testkit::Sql;
use pumphouse_tests::{Corner, bed};

use super::land;
use super::values::{LEAVES, Random, Spelled, kind};

/// Settings without which a server refuses some of the types in a table.
const TYPE_SETTINGS: [(&str, &str); 6] = [
    ("allow_suspicious_low_cardinality_types", "1"),
    ("allow_suspicious_variant_types", "1"),
    ("flatten_nested", "0"),
    ("enable_nullable_tuple_type", "1"),
    // VALUES are read by the types' own readers, never as expressions.
    ("input_format_values_interpret_expressions", "0"),
    ("input_format_values_deduce_templates_of_expressions", "0"),
];

const ENGINE: &str = "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000";

/// Columns and rows: each row has one value per column.
struct Table {
    types: Vec<String>,
    rows: Vec<Vec<Spelled>>,
}

impl Table {
    fn columns(&self) -> String {
        let columns = self.types.iter().enumerate().map(|(place, text)| format!(", c{place} {text}"));
        format!("n UInt32{}", columns.collect::<String>())
    }

    fn records(&self) -> Vec<String> {
        let record = |(number, row): (usize, &Vec<Spelled>)| {
            let fields = row.iter().enumerate().map(|(place, (json, _))| format!(",\"c{place}\":{json}"));
            format!("{{\"n\":{number}{}}}", fields.collect::<String>())
        };
        self.rows.iter().enumerate().map(record).collect()
    }

    fn values(&self) -> String {
        let row = |(number, row): (usize, &Vec<Spelled>)| {
            let values = row.iter().map(|(_, sql)| format!(",{sql}"));
            format!("({number}{})", values.collect::<String>())
        };
        self.rows.iter().enumerate().map(row).collect::<Vec<_>>().join(",\n")
    }
}

fn check(prefix: &str, table: &Table) {
    let corner = Corner::new(bed(), prefix, 1).with_small_batches(10_000, 300);
    let sql = TYPE_SETTINGS.iter().fold(corner.sql(), |sql, (name, value)| sql.with_setting(name, value));
    let reference = format!("{}_reference", corner.table);
    for name in [&corner.table, &reference] {
        sql.run(&format!("CREATE TABLE {name} ({}) ENGINE = {ENGINE}", table.columns())).unwrap();
    }
    sql.insert(&format!("INSERT INTO {reference} VALUES"), table.values().as_bytes()).unwrap();
    land(&corner, &table.records());
    same_values(&sql, &corner.table, &reference, table);
    same_bytes(&sql, &corner.table, &reference, table);
}

/// Value by value, as the server prints them.
fn same_values(sql: &Sql, ours: &str, theirs: &str, table: &Table) {
    let printed = |name: &str| sql.rows(&format!("SELECT * FROM {name} ORDER BY n")).unwrap();
    let (ours, theirs) = (printed(ours), printed(theirs));
    assert_eq!((ours.len(), theirs.len()), (table.rows.len(), table.rows.len()));
    let mut differ = Vec::new();
    for (number, row) in table.rows.iter().enumerate() {
        for (place, (json, values)) in row.iter().enumerate() {
            let (found, expected) = (&ours[number][place + 1], &theirs[number][place + 1]);
            if found != expected {
                differ.push(format!("{}: {json} is {found}, {values} is {expected}", table.types[place]));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Column by column, as a block. What text does not show, this does: the sign of a zero, for one.
fn same_bytes(sql: &Sql, ours: &str, theirs: &str, table: &Table) {
    for (place, type_text) in table.types.iter().enumerate() {
        // One block whatever the parts are.
        let query = |name: &str| {
            format!("SELECT c{place} FROM {name} ORDER BY n FORMAT Native SETTINGS max_block_size = 1000000")
        };
        let [a, b] = [ours, theirs].map(|name| sql.binary(&query(name)).unwrap());
        assert!(a == b, "{type_text}:\nours   {}\nserver {}", a.escape_ascii(), b.escape_ascii());
    }
}

#[test]
fn every_edge_of_every_type() {
    let longest = LEAVES.iter().map(|leaf| leaf.values.len()).max().unwrap();
    let rows = (0..longest).map(|place| LEAVES.iter().map(|leaf| leaf.spelled(place)).collect()).collect();
    let types = LEAVES.iter().map(|leaf| leaf.type_text.to_owned()).collect();
    check("edges", &Table { types, rows });
}

/// `PUMPHOUSE_TYPES_SEED` makes other types.
fn nested(number: u64) {
    const COLUMNS: usize = 16;
    const ROWS: usize = 40;
    let seed = std::env::var("PUMPHOUSE_TYPES_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let mut random = Random(seed * 1_000 + number);
    let kinds: Vec<_> = (0..COLUMNS).map(|_| kind(&mut random, 3)).collect();
    let rows = (0..ROWS).map(|_| kinds.iter().map(|kind| kind.value(&mut random)).collect()).collect();
    check("nested_types", &Table { types: kinds.iter().map(|kind| kind.type_text.clone()).collect(), rows });
}

#[test]
fn random_nested_types_first() {
    nested(1);
}

#[test]
fn random_nested_types_second() {
    nested(2);
}

#[test]
fn random_nested_types_third() {
    nested(3);
}

#[test]
fn random_nested_types_fourth() {
    nested(4);
}

/// A value that is not given travels as NULL, with bytes under it that are no value of an Enum.
#[test]
fn what_stands_under_null_never_shows() {
    let corner = Corner::new(bed(), "under_null", 1).with_small_batches(10_000, 300);
    corner
        .sql()
        .run(&format!(
            "CREATE TABLE {} (n UInt32, e Enum8('a' = 5, 'b' = 6) DEFAULT 'b', d Date32 DEFAULT '2024-01-01', \
             l Array(String) DEFAULT [toString(e), toString(d)]) ENGINE = {ENGINE}",
            corner.table
        ))
        .unwrap();
    let records =
        [r#"{"n":0}"#, r#"{"n":1,"e":"a"}"#, r#"{"n":2,"d":"1900-01-01","e":null}"#, r#"{"n":3,"l":[]}"#];
    land(&corner, &records.map(str::to_owned));
    let rows = corner.sql().rows(&format!("SELECT * FROM {} ORDER BY n", corner.table)).unwrap();
    let expected = [
        ["0", "b", "2024-01-01", "['b','2024-01-01']"],
        ["1", "a", "2024-01-01", "['a','2024-01-01']"],
        ["2", "b", "1900-01-01", "['b','1900-01-01']"],
        ["3", "b", "2024-01-01", "[]"],
    ];
    assert_eq!(rows, expected);
}
