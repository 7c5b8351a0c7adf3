//! Dynamic columns: as a Variant whose members are whatever types the rows bring along.
use std::collections::BTreeMap;
use std::ops::Range;

use crate::block::{Body, put_le_u64, put_text};
use crate::choices::{Choices, NULL_MEMBER};
use crate::column::{Column, UnsupportedType};
use crate::data_type::DataType;
use crate::stream::{DISCRIMINATORS_BASIC, encode_prefix, encode_values};
use crate::text::put_varuint;

/// Version of the serialization that the server writes by itself: type names, then a Variant.
const STRUCTURE_VERSION: u64 = 1;

/// The server numbers this member of its own among the others, by its name. It is always empty here.
const SHARED: &str = "SharedVariant";

/// Types that one segment's column may bring along; a byte numbers them, the server's own included.
pub const DYNAMIC_TYPES_MAX: usize = 250;

/// A Dynamic column of one segment. Members stand in the order in which they were first used, which
/// does not show in the block.
#[derive(Debug, Clone, Default)]
pub struct DynamicColumn {
    choices: Choices,
    types: Vec<DataType>,
    members: Vec<Column>,
}

impl DynamicColumn {
    /// The number of the member for a type, which is added if it is new.
    /// Errors: [`UnsupportedType`] for a type without a builder, and for one above [`DYNAMIC_TYPES_MAX`].
    pub fn member_of(&mut self, data_type: &DataType) -> Result<usize, UnsupportedType> {
        if let Some(found) = self.types.iter().position(|known| known == data_type) {
            return Ok(found);
        }
        let column = Column::new(data_type)?;
        if self.types.len() >= DYNAMIC_TYPES_MAX {
            return Err(UnsupportedType { part: data_type.to_string() });
        }
        self.types.push(data_type.clone());
        self.members.push(column);
        self.choices.add_member();
        Ok(self.members.len() - 1)
    }

    /// A member's values: push one, then call [`DynamicColumn::value_pushed`].
    /// Shape: a number that [`DynamicColumn::member_of`] gave.
    #[inline]
    pub fn values(&mut self, member: usize) -> &mut Column {
        &mut self.members[member]
    }

    /// Makes the value pushed last to `member` a row.
    #[inline]
    pub fn value_pushed(&mut self, member: usize) {
        self.choices.push(member);
        debug_assert!(self.members[member].len() == self.choices.count(member));
    }

    /// Appends NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.choices.push_null();
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.choices.rows().len()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.choices.rows().len() + self.members.iter().map(Column::bytes).sum::<usize>()
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.choices.truncate(rows, &mut self.members);
    }

    /// The types go too: hostile ones must not pile up from block to block.
    pub(crate) fn clear(&mut self) {
        self.choices = Choices::default();
        self.types.clear();
        self.members.clear();
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> DynamicColumn {
        let (choices, members) = self.choices.select(&self.members, ranges);
        DynamicColumn { choices, types: self.types.clone(), members }
    }
}

/// All segments' members of one block: by type name, in the server's order; types without a value
/// in any segment are left out, so that only the rows decide.
struct Merged<'a> {
    members: BTreeMap<String, Vec<&'a Column>>,
    /// Per segment and member: its number in the block.
    numbers: Vec<Vec<u8>>,
}

fn merge<'a>(parts: &[&'a DynamicColumn]) -> Merged<'a> {
    let mut members: BTreeMap<String, Vec<&Column>> = BTreeMap::new();
    for part in parts {
        for (data_type, member) in part.types.iter().zip(&part.members).filter(|(_, m)| !m.is_empty()) {
            members.entry(data_type.to_string()).or_default().push(member);
        }
    }
    let number_of = |name: &str| {
        let place = members.keys().take_while(|other| other.as_str() < name).count();
        place + usize::from(name > SHARED)
    };
    let numbers = parts
        .iter()
        .map(|part| part.types.iter().map(|data_type| number_of(&data_type.to_string()) as u8).collect())
        .collect();
    assert!(members.len() <= DYNAMIC_TYPES_MAX, "one decoder's segments bring the same few types");
    Merged { members, numbers }
}

/// Appends what stands before the body: the types, and the prefixes of their columns.
/// Source: ClickHouse `SerializationDynamic`; golden bytes in `golden/`.
pub(crate) fn encode_dynamic_prefix(parts: &[&DynamicColumn], out: &mut Vec<u8>) {
    let merged = merge(parts);
    put_le_u64(STRUCTURE_VERSION, out);
    // Version 1 says the number twice; readers ignore the first one.
    put_varuint(merged.members.len() as u64, out);
    put_varuint(merged.members.len() as u64, out);
    merged.members.keys().for_each(|name| put_text(name, out));
    put_le_u64(DISCRIMINATORS_BASIC, out);
    merged.members.values().for_each(|columns| encode_prefix(columns, out));
}

/// Appends the body: a number per row, then each member's values.
pub(crate) fn encode_dynamic(parts: &[&DynamicColumn], body: &mut Body<'_>) {
    let merged = merge(parts);
    for (part, numbers) in parts.iter().zip(&merged.numbers) {
        body.raw.extend(
            part.choices
                .rows()
                .iter()
                .map(|&row| numbers.get(usize::from(row)).copied().unwrap_or(NULL_MEMBER)),
        );
    }
    merged.members.values().for_each(|columns| encode_values(columns, body));
}
