//! Attempts that end, and deadlines that are waited for.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pumphouse_clickhouse::{Answer, ClickHouseError, Client, Quiet};
use pumphouse_types::BatchId;

use crate::server::{MANY_ROWS, PLAIN, RUNTIME, attempt, endpoint_of, fresh, in_a_while, server};

/// Of the compressed bytes; a row has four or more.
const HALF_OF_MANY_ROWS: u64 = MANY_ROWS * 2;

/// Nothing listens on the discard port.
const NOBODY: u16 = 9;

#[test]
fn an_attempt_that_runs_is_ended_and_writes_nothing() {
    assert_eq!(ended("quiet", &server().client("default", "")), Ok(Quiet));
}

#[test]
fn a_host_that_is_gone_does_not_save_attempts_on_the_others() {
    let hosts = vec![endpoint_of(NOBODY), server().endpoint("default", "")];
    let answer = ended("quiet_hosts", &Client::of_hosts(hosts).unwrap());
    assert!(matches!(answer, Err(ClickHouseError::NoAnswer { .. })), "{answer:?}");
}

/// An attempt that runs is ended by `quiet` and writes nothing. Its answer.
fn ended(name: &str, quiet: &Client) -> Result<Quiet, ClickHouseError> {
    let (server, table) = (server(), server().table(name, PLAIN));
    let client = server.client("default", "");
    let batch = fresh();
    let answer = RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let mut request = attempt(&table, 3_000, 1, batch, deadline);
        // Thirty seconds of work.
        request.statement.select_list = "`a`, `p` + sleepEachRow(0.01)".to_owned();
        let sleep_limit = "function_sleep_max_microseconds_per_block".to_owned();
        request.extra_settings = vec![(sleep_limit, "60000000".to_owned())];
        let inserting = tokio::spawn({
            let client = client.clone();
            async move { client.insert(request).await }
        });
        let running =
            format!("SELECT count() FROM system.processes WHERE startsWith(query_id, '{batch:032x}')");
        while server.sql.number(&running).unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let quiet = quiet.make_quiet(BatchId(batch), None).await;
        assert_eq!(server.sql.number(&running).unwrap(), 0);
        let answer = inserting.await.unwrap().unwrap();
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
        quiet
    });
    assert_eq!(server.count(&table), 0);
    answer
}

#[test]
fn quiet_waits_until_the_servers_clock_is_past_the_deadline() {
    let (server, table) = (server(), server().table("quiet_deadline", PLAIN));
    let client = server.client("default", "");
    RUNTIME.block_on(async {
        let deadline = client.inspect(&table).await.unwrap().server_now.plus(700);
        client.make_quiet(BatchId(fresh()), Some(deadline)).await.unwrap();
        assert!(client.inspect(&table).await.unwrap().server_now > deadline);
    });
}

#[test]
fn other_batches_are_left_alone() {
    let (server, table) = (server(), server().table("quiet_other", PLAIN));
    let client = server.client("default", "");
    let (mine, other) = (fresh(), fresh());
    RUNTIME.block_on(async {
        let deadline = in_a_while(&client, &table).await;
        let mut request = attempt(&table, MANY_ROWS, 1, mine, deadline);
        let done = Arc::new(AtomicBool::new(false));
        let hook_done = Arc::clone(&done);
        request.on_piece = Some(Arc::new(move |handed| {
            while handed >= HALF_OF_MANY_ROWS && !hook_done.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }));
        let inserting = tokio::spawn({
            let client = client.clone();
            async move { client.insert(request).await }
        });
        let running =
            format!("SELECT count() FROM system.processes WHERE startsWith(query_id, '{mine:032x}')");
        while server.sql.number(&running).unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.make_quiet(BatchId(other), None).await.unwrap();
        done.store(true, Ordering::SeqCst);
        assert_eq!(inserting.await.unwrap().unwrap(), Answer::Accepted);
    });
    assert_eq!(server.count(&table), MANY_ROWS as i64);
}
