//! Any worker takes any change, one after the other, and who is not concerned notices nothing.
use pumphouse_testkit::unique_name;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::{Value, json};

use crate::cluster::{Cluster, LIMIT, create_body};

fn small(prefix: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), prefix, 2).with("tasks.max", "2").with_small_batches(1_000, 50);
    corner.create_events_table(Engine::Plain);
    corner
}

fn beginnings(cluster: &Cluster, corner: &Corner<'_>) -> usize {
    cluster.workers.iter().map(|worker| worker.said("task started", &corner.connector)).sum()
}

#[test]
fn any_worker_takes_any_change_and_other_connectors_run_on() {
    let (changed, other) = (small("changed"), small("other"));
    let cluster = Cluster::start(2);
    cluster.create(0, &changed);
    // One that has not run has no tasks, wherever it is asked.
    cluster.create_so(1, &other, "PAUSED");
    cluster.wait_everywhere(&other, "PAUSED", 0);
    cluster.order(0, &other, "PUT resume");
    for corner in [&changed, &other] {
        cluster.wait_everywhere(corner, "RUNNING", 2);
    }
    let (mut first, mut second) = (changed.feed(1), other.feed(2));
    first.write(2_000, 500);
    second.write(2_000, 500);
    let before = beginnings(&cluster, &other);
    assert_eq!(before, 2, "{}", cluster.logs());

    // Another configuration: over one worker, and then over the other.
    for (over, rows_max) in [(0, "700"), (1, "800")] {
        let mut config: Value = serde_json::to_value(changed.config()).unwrap();
        config["pumphouse.batch.rows.max"] = json!(rows_max);
        config["password"] = json!("********");
        let path = format!("/connectors/{}/config", changed.connector);
        wait_until("the configuration to be taken", LIMIT, || {
            let answer = cluster.workers[over].tell("PUT", &path, &config)?;
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .unwrap();
        let read = cluster.workers[over].ask("GET", &path).unwrap().json();
        assert_eq!(read["pumphouse.batch.rows.max"], rows_max, "what a worker has written it sees");
        assert_eq!(read["password"], "********");
        cluster.wait_everywhere(&changed, "RUNNING", 2);
    }
    cluster.order(0, &changed, "PUT pause");
    cluster.wait_everywhere(&changed, "PAUSED", 2);
    cluster.order(1, &changed, "PUT resume");
    cluster.wait_everywhere(&changed, "RUNNING", 2);
    let begun = beginnings(&cluster, &changed);
    cluster.order(1, &changed, "POST tasks/1/restart");
    wait_until("one task to begin anew", LIMIT, || match beginnings(&cluster, &changed) {
        now if now > begun => Ok(()),
        now => Err(format!("{now} beginnings, {begun} before")),
    })
    .unwrap();
    // An order that is given again has the task begin again, too.
    let begun = beginnings(&cluster, &changed);
    cluster.order(0, &changed, "POST restart?includeTasks=true");
    wait_until("both tasks to begin anew", LIMIT, || match beginnings(&cluster, &changed) {
        now if now >= begun + 2 => Ok(()),
        now => Err(format!("{now} beginnings, {begun} before")),
    })
    .unwrap();
    cluster.wait_everywhere(&changed, "RUNNING", 2);

    first.write(2_000, 500);
    second.write(2_000, 500);
    first.finish(&mut [], LIMIT);
    second.finish(&mut [], LIMIT);
    assert_eq!(beginnings(&cluster, &other), before, "the other connector was disturbed\n{}", cluster.logs());
    a_level_for_all_is_every_workers(&cluster);
    its_offsets_are_reset(&cluster, &changed);
    it_is_deleted(&cluster, &changed);
    cluster.wait_everywhere(&other, "RUNNING", 2);
}

/// Set over one worker; a level that is set for one alone is not the others'.
fn a_level_for_all_is_every_workers(cluster: &Cluster) {
    let path = "/admin/loggers/some.logger";
    let set = |over: usize, scope: &str, level: &str| {
        cluster.workers[over].tell("PUT", &format!("{path}{scope}"), &json!({"level": level})).unwrap()
    };
    let answer = set(0, "?scope=cluster", "debug");
    assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
    let level =
        |worker: usize| cluster.workers[worker].ask("GET", path).map(|answer| answer.json()["level"].clone());
    assert_eq!(level(0).unwrap(), "DEBUG", "what a worker has written it sees");
    wait_until("the other worker to hear it", LIMIT, || match level(1)? {
        level if level == "DEBUG" => Ok(()),
        level => Err(level.to_string()),
    })
    .unwrap();
    assert_eq!(set(1, "", "WARN").status, 200);
    assert_eq!((level(0).unwrap(), level(1).unwrap()), (json!("DEBUG"), json!("WARN")));
    assert_eq!(set(1, "?scope=cluster", "LOUD").status, 404);
}

/// Refused while it runs, wherever its tasks are.
fn its_offsets_are_reset(cluster: &Cluster, corner: &Corner<'_>) {
    let path = format!("/connectors/{}/offsets", corner.connector);
    let refused = cluster.workers[0].ask("DELETE", &path).unwrap();
    assert_eq!(refused.status, 400, "{refused:?}");
    cluster.order(1, corner, "PUT stop");
    cluster.wait_everywhere(corner, "STOPPED", 0);
    cluster.order(0, corner, "DELETE offsets");
    let offsets = cluster.workers[1].ask("GET", &path).unwrap();
    assert_eq!(offsets.json(), json!({"offsets": []}));
}

fn it_is_deleted(cluster: &Cluster, corner: &Corner<'_>) {
    let path = format!("/connectors/{}", corner.connector);
    cluster.order(1, corner, "DELETE ");
    for worker in &cluster.workers {
        wait_until("the connector to be gone", LIMIT, || match worker.ask("GET", &path)?.status {
            404 => Ok(()),
            status => Err(status.to_string()),
        })
        .unwrap();
    }
}

#[test]
fn of_two_that_create_the_same_connector_one_does() {
    let corner = small("twice");
    let cluster = Cluster::start(3);
    for _ in 0..6 {
        // While the workers rebalance, nobody creates anything: then it counts for nothing.
        wait_until("two answers while nothing moves", LIMIT, || {
            let mut body = create_body(&corner);
            body["name"] = json!(unique_name("twice"));
            body["initial_state"] = json!("STOPPED");
            let body = &body;
            let answers: Vec<_> = std::thread::scope(|scope| {
                let asks: Vec<_> = cluster
                    .workers
                    .iter()
                    .take(2)
                    .map(|worker| scope.spawn(move || worker.tell("POST", "/connectors", body)))
                    .collect();
                asks.into_iter().map(|ask| ask.join().unwrap()).collect::<Result<_, _>>()
            })?;
            let created = answers.iter().filter(|answer| answer.status == 201).count();
            let taken = |answer: &&pumphouse_tests::client::Answer| {
                answer.status == 409 && answer.text.contains("already exists")
            };
            assert!(created <= 1, "{answers:?}");
            match (created, answers.iter().filter(taken).count()) {
                (1, 1) => Ok(()),
                _ => Err(format!("{answers:?}")),
            }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", cluster.logs()));
    }
}
