//! Three workers share a connector's tasks while records come without a pause.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, Feed, bed};
use serde_json::Value;

use crate::cluster::{Cluster, LIMIT, workers_of};

const TASKS: usize = 6;

fn keep_writing(feed: &mut Feed<'_>, enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        feed.write(2_000, 400);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Rows come on: what was shown as running does run.
fn wait_rows(corner: &Corner<'_>, cluster: &Cluster, records: u64) {
    let before = corner.rows();
    wait_until("rows to land", LIMIT, || {
        let now = corner.rows();
        if now >= before + records { Ok(()) } else { Err(format!("{now} rows, {before} before")) }
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", cluster.logs()));
}

#[test]
fn killed_added_and_rolled_under_load_and_every_record_once() {
    let corner = Corner::new(bed(), "many", TASKS as i32)
        .with("tasks.max", &TASKS.to_string())
        .with_small_batches(1_000, 250);
    corner.create_events_table(Engine::Plain);
    let mut feed = corner.feed(31);
    let mut cluster = Cluster::start(3);
    cluster.create(0, &corner);
    let created = cluster.workers[0].ask("GET", &format!("/connectors/{}/config", corner.connector)).unwrap();
    assert_eq!(created.status, 200, "what a worker has written it sees: {created:?}");
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| keep_writing(&mut feed, &enough));
        // Whatever fails below, the feed ends with it.
        let _guard = Ends(&enough);
        let status = cluster.wait_everywhere(&corner, "RUNNING", TASKS);
        let mut on = workers_of(&status);
        on.sort();
        on.dedup();
        assert!(on.len() > 1, "all tasks are on one worker: {status}");
        wait_rows(&corner, &cluster, 2_000);

        one_is_killed_and_comes_back(&mut cluster, &corner, &status);
        all_are_rolled(&mut cluster, &corner);
        enough.store(true, Ordering::Relaxed);
        feeding.join().unwrap();
    });
    feed.finish(&mut [], LIMIT);
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn one_is_killed_and_comes_back(cluster: &mut Cluster, corner: &Corner<'_>, status: &Value) {
    let victim_id = workers_of(status)[0].clone();
    let victim = cluster.number_of(&victim_id);
    let watcher = (victim + 1) % 3;
    let begun = Instant::now();
    cluster.workers[victim].kill();
    let path = format!("/connectors/{}/status", corner.connector);
    let moved = wait_until("the tasks of the dead worker to move", LIMIT, || {
        let status = cluster.workers[watcher].ask("GET", &path)?.json();
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        let runs = |task: &Value| task["state"] == "RUNNING" && task["worker_id"] != victim_id.as_str();
        if tasks.len() == TASKS && tasks.iter().all(runs) { Ok(status) } else { Err(status.to_string()) }
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", cluster.logs()));
    println!("SIGKILL to every task RUNNING elsewhere: {:?}", begun.elapsed());
    // Only what was on the dead worker has moved.
    let kept = |status: &Value| workers_of(status);
    for (before, now) in kept(status).iter().zip(kept(&moved)) {
        assert!(*before == victim_id || *before == now, "{status}\n{moved}");
    }
    wait_rows(corner, cluster, 2_000);

    cluster.workers[victim].start_again();
    wait_until("the added worker to have tasks", LIMIT, || {
        let status = cluster.workers[watcher].ask("GET", &path)?.json();
        let runs = status["tasks"].as_array().into_iter().flatten().all(|task| task["state"] == "RUNNING");
        if runs && workers_of(&status).contains(&victim_id) { Ok(()) } else { Err(status.to_string()) }
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", cluster.logs()));
    wait_rows(corner, cluster, 2_000);
}

fn all_are_rolled(cluster: &mut Cluster, corner: &Corner<'_>) {
    let before = workers_of(&cluster.wait_everywhere(corner, "RUNNING", TASKS));
    for number in 0..cluster.workers.len() {
        let begun = Instant::now();
        let stopped = cluster.workers[number].stop();
        cluster.workers[number].start_again();
        cluster.wait(number, corner, "RUNNING", TASKS);
        println!("worker {number}: stopped in {stopped:?}, all RUNNING again after {:?}", begun.elapsed());
    }
    let after = workers_of(&cluster.wait_everywhere(corner, "RUNNING", TASKS));
    println!(
        "tasks that were elsewhere after the roll: {}",
        before.iter().zip(&after).filter(|(a, b)| a != b).count()
    );
    wait_rows(corner, cluster, 2_000);
}
