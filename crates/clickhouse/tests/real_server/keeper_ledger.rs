//! The ledger in KeeperMap: what of it only shows when statements of several owners, late ones and lost answers meet.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pumphouse_clickhouse::{ClickHouseError, Client, KeeperAnswer, KeeperLedger, StateTable, TableName};
use pumphouse_delivery::StoredEntry;
use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE, unique_name};
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

use crate::server::{RUNTIME, endpoint_of, fresh, server};

fn table(name: &str) -> StateTable {
    let table = TableName { database: DATABASE.to_owned(), table: name.to_owned() };
    StateTable { name: table, path: format!("/{name}") }
}

fn ledger(client: Client, group: &str) -> KeeperLedger {
    KeeperLedger::new(client, table("ledger_state"), group)
}

fn new_ledger() -> KeeperLedger {
    ledger_of(&unique_name("connect-g/h"))
}

fn ledger_of(group: &str) -> KeeperLedger {
    let ledger = ledger(server().client("default", ""), group);
    RUNTIME.block_on(ledger.ensure()).unwrap();
    ledger
}

fn at(partition: u32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("t.opic-1"), partition: Partition(partition) }
}

fn entries(of: &[(u32, i64)]) -> BTreeMap<TopicPartition, StoredEntry> {
    let entry = |(partition, offset): &(u32, i64)| {
        (at(*partition), StoredEntry { offset: Offset::new(*offset).unwrap(), metadata: "m".to_owned() })
    };
    of.iter().map(entry).collect()
}

/// Its lead is ours, another partition has gone to somebody else: the batch is settled all the same (R6), but not
/// over what that one has written since (R5).
#[test]
fn a_batch_is_settled_for_partitions_of_others() {
    let first = new_ledger();
    let second = first.another();
    RUNTIME.block_on(async {
        first.claim(fresh(), &[at(0), at(1)]).await.unwrap();
        assert_eq!(first.record(fresh(), &entries(&[(0, 1), (1, 1)])).await, KeeperAnswer::Recorded);
        // Partition 1 moves, and still carries the batch.
        assert_eq!(second.claim(fresh(), &[at(1)]).await.unwrap().entries, entries(&[(1, 1)]));
        let first = first.another();
        first.claim(fresh(), &[at(0)]).await.unwrap();
        // It was not read, so it is not written.
        assert!(matches!(first.record(fresh(), &entries(&[(0, 2), (1, 2)])).await, KeeperAnswer::Fenced(_)));
        first.read(&[at(0), at(1)]).await.unwrap();
        assert_eq!(first.record(fresh(), &entries(&[(0, 2), (1, 2)])).await, KeeperAnswer::Recorded);
        // Nothing of ours is in it.
        assert!(matches!(first.record(fresh(), &entries(&[(1, 3)])).await, KeeperAnswer::Fenced(_)));
        // The owner reads that its entry is free, and writes; what we knew of it is old.
        assert!(matches!(second.record(fresh(), &entries(&[(1, 4)])).await, KeeperAnswer::Fenced(_)));
        assert_eq!(second.read(&[at(1)]).await.unwrap(), entries(&[(1, 2)]));
        assert_eq!(second.record(fresh(), &entries(&[(1, 4)])).await, KeeperAnswer::Recorded);
        assert!(matches!(first.record(fresh(), &entries(&[(0, 3), (1, 3)])).await, KeeperAnswer::Fenced(_)));
        assert_eq!(first.read(&[at(0), at(1)]).await.unwrap(), entries(&[(0, 2), (1, 4)]));
    });
}

/// R4: what a write comes to owe is owed through every other write and claim, by the one row, until its owner says that it is paid.
#[test]
fn what_a_row_owes_is_owed_until_it_is_paid() {
    let group = unique_name("connect-g/owes");
    let first = ledger_of(&group);
    let second = first.another();
    let both = [at(0), at(1)];
    let (one, two) = ("{\"owes\":1,\"it's\":\"\\\"\\n\"}", "{\"owes\":1}");
    RUNTIME.block_on(async {
        first.claim(fresh(), &both).await.unwrap();
        assert_eq!(
            first.record_owing(fresh(), &entries(&[(0, 1), (1, 1)]), one).await,
            KeeperAnswer::Recorded
        );
        assert_eq!(first.read(&both).await.unwrap(), entries(&[(0, 1), (1, 1)]));
        assert_eq!(first.record(fresh(), &entries(&[(0, 2), (1, 2)])).await, KeeperAnswer::Recorded);

        let found = second.claim(fresh(), &both).await.unwrap();
        assert_eq!(found.entries, entries(&[(0, 2), (1, 2)]));
        assert_eq!(found.owes, BTreeMap::from([(at(0), one.to_owned())]));
        // Whoever was replaced pays nothing, and owes nothing more.
        assert!(matches!(first.paid(fresh()).await, KeeperAnswer::Fenced(_)));
        let late = first.record_owing(fresh(), &entries(&[(0, 3)]), two).await;
        assert!(matches!(late, KeeperAnswer::Fenced(_)), "{late:?}");
        // An entry is taken away, and another one set, by an operator.
        let reset = BTreeMap::from([(at(0), None)]);
        assert_eq!(second.set(fresh(), &reset).await, KeeperAnswer::Recorded);
        let found = second.claim(fresh(), &both).await.unwrap();
        assert_eq!((found.entries, found.owes.len()), (entries(&[(1, 2)]), 1));
        assert_eq!(second.record_owing(fresh(), &entries(&[(0, 4)]), two).await, KeeperAnswer::Recorded);

        // Of the two rows only one is claimed now: it owes what the write owes.
        let third = first.another();
        let found = third.claim(fresh(), &[at(1)]).await.unwrap();
        assert_eq!(found.owes, BTreeMap::new());
        assert_eq!(third.read(&[at(0)]).await.unwrap(), entries(&[(0, 4)]));
        assert_eq!(
            third.record_owing(fresh(), &entries(&[(0, 5), (1, 5)]), two).await,
            KeeperAnswer::Recorded
        );
        assert_eq!(third.paid(fresh()).await, KeeperAnswer::Recorded);
        let found = first.claim(fresh(), &both).await.unwrap();
        assert_eq!(found.owes, BTreeMap::from([(at(0), format!("{one}\n{two}"))]));
        assert_eq!(first.paid(fresh()).await, KeeperAnswer::Recorded);
        let found = second.claim(fresh(), &both).await.unwrap();
        assert_eq!((found.entries, found.owes), (entries(&[(0, 5), (1, 5)]), BTreeMap::new()));
        assert_eq!(second.record_owing(fresh(), &entries(&[(0, 6)]), one).await, KeeperAnswer::Recorded);
    });
    // As docs/errors/DELIVERY-005.md says.
    let key = format!("{group}/t.opic-1/0");
    let sql = format!(
        "ALTER TABLE ledger_state UPDATE metadata = splitByChar('\\n', metadata)[1] WHERE key = '{key}'"
    );
    server().sql.run(&sql).unwrap();
    let found = RUNTIME.block_on(second.look(&both)).unwrap();
    assert_eq!((found.entries, found.owes), (entries(&[(0, 6), (1, 5)]), BTreeMap::new()));
}

/// A row that somebody has deleted is not written, and 200 does not hide that.
#[test]
fn rows_that_are_gone_are_noticed() {
    let group = unique_name("connect-g/gone");
    let ledger = ledger_of(&group);
    RUNTIME.block_on(async {
        ledger.claim(fresh(), &[at(0), at(1)]).await.unwrap();
        assert_eq!(ledger.record(fresh(), &entries(&[(0, 1), (1, 1)])).await, KeeperAnswer::Recorded);
    });
    // Its own alone: other tests are at work in the same table.
    let own = format!("ledger_state WHERE key LIKE '%{group}/t.opic-1/1'");
    assert_eq!(server().sql.number(&format!("SELECT count() FROM {own}")).unwrap(), 1);
    let sql = format!("ALTER TABLE {}", own.replacen("WHERE", "DELETE WHERE", 1));
    server().sql.run(&sql).unwrap();
    RUNTIME.block_on(async {
        assert!(matches!(ledger.record(fresh(), &entries(&[(1, 2)])).await, KeeperAnswer::Unknown(_)));
        assert_eq!(ledger.claim(fresh(), &[at(0), at(1)]).await.unwrap().entries, entries(&[(0, 1)]));
    });
}

/// A statement looks at all rows of the table, those of other tests, too: when one of them is deleted just then, or
/// Keeper is not reached, it fails as a whole (999), and the worker asks again.
async fn claimed(
    ledger: &KeeperLedger,
    partitions: &[TopicPartition],
) -> BTreeMap<TopicPartition, StoredEntry> {
    let mut tries = 0;
    loop {
        match ledger.claim(fresh(), partitions).await {
            Ok(claim) => return claim.entries,
            Err(ClickHouseError::Server { code: 999, .. }) if tries < 20 => tries += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// More partitions than one statement claims, and one that nobody has heard of yet among them.
#[test]
fn many_partitions_are_claimed_and_written_at_once() {
    let ledger = new_ledger();
    let all: Vec<TopicPartition> = (0..250).map(at).collect();
    let wanted: Vec<(u32, i64)> = (0..250).map(|partition| (partition, i64::from(partition))).collect();
    RUNTIME.block_on(async {
        assert!(claimed(&ledger, &all[..249]).await.is_empty());
        assert!(claimed(&ledger, &all).await.is_empty());
        // A server under load may lose its connection to Keeper: then the fate is unknown, and a claim goes before
        // the next try.
        let mut answer = ledger.record(fresh(), &entries(&wanted)).await;
        for _ in 0..5 {
            if !matches!(answer, KeeperAnswer::Unknown(_)) {
                break;
            }
            claimed(&ledger, &all).await;
            answer = ledger.record(fresh(), &entries(&wanted)).await;
        }
        assert_eq!(answer, KeeperAnswer::Recorded);
        assert_eq!(claimed(&ledger.another(), &all).await, entries(&wanted));
        let long = |(partition, entry): (TopicPartition, StoredEntry)| {
            (partition, StoredEntry { metadata: "x".repeat(4_096), ..entry })
        };
        let too_long = entries(&wanted).into_iter().map(long).collect();
        assert!(matches!(ledger.record(fresh(), &too_long).await, KeeperAnswer::Refused(_)));
    });
}

/// Passes bytes on, and, while `deaf`, hears no answer: the connection ends as soon as one comes.
fn answers_lost_by(deaf: Arc<AtomicBool>, to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            let (mut asked, mut answered) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let mut onward = far.try_clone().unwrap();
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut asked, &mut onward);
                let _ = onward.shutdown(Shutdown::Write);
            });
            let deaf = Arc::clone(&deaf);
            std::thread::spawn(move || {
                let (mut near, mut bytes) = (near, vec![0; 65_536]);
                while let Ok(count @ 1..) = answered.read(&mut bytes) {
                    if deaf.load(Ordering::SeqCst) || near.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                let _ = near.shutdown(Shutdown::Both);
                drop(far);
            });
        }
    });
    port
}

/// The write came through, its answer did not: nobody knows until the next claim, which shows it.
#[test]
fn a_lost_answer_is_settled_by_the_next_claim() {
    let deaf = Arc::new(AtomicBool::new(false));
    let port = answers_lost_by(Arc::clone(&deaf), server().port());
    let through = Client::new(endpoint_of(port)).unwrap();
    let ledger = ledger(through, &unique_name("connect-deaf"));
    RUNTIME.block_on(async {
        ledger.ensure().await.unwrap();
        ledger.claim(fresh(), &[at(0), at(1)]).await.unwrap();
        deaf.store(true, Ordering::SeqCst);
        let answer = ledger.record(fresh(), &entries(&[(0, 1), (1, 1)])).await;
        assert!(matches!(answer, KeeperAnswer::Unknown(_)), "{answer:?}");
        assert!(ledger.claim(fresh(), &[at(0), at(1)]).await.unwrap_err().is_transient());
        deaf.store(false, Ordering::SeqCst);
        assert_eq!(ledger.claim(fresh(), &[at(0), at(1)]).await.unwrap().entries, entries(&[(0, 1), (1, 1)]));
        assert_eq!(ledger.record(fresh(), &entries(&[(0, 2)])).await, KeeperAnswer::Recorded);
    });
}

#[test]
fn a_table_of_somebody_else_is_refused() {
    server()
        .sql
        .run(
            "CREATE TABLE connect_state (key String, minOffset BIGINT, maxOffset BIGINT, state String) \
             ENGINE = KeeperMap('/kafka-connect') PRIMARY KEY key",
        )
        .unwrap();
    let client = server().client("default", "");
    let refused = |table: &StateTable| {
        let error = RUNTIME.block_on(client.ensure_state_table(table)).unwrap_err();
        assert!(matches!(error, ClickHouseError::StateTable { .. }) && !error.is_transient(), "{error}");
        error.to_string()
    };
    let theirs = StateTable { path: "/elsewhere".to_owned(), ..table("connect_state") };
    assert!(refused(&theirs).contains("it exists and is the official sink's; set zkDatabase"));
    let on_their_path = StateTable { path: "/kafka-connect".to_owned(), ..table("ours_on_their_path") };
    assert!(refused(&on_their_path).contains("set zkPath to a path of its own"));
    server().sql.run("CREATE TABLE not_keeper (a UInt8) ENGINE = Memory").unwrap();
    assert!(refused(&table("not_keeper")).contains("is not the ledger's"));
}

#[test]
fn what_is_missing_is_named() {
    let writer = server().client("writer", "w");
    let error = RUNTIME.block_on(writer.ensure_state_table(&table("no_right"))).unwrap_err().to_string();
    assert!(
        error.contains("CLICKHOUSE-009") && error.contains("GRANT SELECT, INSERT, ALTER UPDATE"),
        "{error}"
    );
    // A server without Keeper.
    let bare = ClickHouse::start(ClickHouseOptions::default()).unwrap();
    bare.sql().run(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}")).unwrap();
    let client = Client::new(endpoint_of(bare.http_port())).unwrap();
    let error = RUNTIME.block_on(client.ensure_state_table(&table("no_keeper"))).unwrap_err().to_string();
    assert!(error.contains("CLICKHOUSE-008") && error.contains("keeper_map_path_prefix"), "{error}");
}
