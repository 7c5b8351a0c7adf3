use proptest::strategy::Strategy as _;

use super::*;

#[test]
fn the_servers_own_forms_print_back_unchanged() {
    // As system.columns of a 26.7 server printed them.
    for text in [
        "DateTime('UTC')",
        "Enum8('a\\'b\\\\c\\td' = -1, 'z' = 3)",
        "DateTime64(3, 'Europe/Berlin')",
        "Decimal(9, 2)",
        "Map(String, Array(Nullable(Int8)))",
        "JSON(max_dynamic_paths=3, a UInt8, SKIP b)",
        "JSON",
        "LowCardinality(Nullable(String))",
        "Tuple(a UInt8, `b c` String)",
        "FixedString(3)",
        "DateTime",
        "DateTime64(3)",
        "Bool",
        "UUID",
        "UInt256",
        "Array(Tuple(a UInt8, b Enum8('x)' = 1)))",
        "AggregateFunction(sum, UInt64)",
        "Variant(Array(Variant(Date, String)), String, UInt8)",
        "Tuple()",
        "Tuple(a UInt8, `b c` Tuple(String, Array(Int8)))",
        "Nested(a UInt8, b Nested(c String))",
        "Dynamic",
        "Dynamic(max_types=3)",
        "Geometry",
        "MultiLineString",
        "SimpleAggregateFunction(groupArrayArray, Array(UInt8))",
        "AggregateFunction(quantiles(0.5, 0.9), UInt64)",
        "IntervalSecond",
        "Time64(3)",
        "BFloat16",
        "Nullable(Tuple(a UInt8))",
        "Nullable(JSON)",
        "LowCardinality(IPv6)",
        "JSON(max_dynamic_types=2, `a.b` UInt8, `c d` String, SKIP q, SKIP REGEXP 'x.*')",
        "Map(Tuple(UInt8, String), Variant(String, UInt8))",
        "Tuple(a Nested(b UInt8))",
        "QBit(Float32, 4)",
    ] {
        assert_eq!(text.parse::<DataType>().unwrap().to_string(), text);
    }
}

#[test]
fn what_stands_in_brackets_is_understood() {
    let parse = |text: &str| text.parse::<DataType>().unwrap();
    let DataType::Tuple(members) = parse("Tuple(a UInt8, `b c` Tuple(String, Array(Int8)))") else {
        panic!()
    };
    assert_eq!(members[1].name.as_deref(), Some("b c"));
    assert_eq!(members[1].data_type, parse("Tuple(String, Array(Int8))"));
    let DataType::Json(json) =
        parse("JSON(max_dynamic_paths=3, `a.b` Array(UInt8), c.d String, SKIP e, SKIP REGEXP 'f,(')")
    else {
        panic!()
    };
    let paths: Vec<&str> = json.typed_paths.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["a.b", "c.d"]);
    assert_eq!(json.typed_paths[0].1, parse("Array(UInt8)"));
}

#[test]
fn what_travels_is_a_type_that_input_takes() {
    for (table_type, travels) in [
        ("Nested(a UInt8, b Nested(c String))", "Array(Tuple(a UInt8, b Array(Tuple(c String))))"),
        ("Array(SimpleAggregateFunction(sum, UInt64))", "Array(UInt64)"),
        ("Map(String, Tuple(Nested(a Point)))", "Map(String, Tuple(Array(Tuple(a Point))))"),
    ] {
        assert_eq!(table_type.parse::<DataType>().unwrap().input_type().to_string(), travels);
    }
}

#[test]
fn what_is_no_type_is_refused() {
    for text in [
        "",
        "Array(",
        "Array()",
        "Enum8('a')",
        "Enum8()",
        "FixedString(x)",
        "FixedString(0)",
        // Every row would take as much.
        "FixedString(92234775808)",
        "UInt8)",
        "8",
        "Tuple(a",
        "DateTime('",
        "DateTime64(10)",
        "Decimal(5, 6)",
        "Decimal(77, 0)",
        "Variant()",
        "Tuple(a UInt8, String)",
        "Tuple(a)b",
        "Time64(10)",
        "JSON(a)",
        "JSON(",
        "SimpleAggregateFunction(sum)",
    ] {
        assert!(text.parse::<DataType>().is_err(), "{text}");
    }
    for open in ["Array(", "Tuple(", "Tuple(a ", "Variant(", "JSON(a ", "Map(String, ", "Nested(`x` "] {
        let bomb = open.repeat(100_000);
        assert_eq!(bomb.parse::<DataType>(), Err(TypeError::TooDeep), "{open}");
    }
    let opaque = format!("AggregateFunction({}", "(".repeat(100_000));
    assert!(opaque.parse::<DataType>().is_err());
}

/// A type text from pieces of the grammar, mostly not a type.
fn any_pieces() -> impl proptest::strategy::Strategy<Value = String> {
    let pieces = [
        "Array(",
        "Tuple(",
        "Nested(",
        "Variant(",
        "Map(",
        "Nullable(",
        "LowCardinality(",
        "JSON(",
        "JSON",
        "Dynamic",
        "(",
        ")",
        ", ",
        ",",
        " ",
        "a ",
        "`b c` ",
        "\"q\" ",
        "UInt8",
        "String",
        "Enum8('a' = 1)",
        "'x",
        "\\",
        "`",
        "DateTime64(3",
        "Decimal(76, 3)",
        "SKIP ",
        "REGEXP ",
        "=",
        "1",
        "-",
        "SimpleAggregateFunction(sum, ",
        "AggregateFunction(",
        "Point",
        "é",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..14)
        .prop_map(|pieces| pieces.concat())
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[A-Za-z0-9(),'`\\\\= é-]{0,60}") {
        let _ = text.parse::<DataType>();
    }

    /// Nor does what follows parsing; and what was understood is printed so that it is
    /// understood again.
    #[test]
    fn no_pieces_of_types_panic(text in any_pieces()) {
        if let Ok(parsed) = text.parse::<DataType>() {
            let _ = crate::Column::new(&parsed);
            let travels = parsed.input_type();
            proptest::prop_assert_eq!(travels.to_string().parse::<DataType>(), Ok(travels));
        }
    }
}
