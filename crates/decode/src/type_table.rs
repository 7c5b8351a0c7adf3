//! The table of types: per column type and kind of JSON value what is taken, and how. The plan compiler
//! asks it whether a type is known; `docs/types.md` is printed from it; and tests hold it against the
//! decoder and against a real server, cell by cell.
use std::fmt::Write as _;

use pumphouse_columns::{DataType, TupleMember};

/// What happens to values of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Every value is taken as it is.
    Exact,
    /// A value is taken if it fits, and refused otherwise.
    Checked,
    /// No value is taken.
    Refused,
}

/// One kind of value for one type.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// What happens.
    pub takes: Takes,
    /// Which values, in words.
    pub how: &'static str,
    /// A JSON value, and what the server prints of it (TSVRaw).
    pub examples: &'static [(&'static str, &'static str)],
}

/// One type, or types that differ in size only.
#[derive(Debug)]
pub struct TypeRow {
    /// As the document names it.
    pub name: &'static str,
    /// A type of the row, for a column.
    pub example_type: &'static str,
    /// Whether a type belongs to the row.
    pub covers: fn(&DataType) -> bool,
    /// true/false, number, text, array, object.
    pub cells: [Cell; 5],
    /// JSON values that are refused although their cell takes some, with the code.
    pub refused: &'static [(&'static str, &'static str)],
}

/// What the cells of a row stand for.
pub const CELL_NAMES: [&str; 5] = ["true, false", "number", "text", "array", "object"];

type Examples = &'static [(&'static str, &'static str)];

const fn exact(how: &'static str, examples: Examples) -> Cell {
    Cell { takes: Takes::Exact, how, examples }
}

const fn checked(how: &'static str, examples: Examples) -> Cell {
    Cell { takes: Takes::Checked, how, examples }
}

const NO: Cell = Cell { takes: Takes::Refused, how: "", examples: &[] };

const INTEGER: &str = "whole (also `1.0`, `1e3`), in range";
const INTEGER_TEXT: &str = "such a number";
const REAL: &str = "the nearest value; not to infinity, not to 0";
const REAL_TEXT: &str = "such a number; `NaN`, `Infinity`, `-Infinity`";
const POINT: &str = "as its arrays of numbers";
const DAY: &str = "`YYYY-MM-DD`, also with a time of midnight";
const DAY_NUMBER: &str = "days since 1970";
const INSTANT: &str = "ISO 8601";
const TICKS: &str = "ticks since 1970 (ms for precision 3)";
const ENUM_NUMBER: &str = "one of the numbers";
const ENUM_NAME: &str = "one of the names";

/// A row whose values are numbers, from numbers or texts of them.
const fn number(
    name: &'static str,
    example_type: &'static str,
    covers: fn(&DataType) -> bool,
    examples: [Examples; 2],
    refused: Examples,
) -> TypeRow {
    let cells = [NO, checked(INTEGER, examples[0]), checked(INTEGER_TEXT, examples[1]), NO, NO];
    TypeRow { name, example_type, covers, cells, refused }
}

const fn real(
    name: &'static str,
    example_type: &'static str,
    covers: fn(&DataType) -> bool,
    examples: [Examples; 2],
    refused: Examples,
) -> TypeRow {
    let cells = [NO, checked(REAL, examples[0]), checked(REAL_TEXT, examples[1]), NO, NO];
    TypeRow { name, example_type, covers, cells, refused }
}

const fn decimal(
    name: &'static str,
    example_type: &'static str,
    covers: fn(&DataType) -> bool,
    examples: [Examples; 2],
    refused: Examples,
) -> TypeRow {
    const HOW: &str = "exactly: further digits must be 0";
    let cells = [NO, checked(HOW, examples[0]), checked(INTEGER_TEXT, examples[1]), NO, NO];
    TypeRow { name, example_type, covers, cells, refused }
}

/// A row whose values are texts of one form.
const fn text(
    name: &'static str,
    example_type: &'static str,
    covers: fn(&DataType) -> bool,
    how: &'static str,
    examples: Examples,
    refused: Examples,
) -> TypeRow {
    TypeRow { name, example_type, covers, cells: [NO, NO, checked(how, examples), NO, NO], refused }
}

const fn geo(name: &'static str, examples: Examples, refused: Examples) -> TypeRow {
    let covers: fn(&DataType) -> bool = |t| matches!(t, DataType::Geo(_));
    TypeRow { name, example_type: name, covers, cells: [NO, NO, NO, checked(POINT, examples), NO], refused }
}

fn named(members: &[TupleMember]) -> bool {
    members.first().is_some_and(|first| first.name.is_some())
}

/// The table.
pub static TYPE_TABLE: &[TypeRow] = &[
    TypeRow {
        name: "Bool",
        example_type: "Bool",
        covers: |t| matches!(t, DataType::Bool),
        cells: [
            exact("", &[("true", "true"), ("false", "false")]),
            checked("0 and 1", &[("1", "true")]),
            checked("`true`, `false`", &[("\"false\"", "false")]),
            NO,
            NO,
        ],
        refused: &[("2", "DECODE-005"), ("\"yes\"", "DECODE-006")],
    },
    TypeRow {
        name: "UInt8",
        example_type: "UInt8",
        covers: |t| matches!(t, DataType::UInt8),
        cells: [
            exact("1, 0", &[("true", "1")]),
            checked(INTEGER, &[("255", "255"), ("1.0", "1")]),
            checked(INTEGER_TEXT, &[("\"7\"", "7")]),
            NO,
            NO,
        ],
        refused: &[
            ("256", "DECODE-005"),
            ("-1", "DECODE-005"),
            ("1.5", "DECODE-005"),
            ("\"x\"", "DECODE-006"),
        ],
    },
    number(
        "Int8",
        "Int8",
        |t| matches!(t, DataType::Int8),
        [&[("-128", "-128")], &[("\"127\"", "127")]],
        &[("128", "DECODE-005")],
    ),
    number(
        "Int16",
        "Int16",
        |t| matches!(t, DataType::Int16),
        [&[("-32768", "-32768")], &[("\"1e3\"", "1000")]],
        &[("32768", "DECODE-005")],
    ),
    number(
        "UInt16",
        "UInt16",
        |t| matches!(t, DataType::UInt16),
        [&[("65535", "65535")], &[("\"1\"", "1")]],
        &[("65536", "DECODE-005")],
    ),
    number(
        "Int32",
        "Int32",
        |t| matches!(t, DataType::Int32),
        [&[("-2147483648", "-2147483648")], &[("\"5\"", "5")]],
        &[("2147483648", "DECODE-005")],
    ),
    number(
        "UInt32",
        "UInt32",
        |t| matches!(t, DataType::UInt32),
        [&[("4294967295", "4294967295")], &[("\"5\"", "5")]],
        &[("4294967296", "DECODE-005")],
    ),
    number(
        "Int64",
        "Int64",
        |t| matches!(t, DataType::Int64),
        [
            &[("-9223372036854775808", "-9223372036854775808")],
            &[("\"9007199254740993\"", "9007199254740993")],
        ],
        &[("9223372036854775808", "DECODE-005"), ("\"007\"", "DECODE-006")],
    ),
    number(
        "UInt64",
        "UInt64",
        |t| matches!(t, DataType::UInt64),
        [
            &[("18446744073709551615", "18446744073709551615")],
            &[("\"18446744073709551615\"", "18446744073709551615")],
        ],
        &[("18446744073709551616", "DECODE-005")],
    ),
    number(
        "Int128",
        "Int128",
        |t| matches!(t, DataType::Int128),
        [
            &[("-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728")],
            &[("\"-1\"", "-1")],
        ],
        &[("170141183460469231731687303715884105728", "DECODE-005")],
    ),
    number(
        "UInt128",
        "UInt128",
        |t| matches!(t, DataType::UInt128),
        [
            &[("340282366920938463463374607431768211455", "340282366920938463463374607431768211455")],
            &[("\"1\"", "1")],
        ],
        &[("340282366920938463463374607431768211456", "DECODE-005")],
    ),
    number(
        "Int256",
        "Int256",
        |t| matches!(t, DataType::Int256),
        [
            &[(
                "-57896044618658097711785492504343953926634992332820282019728792003956564819968",
                "-57896044618658097711785492504343953926634992332820282019728792003956564819968",
            )],
            &[("\"-1\"", "-1")],
        ],
        &[("57896044618658097711785492504343953926634992332820282019728792003956564819968", "DECODE-005")],
    ),
    number(
        "UInt256",
        "UInt256",
        |t| matches!(t, DataType::UInt256),
        [
            &[(
                "115792089237316195423570985008687907853269984665640564039457584007913129639935",
                "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            )],
            &[("\"1e2\"", "100")],
        ],
        &[("-1", "DECODE-005")],
    ),
    real(
        "Float32",
        "Float32",
        |t| matches!(t, DataType::Float32),
        [&[("0.1", "0.1")], &[("\"-Infinity\"", "-inf")]],
        &[("1e39", "DECODE-005"), ("1e-60", "DECODE-005")],
    ),
    real(
        "Float64",
        "Float64",
        |t| matches!(t, DataType::Float64),
        [&[("-1.5e300", "-1.5e300")], &[("\"NaN\"", "nan")]],
        &[("1e309", "DECODE-005"), ("\"inf\"", "DECODE-006")],
    ),
    real(
        "BFloat16",
        "BFloat16",
        |t| matches!(t, DataType::BFloat16),
        [&[("1.5", "1.5"), ("3.14", "3.140625")], &[("\"-0.5\"", "-0.5")]],
        &[("1e39", "DECODE-005")],
    ),
    decimal(
        "Decimal(1..9, S)",
        "Decimal(9, 2)",
        |t| matches!(t, DataType::Decimal { precision: 0..=9, .. }),
        [&[("-1234567.89", "-1234567.89")], &[("\"1.50\"", "1.5")]],
        &[("1.505", "DECODE-005"), ("10000000", "DECODE-005")],
    ),
    decimal(
        "Decimal(10..18, S)",
        "Decimal(18, 6)",
        |t| matches!(t, DataType::Decimal { precision: 10..=18, .. }),
        [&[("123456789012.000001", "123456789012.000001")], &[("\"-1e3\"", "-1000")]],
        &[("1000000000000", "DECODE-005")],
    ),
    decimal(
        "Decimal(19..38, S)",
        "Decimal(38, 10)",
        |t| matches!(t, DataType::Decimal { precision: 19..=38, .. }),
        [
            &[("-1234567890123456789012345678.0123456789", "-1234567890123456789012345678.0123456789")],
            &[("\"0.0000000001\"", "0.0000000001")],
        ],
        &[("0.00000000001", "DECODE-005")],
    ),
    decimal(
        "Decimal(39..76, S)",
        "Decimal(76, 2)",
        |t| matches!(t, DataType::Decimal { precision: 39..=76, .. }),
        [
            &[(
                "99999999999999999999999999999999999999999999999999999999999999999999999999.99",
                "99999999999999999999999999999999999999999999999999999999999999999999999999.99",
            )],
            &[("\"-1.5\"", "-1.5")],
        ],
        &[("1e74", "DECODE-005"), ("1.005", "DECODE-005")],
    ),
    TypeRow {
        name: "String",
        example_type: "String",
        covers: |t| matches!(t, DataType::String),
        cells: [
            exact("as written", &[("true", "true")]),
            exact("as written", &[("1.50", "1.50")]),
            exact("", &[("\"h\\u00e9\\ud83d\\ude00\"", "hé😀")]),
            exact("the JSON text", &[("[1, 2]", "[1, 2]")]),
            exact("the JSON text", &[("{\"a\": 1}", "{\"a\": 1}")]),
        ],
        refused: &[("\"\\ud800\"", "DECODE-008")],
    },
    text(
        "FixedString(N)",
        "FixedString(4)",
        |t| matches!(t, DataType::FixedString(_)),
        "at most N bytes; filled up with zero bytes",
        &[("\"abcd\"", "abcd"), ("\"é12\"", "é12")],
        &[("\"abcde\"", "DECODE-005")],
    ),
    TypeRow {
        name: "Date",
        example_type: "Date",
        covers: |t| matches!(t, DataType::Date),
        cells: [
            NO,
            checked(DAY_NUMBER, &[("65535", "2149-06-06")]),
            checked(DAY, &[("\"1970-01-02\"", "1970-01-02"), ("\"2024-02-29T00:00:00Z\"", "2024-02-29")]),
            NO,
            NO,
        ],
        refused: &[("\"1969-12-31\"", "DECODE-005"), ("\"2024-02-29T10:00:00Z\"", "DECODE-005")],
    },
    TypeRow {
        name: "Date32",
        example_type: "Date32",
        covers: |t| matches!(t, DataType::Date32),
        cells: [
            NO,
            checked(DAY_NUMBER, &[("-1", "1969-12-31")]),
            checked(DAY, &[("\"1900-01-01\"", "1900-01-01"), ("\"2299-12-31\"", "2299-12-31")]),
            NO,
            NO,
        ],
        refused: &[("\"2300-01-01\"", "DECODE-005"), ("\"2023-02-29\"", "DECODE-006")],
    },
    TypeRow {
        name: "DateTime",
        example_type: "DateTime('Europe/Berlin')",
        covers: |t| matches!(t, DataType::DateTime(_)),
        cells: [
            NO,
            checked("seconds since 1970", &[("1372665600", "2013-07-01 10:00:00")]),
            checked(
                INSTANT,
                &[
                    ("\"2013-07-01T10:00:00Z\"", "2013-07-01 12:00:00"),
                    ("\"2013-07-01 10:00:00\"", "2013-07-01 10:00:00"),
                ],
            ),
            NO,
            NO,
        ],
        refused: &[("\"2013-01-01T10:00:00.5Z\"", "DECODE-005"), ("\"2013-03-31 02:30:00\"", "DECODE-005")],
    },
    TypeRow {
        name: "DateTime64(p)",
        example_type: "DateTime64(3, 'UTC')",
        covers: |t| matches!(t, DataType::DateTime64 { .. }),
        cells: [
            NO,
            checked(TICKS, &[("1357034400123", "2013-01-01 10:00:00.123")]),
            checked(INSTANT, &[("\"1950-02-03T04:05:06.7+01:00\"", "1950-02-03 03:05:06.700")]),
            NO,
            NO,
        ],
        refused: &[("\"2013-01-01T10:00:00.0005Z\"", "DECODE-005"), ("99999999999999999", "DECODE-005")],
    },
    TypeRow {
        name: "Time",
        example_type: "Time",
        covers: |t| matches!(t, DataType::Time),
        cells: [
            NO,
            checked("seconds", &[("-1", "-00:00:01")]),
            checked("`[-]HHH:MM[:SS]`", &[("\"12:13:14\"", "12:13:14"), ("\"-999:59:59\"", "-999:59:59")]),
            NO,
            NO,
        ],
        refused: &[("3600000", "DECODE-005"), ("\"12:00:00.5\"", "DECODE-005"), ("\"noon\"", "DECODE-006")],
    },
    TypeRow {
        name: "Time64(p)",
        example_type: "Time64(3)",
        covers: |t| matches!(t, DataType::Time64(_)),
        cells: [
            NO,
            checked("ticks", &[("1500", "00:00:01.500")]),
            checked("`[-]HHH:MM[:SS[.fraction]]`", &[("\"-12:13:14.125\"", "-12:13:14.125")]),
            NO,
            NO,
        ],
        refused: &[("\"00:00:00.0005\"", "DECODE-005")],
    },
    number(
        "Interval",
        "IntervalSecond",
        |t| matches!(t, DataType::Interval(_)),
        [&[("-5", "-5")], &[("\"5\"", "5")]],
        &[("1.5", "DECODE-005")],
    ),
    text(
        "UUID",
        "UUID",
        |t| matches!(t, DataType::Uuid),
        "36 characters, or 32 hexadecimal digits",
        &[("\"00112233-4455-6677-8899-AABBCCDDEEFF\"", "00112233-4455-6677-8899-aabbccddeeff")],
        &[("\"0011\"", "DECODE-006")],
    ),
    text(
        "IPv4",
        "IPv4",
        |t| matches!(t, DataType::Ipv4),
        "four numbers with dots",
        &[("\"192.168.0.1\"", "192.168.0.1")],
        &[("\"1.2.3\"", "DECODE-006"), ("\"1.2.3.256\"", "DECODE-006")],
    ),
    text(
        "IPv6",
        "IPv6",
        |t| matches!(t, DataType::Ipv6),
        "the usual form; IPv4 is mapped",
        &[("\"2001:db8::ff00:42:8329\"", "2001:db8::ff00:42:8329"), ("\"1.2.3.4\"", "::ffff:1.2.3.4")],
        &[("\"::g\"", "DECODE-006")],
    ),
    TypeRow {
        name: "Enum8, Enum16",
        example_type: "Enum16('a\\'b' = -1000, 'z' = 3)",
        covers: |t| matches!(t, DataType::Enum8(_) | DataType::Enum16(_)),
        cells: [NO, checked(ENUM_NUMBER, &[("3", "z")]), checked(ENUM_NAME, &[("\"a'b\"", "a'b")]), NO, NO],
        refused: &[("4", "DECODE-007"), ("\"c\"", "DECODE-007")],
    },
    TypeRow {
        name: "Array(T)",
        example_type: "Array(Nullable(UInt8))",
        covers: |t| matches!(t, DataType::Array(_)),
        cells: [NO, NO, NO, checked("elements as T", &[("[1, null]", "[1,NULL]"), ("[]", "[]")]), NO],
        refused: &[("[256]", "DECODE-005")],
    },
    TypeRow {
        name: "Map(K, V)",
        example_type: "Map(UInt16, Array(String))",
        covers: |t| matches!(t, DataType::Map(..)),
        cells: [
            NO,
            NO,
            NO,
            NO,
            checked("names as texts for K; doubles stay", &[("{\"7\":[\"a\"],\"8\":[]}", "{7:['a'],8:[]}")]),
        ],
        refused: &[("{\"x\":[]}", "DECODE-006"), ("{\"7\":null}", "DECODE-004")],
    },
    TypeRow {
        name: "Tuple(T, U)",
        example_type: "Tuple(UInt8, Nullable(String))",
        covers: |t| matches!(t, DataType::Tuple(members) if !named(members)),
        cells: [NO, NO, NO, checked("one value for each member", &[("[1, null]", "(1,NULL)")]), NO],
        refused: &[("[1]", "DECODE-014"), ("[1,\"a\",2]", "DECODE-014")],
    },
    TypeRow {
        name: "Tuple(a T, b U)",
        example_type: "Tuple(a UInt8, `b c` Nullable(String))",
        covers: |t| matches!(t, DataType::Tuple(members) if named(members)),
        cells: [
            NO,
            NO,
            NO,
            checked("one value for each member", &[("[1, \"x\"]", "(1,'x')")]),
            checked(
                "by name; what is missing is NULL if it can be",
                &[("{\"b c\":\"x\",\"a\":1}", "(1,'x')"), ("{\"a\":1}", "(1,NULL)")],
            ),
        ],
        refused: &[("{\"b c\":\"x\"}", "DECODE-003"), ("{\"a\":null}", "DECODE-004")],
    },
    TypeRow {
        name: "Nested(a T, b U)",
        example_type: "Nested(a UInt8, b Nullable(String))",
        covers: |t| matches!(t, DataType::Nested(_)),
        cells: [
            NO,
            NO,
            NO,
            checked("objects, by name", &[("[{\"a\":1,\"b\":\"x\"},{\"a\":2}]", "[(1,'x'),(2,NULL)]")]),
            checked(
                "arrays of one length, by name",
                &[("{\"a\":[1,2],\"b\":[\"x\",null]}", "[(1,'x'),(2,NULL)]")],
            ),
        ],
        refused: &[("{\"a\":[1,2],\"b\":[\"x\"]}", "DECODE-013"), ("[{\"b\":\"x\"}]", "DECODE-003")],
    },
    TypeRow {
        name: "Variant(T, U)",
        example_type: "Variant(Array(UInt8), Bool, Date, Float64, Int64, Map(String, UInt8), String)",
        covers: |t| matches!(t, DataType::Variant(_)),
        cells: [
            checked("the first member that takes it, see below", &[("true", "true")]),
            checked("", &[("5", "5"), ("1.5", "1.5"), ("null", "\\N")]),
            checked("", &[("\"x\"", "x"), ("\"2024-02-29\"", "2024-02-29")]),
            checked("", &[("[1]", "[1]"), ("[\"a\"]", "[\"a\"]")]),
            checked("", &[("{\"a\":1}", "{'a':1}"), ("{\"a\":\"b\"}", "{\"a\":\"b\"}")]),
        ],
        refused: &[],
    },
    TypeRow {
        name: "Dynamic",
        example_type: "Dynamic",
        covers: |t| matches!(t, DataType::Dynamic(_)),
        cells: [
            exact("Bool", &[("true", "true")]),
            checked(
                "Int64, UInt64, Float64, else String",
                &[
                    ("-5", "-5"),
                    ("18446744073709551615", "18446744073709551615"),
                    ("1.5", "1.5"),
                    ("99999999999999999999", "99999999999999999999"),
                    ("null", "\\N"),
                ],
            ),
            exact("String", &[("\"x\"", "x"), ("\"2024-02-29\"", "2024-02-29")]),
            checked(
                "Array of Nullable(Bool, Int64, Float64, String), of JSON, else of Dynamic",
                &[
                    ("[1,null]", "[1,NULL]"),
                    ("[]", "[]"),
                    ("[1,\"a\",[2.5,true],{\"b\":1},null]", "[1,'a',[2.5,true],'{\"b\":1}',NULL]"),
                    ("[{\"a\":1}]", "['{\"a\":1}']"),
                ],
            ),
            checked("JSON", &[("{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}")]),
        ],
        refused: &[("1.5e400", "DECODE-005"), ("{\"a\":1,\"a\":1}", "DECODE-012")],
    },
    TypeRow {
        name: "JSON",
        example_type: "JSON(a UInt8, `b.c` Array(String), SKIP d)",
        covers: |t| matches!(t, DataType::Json(_)),
        cells: [
            NO,
            NO,
            NO,
            NO,
            checked(
                "no path twice, whole numbers of 64 bits, paths with a type as that type",
                &[(
                    "{\"a\":3,\"b\":{\"c\":[\"x\"]},\"d\":1,\"e\":{\"f\":[1,{\"g\":null}]}}",
                    "{\"a\":3,\"b\":{\"c\":[\"x\"]},\"e\":{\"f\":[1,{}]}}",
                )],
            ),
        ],
        refused: &[
            ("{\"a\":1.5}", "DECODE-005"),
            ("{\"a\":256}", "DECODE-005"),
            ("{\"e\":1,\"e\":2}", "DECODE-012"),
            ("{\"e.f\":1,\"e\":{\"f\":2}}", "DECODE-012"),
            ("{\"e\":[{\"f\":1,\"f\":2}]}", "DECODE-012"),
            ("{\"e\":99999999999999999999}", "DECODE-005"),
            ("{\"e\":\"\\ud800\"}", "DECODE-008"),
            ("{\"b\":{\"c\":[{}, 1, null]}}", "DECODE-004"),
        ],
    },
    geo("Point", &[("[1, -2.5]", "(1,-2.5)")], &[("[1]", "DECODE-014")]),
    geo("Ring", &[("[[0,0],[1,0],[1,1]]", "[(0,0),(1,0),(1,1)]")], &[("[1,2]", "DECODE-006")]),
    geo("LineString", &[("[[0,0],[1,0]]", "[(0,0),(1,0)]")], &[("[[0]]", "DECODE-014")]),
    geo("MultiLineString", &[("[[[0,0],[1,0]],[]]", "[[(0,0),(1,0)],[]]")], &[("[[0]]", "DECODE-006")]),
    geo("Polygon", &[("[[[0,0],[1,0],[1,1]]]", "[[(0,0),(1,0),(1,1)]]")], &[("[[0]]", "DECODE-006")]),
    geo(
        "MultiPolygon",
        &[("[[[[0,0],[1,0],[1,1]]]]", "[[[(0,0),(1,0),(1,1)]]]")],
        &[("[[0]]", "DECODE-006")],
    ),
    geo(
        "Geometry",
        &[("[1,2]", "(1,2)"), ("[[[0,0],[1,0]]]", "[[(0,0),(1,0)]]"), ("null", "\\N")],
        &[("[[\"a\"]]", "DECODE-006")],
    ),
    TypeRow {
        name: "SimpleAggregateFunction(f, T)",
        example_type: "SimpleAggregateFunction(max, Nullable(Int32))",
        covers: |t| matches!(t, DataType::SimpleAggregateFunction { .. }),
        cells: [
            NO,
            checked("as T", &[("-7", "-7"), ("null", "\\N")]),
            checked("as T", &[("\"7\"", "7")]),
            NO,
            NO,
        ],
        refused: &[("2147483648", "DECODE-005")],
    },
    text(
        "AggregateFunction(f, T)",
        "AggregateFunction(sum, UInt64)",
        |t| matches!(t, DataType::AggregateFunction(_)),
        "the state's bytes in base64; as a column of its own only",
        &[("\"BQAAAAAAAAA=\"", "\u{5}\0\0\0\0\0\0\0")],
        &[("\"B\"", "DECODE-006")],
    ),
    TypeRow {
        name: "LowCardinality(T)",
        example_type: "LowCardinality(Nullable(FixedString(2)))",
        covers: |t| matches!(t, DataType::LowCardinality(_)),
        cells: [NO, NO, checked("as T", &[("\"ab\"", "ab"), ("null", "\\N")]), NO, NO],
        refused: &[("\"abc\"", "DECODE-005")],
    },
    TypeRow {
        name: "Nullable(T)",
        example_type: "Nullable(Decimal(9, 1))",
        covers: |t| matches!(t, DataType::Nullable(_)),
        cells: [
            NO,
            checked("as T; null is NULL", &[("1.5", "1.5"), ("null", "\\N")]),
            checked("as T", &[("\"2\"", "2")]),
            NO,
            NO,
        ],
        refused: &[("1.55", "DECODE-005")],
    },
];

/// Whether the table has a row for the type.
pub(crate) fn covers(data_type: &DataType) -> bool {
    TYPE_TABLE.iter().any(|row| (row.covers)(data_type))
}

/// The text of `docs/types.md`.
pub fn types_page() -> String {
    let mut page = String::from(include_str!("type_table/head.md"));
    page.push_str("\n| column type |");
    for name in CELL_NAMES {
        let _ = write!(page, " {name} |");
    }
    page.push_str("\n| --- |");
    page.push_str(&" --- |".repeat(CELL_NAMES.len()));
    page.push('\n');
    for row in TYPE_TABLE {
        let _ = write!(page, "| {} |", row.name);
        for cell in &row.cells {
            let takes = match cell.takes {
                Takes::Exact => "exact",
                Takes::Checked => "checked",
                Takes::Refused => "-",
            };
            let colon = if cell.how.is_empty() { "" } else { ": " };
            let _ = write!(page, " {takes}{colon}{} |", cell.how);
        }
        page.push('\n');
    }
    page.push_str(include_str!("type_table/examples.md"));
    for row in TYPE_TABLE {
        let _ = write!(page, "- `{}`:", row.example_type.replace('`', ""));
        let taken = row.cells.iter().flat_map(|cell| cell.examples);
        let taken = taken.map(|(json, printed)| format!(" `{json}` is `{}`", printed.escape_debug()));
        let refused = row.refused.iter().map(|(json, code)| format!(" `{json}` is refused ({code})"));
        let all: Vec<String> = taken.chain(refused).collect();
        page.push_str(&all.join(";"));
        page.push_str(".\n");
    }
    page.push_str(include_str!("type_table/foot.md"));
    page
}
