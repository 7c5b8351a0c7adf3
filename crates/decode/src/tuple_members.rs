//! The members of a Tuple: by name from an object, by place from an array.
use hashbrown::HashMap;
use pumphouse_columns::{Column, TupleColumn, TupleMember};

use crate::conversion::{Conversion, ZoneError};
use crate::error::DecodeReason;
use crate::json_decoder::put_value;
use crate::plan::UnknownFields;
use crate::scanner::{Scanner, unescape};

/// A Tuple's members, for looking up.
#[derive(Debug)]
pub(crate) struct TupleMembers {
    members: Vec<Conversion>,
    /// Empty for a Tuple without names.
    by_name: HashMap<Box<[u8]>, usize>,
    unknown: UnknownFields,
}

impl TupleMembers {
    pub(crate) fn compile(
        members: &[TupleMember],
        unknown: UnknownFields,
    ) -> Result<TupleMembers, ZoneError> {
        let names = members.iter().enumerate().filter_map(|(at, member)| Some((member.name.as_ref()?, at)));
        Ok(TupleMembers {
            by_name: names.map(|(name, at)| (name.as_bytes().into(), at)).collect(),
            members: members
                .iter()
                .map(|member| Conversion::compile(&member.data_type, unknown))
                .collect::<Result<_, _>>()?,
            unknown,
        })
    }

    /// Whether the members have names, which an object's fields are matched with.
    pub(crate) fn have_names(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// The member of a name.
    pub(crate) fn by_name(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether names that the Tuple does not have are errors.
    pub(crate) fn refuses_unknown(&self) -> bool {
        self.unknown == UnknownFields::Refuse
    }

    /// The members' conversions, in the order of the type.
    pub(crate) fn conversions(&self) -> &[Conversion] {
        &self.members
    }

    /// Takes `[..]`, one value for each member in order.
    pub(crate) fn put_array(
        &self,
        tuple: &mut TupleColumn,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        scanner.expect(b'[')?;
        let mut more = !scanner.empty(b']');
        for (conversion, column) in self.members.iter().zip(tuple.members()) {
            if !more {
                return Err(DecodeReason::WrongLength);
            }
            put_value(conversion, column, scanner, scratch, depth + 1)?;
            more = scanner.another(b']')?;
        }
        if more {
            return Err(DecodeReason::WrongLength);
        }
        tuple.row_pushed();
        Ok(())
    }

    /// Takes `{..}`. As with a record's fields: of a name that stands there twice the last counts, and
    /// a member that is not there is NULL where the type holds it.
    pub(crate) fn put_object(
        &self,
        tuple: &mut TupleColumn,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let rows = tuple.len();
        scanner.expect(b'{')?;
        if !scanner.empty(b'}') {
            loop {
                let name_at = scanner.next_at() + 1;
                let member = self.member(scanner, scratch)?;
                scanner.expect(b':')?;
                match member {
                    Some(member) => {
                        let column = &mut tuple.members()[member];
                        column.truncate(rows);
                        put_value(&self.members[member], column, scanner, scratch, depth + 1)?;
                    }
                    None if self.refuses_unknown() => {
                        return Err(DecodeReason::UnknownField { at: name_at });
                    }
                    None => {
                        scanner.raw_value(depth + 1)?;
                    }
                }
                if !scanner.another(b'}')? {
                    break;
                }
            }
        }
        for column in tuple.members() {
            fill_member(column, rows)?;
        }
        tuple.row_pushed();
        Ok(())
    }

    /// Takes a name and finds its member.
    pub(crate) fn member(
        &self,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<usize>, DecodeReason> {
        let name = scanner.text()?;
        if !name.escaped {
            return Ok(self.by_name(name.raw));
        }
        unescape(name, scratch)?;
        Ok(self.by_name(scratch))
    }
}

/// Makes a member that got no value NULL, where it can be.
pub(crate) fn fill_member(column: &mut Column, rows: usize) -> Result<(), DecodeReason> {
    if column.len() == rows && !column.push_null() {
        return Err(DecodeReason::MissingField);
    }
    Ok(())
}
