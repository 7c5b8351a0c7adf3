//! Servers that misbehave: refused, silent, broken, wrong, behind. Each is a thread that answers HTTP.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pumphouse_registry::{Authentication, Registry, RegistryError, RegistrySettings, Remedy, Secret};
use pumphouse_types::{RegisteredSchema, SchemaId};

/// Status and body for a path; `None`: the connection is closed without an answer.
type Answers = dyn Fn(&str, usize) -> Option<(u16, String)> + Send + Sync;

struct Fake {
    url: String,
    /// Head of every request.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `answers` sees the path and how many requests came before.
    fn start(answers: impl Fn(&str, usize) -> Option<(u16, String)> + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, answers): (_, Arc<Answers>) = (Arc::clone(&requests), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, answers) = (Arc::clone(&heard), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &heard, &*answers));
            }
        });
        Fake { url, requests }
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, heard: &Mutex<Vec<String>>, answers: &Answers) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let before = {
        let mut heard = heard.lock().unwrap();
        heard.push(head);
        heard.len() - 1
    };
    let (status, body) = answers(&path, before)?;
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").ok()
}

fn settings(urls: &[&Fake]) -> RegistrySettings {
    RegistrySettings {
        request_timeout: Duration::from_millis(500),
        retries_max: 1,
        retry_wait: Duration::from_millis(10),
        ..RegistrySettings::new(urls.iter().map(|fake| fake.url.clone()).collect())
    }
}

fn ask(registry: &Registry, id: u32) -> Result<Arc<RegisteredSchema>, RegistryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(registry.schema(SchemaId(id), None))
}

fn ask_once(settings: RegistrySettings, id: u32) -> Result<Arc<RegisteredSchema>, RegistryError> {
    ask(&Registry::new(settings).unwrap(), id)
}

fn schema(text: &str) -> Option<(u16, String)> {
    Some((200, format!("{{\"schema\":{text:?}}}")))
}

fn missing() -> Option<(u16, String)> {
    Some((404, r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned()))
}

fn gone() -> Fake {
    // Bound, its port known, and closed again.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    Fake { url, requests: Arc::default() }
}

#[test]
fn a_schema_is_asked_for_once_and_kept() {
    let fake = Fake::start(|_, _| schema("\"int\""));
    let registry = Registry::new(settings(&[&fake])).unwrap();
    assert!(registry.cached(SchemaId(7)).is_none());
    for _ in 0..3 {
        assert_eq!(ask(&registry, 7).unwrap().text, "\"int\"");
    }
    assert_eq!(fake.count(), 1);
    assert!(registry.cached(SchemaId(7)).is_some());
    assert!(fake.requests.lock().unwrap()[0].starts_with("GET /schemas/ids/7?fetchMaxId=false HTTP/1.1\r\n"));
}

#[test]
fn the_subject_travels_where_it_is_known() {
    let fake = Fake::start(|_, _| schema("\"int\""));
    let registry = Registry::new(settings(&[&fake])).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(registry.schema(SchemaId(7), Some(":.ctx:a b-value"))).unwrap();
    let head = fake.requests.lock().unwrap()[0].clone();
    assert!(head.contains("&subject=%3A%2Ectx%3Aa%20b%2Dvalue "), "{head}");
}

#[test]
fn another_server_answers_for_one_that_is_gone_and_is_asked_first_from_then_on() {
    let (dead, fake) = (gone(), Fake::start(|_, _| schema("\"int\"")));
    let registry = Registry::new(settings(&[&dead, &fake])).unwrap();
    ask(&registry, 1).unwrap();
    ask(&registry, 2).unwrap();
    assert_eq!(fake.count(), 2);
}

#[test]
fn errors_of_the_server_are_tried_again() {
    let fake = Fake::start(|_, before| match before {
        0 => Some((503, "busy".to_owned())),
        _ => schema("\"int\""),
    });
    ask_once(settings(&[&fake]), 1).unwrap();
    let closing = Fake::start(|_, before| if before == 0 { None } else { schema("\"int\"") });
    ask_once(settings(&[&closing]), 1).unwrap();
}

#[test]
fn a_registry_that_cannot_be_reached_is_asked_again_by_the_caller() {
    let (dead, silent) = (gone(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mute = Fake { url: format!("http://{}", silent.local_addr().unwrap()), requests: Arc::default() };
    let begun = Instant::now();
    let error = ask_once(settings(&[&dead, &mute]), 1).unwrap_err();
    assert_eq!(error.remedy(), Remedy::AskAgain);
    assert!(error.to_string().starts_with("REGISTRY-001: "), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_schema_does_not_exist_only_if_every_server_says_so() {
    let (behind, ahead) = (Fake::start(|_, _| missing()), Fake::start(|_, _| schema("\"int\"")));
    ask_once(settings(&[&behind, &ahead]), 1).unwrap();
    let error = ask_once(settings(&[&behind, &gone()]), 1).unwrap_err();
    assert_eq!(error.remedy(), Remedy::AskAgain, "{error}");
    let error = ask_once(settings(&[&behind, &Fake::start(|_, _| missing())]), 1).unwrap_err();
    assert_eq!(
        (error.remedy(), error.to_string().as_str()),
        (Remedy::BadRecord, "REGISTRY-002: schema 1 does not exist")
    );
}

#[test]
fn that_a_schema_does_not_exist_is_believed_for_a_while() {
    let fake = Fake::start(|_, before| if before == 0 { missing() } else { schema("\"int\"") });
    let patient = RegistrySettings { missing_for: Duration::from_secs(60), ..settings(&[&fake]) };
    let registry = Registry::new(patient).unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&registry, 1).unwrap_err().remedy(), Remedy::BadRecord);
    }
    assert_eq!(fake.count(), 1);
    let impatient = RegistrySettings { missing_for: Duration::ZERO, ..settings(&[&fake]) };
    ask_once(impatient, 1).unwrap();
}

#[test]
fn what_is_no_registry_makes_no_record_bad() {
    for (status, body) in [(404, "<html>"), (200, "<html>"), (301, ""), (400, "{}")] {
        let fake = Fake::start(move |_, _| Some((status, body.to_owned())));
        let error = ask_once(settings(&[&fake]), 1).unwrap_err();
        assert_eq!(error.remedy(), Remedy::AskAgain);
        assert!(error.to_string().starts_with("REGISTRY-004: "), "{error}");
    }
    let endless = Fake::start(|_, _| Some((200, " ".repeat(9 << 20))));
    assert_eq!(ask_once(settings(&[&endless]), 1).unwrap_err().remedy(), Remedy::AskAgain);
}

#[test]
fn credentials_travel_in_the_header_and_never_in_messages() {
    let fake = Fake::start(|_, _| Some((401, r#"{"error_code":401,"message":"no"}"#.to_owned())));
    let with = |authentication| RegistrySettings { authentication, ..settings(&[&fake]) };
    let basic = Authentication::Basic { user: "alice".to_owned(), password: Secret::new("hunter2") };
    let in_url = RegistrySettings {
        urls: vec![fake.url.replace("http://", "http://alice:hunter2@")],
        ..settings(&[&fake])
    };
    for settings in [with(basic), with(Authentication::Bearer(Secret::new("hunter2"))), in_url] {
        assert!(!format!("{:?}", settings.authentication).contains("hunter2"));
        let error = ask_once(settings, 1).unwrap_err();
        assert_eq!(error.remedy(), Remedy::AskAgain);
        assert!(error.to_string().starts_with("REGISTRY-003: "), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let heads = fake.requests.lock().unwrap().join("");
    assert!(heads.contains("authorization: Basic YWxpY2U6aHVudGVyMg==\r\n"), "{heads}");
    assert!(heads.contains("authorization: Bearer hunter2\r\n"), "{heads}");
    assert_eq!(heads.matches("authorization: Basic").count(), 4);
}

#[test]
fn references_come_before_what_needs_them_each_once() {
    let fake = Fake::start(|path, _| {
        let needs = |names: &[&str]| {
            let one = |name: &&str| format!(r#"{{"name":"{name}","subject":"s {name}","version":2}}"#);
            names.iter().map(one).collect::<Vec<_>>().join(",")
        };
        let (text, names) = match path {
            "/schemas/ids/1?fetchMaxId=false" => ("root", needs(&["a", "b"])),
            "/subjects/s%20a/versions/2?deleted=true" => ("A", needs(&["c"])),
            "/subjects/s%20b/versions/2?deleted=true" => ("B", needs(&["c", "a"])),
            // It needs itself and one that needs it.
            "/subjects/s%20c/versions/2?deleted=true" => ("C", needs(&["c", "a"])),
            _ => return missing(),
        };
        Some((200, format!(r#"{{"schema":"{text}","schemaType":"PROTOBUF","references":[{names}]}}"#)))
    });
    let schema = ask_once(settings(&[&fake]), 1).unwrap();
    let names: Vec<_> = schema.references.iter().map(|r| (r.name.as_str(), r.text.as_str())).collect();
    assert_eq!(names, [("c", "C"), ("a", "A"), ("b", "B")]);
    assert_eq!(fake.count(), 4);
}

#[test]
fn a_schema_whose_references_are_missing_or_without_end_is_not_complete() {
    let needs = |name: String| {
        let reference = format!(r#"{{"name":"{name}","subject":"{name}","version":1}}"#);
        Some((200, format!(r#"{{"schema":"x","references":[{reference}]}}"#)))
    };
    let lost = Fake::start(move |path, _| match path {
        "/schemas/ids/1?fetchMaxId=false" => needs("lost".to_owned()),
        _ => Some((404, r#"{"error_code":40402,"message":"Version not found"}"#.to_owned())),
    });
    let endless = Fake::start(move |_, before| needs(format!("n{before}")));
    for fake in [lost, endless] {
        let error = ask_once(settings(&[&fake]), 1).unwrap_err();
        assert_eq!(error.remedy(), Remedy::BadRecord);
        assert!(error.to_string().starts_with("REGISTRY-006: "), "{error}");
    }
}
