//! Records that cannot become rows: DECODE. The task stops before them; the remedy lets everything land.
use crate::case::{Case, try_all};

/// Nothing but the page's "let it go".
const TOLERATED: &[(&str, &str)] = &[("errors.tolerance", "all")];

const ONE_BAD: u64 = 2;

const CSV: &[(&str, &str)] = &[
    ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
    ("value.converter.schemas.enable", "(removed)"),
    ("insertFormat", "CSV"),
];

#[test]
fn records_are_taken_once_the_page_was_followed() {
    try_all(
        "record",
        &[
            Case {
                code: "DECODE-001",
                records: &[r#"{"n":1}"#, "not json", r#"{"n":2}"#],
                set: TOLERATED,
                rows: ONE_BAD,
                ..Case::NONE
            },
            Case {
                code: "DECODE-002",
                records: &[r#"{"n":1}"#, "[1]", r#"{"n":2}"#],
                set: TOLERATED,
                rows: ONE_BAD,
                ..Case::NONE
            },
            Case {
                code: "DECODE-003",
                given: &["CREATE TABLE {t} (n UInt64, m UInt64) ENGINE = MergeTree ORDER BY n {w}"],
                sql: &["ALTER TABLE {t} MODIFY COLUMN m UInt64 DEFAULT 7"],
                ..Case::NONE
            },
            Case {
                code: "DECODE-003",
                given: &["CREATE TABLE {t} (k UInt64, other UInt64) ENGINE = MergeTree ORDER BY k {w}"],
                records: &[r#"{"k":1,"n":1}"#],
                sql: &["ALTER TABLE {t} RENAME COLUMN other TO n"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-004",
                given: &["CREATE TABLE {t} (n UInt64, m UInt64) ENGINE = MergeTree ORDER BY n {w}"],
                records: &[r#"{"n":1,"m":null}"#],
                sql: &["ALTER TABLE {t} MODIFY COLUMN m Nullable(UInt64)"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-005",
                given: &["CREATE TABLE {t} (k UInt64, n UInt8) ENGINE = MergeTree ORDER BY k {w}"],
                records: &[r#"{"k":1,"n":300}"#],
                sql: &["ALTER TABLE {t} MODIFY COLUMN n UInt32"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-006",
                given: &["CREATE TABLE {t} (k UInt64, n UInt8) ENGINE = MergeTree ORDER BY k {w}"],
                records: &[r#"{"k":1,"n":[]}"#],
                sql: &["ALTER TABLE {t} MODIFY COLUMN n String"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-007",
                given: &["CREATE TABLE {t} (k UInt64, e Enum8('a' = 1)) ENGINE = MergeTree ORDER BY k {w}"],
                records: &[r#"{"k":1,"e":"a"}"#, r#"{"k":2,"e":"b"}"#],
                sql: &["ALTER TABLE {t} MODIFY COLUMN e Enum8('a' = 1, 'b' = 2)"],
                rows: 2,
                ..Case::NONE
            },
            Case {
                code: "DECODE-009",
                options: &[("pumphouse.unknown.fields", "refuse")],
                records: &[r#"{"n":1,"more":"m"}"#],
                sql: &["ALTER TABLE {t} ADD COLUMN more String"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-009",
                options: &[("pumphouse.unknown.fields", "refuse")],
                records: &[r#"{"n":1,"more":"m"}"#],
                set: &[("pumphouse.unknown.fields", "ignore")],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-012",
                given: &["CREATE TABLE {t} (k UInt64, j JSON) ENGINE = MergeTree ORDER BY k {w}"],
                records: &[r#"{"k":1,"j":{"a":1,"a":2}}"#],
                sql: &["ALTER TABLE {t} DROP COLUMN j", "ALTER TABLE {t} ADD COLUMN j String"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-013",
                given: &[
                    "CREATE TABLE {t} (k UInt64, l Nested(a UInt8, b UInt8)) ENGINE = MergeTree ORDER BY k {w}",
                ],
                records: &[r#"{"k":1,"l":{"a":[1,2],"b":[1]}}"#, r#"{"k":2,"l":{"a":[1],"b":[1]}}"#],
                set: TOLERATED,
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-014",
                given: &[
                    "CREATE TABLE {t} (k UInt64, p Tuple(UInt8, UInt8)) ENGINE = MergeTree ORDER BY k {w}",
                ],
                records: &[r#"{"k":1,"p":[1,2,3]}"#],
                sql: &["ALTER TABLE {t} DROP COLUMN p", "ALTER TABLE {t} ADD COLUMN p Array(UInt8)"],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "DECODE-031",
                options: &[
                    ("value.converter", "io.confluent.connect.avro.AvroConverter"),
                    ("value.converter.schemas.enable", "(removed)"),
                    ("value.converter.schema.registry.url", "http://127.0.0.1:9"),
                ],
                set: &[
                    ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
                    ("value.converter.schemas.enable", "false"),
                    ("value.converter.schema.registry.url", "(removed)"),
                ],
                ..Case::NONE
            },
            Case {
                code: "DECODE-035",
                options: &[("value.converter.schemas.enable", "true")],
                set: &[("value.converter.schemas.enable", "false")],
                ..Case::NONE
            },
            Case {
                code: "DECODE-037",
                options: &[
                    ("value.converter", "org.apache.kafka.connect.converters.IntegerConverter"),
                    ("value.converter.schemas.enable", "(removed)"),
                ],
                records: &["12", "7"],
                set: &[
                    ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
                    ("pumphouse.value.column", "n"),
                ],
                rows: 2,
                ..Case::NONE
            },
            Case {
                code: "DECODE-038",
                options: CSV,
                records: &["1", "\"open", "2"],
                set: TOLERATED,
                rows: ONE_BAD,
                ..Case::NONE
            },
            Case {
                code: "DECODE-039",
                options: CSV,
                records: &["1,2", "3,4"],
                sql: &["ALTER TABLE {t} ADD COLUMN m UInt64"],
                rows: 2,
                ..Case::NONE
            },
            Case {
                code: "DECODE-040",
                options: CSV,
                records: &["1", "2\n3", "4"],
                set: TOLERATED,
                rows: ONE_BAD,
                ..Case::NONE
            },
            Case {
                code: "DELIVERY-008",
                given: &[
                    "CREATE TABLE {t} (n UInt64, CONSTRAINT small CHECK n < 3) ENGINE = MergeTree ORDER BY n {w}",
                ],
                sql: &["ALTER TABLE {t} DROP CONSTRAINT small"],
                ..Case::NONE
            },
            Case {
                code: "DELIVERY-008",
                given: &[
                    "CREATE TABLE {t} (n UInt64, CONSTRAINT small CHECK n < 3) ENGINE = MergeTree ORDER BY n {w}",
                ],
                set: TOLERATED,
                rows: 2,
                ..Case::NONE
            },
        ],
    );
}
