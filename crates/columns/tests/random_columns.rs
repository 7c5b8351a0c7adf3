//! Random rows of random types, cut into random segments, read back from the block by a second,
//! independent reader that lives only here.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;
use pumphouse_columns::{
    Column, Compression, DataType, FrameBuffers, FrameWriter, Packed, Packer, Part, Segment, TupleMember,
    encode_block, frame_block,
};

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Number(u64),
    Text(Vec<u8>),
    List(Vec<Value>),
    Pairs(Vec<(Value, Value)>),
    /// The members of a Tuple.
    Row(Vec<Value>),
    /// A value of a Variant's or Dynamic's member.
    OneOf(DataType, Box<Value>),
}

fn any_type() -> impl Strategy<Value = DataType> {
    let text = |text: &'static str| Just(text.parse::<DataType>().unwrap());
    let leaf = prop_oneof![
        text("UInt8"),
        text("UInt64"),
        text("String"),
        text("Nullable(UInt64)"),
        text("Nullable(String)"),
        text("LowCardinality(String)"),
        text("LowCardinality(Nullable(String))"),
        text("LowCardinality(UInt64)"),
        text("FixedString(3)"),
        text("Enum8('x' = 97)"),
        text("JSON"),
        text("IPv6"),
        text("Int256"),
        text("Dynamic"),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| DataType::Array(Box::new(inner))),
            inner.clone().prop_map(|inner| DataType::Map(Box::new(DataType::String), Box::new(inner))),
            inner.clone().prop_map(|inner| {
                let member = |data_type| TupleMember { name: None, data_type };
                DataType::Tuple(vec![member(DataType::UInt8), member(inner)])
            }),
            inner
                .prop_filter("no NULL inside", |inner| !inner.holds_null() && *inner != DataType::UInt8)
                .prop_map(|inner| {
                    let mut members = vec![inner, DataType::UInt8];
                    members.sort_by_key(DataType::to_string);
                    DataType::Variant(members)
                }),
        ]
    })
}

fn any_value(data_type: &DataType) -> BoxedStrategy<Value> {
    match data_type {
        DataType::UInt8 => any::<u8>().prop_map(|n| Value::Number(n.into())).boxed(),
        // Few distinct numbers and texts, so that dictionaries are shared between segments.
        DataType::UInt64 => prop_oneof![0u64..4, any::<u64>()].prop_map(Value::Number).boxed(),
        DataType::String => {
            prop_oneof!["[ab]{0,2}", "[a-z]{120,140}"].prop_map(|text| Value::Text(text.into_bytes())).boxed()
        }
        DataType::Nullable(inner) => prop_oneof![1 => Just(Value::Null), 2 => any_value(inner)].boxed(),
        DataType::LowCardinality(inner) => any_value(inner),
        DataType::Array(inner) => {
            proptest::collection::vec(any_value(inner), 0..4).prop_map(Value::List).boxed()
        }
        DataType::Map(key, value) => {
            proptest::collection::vec((any_value(key), any_value(value)), 0..3).prop_map(Value::Pairs).boxed()
        }
        DataType::FixedString(_) => "[a-c]{3}".prop_map(|text| Value::Text(text.into_bytes())).boxed(),
        DataType::Enum8(_) => Just(Value::Number(97)).boxed(),
        DataType::Json(_) => Just(Value::Text(b"{\"a\":1}".to_vec())).boxed(),
        DataType::Ipv6 | DataType::Int256 => {
            proptest::collection::vec(any::<u8>(), if *data_type == DataType::Ipv6 { 16 } else { 32 })
                .prop_map(Value::Text)
                .boxed()
        }
        DataType::Tuple(members) => members
            .iter()
            .map(|member| any_value(&member.data_type))
            .collect::<Vec<_>>()
            .prop_map(Value::Row)
            .boxed(),
        DataType::Variant(members) => any_of(members),
        DataType::Dynamic(_) => any_of(
            &["UInt64", "Array(String)", "LowCardinality(String)", "UInt8"].map(|t| t.parse().unwrap()),
        ),
        other => panic!("{other}"),
    }
}

fn any_of(members: &[DataType]) -> BoxedStrategy<Value> {
    let one = |member: &DataType| {
        let member = member.clone();
        any_value(&member).prop_map(move |value| Value::OneOf(member.clone(), Box::new(value))).boxed()
    };
    let mut all: Vec<BoxedStrategy<Value>> = members.iter().map(one).collect();
    all.push(Just(Value::Null).boxed());
    proptest::strategy::Union::new(all).boxed()
}

fn push(column: &mut Column, value: &Value) {
    match (column, value) {
        (Column::U8(values), Value::Number(n)) => values.push(*n as u8),
        (Column::U64(values), Value::Number(n)) => values.push(*n),
        (Column::Text(values), Value::Text(text)) => values.push(text),
        (Column::Json(values), Value::Text(text)) => values.push(text),
        (Column::Fixed(values), Value::Text(text)) => assert!(values.push(text)),
        (Column::Enum8 { values, .. }, Value::Number(n)) => values.push(*n as i8),
        (Column::Ipv6(values), Value::Text(text)) => {
            values.push(u128::from_be_bytes(text[..].try_into().unwrap()));
        }
        (Column::Wide(values), Value::Text(text)) => {
            let word = |n: usize| u64::from_le_bytes(text[8 * n..8 * n + 8].try_into().unwrap());
            values.push([word(0), word(1), word(2), word(3)]);
        }
        (Column::Tuple(tuple), Value::Row(row)) => {
            tuple.members().iter_mut().zip(row).for_each(|(member, value)| push(member, value));
            tuple.row_pushed();
        }
        (Column::Dynamic(dynamic), Value::OneOf(data_type, value)) => {
            let member = dynamic.member_of(data_type).unwrap();
            push(dynamic.values(member), value);
            dynamic.value_pushed(member);
        }
        (Column::Low(low), Value::Text(text)) => low.push_text(text),
        (Column::Low(low), Value::Number(_)) => {
            push(low.staged(), value);
            low.push_staged();
        }
        (Column::Array(array), Value::List(list)) => {
            list.iter().for_each(|value| push(array.values(), value));
            array.row_pushed();
        }
        (Column::Map(map), Value::Pairs(pairs)) => {
            for (key, value) in pairs {
                push(map.keys(), key);
                push(map.values(), value);
            }
            map.row_pushed();
        }
        // A member is known by the kind of its column: the types drawn have two of different kinds.
        (Column::Variant(variant), Value::OneOf(data_type, value)) => {
            let kind = std::mem::discriminant(&Column::new(data_type).unwrap());
            let member = variant.members().iter().position(|m| std::mem::discriminant(m) == kind).unwrap();
            // What a failed attempt pushed, first.
            push(&mut variant.members()[member], value);
            variant.undo_value(member);
            push(&mut variant.members()[member], value);
            variant.value_pushed(member);
        }
        (column, Value::Null) => assert!(column.push_null()),
        (Column::Nullable(nullable), value) => {
            push(nullable.values(), value);
            nullable.value_pushed();
        }
        (column, value) => panic!("{value:?} into {column:?}"),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The types of Dynamic columns, in the order in which their prefixes came.
    dynamics: std::collections::VecDeque<Vec<DataType>>,
}

impl Reader<'_> {
    fn take(&mut self, bytes: usize) -> &[u8] {
        let (taken, rest) = self.bytes.split_at(bytes);
        self.bytes = rest;
        taken
    }

    fn number(&mut self, bytes: usize) -> u64 {
        let mut wide = [0; 8];
        wide[..bytes].copy_from_slice(self.take(bytes));
        u64::from_le_bytes(wide)
    }

    fn varuint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = self.take(1)[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn text(&mut self) -> Vec<u8> {
        let length = self.varuint();
        self.take(length).to_vec()
    }

    fn prefix(&mut self, data_type: &DataType) {
        match data_type {
            DataType::LowCardinality(_) => assert_eq!(self.number(8), 1),
            DataType::Array(inner) => self.prefix(inner),
            DataType::Json(_) => assert_eq!(self.number(8), 1),
            DataType::Tuple(members) => members.iter().for_each(|member| self.prefix(&member.data_type)),
            DataType::Variant(members) => {
                assert_eq!(self.number(8), 0);
                members.iter().for_each(|member| self.prefix(member));
            }
            DataType::Dynamic(_) => {
                assert_eq!(self.number(8), 1);
                let types = self.varuint();
                assert_eq!(self.varuint(), types);
                let names: Vec<String> =
                    (0..types).map(|_| String::from_utf8(self.text()).unwrap()).collect();
                assert!(names.is_sorted());
                let types: Vec<DataType> = names.iter().map(|name| name.parse().unwrap()).collect();
                assert_eq!(self.number(8), 0);
                types.iter().for_each(|data_type| self.prefix(data_type));
                self.dynamics.push_back(types);
            }
            DataType::Map(key, value) => {
                self.prefix(key);
                self.prefix(value);
            }
            _ => {}
        }
    }

    fn lengths(&mut self, rows: usize) -> Vec<usize> {
        let ends: Vec<usize> = (0..rows).map(|_| self.number(8) as usize).collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        ends.iter().zip(starts).map(|(end, start)| end.checked_sub(start).unwrap()).collect()
    }

    fn low_stretch(&mut self, inner: &DataType) -> Vec<Value> {
        let flags = self.number(8);
        assert_eq!(flags & !0xff, 0x600);
        let entries = self.number(8) as usize;
        let (value_type, nulls) = match inner {
            DataType::Nullable(value_type) => (&**value_type, 1),
            _ => (inner, 0),
        };
        let dictionary = self.values(value_type, entries);
        let default = if *value_type == DataType::String { Value::Text(vec![]) } else { Value::Number(0) };
        assert!(dictionary[..=nulls].iter().all(|entry| *entry == default));
        for (n, entry) in dictionary.iter().enumerate().skip(nulls) {
            assert!(!dictionary[n + 1..].contains(entry), "twice in the dictionary");
        }
        let rows = self.number(8) as usize;
        assert!(rows > 0, "a reader would take it for the end");
        let pick = |number: usize| if number < nulls { Value::Null } else { dictionary[number].clone() };
        (0..rows).map(|_| pick(self.number(1 << (flags & 0xff)) as usize)).collect()
    }

    fn values(&mut self, data_type: &DataType, rows: usize) -> Vec<Value> {
        match data_type {
            DataType::UInt8 => (0..rows).map(|_| Value::Number(self.number(1))).collect(),
            DataType::UInt64 => (0..rows).map(|_| Value::Number(self.number(8))).collect(),
            DataType::String => (0..rows).map(|_| Value::Text(self.text())).collect(),
            DataType::Nullable(inner) => {
                let nulls = self.take(rows).to_vec();
                let values = self.values(inner, rows);
                nulls
                    .iter()
                    .zip(values)
                    .map(|(null, value)| if *null == 1 { Value::Null } else { value })
                    .collect()
            }
            DataType::LowCardinality(_) if rows == 0 => Vec::new(),
            DataType::LowCardinality(inner) => {
                // A reader goes on with another dictionary where one stretch of rows ends.
                let mut values = Vec::new();
                while values.len() < rows {
                    values.extend(self.low_stretch(inner));
                }
                values
            }
            DataType::Array(inner) => {
                let lengths = self.lengths(rows);
                let mut values = self.values(inner, lengths.iter().sum()).into_iter();
                lengths.iter().map(|&length| Value::List(values.by_ref().take(length).collect())).collect()
            }
            DataType::Map(key, value) => {
                let lengths = self.lengths(rows);
                let pairs = lengths.iter().sum();
                let keys = self.values(key, pairs);
                let mut pairs = keys.into_iter().zip(self.values(value, pairs));
                lengths.iter().map(|&length| Value::Pairs(pairs.by_ref().take(length).collect())).collect()
            }
            DataType::FixedString(width) => {
                (0..rows).map(|_| Value::Text(self.take(*width).to_vec())).collect()
            }
            DataType::Enum8(_) => (0..rows).map(|_| Value::Number(self.number(1))).collect(),
            DataType::Json(_) => (0..rows).map(|_| Value::Text(self.text())).collect(),
            DataType::Ipv6 => (0..rows).map(|_| Value::Text(self.take(16).to_vec())).collect(),
            DataType::Int256 => (0..rows).map(|_| Value::Text(self.take(32).to_vec())).collect(),
            DataType::Tuple(members) => {
                let columns: Vec<Vec<Value>> =
                    members.iter().map(|member| self.values(&member.data_type, rows)).collect();
                (0..rows)
                    .map(|row| Value::Row(columns.iter().map(|column| column[row].clone()).collect()))
                    .collect()
            }
            DataType::Variant(members) => self.one_of(members, rows, |number| number),
            DataType::Dynamic(_) => {
                let types = self.dynamics.pop_front().unwrap();
                let before_shared = types.iter().filter(|t| t.to_string().as_str() < "SharedVariant").count();
                self.one_of(&types, rows, |number| {
                    assert!(number != before_shared);
                    number - usize::from(number > before_shared)
                })
            }
            other => panic!("{other}"),
        }
    }

    fn one_of(
        &mut self,
        members: &[DataType],
        rows: usize,
        member_of: impl Fn(usize) -> usize,
    ) -> Vec<Value> {
        let numbers = self.take(rows).to_vec();
        let rows: Vec<Option<usize>> =
            numbers.iter().map(|&n| (n != 255).then(|| member_of(n.into()))).collect();
        let mut columns: Vec<_> = members
            .iter()
            .enumerate()
            .map(|(n, member)| {
                self.values(member, rows.iter().filter(|row| **row == Some(n)).count()).into_iter()
            })
            .collect();
        rows.iter()
            .map(|row| match row {
                None => Value::Null,
                Some(n) => Value::OneOf(members[*n].clone(), Box::new(columns[*n].next().unwrap())),
            })
            .collect()
    }
}

fn any_table() -> impl Strategy<Value = (DataType, Vec<Value>, Vec<usize>)> {
    any_type().prop_flat_map(|data_type| {
        let values = proptest::collection::vec(any_value(&data_type), 1..24);
        (Just(data_type), values, proptest::collection::vec(0usize..24, 0..3))
    })
}

/// The rows in segments that end at the cuts, some of them empty.
fn segments(data_type: &DataType, rows: &[Value], cuts: &[usize]) -> Vec<Segment> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (rows.len() + 1)).chain([0, rows.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|ends| {
            let mut segment = Segment::new(std::slice::from_ref(data_type)).unwrap();
            for row in &rows[ends[0]..ends[1]] {
                push(&mut segment.columns_mut()[0], row);
                segment.commit_row();
            }
            segment
        })
        .collect()
}

fn encode(data_type: &DataType, rows: &[Value], cuts: &[usize]) -> Vec<u8> {
    let segments = segments(data_type, rows, cuts);
    let segments: Vec<&Segment> = segments.iter().collect();
    let mut out = Vec::new();
    encode_block(&["c"], std::slice::from_ref(data_type), &segments, &mut out).unwrap();
    out
}

/// The bytes in frames that are not compressed.
fn unframed(pieces: &[Bytes]) -> Vec<u8> {
    let all = pieces.concat();
    let (mut raw, mut rest) = (Vec::new(), &all[..]);
    while !rest.is_empty() {
        let size = 16 + u32::from_le_bytes(rest[17..21].try_into().unwrap()) as usize;
        raw.extend_from_slice(&rest[25..size]);
        rest = &rest[size..];
    }
    raw
}

fn read_back(block: &[u8], data_type: &DataType, rows: usize) -> Vec<Value> {
    let mut reader = Reader { bytes: block, dynamics: Default::default() };
    assert_eq!((reader.varuint(), reader.varuint()), (1, rows));
    assert_eq!(reader.text(), b"c");
    assert_eq!(reader.text(), data_type.to_string().into_bytes());
    reader.prefix(data_type);
    let values = reader.values(data_type, rows);
    assert!(reader.bytes.is_empty());
    values
}

proptest! {
    #[test]
    fn rows_read_back_and_cuts_do_not_show((data_type, rows, cuts) in any_table()) {
        let block = encode(&data_type, &rows, &cuts);
        prop_assert_eq!(&block, &encode(&data_type, &rows, &[]));
        prop_assert_eq!(read_back(&block, &data_type, rows.len()), rows);
    }

    /// Whichever segments are packed before the block is made.
    #[test]
    fn packed_rows_read_back((data_type, rows, cuts) in any_table(), picks in any::<u8>()) {
        let mut packer = Packer::new(Compression::None, FrameBuffers::new(1 << 20));
        let mut segments = segments(&data_type, &rows, &cuts);
        let is_packed = |place: usize| picks >> place & 1 == 1;
        let packed: Vec<Packed> = segments
            .iter_mut()
            .enumerate()
            .filter(|(place, _)| is_packed(*place))
            .map(|(_, segment)| packer.pack(segment))
            .collect();
        let mut packed = packed.iter();
        let parts: Vec<Part<'_>> = segments
            .iter()
            .enumerate()
            .map(|(place, segment)| match is_packed(place) {
                true => Part::Packed(packed.next().unwrap()),
                false => Part::Rows(segment),
            })
            .collect();
        let mut writer = FrameWriter::new(Compression::None);
        frame_block(&["c"], std::slice::from_ref(&data_type), &parts, &mut writer).unwrap();
        let block = unframed(&writer.finish());
        prop_assert_eq!(&read_back(&block, &data_type, rows.len()), &rows);
        // What was taken out is as new.
        for segment in &mut segments {
            segment.clear();
            for row in &rows {
                push(&mut segment.columns_mut()[0], row);
                segment.commit_row();
            }
            let mut out = Vec::new();
            encode_block(&["c"], std::slice::from_ref(&data_type), &[segment], &mut out).unwrap();
            prop_assert_eq!(out, encode(&data_type, &rows, &[]));
        }
    }

    #[test]
    fn a_segment_forgets_what_it_dropped((data_type, rows, cuts) in any_table()) {
        let keep = cuts.first().copied().unwrap_or(0) % (rows.len() + 1);
        let mut segment = Segment::new(std::slice::from_ref(&data_type)).unwrap();
        for row in &rows {
            push(&mut segment.columns_mut()[0], row);
            segment.commit_row();
        }
        segment.truncate(keep);
        let mut out = Vec::new();
        encode_block(&["c"], std::slice::from_ref(&data_type), &[&segment], &mut out).unwrap();
        prop_assert_eq!(&out, &encode(&data_type, &rows[..keep], &[]));
        segment.clear();
        prop_assert_eq!((segment.rows(), segment.bytes()), (0, 0));
        for row in &rows {
            push(&mut segment.columns_mut()[0], row);
            segment.commit_row();
        }
        out.clear();
        encode_block(&["c"], std::slice::from_ref(&data_type), &[&segment], &mut out).unwrap();
        prop_assert_eq!(out, encode(&data_type, &rows, &[]));
    }
}

proptest! {
    /// A refused block is cut into pieces: each must be what its records alone would have made.
    #[test]
    fn selected_rows_are_as_if_only_they_had_been_pushed(
        (data_type, rows, _) in any_table(),
        picks in proptest::collection::vec((0usize..24, 0usize..24), 0..5),
    ) {
        let ranges: Vec<std::ops::Range<usize>> = picks
            .iter()
            .map(|(a, b)| (a % (rows.len() + 1), b % (rows.len() + 1)))
            .map(|(a, b)| a.min(b)..a.max(b))
            .collect();
        let mut segment = Segment::new(std::slice::from_ref(&data_type)).unwrap();
        for row in &rows {
            push(&mut segment.columns_mut()[0], row);
            segment.commit_row();
        }
        let mut selected = segment.select(&ranges);
        let mut picked: Vec<Value> = ranges.iter().flat_map(|range| rows[range.clone()].to_vec()).collect();
        prop_assert_eq!(selected.rows(), picked.len());
        let block_of = |segment: &Segment| {
            let mut out = Vec::new();
            encode_block(&["c"], std::slice::from_ref(&data_type), &[segment], &mut out).unwrap();
            out
        };
        prop_assert_eq!(block_of(&selected), encode(&data_type, &picked, &[]));
        // The piece is a whole segment: it takes further rows, and the one it came from is untouched.
        push(&mut selected.columns_mut()[0], &rows[0]);
        selected.commit_row();
        picked.push(rows[0].clone());
        prop_assert_eq!(block_of(&selected), encode(&data_type, &picked, &[]));
        prop_assert_eq!(block_of(&segment), encode(&data_type, &rows, &[]));
    }
}

#[test]
fn a_block_of_another_shape_is_refused() {
    let types: Vec<DataType> = ["UInt8", "String"].iter().map(|text| text.parse().unwrap()).collect();
    let segment = Segment::new(&types).unwrap();
    let mut out = Vec::new();
    let message =
        |result: Result<(), pumphouse_columns::EncodeError>| result.unwrap_err().to_string()[..11].to_owned();
    assert_eq!(message(encode_block(&["a"], &types[..1], &[&segment], &mut out)), "COLUMNS-004");
    let swapped = [types[1].clone(), types[0].clone()];
    assert_eq!(message(encode_block(&["a", "b"], &swapped, &[&segment], &mut out)), "COLUMNS-005");
    assert!(out.is_empty());
    assert_eq!(encode_block(&["a", "b"], &types, &[], &mut out), Ok(()));
}
