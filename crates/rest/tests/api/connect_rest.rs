//! The API over real sockets: status lines, content types and bodies, byte for byte.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use pumphouse_config::WorkerConfig;
use pumphouse_rest::{
    ConnectorState, ConnectorView, Herder, Loggers, OffsetChange, PartitionOffset, Process, Refusal, Restart,
    ServeError, Server, TargetState, WorkerView,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::worker::{Idle, config_of, loggers_of};

struct Worker;

impl WorkerView for Worker {
    fn process(&self) -> &dyn Process {
        &Idle
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
}

/// Takes what it is asked for as a fact, and says so in the view or the refusal.
impl Herder for Worker {
    fn create(
        &self,
        config: BTreeMap<String, String>,
        initial: TargetState,
    ) -> Result<ConnectorView, Refusal> {
        let name = config["name"].clone();
        if name == "bad" {
            return Err(Refusal::new(409, format!("Connector {name} already exists")));
        }
        let state = match initial {
            TargetState::Running => ConnectorState::Running,
            TargetState::Paused => ConnectorState::Paused,
            TargetState::Stopped => ConnectorState::Stopped,
        };
        let tasks = vec![state.clone()];
        Ok(ConnectorView { name, config, state, tasks })
    }

    fn put_config(
        &self,
        name: &str,
        config: BTreeMap<String, String>,
    ) -> Result<(ConnectorView, bool), Refusal> {
        let known = self.connector(name);
        let (state, tasks) = (ConnectorState::Running, Vec::new());
        Ok((ConnectorView { name: name.to_owned(), config, state, tasks }, known.is_none()))
    }

    fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorView, Refusal> {
        let mut view = self.connector(name).ok_or_else(|| Refusal::new(404, "none".to_owned()))?;
        for (option, value) in patch {
            view.config.insert(option, value.unwrap_or_else(|| "removed".to_owned()));
        }
        Ok(view)
    }

    fn delete(&self, name: &str) -> Result<(), Refusal> {
        self.connector(name).map(drop).ok_or_else(|| Refusal::new(404, "none".to_owned()))
    }

    fn set_target(&self, _: &str, target: TargetState) -> Result<(), Refusal> {
        Err(Refusal::new(404, format!("{target:?}")))
    }

    fn restart(&self, name: &str, what: Restart) -> Result<ConnectorView, Refusal> {
        let mut view = self.connector(name).ok_or_else(|| Refusal::new(404, "none".to_owned()))?;
        view.state = ConnectorState::Restarting;
        if what.include_tasks && !what.only_failed {
            view.tasks.fill(ConnectorState::Restarting);
        }
        Ok(view)
    }

    fn restart_task(&self, name: &str, task: usize) -> Result<(), Refusal> {
        if task == 0 { Ok(()) } else { Err(Refusal::new(404, format!("Unknown task: {name}-{task}"))) }
    }

    fn topics(&self, name: &str) -> Vec<String> {
        self.connector(name).map(|_| "orders".to_owned()).into_iter().collect()
    }

    fn reset_topics(&self, _: &str) {}

    fn offsets(&self, _: &str) -> Result<Vec<PartitionOffset>, Refusal> {
        Ok(vec![PartitionOffset { topic: "orders".to_owned(), partition: 3, offset: 42 }])
    }

    fn change_offsets(&self, _: &str, change: OffsetChange) -> Result<(), Refusal> {
        // The test sees what was understood.
        if change == OffsetChange::Reset { Ok(()) } else { Err(Refusal::new(500, format!("{change:?}"))) }
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

fn loggers() -> Arc<Loggers> {
    loggers_of(&[("root", "info"), ("pumphouse_worker", "debug"), ("pumphouse_worker::task", "warn")])
}

fn listening_on(address: &str) -> WorkerConfig {
    config_of(&format!("listeners=http://{address}\n")).unwrap()
}

async fn start() -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { stopped.await.unwrap_or(()) };
    let server = Server::bind(&listening_on("127.0.0.1:0")).await.unwrap();
    let address = server.address();
    let served = tokio::spawn(server.serve(Arc::new(Worker), loggers(), stopped));
    Running { address, stop, served }
}

/// Status line's code, content type, body.
async fn ask(method: &str, path: &str) -> (u16, String, String) {
    send(method, path, "", "").await
}

/// The same with more header lines and a body.
async fn send(method: &str, path: &str, headers: &str, body: &str) -> (u16, String, String) {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: h\r\n{headers}{length}connection: close\r\n\r\n{body}");
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

async fn json(method: &str, path: &str, body: &str) -> (u16, String) {
    let (code, _, body) = send(method, path, "content-type: application/json\r\n", body).await;
    (code, body)
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
        r#"{"name":"a b","connector":{"state":"RUNNING","worker_id":"127.0.0.1:8083","version":"0.1.0"},"tasks":["#,
        r#"{"id":0,"state":"RUNNING","worker_id":"127.0.0.1:8083","version":"0.1.0"},"#,
        r#"{"id":1,"state":"UNASSIGNED","worker_id":"127.0.0.1:8083","version":"0.1.0"}],"type":"sink"}"#
    );
    check("/connectors/a%20b/status", 200, running).await;
}

#[tokio::test]
async fn a_trace_is_there_only_where_something_failed() {
    let task_failed = concat!(
        r#"{"name":"bad","connector":{"state":"RUNNING","worker_id":"127.0.0.1:8083","version":"0.1.0"},"tasks":["#,
        r#"{"id":0,"state":"FAILED","worker_id":"127.0.0.1:8083","version":"0.1.0","trace":"X-001: \"why\"\nwhere"}],"#,
        r#""type":"sink"}"#
    );
    check("/connectors/bad/status", 200, task_failed).await;
    let connector_failed = concat!(
        r#"{"name":"dead","connector":{"state":"FAILED","worker_id":"127.0.0.1:8083","version":"0.1.0","trace":"X-002"},"#,
        r#""tasks":[],"type":"sink"}"#
    );
    check("/connectors/dead/status", 200, connector_failed).await;
    let stopped = r#"{"id":0,"state":"STOPPED","worker_id":"127.0.0.1:8083","version":"0.1.0"}"#;
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
    ] {
        check(path, 404, &format!("{{\"error_code\":404,\"message\":\"{message}\"}}")).await;
    }
}

#[tokio::test]
async fn what_reaches_no_resource_is_told_as_jersey_does() {
    let bare = |code: u16, reason: &str| {
        (code, String::new(), format!("{{\"error_code\":{code},\"message\":\"HTTP {code} {reason}\"}}"))
    };
    assert_eq!(ask("GET", "/nowhere").await, bare(404, "Not Found"));
    for (method, path) in [
        ("PUT", "/connectors"),
        ("POST", "/connectors/bad"),
        ("GET", "/connectors/bad/pause"),
        ("DELETE", "/"),
        ("OPTIONS", "/connectors"),
    ] {
        assert_eq!(ask(method, path).await, bare(405, "Method Not Allowed"), "{method} {path}");
    }
    let xml = send("GET", "/connectors", "accept: text/xml\r\n", "").await;
    assert_eq!(xml, bare(406, "Not Acceptable"));
    let text = send("POST", "/connectors", "content-type: text/plain\r\n", "{}").await;
    assert_eq!(text, bare(415, "Unsupported Media Type"));
}

#[tokio::test]
async fn a_connector_is_created_with_a_place_and_an_initial_state() {
    let (code, body) =
        json("POST", "/connectors", r#"{"name":" new ","config":{"tasks.max":2},"initial_state":"paused"}"#)
            .await;
    let info = concat!(
        r#"{"name":"new","config":{"name":"new","tasks.max":"2"},"tasks":[{"connector":"new","task":0}],"#,
        r#""type":"sink"}"#
    );
    assert_eq!((code, body.as_str()), (201, info));
    let taken = json("POST", "/connectors", r#"{"name":"bad","config":{}}"#).await;
    assert_eq!(taken, (409, r#"{"error_code":409,"message":"Connector bad already exists"}"#.to_owned()));
    let two = json("POST", "/connectors", r#"{"name":"a","config":{"name":"b"}}"#).await;
    let message = "Connector name configuration (b) doesn't match connector name in the URL (a)";
    assert_eq!(two, (400, format!("{{\"error_code\":400,\"message\":\"{message}\"}}")));
}

#[tokio::test]
async fn a_configuration_is_put_and_patched() {
    let (code, body) = json("PUT", "/connectors/a%20b/config", r#"{"ssl":false}"#).await;
    assert_eq!((code, body.contains(r#""config":{"name":"a b","ssl":"false"}"#)), (200, true), "{body}");
    assert_eq!(json("PUT", "/connectors/new/config", "{}").await.0, 201);
    let (code, body) = json("PATCH", "/connectors/bad/config", r#"{"x":1,"password":null}"#).await;
    assert_eq!((code, body.contains(r#""password":"removed","x":"1""#)), (200, true), "{body}");
    assert_eq!(ask("DELETE", "/connectors/bad").await, (204, String::new(), String::new()));
}

#[tokio::test]
async fn states_are_asked_for_and_restarts_answer_as_connect_does() {
    for (verb, target) in [("pause", "Paused"), ("resume", "Running"), ("stop", "Stopped")] {
        let (code, _, body) = ask("PUT", &format!("/connectors/bad/{verb}")).await;
        assert_eq!((code, body.contains(target)), (404, true), "{verb}: {body}");
    }
    assert_eq!(ask("POST", "/connectors/bad/restart").await, (204, String::new(), String::new()));
    let (code, _, body) = ask("POST", "/connectors/bad/restart?includeTasks=true").await;
    assert_eq!((code, body.matches("RESTARTING").count()), (202, 2), "{body}");
    let (code, _, body) = ask("POST", "/connectors/bad/restart?onlyFailed=True").await;
    assert_eq!((code, body.matches("RESTARTING").count()), (202, 1), "{body}");
    assert_eq!(ask("POST", "/connectors/bad/restart?includeTasks=perhaps").await.0, 204);
    assert_eq!(ask("POST", "/connectors/bad/tasks/0/restart").await.0, 204);
    let (code, _, body) = ask("POST", "/connectors/bad/tasks/-1/restart").await;
    assert_eq!((code, body.as_str()), (404, r#"{"error_code":404,"message":"Unknown task: bad--1"}"#));
}

#[tokio::test]
async fn topics_and_offsets_have_connects_forms() {
    check("/connectors/bad/topics", 200, r#"{"bad":{"topics":["orders"]}}"#).await;
    check("/connectors/no/topics", 200, r#"{"no":{"topics":[]}}"#).await;
    assert_eq!(ask("PUT", "/connectors/bad/topics/reset").await.0, 202);
    let offsets = r#"{"offsets":[{"partition":{"kafka_partition":3,"kafka_topic":"orders"},"offset":{"kafka_offset":42}}]}"#;
    check("/connectors/bad/offsets", 200, offsets).await;
    let (_, body) = json(
        "PATCH",
        "/connectors/bad/offsets",
        r#"{"offsets":[{"partition":{"kafka_topic":"t","kafka_partition":"1"},"offset":{"kafka_offset":"7"}},{"partition":{"kafka_topic":"t","kafka_partition":2},"offset":null}]}"#,
    )
    .await;
    assert!(body.contains(r#"(\"t\", 1): Some(7), (\"t\", 2): None"#), "{body}");
    let reset = r#"{"message":"The offsets for this connector have been reset successfully"}"#;
    assert_eq!(ask("DELETE", "/connectors/bad/offsets").await.2, reset);
}

#[tokio::test]
async fn levels_of_loggers_are_set_with_those_below() {
    let level = |level: &str| format!("{{\"level\":\"{level}\"}}");
    assert_eq!(
        json("PUT", "/admin/loggers/pumphouse_worker", &level("trace")).await,
        (200, r#"["pumphouse_worker","pumphouse_worker::task"]"#.to_owned())
    );
    assert_eq!(json("PUT", "/admin/loggers/root?scope=cluster", &level("warn")).await, (204, String::new()));
    let (code, body) = json("PUT", "/admin/loggers/root", &level("loud")).await;
    assert_eq!((code, body.as_str()), (404, r#"{"error_code":404,"message":"invalid log level 'LOUD'."}"#));
    check("/admin/loggers/pumphouse_worker", 200, r#"{"level":"DEBUG","last_modified":null}"#).await;
    check("/admin/loggers/no", 404, r#"{"error_code":404,"message":"Logger no not found."}"#).await;
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
    let Err(error) = Server::bind(&listening_on(&address)).await else { panic!("{address} was bound twice") };
    assert!(matches!(&error, ServeError::Bind { address: told, .. } if *told == address), "{error}");
    assert!(error.to_string().starts_with("REST-001: "), "{error}");
}
