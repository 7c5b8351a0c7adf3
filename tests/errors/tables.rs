//! Tables that cannot be filled: PLAN and COLUMNS.
use crate::case::{Case, try_all};

const DEEP: &str = "CREATE TABLE {t} (n UInt64, deep Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(\
    Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(\
    Array(Array(Array(Array(Array(Array(UInt8))))))))))))))))))))))))))))))))))) ENGINE = MergeTree ORDER BY n {w}";

#[test]
fn tables_are_changed_as_the_pages_say() {
    try_all(
        "table",
        &[
            Case {
                code: "COLUMNS-002",
                given: &[DEEP],
                sql: &[
                    "ALTER TABLE {t} DROP COLUMN deep",
                    "ALTER TABLE {t} ADD COLUMN deep Array(UInt8) DEFAULT []",
                ],
                ..Case::NONE
            },
            Case {
                code: "PLAN-003",
                given: &[
                    "CREATE TABLE {t} (n UInt64, a Array(AggregateFunction(sum, UInt64))) ENGINE = MergeTree ORDER BY n {w}",
                ],
                sql: &[
                    "ALTER TABLE {t} MODIFY COLUMN a Array(AggregateFunction(sum, UInt64)) MATERIALIZED []",
                ],
                ..Case::NONE
            },
            Case {
                code: "PLAN-003",
                given: &[
                    "CREATE TABLE {t} (n UInt64, a Array(AggregateFunction(sum, UInt64))) ENGINE = MergeTree ORDER BY n {w}",
                ],
                sql: &["CREATE TABLE {o} (n UInt64) ENGINE = MergeTree ORDER BY n {w}"],
                set: &[("topic2TableMap", "{t}={o}")],
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PLAN-005",
                given: &["CREATE TABLE {t} (n UInt64, _offset UInt8) ENGINE = MergeTree ORDER BY n {w}"],
                sql: &["ALTER TABLE {t} MODIFY COLUMN _offset UInt64"],
                ..Case::NONE
            },
            Case {
                code: "PLAN-005",
                given: &["CREATE TABLE {t} (n UInt64, _offset String) ENGINE = MergeTree ORDER BY n {w}"],
                records: &[r#"{"n":1,"_offset":"mine"}"#],
                set: &[("pumphouse.lineage.offset.column", "")],
                rows: 1,
                ..Case::NONE
            },
            Case {
                code: "PLAN-006",
                given: &[
                    "CREATE TABLE {t} (n UInt64 EPHEMERAL, m UInt64 MATERIALIZED n) ENGINE = MergeTree ORDER BY m {w}",
                    "CREATE TABLE {o} (n UInt64) ENGINE = MergeTree ORDER BY n {w}",
                ],
                set: &[("topic2TableMap", "{t}={o}")],
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PLAN-008",
                given: &[
                    "CREATE TABLE {t} (n UInt64, m UInt64 MATERIALIZED 5, a Array(UInt64) DEFAULT [m]) ENGINE = MergeTree ORDER BY n {w}",
                ],
                sql: &["ALTER TABLE {t} MODIFY COLUMN a Array(UInt64) MATERIALIZED [m]"],
                ..Case::NONE
            },
            Case {
                code: "PLAN-009",
                given: &[
                    "CREATE TABLE {t} (n UInt64 DEFAULT 5, whole String) ENGINE = MergeTree ORDER BY n {w}",
                ],
                options: &[
                    ("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"),
                    ("value.converter.schemas.enable", "(removed)"),
                ],
                set: &[("pumphouse.value.column", "whole")],
                ..Case::NONE
            },
            Case {
                code: "PLAN-010",
                options: &[("pumphouse.field.columns", "n=m")],
                set: &[("pumphouse.field.columns", "(removed)")],
                ..Case::NONE
            },
            Case {
                code: "PLAN-011",
                given: &["CREATE TABLE {t} (n UInt64, day Date DEFAULT 0) ENGINE = MergeTree ORDER BY n {w}"],
                options: &[("dateTimeFormats", "day=[yyyy]-MM-dd")],
                records: &[r#"{"n":1,"day":"2026-11-21"}"#, r#"{"n":2}"#],
                set: &[("dateTimeFormats", "day=yyyy-MM-dd")],
                rows: 2,
                ..Case::NONE
            },
        ],
    );
}
