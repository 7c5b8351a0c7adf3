//! A writer schema against a table: what is read, in the order of the bytes, and where it goes.
use pumphouse_columns::Column;

use super::json::append_json;
use super::reader::{AVRO_DEPTH_MAX, Reader};
use super::schema::{Node, NodeId, Schema};
use super::skip::skip;
use super::usual::UsualField;
use crate::conversion::Conversion;
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::json_decoder::{RecordRef, plain, put_value};
use crate::plan::TablePlan;
use crate::scanner::Scanner;
use crate::schema_error::SchemaFault;
use crate::source_row::{Binding, GroupScratch, at_column, conversion_of, put_given, put_null_field};
use crate::typed::{
    Meaning, Moment, TextBuffer, Unscaled, put_boolean, put_bytes, put_decimal, put_double, put_float,
    put_integer, put_moment, put_text, put_usual_text, put_uuid,
};

/// Buffers that are kept from record to record.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The JSON text of a value that a column takes as JSON.
    pub(crate) json: Vec<u8>,
    /// Texts of it without escapes.
    pub(crate) unescaped: Vec<u8>,
    /// For fields that stand for groups of columns.
    groups: GroupScratch,
}

/// How one value is read, and which of the typed ways it goes.
#[derive(Debug)]
pub(super) enum Op {
    Null,
    Boolean,
    Int,
    Long,
    IntMoment(Moment),
    LongMoment(Moment),
    Float,
    Double,
    Bytes,
    String,
    Decimal {
        scale: i32,
    },
    BigDecimal,
    VariableDecimal,
    Fixed {
        size: usize,
    },
    FixedDecimal {
        size: usize,
        scale: i32,
    },
    Uuid,
    Duration,
    Enum(NodeId),
    Array(Box<Op>),
    Map(Box<Op>),
    Union(Vec<Op>),
    /// A shape that the column's type takes as JSON knows it: a record, or a list for a text.
    Json(NodeId),
}

#[derive(Debug)]
enum Step {
    Skip(NodeId),
    /// Often in the usual way; else as the operation says.
    Usual(UsualField, Put),
    Put(Put),
    /// A field that stands for a group of columns.
    Group {
        group: usize,
        node: NodeId,
    },
}

/// A field with a column of its own.
#[derive(Debug)]
struct Put {
    target: usize,
    op: Op,
}

/// A compiled writer schema.
#[derive(Debug)]
pub(super) struct Program {
    schema: Schema,
    steps: Vec<Step>,
    binding: Binding,
}

impl Program {
    /// Errors: `NoFields` if values are not records.
    pub(super) fn compile(schema: Schema, plan: &TablePlan) -> Result<Program, SchemaFault> {
        let Node::Record { fields, .. } = schema.node(schema.root) else {
            return Err(SchemaFault::NoFields);
        };
        let binding = Binding::new(plan, fields.iter().map(|field| &*field.name));
        let steps = fields
            .iter()
            .zip(&binding.targets)
            .enumerate()
            .map(|(place, (field, target))| match (target, binding.group_of(place)) {
                (None, Some(group)) => Step::Group { group, node: field.node },
                (None, None) => Step::Skip(field.node),
                (Some(target), _) => {
                    let column_plan = &plan.columns[*target];
                    let op = compile_op(&schema, field.node, conversion_of(column_plan));
                    let (usual, put) = (UsualField::of(&op, column_plan), Put { target: *target, op });
                    match usual {
                        Some(usual) => Step::Usual(usual, put),
                        None => Step::Put(put),
                    }
                }
            })
            .collect();
        Ok(Program { schema, steps, binding })
    }

    /// Everything the general way.
    #[cfg(test)]
    pub(super) fn without_usual(mut self) -> Program {
        let general = |step| match step {
            Step::Usual(_, put) => Step::Put(put),
            step => step,
        };
        self.steps = self.steps.into_iter().map(general).collect();
        self
    }

    /// Appends one row to `columns`, which hold `rows` of them and which the caller commits or undoes.
    pub(super) fn run(
        &self,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        record: &RecordRef<'_>,
        body: &[u8],
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        self.binding.fill_absent(plan, columns, record)?;
        self.binding.begin_groups(plan, &mut scratch.groups);
        let mut reader = Reader::new(body);
        let mut rest = body;
        let mut run = Run { schema: &self.schema, reader: &mut reader, scratch };
        for step in &self.steps {
            if let Step::Usual(usual, _) = step {
                let before = rest;
                if usual.put(&mut rest, columns).is_some() {
                    continue;
                }
                usual.undo(columns, rows);
                rest = before;
            }
            run.reader.resume(rest);
            run.step(step, plan, columns, rows)?;
            rest = run.reader.rest();
        }
        reader.resume(rest);
        if !reader.is_at_end() {
            return reader.broken().map_err(plain);
        }
        self.binding.end_groups(plan, columns, record, &scratch.groups)
    }
}

fn compile_op(schema: &Schema, node: NodeId, conversion: &Conversion) -> Op {
    match (schema.node(node), conversion) {
        (Node::Null, _) => Op::Null,
        (Node::Boolean, _) => Op::Boolean,
        (Node::Int(Meaning::Moment(moment)), _) => Op::IntMoment(*moment),
        (Node::Int(_), _) => Op::Int,
        (Node::Long(Meaning::Moment(moment)), _) => Op::LongMoment(*moment),
        (Node::Long(_), _) => Op::Long,
        (Node::Float, _) => Op::Float,
        (Node::Double, _) => Op::Double,
        (Node::Bytes(Meaning::Decimal { scale }), _) => Op::Decimal { scale: *scale },
        (Node::Bytes(_), _) => Op::Bytes,
        (Node::BigDecimal, _) => Op::BigDecimal,
        (Node::String, _) => Op::String,
        (Node::Fixed { meaning: Meaning::Uuid, .. }, _) => Op::Uuid,
        (Node::Fixed { meaning: Meaning::Duration, .. }, _) => Op::Duration,
        (Node::Fixed { size, meaning: Meaning::Decimal { scale } }, _) => {
            Op::FixedDecimal { size: *size, scale: *scale }
        }
        (Node::Fixed { size, .. }, _) => Op::Fixed { size: *size },
        (Node::Enum { .. }, _) => Op::Enum(node),
        (Node::Record { variable_decimal: true, .. }, _) => Op::VariableDecimal,
        (Node::Array(inner), Conversion::Array(item)) => {
            Op::Array(Box::new(compile_op(schema, *inner, item)))
        }
        (Node::Map(inner), Conversion::Map(_, value)) => Op::Map(Box::new(compile_op(schema, *inner, value))),
        (Node::Union(branches), _) => {
            Op::Union(branches.iter().map(|branch| compile_op(schema, *branch, conversion)).collect())
        }
        (Node::Array(_) | Node::Map(_) | Node::Record { .. }, _) => Op::Json(node),
    }
}

struct Run<'r, 'a> {
    schema: &'r Schema,
    reader: &'r mut Reader<'a>,
    scratch: &'r mut Scratch,
}

impl Run<'_, '_> {
    /// The general way.
    #[inline(never)]
    fn step(
        &mut self,
        step: &Step,
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
    ) -> Result<(), DecodeError> {
        match step {
            Step::Skip(node) => skip(self.schema, *node, self.reader, 0).map_err(plain),
            Step::Group { group, node } => {
                let Scratch { json, groups, .. } = &mut *self.scratch;
                json.clear();
                append_json(self.schema, *node, self.reader, json, 0).map_err(plain)?;
                Binding::put_group(plan, columns, rows, *group, json, groups)
            }
            Step::Usual(_, Put { target, op }) | Step::Put(Put { target, op }) => {
                let column_plan = &plan.columns[*target];
                // A union is read here, so that NULL of the whole field can mean the DEFAULT.
                let op = self.branch(op).map_err(|reason| at_column(column_plan, reason))?;
                match op {
                    Op::Null => put_null_field(column_plan, columns),
                    op => put_given(column_plan, columns, |conversion, column| {
                        self.put(op, conversion, column, 0)
                    }),
                }
                .map_err(|reason| at_column(column_plan, reason))
            }
        }
    }

    /// The operation of the branch that comes next; every other operation is its own.
    #[inline(always)]
    fn branch<'o>(&mut self, op: &'o Op) -> Result<&'o Op, DecodeReason> {
        match op {
            Op::Union(branches) => Ok(&branches[self.reader.index(branches.len())?]),
            op => Ok(op),
        }
    }

    /// Reads one value and appends it. `depth`: levels that it lies in.
    #[inline(always)]
    fn put(
        &mut self,
        op: &Op,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match op {
            Op::Long => put_integer(conversion, column, self.reader.long()?),
            Op::String => put_usual_text(conversion, column, self.reader.string()?),
            Op::Int => put_integer(conversion, column, self.reader.int()?),
            Op::LongMoment(moment) => put_moment(conversion, column, self.reader.long()?, *moment),
            Op::Double => put_double(conversion, column, self.reader.double()?),
            Op::Boolean => put_boolean(conversion, column, self.reader.boolean()?),
            Op::Decimal { scale } => {
                put_decimal(conversion, column, Unscaled::of(self.reader.bytes()?), *scale)
            }
            _ => self.put_rarer(op, conversion, column, depth),
        }
    }

    fn put_rarer(
        &mut self,
        op: &Op,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        match op {
            Op::Null => match column.push_null() {
                true => Ok(()),
                false => Err(DecodeReason::UnexpectedNull),
            },
            Op::IntMoment(moment) => put_moment(conversion, column, self.reader.int()?, *moment),
            Op::Float => put_float(conversion, column, self.reader.float()?),
            Op::Bytes => put_bytes(conversion, column, self.reader.bytes()?),
            Op::Fixed { size } => put_bytes(conversion, column, self.reader.take(*size)?),
            Op::FixedDecimal { size, scale } => {
                put_decimal(conversion, column, Unscaled::of(self.reader.take(*size)?), *scale)
            }
            Op::BigDecimal => {
                let (unscaled, scale) = big_decimal(self.reader)?;
                put_decimal(conversion, column, unscaled, scale)
            }
            Op::VariableDecimal => {
                let (unscaled, scale) = variable_decimal(self.reader)?;
                put_decimal(conversion, column, unscaled, scale)
            }
            Op::Uuid => put_uuid(conversion, column, u128::from_be_bytes(self.reader.array()?)),
            Op::Duration => put_text(conversion, column, duration_text(self.reader.array()?).as_bytes()),
            Op::Enum(node) => put_text(conversion, column, symbol(self.schema, *node, self.reader)?),
            Op::Union(_) => {
                let branch = self.branch(op)?;
                self.put(branch, conversion, column, depth)
            }
            Op::Array(item) => self.put_array(item, conversion, column, depth),
            Op::Map(value) => self.put_map(value, conversion, column, depth),
            Op::Json(node) => self.put_json(*node, conversion, column, depth),
            // put() has them.
            Op::Long
            | Op::String
            | Op::Int
            | Op::LongMoment(_)
            | Op::Double
            | Op::Boolean
            | Op::Decimal { .. } => {
                unreachable!("the usual operations are not passed on")
            }
        }
    }

    fn put_array(
        &mut self,
        item: &Op,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let (Conversion::Array(inner), Column::Array(array)) = (conversion, column) else {
            return Err(DecodeReason::WrongKind { found: ValueKind::Array });
        };
        if depth >= AVRO_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        loop {
            let (count, _) = self.reader.block()?;
            if count == 0 {
                break;
            }
            self.reader.claim(count)?;
            for _ in 0..count {
                self.put(item, inner, array.values(), depth + 1)?;
            }
        }
        array.row_pushed();
        Ok(())
    }

    fn put_map(
        &mut self,
        value: &Op,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let (Conversion::Map(keys, values), Column::Map(map)) = (conversion, column) else {
            return Err(DecodeReason::WrongKind { found: ValueKind::Object });
        };
        if depth >= AVRO_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        loop {
            let (count, _) = self.reader.block()?;
            if count == 0 {
                break;
            }
            self.reader.claim(count)?;
            for _ in 0..count {
                put_text(keys, map.keys(), self.reader.string()?)?;
                self.put(value, values, map.values(), depth + 1)?;
            }
        }
        map.row_pushed();
        Ok(())
    }

    fn put_json(
        &mut self,
        node: NodeId,
        conversion: &Conversion,
        column: &mut Column,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let Scratch { json, unescaped, .. } = &mut *self.scratch;
        json.clear();
        append_json(self.schema, node, self.reader, json, depth)?;
        put_value(conversion, column, &mut Scanner::new(json), unescaped, 1)
    }
}

/// The text of an enum's value.
pub(super) fn symbol<'s>(
    schema: &'s Schema,
    node: NodeId,
    reader: &mut Reader<'_>,
) -> Result<&'s [u8], DecodeReason> {
    let Node::Enum { symbols } = schema.node(node) else { unreachable!("compiled from an enum") };
    let symbol = symbols[reader.index(symbols.len())?].as_bytes();
    // One byte of a record may stand for a long name.
    reader.claim(symbol.len() / 64)?;
    Ok(symbol)
}

/// Bytes that hold a whole number and its scale.
pub(super) fn big_decimal<'a>(reader: &mut Reader<'a>) -> Result<(Unscaled<'a>, i32), DecodeReason> {
    let bytes = reader.bytes()?;
    let mut inner = Reader::new(bytes);
    let read = inner.bytes().and_then(|unscaled| Ok((unscaled, inner.int()?)));
    match read {
        Ok((unscaled, scale)) if inner.is_at_end() => Ok((Unscaled::of(unscaled), scale as i32)),
        _ => reader.broken(),
    }
}

/// Debezium's record of a scale and a whole number.
pub(super) fn variable_decimal<'a>(reader: &mut Reader<'a>) -> Result<(Unscaled<'a>, i32), DecodeReason> {
    let scale = reader.int()? as i32;
    Ok((Unscaled::of(reader.bytes()?), scale))
}

/// ISO 8601, for instance `P1M2DT3.004S`.
pub(super) fn duration_text(bytes: [u8; 12]) -> TextBuffer<48> {
    let part = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (months, days, millis) = (part(0), part(4), part(8));
    TextBuffer::of(format_args!("P{months}M{days}DT{}.{:03}S", millis / 1000, millis % 1000))
}
