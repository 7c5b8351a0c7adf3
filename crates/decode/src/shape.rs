//! What the INSERT statement of a plan looks like.
use pumphouse_columns::{DataType, quote_identifier};

/// Where a block's column goes in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertTarget {
    /// The table's column.
    pub name: String,
    /// The expression over the block's columns that fills it, with its alias.
    pub select_expression: String,
}

/// A column of the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertColumn {
    /// Its name in the block: a plain word that is no column of the table.
    pub wire_name: String,
    /// Its type in the block.
    pub wire_type: DataType,
    /// `None` for a mask, which only the expression of the column before it reads.
    pub target: Option<InsertTarget>,
}

/// The columns of the block, in its order, and how the table's columns are made of them:
/// `INSERT INTO t (column_list) SELECT select_list FROM input('input_structure') .. FORMAT Native`,
/// with the structure quoted as a string literal and `insert_null_as_default = 1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertShape {
    /// In the order of the block's columns.
    pub columns: Vec<InsertColumn>,
}

impl InsertShape {
    /// The names to encode the block with.
    pub fn wire_names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.wire_name.as_str()).collect()
    }

    /// The types to encode the block with, and to build segments from.
    pub fn wire_types(&self) -> Vec<DataType> {
        self.columns.iter().map(|column| column.wire_type.clone()).collect()
    }

    /// The table's columns, quoted, with commas between.
    pub fn column_list(&self) -> String {
        self.targets(|target| quote_identifier(&target.name))
    }

    /// The expressions in the order of [`InsertShape::column_list`].
    pub fn select_list(&self) -> String {
        self.targets(|target| target.select_expression.clone())
    }

    /// The argument of `input()`, not yet quoted as a string literal.
    pub fn input_structure(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{} {}", quote_identifier(&column.wire_name), column.wire_type))
            .collect();
        columns.join(", ")
    }

    fn targets(&self, print: impl Fn(&InsertTarget) -> String) -> String {
        let parts: Vec<String> =
            self.columns.iter().filter_map(|column| column.target.as_ref()).map(print).collect();
        parts.join(", ")
    }
}
