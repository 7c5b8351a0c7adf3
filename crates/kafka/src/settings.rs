//! librdkafka settings of each kind of client: what is forced, what is a default.
use std::collections::BTreeMap;

use crate::error::KafkaError;
use crate::workers_group::WorkersGroupSettings;

/// librdkafka settings by name, as the operator's options were mapped
/// ([`client_settings`](crate::client_settings)).
pub type Settings = BTreeMap<String, String>;

/// Every client.
const COMMON_DEFAULTS: &[(&str, &str)] = &[("client.id", "pumphouse")];

/// Consumers and readers. The queue and fetch limits bound a task's memory. How long a full queue is not fetched for
/// (librdkafka: 1000 ms) is what a consumer with such small queues is held up by.
const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    ("fetch.queue.backoff.ms", "2"),
    ("queued.min.messages", "20000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.max.bytes", "4194304"),
    ("max.partition.fetch.bytes", "262144"),
];

/// Members. How long a broker waits that has nothing (librdkafka: 500 ms): it answers one fetch after the other, so one
/// that asks only for partitions that are read to their end keeps those waiting whose queues were full at that moment.
/// That happens with a single topic, too: librdkafka looks at one partition after the other, and a queue empties meanwhile.
const MEMBER_DEFAULTS: &[(&str, &str)] = &[("fetch.wait.max.ms", "20")];

/// How often a classic member says that it lives (librdkafka, and Java: 3 s). The answer tells it that somebody joins or has
/// left, so that a task which begins a moment after another one has its share this soon. librdkafka looks every half second
/// whether one is due.
const HEARTBEAT_MS: u64 = 400;

/// Consumers and readers. Offsets are the ledger's alone to commit and to choose; an end-of-partition
/// event would move the position one past the end, and a record would be skipped.
const CONSUMER_FORCED: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
];

/// What only a member has; other consumers of the same options are none.
const MEMBERS_ONLY: [&str; 3] = ["group.protocol", "group.remote.assignor", STRATEGY];
const STRATEGY: &str = "partition.assignment.strategy";

/// How a group spreads its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Classic: everybody gives up everything, then all is dealt anew.
    Eager,
    /// Classic: a member gives up what goes to another one, and keeps the rest.
    Cooperative,
    /// KIP-848: the brokers deal, and what moves is given up, as above. Members are dynamic: a static one
    /// would wait for its predecessor's session.
    Brokers,
}

/// Whether a member with these options keeps partitions over rebalances, while generations follow one another.
pub fn rebalances_incrementally(given: &Settings) -> bool {
    matches!(protocol(given), Ok(Protocol::Cooperative | Protocol::Brokers))
}

/// The protocol that a member's options ask for.
pub(crate) fn protocol(given: &Settings) -> Result<Protocol, KafkaError> {
    let unknown =
        |name: &str, advice: String| Err(KafkaError::OptionUnsupported { name: name.to_owned(), advice });
    match given.get("group.protocol").map_or("classic", String::as_str) {
        "consumer" => return Ok(Protocol::Brokers),
        "classic" => {}
        other => return unknown("group.protocol", format!("{other} is none: use classic or consumer")),
    }
    let strategies: Vec<&str> =
        given.get(STRATEGY).map_or("range", String::as_str).split(',').map(str::trim).collect();
    match strategies.as_slice() {
        ["cooperative-sticky"] => Ok(Protocol::Cooperative),
        eager if eager.iter().all(|name| matches!(*name, "range" | "roundrobin")) => Ok(Protocol::Eager),
        _ => unknown(STRATEGY, "use range, roundrobin or both, or cooperative-sticky alone".to_owned()),
    }
}

/// The ledger's producer. The broker ends a transaction that its owner left open after ten seconds;
/// librdkafka's retry back-off is on the way of every ledger write, because the second transaction
/// is begun before the broker has written the markers of the first.
const LEDGER_FORCED: &[(&str, &str)] = &[
    ("transaction.timeout.ms", "10000"),
    ("enable.idempotence", "true"),
    ("retry.backoff.ms", "1"),
    ("retry.backoff.max.ms", "50"),
];

/// The ledger's producer: records go out at once, and one whose topic does not exist fails before
/// the transaction does.
/// Sizes are checked by the letters themselves and by each write, against limits below this one.
const LEDGER_DEFAULTS: &[(&str, &str)] = &[
    ("linger.ms", "0"),
    ("topic.metadata.propagation.max.ms", "3000"),
    ("message.max.bytes", MESSAGE_BYTES_MAX),
];

/// Above [`WRITE_RECORD_BYTES_MAX`](crate::WRITE_RECORD_BYTES_MAX): librdkafka must never be what
/// refuses a record in the middle of a transaction.
const MESSAGE_BYTES_MAX: &str = "20000000";

/// A group member's settings.
pub(crate) fn member(given: &Settings, group: &str, instance: Option<&str>) -> Result<Settings, KafkaError> {
    let protocol = protocol(given)?;
    let mut settings = consumer(given, group)?;
    // Else a topic that was not there when the group was joined is looked for every five minutes only. What is
    // known of topics is kept as long as before.
    defaults(
        &mut settings,
        &[("topic.metadata.refresh.interval.ms", "10000"), ("metadata.max.age.ms", "900000")],
    );
    defaults(&mut settings, MEMBER_DEFAULTS);
    match protocol {
        Protocol::Eager | Protocol::Cooperative => {
            let strategy = given.get(STRATEGY).map_or("range,roundrobin", String::as_str);
            settings.insert(STRATEGY.to_owned(), strategy.to_owned());
            let session_ms = settings.get("session.timeout.ms").and_then(|text| text.trim().parse().ok());
            let heartbeat_ms = session_ms.map_or(HEARTBEAT_MS, |ms: u64| HEARTBEAT_MS.min(ms / 3));
            defaults(&mut settings, &[("heartbeat.interval.ms", &heartbeat_ms.to_string())]);
            if let Some(instance) = instance {
                force(&mut settings, &[("group.instance.id", instance)])?;
            }
        }
        Protocol::Brokers => {
            settings.insert("group.protocol".to_owned(), "consumer".to_owned());
            let assignor = given.get("group.remote.assignor");
            settings.extend(assignor.map(|name| ("group.remote.assignor".to_owned(), name.clone())));
        }
    }
    Ok(settings)
}

/// The settings of a consumer that joins no group.
pub(crate) fn consumer(given: &Settings, group: &str) -> Result<Settings, KafkaError> {
    let mut settings = given.clone();
    settings.retain(|name, _| !MEMBERS_ONLY.contains(&name.as_str()));
    defaults(&mut settings, COMMON_DEFAULTS);
    defaults(&mut settings, CONSUMER_DEFAULTS);
    force(&mut settings, CONSUMER_FORCED)?;
    force(&mut settings, &[("group.id", group)])?;
    Ok(settings)
}

/// The settings of a worker in the workers' group. Only tasks that move stop, so the protocol is the
/// cooperative one; the poll interval is also how long the group waits for a member in a rebalance.
pub(crate) fn worker(given: &Settings, group: &WorkersGroupSettings) -> Result<Settings, KafkaError> {
    let mut settings = consumer(given, &group.group)?;
    let session = group.session_timeout_ms;
    let own = [
        ("group.instance.id", group.instance.clone()),
        ("group.protocol", "classic".to_owned()),
        ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
        ("session.timeout.ms", session.to_string()),
        ("heartbeat.interval.ms", group.heartbeat_interval_ms.to_string()),
        ("max.poll.interval.ms", group.rebalance_timeout_ms.max(session).to_string()),
    ];
    settings.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Ok(settings)
}

/// The ledger's producer's settings.
pub(crate) fn ledger(given: &Settings, transactional_id: &str) -> Result<Settings, KafkaError> {
    let mut settings = given.clone();
    defaults(&mut settings, COMMON_DEFAULTS);
    defaults(&mut settings, LEDGER_DEFAULTS);
    force(&mut settings, LEDGER_FORCED)?;
    force(&mut settings, &[("transactional.id", transactional_id)])?;
    Ok(settings)
}

/// The settings of a handle that only asks questions.
pub(crate) fn admin(given: &Settings) -> Settings {
    let mut settings = given.clone();
    defaults(&mut settings, COMMON_DEFAULTS);
    settings
}

fn defaults(settings: &mut Settings, values: &[(&str, &str)]) {
    for (name, value) in values {
        settings.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
    }
}

fn force(settings: &mut Settings, values: &[(&str, &str)]) -> Result<(), KafkaError> {
    for (name, needed) in values {
        let had = settings.insert((*name).to_owned(), (*needed).to_owned());
        if had.is_some_and(|had| had != *needed) {
            return Err(KafkaError::SettingForced { name: (*name).to_owned(), needed: (*needed).to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, value: &str) -> Settings {
        Settings::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_the_protocol_needs_cannot_be_changed() {
        for (name, value) in [
            ("enable.auto.commit", "true"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_uncommitted"),
        ] {
            let refused = member(&given(name, value), "g", None).unwrap_err();
            assert!(matches!(refused, KafkaError::SettingForced { name: n, .. } if n == name));
        }
        assert!(ledger(&given("transaction.timeout.ms", "60000"), "t").is_err());
    }

    #[test]
    fn the_producer_takes_every_record_that_a_write_takes() {
        let most: usize = MESSAGE_BYTES_MAX.parse().unwrap();
        assert!(most > crate::WRITE_RECORD_BYTES_MAX + 1_000_000);
    }

    #[test]
    fn defaults_give_way() {
        let settings = member(&given("fetch.max.bytes", "1000000"), "g", Some("i")).unwrap();
        assert_eq!(settings["fetch.max.bytes"], "1000000");
        assert_eq!(settings["fetch.queue.backoff.ms"], "2");
        assert_eq!(settings["fetch.wait.max.ms"], "20");
        assert_eq!(settings["group.instance.id"], "i");
        assert_eq!(settings["heartbeat.interval.ms"], "400");
        let short = member(&given("session.timeout.ms", "900"), "g", None).unwrap();
        assert_eq!(short["heartbeat.interval.ms"], "300");
    }

    #[test]
    fn a_member_speaks_the_protocol_that_its_options_say() {
        let of = |name: &str, value: &str| protocol(&given(name, value));
        assert_eq!(protocol(&Settings::new()), Ok(Protocol::Eager));
        assert_eq!(of(STRATEGY, "range,roundrobin"), Ok(Protocol::Eager));
        assert_eq!(of(STRATEGY, "cooperative-sticky"), Ok(Protocol::Cooperative));
        assert_eq!(of("group.protocol", "consumer"), Ok(Protocol::Brokers));
        assert!(of(STRATEGY, "range,cooperative-sticky").is_err());
        assert!(of("group.protocol", "share").is_err());
        let dynamic = member(&given("group.protocol", "consumer"), "g", Some("i")).unwrap();
        assert!(!dynamic.contains_key("group.instance.id") && !dynamic.contains_key(STRATEGY));
        assert!(!dynamic.contains_key("heartbeat.interval.ms"), "librdkafka refuses it there");
        // Who only reads is in no group.
        assert!(!consumer(&given("group.protocol", "consumer"), "g").unwrap().contains_key("group.protocol"));
    }
}
