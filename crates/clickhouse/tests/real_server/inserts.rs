//! The fenced insert.
use std::sync::{Arc, Mutex};

use pumphouse_clickhouse::Answer;
use pumphouse_conduct::{ErrorClass, refused_row};

use crate::server::{
    MANY_ROWS, PLAIN, RUNTIME, assert_refused, attempt, fresh, in_a_while, replicated, server,
};

fn one_copy_per_token(name: &str, engine: &str, rows: u64, partitions: u64, parts: i64) {
    let (server, table) = (server(), server().table(name, engine));
    let client = server.client("default", "");
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let token = fresh();
        for _ in 0..3 {
            let answer = client.insert(attempt(&table, rows, partitions, token, deadline)).await.unwrap();
            assert_eq!(answer, Answer::Accepted);
        }
    });
    let seen = server.sql.rows(&format!("SELECT count(), uniqExact(a), sum(a) FROM `{name}`")).unwrap();
    let sum = rows * (rows - 1) / 2;
    assert_eq!(seen, [[rows.to_string(), rows.to_string(), sum.to_string()]]);
    // New data parts are those of level 0, whether merged since or not.
    let made = server
        .sql
        .number(&format!("SELECT count() FROM system.parts WHERE table = '{name}' AND level = 0"))
        .unwrap();
    assert_eq!(made, parts, "one block is one part per table partition");
}

#[test]
fn a_plain_table_keeps_one_copy_of_a_token() {
    one_copy_per_token("plain_once", PLAIN, 1_000, 1, 1);
}

#[test]
fn a_replicated_table_keeps_one_copy_of_a_token_in_each_partition() {
    one_copy_per_token("replicated_once", &replicated("replicated_once"), 1_000, 3, 3);
}

#[test]
fn three_million_rows_stay_one_block() {
    one_copy_per_token("large", PLAIN, 3_000_000, 1, 1);
}

#[test]
fn another_token_is_another_block() {
    let (server, table) = (server(), server().table("two_tokens", PLAIN));
    let client = server.client("default", "");
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        for _ in 0..2 {
            let answer = client.insert(attempt(&table, 10, 1, fresh(), deadline)).await.unwrap();
            assert_eq!(answer, Answer::Accepted);
        }
    });
    assert_eq!(server.count(&table), 20);
}

#[test]
fn a_body_after_the_deadline_writes_nothing() {
    let (server, table) = (server(), server().table("late", PLAIN));
    let client = server.client("default", "");
    let answer = RUNTIME.block_on(async {
        let now = client.inspect(&table).await.unwrap().server_now;
        client.insert(attempt(&table, 1_000, 1, fresh(), now)).await.unwrap()
    });
    assert_refused(&answer, 395, ErrorClass::DeadlinePassed);
    assert_eq!(server.count(&table), 0);
}

#[test]
fn a_body_that_is_held_up_past_the_deadline_writes_nothing() {
    let (server, table) = (server(), server().table("held_up", PLAIN));
    let client = server.client("default", "");
    let answer = RUNTIME.block_on(async {
        let now = client.inspect(&table).await.unwrap().server_now;
        let mut request = attempt(&table, MANY_ROWS, 1, fresh(), now.plus(1_500));
        let bytes: u64 = request.pieces.iter().map(|piece| piece.len() as u64).sum();
        // The query has begun by then: its first half is at the server.
        let once = std::sync::Once::new();
        request.on_piece = Some(Arc::new(move |handed| {
            if handed >= bytes / 2 {
                once.call_once(|| std::thread::sleep(std::time::Duration::from_millis(2_500)));
            }
        }));
        client.insert(request).await.unwrap()
    });
    assert_refused(&answer, 395, ErrorClass::DeadlinePassed);
    assert_eq!(server.count(&table), 0);
}

#[test]
fn the_hook_sees_the_body_go() {
    let (server, table) = (server(), server().table("hooked", PLAIN));
    let client = server.client("default", "");
    let seen = Arc::new(Mutex::new(Vec::new()));
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let mut request = attempt(&table, 100_000, 1, fresh(), deadline);
        let hook_seen = Arc::clone(&seen);
        request.on_piece = Some(Arc::new(move |handed| hook_seen.lock().unwrap().push(handed)));
        let pieces = Arc::clone(&request.pieces);
        assert_eq!(client.insert(request).await.unwrap(), Answer::Accepted);
        // Before each piece, the bytes handed over so far.
        let before = |index: usize| pieces[..index].iter().map(|piece| piece.len() as u64).sum::<u64>();
        let expected: Vec<u64> = (0..pieces.len()).map(before).collect();
        assert!(expected.len() > 2);
        assert_eq!(*seen.lock().unwrap(), expected);
    });
}

#[test]
fn a_users_profile_cannot_cut_an_insert() {
    // Its profile says limit = 3, async_insert = 1 and timeout_overflow_mode = break.
    let (server, table) = (server(), server().table("profile", PLAIN));
    let client = server.client("breaker", "b");
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let answer = client.insert(attempt(&table, 1_000, 1, fresh(), deadline)).await.unwrap();
        assert_eq!(answer, Answer::Accepted);
    });
    assert_eq!(server.count(&table), 1_000);
}

#[test]
fn a_configured_setting_that_is_ours_is_not_sent() {
    let (server, table) = (server(), server().table("reserved", PLAIN));
    let client = server.client("default", "");
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let mut request = attempt(&table, 1_000, 1, fresh(), deadline);
        request.extra_settings = [("limit", "3"), ("insert_deduplication_token", "x"), ("max_threads", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        assert_eq!(client.insert(request).await.unwrap(), Answer::Accepted);
    });
    assert_eq!(server.count(&table), 1_000);
}

#[test]
fn a_configured_setting_that_the_server_does_not_know_is_refused_by_name() {
    let (server, table) = (server(), server().table("unknown_setting", PLAIN));
    let client = server.client("default", "");
    let answer = RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let mut request = attempt(&table, 10, 1, fresh(), deadline);
        request.extra_settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
        client.insert(request).await.unwrap()
    });
    assert_refused(&answer, 115, ErrorClass::Fatal);
    assert!(format!("{answer:?}").contains("no_such_setting"));
}

#[test]
fn a_block_that_does_not_fit_the_table_is_schema_not_data() {
    let (server, table) = (server(), server().table("other_shape", PLAIN));
    let client = server.client("default", "");
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let mut request = attempt(&table, 10, 1, fresh(), deadline);
        request.statement.input_structure = "`a` UInt32, `p` UInt8".to_owned();
        assert_refused(&client.insert(request).await.unwrap(), 53, ErrorClass::Schema);
        let mut request = attempt(&table, 10, 1, fresh(), deadline);
        request.statement.table.table = "missing".to_owned();
        assert_refused(&client.insert(request).await.unwrap(), 60, ErrorClass::NoTable);
    });
    assert_eq!(server.count(&table), 0);
}

#[test]
fn a_constraint_is_data_and_leaves_no_partition_behind() {
    let engine = replicated("constrained");
    let (server, table) = (server(), server().table("constrained", &engine));
    server.sql.run("ALTER TABLE constrained ADD CONSTRAINT small CHECK a < 9").unwrap();
    let client = server.client("default", "");
    let answer = RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        client.insert(attempt(&table, 10, 5, fresh(), deadline)).await.unwrap()
    });
    assert_refused(&answer, 469, ErrorClass::Data);
    let Answer::Refused { code, message, .. } = &answer else { unreachable!() };
    assert_eq!(refused_row(*code, message), Some(9), "{message}");
    assert_eq!(server.count(&table), 0);
}

#[test]
fn a_wrong_password_is_fatal_and_not_repeated_in_the_error() {
    let (server, table) = (server(), server().table("password", PLAIN));
    let error = RUNTIME.block_on(server.client("writer", "hunter2").inspect(&table)).unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(error.to_string().contains("516") && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_asked_again() {
    let table = server().table("nowhere", PLAIN);
    let endpoint = pumphouse_clickhouse::Endpoint {
        host: "127.0.0.1".to_owned(),
        // Nothing listens on the discard port.
        port: 9,
        ssl: false,
        username: "default".to_owned(),
        password: pumphouse_clickhouse::Password::new(""),
    };
    let client = pumphouse_clickhouse::Client::new(endpoint).unwrap();
    let error = RUNTIME.block_on(client.inspect(&table)).unwrap_err();
    assert!(error.is_transient() && error.to_string().starts_with("CLICKHOUSE-002"), "{error}");
}
