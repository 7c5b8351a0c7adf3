//! The promise: the page on `/` shows in a real browser what the worker does, takes orders from itself only, and
//! stays readable and harmless whatever records and names hold. `PUMPHOUSE_PAGE_PICTURE=docs/img/page.png` (a path
//! from the repository's root) keeps the picture of it.
#![allow(clippy::unwrap_used)]

mod browser;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use browser::Browser;
use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::unique_name;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(90);

const HOSTILE: &str =
    "{\"id\": \"</pre><script>document.title='owned'</script><img src=x onerror=document.title='owned'>\"}";

/// A connector that works and has dead letters with hostile texts, and one that has failed.
fn scene(listen: &str) -> (Corner<'static>, Corner<'static>, Worker) {
    let letters = unique_name("orders-dead");
    let mut good = Corner::new(bed(), "orders", 2)
        .with_small_batches(1_000, 200)
        .with("errors.tolerance", "all")
        .with("errors.deadletterqueue.topic.name", &letters)
        .with("errors.deadletterqueue.topic.replication.factor", "1")
        .with("errors.deadletterqueue.context.headers.enable", "true");
    // As people call them.
    good.connector = unique_name("orders");
    good.create_table("id UInt32", "id", Engine::Plain);
    let values: Vec<String> = (0..5_000).map(|id| format!("{{\"id\": {id}}}")).collect();
    let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
    values.push(HOSTILE);
    good.write_json(&values);
    let mut bad = Corner::new(bed(), "payments", 1).with_small_batches(100, 50);
    bad.connector = unique_name("payments");
    bad.create_table("n UInt8", "n", Engine::Plain);
    bad.write_json(&[r#"{"n": 1}"#, r#"{"n": 1000}"#]);
    let worker = start(&good, &bad, listen);
    (good, bad, worker)
}

fn start(good: &Corner<'_>, bad: &Corner<'_>, listen: &str) -> Worker {
    let options = WorkerOptions::called("page-worker").with("listeners", &format!("http://{listen}"));
    let mut worker = Worker::of(&[good, bad], &options);
    worker.wait_running();
    worker
}

fn state_of(worker: &Worker, connector: &str) -> Result<String, String> {
    let status = worker.get(&format!("/connectors/{connector}/status"))?.json();
    Ok(status["connector"]["state"].as_str().unwrap_or("?").to_owned())
}

fn wait_state(worker: &Worker, connector: &str, state: &str) {
    wait_until(state, LIMIT, || match state_of(worker, connector)? {
        now if now == state => Ok(()),
        other => Err(other),
    })
    .unwrap();
}

/// An expression about a connector's card.
fn card(corner: &Corner<'_>, rest: &str) -> String {
    format!("document.querySelector('section[data-connector=\"{}\"]'){rest}", corner.connector)
}

/// Status of a form sent by somebody who says to come from there.
fn send_form(listen: &str, headers: &str, body: &str) -> u16 {
    let mut socket = TcpStream::connect(listen).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let kind = "content-type: application/x-www-form-urlencoded";
    let length = body.len();
    let request = format!(
        "POST /page/act HTTP/1.1\r\nhost: {listen}\r\nconnection: close\r\n{kind}\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_page_shows_what_happens_and_takes_orders() {
    let [port] = free_ports().unwrap();
    let listen = format!("127.0.0.1:{port}");
    let (good, bad, mut worker) = scene(&listen);
    let mut browser = Browser::start();
    browser.resize(1280, 1000);
    browser.open(&format!("http://{listen}/"));

    // What was there when the page was loaded, or comes by the script alone.
    browser.ask("window.notReloaded = true");
    browser.wait_for(&card(&good, ".innerText.includes('5\u{202f}000')"));
    browser.wait_for(&card(&good, ".querySelector('.badge.good').textContent === 'RUNNING'"));
    browser.wait_for(&card(&good, ".innerText.includes('exactly once')"));
    browser.wait_for(&card(&good, ".innerText.toLowerCase().includes('dead letters\\n1')"));
    browser.wait_for(&card(&bad, "?.classList.contains('failed')"));
    browser.wait_for(&card(&bad, ".querySelector('.trace a[href=\"/page/errors/DECODE-005\"]') !== null"));
    browser.wait_for(&card(
        &good,
        ".querySelector('[data-key^=proofs]').textContent.includes('takes batches exactly once')",
    ));
    let seen = browser.ask("document.querySelector('.summary').innerText").to_string();
    browser.wait_for(&format!("document.querySelector('.summary').innerText !== {seen}"));
    assert_eq!(browser.ask("window.notReloaded"), true);
    keep_picture(&mut browser);
    // The style came, although the policy lets no other in, and what was opened stays open.
    assert_eq!(browser.ask("getComputedStyle(document.querySelector('.card')).borderRadius"), "12px");
    browser.ask(&card(&good, ".querySelector('details').open = true"));
    let seen = browser.ask("document.querySelector('.summary').innerText").to_string();
    browser.wait_for(&format!("document.querySelector('.summary').innerText !== {seen}"));
    assert_eq!(browser.ask(&card(&good, ".querySelector('details').open")), true);

    readable_on_a_phone(&mut browser);

    // Orders.
    press(&mut browser, &good, "pause");
    wait_state(&worker, &good.connector, "PAUSED");
    browser.wait_for(&card(&good, "?.querySelector('button[value=resume]') != null"));
    press(&mut browser, &good, "resume");
    wait_state(&worker, &good.connector, "RUNNING");
    // The other one did not notice.
    assert_eq!(state_of(&worker, &bad.connector).unwrap(), "RUNNING");

    // Dead letters are text.
    browser.open(&format!("http://{listen}/page/letters?connector={}", good.connector));
    browser.wait_for("document.querySelector('.letter pre:last-child')?.textContent.includes(\"onerror=document.title='owned'\")");
    browser.wait_for("document.querySelector('.letter a[href^=\"/page/errors/DECODE\"]') !== null");
    assert_eq!(browser.ask("document.querySelectorAll('main script, main img').length"), 0);
    assert!(browser.ask("document.title").as_str().unwrap().starts_with("Pumphouse: dead letters"));
    readable_on_a_phone(&mut browser);

    // The worker goes and comes; the page waits for it.
    browser.open(&format!("http://{listen}/"));
    browser.ask("window.notReloaded = true");
    worker.kill();
    browser.wait_for("document.getElementById('note').innerText.includes('does not answer')");
    let _again = start(&good, &bad, &listen);
    browser.wait_for("document.getElementById('note').hidden");
    browser.wait_for(&card(&good, "?.querySelector('.badge.good')?.textContent === 'RUNNING'"));
    assert_eq!(browser.ask("window.notReloaded"), true);
}

fn press(browser: &mut Browser, corner: &Corner<'_>, order: &str) {
    // The card is made anew every two seconds: found and pressed in one breath.
    browser.ask(&card(corner, &format!(".querySelector('button[value={order}]').click()")));
}

fn keep_picture(browser: &mut Browser) {
    let directory = tempfile::tempdir().unwrap();
    let path = match std::env::var_os("PUMPHOUSE_PAGE_PICTURE") {
        Some(path) => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path),
        None => directory.path().join("page.png"),
    };
    browser.photograph(&path);
    assert!(std::fs::metadata(&path).unwrap().len() > 10_000);
}

fn readable_on_a_phone(browser: &mut Browser) {
    browser.resize(360, 740);
    browser.ask("document.querySelectorAll('details').forEach((part) => part.open = true)");
    let widths = browser.ask("[document.documentElement.scrollWidth, window.innerWidth]");
    let (needed, there) = (widths[0].as_u64().unwrap(), widths[1].as_u64().unwrap());
    assert_eq!(there, 360, "the page asks for more than the phone has");
    assert!(needed <= there, "{needed} of {there} points");
    let back = |browser: &mut Browser| browser.ask("getComputedStyle(document.body).backgroundColor");
    browser.prefer("light");
    let light = back(browser);
    browser.prefer("dark");
    assert_ne!(back(browser), light);
    browser.prefer("light");
    browser.resize(1280, 1000);
}

#[test]
fn only_the_page_itself_gives_orders_and_it_needs_no_script() {
    let [port] = free_ports().unwrap();
    let listen = format!("127.0.0.1:{port}");
    let (good, _bad, worker) = scene(&listen);
    let order = format!("connector={}&order=pause", good.connector);
    for from in ["", "origin: http://evil.example\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n"]
    {
        assert_eq!(send_form(&listen, from, &order), 403, "{from}");
    }
    let own = format!("origin: http://{listen}\r\nsec-fetch-site: same-origin\r\n");
    assert_eq!(send_form(&listen, &own, "connector=nobody&order=pause"), 404);
    assert_eq!(send_form(&listen, &own, &order.replace("pause", "delete")), 400);
    assert_eq!(state_of(&worker, &good.connector).unwrap(), "RUNNING");

    // A person without scripts presses the same button.
    let mut browser = Browser::start();
    browser.allow_scripts(false);
    browser.open(&format!("http://{listen}/"));
    assert_eq!(browser.ask("document.querySelector('meta[http-equiv=refresh]') !== null"), true);
    press(&mut browser, &good, "pause");
    wait_state(&worker, &good.connector, "PAUSED");
    // Clients of the API are not browsers.
    let json = worker.get("/").unwrap();
    assert!(
        json.content_type.starts_with("application/json") && json.json()["version"].is_string(),
        "{json:?}"
    );
}
