//! The promise: a value that is in a JSON record is in the table, exactly, for every supported type.
#![allow(clippy::unwrap_used)]

mod created;
mod equal;
mod lineage;
mod values;

use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

/// A column, and values for it: the JSON of a record's field, and the text that ClickHouse gives back.
struct Case {
    column_type: &'static str,
    values: &'static [(&'static str, &'static str)],
}

const fn case(column_type: &'static str, values: &'static [(&'static str, &'static str)]) -> Case {
    Case { column_type, values }
}

const INTEGERS: [Case; 10] = [
    case("UInt8", &[("0", "0"), ("255", "255"), ("\"17\"", "17"), ("true", "1"), ("1e2", "100")]),
    case("UInt16", &[("0", "0"), ("65535", "65535"), ("65535.0", "65535")]),
    case("UInt32", &[("0", "0"), ("4294967295", "4294967295")]),
    case(
        "UInt64",
        &[
            ("0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("9007199254740993", "9007199254740993"),
        ],
    ),
    case(
        "UInt128",
        &[("0", "0"), ("340282366920938463463374607431768211455", "340282366920938463463374607431768211455")],
    ),
    case("Int8", &[("-128", "-128"), ("127", "127"), ("-0", "0")]),
    case("Int16", &[("-32768", "-32768"), ("32767", "32767")]),
    case("Int32", &[("-2147483648", "-2147483648"), ("2147483647", "2147483647")]),
    case(
        "Int64",
        &[("-9223372036854775808", "-9223372036854775808"), ("9223372036854775807", "9223372036854775807")],
    ),
    case(
        "Int128",
        &[("-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728")],
    ),
];

const OTHER_NUMBERS: [Case; 8] = [
    case("Bool", &[("true", "true"), ("false", "false"), ("1", "true"), ("0", "false")]),
    case(
        "Float32",
        &[("0.5", "0.5"), ("-1.5e10", "-15000000000"), ("16777216", "16777216"), ("\"NaN\"", "nan")],
    ),
    case(
        "Float64",
        &[
            ("0.1", "0.1"),
            ("1.7976931348623157e308", "1.7976931348623157e308"),
            ("5e-324", "5e-324"),
            ("\"-Infinity\"", "-inf"),
        ],
    ),
    case("Decimal(9, 2)", &[("1.5", "1.5"), ("-9999999.99", "-9999999.99"), ("\"0.01\"", "0.01")]),
    case(
        "Decimal(18, 4)",
        &[("0.0001", "0.0001"), ("99999999999999.9999", "99999999999999.9999"), ("1e3", "1000")],
    ),
    case(
        "Decimal(38, 10)",
        &[("\"-9999999999999999999999999999.9999999999\"", "-9999999999999999999999999999.9999999999")],
    ),
    case("Enum8('low' = -1, 'high' = 2)", &[("\"low\"", "low"), ("\"high\"", "high"), ("2", "high")]),
    case("Enum16('a' = 1, 'it\\'s' = 30000)", &[("\"a\"", "a"), ("\"it's\"", "it\\'s")]),
];

const TEXTS: [Case; 5] = [
    case(
        "String",
        &[
            ("\"\"", ""),
            ("\"gr\\u00fcn \\ud83d\\ude80\"", "grün 🚀"),
            ("\"tab\\tline\\n\\\\\"", "tab\\tline\\n\\\\"),
            ("17", "17"),
            ("true", "true"),
        ],
    ),
    case("FixedString(4)", &[("\"abcd\"", "abcd"), ("\"ab\"", "ab\\0\\0")]),
    case("LowCardinality(String)", &[("\"a\"", "a"), ("\"\"", ""), ("\"b\"", "b"), ("\"a\"", "a")]),
    case(
        "UUID",
        &[
            ("\"61f0c404-5cb3-11e7-907b-a6006ad3dba0\"", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
            ("\"61F0C4045CB311E7907BA6006AD3DBA0\"", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
        ],
    ),
    case("LowCardinality(Nullable(String))", &[("null", "\\N"), ("\"x\"", "x"), ("\"\"", "")]),
];

const TIMES: [Case; 7] = [
    case(
        "Date",
        &[("\"1970-01-01\"", "1970-01-01"), ("\"2149-06-06\"", "2149-06-06"), ("19782", "2024-02-29")],
    ),
    case(
        "Date32",
        &[("\"1900-01-01\"", "1900-01-01"), ("\"2299-12-31\"", "2299-12-31"), ("-1", "1969-12-31")],
    ),
    case(
        "DateTime('UTC')",
        &[
            ("\"2024-02-29T12:34:56Z\"", "2024-02-29 12:34:56"),
            ("\"2024-02-29T12:34:56+02:00\"", "2024-02-29 10:34:56"),
            ("4294967295", "2106-02-07 06:28:15"),
            ("\"2024-02-29 12:34:56\"", "2024-02-29 12:34:56"),
        ],
    ),
    case(
        "DateTime('Europe/Berlin')",
        &[
            ("\"2024-07-01 12:00:00\"", "2024-07-01 12:00:00"),
            ("\"2024-07-01T12:00:00Z\"", "2024-07-01 14:00:00"),
        ],
    ),
    case(
        "DateTime64(3, 'UTC')",
        &[
            ("\"2024-02-29T12:34:56.789Z\"", "2024-02-29 12:34:56.789"),
            ("1709210096789", "2024-02-29 12:34:56.789"),
            ("\"1900-01-01T00:00:00Z\"", "1900-01-01 00:00:00.000"),
        ],
    ),
    case("DateTime64(9, 'UTC')", &[("\"2024-02-29T12:34:56.123456789Z\"", "2024-02-29 12:34:56.123456789")]),
    case(
        "DateTime64(6, 'America/New_York')",
        &[("\"2013-01-01T10:00:00.5Z\"", "2013-01-01 05:00:00.500000")],
    ),
];

const NESTED: [Case; 10] = [
    case("Nullable(Int32)", &[("null", "\\N"), ("-5", "-5")]),
    case("Nullable(String)", &[("null", "\\N"), ("\"null\"", "null"), ("\"\"", "")]),
    case("Nullable(Decimal(10, 3))", &[("1.125", "1.125"), ("null", "\\N")]),
    case(
        "Nullable(DateTime64(3, 'UTC'))",
        &[("\"2024-01-01T00:00:00.001Z\"", "2024-01-01 00:00:00.001"), ("null", "\\N")],
    ),
    case("Array(UInt16)", &[("[]", "[]"), ("[1, 2, 65535]", "[1,2,65535]")]),
    case("Array(Nullable(String))", &[("[\"a\", null, \"\"]", "['a',NULL,'']")]),
    case("Array(Array(Int8))", &[("[[1], [], [-1, 2]]", "[[1],[],[-1,2]]"), ("[]", "[]")]),
    case("Array(LowCardinality(String))", &[("[\"x\", \"y\", \"x\"]", "['x','y','x']")]),
    case("Map(String, Int64)", &[("{}", "{}"), ("{\"a\": 1, \"b\": -2}", "{'a':1,'b':-2}")]),
    case("Map(String, Array(Nullable(Float64)))", &[("{\"k\": [0.5, null]}", "{'k':[0.5,NULL]}")]),
];

/// Lands one record per value, with the other columns at their first value, and reads all back.
fn check(prefix: &str, cases: &[Case]) {
    let columns: Vec<String> =
        cases.iter().enumerate().map(|(place, case)| format!("c{place} {}", case.column_type)).collect();
    let longest = cases.iter().map(|case| case.values.len()).max().unwrap();
    let value = |case: &Case, record: usize| case.values[record % case.values.len()];
    let records: Vec<String> = (0..longest)
        .map(|record| {
            let fields: Vec<String> = cases
                .iter()
                .enumerate()
                .map(|(place, case)| format!("\"c{place}\": {}", value(case, record).0))
                .collect();
            format!("{{{}}}", fields.join(", "))
        })
        .collect();
    let corner = Corner::new(bed(), prefix, 1).with_small_batches(1_000, 50);
    corner.create_table(&columns.join(", "), "tuple()", Engine::Plain);
    land(&corner, &records);

    let selected: Vec<String> = (0..cases.len()).map(|place| format!("c{place}")).collect();
    let query =
        format!("SELECT {} FROM {} ORDER BY _offset FORMAT TabSeparated", selected.join(", "), corner.table);
    let text = corner.sql().text(&query).unwrap();
    let rows: Vec<Vec<&str>> = text.split('\n').map(|row| row.split('\t').collect()).collect();
    assert_eq!(rows.len(), longest);
    for (record, row) in rows.iter().enumerate() {
        for (place, case) in cases.iter().enumerate() {
            let (json, expected) = value(case, record);
            assert_eq!(row[place], expected, "{} from {json}", case.column_type);
        }
    }
}

fn land(corner: &Corner<'_>, records: &[String]) {
    corner.write_json(&records.iter().map(String::as_str).collect::<Vec<_>>());
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
}

#[test]
fn integers() {
    check("integers", &INTEGERS);
}

#[test]
fn floats_decimals_and_enums() {
    check("numbers", &OTHER_NUMBERS);
}

#[test]
fn texts() {
    check("texts", &TEXTS);
}

#[test]
fn dates_and_times() {
    check("times", &TIMES);
}

#[test]
fn nullable_arrays_and_maps() {
    check("nested", &NESTED);
}

#[test]
fn json_is_what_clickhouse_itself_makes_of_the_text() {
    let corner = Corner::new(bed(), "json", 1).with_small_batches(1_000, 50);
    corner.create_table("doc JSON, typed JSON(n UInt32)", "tuple()", Engine::Plain);
    let records = [
        r#"{"doc": {"a": {"b": [{"c": "x"}, {"c": "y"}]}, "d": 1.5, "e": null}, "typed": {"n": 7}}"#,
        r#"{"doc": {}, "typed": {}}"#,
        r#"{"doc": {"text": "gr\u00fcn \"q\"", "big": 9007199254740993, "list": [1, null, 3]}, "typed": {"n": 1, "more": "z"}}"#,
    ]
    .map(str::to_owned);
    land(&corner, &records);
    let sql = corner.sql();
    let reference = format!("{}_reference", corner.table);
    sql.run(&format!(
        "CREATE TABLE {reference} (doc JSON, typed JSON(n UInt32)) ENGINE = MergeTree ORDER BY tuple()"
    ))
    .unwrap();
    sql.insert(&format!("INSERT INTO {reference} FORMAT JSONEachRow"), records.join("\n").as_bytes())
        .unwrap();
    let all = |table: &str| {
        let query = format!(
            "SELECT toString(doc) AS d, toString(typed), JSONAllPathsWithTypes(doc) FROM {table} ORDER BY d"
        );
        sql.text(&query).unwrap()
    };
    assert_eq!(all(&corner.table), all(&reference));
    let query =
        format!("SELECT doc.a.b[].c, doc.d::Float64, typed.n FROM {} WHERE _offset = 0", corner.table);
    assert_eq!(sql.text(&query).unwrap(), "['x','y']\t1.5\t7");
}

#[test]
fn defaults_fill_what_a_record_lacks() {
    let corner = Corner::new(bed(), "defaults", 1).with_small_batches(1_000, 50);
    corner.create_table(
        "n UInt32, kind String DEFAULT 'plain', double UInt64 DEFAULT n * 2, note Nullable(String), \
         sum UInt64 MATERIALIZED n + 1, shown String ALIAS concat(kind, '!'), level UInt8 DEFAULT 3",
        "n",
        Engine::Plain,
    );
    let records = [
        r#"{"n": 1}"#,
        r#"{"n": 2, "kind": "own", "double": 5, "note": "x", "level": 9}"#,
        r#"{"n": 3, "unknown": {"deep": [1]}, "note": null, "double": 7}"#,
    ]
    .map(str::to_owned);
    land(&corner, &records);
    let query =
        format!("SELECT n, kind, double, note, sum, shown, level FROM {} ORDER BY _offset", corner.table);
    let rows = corner.sql().rows(&query).unwrap();
    assert_eq!(
        rows,
        [
            ["1", "plain", "2", "\\N", "2", "plain!", "3"],
            ["2", "own", "5", "x", "3", "own!", "9"],
            ["3", "plain", "7", "\\N", "4", "plain!", "3"],
        ]
    );
}

#[test]
fn lineage_says_where_each_row_comes_from() {
    let corner = Corner::new(bed(), "lineage", 3).with_small_batches(1_000, 50);
    corner.create_table("n UInt32", "n", Engine::Plain);
    let record = |n: u32| pumphouse_testkit::filling::FillRecord {
        partition: (n % 3) as i32,
        key: None,
        value: Some(format!("{{\"n\": {n}}}").into_bytes()),
    };
    corner.write((0..300).map(record));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let query = format!(
        "SELECT count(), countIf(_topic = '{}' AND _partition = n % 3 AND _offset = intDiv(n, 3)) FROM {}",
        corner.topic, corner.table
    );
    assert_eq!(corner.sql().text(&query).unwrap(), "300\t300");
}

#[test]
fn a_table_without_lineage_columns_is_fine() {
    let corner = Corner::new(bed(), "no_lineage", 1).with_small_batches(1_000, 50);
    let engine = "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000";
    corner.sql().run(&format!("CREATE TABLE {} (n UInt32) ENGINE = {engine}", corner.table)).unwrap();
    let records: Vec<String> = (0..1_000).map(|n| format!("{{\"n\": {n}}}")).collect();
    land(&corner, &records);
    let query = format!("SELECT count(), uniqExact(n), max(n) FROM {}", corner.table);
    assert_eq!(corner.sql().text(&query).unwrap(), "1000\t1000\t999");
}
