//! From a table's columns to what every field becomes: compiled once per table definition.
use std::sync::Arc;

use hashbrown::HashMap;
use pumphouse_columns::{DataType, Segment, TypeError, quote_identifier, quote_string};

use crate::conversion::{Conversion, ZoneError};
use crate::references::mentions;
use crate::shape::{InsertColumn, InsertShape, InsertTarget};
use crate::table_column::{DefaultKind, TableColumn};

/// What happens to a field that no column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    /// It is checked to be JSON and passed over.
    #[default]
    Ignore,
    /// The record is refused with DECODE-009.
    Refuse,
}

/// The names of the columns that take a record's position, where the table has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageNames {
    /// Takes the topic's name.
    pub topic: String,
    /// Takes the partition's number.
    pub partition: String,
    /// Takes the record's offset.
    pub offset: String,
}

impl Default for LineageNames {
    fn default() -> LineageNames {
        LineageNames {
            topic: "_topic".to_owned(),
            partition: "_partition".to_owned(),
            offset: "_offset".to_owned(),
        }
    }
}

/// What of the connector's configuration decides what a record becomes.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Fields without a column.
    pub unknown_fields: UnknownFields,
    /// Lineage columns.
    pub lineage: LineageNames,
}

/// The table cannot be written by this version. Always for the operator to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A type text that is not one.
    #[error("PLAN-002: column {column}: {source}")]
    Type {
        /** The column. */
        column: String,
        /** Why. */
        #[source]
        source: TypeError,
    },
    /// A type, or a part of it, without a builder.
    #[error("PLAN-003: column {column}: type {part} is not supported")]
    Unsupported {
        /** The column. */
        column: String,
        /** The part of its type. */
        part: String,
    },
    /// A time zone that the built-in time zone database does not have.
    #[error("PLAN-004: column {column}: time zone {zone} is not known")]
    UnknownZone {
        /** The column. */
        column: String,
        /** The zone. */
        zone: String,
    },
    /// A lineage column of a type that cannot hold every position.
    #[error("PLAN-005: lineage column {column} cannot be of type {type_text}")]
    Lineage {
        /** The column. */
        column: String,
        /** Its type. */
        type_text: String,
    },
    /// Nothing can be written: every column is MATERIALIZED, ALIAS or EPHEMERAL.
    #[error("PLAN-006: the table has no column that can be written")]
    NoColumns,
    /// A DEFAULT that has to be written out in the INSERT mentions a column that only the server has.
    #[error("PLAN-008: the DEFAULT of column {column} uses {mentioned}, which is not stored from a record")]
    DefaultNeedsServer {
        /** The column. */
        column: String,
        /** What its DEFAULT uses. */
        mentioned: String,
    },
    /// The same name twice.
    #[error("PLAN-007: column {column} stands in the list twice")]
    Twice {
        /** The column. */
        column: String,
    },
}

/// What a column gets when the record has no value for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// NULL travels: it stays NULL, or the server puts the DEFAULT in its place.
    Null,
    /// The type's default value travels and the mask says "not given".
    Masked,
    /// The record is refused.
    Refuse,
}

/// Which part of the record's position a lineage column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lineage {
    Topic,
    Partition,
    Offset,
}

/// Where a table column's value comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Field { conversion: Conversion, missing: Absent, null: Absent },
    Lineage(Lineage),
}

/// How one table column is filled.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    pub(crate) name: Arc<str>,
    /// Its place in the block.
    pub(crate) wire: usize,
    /// The place of its mask in the block.
    pub(crate) mask: Option<usize>,
    pub(crate) source: Source,
}

/// What the records of one table become. Immutable; shared by decoders.
#[derive(Debug)]
pub struct TablePlan {
    pub(crate) columns: Vec<ColumnPlan>,
    pub(crate) by_name: HashMap<Box<[u8]>, usize>,
    pub(crate) unknown_fields: UnknownFields,
    shape: InsertShape,
}

impl TablePlan {
    /// Compiles a plan. Column order is the table's.
    /// Errors: [`PlanError`], each naming the column.
    pub fn compile(columns: &[TableColumn], options: PlanOptions) -> Result<TablePlan, PlanError> {
        let drafts = drafts(columns, &options.lineage)?;
        if drafts.is_empty() {
            return Err(PlanError::NoColumns);
        }
        let prefix = wire_prefix(columns);
        let explicit = explicit_defaults(&drafts);
        refuse_server_columns(columns, &drafts, &explicit)?;
        let mut plan = TablePlan {
            columns: Vec::new(),
            by_name: HashMap::new(),
            unknown_fields: options.unknown_fields,
            shape: InsertShape { columns: Vec::new() },
        };
        for (index, draft) in drafts.iter().enumerate() {
            plan.add(index, draft, &prefix, explicit[index])?;
        }
        Ok(plan)
    }

    /// The block's columns and the statement around them.
    pub fn shape(&self) -> &InsertShape {
        &self.shape
    }

    /// An empty segment for the block's columns.
    pub fn new_segment(&self) -> Segment {
        Segment::new(&self.shape.wire_types()).expect("compile() refuses types without a builder")
    }

    /// Whether the table has all three lineage columns.
    pub fn has_lineage(&self) -> bool {
        self.columns.iter().filter(|column| matches!(column.source, Source::Lineage(_))).count() == 3
    }

    fn add(
        &mut self,
        index: usize,
        draft: &Draft<'_>,
        prefix: &str,
        explicit: bool,
    ) -> Result<(), PlanError> {
        let name: Arc<str> = draft.column.name.as_str().into();
        let wire = self.shape.columns.len();
        let wire_name = format!("{prefix}{index}");
        let mask_name = format!("{wire_name}_given");
        let source = match draft.lineage {
            Some(lineage) => Source::Lineage(lineage),
            None => Source::Field {
                conversion: Conversion::compile(&draft.wire_type).map_err(|ZoneError { zone }| {
                    PlanError::UnknownZone { column: name.to_string(), zone }
                })?,
                missing: draft.missing,
                null: draft.null,
            },
        };
        let default = format!(
            "CAST({}, {})",
            draft.column.default_expression,
            quote_string(&draft.table_type.to_string())
        );
        let value = match (draft.masked(), explicit) {
            (true, _) => format!("if({mask_name}, {wire_name}, {default})"),
            (false, true) => {
                format!("if(isNull({wire_name}), {default}, assumeNotNull({wire_name}))")
            }
            (false, false) => wire_name.clone(),
        };
        self.shape.columns.push(InsertColumn {
            wire_name,
            wire_type: draft.wire_type.clone(),
            target: Some(InsertTarget {
                name: name.to_string(),
                // The alias is what the DEFAULT expressions of other columns see under this name.
                select_expression: format!("{value} AS {}", quote_identifier(&name)),
            }),
        });
        let mask = draft.masked().then(|| {
            self.shape.columns.push(InsertColumn {
                wire_name: mask_name,
                wire_type: DataType::UInt8,
                target: None,
            });
            wire + 1
        });
        if matches!(source, Source::Field { .. }) {
            self.by_name.insert(name.as_bytes().into(), self.columns.len());
        }
        self.columns.push(ColumnPlan { name, wire, mask, source });
        Ok(())
    }
}

struct Draft<'a> {
    column: &'a TableColumn,
    table_type: DataType,
    wire_type: DataType,
    missing: Absent,
    null: Absent,
    lineage: Option<Lineage>,
}

impl Draft<'_> {
    fn masked(&self) -> bool {
        self.missing == Absent::Masked
    }

    fn has_default(&self) -> bool {
        self.lineage.is_none() && self.column.default_kind == DefaultKind::Default
    }
}

fn drafts<'a>(columns: &'a [TableColumn], names: &LineageNames) -> Result<Vec<Draft<'a>>, PlanError> {
    let mut drafts: Vec<Draft<'a>> = Vec::new();
    for column in columns {
        match column.default_kind {
            DefaultKind::None | DefaultKind::Default => {}
            // The server makes these itself, or never stores them.
            DefaultKind::Materialized | DefaultKind::Alias | DefaultKind::Ephemeral => continue,
        }
        if drafts.iter().any(|other| other.column.name == column.name) {
            return Err(PlanError::Twice { column: column.name.clone() });
        }
        let table_type: DataType = column
            .type_text
            .parse()
            .map_err(|source| PlanError::Type { column: column.name.clone(), source })?;
        // The builder is the judge: it also refuses combinations such as Nullable(Array(..)).
        if let Err(unsupported) = pumphouse_columns::Column::new(&table_type) {
            return Err(PlanError::Unsupported { column: column.name.clone(), part: unsupported.part });
        }
        let lineage = lineage_of(column, &table_type, names)?;
        let (wire_type, missing, null) = match lineage {
            Some(_) => (table_type.clone(), Absent::Refuse, Absent::Refuse),
            None => travel(&table_type, column.default_kind == DefaultKind::Default),
        };
        drafts.push(Draft { column, table_type, wire_type, missing, null, lineage });
    }
    Ok(drafts)
}

/// The type that travels, and what travels for a missing field and for null.
fn travel(table_type: &DataType, has_default: bool) -> (DataType, Absent, Absent) {
    let same = table_type.clone();
    let holds_null = match table_type {
        DataType::Nullable(_) => true,
        DataType::LowCardinality(inner) => matches!(**inner, DataType::Nullable(_)),
        _ => false,
    };
    match (holds_null, has_default) {
        (true, false) => (same, Absent::Null, Absent::Null),
        // NULL given and nothing given differ, so NULL cannot stand for the DEFAULT.
        (true, true) => (same, Absent::Masked, Absent::Null),
        (false, false) => (same, Absent::Refuse, Absent::Refuse),
        (false, true) => match table_type {
            DataType::LowCardinality(inner) => {
                let nullable = DataType::Nullable(inner.clone());
                (DataType::LowCardinality(Box::new(nullable)), Absent::Null, Absent::Null)
            }
            other if other.can_be_nullable() => {
                (DataType::Nullable(Box::new(same)), Absent::Null, Absent::Null)
            }
            _ => (same, Absent::Masked, Absent::Masked),
        },
    }
}

fn lineage_of(
    column: &TableColumn,
    table_type: &DataType,
    names: &LineageNames,
) -> Result<Option<Lineage>, PlanError> {
    use DataType::{Int32, Int64, Int128, UInt32, UInt64, UInt128};
    let lineage = match &column.name {
        name if *name == names.topic => Lineage::Topic,
        name if *name == names.partition => Lineage::Partition,
        name if *name == names.offset => Lineage::Offset,
        _ => return Ok(None),
    };
    let fits = match (lineage, table_type) {
        (Lineage::Topic, DataType::String) => true,
        (Lineage::Topic, DataType::LowCardinality(inner)) => **inner == DataType::String,
        (Lineage::Partition, Int32 | UInt32) => true,
        (Lineage::Partition | Lineage::Offset, Int64 | UInt64 | Int128 | UInt128) => true,
        _ => false,
    };
    if fits {
        Ok(Some(lineage))
    } else {
        Err(PlanError::Lineage { column: column.name.clone(), type_text: column.type_text.clone() })
    }
}

/// The shortest of `w`, `w_`, `w__`, .. that no column's name begins with.
fn wire_prefix(columns: &[TableColumn]) -> String {
    let mut prefix = "w".to_owned();
    while columns.iter().any(|column| column.name.starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}

/// Columns whose DEFAULT must be written out because a DEFAULT that is written out mentions them:
/// it would otherwise see the NULL that travels, not the value that the server puts in its place.
fn explicit_defaults(drafts: &[Draft<'_>]) -> Vec<bool> {
    let mut explicit: Vec<bool> = drafts.iter().map(|draft| draft.has_default() && draft.masked()).collect();
    loop {
        let next: Vec<bool> = drafts
            .iter()
            .zip(&explicit)
            .map(|(draft, &already)| {
                already
                    || draft.has_default()
                        && drafts.iter().zip(&explicit).any(|(other, &written_out)| {
                            written_out && mentions(&other.column.default_expression, &draft.column.name)
                        })
            })
            .collect();
        if next == explicit {
            return explicit;
        }
        explicit = next;
    }
}

/// The block's statement sees only what travels.
fn refuse_server_columns(
    columns: &[TableColumn],
    drafts: &[Draft<'_>],
    explicit: &[bool],
) -> Result<(), PlanError> {
    let server_only =
        |column: &&TableColumn| !matches!(column.default_kind, DefaultKind::None | DefaultKind::Default);
    for (draft, _) in drafts.iter().zip(explicit).filter(|(_, written_out)| **written_out) {
        let expression = &draft.column.default_expression;
        if let Some(other) = columns.iter().filter(server_only).find(|c| mentions(expression, &c.name)) {
            return Err(PlanError::DefaultNeedsServer {
                column: draft.column.name.clone(),
                mentioned: other.name.clone(),
            });
        }
    }
    Ok(())
}
