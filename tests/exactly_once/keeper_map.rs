//! The ledger in a KeeperMap table: the same deaths, zombies and owners as with the ledger in Kafka, and what only
//! this store has: its table, offsets that only inform, letters that an entry owes, and a way to it and back.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{Fault, FaultProxy, events, unique_name};
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

use crate::{fail_points, sharing, zombie};

const LIMIT: Duration = Duration::from_secs(120);

fn in_keeper_map<'b>(corner: Corner<'b>) -> Corner<'b> {
    corner
        .with("pumphouse.ledger.store", "keepermap")
        .with("zkDatabase", "ledger_state")
        .with("zkPath", "/ledger_state")
}

fn corner(name: &str, partitions: i32) -> Corner<'static> {
    in_keeper_map(Corner::new(bed(), name, partitions))
}

/// Every moment that this store has without dead letters: nothing of it lies `staged`.
const MOMENTS: [&str; 5] = ["after_seal", "ledger_sent", "ledger_answered", "half_body", "accepted"];

#[test]
fn dies_at_every_moment_into_merge_tree() {
    fail_points::dies_at(&MOMENTS, &[1], corner("keeper_fail", 4), Engine::Plain);
}

#[test]
fn dies_at_every_moment_into_replicated_merge_tree() {
    fail_points::dies_at(&MOMENTS, &[2], corner("keeper_fail", 4), Engine::Replicated);
}

#[test]
fn another_worker_took_over_into_merge_tree() {
    zombie::wakes_up("a", "b", 1, corner("keeper_zombie", 4), Engine::Plain);
}

#[test]
fn its_own_restart_took_over_into_replicated_merge_tree() {
    zombie::wakes_up("a", "a", 1, corner("keeper_zombie", 4), Engine::Replicated);
}

#[test]
fn one_of_two_is_killed_into_replicated_merge_tree() {
    sharing::is_killed(2, corner("keeper_sharing", 4), Engine::Replicated);
}

/// Where the ledger is, over all partitions.
fn position(corner: &Corner<'_>) -> i64 {
    let sql = "SELECT sum(position) FROM ledger_state WHERE position > 0 AND key LIKE";
    corner.sql().number(&format!("{sql} '{}/%'", corner.group())).unwrap()
}

/// A worker that dies between a write of the ledger and the look at it that the group gets a second later: the lag
/// that Kafka's tools show ends all the same, although no record follows.
#[test]
fn the_group_shows_the_ledger_after_a_death() {
    let corner = corner("keeper_shown", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    for round in 0..4 {
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        corner.wait_caught_up(&mut [&mut worker], LIMIT);
        write_events(&corner, 300 * round, 300);
        let end = 300 * (round as i64 + 1);
        wait_until("the ledger to be at the end", LIMIT, || {
            worker.check();
            match position(&corner) {
                there if there == end => Ok(()),
                there => Err(format!("it is at {there} of {end}\n{}", worker.log())),
            }
        })
        .unwrap();
        worker.kill();
    }
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.check_events().assert_exactly_once(1_200);
}

/// A claim takes several statements, and a slow server makes it last for longer than a member may go without
/// polling: it polls all the same, and keeps its place.
#[test]
fn a_claim_of_a_slow_ledger_costs_no_membership() {
    let [port] = free_ports().unwrap();
    let (_, server) = bed().clickhouse_host_and_port();
    let proxy = FaultProxy::start(port, server).unwrap();
    let corner = corner("keeper_slow", 4)
        .with_small_batches(500, 50)
        .with("hostname", "127.0.0.1")
        .with("port", &port.to_string())
        .with("consumer.override.max.poll.interval.ms", "6000");
    corner.create_events_table(Engine::Plain);
    let mut stays = corner.worker(&WorkerOptions::called("a"));
    let mut dies = corner.worker(&WorkerOptions::called("b"));
    stays.wait_running();
    dies.wait_running();
    write_events(&corner, 0, 1_000);
    corner.wait_caught_up(&mut [&mut stays, &mut dies], LIMIT);
    // A statement takes more than two seconds from now on, and a claim three of them at least.
    let claims = |worker: &Worker| worker.log().matches("entries claimed (R5)").count();
    let before = claims(&stays);
    proxy.set(Fault::Delay(Duration::from_millis(1_100)));
    dies.kill();
    wait_until("the partitions to be claimed", LIMIT, || {
        if claims(&stays) > before { Ok(()) } else { Err(stays.log()) }
    })
    .unwrap();
    proxy.set(Fault::None);
    write_events(&corner, 1_000, 1_000);
    corner.wait_caught_up(&mut [&mut stays], LIMIT);
    corner.check_events().assert_exactly_once(2_000);
    assert!(!stays.log().contains("KAFKA-026"), "it polled too late\n{}", stays.log());
}

fn write_events(corner: &Corner<'_>, first: u64, count: u64) {
    corner.write(events::events(1, first).take(count as usize).map(|event| event.into_record(2)));
}

/// After a clean stop the state topic says where each partition is at rest (R16), whichever store is asked next.
/// What a store wrote before it was left is never taken for the truth again.
#[test]
fn a_connector_moves_to_keeper_map_and_back() {
    let mut corner = Corner::new(bed(), "keeper_move", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    let options = WorkerOptions::called("w");
    for (round, store) in ["kafka", "keepermap", "kafka"].into_iter().enumerate() {
        corner = in_keeper_map(corner).with("pumphouse.ledger.store", store);
        let mut worker = corner.worker(&options);
        write_events(&corner, 1_000 * round as u64, 1_000);
        corner.wait_caught_up(&mut [&mut worker], LIMIT);
        corner.check_events().assert_exactly_once(1_000 * (round as u64 + 1));
        assert!(worker.stop().success(), "{}", worker.log());
    }
    // Nobody stopped cleanly: the other store cannot know what was under way, and does not begin.
    let mut worker = corner.worker(&options);
    write_events(&corner, 3_000, 500);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    worker.kill();
    corner = corner.with("pumphouse.ledger.store", "keepermap");
    corner
        .sql()
        .run(&format!("ALTER TABLE ledger_state DELETE WHERE key LIKE '{}/%'", corner.group()))
        .unwrap();
    let mut worker = corner.worker(&options);
    let trace = worker.wait_refused();
    assert!(trace.contains("WORKER-006"), "{trace}");
    corner.check_events().assert_exactly_once(3_500);
}

/// What Kafka Connect has committed is where a connector begins whose ledger is in KeeperMap from its first day here.
#[test]
fn it_goes_on_where_another_tool_left_the_group() {
    let corner = corner("keeper_migrated", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    corner.write_json(&["not", "for", "us"]);
    corner.set_offset(0, 3);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    write_events(&corner, 0, 1_000);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.rows(), 1_000, "{}", worker.log());
}

/// Rows of the table are what counts: without them nothing begins anew, whatever the group's offsets say.
#[test]
fn entries_that_are_gone_stop_the_task() {
    let corner = corner("keeper_gone", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    write_events(&corner, 0, 1_000);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    worker.kill();
    // With another tool the group's offsets are set: nothing follows from it.
    corner
        .sql()
        .run(&format!("ALTER TABLE ledger_state DELETE WHERE key LIKE '{}/%'", corner.group()))
        .unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    assert!(trace.contains("WORKER-006"), "{trace}");
    corner.check_events().assert_exactly_once(1_000);
}

/// A connector whose table takes numbers below 100, and the topic of its letters.
fn corner_with_letters(name: &str) -> (Corner<'static>, String) {
    let letters = unique_name("keeper_letters");
    let corner = corner(name, 1)
        .with_small_batches(500, 50)
        .with("errors.tolerance", "all")
        .with("errors.deadletterqueue.topic.name", &letters)
        .with("errors.deadletterqueue.topic.replication.factor", "1")
        .with("errors.deadletterqueue.context.headers.enable", "true");
    corner.create_table("n UInt64, CONSTRAINT small CHECK n < 100", "n", Engine::Plain);
    (corner, letters)
}

const NO_JSON: &str = "no json";
const REFUSED: &str = r#"{"n":500}"#;

#[test]
fn a_bad_record_has_one_letter() {
    let (corner, letters) = corner_with_letters("keeper_bad");
    corner.write_json(&[r#"{"n":1}"#, NO_JSON, r#"{"n":2}"#, REFUSED]);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(rows(&corner), "1,2");
    let values: Vec<_> = corner.read_topic(&letters).into_iter().filter_map(|letter| letter.value).collect();
    assert_eq!(values, [NO_JSON.as_bytes(), REFUSED.as_bytes()]);
    assert!(worker.stop().success());
}

fn rows(corner: &Corner<'_>) -> String {
    let sql =
        format!("SELECT arrayStringConcat(arraySort(groupArray(toString(n))), ',') FROM {}", corner.table);
    corner.sql().text(&sql).unwrap()
}

/// R4: the entry passes a record, and the process dies before its letter has gone out, or before the ledger knows that it has. The
/// table would take the record by then: it has its letter, and no row.
#[test]
fn a_letter_that_is_owed_goes_out_with_the_next_claim() {
    for (bad, code) in [(NO_JSON, "DECODE-"), (REFUSED, "DELIVERY-008")] {
        for (moment, sent) in [("owing", 1), ("paid", 2)] {
            let (corner, letters) = corner_with_letters("keeper_owed");
            corner.write_json(&[r#"{"n":1}"#, bad, r#"{"n":2}"#]);
            let options = WorkerOptions::called("w");
            let mut dies = corner.worker(&options.clone().dying_at(&format!("{moment}:1")));
            let status = dies.wait_exit(LIMIT);
            assert_eq!(status.signal(), Some(9), "{moment}: {status}\n{}", dies.log());
            assert_eq!(corner.read_topic(&letters).len(), sent - 1, "{moment}\n{}", dies.log());
            let sql = format!("ALTER TABLE {} DROP CONSTRAINT small", corner.table);
            corner.sql().run(&sql).unwrap();

            let mut worker = corner.worker(&options);
            corner.wait_caught_up(&mut [&mut worker], LIMIT);
            assert_eq!(rows(&corner), "1,2", "{moment} of {bad}\n{}", worker.log());
            let found = corner.read_topic(&letters);
            assert_eq!(found.len(), sent, "{moment} of {bad}: {found:?}\n{}", worker.log());
            for letter in &found {
                assert_eq!(letter.value.as_deref(), Some(bad.as_bytes()), "{letter:?}");
                let header = |name: &str| letter.headers[name].as_str();
                assert!(header("pumphouse.record.id").ends_with("/0/1"), "{letter:?}");
                assert!(header("__connect.errors.exception.class.name").starts_with(code), "{letter:?}");
            }
            // The row owes nothing any more, and what follows is as ever.
            worker.kill();
            let mut worker = corner.worker(&options);
            corner.write_json(&[r#"{"n":3}"#]);
            corner.wait_caught_up(&mut [&mut worker], LIMIT);
            assert_eq!(rows(&corner), "1,2,3");
            assert_eq!(corner.read_topic(&letters).len(), sent, "{}", worker.log());
            assert!(worker.stop().success());
        }
    }
}

/// Bad records are not tolerated any more by whoever comes next: that does not say that letters may be dropped.
#[test]
fn a_letter_that_is_owed_is_not_dropped_with_the_tolerance() {
    let (corner, letters) = corner_with_letters("keeper_intolerant");
    corner.write_json(&[r#"{"n":1}"#, NO_JSON]);
    let options = WorkerOptions::called("w");
    let mut dies = corner.worker(&options.clone().dying_at("owing:1"));
    assert_eq!(dies.wait_exit(LIMIT).signal(), Some(9), "{}", dies.log());
    let corner = corner.with("errors.tolerance", "none");
    let mut worker = corner.worker(&options);
    let trace = worker.wait_refused();
    assert!(trace.contains("DELIVERY-007") && trace.contains("owes 1 dead letters"), "{trace}");
    worker.kill();
    let corner = corner.with("errors.tolerance", "all");
    let mut worker = corner.worker(&options);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!((rows(&corner).as_str(), corner.read_topic(&letters).len()), ("1", 1));
}

#[test]
fn the_official_sinks_table_is_refused() {
    let corner =
        corner("keeper_official", 1).with("zkDatabase", "connect_state").with("zkPath", "/kafka-connect");
    corner.create_events_table(Engine::Plain);
    let sql = "CREATE TABLE connect_state (key String, minOffset BIGINT, maxOffset BIGINT, state String) \
               ENGINE = KeeperMap('/kafka-connect') PRIMARY KEY key";
    corner.sql().run(sql).unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    assert!(trace.contains("CLICKHOUSE-009") && trace.contains("zkDatabase"), "{trace}");
}
