//! What else decides which row a record becomes: tombstones, nulls, fields of other names.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::value::pairs;

const FIELDS: &str = "pumphouse.field.columns";
const DATE_FORMATS: &str = "dateTimeFormats";

/// Rules for all records of a connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowRules {
    /// Records without a value become no rows and are passed.
    pub skip_tombstones: bool,
    /// null is refused where the column cannot hold it, also where it has a DEFAULT.
    pub refuse_nulls: bool,
    /// Columns by the field that fills them, where it has another name.
    pub renamed: BTreeMap<String, String>,
    /// By column: the pattern of its texts, of Java's `DateTimeFormatter`.
    pub date_formats: BTreeMap<String, String>,
}

impl RowRules {
    /// Adds what differs from the usual, a line each.
    pub(crate) fn describe(&self, text: &mut String) {
        if self.skip_tombstones {
            text.push_str("tombstones=skip\n");
        }
        if self.refuse_nulls {
            text.push_str("nulls=refuse\n");
        }
        // Names are quoted, so that none of them can pretend to be another line.
        for (field, column) in &self.renamed {
            let _ = writeln!(text, "field {field:?}={column:?}");
        }
        for (column, pattern) in &self.date_formats {
            let _ = writeln!(text, "date format {column:?}={pattern:?}");
        }
    }
}

/// `has_fields`: the values have fields with names.
pub(crate) fn read(reading: &mut Reading<'_>, has_fields: bool) -> RowRules {
    let (mut renamed, mut columns) = (BTreeMap::<String, String>::new(), BTreeSet::new());
    // Malformed pairs are reported by their kind.
    for (field, column) in pairs(reading.text(FIELDS)).unwrap_or_default() {
        let (field_twice, column_twice) = (renamed.contains_key(field), columns.contains(column));
        if column.is_empty() {
            reading.error(ConfigCode::Value, FIELDS, format!("{field} has no column"), "Write field=column.");
        } else if field_twice || column_twice {
            let what = if field_twice { field } else { column };
            reading.error(ConfigCode::Conflict, FIELDS, format!("{what} stands twice"), "Keep one of them.");
        } else {
            renamed.insert(field.to_owned(), column.to_owned());
            columns.insert(column);
        }
    }
    if !renamed.is_empty() && !has_fields {
        let message = "the values of this converter have no fields with names";
        reading.error(ConfigCode::Conflict, FIELDS, message, "Remove it.");
    }
    RowRules {
        skip_tombstones: reading.text("pumphouse.tombstones").eq_ignore_ascii_case("skip"),
        refuse_nulls: !reading.boolean("pumphouse.null.as.default"),
        renamed,
        date_formats: date_formats(reading),
    }
}

/// `column=pattern` with semicolons between, as the official sink has it: patterns may hold commas.
fn date_formats(reading: &mut Reading<'_>) -> BTreeMap<String, String> {
    let mut formats = BTreeMap::new();
    for part in reading.text(DATE_FORMATS).split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let pair = part.split_once('=').map(|(column, pattern)| (column.trim(), pattern.trim()));
        match pair {
            Some((column, pattern)) if !column.is_empty() && !pattern.is_empty() => {
                if formats.insert(column.to_owned(), pattern.to_owned()).is_some() {
                    let message = format!("{column} stands twice");
                    reading.error(ConfigCode::Conflict, DATE_FORMATS, message, "Keep one of them.");
                }
            }
            Some(_) | None => {
                let message = format!("{part:?} is not `column=pattern`");
                let remedy = "Write column=pattern, with semicolons between.";
                reading.error(ConfigCode::Value, DATE_FORMATS, message, remedy);
            }
        }
    }
    formats
}
