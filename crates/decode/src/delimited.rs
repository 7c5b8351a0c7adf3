//! Texts of one row, CSV or TSV, as ClickHouse reads them with its default settings: what StringConverter
//! with `insertFormat` CSV or TSV hands on. Fields stand in the order of the table's columns.
//! Source: ClickHouse, Formats for Input and Output Data, CSV and TabSeparated.
mod cell;
mod csv;
mod decoder;
mod literal;
mod tsv;

pub use decoder::{Delimited, DelimitedDecoder};
