//! Several hosts in `hostname`: one replicated table behind them is taken, tables of their own are not.

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

fn corner(name: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 2);
    let (host, _) = bed().clickhouse_host_and_port();
    // The same server by two names, since all hosts have one port.
    let other_name = if host == "127.0.0.1" { "localhost".to_owned() } else { format!("{host}.") };
    corner.with("hostname", &format!("{host}, {other_name}"))
}

#[test]
fn a_replicated_table_is_filled_through_its_hosts() {
    let corner = corner("hosts_replicated");
    corner.create_events_table(Engine::Replicated);
    corner.write(events::events(1, 0).take(2_000).map(|event| event.into_record(2)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.check_events().assert_exactly_once(2_000);
    assert_eq!(worker.metric("pumphouse_exactly_once", &corner.connector), Some(1.0));
}

#[test]
fn tables_of_their_own_are_refused() {
    let corner = corner("hosts_plain");
    corner.create_events_table(Engine::Plain);
    let why = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(why.contains("PROOF-017") && why.contains("name one host only"), "{why}");
}

/// A host that does not answer at the start is left out, and the others deliver.
#[test]
fn a_host_that_is_down_at_the_start_is_left_out() {
    let (host, _) = bed().clickhouse_host_and_port();
    let corner = Corner::new(bed(), "hosts_down", 2).with("hostname", &format!("nobody.invalid, {host}"));
    corner.create_events_table(Engine::Replicated);
    corner.write(events::events(1, 0).take(2_000).map(|event| event.into_record(2)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.check_events().assert_exactly_once(2_000);
    let log = worker.log();
    assert!(log.contains("nobody.invalid") && log.contains("is not used before the next start"), "{log}");
}
