//! A connector's file: properties or JSON, as connect-standalone takes it.
//!
//! JSON is either `{"name": .., "config": {..}}` (the body of POST /connectors) or a flat map of
//! options. Numbers and booleans count as their text.
use serde_json::{Map, Value};

use crate::error::{ConfigCode, ConfigError};
use crate::properties::parse_properties;
use crate::raw::RawConfig;

/// Reads a connector's file; the content decides which format it is.
///
/// Errors: CONFIG-001 when it is neither, CONFIG-003 when an option is null, a list or an object,
/// CONFIG-005 for an initial state other than RUNNING, CONFIG-006 when the two names differ.
pub fn parse_connector_file(file: &[u8]) -> Result<RawConfig, ConfigError> {
    let first = file.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return parse_properties(file);
    }
    // serde_json names positions and what it expected; it quotes no text of the file.
    let value: Value = serde_json::from_slice(file).map_err(|e| {
        ConfigError::new(
            ConfigCode::File,
            format!("line {}", e.line()),
            format!("the file begins with {{ but is not JSON: {e}"),
            "Correct the JSON, or write the options as a properties file.",
        )
    })?;
    let Value::Object(object) = value else { unreachable!("a JSON text that begins with {{ is an object") };
    match object.get("config") {
        Some(Value::Object(_)) => create_request(object),
        _ => flat(object),
    }
}

fn flat(object: Map<String, Value>) -> Result<RawConfig, ConfigError> {
    object.into_iter().map(|(name, value)| Ok((name.clone(), text(&name, value)?))).collect()
}

fn create_request(mut object: Map<String, Value>) -> Result<RawConfig, ConfigError> {
    let Some(Value::Object(config)) = object.remove("config") else { unreachable!("the caller saw it") };
    let mut config = flat(config)?;
    for (field, value) in object {
        let value = text(&field, value)?;
        match field.as_str() {
            "name" => match config.get("name") {
                Some(inner) if inner != value => {
                    return Err(ConfigError::new(
                        ConfigCode::Conflict,
                        "name",
                        format!("the file says {value:?} outside and {inner:?} inside of \"config\""),
                        "Keep one of the two.",
                    ));
                }
                Some(_) => {}
                None => config.set("name", value),
            },
            "initial_state" if value.eq_ignore_ascii_case("RUNNING") => {}
            "initial_state" => {
                return Err(ConfigError::new(
                    ConfigCode::NotYet,
                    field,
                    "a connector can only be created running",
                    "Remove it, or set it to RUNNING.",
                ));
            }
            _ => {
                return Err(ConfigError::new(
                    ConfigCode::Unknown,
                    field,
                    "beside \"config\" stand only \"name\" and \"initial_state\"",
                    "Move it into \"config\" if it is an option, or remove it.",
                ));
            }
        }
    }
    Ok(config)
}

fn text(name: &str, value: Value) -> Result<String, ConfigError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(ConfigError::new(
            ConfigCode::Value,
            name,
            "the value is null, a list or an object",
            "Give a text, a number or a boolean, or remove the option; lists are comma-separated texts.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Vec<(String, String)> {
        let config = parse_connector_file(file.as_bytes()).unwrap();
        config.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn both_json_shapes_and_properties_read_alike() {
        let expected = pairs(&[("name", "c"), ("port", "8123"), ("ssl", "false")]);
        assert_eq!(read(r#" {"name": "c", "config": {"port": 8123, "ssl": false}} "#), expected);
        assert_eq!(read(r#"{"name": "c", "port": "8123", "ssl": "false"}"#), expected);
        assert_eq!(read("name=c\nport=8123\nssl=false\n"), expected);
        assert_eq!(
            read(r#"{"name":"c","config":{"name":"c","port":8123,"ssl":false},"initial_state":"RUNNING"}"#),
            expected
        );
    }

    fn refused(file: &str) -> (ConfigCode, String) {
        let error = parse_connector_file(file.as_bytes()).unwrap_err();
        (error.code, error.option)
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(refused("{\n\"name\": }"), (ConfigCode::File, "line 2".into()));
        assert_eq!(refused(r#"{"name":"c","topics":["a"]}"#), (ConfigCode::Value, "topics".into()));
        assert_eq!(refused(r#"{"name":"c","topics":null}"#), (ConfigCode::Value, "topics".into()));
        assert_eq!(refused(r#"{"name":"c","config":{"name":"d"}}"#), (ConfigCode::Conflict, "name".into()));
        assert_eq!(refused(r#"{"name":"c","config":{},"tasks":1}"#), (ConfigCode::Unknown, "tasks".into()));
        assert_eq!(
            refused(r#"{"name":"c","config":{},"initial_state":"PAUSED"}"#),
            (ConfigCode::NotYet, "initial_state".into())
        );
    }
}
