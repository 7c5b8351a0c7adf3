//! Rules that a plan has for records of every format: fields of other names, dates of another form, nulls.
use std::sync::Arc;

use pumphouse_decode::{Decoder, Delimited, Format, PlanOptions, TableColumn, TablePlan};
use pumphouse_types::SchemaKind;

use crate::support::{block, code, column, framed, json_block, plan, record, schema};

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn with(columns: &[TableColumn], options: PlanOptions) -> Arc<TablePlan> {
    Arc::new(TablePlan::compile(columns, options).unwrap())
}

fn decoded(plan: &Arc<TablePlan>, format: Format, text: &str) -> Result<Vec<u8>, String> {
    let mut decoder = Decoder::new(format, Arc::clone(plan));
    let mut segment = plan.new_segment();
    let result = decoder.decode(&mut segment, record(Some(text.as_bytes())));
    if result.is_err() { Err(code(result)) } else { Ok(block(plan, &segment)) }
}

#[test]
fn fields_fill_columns_of_other_names() {
    let columns = [column("id", "Int8", ""), column("user_id", "Int8", ""), column("user", "String", "'x'")];
    let renamed = pairs(&[("number", "id"), ("who.id", "user_id")]);
    let plan_of = |renamed| PlanOptions { renamed, all_columns_here: true, ..PlanOptions::default() };
    let renaming = with(&columns, plan_of(renamed));
    let wanted = json_block(&plan(&columns), &[r#"{"id":1,"user_id":2,"user":"u"}"#]);
    let text = r#"{"number":1,"id":7,"who":{"id":2,"x":0},"user":"u"}"#;
    assert_eq!(decoded(&renaming, Format::Json, text), Ok(wanted.clone()));
    let enveloped = format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"field":"number","type":"int8"}},
            {{"field":"user","type":"string"}},
            {{"field":"who","type":"struct","fields":[{{"field":"id","type":"int8"}}]}}]}},"payload":{text}}}"#
    );
    assert_eq!(decoded(&renaming, Format::ConnectJson { null_defaults: true }, &enveloped), Ok(wanted));
    for (wrong, fact) in [(("a", "none"), "no such column"), (("user", "id"), "own name")] {
        let error = TablePlan::compile(&columns, plan_of(pairs(&[wrong]))).unwrap_err().to_string();
        assert!(error.contains("PLAN-010") && error.contains(fact), "{error}");
    }
    // Two columns that change their fields.
    let swapped = with(&columns[..2], plan_of(pairs(&[("id", "user_id"), ("user_id", "id")])));
    let wanted = json_block(&plan(&columns[..2]), &[r#"{"id":2,"user_id":1}"#]);
    assert_eq!(decoded(&swapped, Format::Json, r#"{"id":1,"user_id":2}"#), Ok(wanted));
}

#[test]
fn texts_of_dates_follow_their_pattern() {
    let columns = [
        column("day", "Nullable(Date)", ""),
        column("at", "DateTime64(3, 'Asia/Tokyo')", "now()"),
        column("l", "Array(DateTime('UTC'))", ""),
        column("t", "Time", ""),
    ];
    let date_formats = pairs(&[
        ("day", "dd/MM/yyyy"),
        ("at", "yyyyMMdd HH:mm:ss.SSS"),
        ("l", "d MMM yyyy h:mm a XXX"),
        ("t", "HH'h'mm"),
    ]);
    let options = PlanOptions { date_formats, all_columns_here: true, ..PlanOptions::default() };
    let patterned = with(&columns, options);
    let wanted = json_block(
        &plan(&columns),
        &[r#"{"day":"2024-02-03","at":"2024-02-03T04:05:06.789","l":["2024-02-03T03:05:00Z"],"t":"04:05"}"#],
    );
    let json =
        r#"{"day":"03/02/2024","at":"20240203 04:05:06.789","l":["3 Feb 2024 4:05 AM +01:00"],"t":"04h05"}"#;
    assert_eq!(decoded(&patterned, Format::Json, json), Ok(wanted.clone()));
    let csv = "03/02/2024,20240203 04:05:06.789,\"['3 Feb 2024 4:05 AM +01:00']\",04h05";
    assert_eq!(decoded(&patterned, Format::Delimited(Delimited::Csv), csv), Ok(wanted));
    let iso = json.replace("03/02/2024", "2024-02-03");
    assert_eq!(decoded(&patterned, Format::Json, &iso), Err("DECODE-006".to_owned()));
    let none = json.replace("03/02/2024", "31/02/2024");
    assert_eq!(decoded(&patterned, Format::Json, &none), Err("DECODE-006".to_owned()));
    // What a schema calls a moment needs no pattern.
    let numbers = r#"{"schema":{"type":"struct","fields":[
        {"field":"day","type":"int32","name":"org.apache.kafka.connect.data.Date"},
        {"field":"at","type":"int64","name":"org.apache.kafka.connect.data.Timestamp"},
        {"field":"l","type":"array","items":{"type":"string"}},{"field":"t","type":"int32"}]},
        "payload":{"day":1,"at":2,"l":[],"t":3}}"#;
    let wanted = json_block(&plan(&columns), &[r#"{"day":1,"at":2,"l":[],"t":3}"#]);
    assert_eq!(decoded(&patterned, Format::ConnectJson { null_defaults: true }, numbers), Ok(wanted));
}

#[test]
fn patterns_that_cannot_be_are_refused_by_column() {
    let columns = [column("at", "DateTime", ""), column("t", "Time", ""), column("s", "String", "")];
    for (column, pattern, fact) in [
        ("at", "yyyy-MM-dd VV", "VV"),
        ("at", "HH:mm", "no date"),
        ("at", "yyyy-MM-dd mm:ss", "without an hour"),
        ("at", "yyyy-MM-dd XXX", "without an hour"),
        ("t", "yyyy-MM-dd HH:mm", "time of day"),
        ("s", "yyyy-MM-dd", "no date or time"),
        ("none", "yyyy-MM-dd", "no such column"),
    ] {
        let date_formats = pairs(&[(column, pattern)]);
        let options = PlanOptions { date_formats, all_columns_here: true, ..PlanOptions::default() };
        let error = TablePlan::compile(&columns, options).unwrap_err().to_string();
        assert!(error.contains("PLAN-011") && error.contains(fact), "{error}");
    }
    // Another table of the connector has it.
    let options = PlanOptions { date_formats: pairs(&[("none", "yyyy")]), ..PlanOptions::default() };
    assert!(TablePlan::compile(&columns, options).is_ok());
}

#[test]
fn null_is_refused_where_the_operator_says_so() {
    let columns = [column("a", "Int8", "5"), column("b", "Nullable(Int8)", "6")];
    let strict = with(&columns, PlanOptions { refuse_nulls: true, ..PlanOptions::default() });
    assert_eq!(decoded(&strict, Format::Json, r#"{"a":null}"#), Err("DECODE-004".to_owned()));
    let wanted = json_block(&plan(&columns), &[r#"{"b":null}"#]);
    assert_eq!(decoded(&strict, Format::Json, r#"{"b":null}"#), Ok(wanted));
}

/// Columns with dots in their names, filled from structs and lists of them.
fn dotted() -> [TableColumn; 6] {
    [
        column("id", "Int8", ""),
        column("s.n", "Int8", ""),
        column("s.t", "Nullable(String)", "'none'"),
        column("s.in.at", "DateTime64(3, 'UTC')", "now()"),
        column("l.n", "Array(Int8)", ""),
        column("l.t", "Array(String)", ""),
    ]
}

const DOTTED: &str = r#"{"id":1,"s":{"n":2,"t":"x","in":{"at":"1970-01-01T00:00:00.005Z"}},"l":[{"n":3,"t":"a"},{"n":4,"t":"b"}]}"#;

#[test]
fn structs_of_avro_fill_columns_with_dots() {
    let plan = plan(&dotted());
    let schema_text = r#"{"type":"record","name":"R","fields":[
        {"name":"s","type":["null",{"type":"record","name":"S","fields":[
            {"name":"n","type":"int"},{"name":"t","type":"string"},
            {"name":"in","type":{"type":"record","name":"I","fields":[
                {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}}]}]},
        {"name":"id","type":"int"},
        {"name":"l","type":{"type":"array","items":{"type":"record","name":"L","fields":[
            {"name":"n","type":"int"},{"name":"t","type":"string"}]}}}]}"#;
    let body = [2, 4, 2, b'x', 10, 2, 4, 6, 2, b'a', 8, 2, b'b', 0];
    let mut decoder = Decoder::new(Format::Avro, Arc::clone(&plan));
    decoder.add_schema(&schema(1, SchemaKind::Avro, schema_text, &[])).unwrap();
    let mut segment = plan.new_segment();
    for _ in 0..2 {
        decoder.decode(&mut segment, record(Some(&framed(1, &body)))).unwrap();
    }
    assert_eq!(block(&plan, &segment), json_block(&plan, &[DOTTED, DOTTED]));
    // The struct is null, and one of its columns cannot be.
    let refused = decoder.decode(&mut segment, record(Some(&framed(1, &[0, 2, 0]))));
    assert_eq!(code(refused), "DECODE-004");
    assert_eq!(segment.rows(), 2);
}

#[test]
fn messages_of_protobuf_fill_columns_with_dots() {
    let plan = plan(&dotted());
    let schema_text = r#"syntax = "proto3"; import "google/protobuf/timestamp.proto";
        message R { S s = 1; int32 id = 2; repeated L l = 3; }
        message S { int32 n = 1; string t = 2; I in = 3; } message I { google.protobuf.Timestamp at = 1; }
        message L { int32 n = 1; string t = 2; }"#;
    let at: &[u8] = &[0x10, 0xc0, 0x96, 0xb1, 0x02]; // 5,000,000 nanoseconds
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let inner = field(1, at);
    let s = [&[8, 2][..], &field(2, b"x"), &field(3, &inner)].concat();
    let element = |n: u8, t: &[u8]| field(3, &[&[8, n][..], &field(2, t)].concat());
    let body = [&[0][..], &field(1, &s), &[16, 1], &element(3, b"a"), &element(4, b"b")].concat();
    let mut decoder = Decoder::new(Format::Protobuf, Arc::clone(&plan));
    decoder.add_schema(&schema(1, SchemaKind::Protobuf, schema_text, &[])).unwrap();
    let mut segment = plan.new_segment();
    decoder.decode(&mut segment, record(Some(&framed(1, &body)))).unwrap();
    assert_eq!(block(&plan, &segment), json_block(&plan, &[DOTTED]));
}

#[test]
fn structs_of_connect_fill_columns_with_dots() {
    let plan = plan(&dotted());
    let schema_text = r#"{"type":"struct","fields":[{"field":"id","type":"int8"},
        {"field":"s","type":"struct","fields":[{"field":"n","type":"int8"},{"field":"t","type":"string"},
            {"field":"in","type":"struct","fields":[
                {"field":"at","type":"int64","name":"org.apache.kafka.connect.data.Timestamp"}]}]},
        {"field":"l","type":"array","items":{"type":"struct","fields":[
            {"field":"n","type":"int8"},{"field":"t","type":"string"}]}}]}"#;
    let payload = r#"{"l":[{"n":3,"t":"a"},{"t":"b","n":4}],"id":1,"s":{"n":2,"t":"x","in":{"at":5}}}"#;
    let text = |payload: &str| format!(r#"{{"schema":{schema_text},"payload":{payload}}}"#);
    let format = Format::ConnectJson { null_defaults: true };
    assert_eq!(decoded(&plan, format, &text(payload)), Ok(json_block(&plan, &[DOTTED])));
    // Twice: the last counts.
    let twice = payload.replacen('{', r#"{"s":{"n":9},"#, 1);
    let wanted = json_block(&plan, &[&DOTTED.replacen('{', r#"{"s":{"n":9},"#, 1)]);
    assert_eq!(decoded(&plan, format, &text(&twice)), Ok(wanted));
    // Members that are not there: the DEFAULT.
    let some = r#"{"id":1,"s":{"n":2},"l":[]}"#;
    assert_eq!(decoded(&plan, format, &text(some)), Ok(json_block(&plan, &[some])));
    let unequal = r#"{"id":1,"s":{"n":2},"l":[{"n":1}]}"#;
    assert_eq!(decoded(&plan, format, &text(unequal)), Err("DECODE-003".to_owned()));
}
