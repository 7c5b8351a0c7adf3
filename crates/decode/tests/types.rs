//! The table of types against the decoder, and `docs/types.md` against the table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use pumphouse_decode::{
    CELL_NAMES, DefaultKind, HeadersRef, JsonDecoder, PlanOptions, RecordRef, TYPE_TABLE, TableColumn,
    TablePlan, Takes, types_page,
};

/// The code of a refusal.
fn decode(type_text: &str, json: &str) -> Result<(), String> {
    let column = TableColumn {
        name: "c".to_owned(),
        type_text: type_text.to_owned(),
        default_kind: DefaultKind::None,
        default_expression: String::new(),
    };
    let plan = Arc::new(TablePlan::compile(&[column], PlanOptions::default()).unwrap());
    let mut segment = plan.new_segment();
    let value = format!("{{\"c\":{json}}}");
    let record = RecordRef {
        topic: "t",
        partition: 0,
        offset: 0,
        timestamp_ms: None,
        key: None,
        headers: HeadersRef::NONE,
        value: Some(value.as_bytes()),
    };
    let result = JsonDecoder::new(plan).decode(&mut segment, record);
    assert_eq!(segment.rows(), usize::from(result.is_ok()), "{json} into {type_text}");
    result.map_err(|error| error.to_string()[..10].to_owned())
}

#[test]
fn the_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/types.md");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == types_page(), "cargo run -p pumphouse-decode --example types_page > docs/types.md");
}

#[test]
fn cells_take_what_they_say() {
    let samples = ["true", "1", "\"x\"", "[]", "{}"];
    for row in TYPE_TABLE {
        let of = row.example_type;
        for ((cell, name), sample) in row.cells.iter().zip(CELL_NAMES).zip(samples) {
            match cell.takes {
                Takes::Refused => {
                    assert_eq!(decode(of, sample), Err("DECODE-006".to_owned()), "{sample} into {of}");
                    assert!(cell.examples.is_empty(), "{name} of {of}");
                }
                Takes::Exact | Takes::Checked => assert!(!cell.examples.is_empty(), "{name} of {of}"),
            }
            for (json, _) in cell.examples {
                assert_eq!(decode(of, json), Ok(()), "{json} into {of}");
            }
        }
        for (json, code) in row.refused {
            assert_eq!(decode(of, json), Err((*code).to_owned()), "{json} into {of}");
        }
    }
}

/// What does not fit stays refused, with its own code, wherever the type stands.
#[test]
fn refusals_hold_at_every_depth() {
    for row in TYPE_TABLE.iter().filter(|row| !row.example_type.starts_with("AggregateFunction")) {
        for (json, code) in row.refused {
            let of = format!("Map(String, Array(Tuple(n UInt8, v {})))", row.example_type);
            let deep = format!("{{\"k\":[{{\"v\":{json},\"n\":1}}]}}");
            assert_eq!(decode(&of, &deep), Err((*code).to_owned()), "{deep} into {of}");
        }
    }
}

/// A type that this build does not know, where the JSON type's text has it: such a table once stopped the
/// worker with a panic.
#[test]
fn a_typed_path_of_an_unknown_type_is_refused_with_the_table() {
    for type_text in ["JSON(a QBit(Float32, 16))", "Array(JSON(n UInt8, b AggregateFunction(sum, UInt64)))"] {
        let column = TableColumn {
            name: "c".to_owned(),
            type_text: type_text.to_owned(),
            default_kind: DefaultKind::None,
            default_expression: String::new(),
        };
        let refused = TablePlan::compile(&[column], PlanOptions::default()).unwrap_err();
        assert_eq!(refused.to_string()[..8], *"PLAN-003", "{refused}");
    }
}
