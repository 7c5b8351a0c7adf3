//! A broker with one more listener, which asks who comes.
use pumphouse_testkit::{Kafka, KafkaOptions};

/// The listener `name` on `port` speaks `protocol` (such as `SASL_SSL`); `options` are its own, without its prefix.
pub fn broker_with(name: &str, protocol: &str, port: u16, options: &[(&str, String)]) -> Kafka {
    let own = format!("{name}://127.0.0.1:{port}");
    let mut all = KafkaOptions::default();
    for (option, value) in [
        (
            "listeners",
            format!("PLAINTEXT://127.0.0.1:{{port}},{own},CONTROLLER://127.0.0.1:{{controller_port}}"),
        ),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{{port}},{own}")),
        (
            "listener.security.protocol.map",
            format!("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{name}:{protocol}"),
        ),
    ] {
        all.properties.insert(option.to_owned(), value);
    }
    let prefix = format!("listener.name.{}", name.to_ascii_lowercase());
    for (option, value) in options {
        all.properties.insert(format!("{prefix}.{option}"), value.clone());
    }
    Kafka::start(all).unwrap()
}
