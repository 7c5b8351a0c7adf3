//! Reads the table's side: partition, offset and content of every row, as a binary stream.

use std::io::{BufReader, ErrorKind, Read};

use super::HistoryCheck;
use super::compare::TableRow;
use crate::error::{Result, io};

/// Int32, Int64 and UInt64, one after the other: ClickHouse's RowBinary has nothing between them.
const ROW_BYTES: usize = 4 + 8 + 8;

/// Rows that are read at once.
const BUFFER_BYTES: usize = ROW_BYTES * 50_000;

/// Hands every row of the table to `take`.
/// Errors: `Sql`, `NoAnswer`, and `Io` when the answer breaks off.
pub(super) fn read_rows(check: &HistoryCheck<'_>, mut take: impl FnMut(TableRow)) -> Result<()> {
    let query = format!(
        "SELECT toInt32(_partition), toInt64(_offset), {} FROM {} WHERE {} FORMAT RowBinary",
        check.content_expression, check.table, check.condition
    );
    let stream = check.sql.stream(&query)?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, stream);
    let mut row = [0; ROW_BYTES];
    loop {
        // The end is allowed between two rows only.
        match reader.read_exact(&mut row[..1]) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other.map_err(io(format!("read rows of {}", check.table)))?,
        }
        reader.read_exact(&mut row[1..]).map_err(io(format!("read rows of {}", check.table)))?;
        take(row_of(&row));
    }
}

fn row_of(bytes: &[u8; ROW_BYTES]) -> TableRow {
    fn part<const N: usize>(bytes: &[u8], first: usize) -> [u8; N] {
        bytes[first..first + N].try_into().expect("the three parts fill the row")
    }
    TableRow {
        partition: i32::from_le_bytes(part(bytes, 0)),
        offset: i64::from_le_bytes(part(bytes, 4)),
        content: u64::from_le_bytes(part(bytes, 12)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_three_little_endian_numbers() {
        let mut bytes = [0; ROW_BYTES];
        bytes[0] = 3;
        bytes[5] = 1;
        bytes[12..].fill(0xff);
        let row = TableRow { partition: 3, offset: 256, content: u64::MAX };
        assert_eq!(row_of(&bytes), row);
    }
}
