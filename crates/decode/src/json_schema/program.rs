//! A JSON Schema against a table: which columns get values that need the schema to be understood.
use pumphouse_columns::{Column, Segment};

use super::schema::Root;
use crate::connect_json::{Field, Node, Scratch, append_meaning, put};
use crate::dotted::Target;
use crate::error::{DecodeError, DecodeReason};
use crate::json_decoder::{Buffers, RecordRef, TakeFields, fill, put_field};
use crate::plan::{ColumnPlan, TablePlan};
use crate::scanner::Scanner;
use crate::schema_table::body_at;
use crate::source_row::{put_given, put_null_field};

/// What the schema says of one column's field.
#[derive(Debug, Clone)]
struct Meant {
    node: Node,
    /// JSON of what counts where the field is null or not there.
    default: Option<Box<[u8]>>,
}

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Program {
    buffers: Buffers,
    /// Per column of the plan; `None`: its field is plain JSON.
    columns: Vec<Option<Meant>>,
    /// Fields that stand for a group of columns; those that are not listed are plain JSON.
    groups: Vec<(usize, Node)>,
}

impl Program {
    pub(super) fn new(root: Root, plan: &TablePlan) -> Program {
        let others = root.others.map(|node| Meant { node, default: None });
        let mut program = Program {
            buffers: Buffers::new(),
            columns: vec![others; plan.columns.len()],
            groups: Vec::new(),
        };
        for Field { name, node, default } in root.fields {
            match plan.target(name.as_bytes()) {
                Some(Target::Column(place)) if node != Node::Plain || default.is_some() => {
                    program.columns[place] = Some(Meant { node, default });
                }
                Some(Target::Group(group)) if node != Node::Plain => program.groups.push((group, node)),
                Some(_) | None => {}
            }
        }
        program
    }

    /// Appends one row to `segment`. Errors: the segment is then as it was before.
    pub(super) fn run(
        &mut self,
        plan: &TablePlan,
        segment: &mut Segment,
        record: RecordRef<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        let Program { buffers, columns, groups } = self;
        buffers.decode(plan, segment, record, body_at(), &mut Run { columns, groups, scratch })
    }
}

struct Run<'r> {
    columns: &'r [Option<Meant>],
    groups: &'r [(usize, Node)],
    scratch: &'r mut Scratch,
}

impl TakeFields for Run<'_> {
    fn is_plain(&self, place: usize) -> bool {
        self.columns[place].is_none()
    }

    fn put(
        &mut self,
        place: usize,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), DecodeReason> {
        let Some(Meant { node, default }) = &self.columns[place] else {
            return put_field(column_plan, columns, scanner, scratch);
        };
        if scanner.peek() == b'n' {
            scanner.null()?;
            return match default {
                Some(default) => self.put_default(node, default, column_plan, columns),
                None => put_null_field(column_plan, columns),
            };
        }
        put_given(column_plan, columns, |conversion, column| {
            put(node, conversion, column, scanner, self.scratch, 1)
        })
    }

    fn fill(
        &mut self,
        place: usize,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        record: &RecordRef<'_>,
    ) -> Result<(), DecodeReason> {
        match &self.columns[place] {
            Some(Meant { node, default: Some(default) }) => {
                self.put_default(node, default, column_plan, columns)
            }
            Some(Meant { default: None, .. }) | None => fill(column_plan, columns, record),
        }
    }

    fn group_json(
        &mut self,
        group: usize,
        scanner: &mut Scanner<'_>,
    ) -> Result<Option<Vec<u8>>, DecodeReason> {
        let Some((_, node)) = self.groups.iter().find(|(of, _)| *of == group) else { return Ok(None) };
        let mut json = std::mem::take(&mut self.scratch.json);
        json.clear();
        append_meaning(node, scanner, self.scratch, &mut json, 1)?;
        Ok(Some(json))
    }

    fn group_done(&mut self, json: Vec<u8>) {
        self.scratch.json = json;
    }
}

impl Run<'_> {
    fn put_default(
        &mut self,
        node: &Node,
        default: &[u8],
        column_plan: &ColumnPlan,
        columns: &mut [Column],
    ) -> Result<(), DecodeReason> {
        put_given(column_plan, columns, |conversion, column| {
            put(node, conversion, column, &mut Scanner::new(default), self.scratch, 1)
        })
    }
}
