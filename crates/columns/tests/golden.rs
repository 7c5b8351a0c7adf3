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

/// Pushes one value per row to a column that may be missing (a record that fails half-way).
macro_rules! each_row {
    ($columns:expr, $row:expr, { $($index:literal $kind:ident [$($value:expr),+ $(,)?])+ }) => {
        $(push!($columns, $index, $kind, [$($value),+][$row]);)+
    };
}

#[test]
fn wide_numbers_addresses_times_and_points() {
    let type_texts = [
        "Int256",
        "UInt256",
        "Decimal(76, 2)",
        "BFloat16",
        "Time",
        "Time64(3)",
        "IPv4",
        "IPv6",
        "IntervalSecond",
        "Point",
    ];
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    compare(include_bytes!("../golden/small.bin"), &names, &type_texts, 2, |row, columns| {
        const ONES: u64 = u64::MAX;
        each_row!(columns, row, {
            0 Wide [[ONES - 4, ONES, ONES, ONES], [0, 0, 0, 1 << 63]]
            1 Wide [[6, 0, 0, 0], [ONES; 4]]
            // -150, and 10^76 - 1.
            2 Wide [[ONES - 149, ONES, ONES, ONES],
                [0xffffffffffffffff, 0x7775a5f171950fff, 0x764b4abe8652979, 0x161bcca7119915b5]]
            3 U16 [0x40e0, 0xbf00]
            4 I32 [43_994, -3_599_999]
            5 I64 [-43_994_123, 1]
            6 U32 [0x0102_0304, 0xff00_0001]
            7 Ipv6 [1, 0x2001_0db8_0000_0000_0000_ff00_0042_8329]
            8 I64 [5, -7]
        });
        if let Some(Column::Tuple(point)) = columns.get_mut(9) {
            push_one!(&mut point.members()[0], F64, [1.0, 0.5][row]);
            push_one!(&mut point.members()[1], F64, [-2.0, 0.0][row]);
            point.row_pushed();
        }
    });
}

fn put_number(column: &mut Column, number: i64) {
    match column {
        Column::U8(values) => values.push(number as u8),
        Column::I64(values) => values.push(number),
        Column::Nullable(nullable) => {
            put_number(nullable.values(), number);
            nullable.value_pushed();
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tuples_and_variants() {
    let type_texts = [
        "Tuple(a UInt8, b LowCardinality(String))",
        "Nullable(Tuple(UInt8, String))",
        "Variant(Array(UInt8), LowCardinality(String), UInt8)",
        "Array(Variant(String, UInt8))",
        "Tuple()",
    ];
    compare(
        include_bytes!("../golden/compound.bin"),
        &["t", "n", "v", "w", "e"],
        &type_texts,
        4,
        |row, columns| {
            let put_pair = |column: &mut Column, (number, text): (i64, &str)| {
                let Column::Tuple(tuple) = column else { panic!("{column:?}") };
                put_number(&mut tuple.members()[0], number);
                put_text(&mut tuple.members()[1], Some(text));
                tuple.row_pushed();
            };
            put_pair(&mut columns[0], [(5, "x"), (1, "y"), (2, "x"), (0, "")][row]);
            let Some([Column::Nullable(n), Column::Variant(v), Column::Array(w), Column::Tuple(e)]) =
                columns.get_mut(1..)
            else {
                return;
            };
            match [Some((6, "z")), None, Some((0, "")), None][row] {
                Some(pair) => {
                    put_pair(n.values(), pair);
                    n.value_pushed();
                }
                None => n.push_null(),
            }
            match row {
                0 => {
                    put_text(&mut v.members()[1], Some("ab"));
                    v.value_pushed(1);
                }
                1 => {
                    put_number(&mut v.members()[2], 5);
                    v.value_pushed(2);
                }
                2 => v.push_null(),
                _ => {
                    let Column::Array(numbers) = &mut v.members()[0] else { panic!() };
                    put_number(numbers.values(), 1);
                    put_number(numbers.values(), 2);
                    numbers.row_pushed();
                    v.value_pushed(0);
                }
            }
            let Column::Variant(inner) = w.values() else { panic!() };
            if let Some(text) = [Some("x"), None, None, Some("q")][row] {
                put_text(&mut inner.members()[0], Some(text));
                inner.value_pushed(0);
            }
            match row {
                0 => {
                    put_number(&mut inner.members()[1], 7);
                    inner.value_pushed(1);
                }
                2 => inner.push_null(),
                _ => {}
            }
            w.row_pushed();
            e.row_pushed();
        },
    );
}

#[test]
fn dynamic_values_bring_their_types() {
    fn put(dynamic: &mut pumphouse_columns::DynamicColumn, row: usize) {
        let member_of = |dynamic: &mut pumphouse_columns::DynamicColumn, text: &str| {
            dynamic.member_of(&text.parse().unwrap()).unwrap()
        };
        let member = match row {
            0 | 4 => {
                let member = member_of(dynamic, "Int64");
                put_number(dynamic.values(member), [5, 7][row / 4]);
                member
            }
            1 => {
                let member = member_of(dynamic, "String");
                put_text(dynamic.values(member), Some("ab"));
                member
            }
            2 => return dynamic.push_null(),
            3 => {
                let member = member_of(dynamic, "Array(Nullable(Int64))");
                let Column::Array(numbers) = dynamic.values(member) else { panic!() };
                put_number(numbers.values(), 1);
                assert!(numbers.values().push_null());
                numbers.row_pushed();
                member
            }
            _ => {
                let member = member_of(dynamic, "LowCardinality(String)");
                put_text(dynamic.values(member), Some("z"));
                member
            }
        };
        dynamic.value_pushed(member);
    }
    let golden = include_bytes!("../golden/dynamic.bin");
    compare(golden, &["d", "a"], &["Dynamic", "Array(Dynamic)"], 6, |row, columns| {
        let Column::Dynamic(dynamic) = &mut columns[0] else { panic!() };
        put(dynamic, row);
        if let Some(Column::Array(array)) = columns.get_mut(1) {
            let Column::Dynamic(dynamic) = array.values() else { panic!() };
            put(dynamic, row);
            array.row_pushed();
        }
    });
}
