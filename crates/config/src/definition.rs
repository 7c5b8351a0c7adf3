//! An option as Kafka Connect's REST API describes it: a row of the table in the words of its `ConfigDef`.
//! Field order and forms are those of a 4.1 worker, recorded in `tests/recorded/`.
use std::collections::BTreeMap;

use serde::Serialize;

use crate::option::{Importance, JavaType, Kind, OptionDef, Scope, Width};
use crate::options;
use crate::secret::HIDDEN;

/// What Kafka Connect tells about an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    name: String,
    #[serde(rename = "type")]
    java_type: &'static str,
    required: bool,
    default_value: Option<String>,
    importance: &'static str,
    documentation: String,
    group: Option<&'static str>,
    width: &'static str,
    display_name: String,
    dependents: Vec<&'static str>,
    order: i32,
}

/// The options that Kafka Connect itself gives to every sink, in its order. The rest of the table follows.
const OF_CONNECT: [&str; 20] = [
    "name",
    "connector.class",
    "connector.plugin.version",
    "tasks.max",
    "tasks.max.enforce",
    "key.converter",
    "value.converter",
    "header.converter",
    "transforms",
    "predicates",
    "config.action.reload",
    "errors.retry.timeout",
    "errors.retry.delay.max.ms",
    "errors.tolerance",
    "errors.log.enable",
    "errors.log.include.messages",
    "topics",
    "topics.regex",
    "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.topic.replication.factor",
];

/// The last of them.
const LAST_OF_CONNECT: &str = "errors.deadletterqueue.context.headers.enable";

/// Options that stand beside a converter are shown with it.
const CONVERTER_PREFIXES: [&str; 3] = ["key.converter.", "value.converter.", "header.converter."];

/// Kafka Connect's own options, in its order.
pub(crate) fn of_connect() -> Vec<&'static OptionDef> {
    OF_CONNECT
        .into_iter()
        .chain([LAST_OF_CONNECT])
        .filter_map(|name| options::find(name, Scope::Connector))
        .collect()
}

/// The sink's options: everything else that has a name of its own and belongs to no converter.
pub(crate) fn of_sink() -> Vec<&'static OptionDef> {
    options::all()
        .filter(|option| option.scope.covers(Scope::Connector) && option.family_prefix().is_none())
        .filter(|option| !OF_CONNECT.contains(&option.name) && option.name != LAST_OF_CONNECT)
        .filter(|option| !CONVERTER_PREFIXES.iter().any(|prefix| option.name.starts_with(prefix)))
        .collect()
}

/// The options of the value converter.
pub(crate) fn of_value_converter() -> Vec<&'static OptionDef> {
    options::all()
        .filter(|option| option.name.starts_with("value.converter.") && option.family_prefix().is_none())
        .collect()
}

impl Definition {
    /// `option` as a form shows it.
    pub(crate) fn of(option: &OptionDef) -> Definition {
        let java_type = option.java_type();
        let default = match java_type {
            // Kafka Connect shows no default of a password, and the empty list as the empty text.
            JavaType::Password => option.default.map(|_| HIDDEN.to_owned()),
            _ => option.default.map(str::to_owned),
        };
        Definition {
            name: option.name.to_owned(),
            java_type: type_name(java_type),
            required: option.required,
            default_value: default,
            importance: match option.importance {
                Importance::High => "HIGH",
                Importance::Medium => "MEDIUM",
                Importance::Low => "LOW",
            },
            documentation: documentation(option),
            group: Some(group(option)),
            width: match option.form.width.unwrap_or_else(|| width(java_type)) {
                Width::Short => "SHORT",
                Width::Medium => "MEDIUM",
                Width::Long => "LONG",
            },
            display_name: option.form.display_name.unwrap_or(option.name).to_owned(),
            dependents: option.form.dependents.to_vec(),
            order: option.form.order.unwrap_or_else(|| place(option)),
        }
    }

    /// The same with another default, if there is one.
    pub(crate) fn with_default(self, default: Option<&str>) -> Definition {
        Definition { default_value: default.map(str::to_owned).or(self.default_value), ..self }
    }

    /// The same without the prefix under which a plugin's options stand in a connector's file.
    pub(crate) fn without_prefix(self, prefix: &str) -> Definition {
        let short = |text: &str| text.strip_prefix(prefix).unwrap_or(text).to_owned();
        Definition { name: short(&self.name), display_name: short(&self.display_name), ..self }
    }
}

/// The heading under which Kafka Connect shows it.
pub(crate) fn group(option: &OptionDef) -> &'static str {
    option.form.group.unwrap_or(option.group)
}

/// Values to choose from.
pub(crate) fn recommended(option: &OptionDef) -> Vec<&'static str> {
    if !option.form.recommended.is_empty() {
        return option.form.recommended.to_vec();
    }
    match option.kind {
        Kind::OneOf(values) if group(option) != "Common" && group(option) != "Error Handling" => {
            values.to_vec()
        }
        _ => Vec::new(),
    }
}

fn type_name(java_type: JavaType) -> &'static str {
    match java_type {
        JavaType::Boolean => "BOOLEAN",
        JavaType::String => "STRING",
        JavaType::Int => "INT",
        JavaType::Short => "SHORT",
        JavaType::Long => "LONG",
        JavaType::List => "LIST",
        JavaType::Class => "CLASS",
        JavaType::Password => "PASSWORD",
    }
}

fn width(java_type: JavaType) -> Width {
    match java_type {
        JavaType::Boolean | JavaType::Int | JavaType::Short | JavaType::Long => Width::Short,
        JavaType::String | JavaType::Class | JavaType::Password => Width::Medium,
        JavaType::List => Width::Long,
    }
}

/// What it is, and where this version does not do what the name promises, that.
fn documentation(option: &OptionDef) -> String {
    use crate::option::Status;
    match option.status {
        Status::Honoured => option.doc.to_owned(),
        Status::WithoutEffect(why) => format!("{} Accepted without effect: {why}", option.doc),
        Status::NotYet { accepted: [], remedy } => format!("{} Refused: {remedy}", option.doc),
        Status::NotYet { remedy, .. } => format!("{} Other values are refused: {remedy}", option.doc),
    }
}

/// Its number among the options of its heading, from 1.
fn place(option: &OptionDef) -> i32 {
    let mut places: BTreeMap<&str, i32> = BTreeMap::new();
    for other in options::all().filter(|other| other.scope.covers(Scope::Connector)) {
        let place = places.entry(group(other)).or_default();
        *place += 1;
        if other.name == option.name {
            return *place;
        }
    }
    0
}
