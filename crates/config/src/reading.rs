//! A raw configuration held against the table: everything wrong with it, everything without effect,
//! and typed access with defaults filled in.
use crate::error::{ConfigCode, ConfigError, ConfigErrors, Note};
use crate::option::{Kind, OptionDef, Scope, Status};
use crate::options;
use crate::providers::Filled;
use crate::raw::RawConfig;
use crate::value::{boolean, check_kind};

/// Mistakes for which the name that was meant is looked for.
const NEAR_ERRORS_MAX: usize = 100;

/// A configuration being read. Checks collect their findings here, so that all are reported at once.
pub(crate) struct Reading<'a> {
    raw: &'a RawConfig,
    file: Scope,
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) notes: Vec<Note>,
    pub(crate) warnings: Vec<Note>,
}

impl<'a> Reading<'a> {
    /// Holds every option of `raw` against its row, and every required row against `raw`.
    pub(crate) fn new(raw: &'a RawConfig, file: Scope) -> Reading<'a> {
        let mut reading = Reading { raw, file, errors: Vec::new(), notes: Vec::new(), warnings: Vec::new() };
        for (name, value) in raw.iter() {
            match options::find(name, file) {
                Some(option) => reading.check(option, name, value),
                None => reading.unknown(name),
            }
        }
        for option in options::all().filter(|o| o.required && o.scope.covers(file)) {
            let missing = raw.get(option.name).is_none_or(|value| value.trim().is_empty());
            if missing {
                reading.error(ConfigCode::Missing, option.name, "it has to be given", option.doc);
            }
        }
        reading
    }

    fn check(&mut self, option: &OptionDef, name: &str, value: &str) {
        // An empty required option is reported as missing.
        if option.required && value.trim().is_empty() {
            return;
        }
        let secret = options::is_secret(name, self.file);
        if let Status::NotYet { accepted, remedy } = option.status {
            if accepted.iter().any(|good| good.eq_ignore_ascii_case(value.trim())) {
                return;
            }
            let malformed = option.kind == Kind::Boolean && boolean(value).is_none();
            if !malformed {
                let what = match (accepted.is_empty(), secret) {
                    (false, false) => format!("{value:?} is not built yet"),
                    (true, _) | (false, true) => "it is not built yet".to_owned(),
                };
                return self.error(ConfigCode::NotYet, name, what, remedy);
            }
        }
        // An empty text stands for the default where that is empty, too.
        if value.trim().is_empty() && option.default == Some("") {
            return;
        }
        if let Err(what) = check_kind(option.kind, value) {
            return self.error(ConfigCode::Value, name, what, option.doc);
        }
        if let Status::WithoutEffect(why) = option.status {
            self.note(name, why);
        }
    }

    fn unknown(&mut self, name: &str) {
        let other = match self.file {
            Scope::Connector => (Scope::Worker, "It is a worker's option: move it to the worker's file."),
            Scope::Worker | Scope::Both => {
                (Scope::Connector, "It is a connector's option: move it to the connector's file.")
            }
        };
        let remedy = if options::find(name, other.0).is_some() {
            other.1.to_owned()
        } else {
            // Whoever has more mistakes than that has no typing mistakes, and looking for the nearest name takes time.
            let near = self.errors.len() < NEAR_ERRORS_MAX;
            match near.then(|| options::nearest(name, self.file)).flatten() {
                Some(known) => format!("Did you mean {known}?"),
                None => "Remove it; docs/configuration.md lists every option.".to_owned(),
            }
        };
        self.error(ConfigCode::Unknown, name, "there is no such option", remedy);
    }

    /// Adds an error.
    pub(crate) fn error(
        &mut self,
        code: ConfigCode,
        option: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.errors.push(ConfigError::new(code, option, message, remedy));
    }

    /// Adds a note.
    pub(crate) fn note(&mut self, option: &str, message: &str) {
        self.notes.push(Note { option: option.to_owned(), message: message.to_owned() });
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, option: &str, message: &str) {
        self.warnings.push(Note { option: option.to_owned(), message: message.to_owned() });
    }

    /// The text given, trimmed, or the default; empty where there is neither.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        self.given(name).or_else(|| self.row(name).default).unwrap_or("")
    }

    /// The text given, trimmed, if it is not empty.
    pub(crate) fn given(&self, name: &str) -> Option<&'a str> {
        self.raw.get(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether the option stands in the file, be it with an empty text.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.raw.get(name).is_some()
    }

    /// The text given, as it stands: passwords may begin with a blank.
    pub(crate) fn exact(&self, name: &str) -> &'a str {
        self.raw.get(name).or_else(|| self.row(name).default).unwrap_or("")
    }

    /// A boolean; the default where the text is malformed, which is reported already.
    pub(crate) fn boolean(&self, name: &str) -> bool {
        boolean(self.text(name)).or_else(|| boolean(self.row(name).default?)).unwrap_or(false)
    }

    /// An integer of an option that cannot be negative; the default where the text is malformed.
    pub(crate) fn integer(&self, name: &str) -> u64 {
        let default = || self.row(name).default.and_then(|d| d.parse().ok()).unwrap_or(0);
        self.text(name).parse().unwrap_or_else(|_| default())
    }

    /// The options behind a prefix, with the prefix taken off.
    pub(crate) fn family(&self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.raw.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
    }

    /// All notes, if nothing is wrong.
    pub(crate) fn finish(self, filled: &Filled) -> Result<Vec<Note>, ConfigErrors> {
        let errors = filled.scrubbed_errors(self.errors);
        if errors.is_empty() { Ok(filled.scrubbed_notes(self.notes)) } else { Err(ConfigErrors(errors)) }
    }

    fn row(&self, name: &str) -> &'static OptionDef {
        options::find(name, self.file).expect("only options of the table are asked for")
    }
}
