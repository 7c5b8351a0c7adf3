//! From a table's columns to what every field becomes: compiled once per table definition.
use std::sync::Arc;

use hashbrown::HashMap;
use pumphouse_columns::{DataType, Segment, TypeError, quote_identifier, quote_string};

use crate::conversion::{Conversion, ZoneError};
use crate::date_format::DateFormat;
use crate::dotted::{Dotted, Target};
use crate::lineage::{Lineage, LineageNames};
use crate::references::mentions;
use crate::shape::{InsertColumn, InsertShape, InsertTarget};
use crate::table_column::{DefaultKind, TableColumn};
use crate::type_table;
use crate::usual_value::Usual;

/// What happens to a field that no column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    /// It is checked to be JSON and passed over.
    #[default]
    Ignore,
    /// The record is refused with DECODE-009.
    Refuse,
}

/// Where a value without fields goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ValueColumn {
    /// Values have fields.
    #[default]
    None,
    /// To the only column that is no lineage column.
    Only,
    /// To the column of this name.
    Named(String),
}

/// What of the connector's configuration decides what a record becomes.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Fields without a column.
    pub unknown_fields: UnknownFields,
    /// Lineage columns.
    pub lineage: LineageNames,
    /// The column that takes whole values.
    pub value_column: ValueColumn,
    /// Columns that are filled from a field of another name: field and column.
    pub renamed: Vec<(String, String)>,
    /// null is refused for a column that cannot hold it, also where the column has a DEFAULT.
    pub refuse_nulls: bool,
    /// Columns whose texts are dates or times of a form of their own: column, and pattern of Java's
    /// `DateTimeFormatter`.
    pub date_formats: Vec<(String, String)>,
    /// Columns that `renamed` and `date_formats` name have to be there; else those that are not are
    /// another table's.
    pub all_columns_here: bool,
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
    /// Whole values, and no column to put them in.
    #[error("PLAN-009: {why}")]
    NoValueColumn {
        /** What there is instead. */
        why: String,
    },
    /// A field is to fill a column that is not there, or that something else fills.
    #[error("PLAN-010: field {field} cannot fill column {column}: {why}")]
    Renamed {
        /** The field. */
        field: String,
        /** The column. */
        column: String,
        /** What is in the way. */
        why: &'static str,
    },
    /// A pattern for texts that is none, or that the column has no use for.
    #[error("PLAN-011: column {column}, pattern {pattern:?}: {why}")]
    DateFormat {
        /** The column. */
        column: String,
        /** The pattern. */
        pattern: String,
        /** What is wrong. */
        why: String,
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
    /// Its usual JSON value.
    pub(crate) usual: Usual,
}

/// What the records of one table become. Immutable; shared by decoders.
#[derive(Debug)]
pub struct TablePlan {
    pub(crate) columns: Vec<ColumnPlan>,
    /// Columns that a field fills, by their whole names.
    pub(crate) by_name: HashMap<Box<[u8]>, usize>,
    /// Columns with dots in their names, by what stands before the dots.
    pub(crate) dotted: Dotted,
    pub(crate) unknown_fields: UnknownFields,
    /// The place of the column that takes whole values, where values have no fields.
    pub(crate) value_place: Option<usize>,
    shape: InsertShape,
}

impl TablePlan {
    /// Compiles a plan. Column order is the table's.
    /// Errors: [`PlanError`], each naming the column.
    pub fn compile(columns: &[TableColumn], options: PlanOptions) -> Result<TablePlan, PlanError> {
        let drafts = drafts(columns, &options)?;
        if drafts.is_empty() {
            return Err(PlanError::NoColumns);
        }
        let prefix = wire_prefix(columns);
        let explicit = explicit_defaults(&drafts);
        refuse_server_columns(columns, &drafts, &explicit)?;
        let mut plan = TablePlan {
            columns: Vec::new(),
            by_name: HashMap::new(),
            dotted: Dotted::default(),
            unknown_fields: options.unknown_fields,
            value_place: value_place(&drafts, &options.value_column)?,
            shape: InsertShape { columns: Vec::new() },
        };
        for (index, draft) in drafts.iter().enumerate() {
            plan.add(index, draft, &prefix, explicit[index], &options.date_formats)?;
        }
        let fields = plan.columns.iter().zip(&drafts).enumerate().filter(|(_, (_, d))| d.lineage.is_none());
        plan.dotted = Dotted::new(fields.map(|(place, (column, draft))| {
            (place, draft.field(&column.name), matches!(draft.table_type, DataType::Array(_)))
        }));
        Ok(plan)
    }

    /// What a field's name stands for: a column of that name, or else columns whose names go on
    /// behind it with a dot.
    pub(crate) fn target(&self, name: &[u8]) -> Option<Target> {
        match self.by_name.get(name) {
            Some(&place) => Some(Target::Column(place)),
            None => self.dotted.group_of(name),
        }
    }

    /// The block's columns and the statement around them.
    pub fn shape(&self) -> &InsertShape {
        &self.shape
    }

    /// An empty segment for the block's columns.
    pub fn new_segment(&self) -> Segment {
        Segment::new(&self.shape.wire_types()).expect("compile() refuses types without a builder")
    }

    /// Whether the table has the columns that identify a record: topic, partition and offset.
    pub fn has_lineage(&self) -> bool {
        let has = |wanted: Lineage| {
            self.columns.iter().any(|column| matches!(column.source, Source::Lineage(l) if l == wanted))
        };
        has(Lineage::Topic) && has(Lineage::Partition) && has(Lineage::Offset)
    }

    fn add(
        &mut self,
        index: usize,
        draft: &Draft<'_>,
        prefix: &str,
        explicit: bool,
        date_formats: &[(String, String)],
    ) -> Result<(), PlanError> {
        let name: Arc<str> = draft.column.name.as_str().into();
        let wire = self.shape.columns.len();
        let wire_name = format!("{prefix}{index}");
        let mask_name = format!("{wire_name}_given");
        let source = match draft.lineage {
            Some(lineage) => Source::Lineage(lineage),
            None => Source::Field {
                conversion: formatted(
                    self.conversion(draft).map_err(|ZoneError { zone }| PlanError::UnknownZone {
                        column: name.to_string(),
                        zone,
                    })?,
                    &name,
                    date_formats,
                )?,
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
            // Each state is read for itself: bytes that are none, or too many, are an error.
            (false, false) if matches!(draft.table_type, DataType::AggregateFunction(_)) => {
                format!("CAST({wire_name}, {})", quote_string(&draft.table_type.to_string()))
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
            self.by_name.insert(draft.field(&name).as_bytes().into(), self.columns.len());
        }
        let usual = match &source {
            Source::Field { conversion, null, .. } => Usual::of(conversion, *null, wire, mask),
            Source::Lineage(_) => Usual::NEVER,
        };
        self.columns.push(ColumnPlan { name, wire, mask, source, usual });
        Ok(())
    }

    /// From the table's type, which says more than the one that travels: Nested, for one.
    fn conversion(&self, draft: &Draft<'_>) -> Result<Conversion, ZoneError> {
        let conversion = Conversion::compile(&draft.table_type, self.unknown_fields)?;
        let travels_nullable =
            matches!(draft.wire_type, DataType::Nullable(_)) && !draft.table_type.holds_null();
        Ok(if travels_nullable { Conversion::Nullable(Box::new(conversion)) } else { conversion })
    }
}

struct Draft<'a> {
    column: &'a TableColumn,
    table_type: DataType,
    wire_type: DataType,
    missing: Absent,
    null: Absent,
    lineage: Option<Lineage>,
    /// The field that fills it, if that has another name.
    renamed: Option<&'a str>,
}

impl Draft<'_> {
    /// The name of the field that fills it.
    fn field<'n>(&'n self, name: &'n str) -> &'n str {
        self.renamed.unwrap_or(name)
    }

    fn masked(&self) -> bool {
        self.missing == Absent::Masked
    }

    fn has_default(&self) -> bool {
        self.lineage.is_none() && self.column.default_kind == DefaultKind::Default
    }
}

fn drafts<'a>(columns: &'a [TableColumn], options: &'a PlanOptions) -> Result<Vec<Draft<'a>>, PlanError> {
    let names = &options.lineage;
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
        let lineage = names.find(&column.name, &table_type).map_err(|()| PlanError::Lineage {
            column: column.name.clone(),
            type_text: column.type_text.clone(),
        })?;
        let has_default = column.default_kind == DefaultKind::Default;
        let (wire_type, missing, null) = match (lineage, &table_type) {
            (Some(_), _) => (table_type.input_type(), Absent::Refuse, Absent::Refuse),
            // A state travels as a String; with a DEFAULT beside it, the server would also have to read
            // the one that is not given.
            (None, DataType::AggregateFunction(_)) if !has_default => {
                (DataType::String, Absent::Refuse, Absent::Refuse)
            }
            (None, _) => travel(&table_type, has_default),
        };
        let null = match options.refuse_nulls && !table_type.holds_null() {
            true => Absent::Refuse,
            false => null,
        };
        if !type_table::covers(&table_type) {
            return Err(PlanError::Unsupported { column: column.name.clone(), part: table_type.to_string() });
        }
        // The builder judges what stands inside, and combinations such as Nullable(Array(..)).
        if let Err(unsupported) = pumphouse_columns::Column::new(&wire_type) {
            return Err(PlanError::Unsupported { column: column.name.clone(), part: unsupported.part });
        }
        let renamed = options.renamed.iter().find(|(_, renamed)| *renamed == column.name);
        let renamed = renamed.map(|(field, _)| field.as_str());
        drafts.push(Draft { column, table_type, wire_type, missing, null, lineage, renamed });
    }
    check_renamed(&drafts, options)?;
    if options.all_columns_here
        && let Some((column, pattern)) = options
            .date_formats
            .iter()
            .find(|(name, _)| drafts.iter().all(|draft| draft.column.name != *name))
    {
        let (column, pattern) = (column.clone(), pattern.clone());
        let why = "the table has no such column that can be written".to_owned();
        return Err(PlanError::DateFormat { column, pattern, why });
    }
    Ok(drafts)
}

/// With the column's pattern, if it has one.
fn formatted(
    conversion: Conversion,
    column: &str,
    date_formats: &[(String, String)],
) -> Result<Conversion, PlanError> {
    let Some((_, pattern)) = date_formats.iter().find(|(name, _)| name == column) else {
        return Ok(conversion);
    };
    let refused = |why| PlanError::DateFormat { column: column.to_owned(), pattern: pattern.clone(), why };
    let format = DateFormat::compile(pattern).map_err(refused)?;
    conversion.formatted(format).map_err(|why| refused(why.to_owned()))
}

/// Each of the columns is there, no field fills two, and no column that keeps its name is shadowed.
fn check_renamed(drafts: &[Draft<'_>], options: &PlanOptions) -> Result<(), PlanError> {
    let renamed = &options.renamed;
    for (place, (field, column)) in renamed.iter().enumerate() {
        let refuse = |why| Err(PlanError::Renamed { field: field.clone(), column: column.clone(), why });
        match drafts.iter().find(|draft| draft.column.name == *column) {
            None if !options.all_columns_here => continue,
            None => return refuse("the table has no such column that can be written"),
            Some(draft) if draft.lineage.is_some() => return refuse("it is a lineage column"),
            Some(_) => {}
        }
        let others = || renamed.iter().enumerate().filter(|(other, _)| *other != place);
        if others().any(|(_, (other, _))| other == field) {
            return refuse("the field fills another column, too");
        }
        if others().any(|(_, (_, other))| other == column) {
            return refuse("another field fills it, too");
        }
        if drafts.iter().any(|draft| draft.renamed.is_none() && draft.column.name == *field) {
            return refuse("the field has a column of its own name");
        }
    }
    Ok(())
}

/// The place of the column that takes whole values. `None`: values have fields.
fn value_place(drafts: &[Draft<'_>], wanted: &ValueColumn) -> Result<Option<usize>, PlanError> {
    let fillable = || drafts.iter().enumerate().filter(|(_, draft)| draft.lineage.is_none());
    let found = match wanted {
        ValueColumn::None => return Ok(None),
        ValueColumn::Named(name) => {
            let found = fillable().find(|(_, draft)| draft.column.name == *name);
            found.ok_or_else(|| format!("the table has no column {name} that can take the whole value"))
        }
        ValueColumn::Only => match (fillable().next(), fillable().nth(1)) {
            (Some(only), None) => Ok(only),
            (None, _) => Err("the table has no column that can take the whole value".to_owned()),
            (Some((_, one)), Some((_, other))) => Err(format!(
                "whole values need one column, and there are {} and {}",
                one.column.name, other.column.name
            )),
        },
    };
    found.map(|(place, _)| Some(place)).map_err(|why| PlanError::NoValueColumn { why })
}

/// The type that travels, and what travels for a missing field and for null.
fn travel(table_type: &DataType, has_default: bool) -> (DataType, Absent, Absent) {
    let same = table_type.input_type();
    match (table_type.holds_null(), has_default) {
        (true, false) => (same, Absent::Null, Absent::Null),
        // NULL given and nothing given differ, so NULL cannot stand for the DEFAULT.
        (true, true) => (same, Absent::Masked, Absent::Null),
        (false, false) => (same, Absent::Refuse, Absent::Refuse),
        (false, true) => match &same {
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
