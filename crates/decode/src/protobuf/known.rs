//! Types that Google and Confluent define, and that mean more than their fields. No registry keeps
//! them: every Protobuf library brings them along.

/// What a message of such a type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Seconds and nanoseconds since 1970.
    Timestamp,
    /// Seconds and nanoseconds.
    Duration,
    /// One value that may be absent.
    Wrapper,
    /// Year, month and day.
    Date,
    /// Hours, minutes, seconds, nanoseconds.
    TimeOfDay,
    /// Confluent's decimal: bytes, precision, scale.
    Decimal,
    /// A JSON object.
    Struct,
    /// Any JSON value.
    Value,
    /// A JSON list.
    ListValue,
}

/// By full name.
pub(super) fn known(name: &str) -> Option<Known> {
    Some(match name {
        "google.protobuf.Timestamp" => Known::Timestamp,
        "google.protobuf.Duration" => Known::Duration,
        "google.protobuf.DoubleValue"
        | "google.protobuf.FloatValue"
        | "google.protobuf.Int64Value"
        | "google.protobuf.UInt64Value"
        | "google.protobuf.Int32Value"
        | "google.protobuf.UInt32Value"
        | "google.protobuf.BoolValue"
        | "google.protobuf.StringValue"
        | "google.protobuf.BytesValue" => Known::Wrapper,
        "google.type.Date" => Known::Date,
        "google.type.TimeOfDay" => Known::TimeOfDay,
        "confluent.type.Decimal" => Known::Decimal,
        "google.protobuf.Struct" => Known::Struct,
        "google.protobuf.Value" => Known::Value,
        "google.protobuf.ListValue" => Known::ListValue,
        _ => return None,
    })
}

/// The messages of the files that are never registered; only what the wire needs.
pub(super) const FILES: [&str; 3] = [
    r#"syntax = "proto3"; package google.protobuf;
    message Timestamp { int64 seconds = 1; int32 nanos = 2; }
    message Duration { int64 seconds = 1; int32 nanos = 2; }
    message DoubleValue { double value = 1; }
    message FloatValue { float value = 1; }
    message Int64Value { int64 value = 1; }
    message UInt64Value { uint64 value = 1; }
    message Int32Value { int32 value = 1; }
    message UInt32Value { uint32 value = 1; }
    message BoolValue { bool value = 1; }
    message StringValue { string value = 1; }
    message BytesValue { bytes value = 1; }
    message Struct { map<string, Value> fields = 1; }
    enum NullValue { NULL_VALUE = 0; }
    message Value { oneof kind { NullValue null_value = 1; double number_value = 2; string string_value = 3;
        bool bool_value = 4; Struct struct_value = 5; ListValue list_value = 6; } }
    message ListValue { repeated Value values = 1; }
    message Any { string type_url = 1; bytes value = 2; }
    message Empty {}
    message FieldMask { repeated string paths = 1; }"#,
    r#"syntax = "proto3"; package google.type;
    message Date { int32 year = 1; int32 month = 2; int32 day = 3; }
    message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }
    message LatLng { double latitude = 1; double longitude = 2; }
    message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }"#,
    r#"syntax = "proto3"; package confluent.type;
    message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_protobuf() {
        for text in FILES {
            protox_parse::parse("known.proto", text).unwrap();
        }
    }
}
