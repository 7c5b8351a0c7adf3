//! A worker that hangs until others have its places, and wakes up with a request in its hands.
use std::time::Duration;

use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, bed};

use crate::cluster::{Cluster, LIMIT};

const TASKS: usize = 2;

#[test]
fn what_a_worker_writes_after_its_places_have_moved_is_refused() {
    let corner = Corner::new(bed(), "hanging", TASKS as i32)
        .with("tasks.max", &TASKS.to_string())
        .with_small_batches(1_000, 100);
    corner.create_events_table(Engine::Plain);
    let mut feed = corner.feed(41);
    let mut cluster = Cluster::start(2);
    cluster.create(0, &corner);
    let status = cluster.wait_everywhere(&corner, "RUNNING", TASKS);
    feed.write(5_000, 500);

    let owner = cluster.number_of(status["connector"]["worker_id"].as_str().unwrap());
    let other = 1 - owner;
    cluster.workers[owner].pause();
    let path = format!("/connectors/{}", corner.connector);
    let address = cluster.workers[owner].address.clone();
    // It lies in the worker's hands until that wakes up. It is not to pass it on.
    let late = std::thread::spawn({
        let path = format!("{path}/stop?forward=false");
        move || pumphouse_tests::client::send(&address, "PUT", &path, &[], None)
    });
    // Its successor is told something else.
    cluster.order(other, &corner, "PUT pause");
    cluster.wait(other, &corner, "PAUSED", TASKS);
    cluster.order(other, &corner, "PUT resume");
    cluster.wait(other, &corner, "RUNNING", TASKS);
    feed.write(5_000, 500);
    corner.wait_caught_up(&mut [], LIMIT);

    cluster.workers[owner].resume();
    match late.join().unwrap() {
        Ok(answer) => assert!(answer.status >= 400, "{answer:?}\n{}", cluster.workers[owner].log()),
        // The client, or the worker, has given it up.
        Err(why) => println!("the late request was not answered: {why}"),
    }
    feed.write(5_000, 500);
    // Both live; nothing was stopped by the late request.
    let status = cluster.wait_everywhere(&corner, "RUNNING", TASKS);
    wait_until("the woken worker to take changes", LIMIT, || {
        let answer = cluster.workers[owner].ask("PUT", &format!("{path}/resume"))?;
        if answer.status == 202 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    feed.finish(&mut [], LIMIT);
    drop(status);
}
