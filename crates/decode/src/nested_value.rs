//! An object of arrays into a Nested column: `{"a": [1, 2], "b": ["x", "y"]}` is two rows of it.
use pumphouse_columns::{ArrayColumn, Column};

use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::json_decoder::put_value;
use crate::scanner::Scanner;

/// Takes `{..}`. All arrays are equally long; none may be missing.
pub(crate) fn put_object_of_arrays(
    array: &Conversion,
    column: &mut ArrayColumn,
    scanner: &mut Scanner<'_>,
    scratch: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeReason> {
    let (Conversion::Array(inner), Column::Tuple(tuple)) = (array, column.values()) else {
        unreachable!("a Nested is compiled to an array of tuples")
    };
    let Conversion::Tuple(members) = &**inner else { unreachable!("a Nested is compiled to tuples") };
    let before = tuple.len();
    let mut given = 0usize;
    let mut length = None;
    scanner.expect(b'{')?;
    if !scanner.empty(b'}') {
        loop {
            let name_at = scanner.next_at() + 1;
            let member = members.member(scanner, scratch)?;
            scanner.expect(b':')?;
            match member {
                Some(member) => {
                    let column = &mut tuple.members()[member];
                    given += usize::from(column.len() == before);
                    column.truncate(before);
                    put_elements(&members.conversions()[member], column, scanner, scratch, depth + 1)?;
                    let this = column.len() - before;
                    // An empty array leaves no mark in the column; the count of the others does.
                    if *length.get_or_insert(this) != this {
                        return Err(DecodeReason::NestedLengths);
                    }
                }
                None if members.refuses_unknown() => return Err(DecodeReason::UnknownField { at: name_at }),
                None => {
                    scanner.raw_value(depth + 1)?;
                }
            }
            if !scanner.another(b'}')? {
                break;
            }
        }
    }
    let rows = length.unwrap_or(0);
    if given < members.conversions().len() && rows > 0 {
        return Err(DecodeReason::MissingField);
    }
    tuple.rows_pushed(rows);
    column.row_pushed();
    Ok(())
}

fn put_elements(
    conversion: &Conversion,
    column: &mut Column,
    scanner: &mut Scanner<'_>,
    scratch: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeReason> {
    let kind = scanner.kind()?;
    if kind != ValueKind::Array {
        scanner.raw_value(depth)?;
        return Err(DecodeReason::WrongKind { found: kind });
    }
    scanner.expect(b'[')?;
    if !scanner.empty(b']') {
        loop {
            put_value(conversion, column, scanner, scratch, depth + 1)?;
            if !scanner.another(b']')? {
                break;
            }
        }
    }
    Ok(())
}
