//! `/connector-plugins` over real sockets, beside what a Kafka Connect 4.1.0 worker answered to the same.
use std::sync::Arc;

use pumphouse_rest::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::worker::{Empty, config_of, loggers_of};

const JSON: &str = "content-type: application/json\r\n";

/// Status and body.
async fn ask(method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::bind(&config_of("listeners=http://127.0.0.1:0\n").unwrap()).await.unwrap();
    let address = server.address();
    let served = tokio::spawn(
        server.serve(Arc::new(Empty), loggers_of(&[]), async move { stopped.await.unwrap_or(()) }),
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    stop.send(()).unwrap();
    served.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // What reaches no resource comes without a type, as from Jersey.
    let typed = head.to_ascii_lowercase().contains("content-type: application/json");
    assert_eq!(typed, !matches!(status, 405 | 415), "{head}");
    (status, body.to_owned())
}

#[tokio::test]
async fn plugins_are_listed() {
    let version = env!("CARGO_PKG_VERSION");
    let sinks = format!(
        r#"[{{"class":"com.clickhouse.kafka.connect.ClickHouseSinkConnector","type":"sink","version":"{version}"}},{{"class":"pumphouse.ClickHouseSinkConnector","type":"sink","version":"{version}"}}"#
    );
    for path in ["/connector-plugins", "/connector-plugins/", "/connector-plugins?connectorsOnly=true"] {
        assert_eq!(ask("GET", path, "", "").await, (200, format!("{sinks}]")), "{path}");
    }
    // Jersey takes everything that is not `true` for false.
    for path in ["/connector-plugins?connectorsOnly=false", "/connector-plugins?connectorsOnly=x"] {
        let (status, body) = ask("GET", path, "", "").await;
        assert_eq!(status, 200);
        let json = format!(
            r#"{{"class":"org.apache.kafka.connect.json.JsonConverter","type":"converter","version":"{version}"}}"#
        );
        assert!(body.starts_with(&sinks) && body.contains(&json), "{body}");
    }
}

#[tokio::test]
async fn a_plugins_options_are_defined() {
    let (status, sink) = ask("GET", "/connector-plugins/ClickHouseSink/config", "", "").await;
    assert_eq!(status, 200);
    // The plugin's own options stand first, as in Kafka Connect.
    assert!(sink.starts_with(r#"[{"name":"hostname","type":"#), "{}", &sink[..60]);
    let (status, converter) = ask("GET", "/connector-plugins/JsonConverter/config", "", "").await;
    assert_eq!(status, 200);
    assert!(
        converter
            .contains(r#"{"name":"schemas.enable","type":"BOOLEAN","required":false,"default_value":"true""#)
    );
    let unknown = ask("GET", "/connector-plugins/no.such.Class/config", "", "").await;
    assert_eq!(unknown, (404, r#"{"error_code":404,"message":"Unknown plugin no.such.Class."}"#.to_owned()));
}

#[tokio::test]
async fn a_configuration_is_checked() {
    let path = "/connector-plugins/ClickHouseSinkConnector/config/validate";
    let config = r#"{"connector.class":"ClickHouseSink","name":"a","topics":null,"tasks.max":3,"hostname":"h","value.converter":"StringConverter","insertFormat":"JSON"}"#;
    let (status, body) = ask("PUT", path, JSON, config).await;
    assert_eq!(status, 200);
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let value = |name: &str| {
        let configs = answer["configs"].as_array().unwrap();
        configs.iter().find(|info| info["value"]["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(value("tasks.max")["value"], "3");
    let both = "Must configure one of topics or topics.regex";
    assert_eq!(
        value("topics")["errors"],
        serde_json::json!([both, "Null value can not be supplied as the configuration value."])
    );
    assert_eq!(value("topics.regex")["errors"], serde_json::json!([both]));
    assert_eq!(answer["error_count"], 3);
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused_as_kafka_connect_refuses_it() {
    let path = "/connector-plugins/ClickHouseSinkConnector/config/validate";
    for (body, status, message) in [
        (
            r#"{"connector.class":"FileStreamSourceConnector","name":"a"}"#,
            400,
            "Included connector type FileStreamSourceConnector does not match request type ClickHouseSinkConnector",
        ),
        (
            r#"{"name":"a"}"#,
            500,
            "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: Connector config {name=a} contains no connector type",
        ),
        ("", 500, "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null"),
    ] {
        let (answered, answer) = ask("PUT", path, JSON, body).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((answered, &answer["message"]), (status, &serde_json::json!(message)), "{body}");
    }
    assert_eq!(ask("PUT", path, JSON, "{bad").await.0, 500);
    let (status, body) = ask("PUT", path, "content-type: text/plain\r\n", "{}").await;
    assert_eq!(
        (status, body.as_str()),
        (415, r#"{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}"#)
    );
    let (status, body) = ask("POST", path, JSON, "{}").await;
    assert_eq!(
        (status, body.as_str()),
        (405, r#"{"error_code":405,"message":"HTTP 405 Method Not Allowed"}"#)
    );
}
