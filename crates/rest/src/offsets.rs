//! `/connectors/{name}/offsets`: shown, altered, reset, in the forms of Kafka Connect's sinks.
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::body::{self, Body};
use crate::connectors::not_found;
use crate::herder::{OffsetChange, PartitionOffset, Refusal};
use crate::routes::{Context, blocking};

const OFFSETS: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets";
const OFFSET: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset";

#[derive(Serialize)]
struct Offsets {
    offsets: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    partition: Partition,
    offset: Offset,
}

/// In the order in which Kafka Connect writes them.
#[derive(Serialize)]
struct Partition {
    kafka_partition: u32,
    kafka_topic: String,
}

#[derive(Serialize)]
struct Offset {
    kafka_offset: i64,
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

pub(crate) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let offsets = blocking(&context, move |herder| herder.offsets(&name)).await?;
    let entry = |PartitionOffset { topic, partition, offset }| Entry {
        partition: Partition { kafka_partition: partition, kafka_topic: topic },
        offset: Offset { kafka_offset: offset },
    };
    Ok(Json(Offsets { offsets: offsets.into_iter().map(entry).collect() }).into_response())
}

pub(crate) async fn alter(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let body = body.ok_or_else(|| body::null(&format!("{OFFSETS}.offsets()"), "offsets"))?;
    let asked = body::object(body, OFFSETS, &["offsets"])?.remove("offsets").unwrap_or(Value::Null);
    let asked = match asked {
        Value::Array(asked) if !asked.is_empty() => asked,
        _ => return Err(bad("Partitions / offsets need to be provided for an alter offsets request")),
    };
    if context.herder.connector(&name).is_none() {
        return Err(not_found(&name));
    }
    let asked: Vec<Map<String, Value>> = asked
        .into_iter()
        .map(|entry| body::object(entry, OFFSET, &["offset", "partition"]))
        .collect::<Result<_, _>>()?;
    // Kafka Connect looks at the connector's state before it looks into the partitions.
    let understood = asked.into_iter().map(understood).collect::<Result<BTreeMap<_, _>, _>>();
    let (change, refused) = match understood {
        Ok(change) => (change, None),
        Err(refusal) => (BTreeMap::new(), Some(refusal)),
    };
    blocking(&context, move |herder| herder.change_offsets(&name, OffsetChange::Alter(change))).await?;
    if let Some(refusal) = refused {
        return Err(refusal);
    }
    let message = "The offsets for this connector have been altered successfully";
    Ok(Json(Message { message }).into_response())
}

pub(crate) async fn reset(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    blocking(&context, move |herder| herder.change_offsets(&name, OffsetChange::Reset)).await?;
    let message = "The offsets for this connector have been reset successfully";
    Ok(Json(Message { message }).into_response())
}

fn bad(message: &str) -> Refusal {
    Refusal::new(400, message.to_owned())
}

fn understood(mut entry: Map<String, Value>) -> Result<((String, u32), Option<i64>), Refusal> {
    let Some(Value::Object(partition)) = entry.remove("partition") else {
        return Err(bad("The partition for a sink connector offset cannot be null or missing"));
    };
    let (Some(topic), Some(number)) = (partition.get("kafka_topic"), partition.get("kafka_partition")) else {
        let both = "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'";
        return Err(bad(both));
    };
    let Some(topic) = scalar(topic) else {
        return Err(bad("Kafka topic names must be valid strings and may not be null"));
    };
    let number = whole(number)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| cannot_parse("partition", "Partition", number))?;
    let offset = match entry.remove("offset") {
        None | Some(Value::Null) => None,
        Some(Value::Object(offset)) => {
            let Some(offset) = offset.get("kafka_offset") else {
                return Err(bad(
                    "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
                ));
            };
            Some(whole(offset).ok_or_else(|| cannot_parse("offset", "Offset", offset))?)
        }
        Some(other) => return Err(cannot_parse("offset", "Offset", &other)),
    };
    Ok(((topic, number), offset))
}

fn cannot_parse(what: &str, plural: &str, found: &Value) -> Refusal {
    let found = scalar(found).unwrap_or_else(|| found.to_string());
    bad(&format!(
        "Failed to parse the following Kafka {what} value in the provided offsets: '{found}'. {plural} values for sink \
         connectors need to be integers."
    ))
}

/// Numbers may be written as texts.
fn whole(value: &Value) -> Option<i64> {
    scalar(value)?.parse().ok()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
