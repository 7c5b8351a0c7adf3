//! Config providers: `${file:path:key}`, `${env:NAME}` and `${dir:path:key}` in values become what a file or
//! the environment holds when a connector starts. What they become is treated as a secret: the placeholder is
//! what is shown, and no message quotes more.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::error::{ConfigCode, ConfigError, Note};
use crate::properties::parse_properties;
use crate::raw::RawConfig;
use crate::secret::MASK;
use crate::value::list;

const NAMES: &str = "config.providers";

/// A provider's file is read whole; a Kubernetes secret holds at most this much.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Shorter ones are likely to stand in a message by chance; a message about their option is replaced whole.
const SCRUBBED_CHARS_MIN: usize = 4;

/// The providers of a worker, by the name that placeholders call them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Providers(BTreeMap<String, Provider>);

#[derive(Debug, Clone)]
enum Provider {
    File { allowed: Option<Vec<PathBuf>> },
    Directory { allowed: Option<Vec<PathBuf>> },
    Environment { allowed: Option<Regex> },
}

const FILE: &str = "FileConfigProvider";
const DIRECTORY: &str = "DirectoryConfigProvider";
const ENVIRONMENT: &str = "EnvVarConfigProvider";

/// A configuration with its placeholders filled in, and what filled them.
pub(crate) struct Filled {
    pub raw: RawConfig,
    pub errors: Vec<ConfigError>,
    taken: Vec<Taken>,
}

struct Taken {
    option: String,
    value: String,
}

impl Provider {
    /// Whether this kind of provider has a parameter.
    fn has(&self, what: &str) -> bool {
        match self {
            Provider::Environment { .. } => what != "param.allowed.paths",
            Provider::File { .. } | Provider::Directory { .. } => what != "param.allowlist.pattern",
        }
    }
}

impl Providers {
    /// `config.providers` and `config.providers.*` of a worker's file.
    pub(crate) fn read(raw: &RawConfig) -> (Providers, Vec<ConfigError>) {
        let (mut providers, mut errors) = (Providers::default(), Vec::new());
        let names = list(raw.get(NAMES).unwrap_or_default());
        for name in &names {
            match provider(raw, name) {
                Ok(provider) => drop(providers.0.insert((*name).to_owned(), provider)),
                Err(error) => errors.push(error),
            }
        }
        for (option, _) in raw.iter() {
            let Some(rest) = option.strip_prefix("config.providers.") else { continue };
            let (name, what) = rest.split_once('.').unwrap_or((rest, ""));
            if !names.contains(&name) {
                let message = format!("config.providers does not name {name}");
                errors.push(refused(ConfigCode::Conflict, option, message, "Name it there, or remove this."));
            } else if !matches!(what, "class" | "param.allowed.paths" | "param.allowlist.pattern") {
                let remedy = "There are class, param.allowed.paths and param.allowlist.pattern.";
                errors.push(refused(ConfigCode::Unknown, option, "no provider here has this option", remedy));
            } else if providers.0.get(name).is_some_and(|provider| !provider.has(what)) {
                // A limit that limits nothing would be taken for one.
                let message = format!("the provider {name} has no {what}");
                let remedy = "param.allowed.paths is for files and directories, param.allowlist.pattern for variables.";
                errors.push(refused(ConfigCode::Conflict, option, message, remedy));
            }
        }
        (providers, errors)
    }

    /// Fills the placeholders of every value. An option whose placeholder cannot be filled keeps it, beside an
    /// error.
    pub(crate) fn fill(&self, raw: &RawConfig) -> Filled {
        let mut filled = Filled { raw: RawConfig::new(), errors: Vec::new(), taken: Vec::new() };
        let mut files = BTreeMap::new();
        for (option, text) in raw.iter() {
            // The name is in every answer, log line and group: it is never filled with a secret.
            let value = match option {
                "name" => text.to_owned(),
                _ => self.fill_one(option, text, &mut files, &mut filled),
            };
            filled.raw.set(option, value);
        }
        filled
    }

    fn fill_one(&self, option: &str, text: &str, files: &mut Files, filled: &mut Filled) -> String {
        let mut value = String::new();
        let mut rest = text;
        // A value that was taken may hold `${`; it is not looked into.
        while let Some((before, placeholder, after)) = next_placeholder(rest) {
            value.push_str(before);
            match self.look_up(&placeholder, files) {
                Ok(Some(found)) => {
                    value.push_str(&found);
                    filled.taken.push(Taken { option: option.to_owned(), value: found });
                }
                Ok(None) => value.push_str(placeholder.text),
                Err((message, remedy)) => {
                    value.push_str(placeholder.text);
                    filled.errors.push(refused(ConfigCode::Placeholder, option, message, &remedy));
                }
            }
            rest = after;
        }
        value.push_str(rest);
        value
    }

    /// `None`: the text means no provider, and stays. Errors: message and remedy, without any value.
    fn look_up(
        &self,
        asked: &Placeholder<'_>,
        files: &mut Files,
    ) -> Result<Option<String>, (String, String)> {
        let Placeholder { text, provider: name, path, key } = *asked;
        let Some(provider) = self.0.get(name) else {
            if !matches!(name, "file" | "env" | "dir" | "directory") {
                return Ok(None);
            }
            let remedy = format!(
                "Set config.providers={name} and config.providers.{name}.class in the worker's file."
            );
            return Err((format!("{text}: the worker has no provider {name}"), remedy));
        };
        match provider {
            Provider::Environment { allowed } => {
                let known = allowed.as_ref().is_none_or(|pattern| pattern.is_match(key));
                match std::env::var(key).ok().filter(|_| known) {
                    Some(value) => Ok(Some(value)),
                    None if !known => Err((
                        format!("{text}: param.allowlist.pattern does not allow {key}"),
                        "Widen the pattern, or use another variable.".to_owned(),
                    )),
                    None => Err((
                        format!("{text}: there is no variable {key} in the worker's environment"),
                        "Set it where the worker is started.".to_owned(),
                    )),
                }
            }
            Provider::File { allowed } => {
                let path = permitted(path, allowed.as_deref())
                    .map_err(|why| (format!("{text}: {why}"), PATHS.to_owned()))?;
                let properties = files.entry(path.clone()).or_insert_with(|| {
                    let bytes = read_bounded(&path)?;
                    // The parser's words could quote the line.
                    parse_properties(&bytes).map_err(|_| format!("{} is no properties file", path.display()))
                });
                let properties = properties.as_ref().map_err(|why| {
                    (format!("{text}: {why}"), "Give the worker a file that it can read.".to_owned())
                })?;
                properties.get(key).map(|value| Some(value.to_owned())).ok_or_else(|| {
                    (
                        format!("{text}: the file has no {key}"),
                        "Correct the key, or add it to the file.".to_owned(),
                    )
                })
            }
            Provider::Directory { allowed } => {
                let path = permitted(path, allowed.as_deref())
                    .map_err(|why| (format!("{text}: {why}"), PATHS.to_owned()))?;
                let inside = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
                if key.is_empty() || key.contains('/') || !inside {
                    return Err((
                        format!("{text}: {key:?} is not the name of a file"),
                        "Name a file of the directory.".to_owned(),
                    ));
                }
                let bytes = read_bounded(&path.join(key)).map_err(|why| {
                    (format!("{text}: {why}"), "Give the worker a file that it can read.".to_owned())
                })?;
                String::from_utf8(bytes)
                    .map(Some)
                    .map_err(|_| (format!("{text}: the file is not UTF-8"), "Write it in UTF-8.".to_owned()))
            }
        }
    }
}

const PATHS: &str = "Give an absolute path under one of param.allowed.paths.";

type Files = BTreeMap<PathBuf, Result<RawConfig, String>>;

impl Filled {
    /// Errors without what was filled in, which they may quote, and with what could not be filled.
    pub(crate) fn scrubbed_errors(&self, errors: Vec<ConfigError>) -> Vec<ConfigError> {
        let scrub = |error: ConfigError| ConfigError {
            message: self.scrubbed(&error.option, &error.message),
            remedy: self.scrubbed(&error.option, &error.remedy),
            ..error
        };
        // An option that kept its placeholder is not wrong in another way as well.
        let unfilled: BTreeSet<&str> = self.errors.iter().map(ConfigError::option).collect();
        let others = errors.into_iter().filter(|error| !unfilled.contains(error.option())).map(scrub);
        self.errors.iter().cloned().chain(others).collect()
    }

    /// Notes without what was filled in.
    pub(crate) fn scrubbed_notes(&self, notes: Vec<Note>) -> Vec<Note> {
        let scrub = |note: Note| Note { message: self.scrubbed(&note.option, &note.message), ..note };
        notes.into_iter().map(scrub).collect()
    }

    fn scrubbed(&self, option: &str, message: &str) -> String {
        let mut message = message.to_owned();
        for taken in &self.taken {
            let value = taken.value.trim();
            if value.chars().count() >= SCRUBBED_CHARS_MIN {
                // As it stands, and as a quoted text has it.
                let quoted = format!("{value:?}");
                message = message.replace(quoted.trim_matches('"'), MASK).replace(value, MASK);
                for part in list(value).into_iter().filter(|part| part.chars().count() >= SCRUBBED_CHARS_MIN)
                {
                    message = message.replace(part, MASK);
                }
            } else if taken.option == option && !value.is_empty() && message.contains(value) {
                message = "what its placeholder stands for is not accepted".to_owned();
            }
        }
        message
    }
}

fn provider(raw: &RawConfig, name: &str) -> Result<Provider, ConfigError> {
    let option = |what: &str| format!("{NAMES}.{name}.{what}");
    let class_option = option("class");
    let class = raw.get(&class_option).map(str::trim).filter(|class| !class.is_empty()).ok_or_else(|| {
        let remedy =
            "Set it to org.apache.kafka.common.config.provider.FileConfigProvider, or another of Kafka's.";
        refused(ConfigCode::Missing, &class_option, "it has to be given beside config.providers", remedy)
    })?;
    let paths = raw
        .get(&option("param.allowed.paths"))
        .map(|text| list(text).into_iter().map(PathBuf::from).collect::<Vec<_>>())
        .filter(|paths| !paths.is_empty());
    match class.rsplit('.').next().unwrap_or(class) {
        FILE => Ok(Provider::File { allowed: paths }),
        DIRECTORY => Ok(Provider::Directory { allowed: paths }),
        ENVIRONMENT => {
            let pattern_option = option("param.allowlist.pattern");
            let allowed =
                raw.get(&pattern_option).map(|text| Regex::new(&format!(r"\A(?:{text})\z"))).transpose();
            let allowed = allowed.map_err(|_| {
                refused(ConfigCode::Value, &pattern_option, "it is no pattern", "Write a regular expression.")
            })?;
            Ok(Provider::Environment { allowed })
        }
        _ => {
            let remedy =
                format!("There are {FILE}, {DIRECTORY} and {ENVIRONMENT}; Java classes cannot be loaded.");
            Err(refused(ConfigCode::NotYet, &class_option, format!("{class:?} is not built"), &remedy))
        }
    }
}

fn refused(code: ConfigCode, option: &str, message: impl Into<String>, remedy: &str) -> ConfigError {
    ConfigError::new(code, option, message, remedy)
}

/// `${provider:path:key}` or `${provider:key}`.
#[derive(Clone, Copy)]
struct Placeholder<'a> {
    text: &'a str,
    provider: &'a str,
    path: &'a str,
    key: &'a str,
}

/// The first one, what stands before it, and what behind.
fn next_placeholder(text: &str) -> Option<(&str, Placeholder<'_>, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("${")?;
        let end = start + text[start..].find('}')?;
        let inner = &text[start + 2..end];
        // As Kafka's pattern has it: the provider ends at the first colon, the path at the next.
        if let Some((provider, rest)) = inner.split_once(':') {
            let (path, key) = rest.split_once(':').unwrap_or(("", rest));
            let placeholder = Placeholder { text: &text[start..=end], provider, path, key };
            return Some((&text[..start], placeholder, &text[end + 1..]));
        }
        from = start + 2;
    }
}

/// Whether a value is one placeholder and nothing else, so that it may be shown although its option is secret.
pub(crate) fn is_placeholder(text: &str) -> bool {
    next_placeholder(text.trim()).is_some_and(|(before, placeholder, after)| {
        before.is_empty()
            && after.is_empty()
            && matches!(placeholder.provider, "file" | "env" | "dir" | "directory")
    })
}

fn permitted(path: &str, allowed: Option<&[PathBuf]>) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.as_os_str().is_empty() {
        return Err("it names no path".to_owned());
    }
    let Some(allowed) = allowed else { return Ok(path) };
    // Links and `..` could lead out of what is allowed.
    let real = path.canonicalize().map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let inside =
        |directory: &PathBuf| directory.canonicalize().is_ok_and(|directory| real.starts_with(directory));
    if allowed.iter().any(inside) {
        Ok(real)
    } else {
        Err(format!("{} is not under param.allowed.paths", path.display()))
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_as_kafka_finds_them() {
        let found = |text| {
            next_placeholder(text).map(|(before, p, after)| (before, p.provider, p.path, p.key, after))
        };
        assert_eq!(found("a${file:/x:k}b"), Some(("a", "file", "/x", "k", "b")));
        assert_eq!(found("${env:NAME}"), Some(("", "env", "", "NAME", "")));
        assert_eq!(found("${topic}-${dir:/d:f}"), Some(("${topic}-", "dir", "/d", "f", "")));
        assert_eq!(found("${file:/x:a:b}"), Some(("", "file", "/x", "a:b", "")));
        for none in ["${topic}", "$env:a", "${file:", "}{"] {
            assert_eq!(found(none), None, "{none}");
        }
        assert!(is_placeholder(" ${env:A} ") && !is_placeholder("x${env:A}") && !is_placeholder("${a:b}"));
    }
}
