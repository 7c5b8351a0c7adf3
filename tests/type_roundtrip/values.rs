//! Values in two spellings: as JSON has them, and as ClickHouse's own INSERT VALUES does.

/// One value: JSON, and the text that stands in VALUES.
pub type Spelled = (String, String);

/// SplitMix64: a seed makes the same types and values everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A type with its edges. A value without a second spelling is the same in both; `"x"` in JSON is `'x'` in
/// VALUES.
pub struct Leaf {
    pub type_text: &'static str,
    pub values: &'static [(&'static str, &'static str)],
}

impl Leaf {
    pub fn spelled(&self, place: usize) -> Spelled {
        let (json, sql) = self.values[place % self.values.len()];
        let sql = match (sql, json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))) {
            ("", Some(text)) => format!("'{text}'"),
            ("", None) => json.to_owned(),
            (sql, _) => sql.to_owned(),
        };
        (json.to_owned(), sql)
    }

    pub fn is(&self, type_text: &str) -> bool {
        self.type_text.starts_with(type_text)
    }
}

const fn leaf(type_text: &'static str, values: &'static [(&'static str, &'static str)]) -> Leaf {
    Leaf { type_text, values }
}

/// Both ends of every type, zero and what is next to it, the epoch's edges, empty, NaN and negative zero.
pub const LEAVES: &[Leaf] = &[
    leaf("Bool", &[("true", ""), ("false", "")]),
    leaf("UInt8", &[("0", ""), ("1", ""), ("255", "")]),
    leaf("UInt16", &[("0", ""), ("256", ""), ("65535", "")]),
    leaf("UInt32", &[("0", ""), ("65536", ""), ("4294967295", "")]),
    leaf("UInt64", &[("0", ""), ("9007199254740993", ""), ("18446744073709551615", "")]),
    leaf(
        "UInt128",
        &[("0", ""), ("18446744073709551616", ""), ("340282366920938463463374607431768211455", "")],
    ),
    leaf(
        "UInt256",
        &[("0", ""), ("115792089237316195423570985008687907853269984665640564039457584007913129639935", "")],
    ),
    leaf("Int8", &[("-128", ""), ("-1", ""), ("0", ""), ("127", "")]),
    leaf("Int16", &[("-32768", ""), ("-1", ""), ("32767", "")]),
    leaf("Int32", &[("-2147483648", ""), ("-1", ""), ("2147483647", "")]),
    leaf("Int64", &[("-9223372036854775808", ""), ("-1", ""), ("9223372036854775807", "")]),
    leaf(
        "Int128",
        &[
            ("-170141183460469231731687303715884105728", ""),
            ("-1", ""),
            ("170141183460469231731687303715884105727", ""),
        ],
    ),
    leaf(
        "Int256",
        &[
            ("-57896044618658097711785492504343953926634992332820282019728792003956564819968", ""),
            ("-1", ""),
            ("57896044618658097711785492504343953926634992332820282019728792003956564819967", ""),
        ],
    ),
    leaf(
        "Float32",
        &[
            ("0.1", ""),
            ("-0.0", ""),
            ("3.4028235e38", ""),
            ("1.1754944e-38", ""),
            ("\"NaN\"", "nan"),
            ("\"Infinity\"", "inf"),
            ("\"-Infinity\"", "-inf"),
        ],
    ),
    leaf(
        "Float64",
        &[
            ("0.1", ""),
            ("-0.0", ""),
            ("1.7976931348623157e308", ""),
            ("2.2250738585072014e-308", ""),
            ("5e-324", ""),
            ("\"NaN\"", "nan"),
            ("\"Infinity\"", "inf"),
            ("\"-Infinity\"", "-inf"),
        ],
    ),
    leaf("BFloat16", &[("1.5", ""), ("-0.0", ""), ("0.0078125", ""), ("-256", "")]),
    leaf("Decimal(9, 2)", &[("0.01", ""), ("-9999999.99", ""), ("9999999.99", "")]),
    leaf("Decimal(9, 0)", &[("-999999999", ""), ("0", "")]),
    leaf("Decimal(18, 6)", &[("0.000001", ""), ("-999999999999.999999", "")]),
    leaf(
        "Decimal(38, 38)",
        &[
            ("0.00000000000000000000000000000000000001", ""),
            ("-0.99999999999999999999999999999999999999", ""),
        ],
    ),
    leaf(
        "Decimal(76, 2)",
        &[
            ("-99999999999999999999999999999999999999999999999999999999999999999999999999.99", ""),
            ("0.01", ""),
        ],
    ),
    leaf(
        "String",
        &[
            ("\"\"", ""),
            ("\"gr\\u00fcn \\ud83d\\ude80\"", "'grün 🚀'"),
            ("\"it's\\t\\\\ \\\"q\\\" \\u0000 end\"", "'it\\'s\\t\\\\ \"q\" \\0 end'"),
            ("\"null\"", ""),
        ],
    ),
    leaf("FixedString(4)", &[("\"\"", ""), ("\"ab\"", ""), ("\"abcd\"", ""), ("\"é12\"", "")]),
    leaf(
        "Date",
        &[("\"1970-01-01\"", ""), ("\"1970-01-02\"", ""), ("\"2149-06-06\"", ""), ("\"2024-02-29\"", "")],
    ),
    leaf(
        "Date32",
        &[("\"1900-01-01\"", ""), ("\"1969-12-31\"", ""), ("\"1970-01-01\"", ""), ("\"2299-12-31\"", "")],
    ),
    leaf(
        "DateTime('UTC')",
        &[
            ("\"1970-01-01 00:00:00\"", ""),
            ("\"1970-01-01T00:00:01Z\"", "'1970-01-01 00:00:01'"),
            ("\"2106-02-07 06:28:15\"", ""),
        ],
    ),
    leaf(
        "DateTime('Europe/Berlin')",
        &[("\"2024-03-31 03:30:00\"", ""), ("\"2024-07-01T10:00:00Z\"", "'2024-07-01 12:00:00'")],
    ),
    leaf(
        "DateTime64(3, 'UTC')",
        &[
            ("\"1970-01-01 00:00:00.000\"", ""),
            ("\"1969-12-31 23:59:59.999\"", ""),
            ("\"1900-01-01 00:00:00.000\"", ""),
            ("\"2299-12-31 23:59:59.999\"", ""),
        ],
    ),
    leaf("DateTime64(0, 'UTC')", &[("\"1900-01-01 00:00:00\"", ""), ("\"2299-12-31 23:59:59\"", "")]),
    leaf(
        "DateTime64(9, 'UTC')",
        &[
            ("\"1969-12-31 23:59:59.999999999\"", ""),
            ("\"2262-04-11 23:47:16.854775807\"", ""),
            ("\"1970-01-01 00:00:00.000000001\"", ""),
        ],
    ),
    leaf(
        "DateTime64(6, 'America/New_York')",
        &[("\"2024-03-10 03:30:00.250000\"", ""), ("\"1950-02-03 04:05:06.000007\"", "")],
    ),
    leaf(
        "Time",
        &[("\"00:00:00\"", ""), ("\"-999:59:59\"", ""), ("\"999:59:59\"", ""), ("\"12:13:14\"", "")],
    ),
    leaf("Time64(3)", &[("\"00:00:00.001\"", ""), ("\"-12:13:14.125\"", ""), ("\"999:59:59.999\"", "")]),
    leaf("IntervalSecond", &[("0", ""), ("-5", ""), ("9223372036854775807", "")]),
    leaf(
        "UUID",
        &[
            ("\"00000000-0000-0000-0000-000000000000\"", ""),
            ("\"00112233-4455-6677-8899-aabbccddeeff\"", ""),
            ("\"ffffffff-ffff-ffff-ffff-ffffffffffff\"", ""),
        ],
    ),
    leaf("IPv4", &[("\"0.0.0.0\"", ""), ("\"255.255.255.255\"", ""), ("\"1.2.3.4\"", "")]),
    leaf("IPv6", &[("\"::\"", ""), ("\"2001:db8::ff00:42:8329\"", ""), ("\"1.2.3.4\"", "'::ffff:1.2.3.4'")]),
    leaf(
        "Enum8('low' = -128, 'it\\'s' = 0, 'high' = 127)",
        &[("\"low\"", ""), ("\"it's\"", "'it\\'s'"), ("127", "'high'")],
    ),
    leaf("Enum16('a' = -32768, 'z' = 32767)", &[("\"a\"", ""), ("\"z\"", "")]),
    leaf(
        "JSON",
        &[
            ("{}", "'{}'"),
            (
                r#"{"a":{"b":[1,2]},"c":"x","d":1.5,"e":null,"f":true}"#,
                r#"'{"a":{"b":[1,2]},"c":"x","d":1.5,"e":null,"f":true}'"#,
            ),
        ],
    ),
    leaf("Dynamic", &[("5", ""), ("\"x\"", ""), ("1.5", ""), ("null", "NULL"), ("true", "")]),
    leaf(
        "Variant(Array(UInt8), String, UInt64)",
        &[("[1,2]", ""), ("\"x\"", ""), ("18446744073709551615", ""), ("null", "NULL")],
    ),
    leaf("Point", &[("[1,-2.5]", "(1,-2.5)"), ("[0,0]", "(0,0)")]),
    leaf("Ring", &[("[[0,0],[1,0],[1,1]]", "[(0,0),(1,0),(1,1)]"), ("[]", "")]),
    leaf("MultiPolygon", &[("[[[[0,0],[1,0],[1,1]]]]", "[[[(0,0),(1,0),(1,1)]]]"), ("[]", "")]),
    leaf("Nullable(Enum8('a' = 5, 'b' = 6))", &[("null", "NULL"), ("\"b\"", "")]),
    leaf("Nullable(Date32)", &[("null", "NULL"), ("\"1900-01-01\"", "")]),
    leaf(
        "Nullable(Tuple(a Enum8('x' = 3), b Date32))",
        &[("null", "NULL"), ("[\"x\",\"1969-12-31\"]", "('x','1969-12-31')")],
    ),
    leaf(
        "SimpleAggregateFunction(max, Nullable(Int32))",
        &[("-7", ""), ("null", "NULL"), ("2147483647", "")],
    ),
];

/// A type, and a way to make values of it.
pub struct Kind {
    pub type_text: String,
    make: Box<dyn Fn(&mut Random) -> Spelled>,
}

impl Kind {
    pub fn value(&self, random: &mut Random) -> Spelled {
        (self.make)(random)
    }
}

fn of_leaf(leaf: &'static Leaf) -> Kind {
    let make = move |random: &mut Random| leaf.spelled(random.below(leaf.values.len()));
    Kind { type_text: leaf.type_text.to_owned(), make: Box::new(make) }
}

fn some_leaf(random: &mut Random, fits: impl Fn(&Leaf) -> bool) -> &'static Leaf {
    loop {
        let leaf = &LEAVES[random.below(LEAVES.len())];
        if fits(leaf) {
            return leaf;
        }
    }
}

/// What may stand in Nullable on every server.
fn may_be_null(leaf: &Leaf) -> bool {
    let own = [
        "Nullable",
        "JSON",
        "Dynamic",
        "Variant",
        "Point",
        "Ring",
        "MultiPolygon",
        "SimpleAggregateFunction",
    ];
    !own.iter().any(|own| leaf.is(own))
}

fn nullable(random: &mut Random) -> Kind {
    let inner = of_leaf(some_leaf(random, may_be_null));
    let type_text = format!("Nullable({})", inner.type_text);
    let make = move |random: &mut Random| match random.below(3) {
        0 => ("null".to_owned(), "NULL".to_owned()),
        _ => inner.value(random),
    };
    Kind { type_text, make: Box::new(make) }
}

fn low_cardinality(random: &mut Random) -> Kind {
    let fits = ["String", "FixedString", "UInt", "Int", "Date", "UUID", "IPv", "Float"];
    // Intervals begin like integers, and Time types are not let in.
    let inner = some_leaf(random, |leaf| {
        fits.iter().any(|fit| leaf.is(fit)) && !leaf.is("Interval") && !leaf.is("DateTime64")
    });
    let inner = of_leaf(inner);
    let null = random.below(2) == 0;
    let type_text = if null {
        format!("LowCardinality(Nullable({}))", inner.type_text)
    } else {
        format!("LowCardinality({})", inner.type_text)
    };
    let make = move |random: &mut Random| match random.below(3) {
        0 if null => ("null".to_owned(), "NULL".to_owned()),
        _ => inner.value(random),
    };
    Kind { type_text, make: Box::new(make) }
}

fn array(random: &mut Random, depth: usize) -> Kind {
    let inner = kind(random, depth - 1);
    let type_text = format!("Array({})", inner.type_text);
    let make = move |random: &mut Random| {
        let values: Vec<Spelled> = (0..random.below(4)).map(|_| inner.value(random)).collect();
        let (json, sql): (Vec<String>, Vec<String>) = values.into_iter().unzip();
        (format!("[{}]", json.join(",")), format!("[{}]", sql.join(",")))
    };
    Kind { type_text, make: Box::new(make) }
}

fn map(random: &mut Random, depth: usize) -> Kind {
    let inner = kind(random, depth - 1);
    let (key, text) =
        [("String", true), ("LowCardinality(String)", true), ("UInt16", false)][random.below(3)];
    let type_text = format!("Map({key}, {})", inner.type_text);
    let make = move |random: &mut Random| {
        let mut json = Vec::new();
        let mut sql = Vec::new();
        for name in 0..random.below(4) {
            let value = inner.value(random);
            json.push(format!("\"{name}\":{}", value.0));
            sql.push(if text { format!("'{name}':{}", value.1) } else { format!("{name}:{}", value.1) });
        }
        (format!("{{{}}}", json.join(",")), format!("{{{}}}", sql.join(",")))
    };
    Kind { type_text, make: Box::new(make) }
}

fn tuple(random: &mut Random, depth: usize) -> Kind {
    let members: Vec<Kind> = (0..2 + random.below(2)).map(|_| kind(random, depth - 1)).collect();
    let named = random.below(2) == 0;
    let types: Vec<String> = members
        .iter()
        .enumerate()
        .map(
            |(place, member)| {
                if named { format!("m{place} {}", member.type_text) } else { member.type_text.clone() }
            },
        )
        .collect();
    let type_text = format!("Tuple({})", types.join(", "));
    let make = move |random: &mut Random| {
        let values: Vec<Spelled> = members.iter().map(|member| member.value(random)).collect();
        let sql: Vec<&str> = values.iter().map(|(_, sql)| sql.as_str()).collect();
        let json: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(place, (json, _))| if named { format!("\"m{place}\":{json}") } else { json.clone() })
            .collect();
        let json = if named { format!("{{{}}}", json.join(",")) } else { format!("[{}]", json.join(",")) };
        (json, format!("({})", sql.join(",")))
    };
    Kind { type_text, make: Box::new(make) }
}

/// A type nested at most `depth` deep.
pub fn kind(random: &mut Random, depth: usize) -> Kind {
    match random.below(if depth == 0 { 5 } else { 11 }) {
        0..=2 => of_leaf(some_leaf(random, |_| true)),
        3 => nullable(random),
        4 => low_cardinality(random),
        5 | 6 => array(random, depth),
        7 | 8 => map(random, depth),
        _ => tuple(random, depth),
    }
}
