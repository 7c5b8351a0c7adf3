//! How records become rows of one table: the compiled plan, what its inserts set, and the text that
//! stands in the state topic, from which a later process makes the same plan again. Carries R15.
use std::sync::Arc;

use pumphouse_clickhouse::{Column, TableName};
use pumphouse_columns::Segment;
use pumphouse_decode::{
    Decoder, FixedSchema, Format, HeadersRef, LineageNames, PlanOptions, RecordRef, TableColumn, TablePlan,
    TakeHeader, Undecoded, UnknownDefaultKind, UnknownFields, ValueColumn,
};
use pumphouse_kafka::RecordView;
use pumphouse_types::{ConfigVersion, TopicName};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::replayed::Replayed;

/// What of a connector's configuration goes into a recipe.
#[derive(Debug, Clone)]
pub struct RecipeSource {
    /// What the values are.
    pub format: Format,
    /// Fields without a column, and the names of the lineage columns.
    pub plan_options: PlanOptions,
    /// Records without a value are passed over, as if the topic did not have them.
    pub skip_tombstones: bool,
    /// What all values are written with, where they carry no number of a schema; checked.
    pub schema: Option<FixedSchema>,
    /// What of the configuration decides which rows a record becomes, as canonical text.
    pub config_text: String,
    /// The connector's own settings of its inserts.
    pub settings: Vec<(String, String)>,
    /// Which records the letters of a dead letter topic stand for, where they are taken again.
    pub replayed: Option<Replayed>,
}

/// One configuration version: who has it makes the same rows of the same records.
#[derive(Debug)]
pub(super) struct Recipe {
    pub version: ConfigVersion,
    pub table: TableName,
    pub format: Format,
    pub plan: Arc<TablePlan>,
    pub skip_tombstones: bool,
    pub schema: Option<FixedSchema>,
    pub settings: Vec<(String, String)>,
    pub replayed: Option<Replayed>,
    /// What the state topic keeps.
    pub text: String,
}

/// The state topic's value. Fields are only ever added: an old text must stay readable.
#[derive(Serialize, Deserialize)]
struct Recorded {
    config: String,
    /// Not in texts of before there were others.
    #[serde(default = "json")]
    format: String,
    database: String,
    table: String,
    columns: Vec<RecordedColumn>,
    unknown_fields: String,
    lineage: RecordedLineage,
    /// The column of whole values; the empty text: the table's only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_column: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    renamed: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refuse_nulls: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    date_formats: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    skip_tombstones: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<RecordedSchema>,
    settings: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replayed: Option<Replayed>,
}

fn json() -> String {
    Format::Json.name().to_owned()
}

#[derive(Serialize, Deserialize)]
struct RecordedColumn {
    name: String,
    #[serde(rename = "type")]
    type_text: String,
    default_kind: String,
    default_expression: String,
}

/// The whole text of it: the files may change, or be gone.
#[derive(Serialize, Deserialize)]
struct RecordedSchema {
    texts: Vec<String>,
    message: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct RecordedLineage {
    topic: String,
    partition: String,
    offset: String,
    // A text without them is of a build that had no such columns.
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    headers: String,
}

impl Recipe {
    /// Compiles the plan for a table as it is now.
    /// Errors: a table that this version cannot fill.
    pub(super) fn compile(
        source: &RecipeSource,
        table: &TableName,
        columns: &[Column],
    ) -> Result<Recipe, Failure> {
        let mut described = Vec::with_capacity(columns.len());
        for column in columns {
            described.push(TableColumn {
                name: column.name.clone(),
                type_text: column.type_text.clone(),
                default_kind: column.default_kind.parse().map_err(|error: UnknownDefaultKind| {
                    Failure::ClickHouse(format!("{table}: column {}: {error}", column.name))
                })?,
                default_expression: column.default_expression.clone(),
            });
        }
        let plan = TablePlan::compile(&described, source.plan_options.clone())
            .map_err(|source| Failure::Plan { table: table.to_string(), source })?;
        let recorded = Recorded::new(source, table, columns);
        let text = serde_json::to_string(&recorded).expect("texts and lists are JSON");
        Ok(Recipe {
            version: version_of(source, table, &plan),
            table: table.clone(),
            format: source.format,
            plan: Arc::new(plan),
            skip_tombstones: source.skip_tombstones,
            schema: source.schema.clone(),
            settings: source.settings.clone(),
            replayed: source.replayed.clone(),
            text,
        })
    }

    /// A decoder for its records.
    pub(super) fn decoder(&self) -> Decoder {
        let plan = Arc::clone(&self.plan);
        match &self.schema {
            None => Decoder::new(self.format, plan),
            Some(schema) => Decoder::with_schema(self.format, plan, schema)
                .expect("it was checked at the start, or when the recipe was read"),
        }
    }

    /// Makes the recipe of a recorded text again.
    /// Errors: what is wrong; also where this build makes other rows of it than the one that recorded it.
    pub(super) fn rebuild(wanted: ConfigVersion, text: &[u8]) -> Result<Recipe, String> {
        let recorded: Recorded =
            serde_json::from_slice(text).map_err(|error| format!("its text cannot be read: {error}"))?;
        let (source, table, columns) = recorded.parts()?;
        if let Some(schema) = &source.schema {
            Decoder::check_schema(source.format, schema)
                .map_err(|fault| format!("this build cannot use its schema: {fault}"))?;
        }
        let recipe = Recipe::compile(&source, &table, &columns).map_err(|failure| failure.to_string())?;
        if recipe.version != wanted {
            return Err(format!("this build makes version {} of its text", recipe.version));
        }
        Ok(recipe)
    }
}

impl Recipe {
    /// The topic whose records are read: the one that letters are about, where they are taken again.
    pub(super) fn source_topic<'t>(&'t self, topic: &'t TopicName) -> &'t TopicName {
        self.replayed.as_ref().map_or(topic, |replayed| &replayed.topic)
    }

    /// Appends the row of a record to `segment`, which the plan made. `None`: for this lane the topic does
    /// not have the record. Errors: as of the decoder; the segment is then as it was before.
    pub(super) fn decode(
        &self,
        decoder: &mut Decoder,
        segment: &mut Segment,
        topic: &TopicName,
        record: &RecordView<'_>,
    ) -> Option<Result<(), Undecoded>> {
        match &self.replayed {
            Some(replayed) => replayed.decode(decoder, segment, record),
            None if self.skip_tombstones && record.value().is_none() => None,
            None => Some(self.decode_own(decoder, segment, topic, record)),
        }
    }

    fn decode_own(
        &self,
        decoder: &mut Decoder,
        segment: &mut Segment,
        topic: &TopicName,
        record: &RecordView<'_>,
    ) -> Result<(), Undecoded> {
        // Asked only where the table has a column for them.
        let headers = |take: &mut TakeHeader<'_>| {
            record.headers().for_each(|(name, value)| take(name, value));
        };
        let row = RecordRef {
            topic: topic.as_str(),
            partition: record.partition().0,
            offset: record.offset().get(),
            timestamp_ms: record.timestamp_ms(),
            key: record.key(),
            headers: HeadersRef::new(&headers),
            value: record.value(),
        };
        decoder.decode(segment, row)
    }
}

impl Recorded {
    fn new(source: &RecipeSource, table: &TableName, columns: &[Column]) -> Recorded {
        let PlanOptions {
            unknown_fields,
            lineage,
            value_column,
            renamed,
            refuse_nulls,
            date_formats,
            // It only says what is an error at the start.
            all_columns_here: _,
        } = &source.plan_options;
        let column = |column: &Column| RecordedColumn {
            name: column.name.clone(),
            type_text: column.type_text.clone(),
            default_kind: column.default_kind.clone(),
            default_expression: column.default_expression.clone(),
        };
        Recorded {
            config: source.config_text.clone(),
            format: source.format.name().to_owned(),
            database: table.database.clone(),
            table: table.table.clone(),
            columns: columns.iter().map(column).collect(),
            unknown_fields: match unknown_fields {
                UnknownFields::Ignore => "ignore".to_owned(),
                UnknownFields::Refuse => "refuse".to_owned(),
            },
            lineage: RecordedLineage {
                topic: lineage.topic.clone(),
                partition: lineage.partition.clone(),
                offset: lineage.offset.clone(),
                timestamp: lineage.timestamp.clone(),
                key: lineage.key.clone(),
                headers: lineage.headers.clone(),
            },
            value_column: match value_column {
                ValueColumn::None => None,
                ValueColumn::Only => Some(String::new()),
                ValueColumn::Named(name) => Some(name.clone()),
            },
            renamed: renamed.clone(),
            refuse_nulls: *refuse_nulls,
            date_formats: date_formats.clone(),
            skip_tombstones: source.skip_tombstones,
            schema: source.schema.as_ref().map(|schema| RecordedSchema {
                texts: schema.texts.clone(),
                message: schema.message.clone(),
            }),
            settings: source.settings.clone(),
            replayed: source.replayed.clone(),
        }
    }

    fn parts(self) -> Result<(RecipeSource, TableName, Vec<Column>), String> {
        let unknown_fields = match self.unknown_fields.as_str() {
            "ignore" => UnknownFields::Ignore,
            "refuse" => UnknownFields::Refuse,
            other => {
                return Err(format!("unknown fields are to be {other:?}, which this build does not know"));
            }
        };
        let format = Format::from_name(&self.format)
            .ok_or_else(|| format!("values are {:?}, which this build does not read", self.format))?;
        let RecordedLineage { topic, partition, offset, timestamp, key, headers } = self.lineage;
        let lineage = LineageNames { topic, partition, offset, timestamp, key, headers };
        let column = |column: RecordedColumn| Column {
            name: column.name,
            type_text: column.type_text,
            default_kind: column.default_kind,
            default_expression: column.default_expression,
        };
        let source = RecipeSource {
            format,
            plan_options: PlanOptions {
                unknown_fields,
                lineage,
                value_column: match self.value_column {
                    None => ValueColumn::None,
                    Some(name) if name.is_empty() => ValueColumn::Only,
                    Some(name) => ValueColumn::Named(name),
                },
                renamed: self.renamed,
                refuse_nulls: self.refuse_nulls,
                date_formats: self.date_formats,
                all_columns_here: false,
            },
            skip_tombstones: self.skip_tombstones,
            schema: self.schema.map(|RecordedSchema { texts, message }| FixedSchema { texts, message }),
            config_text: self.config,
            settings: self.settings,
            replayed: self.replayed,
        };
        let table = TableName { database: self.database, table: self.table };
        Ok((source, table, self.columns.into_iter().map(column).collect()))
    }
}

/// The first 64 bits of a SHA-256 of all that decides which rows, in which columns, a record becomes: the
/// same for every build that agrees on that.
fn version_of(source: &RecipeSource, table: &TableName, plan: &TablePlan) -> ConfigVersion {
    let shape = plan.shape();
    let (columns, values) = (shape.column_list(), shape.select_list());
    let (config_text, structure) = (&source.config_text, shape.input_structure());
    // Nothing for all others, so that their versions stay what they were.
    let replayed = source.replayed.as_ref().map(Replayed::text).unwrap_or_default();
    let schema = match &source.schema {
        // Quoted, so that no text can pretend to be another line.
        Some(FixedSchema { texts, message }) => format!("schema {message:?} {texts:?}\n"),
        None => String::new(),
    };
    let text = format!("{config_text}table {table}\n{columns}\n{values}\n{structure}\n{replayed}{schema}");
    let digest = Sha256::digest(text.as_bytes());
    let head: [u8; 8] = digest[..8].try_into().expect("a digest has 32 bytes");
    ConfigVersion(u64::from_be_bytes(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_text: &str, default_expression: &str) -> Column {
        let default_kind = if default_expression.is_empty() { "" } else { "DEFAULT" };
        Column {
            name: name.to_owned(),
            type_text: type_text.to_owned(),
            default_kind: default_kind.to_owned(),
            default_expression: default_expression.to_owned(),
        }
    }

    const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[{"name":"number","type":"long"}]}"#;

    fn recipe(columns: &[Column], unknown_fields: UnknownFields) -> Recipe {
        recipe_of(columns, unknown_fields, None)
    }

    fn recipe_of(columns: &[Column], unknown_fields: UnknownFields, schema: Option<&str>) -> Recipe {
        let source = RecipeSource {
            format: Format::Avro,
            plan_options: PlanOptions {
                unknown_fields,
                renamed: vec![("number".to_owned(), "id".to_owned())],
                refuse_nulls: true,
                date_formats: vec![("at".to_owned(), "dd.MM.yyyy".to_owned())],
                ..PlanOptions::default()
            },
            skip_tombstones: true,
            schema: schema.map(|text| FixedSchema { texts: vec![text.to_owned()], message: None }),
            config_text: format!("unknown.fields={unknown_fields:?}\n"),
            settings: vec![("insert_quorum".to_owned(), "2".to_owned())],
            replayed: None,
        };
        let table = TableName { database: "d".to_owned(), table: "t".to_owned() };
        Recipe::compile(&source, &table, columns).unwrap()
    }

    #[test]
    fn a_recorded_version_is_made_again() {
        let columns = [
            column("id", "UInt64", ""),
            column("at", "DateTime64(3)", "now64(3)"),
            column("_offset", "Int64", ""),
        ];
        let recipe = recipe(&columns, UnknownFields::Refuse);
        let again = Recipe::rebuild(recipe.version, recipe.text.as_bytes()).unwrap();
        assert_eq!(again.version, recipe.version);
        assert_eq!(again.plan.shape(), recipe.plan.shape());
        assert_eq!((again.settings, again.table), (recipe.settings, recipe.table));
        assert_eq!(again.format, Format::Avro);
        assert_eq!(again.text, recipe.text);
        assert!(again.skip_tombstones);
    }

    #[test]
    fn another_schema_is_another_version() {
        let recipe = recipe_of(&[column("id", "UInt64", "")], UnknownFields::Ignore, Some(SCHEMA));
        let again = Recipe::rebuild(recipe.version, recipe.text.as_bytes()).unwrap();
        assert_eq!((&again.schema, &again.text), (&recipe.schema, &recipe.text));
        let other = recipe.text.replace("\\\"long\\\"", "\\\"int\\\"");
        assert_ne!(other, recipe.text);
        assert!(Recipe::rebuild(recipe.version, other.as_bytes()).unwrap_err().contains("makes version"));
        let broken = recipe.text.replace("\\\"long\\\"", "\\\"none\\\"");
        assert!(Recipe::rebuild(recipe.version, broken.as_bytes()).unwrap_err().contains("SCHEMA-004"));
    }

    #[test]
    fn another_shape_is_another_version() {
        let narrow = recipe(&[column("id", "UInt64", "")], UnknownFields::Ignore);
        let wide = recipe(&[column("id", "UInt64", ""), column("n", "UInt8", "")], UnknownFields::Ignore);
        assert_ne!(narrow.version, wide.version);
        assert!(Recipe::rebuild(narrow.version, wide.text.as_bytes()).is_err());
    }

    #[test]
    fn a_text_of_before_there_were_formats_means_json() {
        let recipe = recipe(&[column("id", "UInt64", "")], UnknownFields::Ignore);
        let old = recipe.text.replace("\"format\":\"avro\",", "");
        assert_ne!(old, recipe.text);
        // The configuration's text, which the version is made of, says the format as well.
        let again = Recipe::rebuild(recipe.version, old.as_bytes()).unwrap();
        assert_eq!(again.format, Format::Json);
        let unknown = recipe.text.replace("\"avro\"", "\"xml\"");
        assert!(Recipe::rebuild(recipe.version, unknown.as_bytes()).unwrap_err().contains("xml"));
    }

    #[test]
    fn a_text_of_another_build_is_refused_with_the_reason() {
        let why = Recipe::rebuild(ConfigVersion(1), b"pumphouse configuration 1\ntable d.t\n").unwrap_err();
        assert!(why.contains("cannot be read"), "{why}");
    }
}
