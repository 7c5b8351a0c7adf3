//! Columns and values of the shapes, apart from how they are written.

use pumphouse_testkit::seeded::Seeded;

use super::workload::Shape;

/// The seed of all values.
pub const SEED: u64 = 1;

/// 2026-01-01T00:00:00Z; times ascend from there.
const FIRST_TIME_MS: i64 = 1_767_225_600_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UInt64.
    Long,
    /// UInt32.
    Int,
    /// UInt16.
    Small,
    /// DateTime64(3).
    Time,
    /// LowCardinality(String).
    Choice,
    /// String.
    Text,
    /// Float64.
    Float,
    /// Decimal(18, 4).
    Decimal,
    /// Bool.
    Bool,
    /// UUID.
    Uuid,
    /// Array(String).
    Texts,
    /// Nullable(String).
    MaybeText,
}

impl Kind {
    /// In CREATE TABLE.
    pub fn table_type(self) -> &'static str {
        match self {
            Kind::Long => "UInt64",
            Kind::Int => "UInt32",
            Kind::Small => "UInt16",
            Kind::Time => "DateTime64(3, 'UTC')",
            Kind::Choice => "LowCardinality(String)",
            Kind::Text => "String",
            Kind::Float => "Float64",
            Kind::Decimal => "Decimal(18, 4)",
            Kind::Bool => "Bool",
            Kind::Uuid => "UUID",
            Kind::Texts => "Array(String)",
            Kind::MaybeText => "Nullable(String)",
        }
    }
}

/// A column of a table, and the field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name of both.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A value, of the kind of its column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of the three sizes.
    Number(u64),
    /// Milliseconds since 1970.
    Time(i64),
    /// Of choice, text, UUID and maybe-text.
    Text(String),
    /// Thousandths: a decimal text that is read back as the same double everywhere.
    Float(f64),
    /// Ten-thousandths.
    Decimal(i64),
    /// A flag.
    Bool(bool),
    /// Several texts.
    Texts(Vec<String>),
    /// No text.
    Null,
}

/// The values of a record, in the order of its columns.
pub type Row = Vec<Value>;

fn column(name: &str, kind: Kind) -> Column {
    Column { name: name.to_owned(), kind }
}

/// Groups of like columns in the wide shape: kind, prefix of the names, how many.
const WIDE: [(Kind, &str, usize); 6] = [
    (Kind::Int, "count", 30),
    (Kind::Float, "value", 28),
    (Kind::Choice, "tag", 20),
    (Kind::Text, "text", 10),
    (Kind::Bool, "flag", 5),
    (Kind::MaybeText, "note", 5),
];

/// The columns of a shape; the first is `id`.
pub fn columns(shape: Shape) -> Vec<Column> {
    match shape {
        Shape::Narrow => [
            ("id", Kind::Long),
            ("ts", Kind::Time),
            ("user_id", Kind::Int),
            ("country", Kind::Choice),
            ("url", Kind::Text),
            ("status", Kind::Small),
            ("duration", Kind::Float),
            ("amount", Kind::Decimal),
            ("flag", Kind::Bool),
            ("trace", Kind::Uuid),
            ("tags", Kind::Texts),
            ("note", Kind::MaybeText),
        ]
        .map(|(name, kind)| column(name, kind))
        .to_vec(),
        Shape::Wide => {
            let mut all = vec![column("id", Kind::Long), column("ts", Kind::Time)];
            for (kind, prefix, count) in WIDE {
                all.extend((0..count).map(|at| column(&format!("{prefix}_{at:02}"), kind)));
            }
            all
        }
        Shape::Large => vec![
            column("id", Kind::Long),
            column("ts", Kind::Time),
            column("host", Kind::Choice),
            column("level", Kind::Choice),
            column("code", Kind::Int),
            column("message", Kind::Text),
        ],
        Shape::Tiny => {
            vec![column("id", Kind::Long), column("reading", Kind::Int), column("ok", Kind::Bool)]
        }
    }
}

/// Bytes of a large record's message.
const MESSAGE_BYTES: usize = 1_490;

const WORDS: [&str; 16] = [
    "request",
    "served",
    "after",
    "retry",
    "from",
    "cache",
    "upstream",
    "closed",
    "connection",
    "timeout",
    "while",
    "reading",
    "header",
    "of",
    "shard",
    "replica",
];

/// Record number `id` of a shape other than narrow.
pub fn row(shape: Shape, id: u64) -> Row {
    let mut seeded = Seeded::new(SEED ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    columns(shape).iter().map(|column| value(column, id, &mut seeded)).collect()
}

fn value(column: &Column, id: u64, seeded: &mut Seeded) -> Value {
    match (column.kind, column.name.as_str()) {
        (Kind::Long, _) => Value::Number(id),
        (Kind::Int, _) => Value::Number(seeded.below(1_000_000)),
        (Kind::Small, _) => Value::Number(seeded.below(600)),
        (Kind::Time, _) => Value::Time(FIRST_TIME_MS + 7 * id as i64),
        (Kind::Choice, name) => Value::Text(format!("{}-{}", name, seeded.below(20))),
        (Kind::Text, "message") => Value::Text(message(seeded)),
        (Kind::Text, _) => Value::Text(format!("/{}/{}", word(seeded), seeded.below(50_000))),
        (Kind::Float, _) => Value::Float(seeded.below(2_000_000) as f64 / 1_000.0),
        (Kind::Decimal, _) => Value::Decimal(seeded.below(20_000_000) as i64),
        (Kind::Bool, _) => Value::Bool(seeded.chance(0.3)),
        (Kind::MaybeText, _) if seeded.chance(0.5) => Value::Text(word(seeded).to_owned()),
        (Kind::MaybeText, _) => Value::Null,
        (Kind::Uuid | Kind::Texts, name) => panic!("no shape but narrow has a column like {name}"),
    }
}

fn word(seeded: &mut Seeded) -> &'static str {
    WORDS[seeded.below(WORDS.len() as u64) as usize]
}

/// Words and numbers, with a quote and a line end here and there, as log lines have them.
fn message(seeded: &mut Seeded) -> String {
    let mut text = String::with_capacity(MESSAGE_BYTES + 32);
    while text.len() < MESSAGE_BYTES {
        match seeded.below(12) {
            0 => text.push_str(&seeded.next_u64().to_string()),
            1 => text.push_str("\"ok\""),
            2 => text.push('\n'),
            _ => text.push_str(word(seeded)),
        }
        text.push(' ');
    }
    text.truncate(MESSAGE_BYTES);
    text
}
