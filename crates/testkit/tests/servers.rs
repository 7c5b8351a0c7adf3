//! The servers themselves: each starts, survives a crash with its data, hangs and comes back, and
//! leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pumphouse_testkit::filling::{FillRecord, fill_fast};
use pumphouse_testkit::process::group_exists;
use pumphouse_testkit::*;

#[test]
fn clickhouse_with_zookeeper_keeps_rows_over_a_crash() {
    let mut zookeeper = ZooKeeper::start(ZooKeeperOptions::default()).unwrap();
    let options = ClickHouseOptions::with_zookeeper(&zookeeper, "/a").unwrap();
    let mut clickhouse = ClickHouse::start(options).unwrap();
    let sql = clickhouse.sql();

    sql.run(
        "CREATE TABLE replicated (n UInt64) \
         ENGINE = ReplicatedMergeTree('/tables/replicated', '{replica}') ORDER BY n",
    )
    .unwrap();
    sql.run("CREATE TABLE marks (k String, v UInt64) ENGINE = KeeperMap('/marks') PRIMARY KEY k").unwrap();
    sql.run("INSERT INTO replicated SELECT number FROM numbers(1000)").unwrap();
    sql.insert("INSERT INTO marks FORMAT TabSeparated", b"p0\t7\n").unwrap();
    // The query log is the witness of other tests: it must come back after a crash.
    let logged = |text: &str| {
        sql.run(&format!("SELECT '{text}'")).unwrap();
        sql.run("SYSTEM FLUSH LOGS").unwrap();
        let query = format!("SELECT count() FROM system.query_log WHERE query = 'SELECT \\'{text}\\''");
        sql.number(&query).unwrap() > 0
    };
    assert!(logged("before"));

    clickhouse.kill().unwrap();
    assert!(sql.run("SELECT 1").is_err());
    clickhouse.restart().unwrap();
    assert_eq!(sql.number("SELECT sum(n) FROM replicated").unwrap(), 499_500);
    assert_eq!(sql.rows("SELECT k, v FROM marks").unwrap(), [["p0", "7"]]);
    assert!(logged("after"));

    let hanging = sql.with_limit(Duration::from_millis(500));
    clickhouse.pause().unwrap();
    assert!(matches!(hanging.run("SELECT 1"), Err(TestkitError::NoAnswer { .. })));
    clickhouse.resume().unwrap();
    assert_eq!(sql.text("SELECT 'back'").unwrap(), "back");

    let error = sql.run("SELECT no_such_column").unwrap_err().to_string();
    assert!(error.contains("Code: 47") && error.contains("no_such_column"), "{error}");

    zookeeper.restart().unwrap();
    let pids = [clickhouse.pid().unwrap(), zookeeper.pid().unwrap()];
    let directory = clickhouse.directory().to_owned();
    drop((clickhouse, zookeeper));
    assert!(pids.iter().all(|&pid| !group_exists(pid)) && !directory.exists());
}

#[test]
fn kafka_keeps_records_over_a_crash_and_a_pause() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let bootstrap = kafka.bootstrap();
    let topics = Topics::new(&bootstrap).unwrap();
    topics.create("t", 2, &[("cleanup.policy", "delete")]).unwrap();
    let record = |number: i32| FillRecord {
        partition: number % 2,
        key: None,
        value: Some(number.to_string().into_bytes()),
    };
    let report = fill_fast(&bootstrap, "t", (0..1_000).map(record)).unwrap();
    assert_eq!((report.records, report.bytes), (1_000, 2_890));
    let ends = topics.end_offsets("t").unwrap();
    assert_eq!(ends, [(0, 500), (1, 500)].into());

    kafka.kill().unwrap();
    kafka.restart().unwrap();
    assert_eq!(kafka.bootstrap(), bootstrap);
    assert_eq!(topics.end_offsets("t").unwrap(), ends);

    kafka.pause().unwrap();
    let begun = Instant::now();
    let filling = std::thread::spawn({
        let bootstrap = bootstrap.clone();
        move || fill_fast(&bootstrap, "t", (0..10).map(record))
    });
    while begun.elapsed() < Duration::from_secs(1) {
        assert!(!filling.is_finished(), "nobody can have acknowledged it");
        std::thread::sleep(Duration::from_millis(50));
    }
    kafka.resume().unwrap();
    assert_eq!(filling.join().unwrap().unwrap().records, 10);
    assert_eq!(topics.end_offsets("t").unwrap(), [(0, 505), (1, 505)].into());

    topics.delete("t").unwrap();
    assert!(!topics.list().unwrap().contains(&"t".to_owned()));
    assert!(topics.create("x", 1, &[("no.such.setting", "1")]).is_err());

    kafka.stop().unwrap();
    kafka.restart().unwrap();
    let pid = kafka.pid().unwrap();
    drop(kafka);
    assert!(!group_exists(pid));
}

#[test]
fn a_killed_test_run_leaves_no_process_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = Command::new(std::env::current_exe().unwrap())
        .current_dir(directory.path())
        .args(["--ignored", "--exact", "hangs_with_a_child", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = BufReader::new(run.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().split_once("child=")?.1.parse::<u32>().ok())
        .unwrap();
    assert!(group_exists(pid));
    run.kill().unwrap();
    run.wait().unwrap();
    wait::wait_until("the end of the child", Duration::from_secs(5), || {
        if group_exists(pid) { Err("it lives") } else { Ok(()) }.map_err(str::to_owned)
    })
    .unwrap();
}

#[test]
#[ignore = "the other half of a_killed_test_run_leaves_no_process_behind"]
fn hangs_with_a_child() {
    let mut command = Command::new("sleep");
    command.arg("60");
    // In the directory of the other half: this process is killed and cannot clean up.
    let child = Process::start("sleep", command, "log".as_ref()).unwrap();
    println!("child={}", child.pid());
    std::thread::sleep(Duration::from_secs(60));
}
