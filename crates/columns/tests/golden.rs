//! Blocks that we build are, byte for byte, those that a server prints (`golden/README.md`), however
//! their rows are cut into segments.
#![allow(clippy::unwrap_used)]

use pumphouse_columns::{Column, DataType, Segment, encode_block};

fn types(texts: &[&str]) -> Vec<DataType> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Pushes row `row` of the golden file.
type PushRow = fn(row: usize, columns: &mut [Column]);

fn compare(golden: &[u8], names: &[&str], type_texts: &[&str], rows: usize, push_row: PushRow) {
    let types = types(type_texts);
    for cut in 0..=rows {
        let segments = [0..cut, cut..cut, cut..rows].map(|range| {
            let mut segment = Segment::new(&types).unwrap();
            for row in range {
                // A record that fails half-way, first: it must leave no trace in the block.
                push_row(rows - 1 - row, &mut segment.columns_mut()[..1]);
                segment.undo_row();
                push_row(row, segment.columns_mut());
                segment.commit_row();
            }
            segment
        });
        let parts: Vec<&Segment> = segments.iter().collect();
        let mut out = Vec::new();
        encode_block(names, &types, &parts, &mut out).unwrap();
        assert!(
            out == golden,
            "cut at {cut}\nours   {}\nserver {}",
            out.escape_ascii(),
            golden.escape_ascii()
        );
    }
}

macro_rules! push {
    ($columns:expr, $index:expr, $kind:ident, $value:expr) => {
        if let Some(column) = $columns.get_mut($index) {
            match column {
                Column::$kind(values) => values.push($value),
                other => panic!("{other:?}"),
            }
        }
    };
}

macro_rules! push_one {
    ($column:expr, $kind:ident, $value:expr) => {
        match $column {
            Column::$kind(values) => values.push($value),
            other => panic!("{other:?}"),
        }
    };
}

fn put_text(column: &mut Column, text: Option<&str>) {
    match (column, text) {
        (Column::Text(values) | Column::Json(values), Some(text)) => values.push(text.as_bytes()),
        (Column::Fixed(values), Some(text)) => assert!(values.push(text.as_bytes())),
        (Column::Low(low), Some(text)) => match low.staged() {
            Column::Fixed(staged) => {
                assert!(staged.push(text.as_bytes()));
                low.push_staged();
            }
            _ => low.push_text(text.as_bytes()),
        },
        (Column::Nullable(nullable), Some(text)) => {
            put_text(nullable.values(), Some(text));
            nullable.value_pushed();
        }
        (column, None) => assert!(column.push_null()),
        (column, Some(_)) => panic!("{column:?}"),
    }
}

#[test]
fn plain_types() {
    let type_texts = [
        "UInt8",
        "Int16",
        "UInt32",
        "Int64",
        "UInt128",
        "Float32",
        "Float64",
        "Bool",
        "Date",
        "Date32",
        "DateTime",
        "DateTime64(3, 'UTC')",
        "UUID",
        "Enum8('x' = -1, 'y' = 2)",
        "Enum16('x' = -1000)",
        "Decimal(9, 2)",
        "Decimal(18, 3)",
        "Decimal(38, 4)",
    ];
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r"];
    compare(include_bytes!("../golden/plain.bin"), &names, &type_texts, 2, |row, columns| {
        push!(columns, 0, U8, [1, 255][row]);
        push!(columns, 1, I16, [-2, 32767][row]);
        push!(columns, 2, U32, [3, u32::MAX][row]);
        push!(columns, 3, I64, [-4, i64::MIN][row]);
        push!(columns, 4, U128, [5, u128::MAX][row]);
        push!(columns, 5, F32, [0.5, 1e10][row]);
        push!(columns, 6, F64, [-1.5, 1e300][row]);
        push!(columns, 7, U8, [1, 0][row]);
        push!(columns, 8, U16, [1, 65535][row]);
        push!(columns, 9, Date32, [-1, 120_529][row]);
        push!(columns, 10, U32, [7, u32::MAX][row]);
        push!(columns, 11, I64, [8000, -1000][row]);
        push!(
            columns,
            12,
            Uuid,
            [0x00112233445566778899aabbccddeeff, 0xffeeddccbbaa99887766554433221100][row]
        );
        if let Some(Column::Enum8 { values, .. }) = columns.get_mut(13) {
            values.push([2, -1][row]);
        }
        if let Some(Column::Enum16 { values, .. }) = columns.get_mut(14) {
            values.push(-1000);
        }
        push!(columns, 15, I32, [-150, 999_999_999][row]);
        push!(columns, 16, I64, [2500, -1000][row]);
        push!(columns, 17, I128, [-32_500, 0][row]);
    });
}

#[test]
fn texts_and_nulls() {
    compare(
        include_bytes!("../golden/texts.bin"),
        &["s", "f", "n", "m"],
        &["String", "FixedString(3)", "Nullable(String)", "Nullable(UInt16)"],
        3,
        |row, columns| {
            let long = "x".repeat(200);
            put_text(&mut columns[0], Some(["", &long, "z"][row]));
            let Some([f, n, m]) = columns.get_mut(1..4) else {
                return;
            };
            put_text(f, Some(["abc", "a", ""][row]));
            put_text(n, [None, Some("é"), Some("")][row]);
            match ([Some(7), None, Some(0)][row], m) {
                (Some(number), Column::Nullable(nullable)) => {
                    push_one!(nullable.values(), U16, number);
                    nullable.value_pushed();
                }
                (_, column) => assert!(column.push_null()),
            }
        },
    );
}

#[test]
fn dictionaries() {
    compare(
        include_bytes!("../golden/low.bin"),
        &["s", "n", "f", "a"],
        &[
            "LowCardinality(String)",
            "LowCardinality(Nullable(String))",
            "LowCardinality(FixedString(2))",
            "Array(LowCardinality(Nullable(String)))",
        ],
        4,
        |row, columns| {
            put_text(&mut columns[0], Some(["b", "", "a", "b"][row]));
            let Some([n, f, Column::Array(a)]) = columns.get_mut(1..4) else {
                return;
            };
            put_text(n, [Some("q"), None, Some(""), Some("q")][row]);
            put_text(f, Some(["zz", "", "y", "zz"][row]));
            let lists: [&[Option<&str>]; 4] = [&[Some("k"), None, Some("")], &[], &[Some("k")], &[None]];
            for text in lists[row] {
                put_text(a.values(), *text);
            }
            a.row_pushed();
        },
    );
}

#[test]
fn arrays_and_maps() {
    compare(
        include_bytes!("../golden/nested.bin"),
        &["a", "b", "m", "l"],
        &[
            "Array(UInt32)",
            "Array(Array(Nullable(String)))",
            "Map(String, Array(UInt8))",
            "Map(LowCardinality(String), UInt64)",
        ],
        3,
        |row, columns| {
            let Column::Array(a) = &mut columns[0] else { panic!() };
            for number in [&[1, 2][..], &[], &[3]][row] {
                push_one!(a.values(), U32, *number);
            }
            a.row_pushed();
            let Some([Column::Array(b), Column::Map(m), Column::Map(l)]) = columns.get_mut(1..4) else {
                return;
            };
            let lists: [&[&[Option<&str>]]; 3] = [&[&[Some("x"), None], &[]], &[], &[&[]]];
            for list in lists[row] {
                let Column::Array(inner) = b.values() else { panic!() };
                list.iter().for_each(|text| put_text(inner.values(), *text));
                inner.row_pushed();
            }
            b.row_pushed();
            let maps: [&[(&str, &[u8])]; 3] = [&[("k", &[1, 2]), ("l", &[])], &[], &[("k", &[9])]];
            for (key, list) in maps[row] {
                put_text(m.keys(), Some(key));
                let Column::Array(inner) = m.values() else { panic!() };
                list.iter().for_each(|number| push_one!(inner.values(), U8, *number));
                inner.row_pushed();
            }
            m.row_pushed();
            let counts: [&[(&str, u64)]; 3] = [&[("p", 1)], &[], &[("p", 2), ("q", 3)]];
            for (key, count) in counts[row] {
                put_text(l.keys(), Some(key));
                push_one!(l.values(), U64, *count);
            }
            l.row_pushed();
        },
    );
}

#[test]
fn json_travels_as_text() {
    compare(include_bytes!("../golden/json.bin"), &["j", "l"], &["JSON", "Array(JSON)"], 1, |_, columns| {
        put_text(&mut columns[0], Some("{\"a\":1}"));
        let Some([Column::Array(l)]) = columns.get_mut(1..2) else {
            return;
        };
        put_text(l.values(), Some("{\"b\":\"x\"}"));
        l.row_pushed();
    });
}
