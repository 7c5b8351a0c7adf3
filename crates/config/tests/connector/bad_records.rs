//! Records that do not become rows.
use pumphouse_config::{BadRecordLog, BadRecords, ConfigCode, DeadLetters, InsertRetry};

use crate::{check_refused, good, noted};

const TOLERANT: (&str, &str) = ("errors.tolerance", "ALL");
const LETTERS: (&str, &str) = ("errors.deadletterqueue.topic.name", "dead");

#[test]
fn bad_records_stop_the_task_unless_they_are_tolerated() {
    let config = good(&[]);
    assert_eq!((config.bad_records, config.bad_record_log), (BadRecords::Stop, BadRecordLog::Off));
    assert!(config.warnings.is_empty());
    // Connect writes a letter for a record that stops the task, each time that it stops it.
    let config = good(&[LETTERS]);
    assert_eq!((&config.bad_records, noted(&config)), (&BadRecords::Stop, vec![LETTERS.0]));
}

#[test]
fn tolerated_records_go_to_the_dead_letter_topic() {
    let letters = DeadLetters { topic: "dead".to_owned(), replication: Some(3), context_headers: false };
    assert_eq!(good(&[TOLERANT, LETTERS]).bad_records, BadRecords::DeadLetter(letters));
    let config = good(&[
        TOLERANT,
        LETTERS,
        ("errors.deadletterqueue.topic.replication.factor", "-1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ]);
    let letters = DeadLetters { topic: "dead".to_owned(), replication: None, context_headers: true };
    assert_eq!(config.bad_records, BadRecords::DeadLetter(letters));
    assert!(config.notes.is_empty() && config.warnings.is_empty());
}

#[test]
fn records_that_are_dropped_are_warned_of() {
    let config = good(&[TOLERANT]);
    assert_eq!(config.bad_records, BadRecords::Drop);
    assert_eq!(config.warnings.len(), 1);
    let warning = config.warnings[0].to_string();
    assert!(warning.contains("lost") && warning.contains(LETTERS.0), "{warning}");
}

#[test]
fn dead_letters_do_not_go_where_they_come_from() {
    check_refused(&[TOLERANT, ("errors.deadletterqueue.topic.name", "events")], ConfigCode::Conflict);
}

#[test]
fn logs_of_tolerated_records() {
    let log =
        |enable, messages| good(&[("errors.log.enable", enable), ("errors.log.include.messages", messages)]);
    assert_eq!(log("true", "false").bad_record_log, BadRecordLog::Reasons);
    assert_eq!(log("true", "true").bad_record_log, BadRecordLog::Records);
    let config = log("false", "true");
    assert_eq!(
        (config.bad_record_log, noted(&config)),
        (BadRecordLog::Off, vec!["errors.log.include.messages"])
    );
}

#[test]
fn inserts_are_tried_until_they_work_unless_a_time_is_given() {
    let retry = |changes: &[(&str, &str)]| good(changes).insert_retry;
    assert_eq!(retry(&[]), InsertRetry { timeout_ms: None, delay_ms_max: 10_000 });
    assert_eq!(retry(&[("errors.retry.timeout", "-1")]).timeout_ms, None);
    assert_eq!(retry(&[("errors.retry.timeout", "0")]).timeout_ms, Some(0));
    let both = [("errors.retry.timeout", "600000"), ("errors.retry.delay.max.ms", "60000")];
    assert_eq!(retry(&both), InsertRetry { timeout_ms: Some(600_000), delay_ms_max: 60_000 });
}
