//! What a registry says, and what it means.
use http::StatusCode;
use pumphouse_types::SchemaKind;
use serde::Deserialize;

/// The most of a server's words that is kept.
const MESSAGE_CHARS_MAX: usize = 300;

/// `GET /schemas/ids/{id}` and `GET /subjects/{subject}/versions/{version}`. Confluent leaves the type
/// out for Avro and references where there are none; Apicurio always writes both.
#[derive(Debug, Deserialize)]
pub(crate) struct SchemaAnswer {
    pub(crate) schema: String,
    #[serde(rename = "schemaType", default)]
    kind: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

/// Another schema that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) version: i64,
}

#[derive(Debug, Deserialize)]
struct ErrorAnswer {
    error_code: i64,
    #[serde(default)]
    message: Option<String>,
}

/// One server's answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Schema(SchemaAnswer),
    /// The registry has no such schema, subject or version; it said so itself.
    Missing,
    NotAllowed {
        status: u16,
    },
    /// May pass by itself.
    Failed {
        why: String,
    },
    Strange {
        what: String,
    },
}

impl SchemaAnswer {
    /// `Err` holds the word.
    pub(crate) fn kind(&self) -> Result<SchemaKind, String> {
        match self.kind.as_deref() {
            None | Some("AVRO") => Ok(SchemaKind::Avro),
            Some("PROTOBUF") => Ok(SchemaKind::Protobuf),
            Some("JSON") => Ok(SchemaKind::JsonSchema),
            Some(other) => Err(format!("schemaType {:?}", shortened(other))),
        }
    }

    pub(crate) fn references(&self) -> &[Reference] {
        self.references.as_deref().unwrap_or_default()
    }
}

/// Only a registry's own "not found" counts as one: a proxy or a wrong path answers 404 as well, and
/// good records would be called bad.
pub(crate) fn understand(status: StatusCode, body: &[u8]) -> Answer {
    if status == StatusCode::OK {
        return match serde_json::from_slice::<SchemaAnswer>(body) {
            Ok(schema) => Answer::Schema(schema),
            // The parser's message could show the body.
            Err(error) => Answer::Strange {
                what: format!("JSON of another form, line {} column {}", error.line(), error.column()),
            },
        };
    }
    let error = serde_json::from_slice::<ErrorAnswer>(body).ok();
    let words = match &error {
        Some(ErrorAnswer { error_code, message }) => {
            format!("{error_code} {}", shortened(message.as_deref().unwrap_or_default()))
        }
        None => "no registry's error".to_owned(),
    };
    let code = error.map(|error| error.error_code);
    match (status.as_u16(), code) {
        (404, Some(40401..=40403)) => Answer::Missing,
        (status @ (401 | 403), _) => Answer::NotAllowed { status },
        (status @ (408 | 429 | 500..=599), _) => {
            Answer::Failed { why: format!("HTTP status {status}: {words}") }
        }
        (status, _) => Answer::Strange { what: format!("HTTP status {status}: {words}") },
    }
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Answer {
        understand(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn both_registries_forms_are_understood() {
        let Answer::Schema(confluent) = of(200, r#"{"schema":"\"int\""}"#) else { panic!() };
        assert_eq!((confluent.kind(), confluent.references()), (Ok(SchemaKind::Avro), &[][..]));
        let apicurio = r#"{"schema":"x","schemaType":"PROTOBUF","references":[{"name":"n","subject":"s","version":3}],"more":1}"#;
        let Answer::Schema(apicurio) = of(200, apicurio) else { panic!() };
        assert_eq!(apicurio.kind(), Ok(SchemaKind::Protobuf));
        assert_eq!(apicurio.references()[0].version, 3);
    }

    #[test]
    fn only_the_registrys_own_404_says_that_a_schema_does_not_exist() {
        assert!(matches!(of(404, r#"{"error_code":40403,"message":"Schema 7 not found"}"#), Answer::Missing));
        assert!(matches!(
            of(404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
            Answer::Strange { .. }
        ));
        assert!(matches!(of(404, "<html>nginx</html>"), Answer::Strange { .. }));
        assert!(matches!(of(200, "<html>welcome</html>"), Answer::Strange { .. }));
        assert!(matches!(of(302, ""), Answer::Strange { .. }));
        assert!(matches!(of(500, r#"{"error_code":50002,"message":"forwarding"}"#), Answer::Failed { .. }));
        assert!(matches!(of(429, ""), Answer::Failed { .. }));
        assert!(matches!(of(401, ""), Answer::NotAllowed { status: 401 }));
    }
}
