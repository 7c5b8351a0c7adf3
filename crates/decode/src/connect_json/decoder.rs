//! Records of JsonConverter with `schemas.enable=true`.
use std::sync::Arc;

use hashbrown::HashMap;
use pumphouse_columns::Segment;

use super::program::{Program, Scratch};
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::json_decoder::{JsonDecoder, RecordRef, plain};
use crate::plan::TablePlan;
use crate::scanner::Scanner;
use crate::source_row::one_row;

/// Different schemas kept; when there are more, all are given up and compiled again.
const SCHEMAS_MAX: usize = 64;

/// A schema longer than this is refused: it stands in every record.
const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// A text buffer larger than this is given back after the record that needed it.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// Writes records that carry their schema into segments of one plan. Single-threaded.
#[derive(Debug)]
pub struct ConnectJsonDecoder {
    plan: Arc<TablePlan>,
    /// For payloads with `"schema": null`.
    without_schema: JsonDecoder,
    programs: Programs,
    scratch: Scratch,
}

/// Compiled schemas by their text. `None`: not a usable schema.
#[derive(Debug)]
struct Programs {
    null_defaults: bool,
    known: HashMap<Box<[u8]>, Option<Arc<Program>>>,
    /// The last record's.
    last: Option<(Box<[u8]>, Arc<Program>)>,
}

/// An envelope taken apart; positions are the record's.
struct Envelope<'a> {
    schema: &'a [u8],
    payload: &'a [u8],
}

impl ConnectJsonDecoder {
    /// A decoder for a plan. `null_defaults`: null, and a field that is not there, become the schema's
    /// default.
    pub fn new(plan: Arc<TablePlan>, null_defaults: bool) -> ConnectJsonDecoder {
        ConnectJsonDecoder {
            without_schema: JsonDecoder::new(Arc::clone(&plan)),
            plan,
            programs: Programs { null_defaults, known: HashMap::new(), last: None },
            scratch: Scratch::default(),
        }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Appends one row to `segment`, which the plan made.
    /// Errors: [`DecodeError`]; the segment is then as it was before.
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), DecodeError> {
        let ConnectJsonDecoder { plan, without_schema, programs, scratch } = self;
        let value = record.value.ok_or_else(|| plain(DecodeReason::NotAnObject { found: None }))?;
        if let Err(error) = std::str::from_utf8(value) {
            return Err(plain(DecodeReason::InvalidUtf8 { at: error.valid_up_to() }));
        }
        let envelope = programs.envelope(value).map_err(plain)?;
        if envelope.schema == b"null" {
            return without_schema.decode(segment, RecordRef { value: Some(envelope.payload), ..record });
        }
        let program = programs.get(envelope.schema, plan).map_err(plain)?;
        let mut scanner = Scanner::new(envelope.payload);
        let kind = scanner.kind().map_err(plain)?;
        if kind != ValueKind::Object {
            return Err(plain(DecodeReason::NotAnObject { found: Some(kind) }));
        }
        let rows = segment.rows();
        let result =
            one_row(segment, |columns| program.run(plan, columns, rows, &record, &mut scanner, scratch));
        if scratch.json.capacity() > SCRATCH_BYTES_MAX {
            *scratch = Scratch::default();
        }
        result
    }
}

impl Programs {
    /// Exactly the two fields, in any order, as JsonConverter insists.
    fn envelope<'a>(&self, value: &'a [u8]) -> Result<Envelope<'a>, DecodeReason> {
        let mut scanner = Scanner::new(value);
        if scanner.kind()? != ValueKind::Object {
            scanner.raw_value(0).and_then(|_| scanner.end())?;
            return Err(DecodeReason::NoEnvelope);
        }
        let (mut schema, mut payload) = (None, None);
        scanner.expect(b'{')?;
        if !scanner.empty(b'}') {
            loop {
                let name = scanner.text()?.raw;
                scanner.expect(b':')?;
                match name {
                    b"schema" => schema = Some(self.schema_text(value, &mut scanner)?),
                    b"payload" => payload = Some(scanner.raw_value(1)?),
                    _ => return Err(DecodeReason::NoEnvelope),
                }
                if !scanner.another(b'}')? {
                    break;
                }
            }
        }
        scanner.end()?;
        match (schema, payload) {
            (Some(schema), Some(payload)) => Ok(Envelope { schema, payload }),
            _ => Err(DecodeReason::NoEnvelope),
        }
    }

    /// The schema's text. The last record's is recognised by its bytes, which is much cheaper than
    /// finding its end.
    fn schema_text<'a>(&self, value: &'a [u8], scanner: &mut Scanner<'a>) -> Result<&'a [u8], DecodeReason> {
        let at = scanner.next_at();
        match &self.last {
            Some((last, _)) if scanner.eat_value(last) => Ok(&value[at..at + last.len()]),
            _ => scanner.raw_value(1),
        }
    }

    fn get(&mut self, schema: &[u8], plan: &TablePlan) -> Result<Arc<Program>, DecodeReason> {
        if let Some((last, program)) = &self.last
            && **last == *schema
        {
            return Ok(Arc::clone(program));
        }
        if schema.len() > SCHEMA_BYTES_MAX {
            return Err(DecodeReason::NoEnvelope);
        }
        if self.known.len() >= SCHEMAS_MAX && !self.known.contains_key(schema) {
            self.known.clear();
        }
        let program = match self.known.get(schema) {
            Some(known) => known.clone(),
            None => {
                let program = Program::compile(schema, self.null_defaults, plan).ok().map(Arc::new);
                self.known.insert(schema.into(), program.clone());
                program
            }
        };
        let program = program.ok_or(DecodeReason::NoEnvelope)?;
        self.last = Some((schema.into(), Arc::clone(&program)));
        Ok(program)
    }
}
