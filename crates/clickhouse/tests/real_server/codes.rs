//! Error codes, provoked at a real server, and their names.
use pumphouse_clickhouse::{Answer, Client, InsertRequest, TableName};
use pumphouse_conduct::{ErrorClass, class_of, error_classes};

use crate::server::{PLAIN, RUNTIME, assert_refused, attempt, fresh, in_a_while, server};

#[test]
fn each_code_has_the_servers_name_for_it() {
    for (code, name, _) in error_classes() {
        let theirs = server().sql.text(&format!("SELECT errorCodeToName({code})")).unwrap();
        assert_eq!(theirs, name, "code {code}");
    }
}

/// An attempt of ten rows in five table partitions, changed by `change`.
fn attempt_of(client: &Client, table: &TableName, change: impl FnOnce(&mut InsertRequest)) -> Answer {
    RUNTIME.block_on(async {
        let deadline = in_a_while(&server().client("default", ""), table).await;
        let mut request = attempt(table, 10, 5, fresh(), deadline);
        change(&mut request);
        client.insert(request).await.unwrap()
    })
}

fn with_setting(name: &'static str, value: &'static str) -> impl FnOnce(&mut InsertRequest) {
    move |request| request.extra_settings.push((name.to_owned(), value.to_owned()))
}

fn selecting(select_list: &'static str) -> impl FnOnce(&mut InsertRequest) {
    move |request| select_list.clone_into(&mut request.statement.select_list)
}

#[test]
fn what_is_missing_keeps_the_batch_open() {
    let table = server().table("codes_missing", PLAIN);
    let client = server().client("default", "");
    let no_table = attempt_of(&client, &table, |request| request.statement.table.table = "none".to_owned());
    assert_refused(&no_table, 60, ErrorClass::NoTable);
    let no_database =
        attempt_of(&client, &table, |request| request.statement.table.database = "none".to_owned());
    assert_refused(&no_database, 81, ErrorClass::NoTable);
    let nobody = server().client("nobody", "s3cr'et ü");
    assert_refused(&attempt_of(&nobody, &table, |_| {}), 497, ErrorClass::Right);
    let error = RUNTIME.block_on(nobody.inspect(&table)).unwrap_err();
    assert!(error.waits_for_operator() && !error.is_transient(), "{error}");
    assert_eq!(server().count(&table), 0);
}

#[test]
fn what_a_person_must_change_is_fatal() {
    let table = server().table("codes_fatal", PLAIN);
    let client = server().client("default", "");
    assert_refused(&attempt_of(&client, &table, selecting("`a`, (")), 62, ErrorClass::Fatal);
    assert_refused(
        &attempt_of(&client, &table, with_setting("no_such_setting", "1")),
        115,
        ErrorClass::Fatal,
    );
    let thrown = attempt_of(&client, &table, selecting("`a` + throwIf(`a` = 3, 'theirs'), `p`"));
    assert_refused(&thrown, 395, ErrorClass::Fatal);
    let error = RUNTIME.block_on(server().client("writer", "wrong").inspect(&table)).unwrap_err();
    assert!(error.to_string().contains("code 516") && !error.waits_for_operator(), "{error}");
    assert_eq!(server().count(&table), 0);
}

#[test]
fn a_read_only_user_is_fatal() {
    let readonly = server().sql.as_user("reader", "r");
    let message =
        readonly.run("CREATE TABLE codes_readonly (a UInt8) ENGINE = Memory").unwrap_err().to_string();
    assert!(message.contains("Code: 164"), "{message}");
    assert_eq!(class_of(164, &message), ErrorClass::Fatal);
}

#[test]
fn values_and_sizes_are_data() {
    let client = server().client("default", "");
    let engine = PLAIN.replace("ORDER BY a", "PARTITION BY p ORDER BY a");
    let table = server().table("codes_data", &engine);
    server().sql.run("ALTER TABLE codes_data ADD CONSTRAINT small CHECK a < 1000").unwrap();
    for (select_list, code) in [
        ("toUInt64(concat('x', toString(`a`))), `p`", 6),
        ("toUnixTimestamp(toDateTime(concat('x', toString(`a`)))), `p`", 41),
        ("`a` + 999, `p`", 469),
        ("toUInt64(toDecimal32(toString(`a` + 99999999999), 0)), `p`", 69),
        ("reinterpretAsUInt64(toUUID(concat('x', toString(`a`)))), `p`", 376),
    ] {
        assert_refused(&attempt_of(&client, &table, selecting(select_list)), code, ErrorClass::Data);
    }
    let partitions = attempt_of(&client, &table, with_setting("max_partitions_per_insert_block", "2"));
    assert_refused(&partitions, 252, ErrorClass::Data);
    assert_eq!(server().count(&table), 0);
}

#[test]
fn a_plan_that_does_not_fit_is_schema() {
    let table = server().table("codes_schema", PLAIN);
    let client = server().client("default", "");
    assert_refused(&attempt_of(&client, &table, selecting("`a`, `gone`")), 47, ErrorClass::Schema);
    assert_refused(&attempt_of(&client, &table, selecting("`a`")), 20, ErrorClass::Schema);
    let gone =
        attempt_of(&client, &table, |request| request.statement.column_list = "`a`, `gone`".to_owned());
    assert_refused(&gone, 16, ErrorClass::Schema);
    let types = attempt_of(&client, &table, |request| {
        request.statement.input_structure = "`a` UInt8, `p` UInt8".to_owned()
    });
    assert_refused(&types, 53, ErrorClass::Schema);
    assert_eq!(server().count(&table), 0);
}

#[test]
fn a_server_with_too_much_to_do_is_overloaded() {
    let table = server().table("codes_overload", &format!("{PLAIN}, parts_to_throw_insert = 1"));
    let client = server().client("default", "");
    server().sql.run("SYSTEM STOP MERGES codes_overload").unwrap();
    assert_eq!(attempt_of(&client, &table, |_| {}), Answer::Accepted);
    assert_refused(&attempt_of(&client, &table, |_| {}), 252, ErrorClass::Overload);
    // Not a user's memory limit: it would hold for all tests that run beside this one.
}

#[test]
fn a_block_too_large_for_its_own_limit_is_not_waited_for_for_ever() {
    assert_refused(&starved_by("max_memory_usage"), 241, ErrorClass::Bounded);
}

/// An attempt with no memory left by a limit.
fn starved_by(limit: &str) -> Answer {
    let table = server().table(&format!("codes_{limit}"), PLAIN);
    attempt_of(&server().client("default", ""), &table, |request| {
        // A thread counts its memory in steps; without one every byte counts.
        for name in [limit, "max_untracked_memory"] {
            request.extra_settings.push((name.to_owned(), "1".to_owned()));
        }
    })
}

#[test]
fn an_attempt_that_takes_too_long_has_an_unknown_fate() {
    let table = server().table("codes_slow", PLAIN);
    let client = server().client("default", "");
    let answer = attempt_of(&client, &table, |request| {
        request.statement.select_list = "`a`, `p` + sleepEachRow(0.3)".to_owned();
        request.max_execution_ms = 1_000;
    });
    assert!(matches!(&answer, Answer::Unknown { why } if why.contains("code 159")), "{answer:?}");
}
