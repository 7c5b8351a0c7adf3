//! Blocks against the server's own: what we send is, byte for byte, what `SELECT .. FORMAT Native` gives back.
//! For types with one encoding; of those with several the server's choice is its own, and the black-box
//! suite compares what two tables give back.
use pumphouse_columns::{Compression, DataType, encode_block};
use pumphouse_decode::{TYPE_TABLE, TypeRow};

use super::types::examples;
use super::{TYPE_SETTINGS, columns_of, create, insert, plan_of, query, segment_of, server};

/// Dictionaries, types that travel beside the values, texts that the server parses, states.
const SEVERAL_ENCODINGS: [&str; 6] =
    ["LowCardinality", "Variant", "Dynamic", "JSON", "Geometry", "AggregateFunction"];

fn has_one_encoding(row: &TypeRow) -> bool {
    !SEVERAL_ENCODINGS.iter().any(|several| row.example_type.starts_with(several))
}

/// As the server names the type in a block's head for clients that say no version.
fn in_head(type_text: &str) -> DataType {
    match type_text.parse().unwrap() {
        DataType::DateTime(Some(_)) => DataType::DateTime(None),
        other => other,
    }
}

#[test]
fn a_block_comes_back_as_it_went() {
    let mut compared = 0;
    for (number, row) in TYPE_TABLE.iter().enumerate().filter(|(_, row)| has_one_encoding(row)) {
        for of in [row.example_type.to_owned(), format!("Array({})", row.example_type)] {
            let table = format!("bytes{number}_{}", of.len());
            let rest = format!(
                "(c {of}, p UInt32) ENGINE = MergeTree ORDER BY p SETTINGS \
                 non_replicated_deduplication_window = 100 SETTINGS {TYPE_SETTINGS}"
            );
            create(&table, &rest);
            let list = of.starts_with("Array(") && of != row.example_type;
            let value = |json: &str| if list { format!("[{json},{json}]") } else { json.to_owned() };
            let records: Vec<String> = examples(row)
                .iter()
                .enumerate()
                .map(|(p, (json, _))| format!("{{\"c\":{},\"p\":{p}}}", value(json)))
                .collect();
            let plan = plan_of(&table);
            let segment = segment_of(&plan, 0, &records.iter().map(String::as_str).collect::<Vec<_>>());
            insert(&table, &plan, &[&segment], &table, Compression::Lz4);
            let types: Vec<DataType> = columns_of(&table).iter().map(|c| in_head(&c.type_text)).collect();
            let mut ours = Vec::new();
            encode_block(&["c", "p"], &types, &[&segment], &mut ours).unwrap();
            let theirs =
                server().binary(&format!("SELECT c, p FROM {table} ORDER BY p FORMAT Native")).unwrap();
            assert!(ours == theirs, "{of}\nours   {}\nserver {}", ours.escape_ascii(), theirs.escape_ascii());
            query(&format!("DROP TABLE {table} SYNC"));
            compared += 1;
        }
    }
    assert!(compared > 70, "{compared} types");
}
