//! A table's column as `system.columns` describes it.
use std::str::FromStr;

/// What `default_kind` of `system.columns` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DefaultKind {
    None,
    Default,
    Materialized,
    Alias,
    Ephemeral,
}

/// A word that no server known to us uses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PLAN-001: default kind {0:?} is not known")]
pub struct UnknownDefaultKind(pub String);

impl FromStr for DefaultKind {
    type Err = UnknownDefaultKind;

    fn from_str(text: &str) -> Result<DefaultKind, UnknownDefaultKind> {
        Ok(match text {
            "" => DefaultKind::None,
            "DEFAULT" => DefaultKind::Default,
            "MATERIALIZED" => DefaultKind::Materialized,
            "ALIAS" => DefaultKind::Alias,
            "EPHEMERAL" => DefaultKind::Ephemeral,
            other => return Err(UnknownDefaultKind(other.to_owned())),
        })
    }
}

/// One row of `system.columns`.
#[derive(Debug, Clone)]
pub struct TableColumn {
    /// `name`.
    pub name: String,
    /// `type`.
    pub type_text: String,
    /// `default_kind`.
    pub default_kind: DefaultKind,
    /// `default_expression`; empty without one.
    pub default_expression: String,
}
