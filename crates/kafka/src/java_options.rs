//! The operator's options, named as Kafka's Java client and Kafka Connect name them, as settings of
//! librdkafka. Nothing is dropped in silence: an option is passed on, translated, said to have no
//! effect, or refused.
mod rules;
mod sasl;
mod tls;

use std::collections::BTreeMap;

use crate::error::KafkaError;
use crate::settings::Settings;
use rules::RULES;
use rules::Rule::{Connection, ConnectionAs, Consumer, ConsumerAs, Ignored, Only, Own, Refused};

/// What the operator's options become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// For [`Consumer`](crate::Consumer) and [`RangeReader`](crate::RangeReader).
    pub consumer: Settings,
    /// For [`LedgerProducer`](crate::LedgerProducer) and [`Admin`](crate::Admin): what concerns the
    /// connection only.
    pub connection: Settings,
    /// Options without an effect here, each with the reason; to be logged once at the start.
    pub ignored: Vec<(String, &'static str)>,
}

/// What a member of the classic protocol chooses by itself.
const BROKERS_OWN: [&str; 3] =
    ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"];

/// Translates the options of a consumer: a Kafka Connect worker's `consumer.*` (prefix taken off)
/// over its own connection options, and a connector's `consumer.override.*` over both.
/// Errors: `OptionUnsupported` names the first option that cannot be honoured.
pub fn client_settings(options: &BTreeMap<String, String>) -> Result<ClientOptions, KafkaError> {
    let mut done = ClientOptions::default();
    let speaks_tls = tls::is_spoken(options);
    for (name, value) in options {
        // A worker's file has them for its https listeners, too, whatever is spoken to Kafka.
        if name.starts_with("ssl.") && !speaks_tls {
            done.ignored.push((name.clone(), tls::NOT_SPOKEN));
            continue;
        }
        let rule = RULES.iter().find(|(known, _)| known == name).map(|(_, rule)| rule);
        let refused = |advice: &str| Err(unsupported(name, advice));
        match rule {
            None => {
                return refused("it is not an option of a Kafka consumer known here: remove it");
            }
            Some(Connection) => done.connect(name, value),
            Some(ConnectionAs(other)) => done.connect(other, value),
            Some(Consumer) => done.consume(name, value),
            Some(ConsumerAs(other)) => done.consume(other, value),
            Some(Ignored(reason)) => done.ignored.push((name.clone(), reason)),
            Some(Refused(advice)) => return refused(advice),
            Some(Only(needed)) if value == needed => {}
            Some(Only(needed)) => return refused(&format!("only {needed} is possible")),
            Some(Own) => own(&mut done, name, value, options)?,
        }
    }
    if done.consumer.get("group.protocol").is_some_and(|protocol| protocol == "consumer") {
        for name in BROKERS_OWN {
            if done.consumer.remove(name).is_some() {
                done.ignored.push((name.to_owned(), "with group.protocol=consumer the brokers decide it"));
            }
        }
    }
    Ok(done)
}

impl ClientOptions {
    fn connect(&mut self, name: &str, value: &str) {
        self.connection.insert(name.to_owned(), value.to_owned());
        self.consume(name, value);
    }

    fn consume(&mut self, name: &str, value: &str) {
        self.consumer.insert(name.to_owned(), value.to_owned());
    }
}

fn unsupported(name: &str, advice: &str) -> KafkaError {
    KafkaError::OptionUnsupported { name: name.to_owned(), advice: advice.to_owned() }
}

fn own(
    done: &mut ClientOptions,
    name: &str,
    value: &str,
    all: &BTreeMap<String, String>,
) -> Result<(), KafkaError> {
    let refused = |advice: &str| Err(unsupported(name, advice));
    match name {
        _ if name.starts_with("ssl.") => return tls::own(done, name, value, all),
        _ if name.starts_with("sasl.") => return sasl::own(done, name, value, all),
        // -1 is Java's "the system's default", which is 0 here.
        "send.buffer.bytes" | "receive.buffer.bytes" => {
            done.connect(&format!("socket.{name}"), if value == "-1" { "0" } else { value });
        }
        "partition.assignment.strategy" => done.consume(name, &strategies(value)?),
        // Java takes it in any case.
        "group.protocol" => match value.trim().to_ascii_lowercase().as_str() {
            protocol @ ("classic" | "consumer") => done.consume(name, protocol),
            _ => return refused("there are classic and consumer"),
        },
        other => unreachable!("{other} has a rule of its own but no translation"),
    }
    Ok(())
}

const STRATEGY: &str = "partition.assignment.strategy";

/// Java's assignor classes, or librdkafka's names.
fn strategies(value: &str) -> Result<String, KafkaError> {
    let translate = |class: &str| match class.rsplit('.').next().unwrap_or(class) {
        "RangeAssignor" | "range" => Ok("range"),
        "RoundRobinAssignor" | "roundrobin" => Ok("roundrobin"),
        // Java's default list is range, then cooperative: range is what a mixed group would use.
        "CooperativeStickyAssignor" if value.contains("RangeAssignor") => Ok("range"),
        "CooperativeStickyAssignor" | "cooperative-sticky" => Ok("cooperative-sticky"),
        other => Err(unsupported(
            STRATEGY,
            &format!(
                "there is no {other}: use RangeAssignor, RoundRobinAssignor or CooperativeStickyAssignor"
            ),
        )),
    };
    let mut names: Vec<&str> =
        value.split(',').map(|class| translate(class.trim())).collect::<Result<_, _>>()?;
    names.dedup();
    if names.len() > 1 && names.contains(&"cooperative-sticky") {
        let why = "CooperativeStickyAssignor stands alone: all members of a group change to it at once";
        return Err(unsupported(STRATEGY, why));
    }
    Ok(names.join(","))
}

#[cfg(test)]
mod tests;
