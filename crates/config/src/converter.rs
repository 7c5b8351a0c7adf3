//! The value converter and where it is inherited from.
use crate::error::ConfigCode;
use crate::raw::RawConfig;
use crate::reading::Reading;
use crate::value::boolean;

const CONVERTER: &str = "value.converter";
const SCHEMAS: &str = "value.converter.schemas.enable";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// As Kafka Connect does it: a connector that names a converter brings that converter's options, too;
/// one that names none takes converter and options from the worker.
pub(crate) fn check(reading: &mut Reading<'_>, worker: &RawConfig) {
    let own = reading.given(CONVERTER).is_some();
    if !own && reading.given(SCHEMAS).is_some() {
        reading.note(SCHEMAS, "It counts only beside value.converter; without that, the worker's converter and its options are used.");
    }
    let get = |name: &str| if own { reading.given(name) } else { worker.get(name).map(str::trim) };
    if get(CONVERTER).is_none_or(str::is_empty) {
        return reading.error(
            ConfigCode::Missing,
            CONVERTER,
            "neither the connector nor the worker gives it",
            format!("Set it to {JSON}, and {SCHEMAS} to false."),
        );
    }
    let place = if own { "the connector" } else { "the worker, whose value.converter is used" };
    match get(SCHEMAS).map(|text| (text, boolean(text))) {
        Some((_, Some(false))) => {}
        // Malformed: reported by its kind.
        Some((_, None)) => {}
        given @ (None | Some((_, Some(true)))) => {
            let message = match given {
                None => {
                    "it is not given, and Kafka's default is true: every value would have to carry its schema"
                }
                Some(_) => "values that carry their schema are not built yet",
            };
            reading.error(
                ConfigCode::SchemasEnable,
                SCHEMAS,
                message,
                format!("Set it to false in {place}."),
            );
        }
    }
}
