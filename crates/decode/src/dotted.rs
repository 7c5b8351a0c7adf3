//! Columns with dots in their names: a field that is an object fills `n.a` and `n.b` by the names in
//! it, and a field that is an array of objects fills the arrays of a flattened Nested side by side.
use hashbrown::HashMap;
use pumphouse_columns::{ArrayColumn, Column};

use crate::conversion::Conversion;
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::json_decoder::{forget, of_column, plain, put_field, put_mask, put_value};
use crate::plan::{ColumnPlan, Source, TablePlan, UnknownFields};
use crate::scanner::{JSON_DEPTH_MAX, Scanner, unescape};
use crate::seen::Seen;
use crate::source_row::put_null_field;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A place in the plan's columns.
    Column(usize),
    /// A place among the groups: columns whose names go on behind a dot.
    Group(usize),
}

#[derive(Debug, Default)]
struct Group {
    by_name: HashMap<Box<[u8]>, Target>,
    /// All columns in it, those of the groups inside too.
    columns: Vec<usize>,
}

/// The groups of a table.
#[derive(Debug, Default)]
pub(crate) struct Dotted {
    /// The first one has what stands before the first dot.
    groups: Vec<Group>,
    /// Arrays that share what stands before the first dot: the server wants equal lengths.
    nested: Vec<Vec<usize>>,
}

impl Dotted {
    /// `columns`: place and name of each column that a field may fill, and whether it is an Array.
    pub(crate) fn new<'a>(columns: impl Iterator<Item = (usize, &'a str, bool)> + Clone) -> Dotted {
        let mut dotted = Dotted { groups: vec![Group::default()], nested: Vec::new() };
        let mut nested: Vec<(&str, Vec<usize>)> = Vec::new();
        for (place, name, is_array) in columns {
            let Some((prefix, _)) = name.split_once('.') else { continue };
            dotted.insert(place, name);
            if is_array {
                match nested.iter_mut().find(|(known, _)| *known == prefix) {
                    Some((_, places)) => places.push(place),
                    None => nested.push((prefix, vec![place])),
                }
            }
        }
        dotted.nested = nested.into_iter().map(|(_, places)| places).filter(|p| p.len() > 1).collect();
        dotted
    }

    fn insert(&mut self, place: usize, name: &str) {
        let (mut group, mut rest) = (0, name);
        while let Some((head, tail)) = rest.split_once('.') {
            let next = self.groups.len();
            let found =
                *self.groups[group].by_name.entry(head.as_bytes().into()).or_insert(Target::Group(next));
            let Target::Group(inner) = found else { return };
            if inner == next {
                self.groups.push(Group::default());
            }
            self.groups[inner].columns.push(place);
            self.groups[inner].by_name.insert(tail.as_bytes().into(), Target::Column(place));
            (group, rest) = (inner, tail);
        }
    }

    /// The group of a field's name.
    pub(crate) fn group_of(&self, name: &[u8]) -> Option<Target> {
        self.groups.first()?.by_name.get(name).copied()
    }

    /// The columns of a group, those of the groups inside too.
    pub(crate) fn columns_of(&self, group: usize) -> &[usize] {
        &self.groups[group].columns
    }

    /// Errors: DECODE-013 where arrays of the last row differ in length that the server wants equal.
    #[inline]
    pub(crate) fn check_lengths(&self, plan: &TablePlan, columns: &[Column]) -> Result<(), DecodeError> {
        for places in &self.nested {
            let mut length = None;
            for &place in places {
                let column_plan = &plan.columns[place];
                // Not given: the server makes it.
                if column_plan
                    .mask
                    .is_some_and(|mask| matches!(&columns[mask], Column::U8(v) if v.last() == Some(&0)))
                {
                    continue;
                }
                let Column::Array(array) = &columns[column_plan.wire] else { continue };
                let this = array.last_row_len();
                if *length.get_or_insert(this) != this {
                    return Err(of_column(column_plan, DecodeReason::NestedLengths));
                }
            }
        }
        Ok(())
    }
}

/// Fills the columns of groups from one record.
pub(crate) struct GroupFiller<'a> {
    pub(crate) plan: &'a TablePlan,
    pub(crate) columns: &'a mut [Column],
    /// Whole rows in the segment.
    pub(crate) rows: usize,
    pub(crate) seen: &'a mut Seen,
    pub(crate) scratch: &'a mut Vec<u8>,
}

impl GroupFiller<'_> {
    /// Takes the value of a field that stands for a group. `depth`: levels that it lies in.
    pub(crate) fn put(
        &mut self,
        group: usize,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        if depth > JSON_DEPTH_MAX {
            return Err(plain(DecodeReason::TooDeep));
        }
        match scanner.kind().map_err(plain)? {
            ValueKind::Object => self.object(group, scanner, depth),
            ValueKind::Array => self.array(group, scanner, depth),
            ValueKind::Null => {
                scanner.null().map_err(plain)?;
                for &place in &self.plan.dotted.groups[group].columns {
                    self.see(place);
                    let column_plan = &self.plan.columns[place];
                    put_null_field(column_plan, self.columns)
                        .map_err(|reason| of_column(column_plan, reason))?;
                }
                Ok(())
            }
            found => {
                scanner.raw_value(depth).map_err(plain)?;
                let column_plan = &self.plan.columns[self.plan.dotted.groups[group].columns[0]];
                Err(of_column(column_plan, DecodeReason::WrongKind { found }))
            }
        }
    }

    /// A column's field comes; what came for it before in this record is forgotten.
    fn see(&mut self, place: usize) {
        if self.seen.mark(place) {
            forget(&self.plan.columns[place], self.columns, self.rows);
        }
    }

    /// `{"a": .., "b": ..}`: each member is a field of its own.
    fn object(&mut self, group: usize, scanner: &mut Scanner<'_>, depth: usize) -> Result<(), DecodeError> {
        scanner.expect(b'{').map_err(plain)?;
        if scanner.empty(b'}') {
            return Ok(());
        }
        loop {
            match self.name(group, scanner)? {
                Some(Target::Column(place)) => {
                    self.see(place);
                    let column_plan = &self.plan.columns[place];
                    put_field(column_plan, self.columns, scanner, self.scratch)
                        .map_err(|reason| of_column(column_plan, reason))?;
                }
                Some(Target::Group(inner)) => self.put(inner, scanner, depth + 1)?,
                None => drop(scanner.raw_value(depth + 1).map_err(plain)?),
            }
            if !scanner.another(b'}').map_err(plain)? {
                return Ok(());
            }
        }
    }

    /// Takes a member's name and the colon.
    fn name(&mut self, group: usize, scanner: &mut Scanner<'_>) -> Result<Option<Target>, DecodeError> {
        let at = scanner.next_at() + 1;
        let name = scanner.text().map_err(plain)?;
        let by_name = &self.plan.dotted.groups[group].by_name;
        let target = if name.escaped {
            unescape(name, self.scratch).map_err(plain)?;
            by_name.get(self.scratch.as_slice()).copied()
        } else {
            by_name.get(name.raw).copied()
        };
        scanner.expect(b':').map_err(plain)?;
        if target.is_none() && self.plan.unknown_fields == UnknownFields::Refuse {
            return Err(plain(DecodeReason::UnknownField { at }));
        }
        Ok(target)
    }

    /// `[{"a": 1}, {"a": 2}]`: the n-th object has the n-th element of every array.
    fn array(&mut self, group: usize, scanner: &mut Scanner<'_>, depth: usize) -> Result<(), DecodeError> {
        let plan = self.plan;
        let places = &plan.dotted.groups[group].columns;
        for &place in places {
            self.see(place);
        }
        scanner.expect(b'[').map_err(plain)?;
        let mut elements = 0u64;
        if !scanner.empty(b']') {
            loop {
                let found = scanner.kind().map_err(plain)?;
                if found != ValueKind::Object {
                    scanner.raw_value(depth + 1).map_err(plain)?;
                    return Err(of_column(&plan.columns[places[0]], DecodeReason::WrongKind { found }));
                }
                self.element(group, elements, scanner, depth + 1)?;
                elements += 1;
                for &place in places {
                    let column_plan = &plan.columns[place];
                    let missing = |array: &mut ArrayColumn| match array.open_values() == elements {
                        true => Ok(()),
                        false if array.values().push_null() => Ok(()),
                        false => Err(DecodeReason::MissingField),
                    };
                    array_of(column_plan, self.columns)
                        .and_then(|(_, array)| missing(array))
                        .map_err(|reason| of_column(column_plan, reason))?;
                }
                if !scanner.another(b']').map_err(plain)? {
                    break;
                }
            }
        }
        for &place in places {
            let column_plan = &plan.columns[place];
            let (_, array) =
                array_of(column_plan, self.columns).map_err(|reason| of_column(column_plan, reason))?;
            array.row_pushed();
            put_mask(column_plan, self.columns, 1);
        }
        Ok(())
    }

    /// One object of the array: its values become the elements with number `element` (from 0).
    fn element(
        &mut self,
        group: usize,
        element: u64,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        if depth > JSON_DEPTH_MAX {
            return Err(plain(DecodeReason::TooDeep));
        }
        scanner.expect(b'{').map_err(plain)?;
        if scanner.empty(b'}') {
            return Ok(());
        }
        loop {
            match self.name(group, scanner)? {
                Some(Target::Column(place)) => {
                    let column_plan = &self.plan.columns[place];
                    array_of(column_plan, self.columns)
                        .and_then(|(conversion, array)| {
                            array.keep_open_values(element);
                            put_value(conversion, array.values(), scanner, self.scratch, depth + 1)
                        })
                        .map_err(|reason| of_column(column_plan, reason))?;
                }
                Some(Target::Group(inner)) if scanner.peek() == b'{' => {
                    self.element(inner, element, scanner, depth + 1)?;
                }
                // What is no object has no members to give.
                Some(Target::Group(inner)) => {
                    let found = scanner.kind().map_err(plain)?;
                    scanner.raw_value(depth + 1).map_err(plain)?;
                    let column_plan = &self.plan.columns[self.plan.dotted.groups[inner].columns[0]];
                    return Err(of_column(column_plan, DecodeReason::WrongKind { found }));
                }
                None => drop(scanner.raw_value(depth + 1).map_err(plain)?),
            }
            if !scanner.another(b'}').map_err(plain)? {
                return Ok(());
            }
        }
    }
}

/// The array that a column is, and what its elements become. Errors: it is none.
fn array_of<'a>(
    column_plan: &'a ColumnPlan,
    columns: &'a mut [Column],
) -> Result<(&'a Conversion, &'a mut ArrayColumn), DecodeReason> {
    match (&column_plan.source, &mut columns[column_plan.wire]) {
        (Source::Field { conversion: Conversion::Array(inner), .. }, Column::Array(array)) => {
            Ok((inner, array))
        }
        _ => Err(DecodeReason::WrongKind { found: ValueKind::Array }),
    }
}
