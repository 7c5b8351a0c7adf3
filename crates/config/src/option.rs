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

/// A value's type in Kafka Connect's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JavaType {
    /// `BOOLEAN`.
    Boolean,
    /// `STRING`.
    String,
    /// `INT`.
    Int,
    /// `SHORT`.
    Short,
    /// `LONG`.
    Long,
    /// `LIST`.
    List,
    /// `CLASS`.
    Class,
    /// `PASSWORD`.
    Password,
}

/// How wide a form shows the field; Kafka Connect's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// A number, a choice.
    Short,
    /// A name.
    Medium,
    /// A list, an address.
    Long,
}

/// How a form shows an option: what Kafka Connect's `ConfigDef` knows beside the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// The label; `None`: the name.
    pub display_name: Option<&'static str>,
    /// `None`: by the type.
    pub width: Option<Width>,
    /// Its place under the heading; `None`: as the table has it.
    pub order: Option<i32>,
    /// `None`: by the kind.
    pub java_type: Option<JavaType>,
    /// The heading in Kafka Connect, where the printed page has another.
    pub group: Option<&'static str>,
    /// Options that mean something only beside this one.
    pub dependents: &'static [&'static str],
    /// Values to choose from.
    pub recommended: &'static [&'static str],
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
    /// How forms show it.
    pub form: Form,
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
            form: Form {
                display_name: None,
                width: None,
                order: None,
                java_type: None,
                group: None,
                dependents: &[],
                recommended: &[],
            },
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

    /// Of medium importance.
    pub const fn medium(self) -> OptionDef {
        OptionDef { importance: Importance::Medium, ..self }
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
        OptionDef { status: Status::WithoutEffect(why), ..self.low() }
    }

    /// Built only for the values in `accepted`.
    pub const fn not_yet(self, accepted: &'static [&'static str], remedy: &'static str) -> OptionDef {
        OptionDef { status: Status::NotYet { accepted, remedy }, ..self }
    }

    /// With the label, width and place of Kafka Connect's own definition.
    pub const fn shown(self, display_name: &'static str, width: Width, order: i32) -> OptionDef {
        let form = Form { width: Some(width), order: Some(order), ..self.form };
        OptionDef { form, ..self }.label(display_name)
    }

    /// With a label.
    pub const fn label(self, display_name: &'static str) -> OptionDef {
        OptionDef { form: Form { display_name: Some(display_name), ..self.form }, ..self }
    }

    /// With another type in Kafka Connect's words than its kind has.
    pub const fn java(self, java_type: JavaType) -> OptionDef {
        OptionDef { form: Form { java_type: Some(java_type), ..self.form }, ..self }
    }

    /// Under another heading in Kafka Connect.
    pub const fn connect_group(self, group: &'static str) -> OptionDef {
        OptionDef { form: Form { group: Some(group), ..self.form }, ..self }
    }

    /// With options that mean something only beside it.
    pub const fn dependents(self, dependents: &'static [&'static str]) -> OptionDef {
        OptionDef { form: Form { dependents, ..self.form }, ..self }
    }

    /// With values to choose from.
    pub const fn recommended(self, recommended: &'static [&'static str]) -> OptionDef {
        OptionDef { form: Form { recommended, ..self.form }, ..self }
    }

    /// Its type in Kafka Connect's words.
    pub fn java_type(&self) -> JavaType {
        self.form.java_type.unwrap_or(match self.kind {
            Kind::Text | Kind::OneOf(_) => JavaType::String,
            // The official sink's pairs are texts, too.
            Kind::Pairs => JavaType::String,
            Kind::Secret => JavaType::Password,
            Kind::Boolean => JavaType::Boolean,
            Kind::List => JavaType::List,
            Kind::Integer { max, .. } if max > i64::from(i32::MAX) => JavaType::Long,
            Kind::Integer { .. } => JavaType::Int,
        })
    }

    /// The prefix of a family, with its dot.
    pub fn family_prefix(&self) -> Option<&'static str> {
        self.name.strip_suffix('*')
    }
}
