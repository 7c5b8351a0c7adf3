//! What Kafka Connect and Debezium mean by the names of their schemas.
//! Source: `org.apache.kafka.connect.data`, `io.debezium.time` and `io.debezium.data`.
use crate::typed::{Meaning, Moment};

/// The struct of a scale and a whole number that Debezium writes where a column has no fixed scale.
pub(crate) const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

/// The name of a Connect schema whose bytes are a decimal; its scale is a parameter.
pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

/// The name of a schema whose texts hold JSON.
pub(crate) const JSON: &str = "io.debezium.data.Json";

/// What the numbers of a schema with this name count. `None` for every name whose values are just
/// the numbers, texts or bytes that they are, known (`io.debezium.time.ZonedTimestamp`,
/// `io.debezium.time.Year`, `io.debezium.data.Json`, ..) or not.
pub(crate) fn number_meaning(name: &str) -> Option<Meaning> {
    let moment = match name {
        "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date" => Moment::Date,
        "org.apache.kafka.connect.data.Time" | "io.debezium.time.Time" => Moment::TimeOfDay { precision: 3 },
        "io.debezium.time.MicroTime" => Moment::TimeOfDay { precision: 6 },
        "io.debezium.time.NanoTime" => Moment::TimeOfDay { precision: 9 },
        "org.apache.kafka.connect.data.Timestamp" | "io.debezium.time.Timestamp" => {
            Moment::Instant { precision: 3 }
        }
        "io.debezium.time.MicroTimestamp" => Moment::Instant { precision: 6 },
        "io.debezium.time.NanoTimestamp" => Moment::Instant { precision: 9 },
        _ => return None,
    };
    Some(Meaning::Moment(moment))
}
