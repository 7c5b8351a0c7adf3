//! The API over real sockets: status lines, content types and bodies, byte for byte.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use pumphouse_config::{ConfigError, ConfigInfos, RawConfig, WorkerConfig, parse_properties, validate};
use pumphouse_rest::{ConnectorState, ConnectorView, ServeError, Server, WorkerView};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

struct Worker;

impl WorkerView for Worker {
    fn worker_id(&self) -> String {
        "127.0.0.1:8083".to_owned()
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        Some("lkc-1".to_owned())
    }

    fn connectors(&self) -> Vec<String> {
        vec!["a b".to_owned(), "bad".to_owned()]
    }

    fn connector(&self, name: &str) -> Option<ConnectorView> {
        let config = BTreeMap::from([
            ("name".to_owned(), name.to_owned()),
            ("password".to_owned(), "********".to_owned()),
        ]);
        let (state, tasks) = match name {
            "a b" => (ConnectorState::Running, vec![ConnectorState::Running, ConnectorState::Unassigned]),
            "bad" => {
                (ConnectorState::Running, vec![ConnectorState::Failed("X-001: \"why\"\nwhere".to_owned())])
            }
            "dead" => (ConnectorState::Failed("X-002".to_owned()), vec![]),
            "still" => (ConnectorState::Stopped, vec![ConnectorState::Stopped]),
            _ => return None,
        };
        Some(ConnectorView { name: name.to_owned(), config, state, tasks })
    }

    fn validate(&self, config: &RawConfig, further: Vec<ConfigError>) -> ConfigInfos {
        let file = parse_properties(b"bootstrap.servers=k:9092\n").unwrap();
        validate(config, &WorkerConfig::from_raw(&file).unwrap(), further)
    }

    fn metrics_text(&self) -> String {
        "# TYPE up gauge\nup 1\n# EOF\n".to_owned()
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

async fn start() -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { stopped.await.unwrap_or(()) };
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let served = tokio::spawn(server.serve(Arc::new(Worker), stopped));
    Running { address, stop, served }
}

/// Status line's code, content type, body.
async fn ask(method: &str, path: &str) -> (u16, String, String) {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    server.stop.send(()).unwrap();
    server.served.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (code, kind.to_owned(), body.to_owned())
}

async fn check(path: &str, code: u16, body: &str) {
    assert_eq!(ask("GET", path).await, (code, "application/json".to_owned(), body.to_owned()), "{path}");
}

#[tokio::test]
async fn the_worker_says_who_it_is() {
    let (code, _, body) = ask("GET", "/").await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(code, 200);
    assert!(body.starts_with(&format!("{{\"version\":\"{version}\",\"commit\":\"")), "{body}");
    assert!(body.ends_with("\",\"kafka_cluster_id\":\"lkc-1\"}"), "{body}");
}

#[tokio::test]
async fn health_is_kafka_connects() {
    let body =
        r#"{"status":"healthy","message":"Worker has completed startup and is ready to handle requests."}"#;
    check("/health", 200, body).await;
}

#[tokio::test]
async fn connectors_are_listed_and_expanded() {
    check("/connectors", 200, r#"["a b","bad"]"#).await;
    check("/connectors/", 200, r#"["a b","bad"]"#).await;
    let (_, _, body) = ask("GET", "/connectors?expand=status&expand=info").await;
    let expanded: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_str(&body).unwrap();
    assert_eq!(expanded.keys().collect::<Vec<_>>(), ["a b", "bad"]);
    assert_eq!(expanded["bad"].keys().collect::<Vec<_>>(), ["info", "status"]);
    assert_eq!(expanded["a b"]["status"]["tasks"][1]["state"], "UNASSIGNED");
    check("/connectors?expand=nothing", 200, r#"{"a b":{},"bad":{}}"#).await;
}

#[tokio::test]
async fn status_has_kafka_connects_fields_in_their_order() {
    let running = concat!(
        r#"{"name":"a b","connector":{"state":"RUNNING","worker_id":"127.0.0.1:8083"},"tasks":["#,
        r#"{"id":0,"state":"RUNNING","worker_id":"127.0.0.1:8083"},"#,
        r#"{"id":1,"state":"UNASSIGNED","worker_id":"127.0.0.1:8083"}],"type":"sink"}"#
    );
    check("/connectors/a%20b/status", 200, running).await;
}

#[tokio::test]
async fn a_trace_is_there_only_where_something_failed() {
    let task_failed = concat!(
        r#"{"name":"bad","connector":{"state":"RUNNING","worker_id":"127.0.0.1:8083"},"tasks":["#,
        r#"{"id":0,"state":"FAILED","worker_id":"127.0.0.1:8083","trace":"X-001: \"why\"\nwhere"}],"#,
        r#""type":"sink"}"#
    );
    check("/connectors/bad/status", 200, task_failed).await;
    let connector_failed = concat!(
        r#"{"name":"dead","connector":{"state":"FAILED","worker_id":"127.0.0.1:8083","trace":"X-002"},"#,
        r#""tasks":[],"type":"sink"}"#
    );
    check("/connectors/dead/status", 200, connector_failed).await;
    let stopped = r#"{"id":0,"state":"STOPPED","worker_id":"127.0.0.1:8083"}"#;
    check("/connectors/still/tasks/0/status", 200, stopped).await;
}

#[tokio::test]
async fn a_connectors_configuration_and_tasks() {
    let config = r#"{"name":"bad","password":"********"}"#;
    check("/connectors/bad/config", 200, config).await;
    let info = r#"{"name":"bad","config":{"name":"bad","password":"********"},"tasks":[{"connector":"bad","task":0}],"type":"sink"}"#;
    check("/connectors/bad", 200, info).await;
    let tasks = r#"[{"id":{"connector":"bad","task":0},"config":{"name":"bad","password":"********"}}]"#;
    check("/connectors/bad/tasks", 200, tasks).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_kafka_connects_words() {
    for (path, message) in [
        ("/connectors/no", "Connector no not found"),
        ("/connectors/no/config", "Connector no not found"),
        ("/connectors/no/tasks", "Connector no not found"),
        ("/connectors/no/status", "No status found for connector no"),
        ("/connectors/bad/tasks/1/status", "No status found for task bad-1"),
        ("/connectors/bad/tasks/x/status", "HTTP 404 Not Found"),
        ("/nowhere", "HTTP 404 Not Found"),
    ] {
        check(path, 404, &format!("{{\"error_code\":404,\"message\":\"{message}\"}}")).await;
    }
}

#[tokio::test]
async fn what_this_version_does_not_do_is_not_allowed() {
    for (method, path) in
        [("POST", "/connectors"), ("DELETE", "/connectors/bad"), ("PUT", "/connectors/bad/config")]
    {
        let body = r#"{"error_code":405,"message":"HTTP 405 Method Not Allowed"}"#;
        assert_eq!(
            ask(method, path).await,
            (405, "application/json".to_owned(), body.to_owned()),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn metrics_are_text() {
    let (code, kind, body) = ask("GET", "/metrics").await;
    assert_eq!((code, body.as_str()), (200, "# TYPE up gauge\nup 1\n# EOF\n"));
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

#[tokio::test]
async fn a_taken_address_is_told_by_name() {
    let server = start().await;
    let address = server.address.to_string();
    let Err(error) = Server::bind(&address).await else { panic!("{address} was bound twice") };
    let ServeError::Bind { address: told, .. } = &error;
    assert_eq!(*told, address);
    assert!(error.to_string().starts_with("REST-001: "), "{error}");
}
