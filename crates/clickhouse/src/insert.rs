//! The fenced insert: one block, one token, and a deadline that the server checks when the body has
//! arrived (PROTOCOL R2). `nowInBlock64` is evaluated as the block is processed, not as the query
//! starts, so a body that trickles in late inserts nothing.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use pumphouse_conduct::{Answer, DEADLINE_MARKER};
use pumphouse_types::{DedupToken, ServerMillis};

use crate::client::{Body, Client, Refused};
use crate::error::ClickHouseError;
use crate::quote;
use crate::table_name::TableName;

/// Settings that exactly-once rests on; sent with every insert even where the server's default agrees
/// today, and not the operator's to change. What each one keeps away stands beside it.
pub const FORCED_SETTINGS: &[(&str, &str)] = &[
    // The answer must be about the rows, not about a queue.
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_insert", "enable"),
    // INSERT .. SELECT has its own switch; `force_enable` refuses instead of silently not deduplicating.
    ("deduplicate_insert_select", "force_enable"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ("materialized_views_ignore_errors", "0"),
    // One block stays one block.
    ("max_insert_threads", "1"),
    ("use_strict_insert_block_limits", "0"),
    ("input_format_parallel_parsing", "0"),
    // All parts of a block are written before one is committed (R10).
    ("max_insert_delayed_streams_for_parallel_write", "1000000"),
    ("distributed_foreground_insert", "1"),
    // A block that does not fit the statement is refused, not bent.
    ("input_format_skip_unknown_fields", "0"),
    ("input_format_native_allow_types_conversion", "0"),
    // NULL asks for the column's DEFAULT where the plan says so.
    ("insert_null_as_default", "1"),
    // A table that has such a column was made with these; `input()` asks again (codes 44 and 455).
    ("allow_suspicious_low_cardinality_types", "1"),
    ("allow_suspicious_fixed_string_types", "1"),
    ("allow_suspicious_variant_types", "1"),
    ("allow_experimental_dynamic_type", "1"),
    ("allow_experimental_json_type", "1"),
    ("allow_experimental_variant_type", "1"),
    ("enable_nullable_tuple_type", "1"),
    ("enable_time_time64_type", "1"),
    ("send_progress_in_http_headers", "0"),
    // Set in a user's profile, these end an insert early or thin it out, with an answer of 200
    // (measured: 0 of 1,000,000 rows with `break`, 10 with limit=10).
    ("timeout_overflow_mode", "throw"),
    ("timeout_overflow_mode_leaf", "throw"),
    ("limit", "0"),
    ("offset", "0"),
];

/// What the protocol sets for each attempt, as setting or URL parameter, and what would change who asks
/// or how the answer reads.
const SET_PER_ATTEMPT: &[&str] = &[
    "insert_deduplication_token",
    "log_comment",
    "max_execution_time",
    "query",
    "query_id",
    "database",
    "default_format",
    "user",
    "password",
    "quota_key",
    "role",
    "session_id",
    "decompress",
    "compress",
    "buffer_size",
    "wait_end_of_query",
    "wait_for_async_insert",
    "readonly",
];

/// Whether a setting of this name is the protocol's, so that a connector's configuration must not have it.
pub fn is_reserved_setting(name: &str) -> bool {
    FORCED_SETTINGS.iter().any(|(forced, _)| *forced == name) || SET_PER_ATTEMPT.contains(&name)
}

/// The server gives up an insert this much before we do.
const ANSWER_MARGIN: Duration = Duration::from_secs(10);

/// The longest `log_comment` that an URL carries safely.
const LOG_COMMENT_CHARS_MAX: usize = 32_000;

/// The statement around a block; texts are quoted already.
#[derive(Debug, Clone)]
pub struct InsertStatement {
    /// Where to.
    pub table: TableName,
    /// The table's columns, quoted, with commas.
    pub column_list: String,
    /// An expression for each, over the block's columns.
    pub select_list: String,
    /// The block's columns and types, as `input()` takes them, not quoted as a text.
    pub input_structure: String,
}

impl InsertStatement {
    fn sql(&self, deadline: ServerMillis) -> String {
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM input({}) WHERE throwIf(nowInBlock64(3, 'UTC') > \
             fromUnixTimestamp64Milli({}, 'UTC'), '{DEADLINE_MARKER}') = 0 FORMAT Native",
            self.table.sql(),
            self.column_list,
            self.select_list,
            quote::string(&self.input_structure),
            deadline.0,
        )
    }
}

/// One attempt at a batch.
pub struct InsertRequest {
    /// The statement.
    pub statement: InsertStatement,
    /// LZ4 frames of exactly one Native block, in pieces.
    pub pieces: Arc<Vec<Bytes>>,
    /// The batch's token.
    pub token: DedupToken,
    /// No later than this on the server's clock may the attempt begin to write.
    pub deadline: ServerMillis,
    /// Unique; begins with the batch's id.
    pub query_id: String,
    /// For whoever reads the query log.
    pub log_comment: String,
    /// `max_execution_time`, in ms.
    pub max_execution_ms: u64,
    /// The time until the deadline, in ms, by our own clock; to bound the wait for the answer.
    pub until_deadline_ms: u64,
    /// The connector's own settings. Reserved ones ([`is_reserved_setting`]) are not sent; who reads the
    /// configuration refuses them.
    pub extra_settings: Vec<(String, String)>,
    /// Called with the number of bytes handed to the connection, before each piece.
    pub on_piece: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Client {
    /// Sends one attempt and waits for its end.
    /// Errors: only before anything was sent: the server's settings cannot be read.
    pub async fn insert(&self, request: InsertRequest) -> Result<Answer, ClickHouseError> {
        let parameters = self.parameters(&request).await?;
        let borrowed: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let patience = Duration::from_millis(request.until_deadline_ms + request.max_execution_ms);
        let exchange = self.exchange(&borrowed, body(&request));
        let answer = tokio::time::timeout(patience + ANSWER_MARGIN, exchange).await;
        Ok(match answer {
            Ok(Ok(Ok(_))) => Answer::Accepted,
            Ok(Ok(Err(Refused { code, message }))) => Answer::of_error(code, message),
            Ok(Err(why)) => Answer::Unknown { why },
            Err(_) => Answer::Unknown { why: "time is over".to_owned() },
        })
    }

    async fn parameters(&self, request: &InsertRequest) -> Result<Vec<(String, String)>, ClickHouseError> {
        let known = self.known_settings().await?;
        let mut parameters = vec![
            ("query".to_owned(), request.statement.sql(request.deadline)),
            ("query_id".to_owned(), request.query_id.clone()),
            // The data's compression; no setting.
            ("decompress".to_owned(), "1".to_owned()),
            ("wait_end_of_query".to_owned(), "1".to_owned()),
            ("insert_deduplication_token".to_owned(), request.token.to_string()),
            ("log_comment".to_owned(), request.log_comment.chars().take(LOG_COMMENT_CHARS_MAX).collect()),
            ("max_execution_time".to_owned(), request.max_execution_ms.div_ceil(1_000).to_string()),
        ];
        let extra = request.extra_settings.iter().filter(|(name, _)| !is_reserved_setting(name));
        parameters.extend(extra.cloned());
        // An older server does not know all of them, and refuses what it does not know.
        let forced = FORCED_SETTINGS.iter().filter(|(name, _)| known.contains(*name));
        parameters.extend(forced.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Ok(parameters)
    }
}

fn body(request: &InsertRequest) -> Body {
    let pieces = Arc::clone(&request.pieces);
    let on_piece = request.on_piece.clone();
    let mut handed = 0;
    let frames = (0..pieces.len()).map(move |index| {
        let piece = pieces[index].clone();
        if let Some(on_piece) = &on_piece {
            on_piece(handed);
        }
        handed += piece.len() as u64;
        Ok(Frame::data(piece))
    });
    StreamBody::new(Pieces(frames)).boxed()
}

/// An iterator as a stream that is always ready; the connection asks for the next piece when it has
/// room for it.
struct Pieces<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Pieces<I> {
    type Item = I::Item;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_quotes_what_it_is_given() {
        let statement = InsertStatement {
            table: TableName { database: "d`b".into(), table: "t".into() },
            column_list: "`a`, `b`".into(),
            select_list: "`c0`, `c1`".into(),
            input_structure: "`c0` Enum8('x' = 1), `c1` String".into(),
        };
        let sql = statement.sql(ServerMillis(1_700_000_000_123));
        assert_eq!(
            sql,
            "INSERT INTO `d\\`b`.`t` (`a`, `b`) SELECT `c0`, `c1` FROM input('`c0` Enum8(\\'x\\' = 1), \
             `c1` String') WHERE throwIf(nowInBlock64(3, 'UTC') > \
             fromUnixTimestamp64Milli(1700000000123, 'UTC'), 'PUMPHOUSE_DEADLINE') = 0 FORMAT Native"
        );
    }

    #[test]
    fn the_protocols_settings_are_reserved_and_others_are_not() {
        for name in ["async_insert", "insert_deduplication_token", "wait_end_of_query", "limit", "password"] {
            assert!(is_reserved_setting(name), "{name}");
        }
        assert!(!is_reserved_setting("insert_quorum") && !is_reserved_setting("max_memory_usage"));
    }

    #[test]
    fn no_setting_is_forced_twice() {
        let names: std::collections::BTreeSet<_> = FORCED_SETTINGS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), FORCED_SETTINGS.len());
    }
}
