//! `clickhouseSettings`: which settings an operator may send with inserts.
use std::collections::BTreeMap;

use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::value::pairs;

/// Settings on which exactly-once rests, with the value that every insert carries. `None`: it differs
/// per insert. The ClickHouse room sends them and says why for each; another value is refused here.
pub const FORCED_CLICKHOUSE_SETTINGS: &[(&str, Option<&str>)] = &[
    ("allow_experimental_dynamic_type", Some("1")),
    ("allow_experimental_json_type", Some("1")),
    ("allow_experimental_variant_type", Some("1")),
    ("allow_suspicious_fixed_string_types", Some("1")),
    ("allow_suspicious_low_cardinality_types", Some("1")),
    ("allow_suspicious_variant_types", Some("1")),
    ("async_insert", Some("0")),
    ("buffer_size", None),
    ("compress", None),
    ("database", None),
    ("decompress", None),
    ("deduplicate_blocks_in_dependent_materialized_views", Some("1")),
    ("deduplicate_insert", Some("enable")),
    ("deduplicate_insert_select", Some("force_enable")),
    ("default_format", None),
    ("distributed_foreground_insert", Some("1")),
    ("enable_nullable_tuple_type", Some("1")),
    ("enable_time_time64_type", Some("1")),
    ("input_format_native_allow_types_conversion", Some("0")),
    ("input_format_parallel_parsing", Some("0")),
    ("insert_deduplicate", Some("1")),
    ("insert_deduplication_token", None),
    ("insert_null_as_default", Some("1")),
    ("limit", Some("0")),
    ("log_comment", None),
    ("materialized_views_ignore_errors", Some("0")),
    ("max_execution_time", None),
    ("max_insert_delayed_streams_for_parallel_write", Some("1000000")),
    ("max_insert_threads", Some("1")),
    ("offset", Some("0")),
    ("password", None),
    ("query", None),
    ("query_id", None),
    ("quota_key", None),
    ("readonly", None),
    ("role", None),
    ("send_progress_in_http_headers", Some("0")),
    ("session_id", None),
    ("timeout_overflow_mode", Some("throw")),
    ("timeout_overflow_mode_leaf", Some("throw")),
    ("use_strict_insert_block_limits", Some("0")),
    ("user", None),
    ("wait_end_of_query", Some("1")),
    ("wait_for_async_insert", None),
];

const OPTION: &str = "clickhouseSettings";

/// The official sink sets it; here the fields are matched with columns before anything is sent.
const SKIP_UNKNOWN: &str = "input_format_skip_unknown_fields";

/// The settings to pass on, without those that are forced to the same value anyway.
pub(crate) fn read(reading: &mut Reading<'_>) -> BTreeMap<String, String> {
    // Malformed pairs are reported by their kind.
    let given = pairs(reading.text(OPTION)).unwrap_or_default();
    let mut passed_on = BTreeMap::new();
    for (name, value) in given {
        match FORCED_CLICKHOUSE_SETTINGS.iter().find(|(forced, _)| *forced == name) {
            Some((_, Some(forced))) if *forced == value => {}
            Some((_, forced)) => refuse(reading, name, *forced),
            None if name == SKIP_UNKNOWN => skip_unknown(reading, value),
            None => {
                if name.starts_with("input_format_") || name == "date_time_input_format" {
                    reading.note(
                        OPTION,
                        &format!("{name} is sent, but concerns only JSON columns: the server parses no other text of ours."),
                    );
                }
                if passed_on.insert(name.to_owned(), value.to_owned()).is_some() {
                    reading.error(
                        ConfigCode::Conflict,
                        OPTION,
                        format!("{name} stands twice"),
                        "Keep one of the two.",
                    );
                }
            }
        }
    }
    passed_on
}

fn refuse(reading: &mut Reading<'_>, name: &str, forced: Option<&str>) {
    let message = match forced {
        Some(value) => format!("exactly-once needs {name}={value}"),
        None => format!("{name} is set per insert"),
    };
    let remedy = if name == "max_execution_time" {
        "Set pumphouse.insert.max.execution.ms instead.".to_owned()
    } else {
        format!("Remove {name}.")
    };
    reading.error(ConfigCode::Forced, OPTION, message, remedy);
}

fn skip_unknown(reading: &mut Reading<'_>, value: &str) {
    let skip = matches!(value, "1" | "true");
    let ignored = reading.text("pumphouse.unknown.fields").eq_ignore_ascii_case("ignore");
    if skip == ignored {
        reading.note(
            OPTION,
            "input_format_skip_unknown_fields is not sent: pumphouse.unknown.fields says the same.",
        );
    } else {
        reading.error(
            ConfigCode::Conflict,
            OPTION,
            format!("{SKIP_UNKNOWN}={value} contradicts pumphouse.unknown.fields"),
            "Remove it, and set pumphouse.unknown.fields to ignore or refuse.",
        );
    }
}
