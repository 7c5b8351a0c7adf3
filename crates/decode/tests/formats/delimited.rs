//! CSV and TSV into columns.
use std::sync::Arc;

use pumphouse_decode::{Decoder, Delimited, Format, TableColumn, Undecoded};

use crate::support::{block, code, column, json_block, plan, record};

fn rows(columns: &[TableColumn], format: Delimited, text: &[u8]) -> Result<Vec<u8>, Undecoded> {
    let plan = plan(columns);
    let mut decoder = Decoder::new(Format::Delimited(format), Arc::clone(&plan));
    let mut segment = plan.new_segment();
    decoder.decode(&mut segment, record(Some(text)))?;
    Ok(block(&plan, &segment))
}

fn three() -> [TableColumn; 4] {
    // Lineage columns have no place in a text.
    [
        column("a", "Int64", ""),
        column("_offset", "Int64", ""),
        column("b", "Nullable(String)", ""),
        column("c", "String", "'d'"),
    ]
}

fn row(format: Delimited, text: &str, json: &str) {
    let wanted = json_block(&plan(&three()), &[json]);
    assert_eq!(rows(&three(), format, text.as_bytes()).as_ref(), Ok(&wanted), "{text:?}");
}

fn value(format: Delimited, type_text: &str, text: &str, json: &str) {
    let columns = [column("c", type_text, "")];
    let wanted = json_block(&plan(&columns), &[&format!("{{\"c\":{json}}}")]);
    assert_eq!(rows(&columns, format, text.as_bytes()).as_ref(), Ok(&wanted), "{text:?} into {type_text}");
}

fn refused(format: Delimited, text: &[u8], wanted: &str) {
    assert_eq!(code(rows(&three(), format, text).map(drop)), wanted, "{:?}", String::from_utf8_lossy(text));
}

use Delimited::{Csv, Tsv};

#[test]
fn csv_is_read_as_the_server_reads_it() {
    row(Csv, "1,x,y", r#"{"a":1,"b":"x","c":"y"}"#);
    row(Csv, "1,x,y\n", r#"{"a":1,"b":"x","c":"y"}"#);
    row(Csv, "1,x,y\r\n\n", r#"{"a":1,"b":"x","c":"y"}"#);
    row(Csv, " 1 ,\t x y \t,z ", r#"{"a":1,"b":"x y","c":"z"}"#);
    row(Csv, "\"1\",\" a\"\"b,\n\" , \"\"", r#"{"a":1,"b":" a\"b,\n","c":""}"#);
    row(Csv, "1,\\N,\\N", r#"{"a":1,"b":null,"c":null}"#);
    row(Csv, "1,\"\\N\",'y'", r#"{"a":1,"b":"\\N","c":"'y'"}"#);
    // Nothing: NULL, the DEFAULT, and what the type has for nothing.
    row(Csv, ",,", r#"{"a":0,"b":null}"#);
}

#[test]
fn tsv_is_read_as_the_server_reads_it() {
    row(Tsv, "1\tx y\ty\n", r#"{"a":1,"b":"x y","c":"y"}"#);
    row(Tsv, "1\t\\N\t\\\\N", r#"{"a":1,"b":null,"c":"\\N"}"#);
    row(Tsv, "1\t\t", r#"{"a":1,"b":"","c":""}"#);
    row(Tsv, "1\ta\\tb\\nc\\\\\\'\\x41\t\"q\"", r#"{"a":1,"b":"a\tb\nc\\'A","c":"\"q\""}"#);
}

#[test]
fn other_texts_are_refused() {
    refused(Csv, b"1,x", "DECODE-039");
    refused(Csv, b"", "DECODE-039");
    refused(Csv, b"1,x,y,z", "DECODE-039");
    refused(Csv, b"1,x,y\n2,x,y", "DECODE-040");
    refused(Csv, b"1,\"x,y", "DECODE-038");
    refused(Csv, b"1,\"x\"x,y", "DECODE-038");
    refused(Csv, b"a,x,y", "DECODE-006");
    refused(Csv, b"\\N,x,y", "DECODE-004");
    refused(Csv, b"1,\xff,y", "DECODE-008");
    let tuple = [column("c", "Tuple(Int8, String)", "")];
    for text in ["1", "1,a,b", "\"(1,'a')\""] {
        assert_eq!(
            code(rows(&tuple, Csv, text.as_bytes()).map(drop)).as_str(),
            if text.starts_with('1') { "DECODE-039" } else { "DECODE-006" }
        );
    }
    refused(Tsv, b"1\tx", "DECODE-039");
    refused(Tsv, b"1\tx\ty\n2\tx\ty\n", "DECODE-040");
    refused(Tsv, b"1\tx\ty\r\n", "DECODE-038");
    refused(Tsv, b"1\tx\ty\\", "DECODE-038");
    refused(Tsv, b"1\t\\xff\ty", "DECODE-008");
    refused(Tsv, b"\tx\ty", "DECODE-006");
}

#[test]
fn values_are_what_the_server_makes_of_such_texts() {
    value(Csv, "Bool", "YES", "true");
    value(Csv, "Bool", "0", "false");
    value(Csv, "Nullable(Float64)", "-inf", "\"-Infinity\"");
    value(Csv, "Float32", "nan", "\"NaN\"");
    value(Csv, "Decimal(9, 2)", "1.50", "1.50");
    value(Csv, "UUID", "00112233-4455-6677-8899-aabbccddeeff", "\"00112233-4455-6677-8899-aabbccddeeff\"");
    value(Csv, "Enum8('a b' = 1)", "a b", "\"a b\"");
    value(Csv, "Date", "2024-01-02", "\"2024-01-02\"");
    value(Csv, "DateTime('Asia/Tokyo')", "2024-01-02 03:04:05", "\"2024-01-02 03:04:05\"");
    value(Csv, "DateTime('UTC')", "1700000000", "1700000000");
    value(Csv, "DateTime64(3, 'UTC')", "1700000000", "1700000000000");
    value(Csv, "DateTime64(3, 'UTC')", "1700000000123", "1700000000123");
    value(Csv, "JSON", "\"{\"\"a\"\":1}\"", r#"{"a":1}"#);
    value(Csv, "Array(Nullable(String))", "\"['a,b', NULL]\"", r#"["a,b",null]"#);
    value(
        Csv,
        "Tuple(a Int8, b Tuple(c Nullable(String), d String), e Array(Int8))",
        "1,\\N,,[]",
        r#"[1,[null,""],[]]"#,
    );
    value(Tsv, "Map(String, Array(UInt8))", "{'k':[1,2]}", r#"{"k":[1,2]}"#);
    value(Tsv, "Map(UInt8, String)", "{1:'x'}", r#"{"1":"x"}"#);
    value(Tsv, "Tuple(a Int8, b String)", "(1,'it\\'s\\x41')", r#"[1,"it'sA"]"#);
    value(Tsv, "Array(Date)", "['2024-01-02']", r#"["2024-01-02"]"#);
}
