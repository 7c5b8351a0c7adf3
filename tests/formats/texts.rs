//! Texts and values without fields: StringConverter, ByteArrayConverter, and converters of single numbers.
use std::time::Duration;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

fn corner(prefix: &str) -> Corner<'static> {
    Corner::new(bed(), prefix, 1)
        .without("value.converter.schemas.enable")
        .with("value.converter", "org.apache.kafka.connect.storage.StringConverter")
}

#[test]
fn texts_of_json_land() {
    let corner = corner("texts").with("insertFormat", "JSON");
    corner.create_table("id UInt64, s String", "id", Engine::Plain);
    corner.write_json(&[r#"{"id": 1, "s": "ü"}"#, r#"{"s": "b", "id": "2"}"#]);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let rows = corner.sql().text(&format!("SELECT id, s FROM {} ORDER BY id", corner.table)).unwrap();
    assert_eq!(rows, "1\tü\n2\tb");
    assert!(worker.stop().success());
}

#[test]
fn texts_without_a_format_are_refused_at_the_start() {
    let corner = corner("texts_unsaid");
    let log = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(log.contains("CONFIG-002: insertFormat"), "{log}");
}

#[test]
fn a_converter_that_is_not_built_is_refused_with_those_that_are() {
    let corner = corner("converters").with("value.converter", "com.example.OwnConverter");
    let log = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(log.contains("CONFIG-005: value.converter") && log.contains("AvroConverter"), "{log}");
}

/// One partition's records land; answers what `select` says of the table.
fn land(corner: &Corner<'_>, values: Vec<Option<Vec<u8>>>, select: &str, order: &str) -> String {
    let records =
        values.into_iter().map(|value| FillRecord { partition: 0, key: Some(b"k".to_vec()), value });
    corner.write(records.collect::<Vec<_>>());
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let rows = corner.sql().text(&format!("SELECT {select} FROM {} ORDER BY {order}", corner.table)).unwrap();
    assert!(worker.stop().success());
    rows
}

fn texts(values: &[&str]) -> Vec<Option<Vec<u8>>> {
    values.iter().map(|value| Some(value.as_bytes().to_vec())).collect()
}

const TEXT_COLUMNS: &str = "id UInt64, s Nullable(String), f Float64, b Bool, at DateTime64(3, 'UTC'), \
    d DateTime('Asia/Tokyo'), l Array(Nullable(String)), m Map(String, Int32), t Tuple(Int8, String), \
    n String DEFAULT 'none', e Enum8('x y' = 1, 'z' = 2), p Decimal(9, 2)";
/// What Pumphouse makes of a text is what the server makes of the same text.
fn as_the_server_reads(prefix: &str, format: &str, rows: &[&str]) {
    let corner = corner(prefix).with("insertFormat", format);
    corner.create_table(TEXT_COLUMNS, "id", Engine::Plain);
    let ours = land(&corner, texts(rows), "* EXCEPT (_topic, _partition, _offset)", "id");
    let (sql, theirs) = (corner.sql(), format!("{}_read", corner.table));
    sql.run(&format!("CREATE TABLE {theirs} ({TEXT_COLUMNS}) ENGINE = MergeTree ORDER BY id")).unwrap();
    let body = rows.join("\n") + "\n";
    sql.insert(&format!("INSERT INTO {theirs} FORMAT {format}"), body.as_bytes()).unwrap();
    assert_eq!(ours, sql.text(&format!("SELECT * FROM {theirs} ORDER BY id")).unwrap());
}

#[test]
fn csv_lands_as_the_server_reads_it() {
    let rows = [
        r#"1,x,1.5,true,2024-01-02 03:04:05.678,2024-01-02 03:04:05,"['a',NULL,'it\'s']","{'k':1,'l':-2}",3,x,y,x y,1.25"#,
        r#" 2 ,\N, inf ,0,1700000000.25,1700000000,[],{},-1,,,z,-0.01"#,
        r#"3," ""q"", 'r' ",-1e-3,1,1700000000123,"1999-12-31 23:59:59","['']","{'ä':7}",0," ",\N,"z",1"#,
        r#"4,,nan,false,"2024-01-02T03:04:05Z",2024-01-02 03:04:05,[],{},1,"a,b","",z,0"#,
    ];
    as_the_server_reads("csv", "CSV", &rows);
}

#[test]
fn tsv_lands_as_the_server_reads_it() {
    let rows = [
        "1\tx\t1.5\ttrue\t2024-01-02 03:04:05.678\t2024-01-02 03:04:05\t['a',NULL]\t{'k':1}\t(3,'x')\ty\tx y\t1.25",
        "2\t\\N\t-inf\t0\t1700000000.25\t1700000000\t[]\t{}\t(-1,'')\t\tz\t-0.01",
        "3\ta\\tb\\nc\\\\\\x41\\'\t0\t1\t1700000000123\t1999-12-31 23:59:59\t['\\'\\\\']\t{'ä':7}\t(0,'\\t')\t\"q\"\tz\t1",
    ];
    as_the_server_reads("tsv", "TSV", &rows);
}

#[test]
fn a_text_of_two_rows_stops_a_strict_task() {
    let corner = corner("two_rows").with("insertFormat", "CSV");
    corner.create_table("id UInt64, s String", "id", Engine::Plain);
    corner.write_json(&["1,a", "2,b\n3,c"]);
    let trace = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(trace.contains("DECODE-040") && trace.contains("offset 1"), "{trace}");
}

#[test]
fn bytes_fill_the_only_column() {
    let corner =
        corner("bytes").with("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter");
    corner.create_table("raw String, _key String", "raw", Engine::Plain);
    let values = vec![Some(vec![0, 0xff, b'x']), Some(Vec::new())];
    assert_eq!(land(&corner, values, "hex(raw), _key", "_offset"), "00FF78\tk\n\tk");
}

#[test]
fn single_values_fill_the_column_that_is_named() {
    let class = |name: &str| format!("org.apache.kafka.connect.converters.{name}Converter");
    for (name, column, value, expected) in [
        ("Long", "v Int64", i64::MIN.to_be_bytes().to_vec(), "-9223372036854775808"),
        ("Integer", "v UInt16", 7i32.to_be_bytes().to_vec(), "7"),
        ("Double", "v Float64", 0.1f64.to_be_bytes().to_vec(), "0.1"),
        ("Boolean", "v Bool", vec![1], "true"),
    ] {
        let corner = corner(&format!("bare_{}", name.to_lowercase()))
            .with("value.converter", &class(name))
            .with("pumphouse.value.column", "v")
            .with("pumphouse.tombstones", "skip");
        corner.create_table(&format!("{column}, n Int8 DEFAULT 5"), "v", Engine::Plain);
        let rows = land(&corner, vec![None, Some(value)], "v, n, _offset", "_offset");
        assert_eq!(rows, format!("{expected}\t5\t1"), "{name}");
    }
    // Whole texts, without any form.
    let corner = corner("bare_text").with("pumphouse.value.column", "v");
    corner.create_table("v LowCardinality(String), n Int8 DEFAULT 5", "v", Engine::Plain);
    assert_eq!(land(&corner, texts(&["a,b\n{"]), "v, n", "_offset"), "a,b\\n{\t5");
}
