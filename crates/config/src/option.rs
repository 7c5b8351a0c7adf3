//! What is known about one option: the shape of a row of the table in `options/`.

/// Where an option may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In the worker's properties file.
    Worker,
    /// In a connector's file.
    Connector,
    /// In both; a connector that does not give it inherits the worker's.
    Both,
}

impl Scope {
    /// Whether an option of this scope may stand in a file of `file`, which is Worker or Connector.
    pub fn covers(self, file: Scope) -> bool {
        self == Scope::Both || self == file
    }
}

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text; never shown.
    Secret,
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number, both ends included.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Texts separated by commas.
    List,
    /// `name=value` pairs separated by commas.
    Pairs,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// How much an operator has to think about it; Kafka Connect's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// To be set, or at least known.
    High,
    /// For tuning.
    Medium,
    /// Rarely touched.
    Low,
}

/// What this version does with an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does what it says.
    Honoured,
    /// It is accepted and logged once: it cannot change anything here, and this is why.
    WithoutEffect(&'static str),
    /// Only the values in `accepted` are built; any other is refused with `remedy`.
    NotYet {
        /// Values that agree with what this version does; compared without regard to case.
        accepted: &'static [&'static str],
        /// What the operator can do, as a sentence.
        remedy: &'static str,
    },
}

/// A row of the table. A name that ends in `.*` stands for a family of options with that prefix.
#[derive(Debug, Clone, Copy)]
pub struct OptionDef {
    /// The name, as Kafka Connect or the official sink has it; our own begin with `pumphouse.`.
    pub name: &'static str,
    /// The values.
    pub kind: Kind,
    /// The text that stands for an absent option; `None`: there is none.
    pub default: Option<&'static str>,
    /// Whether a file without it is refused.
    pub required: bool,
    /// How important.
    pub importance: Importance,
    /// The heading it stands under.
    pub group: &'static str,
    /// What it is, as one sentence or two.
    pub doc: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// What this version does with it.
    pub status: Status,
}

impl OptionDef {
    /// A text option of a connector, honoured, of medium importance, without default.
    pub const fn new(name: &'static str, doc: &'static str) -> OptionDef {
        OptionDef {
            name,
            kind: Kind::Text,
            default: None,
            required: false,
            importance: Importance::Medium,
            group: "",
            doc,
            scope: Scope::Connector,
            status: Status::Honoured,
        }
    }

    /// With another kind of value.
    pub const fn kind(self, kind: Kind) -> OptionDef {
        OptionDef { kind, ..self }
    }

    /// A whole number between `min` and `max`.
    pub const fn integer(self, min: i64, max: i64) -> OptionDef {
        self.kind(Kind::Integer { min, max })
    }

    /// A boolean.
    pub const fn boolean(self) -> OptionDef {
        self.kind(Kind::Boolean)
    }

    /// A secret.
    pub const fn secret(self) -> OptionDef {
        self.kind(Kind::Secret)
    }

    /// With a default.
    pub const fn default(self, default: &'static str) -> OptionDef {
        OptionDef { default: Some(default), ..self }
    }

    /// To be given.
    pub const fn required(self) -> OptionDef {
        OptionDef { required: true, ..self }
    }

    /// Of high importance.
    pub const fn high(self) -> OptionDef {
        OptionDef { importance: Importance::High, ..self }
    }

    /// Of low importance.
    pub const fn low(self) -> OptionDef {
        OptionDef { importance: Importance::Low, ..self }
    }

    /// In the worker's file.
    pub const fn worker(self) -> OptionDef {
        OptionDef { scope: Scope::Worker, ..self }
    }

    /// In both files.
    pub const fn both(self) -> OptionDef {
        OptionDef { scope: Scope::Both, ..self }
    }

    /// Under a heading.
    pub const fn group(self, group: &'static str) -> OptionDef {
        OptionDef { group, ..self }
    }

    /// Accepted without effect.
    pub const fn no_effect(self, why: &'static str) -> OptionDef {
        OptionDef { status: Status::WithoutEffect(why), importance: Importance::Low, ..self }
    }

    /// Built only for the values in `accepted`.
    pub const fn not_yet(self, accepted: &'static [&'static str], remedy: &'static str) -> OptionDef {
        OptionDef { status: Status::NotYet { accepted, remedy }, ..self }
    }

    /// The prefix of a family, with its dot.
    pub fn family_prefix(&self) -> Option<&'static str> {
        self.name.strip_suffix('*')
    }
}
