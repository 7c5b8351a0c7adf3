//! A connector's configuration as `PUT /connector-plugins/{p}/config/validate` answers it: every option with
//! its definition, its value, and what is wrong with it. The check is the one of the start; where a Kafka
//! Connect worker would complain of the same, the words are its own, so that scripts that read them go on.
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::connector_config::ConnectorConfig;
use crate::definition::{self, Definition};
use crate::error::{ConfigCode, ConfigError, ConfigErrors};
use crate::option::{JavaType, Kind, OptionDef, Scope};
use crate::options;
use crate::providers::is_placeholder;
use crate::raw::RawConfig;
use crate::secret::HIDDEN;
use crate::value::{check_kind, list};
use crate::worker_config::WorkerConfig;

/// The answer, in Kafka Connect's form (`ConfigInfos`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigInfos {
    name: String,
    error_count: usize,
    groups: Vec<&'static str>,
    configs: Vec<ConfigInfo>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ConfigInfo {
    definition: Option<Definition>,
    value: ConfigValue,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ConfigValue {
    name: String,
    value: Option<String>,
    recommended_values: Vec<&'static str>,
    errors: Vec<String>,
    visible: bool,
}

impl ConfigInfos {
    /// How many mistakes there are.
    pub fn error_count(&self) -> usize {
        self.error_count
    }

    /// All of them, in the order of the options.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().flat_map(|info| info.value.errors.iter().map(String::as_str))
    }
}

/// Checks a connector's configuration under a worker as its start would. `further` are mistakes that other
/// rooms found. Secrets are hidden, placeholders are shown as they were given.
pub fn validate(given: &RawConfig, worker: &WorkerConfig, further: Vec<ConfigError>) -> ConfigInfos {
    let mut wrong = match ConnectorConfig::from_raw(given, worker) {
        Ok(_) => Vec::new(),
        Err(ConfigErrors(errors)) => errors,
    };
    wrong.extend(further);
    let mut configs: Vec<ConfigInfo> = shown_options(given)
        .into_iter()
        .map(|option| info_of(option, given.get(option.name), inherited(option, worker), &wrong))
        .collect();
    let known: BTreeSet<String> = configs.iter().map(|info| info.value.name.clone()).collect();
    // Families, names that nobody knows, and options of the worker that this connector comes to depend on.
    let others: BTreeSet<&str> =
        given.iter().map(|(name, _)| name).chain(wrong.iter().map(ConfigError::option)).collect();
    // Thousands of names that nobody knows are as many mistakes: each is looked up, not looked for.
    let mut wrong_of: BTreeMap<&str, Vec<&ConfigError>> = BTreeMap::new();
    for error in &wrong {
        wrong_of.entry(error.option()).or_default().push(error);
    }
    for name in others.into_iter().filter(|name| !known.contains(*name)) {
        let errors = wrong_of.get(name).map_or(&[][..], Vec::as_slice);
        configs.push(ConfigInfo { definition: None, value: undefined(name, given.get(name), errors) });
    }
    let mut groups = Vec::new();
    for info in &configs {
        let row = options::find(&info.value.name, Scope::Connector).filter(|_| info.definition.is_some());
        if let Some(group) = row.map(definition::group).filter(|group| !groups.contains(group)) {
            groups.push(group);
        }
    }
    ConfigInfos {
        name: given.get("connector.class").unwrap_or_default().to_owned(),
        error_count: configs.iter().map(|info| info.value.errors.len()).sum(),
        groups,
        configs,
    }
}

/// Kafka Connect's options, then the sink's, then those of a converter that the connector names.
fn shown_options(given: &RawConfig) -> Vec<&'static OptionDef> {
    let mut shown = definition::of_connect();
    shown.extend(definition::of_sink());
    if given.get("value.converter").is_some_and(|class| !class.trim().is_empty()) {
        shown.extend(definition::of_value_converter());
    }
    shown
}

/// The worker's converter is the default of its connectors.
fn inherited<'w>(option: &OptionDef, worker: &'w WorkerConfig) -> Option<&'w str> {
    (option.scope == Scope::Both && option.java_type() == JavaType::Class)
        .then(|| worker.resolved.get(option.name))
        .flatten()
}

fn info_of(
    option: &OptionDef,
    text: Option<&str>,
    inherited: Option<&str>,
    wrong: &[ConfigError],
) -> ConfigInfo {
    let definition = Definition::of(option).with_default(inherited);
    let errors = wrong
        .iter()
        .filter(|error| error.option == option.name || (option.name == "topics.regex" && is_of_both(error)))
        .flat_map(|error| words(option, text, error))
        .collect();
    ConfigInfo {
        value: ConfigValue {
            name: option.name.to_owned(),
            value: shown_value(option, text.or(inherited)),
            recommended_values: definition::recommended(option),
            errors,
            visible: true,
        },
        definition: Some(definition),
    }
}

fn undefined(name: &str, text: Option<&str>, wrong: &[&ConfigError]) -> ConfigValue {
    let secret = options::is_secret(name, Scope::Connector) && !text.is_some_and(is_placeholder);
    ConfigValue {
        name: name.to_owned(),
        value: text.map(|text| match secret {
            true => HIDDEN.to_owned(),
            false => crate::masked::without_user_info(text),
        }),
        recommended_values: Vec::new(),
        errors: wrong.iter().map(ToString::to_string).collect(),
        visible: true,
    }
}

/// As Kafka Connect shows a value: in its canonical form, a default where none is given, nothing where it is
/// no value of the type.
fn shown_value(option: &OptionDef, text: Option<&str>) -> Option<String> {
    let text = text.or(option.default)?;
    if is_placeholder(text) {
        return Some(text.to_owned());
    }
    match option.java_type() {
        JavaType::Password => Some(HIDDEN.to_owned()),
        JavaType::List => Some(crate::masked::without_user_info(&list(text).join(","))),
        JavaType::Boolean => check_kind(Kind::Boolean, text).ok().map(|()| text.trim().to_ascii_lowercase()),
        JavaType::Int | JavaType::Short | JavaType::Long => {
            text.trim().parse::<i64>().ok().map(|n| n.to_string())
        }
        JavaType::String | JavaType::Class => Some(crate::masked::without_user_info(text.trim())),
    }
}

/// Whether neither `topics` nor `topics.regex` is given, or both are.
fn is_of_both(error: &ConfigError) -> bool {
    error.option == "topics"
        && matches!(error.code, ConfigCode::Missing | ConfigCode::Conflict)
        && error.remedy.contains("topics.regex")
}

/// A mistake in Kafka Connect's words where it has any, else in ours.
fn words(option: &OptionDef, text: Option<&str>, error: &ConfigError) -> Vec<String> {
    let name = option.name;
    if is_of_both(error) {
        let words = match error.code {
            ConfigCode::Missing => "Must configure one of topics or topics.regex",
            _ => "topics and topics.regex are mutually exclusive options, but both are set.",
        };
        return vec![words.to_owned()];
    }
    match (error.code, text.map(str::trim)) {
        (ConfigCode::Missing, None | Some("")) if option.required => {
            vec![format!("Missing required configuration \"{name}\" which has no default value.")]
        }
        // An option that is not there has no wrong value, but a null.
        (ConfigCode::Value, None) => vec![error.message.clone()],
        (ConfigCode::Value, Some(text)) if check_kind(option.kind, text).is_err() => {
            of_kind(option, text).unwrap_or_else(|| vec![error.to_string()])
        }
        (_, _) => vec![error.to_string()],
    }
}

/// The words of Kafka's `ConfigDef` for a text that is no value of the option's kind.
fn of_kind(option: &OptionDef, text: &str) -> Option<Vec<String>> {
    let name = option.name;
    let invalid = |what: &str| format!("Invalid value {text} for configuration {name}: {what}");
    match option.kind {
        Kind::Boolean => Some(vec![invalid("Expected value to be either true or false")]),
        Kind::Integer { min, max } => Some(match text.parse::<i64>() {
            Ok(number) if number < min => vec![invalid(&format!("Value must be at least {min}"))],
            Ok(_) => vec![invalid(&format!("Value must be no more than {max}"))],
            Err(_) => {
                let java_type = match option.java_type() {
                    JavaType::Short => "SHORT",
                    JavaType::Long => "LONG",
                    _ => "INT",
                };
                let mut all = vec![invalid(&format!("Not a number of type {java_type}"))];
                // Kafka Connect checks the range of what it could not read, too.
                if name == "tasks.max" {
                    all.push(format!("Invalid value null for configuration {name}: Value must be non-null"));
                }
                all
            }
        }),
        Kind::OneOf(values) => Some(vec![invalid(&format!("String must be one of: {}", values.join(", ")))]),
        Kind::Text | Kind::Secret | Kind::List | Kind::Pairs => None,
    }
}

/// What `GET /connector-plugins/{p}/config` answers for the sink: its own options, then Kafka Connect's.
pub fn sink_definitions() -> Vec<Definition> {
    definition::of_sink().into_iter().chain(definition::of_connect()).map(Definition::of).collect()
}

/// The same for a value converter, by the last part of its class; without prefixes.
pub fn converter_definitions(class: &str) -> Vec<Definition> {
    const PREFIX: &str = "value.converter.";
    let with_registry = ["Avro", "Protobuf", "JsonSchema"].iter().any(|format| class.contains(format));
    let of_class = |name: &str| {
        let short = name.strip_prefix(PREFIX).unwrap_or(name);
        match short {
            "schemas.enable" | "schemas.cache.size" | "decimal.format" | "replace.null.with.default" => {
                class.ends_with("JsonConverter")
            }
            "encoding" => class.ends_with("StringConverter"),
            _ => with_registry,
        }
    };
    definition::of_value_converter()
        .into_iter()
        .filter(|option| of_class(option.name))
        .map(|option| Definition::of(option).without_prefix(PREFIX))
        .collect()
}

/// Why a configuration cannot even be checked, as a Kafka Connect worker answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchPlugin {
    /// The HTTP status.
    pub status: u16,
    /// The message.
    pub message: String,
}

/// The classes of the sink; the official one's first.
pub const SINK_CLASSES: [&str; 2] =
    ["com.clickhouse.kafka.connect.ClickHouseSinkConnector", "pumphouse.ClickHouseSinkConnector"];

/// The value converters that are built.
pub fn converter_classes() -> Vec<&'static str> {
    let mut classes = crate::converter::class_names();
    classes.sort_unstable();
    classes
}

/// Whether Kafka Connect would take `name` for the class: in full, without package, without its last word.
pub fn is_class(name: &str, class: &str, last_word: &str) -> bool {
    let simple = class.rsplit('.').next().unwrap_or(class);
    name == class || name == simple || Some(name) == simple.strip_suffix(last_word)
}

/// Checks that a validation asks for the plugin that it sends the configuration of, and that there is one.
/// Errors: status and words of a Kafka Connect worker.
pub fn check_plugin(plugin: &str, config: &RawConfig) -> Result<(), NoSuchPlugin> {
    let Some(class) = config.get("connector.class") else {
        let shown: BTreeMap<String, String> = crate::masked::masked(config, Scope::Connector);
        let shown: Vec<String> = shown.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let message =
            format!("{BAD_REQUEST}: Connector config {{{}}} contains no connector type", shown.join(", "));
        return Err(NoSuchPlugin { status: 500, message });
    };
    let without_last_word = |name: &str| match name.strip_suffix("Connector") {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => name.to_owned(),
    };
    if !without_last_word(class).ends_with(&without_last_word(plugin)) {
        let message = format!("Included connector type {class} does not match request type {plugin}");
        return Err(NoSuchPlugin { status: 400, message });
    }
    if !SINK_CLASSES.iter().any(|known| is_class(class, known, "Connector")) {
        let message = format!(
            "{BAD_REQUEST}: Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}",
            SINK_CLASSES.join(", ")
        );
        return Err(NoSuchPlugin { status: 500, message });
    }
    Ok(())
}

/// Kafka Connect wraps the refusals of a validation.
const BAD_REQUEST: &str = "org.apache.kafka.connect.runtime.rest.errors.BadRequestException";
