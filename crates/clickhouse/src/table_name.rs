//! A table by database and name.
use std::fmt;

use crate::quote;

/// `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table in it.
    pub table: String,
}

impl TableName {
    /// As SQL names it, quoted.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quote::identifier(&self.database), quote::identifier(&self.table))
    }

    /// The condition that picks it in `system.tables` and `system.columns`.
    pub(crate) fn condition(&self) -> String {
        format!("database = {} AND table = {}", quote::string(&self.database), quote::string(&self.table))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}
